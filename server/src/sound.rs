//! Recordings that a user names, as 8 kHz telephone samples.

use anyhow::{Context, Result, bail};
use qingting_common::limits::TELEPHONE_RATE_HZ;
use std::path::Path;

/// Longest recording played, in seconds: longer than any call.
const SECONDS_MAX: u32 = 3_600;
/// Half the length of the low-pass filter before the rate is reduced, in samples of the result.
const FILTER_HALF: usize = 24;
/// Highest frequency kept: the upper end of the telephone band.
const CUT_HZ: f64 = 3_400.0;

/// Reads a WAV file (16-bit PCM, one or two channels, a multiple of 8 kHz), mixed to one channel at
/// 8 kHz.
pub fn read_telephone(path: &Path) -> Result<Vec<i16>> {
    let name = path.display();
    let file = std::fs::File::open(path).with_context(|| format!("cannot open {name}"))?;
    let mut reader = hound::WavReader::new(std::io::BufReader::new(file))
        .with_context(|| format!("{name} is not a WAV file; {}", mend(path)))?;
    let spec = reader.spec();
    if spec.sample_format != hound::SampleFormat::Int || spec.bits_per_sample != 16 {
        bail!("{name} is not 16-bit PCM but {} bits; {}", spec.bits_per_sample, mend(path));
    }
    if !(1..=2).contains(&spec.channels) {
        bail!("{name} has {} channels; {}", spec.channels, mend(path));
    }
    if spec.sample_rate == 0 || !spec.sample_rate.is_multiple_of(TELEPHONE_RATE_HZ) {
        bail!("{name} has {} Hz, not a multiple of 8000; {}", spec.sample_rate, mend(path));
    }
    let promised = reader.duration();
    if promised / spec.sample_rate > SECONDS_MAX {
        bail!("{name} is longer than {SECONDS_MAX} s; play it in parts");
    }
    let samples: Vec<i16> = reader.samples::<i16>().map_while(Result::ok).collect();
    let channels = usize::from(spec.channels);
    let there = samples.len() / channels;
    if there < promised as usize {
        bail!(
            "{name} is cut off: its header promises {promised} samples, {there} are there; copy it again"
        );
    }
    let mono: Vec<f64> = samples
        .chunks_exact(channels)
        .map(|frame| frame.iter().map(|s| f64::from(*s)).sum::<f64>() / channels as f64)
        .collect();
    Ok(reduce(&mono, (spec.sample_rate / TELEPHONE_RATE_HZ) as usize))
}

fn mend(path: &Path) -> String {
    format!("convert it: sox {} -r 8000 -c 1 -b 16 out.wav", path.display())
}

/// Every `factor`th sample, after a windowed-sinc low pass.
fn reduce(samples: &[f64], factor: usize) -> Vec<i16> {
    if factor == 1 {
        return samples.iter().map(|s| *s as i16).collect();
    }
    let half = (FILTER_HALF * factor) as isize;
    let cut = 2.0 * CUT_HZ / (f64::from(TELEPHONE_RATE_HZ) * factor as f64);
    let taps: Vec<f64> = (-half..=half)
        .map(|n| {
            let x = std::f64::consts::PI * n as f64;
            let sinc = if n == 0 { cut } else { (x * cut).sin() / x };
            sinc * (0.54 + 0.46 * (x / half as f64).cos())
        })
        .collect();
    let at = |middle: usize| {
        (-half..=half)
            .zip(&taps)
            .filter_map(|(n, tap)| {
                middle.checked_add_signed(n).and_then(|at| samples.get(at)).map(|s| s * tap)
            })
            .sum::<f64>()
    };
    let limits = (f64::from(i16::MIN), f64::from(i16::MAX));
    (0..samples.len())
        .step_by(factor)
        .map(|middle| at(middle).clamp(limits.0, limits.1) as i16)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f64, rate: u32) -> Vec<i16> {
        let step = std::f64::consts::TAU * hz / f64::from(rate);
        (0..rate).map(|n| (f64::from(n) * step).sin() * 10_000.0).map(|s| s as i16).collect()
    }

    fn write(path: &Path, rate: u32, channels: u16, samples: &[i16]) {
        let (bits_per_sample, sample_format) = (16, hound::SampleFormat::Int);
        let spec = hound::WavSpec { channels, sample_rate: rate, bits_per_sample, sample_format };
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        samples.iter().for_each(|s| writer.write_sample(*s).unwrap());
        writer.finalize().unwrap();
    }

    fn power(samples: &[i16]) -> f64 {
        samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64
    }

    #[test]
    fn a_wide_band_recording_keeps_the_telephone_band_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wide.wav");
        let (low, high) = (tone(1_000.0, 16_000), tone(6_000.0, 16_000));
        write(&path, 16_000, 1, &low);
        let kept = read_telephone(&path).unwrap();
        assert_eq!(kept.len(), 8_000);
        assert!(power(&kept[400..7_600]) > power(&low) * 0.97);
        write(&path, 16_000, 1, &high);
        assert!(power(&read_telephone(&path).unwrap()[400..7_600]) < power(&high) * 1e-4);
    }

    #[test]
    fn a_truncated_file_says_how_much_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut.wav");
        write(&path, 8_000, 1, &[7; 8_000]);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let error = format!("{:#}", read_telephone(&path).unwrap_err());
        assert!(error.contains("cut off") && error.contains("8000 samples"), "{error}");
        std::fs::write(&path, &bytes[..20]).unwrap();
        let error = format!("{:#}", read_telephone(&path).unwrap_err());
        assert!(error.contains("not a WAV file") && error.contains("sox"), "{error}");
    }

    #[test]
    fn two_channels_are_mixed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("two.wav");
        write(&path, 8_000, 2, &[100, 300, -50, 50]);
        assert_eq!(read_telephone(&path).unwrap(), [200, 0]);
    }
}
