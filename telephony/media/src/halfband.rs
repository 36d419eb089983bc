//! From 8 kHz to 16 kHz and back: a half-band filter in two phases, flat to 3.4 kHz and 60 dB down
//! from 4.6 kHz.

use std::f32::consts::PI;

/// Taps of the phase that is not a mere delay: with it the filter is 47 long.
const TAPS: usize = 24;
/// Samples of the past that the next block needs.
const PAST: usize = TAPS - 1;
/// Samples at 8 kHz filtered at once.
const BLOCK: usize = 160;
/// Kaiser's parameter for 60 dB.
const BETA: f32 = 5.65;

/// Filters from past to present; one for each direction of each stream.
#[derive(Clone, Debug)]
pub struct HalfBand {
    taps: [f32; TAPS],
    /// At 8 kHz: the input going up; the odd and the even samples going down.
    odd: [f32; PAST + BLOCK],
    even: [f32; PAST + BLOCK],
}

impl Default for HalfBand {
    fn default() -> Self {
        Self { taps: taps(), odd: [0.0; PAST + BLOCK], even: [0.0; PAST + BLOCK] }
    }
}

impl HalfBand {
    /// Twice as many samples; `out` has room for them.
    pub fn up(&mut self, samples: &[i16], out: &mut [i16]) {
        for (samples, out) in samples.chunks(BLOCK).zip(out.chunks_mut(2 * BLOCK)) {
            fill(&mut self.odd, samples.iter().copied());
            let windows = self.odd.windows(TAPS).take(samples.len());
            for (pair, window) in out.chunks_exact_mut(2).zip(windows) {
                pair[0] = window[TAPS / 2 - 1] as i16;
                pair[1] = self.between(window) as i16;
            }
            self.odd.copy_within(samples.len()..samples.len() + PAST, 0);
        }
    }

    /// Half as many samples, in place of the first half.
    pub fn down(&mut self, samples: &mut [i16]) -> usize {
        let count = samples.len() / 2;
        for start in (0..count).step_by(BLOCK) {
            let length = BLOCK.min(count - start);
            let block = &samples[2 * start..2 * (start + length)];
            fill(&mut self.even, block.iter().copied().step_by(2));
            fill(&mut self.odd, block.iter().copied().skip(1).step_by(2));
            for index in 0..length {
                let odd = self.between(&self.odd[index..index + TAPS]);
                samples[start + index] = ((self.even[index + TAPS / 2] + odd) / 2.0) as i16;
            }
            self.even.copy_within(length..length + PAST, 0);
            self.odd.copy_within(length..length + PAST, 0);
        }
        count
    }

    /// The value in the middle between the two middle samples.
    fn between(&self, window: &[f32]) -> f32 {
        self.taps.iter().zip(window).map(|(tap, sample)| tap * sample).sum()
    }
}

fn fill(buffer: &mut [f32; PAST + BLOCK], samples: impl Iterator<Item = i16>) {
    for (slot, sample) in buffer[PAST..].iter_mut().zip(samples) {
        *slot = sample.into();
    }
}

fn taps() -> [f32; TAPS] {
    let middle = (TAPS - 1) as f32 / 2.0;
    let raw: [f32; TAPS] = std::array::from_fn(|index| {
        let away = index as f32 - middle;
        let sinc = (PI * away).sin() / (PI * away);
        let edge = away / (TAPS as f32 / 2.0);
        sinc * bessel(BETA * (1.0 - edge * edge).sqrt())
    });
    let sum: f32 = raw.iter().sum();
    raw.map(|tap| tap / sum)
}

/// The modified Bessel function of the first kind and order 0, as a series.
fn bessel(x: f32) -> f32 {
    let mut term = 1.0;
    (1..20).fold(1.0, |sum, n| {
        term *= (x / 2.0 / n as f32).powi(2);
        sum + term
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(frequency: f32, rate: f32, count: usize) -> Vec<i16> {
        let angle = |n: usize| n as f32 / rate * frequency * std::f32::consts::TAU;
        (0..count).map(|n| (angle(n).sin() * 10_000.0) as i16).collect()
    }

    /// Level after the filter has settled, 1 for the input's.
    fn level(samples: &[i16]) -> f32 {
        let settled = &samples[100..];
        let power: f32 = settled.iter().map(|sample| f32::from(*sample).powi(2)).sum();
        (power / settled.len() as f32).sqrt() / 10_000.0 * 2.0f32.sqrt()
    }

    #[test]
    fn speech_passes_both_ways() {
        for frequency in [100.0, 1_000.0, 3_000.0, 3_400.0] {
            let mut up = vec![0; 3_200];
            HalfBand::default().up(&tone(frequency, 8_000.0, 1_600), &mut up);
            assert!((level(&up) - 1.0).abs() < 0.02, "{frequency} Hz up: {}", level(&up));
            let mut down = tone(frequency, 16_000.0, 3_200);
            let count = HalfBand::default().down(&mut down);
            let level = level(&down[..count]);
            assert!((level - 1.0).abs() < 0.02, "{frequency} Hz down: {level}");
        }
    }

    #[test]
    fn what_eight_kilohertz_cannot_hold_does_not_come_back_as_something_else() {
        for frequency in [4_700.0, 5_500.0, 7_000.0] {
            let mut down = tone(frequency, 16_000.0, 3_200);
            let count = HalfBand::default().down(&mut down);
            assert!(level(&down[..count]) < 0.003, "{frequency} Hz: {}", level(&down[..count]));
        }
    }

    #[test]
    fn blocks_of_any_length_join_without_a_seam() {
        let whole = tone(700.0, 8_000.0, 1_600);
        let (mut at_once, mut in_parts) = (vec![0; 3_200], vec![0; 3_200]);
        HalfBand::default().up(&whole, &mut at_once);
        let mut filter = HalfBand::default();
        for (part, out) in whole.chunks(37).zip(in_parts.chunks_mut(74)) {
            filter.up(part, out);
        }
        assert_eq!(at_once, in_parts);
    }
}
