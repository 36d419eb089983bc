//! Telephone audio to the models' rate: 8 kHz to 16 kHz, sample by sample, in one pass.

/// Taps of the half-band low-pass on each side of its centre.
const HALF_TAPS: usize = 16;

/// Doubles the rate of a stream with a windowed-sinc interpolator (Blackman window, cut at
/// 4 kHz). Two samples come out for each that goes in; [`Upsampler::DELAY_SAMPLES`] is the delay.
#[derive(Clone, Debug)]
pub struct Upsampler {
    /// Interpolation weights for the sample half way between `history[HALF_TAPS-1]` and the next.
    weights: [f32; 2 * HALF_TAPS],
    history: [f32; 2 * HALF_TAPS],
}

impl Upsampler {
    /// Delay, in samples at 16 kHz (2 ms).
    pub const DELAY_SAMPLES: usize = 2 * HALF_TAPS;

    /// A stream that was silent so far.
    pub fn new() -> Self {
        let mut weights = [0.0; 2 * HALF_TAPS];
        for (i, weight) in weights.iter_mut().enumerate() {
            let offset = i as f32 - (HALF_TAPS as f32 - 0.5);
            let phase = std::f32::consts::PI * offset;
            let ratio = (i as f32 + 0.5) / (2 * HALF_TAPS) as f32 * std::f32::consts::TAU;
            let window = 0.42 - 0.5 * ratio.cos() + 0.08 * (2.0 * ratio).cos();
            *weight = phase.sin() / phase * window;
        }
        let sum: f32 = weights.iter().sum();
        weights.iter_mut().for_each(|w| *w /= sum);
        Self { weights, history: [0.0; 2 * HALF_TAPS] }
    }

    /// Appends twice as many samples to `out` as `input` has, scaled to [-1, 1).
    pub fn push(&mut self, input: &[i16], out: &mut Vec<f32>) {
        out.reserve(input.len() * 2);
        for &sample in input {
            self.history.copy_within(1.., 0);
            self.history[2 * HALF_TAPS - 1] = f32::from(sample) / 32_768.0;
            let between: f32 = self.weights.iter().zip(&self.history).map(|(w, s)| w * s).sum();
            out.push(self.history[HALF_TAPS - 1]);
            out.push(between);
        }
    }
}

impl Default for Upsampler {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f32, samples: usize) -> Vec<i16> {
        (0..samples)
            .map(|i| ((i as f32 * hz / 8_000.0 * std::f32::consts::TAU).sin() * 16_384.0) as i16)
            .collect()
    }

    #[test]
    fn a_tone_keeps_its_frequency_and_loses_its_image() {
        let mut out = Vec::new();
        Upsampler::new().push(&tone(1_000.0, 1_600), &mut out);
        let steady = &out[400..3_200 - 16];
        let energy_at = |hz: f32| {
            let (mut re, mut im) = (0.0f32, 0.0f32);
            for (i, s) in steady.iter().enumerate() {
                let angle = i as f32 * hz / 16_000.0 * std::f32::consts::TAU;
                re += s * angle.cos();
                im += s * angle.sin();
            }
            (re * re + im * im).sqrt()
        };
        assert!(energy_at(1_000.0) > 100.0 * energy_at(7_000.0));
    }

    #[test]
    fn pieces_give_the_same_samples_as_the_whole() {
        let input = tone(440.0, 500);
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());
        Upsampler::new().push(&input, &mut whole);
        let mut upsampler = Upsampler::new();
        input.chunks(37).for_each(|piece| upsampler.push(piece, &mut pieces));
        assert_eq!(whole, pieces);
    }
}
