//! Noise suppression before recognition, by RNNoise. What it does to errors is in
//! `docs/recognition.md`; recordings and what people hear of each other never pass it.

use nnnoiseless::DenoiseState;
use serde::{Deserialize, Serialize};
use std::f32::consts::{PI, TAU};
use std::str::FromStr;

/// RNNoise works at 48 kHz, streams are at 16 kHz.
const FACTOR: usize = 3;
/// 10 ms at both rates.
const FRAME_WIDE: usize = DenoiseState::FRAME_SIZE;
const FRAME: usize = FRAME_WIDE / FACTOR;
/// Taps of the low-pass of both conversions on each side of its centre, at 48 kHz.
const HALF_TAPS: usize = 96;
const TAPS: usize = 2 * HALF_TAPS + 1;
/// Its cut: its stop band begins at 8 kHz, beyond which there are only images.
const CUT_HZ: f32 = 7_300.0;
const RATE_WIDE_HZ: f32 = 48_000.0;
/// Samples before a frame that its conversion to 48 kHz needs.
const HISTORY: usize = (TAPS - 1) / FACTOR;
/// Both conversions, and RNNoise's overlap of one frame.
const DELAY: usize = 2 * HALF_TAPS / FACTOR + FRAME;
/// RNNoise's samples are those of 16 bits.
const FULL_SCALE: f32 = 32_768.0;

/// What takes noise out of audio before it is recognised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseSuppression {
    /// Nothing: audio is heard as it came.
    #[default]
    Off,
    /// RNNoise, a recurrent network that weighs the bands of each 10 ms.
    Rnnoise,
}

impl NoiseSuppression {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Off, Self::Rnnoise];

    /// Its name in configurations and on command lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Rnnoise => "rnnoise",
        }
    }
}

impl FromStr for NoiseSuppression {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|known| known.as_str() == name);
        found.ok_or_else(|| {
            format!("{name:?} is none of {}", Self::ALL.map(Self::as_str).join(", "))
        })
    }
}

/// RNNoise on a stream at 16 kHz. Samples come out where they went in, up to 24 ms later.
pub(crate) struct Suppressor {
    rnnoise: Box<DenoiseState<'static>>,
    taps: Box<[f32; TAPS]>,
    /// [`HISTORY`] samples at 16 kHz, then those of a frame that is not full yet.
    narrow: Vec<f32>,
    /// [`TAPS`] - 1 samples at 48 kHz, then a frame.
    wide: Vec<f32>,
    /// Samples still to come out that are from before the stream.
    early: usize,
}

impl Suppressor {
    /// A stream that was silent so far.
    pub(crate) fn new() -> Self {
        Self {
            rnnoise: DenoiseState::new(),
            taps: low_pass(),
            narrow: vec![0.0; HISTORY],
            wide: vec![0.0; TAPS - 1 + FRAME_WIDE],
            early: DELAY,
        }
    }

    /// Samples that went in and are not out yet.
    pub(crate) fn held(&self) -> usize {
        self.narrow.len() - HISTORY + DELAY - self.early
    }

    /// Appends to `out` what is finished of the stream with `input` at its end.
    pub(crate) fn push(&mut self, input: &[f32], out: &mut Vec<f32>) {
        for sample in input {
            self.narrow.push(*sample);
            if self.narrow.len() == HISTORY + FRAME {
                self.frame(out);
            }
        }
    }

    fn frame(&mut self, out: &mut Vec<f32>) {
        let mut noisy = [0.0; FRAME_WIDE];
        for (at, sample) in noisy.iter_mut().enumerate() {
            let (newest, phase) = (HISTORY + at / FACTOR, at % FACTOR);
            let taps = self.taps.iter().skip(phase).step_by(FACTOR);
            let past = self.narrow[..=newest].iter().rev();
            *sample =
                taps.zip(past).map(|(tap, s)| tap * s).sum::<f32>() * FACTOR as f32 * FULL_SCALE;
        }
        self.narrow.drain(..FRAME);
        self.wide.copy_within(FRAME_WIDE.., 0);
        self.rnnoise.process_frame(&mut self.wide[TAPS - 1..], &noisy);
        let narrow = self.wide.windows(TAPS).step_by(FACTOR);
        // The filter is symmetric: no matter from which end.
        let narrow = narrow.map(|past| {
            self.taps.iter().zip(past).map(|(tap, s)| tap * s).sum::<f32>() / FULL_SCALE
        });
        let early = self.early.min(FRAME);
        self.early -= early;
        out.extend(narrow.skip(early));
    }
}

/// A windowed sinc (Blackman).
fn low_pass() -> Box<[f32; TAPS]> {
    let cut = 2.0 * CUT_HZ / RATE_WIDE_HZ;
    let mut taps = Box::new([0.0; TAPS]);
    for (index, tap) in taps.iter_mut().enumerate() {
        let n = index as f32 - HALF_TAPS as f32;
        let turn = TAU * index as f32 / (TAPS - 1) as f32;
        let window = 0.42 - 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos();
        *tap = window * if n == 0.0 { cut } else { (PI * n * cut).sin() / (PI * n) };
    }
    taps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::random::Random;

    /// Vowel-like: 32 harmonics of 120 Hz, swelling four times a second.
    fn voice(samples: usize) -> Vec<f32> {
        let at = |index: usize| {
            let seconds = index as f32 / 16_000.0;
            let harmonic = |n: usize| (TAU * 120.0 * n as f32 * seconds).sin() / (n as f32).sqrt();
            let swell = 0.5 - 0.5 * (TAU * 4.0 * seconds).cos();
            (1..=32).map(harmonic).sum::<f32>() * 0.05 * swell
        };
        (0..samples).map(at).collect()
    }

    fn suppressed(input: &[f32], piece: usize) -> Vec<f32> {
        let (mut suppressor, mut out) = (Suppressor::new(), Vec::new());
        for piece in input.chunks(piece) {
            suppressor.push(piece, &mut out);
        }
        assert_eq!(out.len() + suppressor.held(), input.len());
        assert!(suppressor.held() <= 24 * 16, "{}", suppressor.held());
        out
    }

    fn product(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn a_voice_stays_where_it_was() {
        let input = voice(48_000);
        let out = suppressed(&input, 320);
        // By a quarter of a pitch period at most, so that no other period is mistaken for it.
        let alike = |shift: i64| {
            let from = (16_000 + shift) as usize;
            product(&out[16_000..40_000], &input[from..from + 24_000])
        };
        let best = (-33..=33).max_by(|a, b| alike(*a).total_cmp(&alike(*b)));
        assert_eq!(best, Some(0));
    }

    #[test]
    fn noise_falls_by_ten_decibels() {
        let mut random = Random::new(1);
        let noise: Vec<f32> = (0..48_000).map(|_| random.signed() * 0.05).collect();
        let out = suppressed(&noise, 320);
        let power = |samples: &[f32]| product(samples, samples) / samples.len() as f32;
        let ratio = power(&out[24_000..]) / power(&noise[24_000..]);
        assert!(ratio < 0.1, "{ratio}");
    }

    #[test]
    fn pieces_give_the_same_samples_as_the_whole() {
        let input = voice(16_000);
        assert_eq!(suppressed(&input, 16_000), suppressed(&input, 37));
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for known in NoiseSuppression::ALL {
            assert_eq!(known.as_str().parse(), Ok(known));
        }
        assert!("dfn".parse::<NoiseSuppression>().is_err_and(|e| e.contains("off, rnnoise")));
    }
}
