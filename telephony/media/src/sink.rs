//! The file of one recording: a plain WAV file, or a sealed one.

use crate::config::RecordTo;
use crate::event::RecordingReport;
use crate::wav::WavFile;
use qingting_common::limits::SAMPLES_PER_TICK;
use qingting_recording::{Channels, Error, MarkKind, Marks, Summary, Voices, Writer};
use std::io;
use std::path::PathBuf;

/// Ticks that a plain file gathers for one write: 0.4 s.
const PLAIN_TICKS: usize = 20;
const SAMPLES_PER_MS: u64 = 8;

/// Takes ticks in their order. **After an error it goes on, and what is lost is marked.**
pub(crate) enum Sink {
    Plain(Plain),
    /// With its books once it is finished.
    Sealed(Box<Writer>, Option<Summary>),
}

/// A WAV file and what waits to be written to it.
pub(crate) struct Plain {
    file: WavFile,
    channels: Channels,
    /// Samples of [`Plain::first`] and after, as in the file.
    chunk: Vec<u8>,
    first: u64,
    end: u64,
    marks: Marks,
}

impl Sink {
    /// Makes the file.
    pub(crate) fn create(to: &RecordTo, channels: Channels) -> Result<Self, Error> {
        Ok(match &to.sealed {
            Some(seal) => {
                let writer = Writer::create(&to.path, channels, seal.id, &seal.keys)?;
                Self::Sealed(Box::new(writer), None)
            }
            None => Self::Plain(Plain::new(WavFile::create(&to.path, channels)?, channels)),
        })
    }

    pub(crate) fn write(&mut self, at: u64, voices: Voices<'_>) -> Result<(), Error> {
        match self {
            Self::Plain(plain) => Ok(plain.write(at, voices)?),
            Self::Sealed(writer, _) => writer.write(at, voices),
        }
    }

    /// Takes a stretch that is not to be heard.
    pub(crate) fn pause(&mut self, from: u64, to: u64) -> Result<(), Error> {
        match self {
            Self::Plain(plain) => Ok(plain.pause(from, to)?),
            Self::Sealed(writer, _) => writer.pause(from, to),
        }
    }

    /// Writes what is due.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        match self {
            Self::Plain(plain) => Ok(plain.flush_when_due()?),
            Self::Sealed(writer, _) => writer.flush(),
        }
    }

    /// Writes the rest and the books.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        match self {
            Self::Plain(plain) => plain.finish()?,
            Self::Sealed(writer, summary) => *summary = Some(writer.finish()?),
        }
        Ok(())
    }

    /// Bytes in the file.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Plain(plain) => plain.file.bytes(),
            Self::Sealed(writer, _) => writer.bytes(),
        }
    }

    /// What became of it; the ticks that never came are the caller's to add.
    pub(crate) fn report(self, path: PathBuf) -> RecordingReport {
        let bytes = self.bytes();
        let (samples, marks, chain_head, whole) = match self {
            Self::Plain(plain) => (u64::from(plain.file.samples()), plain.marks, None, true),
            Self::Sealed(_, Some(books)) => (books.samples, books.marks, Some(books.head), true),
            Self::Sealed(writer, None) => (writer.samples(), Marks::default(), None, false),
        };
        RecordingReport {
            path,
            duration_ms: samples / SAMPLES_PER_MS,
            ticks_dropped: 0,
            incomplete: !whole || marks.lost_samples > 0,
            bytes,
            marks,
            chain_head,
        }
    }
}

impl Plain {
    fn new(file: WavFile, channels: Channels) -> Self {
        let chunk = Vec::with_capacity(PLAIN_TICKS * SAMPLES_PER_TICK * channels.frame_bytes());
        Self { file, channels, chunk, first: 0, end: 0, marks: Marks::default() }
    }

    fn write(&mut self, at: u64, voices: Voices<'_>) -> io::Result<()> {
        let outcome = self.reach(at);
        let samples = match voices {
            Voices::Mono(samples) => {
                self.chunk.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
                samples.len()
            }
            Voices::Stereo(left, right) => {
                for (left, right) in left.iter().zip(right) {
                    self.chunk.extend_from_slice(&left.to_le_bytes());
                    self.chunk.extend_from_slice(&right.to_le_bytes());
                }
                left.len().min(right.len())
            }
        };
        self.end = at + samples as u64;
        outcome
    }

    /// A hole in the file, which reads as silence.
    fn pause(&mut self, from: u64, to: u64) -> io::Result<()> {
        let outcome = self.reach(from).and(self.flush());
        self.marks.mark(MarkKind::Paused, from, to);
        self.end = to;
        outcome
    }

