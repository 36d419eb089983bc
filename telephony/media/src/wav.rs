//! A stereo recording that is a valid WAV file at every moment.
//!
//! Written by position instead of through `hound`: a stretch that could not be written (full disk,
//! full tap) stays a hole, which reads as silence, so that everything after it keeps its time.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use qingting_common::limits::TELEPHONE_RATE_HZ;

/// Length of the RIFF, `fmt ` and `data` headers, in bytes.
const HEADER_BYTES: u32 = 44;
/// Two 16-bit channels.
const BYTES_PER_SAMPLE: u32 = 4;

/// A 16-bit, 8 kHz, two-channel WAV file under construction, readable by its owner alone.
#[derive(Debug)]
pub struct StereoWav {
    file: File,
    samples: u32,
}

impl StereoWav {
    /// Makes a new file of mode 0600; never replaces one that exists.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        if let Err(error) = file.write_all_at(&header(0), 0) {
            // A file without a header would be in the way of the next try. Should it stay, that
            // try says so.
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
        Ok(Self { file, samples: 0 })
    }

    /// Writes interleaved little-endian samples (left, right) at a sample index, then the header
    /// that covers them: killed in between, the file is valid and merely shorter. After an error
    /// the file is still valid and a later write may succeed.
    pub fn write_at(&mut self, sample_index: u32, interleaved: &[u8]) -> io::Result<()> {
        let offset = u64::from(sample_index) * u64::from(BYTES_PER_SAMPLE);
        let end = offset + interleaved.len() as u64;
        let limit = u64::from(u32::MAX - HEADER_BYTES);
        if end > limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "WAV files end at 4 GiB"));
        }
        self.file.write_all_at(interleaved, offset + u64::from(HEADER_BYTES))?;
        let samples = self.samples.max(end as u32 / BYTES_PER_SAMPLE);
        self.file.write_all_at(&header(samples), 0)?;
        self.samples = samples;
        Ok(())
    }

    /// Samples per channel from the start to the newest one written, holes included.
    pub fn samples(&self) -> u32 {
        self.samples
    }
}

fn header(samples: u32) -> [u8; HEADER_BYTES as usize] {
    let data = samples * BYTES_PER_SAMPLE;
    let mut out = [0; HEADER_BYTES as usize];
    out[0..4].copy_from_slice(b"RIFF");
    out[4..8].copy_from_slice(&(data + HEADER_BYTES - 8).to_le_bytes());
    out[8..16].copy_from_slice(b"WAVEfmt ");
    out[16..20].copy_from_slice(&16u32.to_le_bytes());
    out[20..22].copy_from_slice(&1u16.to_le_bytes()); // PCM
    out[22..24].copy_from_slice(&2u16.to_le_bytes());
    out[24..28].copy_from_slice(&TELEPHONE_RATE_HZ.to_le_bytes());
    out[28..32].copy_from_slice(&(TELEPHONE_RATE_HZ * BYTES_PER_SAMPLE).to_le_bytes());
    out[32..34].copy_from_slice(&(BYTES_PER_SAMPLE as u16).to_le_bytes());
    out[34..36].copy_from_slice(&16u16.to_le_bytes());
    out[36..40].copy_from_slice(b"data");
    out[40..44].copy_from_slice(&data.to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_unfinished_file_reads_to_its_end_and_a_gap_stays_a_gap() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("call.wav");
        let mut wav = StereoWav::create(&path).unwrap();
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
        StereoWav::create(&path).unwrap();
        assert_eq!(StereoWav::create(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
