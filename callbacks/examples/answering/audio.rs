//! Samples at 8 kHz, full scale 1, and what is done to them.

use crate::random::Random;
use std::error::Error;
use std::f32::consts::{PI, TAU};
use std::path::Path;

pub(crate) const RATE: usize = 8_000;
/// Half length of the resampler's filter, in ms of sound.
const FILTER_MS: f32 = 4.0;
/// Upper edge of the telephone's band.
const CUT_HZ: f32 = 3_400.0;

pub(crate) type Audio = Vec<f32>;

pub(crate) fn samples_in(ms: f32) -> usize {
    (ms.max(0.0) * RATE as f32 / 1_000.0) as usize
}

pub(crate) fn silence(ms: f32) -> Audio {
    vec![0.0; samples_in(ms)]
}

/// A mono file of 16 bits at any rate, played at `speed` times it.
pub(crate) fn read(path: &Path, speed: f32) -> Result<Audio, Box<dyn Error>> {
    let mut reader = hound::WavReader::open(path)?;
    let rate = reader.spec().sample_rate as f32 * speed;
    let samples: Result<Vec<i16>, _> = reader.samples::<i16>().collect();
    let samples: Vec<f32> = samples?.into_iter().map(|s| f32::from(s) / 32_768.0).collect();
    Ok(resampled(&samples, rate))
}

/// By a windowed sinc that ends at [`CUT_HZ`].
fn resampled(samples: &[f32], rate: f32) -> Audio {
    let step = rate / RATE as f32;
    let reach = FILTER_MS * rate / 1_000.0;
    let cut = 2.0 * CUT_HZ / rate;
    let at = |n: usize| {
        let centre = n as f32 * step;
        let first = (centre - reach).max(0.0).ceil() as usize;
        let last = ((centre + reach) as usize).min(samples.len().saturating_sub(1));
        let tap = |i: usize| {
            let x = i as f32 - centre;
            let window = 0.5 + 0.5 * (PI * x / reach).cos();
            let sinc = if x == 0.0 { cut } else { (PI * x * cut).sin() / (PI * x) };
            samples[i] * sinc * window
        };
        (first..=last).map(tap).sum()
    };
    (0..(samples.len() as f32 / step) as usize).map(at).collect()
}

pub(crate) fn write(path: &Path, samples: &[i16], zeros_between: bool) -> hound::Result<()> {
    let rate = if zeros_between { 2 * RATE } else { RATE };
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate as u32,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec)?;
    for sample in samples {
        writer.write_sample(*sample)?;
        if zeros_between {
            writer.write_sample(0i16)?;
        }
    }
    writer.finalize()
}

/// Root mean square of each 10 ms.
pub(crate) fn levels(audio: &[f32]) -> Vec<f32> {
    let rms = |part: &[f32]| (part.iter().map(|s| s * s).sum::<f32>() / part.len() as f32).sqrt();
    audio.chunks(RATE / 100).map(rms).collect()
}

/// Where sound begins and ends, in units of 10 ms: what lies at most 30 dB below the loudest.
pub(crate) fn extent(audio: &[f32]) -> (usize, usize) {
    let levels = levels(audio);
    let floor = levels.iter().copied().fold(0.0, f32::max) * 0.03;
    let first = levels.iter().position(|level| *level > floor).unwrap_or(0);
    let last = levels.iter().rposition(|level| *level > floor).unwrap_or(0);
    (first, last + 1)
}

/// Without what is silent before and behind.
pub(crate) fn trimmed(audio: &[f32]) -> Audio {
    let (first, last) = extent(audio);
    audio[first * RATE / 100..(last * RATE / 100).min(audio.len())].to_vec()
}

/// The same with its sounding parts at this level in dB.
pub(crate) fn at_level(mut audio: Audio, level_db: f32) -> Audio {
    let levels = levels(&audio);
    let loudest = levels.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let sounding: Vec<f32> = levels.into_iter().filter(|level| *level > loudest * 0.1).collect();
    let mean = sounding.iter().map(|l| l * l).sum::<f32>() / sounding.len().max(1) as f32;
    let gain = 10f32.powf(level_db / 20.0) / mean.sqrt().max(f32::MIN_POSITIVE);
    audio.iter_mut().for_each(|sample| *sample *= gain);
    audio
}

/// Adds a sound from a time on, as far as there is room.
pub(crate) fn mix(into: &mut [f32], sound: &[f32], from_ms: f32) {
    for (slot, sample) in into.iter_mut().skip(samples_in(from_ms)).zip(sound) {
        *slot += sample;
    }
}

pub(crate) fn sine(hz: f32, level_db: f32, ms: f32) -> Audio {
    let amplitude = 10f32.powf(level_db / 20.0) * std::f32::consts::SQRT_2;
    (0..samples_in(ms)).map(|n| amplitude * (TAU * hz * n as f32 / RATE as f32).sin()).collect()
}

/// Noise like a street's: most below 1 kHz, swelling as cars pass.
pub(crate) fn street(random: &mut Random, ms: f32, level_db: f32) -> Audio {
    let (mut low, phase) = (0.0, random.between(0.0, TAU));
    let swell = |n: usize| 0.7 + 0.3 * (phase + TAU * 0.4 * n as f32 / RATE as f32).sin();
    let noise = (0..samples_in(ms)).map(|n| {
        low += 0.25 * (random.between(-1.0, 1.0) - low);
        low * swell(n)
    });
    at_level(noise.collect(), level_db)
}

pub(crate) fn hiss(random: &mut Random, ms: f32, level_db: f32) -> Audio {
    let noise = (0..samples_in(ms)).map(|_| random.between(-1.0, 1.0));
    at_level(noise.collect(), level_db)
}

/// A hard room: echoes for a third of a second.
pub(crate) fn room(random: &mut Random, audio: &[f32]) -> Audio {
    let mut wet = audio.to_vec();
    wet.extend(silence(300.0));
    for echo in 1..24 {
        let delay = echo as f32 * 13.0 + random.between(0.0, 9.0);
        let gain = 0.5 * 10f32.powf(-delay / 150.0);
        let sound: Audio = audio.iter().map(|sample| sample * gain).collect();
        mix(&mut wet, &sound, delay);
    }
    wet
}

/// Chords of four notes with overtones, a new one every half second, as colour ring music has them.
pub(crate) fn music(random: &mut Random, ms: f32, level_db: f32) -> Audio {
    let mut audio = Audio::new();
    while audio.len() < samples_in(ms) {
        let mut chord = silence(500.0);
        for _ in 0..4 {
            let hz = 220.0 * 2f32.powf((random.unit() * 24.0).floor() / 12.0);
            for overtone in 1..4 {
                let tone = sine(hz * overtone as f32, -12.0 * overtone as f32, 500.0);
                let fading =
                    tone.iter().enumerate().map(|(n, s)| s * (-(n as f32) / 3_000.0).exp());
                mix(&mut chord, &fading.collect::<Audio>(), 0.0);
            }
        }
        audio.extend(chord);
    }
    at_level(audio, level_db)
}
