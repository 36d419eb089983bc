//! Makes a recording, a second at a time.

use crate::chunk::{self, AUDIO_AT, Kind, Sealer, Tag};
use crate::error::Error;
use crate::header::{self, Channels, Fixed, RecordingId};
use crate::keys::MasterKeys;
use crate::marks::{Marks, Tick, TickMap};
use crate::trailer::Trailer;
use crate::{CHUNK_SAMPLES, CHUNKS_MAX, ChainHead};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Audio to be written, by what the recording keeps apart.
#[derive(Clone, Copy, Debug)]
pub enum Voices<'a> {
    /// For [`Channels::Mono`].
    Mono(&'a [i16]),
    /// Left and right, for [`Channels::Stereo`]; the longer one's rest is left out.
    Stereo(&'a [i16], &'a [i16]),
}

/// A finished recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Length, silences included, in samples per channel.
    pub samples: u64,
    /// Length of the file.
    pub bytes: u64,
    /// Silent stretches.
    pub marks: Marks,
    /// Of the whole chain.
    pub head: ChainHead,
}

/// Writes a recording. **After an error the file is whole up to its last chunk, the writer goes on,
/// and what could not be written in its second or the next is marked as lost.** Dropped without
/// [`Writer::finish`], it leaves an unfinished file, as a crash does.
pub struct Writer {
    file: File,
    sealer: Sealer,
    fixed: Fixed,
    /// The second that fills: always [`Fixed::chunk_bytes`] long.
    chunk: Vec<u8>,
    map: TickMap,
    filled: usize,
    audible: bool,
    /// Seconds begun before the one that fills: those in the file, in `backlog` and in `pending`.
    index: u64,
    /// Chunks in the file.
    written: u64,
    /// Silences that wait for the disk, with how many seconds.
    backlog: VecDeque<(Tick, u64)>,
    /// The newest full second, when the disk did not take it.
    pending: Option<Pending>,
    sealings: u64,
    before: Tag,
    head: ChainHead,
    marks: Marks,
    /// Length of the audio once it is over.
    total: Option<u64>,
    finished: Option<Summary>,
}

struct Pending {
    chunk: Vec<u8>,
    kind: Kind,
    map: TickMap,
    /// Once sealed, these bytes are tried again: never others under the same nonce.
    tag: Option<Tag>,
}

impl Writer {
    /// Makes a new file of mode 0600; never replaces one that exists.
    pub fn create(
        path: &Path,
        channels: Channels,
        id: RecordingId,
        keys: &MasterKeys,
    ) -> Result<Self, Error> {
        let file =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        let fixed = Fixed { channels, id };
        let created = header::lock(&file).and_then(|()| header::create(&file, fixed, keys));
        let opened = created.inspect_err(|_| {
            // A file without a header would be in the way of the next try. Should it stay, that
            // try says so.
            let _ = std::fs::remove_file(path);
        })?;
        Ok(Self {
            file,
            sealer: Sealer::new(&opened),
            fixed,
            chunk: vec![0; fixed.chunk_bytes()],
            map: TickMap::whole(Tick::Absent),
            filled: 0,
            audible: false,
            index: 0,
            written: 0,
            backlog: VecDeque::new(),
            pending: None,
            sealings: 0,
            before: Tag::default(),
            head: ChainHead(opened.hash),
            marks: Marks::default(),
            total: None,
            finished: None,
        })
    }

    /// Samples per channel from the start to the newest one taken, silences included.
    pub fn samples(&self) -> u64 {
        self.total.unwrap_or(self.index * CHUNK_SAMPLES as u64 + self.filled as u64)
    }

    /// Bytes in the file.
    pub fn bytes(&self) -> u64 {
        self.finished.as_ref().map_or(self.fixed.offset(self.written), |summary| summary.bytes)
    }

