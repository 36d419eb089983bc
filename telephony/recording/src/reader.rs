//! Reads a recording as if it were a WAV file.

use crate::chunk::{self, AUDIO_AT, Kind, Sealer, TAG_AT, TAG_BYTES, Tag};
use crate::error::{Error, Part};
use crate::header::{self, Channels, Fixed, HEADER_BYTES, RecordingId};
use crate::keys::{KeyId, MasterKeys};
use crate::marks::Marks;
use crate::trailer::{self, TAIL_BYTES, TRAILER_BYTES_MAX, Trailer};
use crate::wav::{WAV_HEADER_BYTES, wav_header};
use crate::{CHUNK_SAMPLES, CHUNKS_MAX, ChainHead};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Chunks at the end of an unfinished file that a crash may have left unwritten.
const TORN_CHUNKS_MAX: u64 = 64;

/// How a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its writer closed it.
    Finished,
    /// Closed after a crash: what came after is not in it.
    Recovered,
    /// Still being written, cut off, or left by a crash.
    Incomplete,
}

/// An open recording. **What it gives out was authenticated before, as the audio of this place in
/// this recording.** An unfinished one is read as far as it went when it was opened.
pub struct Reader {
    pub(crate) file: File,
    pub(crate) sealer: Sealer,
    pub(crate) fixed: Fixed,
    key_id: KeyId,
    pub(crate) chunks: u64,
    samples: u64,
    pub(crate) trailer: Option<Trailer>,
    /// There is a trailer, but not one that was made for this file.
    pub(crate) trailer_broken: bool,
    /// The chunk that was opened last, and which.
    slot: Vec<u8>,
    cached: Option<u64>,
}

impl Reader {
    /// Opens a recording with the master key that it names.
    pub fn open(path: &Path, keys: &MasterKeys) -> Result<Self, Error> {
        Self::of(File::open(path)?, keys)
    }

    /// The same, of an open file.
    pub fn of(file: File, keys: &MasterKeys) -> Result<Self, Error> {
        let opened = header::open(&file, keys)?;
        let mut reader = Self {
            sealer: Sealer::new(&opened),
            fixed: opened.fixed,
            key_id: opened.key_id,
            chunks: 0,
            samples: 0,
            trailer: None,
            trailer_broken: false,
            slot: vec![0; opened.fixed.chunk_bytes()],
            cached: None,
            file,
        };
        let length = reader.file.metadata()?.len();
        if !reader.find_trailer(length)? {
            reader.find_end(length)?;
        }
        Ok(reader)
    }

    /// The recording's name.
    pub fn id(&self) -> RecordingId {
        self.fixed.id
    }

    /// The master key that opened it.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// Voices that are kept apart.
    pub fn channels(&self) -> Channels {
        self.fixed.channels
    }

    /// Length in samples per channel, silences included.
    pub fn sample_count(&self) -> u64 {
        self.samples
    }

    /// How it ended.
    pub fn state(&self) -> State {
        match &self.trailer {
            Some(trailer) if trailer.finished => State::Finished,
            Some(_) => State::Recovered,
            None => State::Incomplete,
        }
    }

    /// The silent stretches, as a closed file tells them; [`Reader::verify`] finds those of an
    /// unfinished one.
    pub fn marks(&self) -> Option<&Marks> {
        self.trailer.as_ref().map(|trailer| &trailer.marks)
    }

    /// The chain's head, as a closed file tells it.
    pub fn head(&self) -> Option<ChainHead> {
        self.trailer.as_ref().map(|trailer| trailer.head)
    }

    /// Length of the WAV file that this reads as, in bytes; below 4 GiB.
    pub fn wav_len(&self) -> u64 {
        u64::from(WAV_HEADER_BYTES) + self.samples * self.fixed.channels.frame_bytes() as u64
    }

    /// Reads bytes of the WAV file from an offset on; as many as there are room for and left.
    pub fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<usize, Error> {
        let left = self.wav_len().saturating_sub(offset);
        let wanted = out.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut done = 0;
        while done < wanted {
            let at = offset + done as u64;
            let out = &mut out[done..wanted];
            done += match at.checked_sub(u64::from(WAV_HEADER_BYTES)) {
                Some(at) => self.read_audio(at, out)?,
                None => {
                    let audio = (self.wav_len() - u64::from(WAV_HEADER_BYTES)) as u32;
                    copy(&wav_header(self.fixed.channels, audio)[at as usize..], out)
                }
            };
        }
        Ok(done)
    }