    /// Goes to a place at or behind the end.
    fn reach(&mut self, at: u64) -> io::Result<()> {
        let mut outcome = self.flush_when_due();
        if at > self.end {
            outcome = outcome.and(self.flush());
            self.marks.mark(MarkKind::Lost, self.end, at);
        }
        if self.chunk.is_empty() {
            self.first = at;
        }
        outcome
    }

    fn flush_when_due(&mut self) -> io::Result<()> {
        let due = PLAIN_TICKS * SAMPLES_PER_TICK * self.channels.frame_bytes();
        if self.chunk.len() < due { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let outcome = index(self.first).and_then(|at| self.file.write_at(at, &self.chunk));
        if outcome.is_err() {
            self.marks.mark(MarkKind::Lost, self.first, self.end);
        }
        self.chunk.clear();
        outcome
    }

    /// Writes the rest: a hole at the end too.
    fn finish(&mut self) -> io::Result<()> {
        self.flush()?;
        match self.end.checked_sub(1) {
            Some(last) if self.end > u64::from(self.file.samples()) => {
                let silence = [0; Channels::Stereo.frame_bytes()];
                self.file.write_at(index(last)?, &silence[..self.channels.frame_bytes()])
            }
            _ => Ok(()),
        }
    }
}

fn index(sample: u64) -> io::Result<u32> {
    let too_long = |_| io::Error::new(io::ErrorKind::FileTooLarge, "the call is too long");
    u32::try_from(sample).map_err(too_long)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Seal;
    use qingting_recording::{Mark, MasterKeys, Reader, RecordingId, State};
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    const TICK: u64 = SAMPLES_PER_TICK as u64;

    fn keys(folder: &tempfile::TempDir) -> Arc<MasterKeys> {
        let path = folder.path().join("key");
        std::fs::write(&path, "1f".repeat(32)).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        Arc::new(MasterKeys::read(&path).unwrap())
    }

    /// 60 ticks heard, 60 paused, 10 lost, 20 heard, 5 paused.
    fn record(to: &RecordTo) -> RecordingReport {
        let mut sink = Sink::create(to, Channels::Stereo).unwrap();
        for tick in (0..155).filter(|tick| !(120..130).contains(tick)) {
            let at = tick * TICK;
            if (60..120).contains(&tick) || tick >= 150 {
                sink.pause(at, at + TICK).unwrap();
            } else {
                let (left, right) = ([tick as i16 + 1; 160], [-7; 160]);
                sink.write(at, Voices::Stereo(&left, &right)).unwrap();
            }
            sink.flush().unwrap();
        }
        sink.finish().unwrap();
        sink.report(to.path.clone())
    }

    fn expected() -> Vec<i16> {
        let silent = |tick: &i16| (60..130).contains(tick) || *tick >= 150;
        let tick = |tick: i16| if silent(&tick) { [0, 0] } else { [tick + 1, -7] };
        (0..155).flat_map(|number| [tick(number); 160]).flatten().collect()
    }

    #[test]
    fn plain_and_sealed_files_hold_the_same_and_say_the_same_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys(&folder);
        let seal = Seal { keys: Arc::clone(&keys), id: RecordingId([3; 16]) };
        let to = |name: &str, sealed| RecordTo {
            path: folder.path().join(name),
            sealed,
            ..RecordTo::default()
        };
        let plain = record(&to("call.wav", None));
        let sealed = record(&to("call.qtr", Some(seal)));
        let marks = [
            Mark { kind: MarkKind::Paused, from: 60 * TICK, to: 120 * TICK },
            Mark { kind: MarkKind::Lost, from: 120 * TICK, to: 130 * TICK },
            Mark { kind: MarkKind::Paused, from: 150 * TICK, to: 155 * TICK },
        ];
        for report in [&plain, &sealed] {
            assert_eq!(report.marks.list, marks);
            assert_eq!((report.duration_ms, report.incomplete), (3_100, true));
            assert_eq!(report.bytes, report.path.metadata().unwrap().len());
        }
        let mut wav = hound::WavReader::open(&plain.path).unwrap();
        assert!(wav.samples::<i16>().map(Result::unwrap).eq(expected()));
        let mut reader = Reader::open(&sealed.path, &keys).unwrap();
        assert!(reader.samples().map(Result::unwrap).eq(expected()));
        let verified = reader.verify().unwrap();
        assert_eq!((verified.state, Some(verified.head)), (State::Finished, sealed.chain_head));
        assert_eq!(plain.chain_head, None);
    }
}
