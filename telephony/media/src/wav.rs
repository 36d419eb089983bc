//! A plain recording that is a valid WAV file at every moment.
//!
//! Written by position instead of through `hound`: a stretch that could not be written (full disk,
//! full tap) stays a hole, which reads as silence, so that everything after it keeps its time.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use qingting_recording::{Channels, WAV_HEADER_BYTES, wav_header};

/// A 16-bit, 8 kHz WAV file under construction, readable by its owner alone.
#[derive(Debug)]
pub struct WavFile {
    file: File,
    channels: Channels,
    samples: u32,
}

impl WavFile {
    /// Makes a new file of mode 0600; never replaces one that exists.
    pub fn create(path: &Path, channels: Channels) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        if let Err(error) = file.write_all_at(&wav_header(channels, 0), 0) {
            // A file without a header would be in the way of the next try. Should it stay, that
            // try says so.
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
        Ok(Self { file, channels, samples: 0 })
    }

    /// Writes little-endian samples, two channels interleaved, at a sample index, then the header
    /// that covers them: killed in between, the file is valid and merely shorter. After an error
    /// the file is still valid and a later write may succeed.
    pub fn write_at(&mut self, sample_index: u32, interleaved: &[u8]) -> io::Result<()> {
        let offset = u64::from(sample_index) * self.channels.frame_bytes() as u64;
        let end = offset + interleaved.len() as u64;
        let limit = u64::from(u32::MAX - WAV_HEADER_BYTES);
        if end > limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "WAV files end at 4 GiB"));
        }
        self.file.write_all_at(interleaved, offset + u64::from(WAV_HEADER_BYTES))?;
        let samples = self.samples.max(end as u32 / self.channels.frame_bytes() as u32);
        let audio = samples * self.channels.frame_bytes() as u32;
        self.file.write_all_at(&wav_header(self.channels, audio), 0)?;
        self.samples = samples;
        Ok(())
    }

    /// Samples per channel from the start to the newest one written, holes included.
    pub fn samples(&self) -> u32 {
        self.samples
    }

    /// Length of the file.
    pub fn bytes(&self) -> u64 {
        let audio = u64::from(self.samples) * self.channels.frame_bytes() as u64;
        u64::from(WAV_HEADER_BYTES) + audio
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_unfinished_file_reads_to_its_end_and_a_gap_stays_a_gap() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("call.wav");
        let mut wav = WavFile::create(&path, Channels::Stereo).unwrap();
        wav.write_at(0, &[1, 0, 2, 0]).unwrap();
        wav.write_at(3, &[3, 0, 4, 0]).unwrap();
        let mut reader = hound::WavReader::open(&path).unwrap();
        assert_eq!((reader.spec().channels, reader.spec().sample_rate), (2, 8_000));
        let read: Vec<i16> = reader.samples().map(Result::unwrap).collect();
        assert_eq!(read, [1, 2, 0, 0, 0, 0, 3, 4]);
        assert_eq!(wav.samples(), 4);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_existing_recording_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("call.wav");
        WavFile::create(&path, Channels::Stereo).unwrap();
        assert_eq!(
            WavFile::create(&path, Channels::Stereo).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
    }
}
