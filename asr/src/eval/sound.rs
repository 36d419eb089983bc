//! Recordings to be measured on: the recogniser's own 16 kHz, or calls at 8 kHz.

use super::condition::{Conceal, Condition, lost};
use crate::error::{AsrError, Result};
use crate::resample::Upsampler;
use hound::{SampleFormat, WavReader};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Samples per second that recogniser and models hear.
pub(super) const WIDE_HZ: u32 = 16_000;
/// Samples per second of a call.
const TELEPHONE_HZ: u32 = 8_000;

/// One voice.
pub(super) struct Sound {
    /// At 16 kHz, in [-1, 1).
    pub(super) samples: Vec<f32>,
    /// As recorded, where that is 8 kHz.
    telephone: Option<Vec<i16>>,
}

impl Sound {
    /// Reads the first channel of a WAV file of 16-bit PCM at 8 or 16 kHz; in this product's
    /// recordings of calls that is the caller.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let mut reader = open(path)?;
        let (channels, rate_hz) = (usize::from(reader.spec().channels), reader.spec().sample_rate);
        let samples: Result<Vec<i16>, _> = reader.samples::<i16>().step_by(channels).collect();
        let samples = samples.map_err(|error| bad(path, error.to_string()))?;
        if rate_hz == WIDE_HZ {
            let samples = samples.into_iter().map(|s| f32::from(s) / 32_768.0).collect();
            return Ok(Self { samples, telephone: None });
        }
        let mut wide = Vec::new();
        Upsampler::new().push(&samples, &mut wide);
        Ok(Self { samples: wide, telephone: Some(samples) })
    }

    /// What is heard of it in a condition, and at how many samples per second. A recording at 8 kHz
    /// has been through a telephone: it is heard as a call is, and not narrowed once more.
    pub(super) fn hear(
        &self,
        condition: Condition,
        seed: u64,
        conceal: Conceal,
    ) -> (Vec<i16>, u32) {
        let heard = match (condition, &self.telephone) {
            (Condition::Clean | Condition::Telephone, Some(samples)) => samples.clone(),
            (Condition::TelephoneLoss, Some(samples)) => lost(samples.clone(), seed, conceal),
            _ => return (condition.hear(&self.samples, seed, conceal), condition.rate_hz()),
        };
        (heard, TELEPHONE_HZ)
    }
}

/// Whether [`Sound::read`] takes it, by its header.
pub(super) fn check(path: &Path) -> Result<()> {
    open(path).map(drop)
}

fn open(path: &Path) -> Result<WavReader<BufReader<File>>> {
    let file = File::open(path).map_err(|error| bad(path, error.to_string()))?;
    let remedy = format!("convert it: sox {} -r 16000 -b 16 OUT.wav", path.display());
    let reader = WavReader::new(BufReader::new(file))
        .map_err(|error| bad(path, format!("no WAV file of PCM ({error}); {remedy}")))?;
    let spec = reader.spec();
    if (spec.sample_format, spec.bits_per_sample) != (SampleFormat::Int, 16) {
        return Err(bad(
            path,
            format!("not 16-bit PCM but {} bits; {remedy}", spec.bits_per_sample),
        ));
    }
    if ![TELEPHONE_HZ, WIDE_HZ].contains(&spec.sample_rate) {
        return Err(bad(
            path,
            format!("{} Hz, neither 8000 nor 16000; {remedy}", spec.sample_rate),
        ));
    }
    Ok(reader)
}

fn bad(path: &Path, reason: String) -> AsrError {
    AsrError::Evaluation { path: path.to_owned(), reason }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::condition::silence;
    use super::*;

    /// A WAV file of 16-bit PCM with these channels, all of one length.
    pub(in super::super) fn write(path: &Path, rate_hz: u32, channels: &[&[i16]]) {
        let spec = hound::WavSpec {
            channels: channels.len() as u16,
            sample_rate: rate_hz,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        for at in 0..channels[0].len() {
            channels.iter().for_each(|channel| writer.write_sample(channel[at]).unwrap());
        }
        writer.finalize().unwrap();
    }

    #[test]
    fn of_a_call_the_caller_alone_is_heard_and_as_it_was_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("call.wav");
        let (caller, seat): (Vec<i16>, Vec<i16>) = ((0..400).collect(), vec![9_999; 400]);
        write(&path, 8_000, &[&caller, &seat]);
        let sound = Sound::read(&path).unwrap();
        assert_eq!(sound.samples.len(), 800);
        for condition in [Condition::Clean, Condition::Telephone] {
            assert_eq!(sound.hear(condition, 0, &silence), (caller.clone(), 8_000));
        }
        let (mut heard, _) = sound.hear(Condition::TelephoneLoss, 0, &|heard, is_lost| {
            assert_eq!((heard.len(), is_lost.len()), (400, 3));
            heard.fill(1);
        });
        heard.dedup();
        assert_eq!(heard, [1]);
    }

    #[test]
    fn a_wide_recording_is_heard_wide_and_through_a_telephone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wide.wav");
        write(&path, 16_000, &[&[1_000; 1_600]]);
        let sound = Sound::read(&path).unwrap();
        let heard = |condition| {
            let (samples, rate_hz) = sound.hear(condition, 0, &silence);
            (samples.len(), rate_hz)
        };
        assert_eq!(heard(Condition::Clean), (1_600, 16_000));
        assert_eq!(heard(Condition::Telephone), (800, 8_000));
    }

    #[test]
    fn other_recordings_are_refused_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.wav");
        write(&path, 44_100, &[&[0; 10]]);
        let error = check(&path).unwrap_err().to_string();
        assert!(error.contains("44100 Hz") && error.contains("sox "), "{error}");
        std::fs::write(&path, "no sound").unwrap();
        let error = check(&path).unwrap_err().to_string();
        assert!(error.contains("no WAV file") && error.contains("sox "), "{error}");
    }
}
