//! What the telephone's band filters took from the edges of their band, given back.
//!
//! A telephone passes 300–3400 Hz, and its filters begin to close inside that: the recogniser, which
//! learnt from wide recordings, misses the pitch's harmonics below and the hiss of consonants above
//! more than anything between. Measured with others in `docs/recognition.md`.

use std::f32::consts::{PI, TAU};

/// Taps on each side of the centre, at 16 kHz: edges are 200 Hz wide.
const HALF_TAPS: usize = 127;
const TAPS: usize = 2 * HALF_TAPS + 1;
/// Raised between these (below is hum) ...
const LOW_FROM_HZ: f32 = 100.0;
const LOW_TO_HZ: f32 = 330.0;
/// ... and between these: beyond 4 kHz there is nothing in audio that came at 8 kHz.
const HIGH_FROM_HZ: f32 = 3_300.0;
const HIGH_TO_HZ: f32 = 4_000.0;
/// By this: 12 dB.
const GAIN: f32 = 4.0;
const RATE_HZ: f32 = 16_000.0;

/// Raises both edges of the telephone's band in a stream at 16 kHz. Linear phase;
/// [`Equalizer::DELAY_SAMPLES`] is the delay.
#[derive(Clone, Debug)]
pub struct Equalizer {
    taps: Box<[f32; TAPS]>,
    /// The newest last, kept twice so that the last [`TAPS`] are always in one piece.
    history: Box<[f32; 2 * TAPS]>,
    at: usize,
}

impl Equalizer {
    /// Delay, in samples at 16 kHz (8 ms).
    pub const DELAY_SAMPLES: usize = HALF_TAPS;

    /// A stream that was silent so far.
    pub fn new() -> Self {
        let low_pass = |n: f32, hz: f32| {
            let cut = 2.0 * hz / RATE_HZ;
            if n == 0.0 { cut } else { (PI * n * cut).sin() / (PI * n) }
        };
        let mut taps = Box::new([0.0; TAPS]);
        for (index, tap) in taps.iter_mut().enumerate() {
            let n = index as f32 - HALF_TAPS as f32;
            let window = 0.54 + 0.46 * (TAU * n / (TAPS - 1) as f32).cos();
            let between = |from, to| low_pass(n, to) - low_pass(n, from);
            let edges = between(LOW_FROM_HZ, LOW_TO_HZ) + between(HIGH_FROM_HZ, HIGH_TO_HZ);
            *tap = (GAIN - 1.0) * edges * window + if n == 0.0 { 1.0 } else { 0.0 };
        }
        Self { taps, history: Box::new([0.0; 2 * TAPS]), at: 0 }
    }

    /// Replaces samples by what they are after equalising, as many.
    pub fn push(&mut self, samples: &mut [f32]) {
        for sample in samples {
            self.history[self.at] = *sample;
            self.history[self.at + TAPS] = *sample;
            self.at = (self.at + 1) % TAPS;
            let recent = &self.history[self.at..self.at + TAPS];
            *sample = self.taps.iter().zip(recent).map(|(tap, s)| tap * s).sum();
        }
    }
}

impl Default for Equalizer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gain_at(hz: f32) -> f32 {
        let mut tone: Vec<f32> =
            (0..4_000).map(|i| (i as f32 * hz / RATE_HZ * TAU).sin()).collect();
        Equalizer::new().push(&mut tone);
        tone[TAPS..].iter().fold(0.0, |peak, s| peak.max(s.abs()))
    }

    #[test]
    fn the_edges_rise_by_12_db_and_the_middle_stays() {
        for hz in [200.0, 3_600.0] {
            assert!((3.8..4.2).contains(&gain_at(hz)), "{hz} Hz: {}", gain_at(hz));
        }
        for hz in [600.0, 1_000.0, 3_000.0] {
            assert!((0.95..1.05).contains(&gain_at(hz)), "{hz} Hz: {}", gain_at(hz));
        }
        assert!(gain_at(50.0) < 1.6, "hum is left as it is");
    }

    #[test]
    fn pieces_give_the_same_samples_as_the_whole() {
        let input: Vec<f32> = (0..1_000).map(|i| ((i * i) % 97) as f32 / 97.0 - 0.5).collect();
        let (mut whole, mut pieces) = (input.clone(), input);
        Equalizer::new().push(&mut whole);
        let mut equalizer = Equalizer::new();
        pieces.chunks_mut(37).for_each(|piece| equalizer.push(piece));
        assert_eq!(whole, pieces);
    }
}