    /// All samples, interleaved; ends after the first error.
    pub fn samples(&mut self) -> Samples<'_> {
        Samples { reader: self, next: 0, failed: false }
    }

    fn read_audio(&mut self, at: u64, out: &mut [u8]) -> Result<usize, Error> {
        let audio = (self.fixed.chunk_bytes() - AUDIO_AT) as u64;
        self.load(at / audio)?;
        Ok(copy(&self.slot[AUDIO_AT + (at % audio) as usize..], out))
    }

    /// Opens a chunk into the cache.
    fn load(&mut self, chunk: u64) -> Result<(), Error> {
        if self.cached == Some(chunk) {
            return Ok(());
        }
        self.cached = None;
        let before = self.tag_before(chunk)?;
        self.read_slot(chunk)?;
        self.open_slot(chunk, &before)?;
        Ok(())
    }

    /// Reads a chunk as it is in the file.
    pub(crate) fn read_slot(&mut self, chunk: u64) -> Result<&[u8], Error> {
        self.cached = None;
        self.file.read_exact_at(&mut self.slot, self.fixed.offset(chunk))?;
        Ok(&self.slot)
    }

    /// Opens the chunk that was read.
    pub(crate) fn open_slot(&mut self, chunk: u64, before: &Tag) -> Result<(Kind, &[u8]), Error> {
        let opened = self.sealer.open(&mut self.slot, chunk, before);
        let kind = opened.ok_or(Error::Broken(Part::Chunk(chunk)))?;
        self.cached = Some(chunk);
        Ok((kind, &self.slot))
    }

    /// The tag that a chunk is bound to.
    pub(crate) fn tag_before(&self, chunk: u64) -> Result<Tag, Error> {
        let mut tag = [0; TAG_BYTES];
        if let Some(before) = chunk.checked_sub(1) {
            self.file.read_exact_at(&mut tag, self.fixed.offset(before) + TAG_AT as u64)?;
        }
        Ok(tag)
    }

    /// Whether the file is closed: then its length is known.
    fn find_trailer(&mut self, length: u64) -> Result<bool, Error> {
        let mut tail = [0; TAIL_BYTES];
        let Some(tail_at) = length.checked_sub(TAIL_BYTES as u64) else { return Ok(false) };
        self.file.read_exact_at(&mut tail, tail_at)?;
        let Some(trailer) = trailer::length(&tail) else { return Ok(false) };
        self.trailer_broken = true;
        let start = length.checked_sub(trailer as u64).filter(|_| trailer <= TRAILER_BYTES_MAX);
        let chunks = start.and_then(|start| self.fixed.chunks_before(start));
        let Some((start, chunks)) = start.zip(chunks) else { return Ok(false) };
        let mut bytes = vec![0; trailer];
        self.file.read_exact_at(&mut bytes, start)?;
        let before = self.tag_before(chunks)?;
        let Some(trailer) = Trailer::open(bytes, &self.sealer, chunks, &before) else {
            return Ok(false);
        };
        (self.chunks, self.samples) = (chunks, trailer.samples);
        self.trailer = Some(trailer);
        self.trailer_broken = false;
        Ok(true)
    }

    /// The end of a file without a trailer: its last chunk that is whole.
    fn find_end(&mut self, length: u64) -> Result<(), Error> {
        let bytes = length.saturating_sub(HEADER_BYTES as u64);
        let there = (bytes / self.fixed.chunk_bytes() as u64).min(CHUNKS_MAX);
        for chunks in (there.saturating_sub(TORN_CHUNKS_MAX)..=there).rev() {
            let Some(last) = chunks.checked_sub(1) else { return Ok(()) };
            match self.load(last) {
                Ok(()) => {
                    let samples = Marks::default().add(last, &chunk::map(&self.slot));
                    self.chunks = chunks;
                    self.samples = last * CHUNK_SAMPLES as u64 + samples;
                    return Ok(());
                }
                Err(Error::Broken(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Broken(Part::Chunk(there.saturating_sub(1))))
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (id, state) = (self.fixed.id, self.state());
        f.debug_struct("Reader").field("id", &id).field("state", &state).finish_non_exhaustive()
    }
}

/// The samples of a recording.
#[derive(Debug)]
pub struct Samples<'a> {
    reader: &'a mut Reader,
    next: u64,
    failed: bool,
}

impl Iterator for Samples<'_> {
    type Item = Result<i16, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut sample = [0; 2];
        let offset = u64::from(WAV_HEADER_BYTES) + self.next * sample.len() as u64;
        if self.failed || offset >= self.reader.wav_len() {
            return None;
        }
        self.next += 1;
        let read = self.reader.read_at(offset, &mut sample);
        self.failed = read.is_err();
        Some(read.map(|_| i16::from_le_bytes(sample)))
    }
}

/// Copies as much as there is and fits.
fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let count = from.len().min(to.len());
    to[..count].copy_from_slice(&from[..count]);
    count
}