    /// Takes audio for a position. What is missing before it becomes silence, marked as lost; what
    /// lies before the end is left out. Panics when the voices are not those of the recording's
    /// channels: that is a fault of the caller.
    pub fn write(&mut self, at: u64, voices: Voices<'_>) -> Result<(), Error> {
        let length = match (voices, self.fixed.channels) {
            (Voices::Mono(samples), Channels::Mono) => samples.len(),
            (Voices::Stereo(left, right), Channels::Stereo) => left.len().min(right.len()),
            _ => unreachable!("the caller made the recording for its own voices"),
        };
        self.room(at.saturating_add(length as u64))?;
        // The disk's error is told when all is taken: nothing is lost by it yet.
        let mut outcome = self.silence(Tick::Lost, at);
        let mut done = usize::try_from(self.samples() - at.min(self.samples())).unwrap_or(length);
        while done < length {
            let count = (length - done).min(CHUNK_SAMPLES - self.filled);
            let frame = self.fixed.channels.frame_bytes();
            let out = &mut self.chunk[AUDIO_AT + self.filled * frame..][..count * frame];
            match voices {
                Voices::Mono(samples) => put_mono(out, &samples[done..]),
                Voices::Stereo(left, right) => put_stereo(out, &left[done..], &right[done..]),
            }
            self.audible = true;
            outcome = outcome.and(self.fill(count, Tick::Audio));
            done += count;
        }
        outcome
    }

    /// Marks a stretch as paused: silence up to its end. What is missing before it is lost, what
    /// was written of it stays.
    pub fn pause(&mut self, from: u64, to: u64) -> Result<(), Error> {
        self.room(to)?;
        let before = self.silence(Tick::Lost, from.min(to));
        before.and(self.silence(Tick::Paused, to))
    }

    /// Tries again what the disk did not take.
    pub fn flush(&mut self) -> Result<(), Error> {
        while let Some(&(state, count)) = self.backlog.front() {
            self.write_silence(&TickMap::whole(state))?;
            match self.backlog.front_mut() {
                Some(front) if count > 1 => front.1 = count - 1,
                _ => drop(self.backlog.pop_front()),
            }
        }
        let Some(pending) = &mut self.pending else { return Ok(()) };
        if pending.kind == Kind::Silence {
            let map = pending.map;
            self.write_silence(&map)?;
        } else {
            let tag = *pending.tag.get_or_insert_with(|| {
                chunk::put_map(&mut pending.chunk, &pending.map);
                self.sealings += 1;
                let chunk = &mut pending.chunk;
                self.sealer.seal(chunk, Kind::Audio, self.sealings, self.written, &self.before)
            });
            self.file.write_all_at(&pending.chunk, self.fixed.offset(self.written))?;
            let (head, map) = (chunk::head_after(&self.head, &pending.chunk), pending.map);
            self.written(tag, head, &map);
        }
        let taken = self.pending.take().map(|pending| pending.chunk);
        if self.chunk.is_empty() {
            // Closed just now: the next second fills the same memory.
            self.chunk = taken.unwrap_or_default();
        }
        Ok(())
    }

    /// Ends the recording: its books are written. After an error it may be tried again.
    pub fn finish(&mut self) -> Result<Summary, Error> {
        if let Some(summary) = &self.finished {
            return Ok(summary.clone());
        }
        let samples =
            *self.total.get_or_insert(self.index * CHUNK_SAMPLES as u64 + self.filled as u64);
        if self.filled > 0 {
            let frame = self.fixed.channels.frame_bytes();
            self.chunk[AUDIO_AT + self.filled * frame..].fill(0);
            self.close_chunk()?;
        }
        self.flush()?;
        let (marks, head) = (self.marks.clone(), self.head);
        let trailer = Trailer { finished: true, samples, marks, head };
        let bytes = trailer.seal(&self.sealer, self.written, &self.before)?;
        let at = self.fixed.offset(self.written);
        self.file.write_all_at(&bytes, at)?;
        let Trailer { marks, .. } = trailer;
        let summary = Summary { samples, bytes: at + bytes.len() as u64, marks, head };
        // Who comes next may re-wrap it; should the lock stay, it goes with the writer.
        let _ = self.file.unlock();
        self.finished = Some(summary.clone());
        Ok(summary)
    }

