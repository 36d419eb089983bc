//! WAV files in and out, as a telephone hears them: mono, 8 kHz, 16 bits.

use anyhow::{Context, Result, bail};
use qingting_common::limits::TELEPHONE_RATE_HZ;
use rubato::audioadapter_buffers::direct::SequentialSliceOfVecs;
use rubato::{Fft, FixedSync, Resampler};
use std::path::Path;

/// Longest file that `--play` takes, in seconds.
const PLAY_S_MAX: u32 = 2 * 3600;

/// Reads a WAV file of any rate and channel count, mixes it down and resamples it to 8 kHz.
pub fn read_for_telephone(path: &Path) -> Result<Vec<i16>> {
    let mut reader = hound::WavReader::open(path)
        .with_context(|| format!("{} cannot be read as a WAV file", path.display()))?;
    let spec = reader.spec();
    if reader.duration() / spec.sample_rate.max(1) > PLAY_S_MAX {
        bail!("{} is longer than {PLAY_S_MAX} s: cut it first", path.display());
    }
    let truncated = || {
        format!(
            "{} is damaged: its header promises more audio than the file has. Repair it, e.g. with `sox {} repaired.wav`",
            path.display(),
            path.display()
        )
    };
    let scale = 1.0 / (1_i64 << (spec.bits_per_sample - 1)) as f32;
    let samples: Vec<f32> = match spec.sample_format {
        hound::SampleFormat::Float => {
            reader.samples::<f32>().collect::<Result<_, _>>().with_context(truncated)?
        }
        hound::SampleFormat::Int => reader
            .samples::<i32>()
            .map(|sample| sample.map(|sample| sample as f32 * scale))
            .collect::<Result<_, _>>()
            .with_context(truncated)?,
    };
    if samples.is_empty() {
        bail!("{} holds no audio", path.display());
    }
    let channels = usize::from(spec.channels.max(1));
    let mono: Vec<f32> = samples
        .chunks_exact(channels)
        .map(|frame| frame.iter().sum::<f32>() / channels as f32)
        .collect();
    let telephone = resample(mono, spec.sample_rate)
        .with_context(|| format!("{} cannot be resampled to 8 kHz", path.display()))?;
    Ok(telephone
        .into_iter()
        .map(|sample| (sample * 32_768.0).clamp(-32_768.0, 32_767.0) as i16)
        .collect())
}

fn resample(mono: Vec<f32>, rate_hz: u32) -> Result<Vec<f32>> {
    if rate_hz == TELEPHONE_RATE_HZ {
        return Ok(mono);
    }
    const CHUNK_FRAMES: usize = 1024;
    let frames = mono.len();
    let mut resampler = Fft::<f32>::new(
        rate_hz as usize,
        TELEPHONE_RATE_HZ as usize,
        CHUNK_FRAMES,
        1,
        FixedSync::Input,
    )?;
    let room = resampler.process_all_needed_output_len(frames);
    let input = [mono];
    let mut output = [vec![0.0; room]];
    let from = SequentialSliceOfVecs::new(&input, 1, frames)?;
    let mut to = SequentialSliceOfVecs::new_mut(&mut output, 1, room)?;
    let (_, made) = resampler.process_all_into_buffer(&from, &mut to, frames, None)?;
    let [mut mono] = output;
    mono.truncate(made);
    Ok(mono)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, rate: u32, channels: u16, seconds: u32) {
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        for index in 0..rate * seconds {
            let phase = index as f32 * 440.0 / rate as f32 * std::f32::consts::TAU;
            for _ in 0..channels {
                writer.write_sample((phase.sin() * 8_000.0) as i16).unwrap();
            }
        }
        writer.finalize().unwrap();
    }

    #[test]
    fn any_rate_becomes_8_khz_with_the_same_tone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tone.wav");
        for (rate, channels) in [(8_000, 1), (16_000, 2), (44_100, 1)] {
            write(&path, rate, channels, 1);
            let samples = read_for_telephone(&path).unwrap();
            assert!(samples.len().abs_diff(8_000) < 20, "{rate}: {} samples", samples.len());
            let crossings =
                samples[800..7_200].windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
            assert!(crossings.abs_diff(352) <= 2, "{rate}: {crossings} periods in 0.8 s");
        }
    }

    #[test]
    fn a_truncated_file_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut.wav");
        write(&path, 8_000, 1, 1);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let error = format!("{:#}", read_for_telephone(&path).unwrap_err());
        assert!(error.contains("damaged") && error.contains("sox"), "{error}");
    }

    #[test]
    fn something_else_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.wav");
        std::fs::write(&path, b"not audio").unwrap();
        let error = format!("{:#}", read_for_telephone(&path).unwrap_err());
        assert!(error.contains("notes.wav") && error.contains("WAV"), "{error}");
    }
}