    /// Whether a recording may reach so far.
    fn room(&self, end: u64) -> Result<(), Error> {
        match self.total {
            Some(_) => Err(Error::Finished),
            None if end > CHUNKS_MAX * CHUNK_SAMPLES as u64 => Err(Error::TooLong),
            None => Ok(()),
        }
    }

    fn silence(&mut self, state: Tick, to: u64) -> Result<(), Error> {
        let mut outcome = Ok(());
        while self.samples() < to {
            let missing = usize::try_from(to - self.samples()).unwrap_or(CHUNK_SAMPLES);
            let count = missing.min(CHUNK_SAMPLES - self.filled);
            let frame = self.fixed.channels.frame_bytes();
            self.chunk[AUDIO_AT + self.filled * frame..][..count * frame].fill(0);
            outcome = outcome.and(self.fill(count, state));
        }
        outcome
    }

    /// Counts samples that are in the chunk, and closes it when it is full.
    fn fill(&mut self, count: usize, state: Tick) -> Result<(), Error> {
        self.map.note(self.filled, self.filled + count, state);
        self.filled += count;
        if self.filled == CHUNK_SAMPLES { self.close_chunk() } else { Ok(()) }
    }

    fn close_chunk(&mut self) -> Result<(), Error> {
        // What still waits has had its second try.
        if let Some(late) = self.pending.take() {
            let state =
                if late.map == TickMap::whole(Tick::Paused) { Tick::Paused } else { Tick::Lost };
            match self.backlog.back_mut() {
                Some((newest, count)) if *newest == state => *count += 1,
                _ => self.backlog.push_back((state, 1)),
            }
        }
        let kind = if self.audible { Kind::Audio } else { Kind::Silence };
        let chunk = std::mem::take(&mut self.chunk);
        let map = std::mem::replace(&mut self.map, TickMap::whole(Tick::Absent));
        self.pending = Some(Pending { chunk, kind, map, tag: None });
        self.index += 1;
        self.filled = 0;
        self.audible = false;
        let outcome = self.flush();
        if outcome.is_err() {
            self.chunk = vec![0; self.fixed.chunk_bytes()];
        }
        outcome
    }

    fn write_silence(&mut self, map: &TickMap) -> Result<(), Error> {
        let mut silence = [0; AUDIO_AT];
        chunk::put_map(&mut silence, map);
        self.sealings += 1;
        let tag = self.sealer.seal(
            &mut silence,
            Kind::Silence,
            self.sealings,
            self.written,
            &self.before,
        );
        // Whatever an audio chunk left here when the disk was full is cut off.
        self.file.set_len(self.fixed.offset(self.written))?;
        self.file.write_all_at(&silence, self.fixed.offset(self.written))?;
        self.file.set_len(self.fixed.offset(self.written + 1))?;
        self.written(tag, chunk::head_after(&self.head, &silence), map);
        Ok(())
    }

    fn written(&mut self, tag: Tag, head: ChainHead, map: &TickMap) {
        self.marks.add(self.written, map);
        self.written += 1;
        self.before = tag;
        self.head = head;
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (id, samples) = (self.fixed.id, self.samples());
        f.debug_struct("Writer").field("id", &id).field("samples", &samples).finish_non_exhaustive()
    }
}

fn put_mono(out: &mut [u8], samples: &[i16]) {
    for (out, sample) in out.as_chunks_mut::<2>().0.iter_mut().zip(samples) {
        *out = sample.to_le_bytes();
    }
}

fn put_stereo(out: &mut [u8], left: &[i16], right: &[i16]) {
    for ((out, left), right) in out.as_chunks_mut::<4>().0.iter_mut().zip(left).zip(right) {
        let ([a, b], [c, d]) = (left.to_le_bytes(), right.to_le_bytes());
        *out = [a, b, c, d];
    }
}
