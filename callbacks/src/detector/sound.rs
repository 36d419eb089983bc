//! What 20 ms of sound are like: how loud, how like a voice, whether one pure tone.

use qingting_common::limits::{SAMPLES_PER_TICK, TELEPHONE_RATE_HZ};
use std::f32::consts::TAU;

/// 20 ms of one party's audio: 8 kHz, linear.
pub type Samples = [i16; SAMPLES_PER_TICK];

/// Two ticks: room for two periods of the deepest voice.
const WINDOW: usize = 2 * SAMPLES_PER_TICK;
/// Shortest period of a voice: 400 Hz.
const PERIOD_MIN: usize = 20;
/// Longest period of a voice: 60 Hz.
const PERIOD_MAX: usize = 133;
/// What is fainter than this, in dB of full scale, is neither voice nor tone.
pub(super) const AUDIBLE_DB: f32 = -48.0;
/// Tones are looked for from here …
const TONE_HZ_MIN: usize = 375;
/// … to here, …
const TONE_HZ_MAX: usize = 2_025;
/// … first in such steps, then between them.
const TONE_HZ_STEP: usize = 25;
/// Share of the power that a tone must have to be alone.
const PURITY_MIN: f32 = 0.8;

/// One frame's description.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sound {
    /// Mean power in dB of full scale.
    pub(super) level_db: f32,
    /// How like its own past it is one period before: about 0.2 for noise, nearly 1 for a vowel.
    pub(super) periodicity: f32,
    /// The frequency in Hz of the tone that is all of it.
    pub(super) tone_hz: Option<f32>,
}

/// Describes one frame after the other.
#[derive(Clone, Debug)]
pub(super) struct Ear {
    /// Newest last, full scale is 1.
    window: [f32; WINDOW],
}

impl Default for Ear {
    fn default() -> Self {
        Self { window: [0.0; WINDOW] }
    }
}

impl Ear {
    pub(super) fn hear(&mut self, samples: &Samples) -> Sound {
        self.window.copy_within(SAMPLES_PER_TICK.., 0);
        let newest = &mut self.window[WINDOW - SAMPLES_PER_TICK..];
        for (slot, sample) in newest.iter_mut().zip(samples) {
            *slot = f32::from(*sample) / 32_768.0;
        }
        let energy: f32 = newest.iter().map(|s| s * s).sum();
        let level_db = decibels(energy / SAMPLES_PER_TICK as f32);
        if level_db < AUDIBLE_DB {
            return Sound { level_db, periodicity: 0.0, tone_hz: None };
        }
        let tone_hz = tone_of(newest, energy);
        Sound { level_db, periodicity: self.periodicity(), tone_hz }
    }

    /// The highest normalised correlation of the window with itself, one period of a voice later.
    fn periodicity(&self) -> f32 {
        let newest = &self.window[PERIOD_MAX..];
        let own: f32 = newest.iter().map(|s| s * s).sum();
        let likeness = |period: usize| {
            let earlier = &self.window[PERIOD_MAX - period..WINDOW - period];
            let (mut product, mut energy) = (0.0, f32::MIN_POSITIVE);
            for (a, b) in newest.iter().zip(earlier) {
                product += a * b;
                energy += b * b;
            }
            product / (own * energy).sqrt().max(f32::MIN_POSITIVE)
        };
        (PERIOD_MIN..=PERIOD_MAX).map(likeness).fold(0.0, f32::max)
    }
}

fn decibels(power: f32) -> f32 {
    10.0 * power.max(1e-10).log10()
}

/// The frequency of the tone that has nearly all of this energy.
fn tone_of(samples: &[f32], energy: f32) -> Option<f32> {
    let share = |hz: f32| power_at(samples, hz) * 2.0 / (samples.len() as f32 * energy);
    let best = |steps: &mut dyn Iterator<Item = f32>| {
        steps.map(|hz| (hz, share(hz))).max_by(|a, b| a.1.total_cmp(&b.1))
    };
    let coarse = (TONE_HZ_MIN..=TONE_HZ_MAX).step_by(TONE_HZ_STEP).map(|hz| hz as f32);
    let (near, _) = best(&mut { coarse })?;
    let (hz, purity) = best(&mut (-2..=2).map(|step| near + step as f32 * 6.25))?;
    (purity >= PURITY_MIN).then_some(hz)
}

/// The Goertzel algorithm: squared magnitude of the spectrum at one frequency.
fn power_at(samples: &[f32], hz: f32) -> f32 {
    let coefficient = 2.0 * (TAU * hz / TELEPHONE_RATE_HZ as f32).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for sample in samples {
        (last, before) = (sample + coefficient * last - before, last);
    }
    last * last + before * before - coefficient * last * before
}

#[cfg(test)]
mod tests {
    use super::super::signals::{noise, sine, voice};
    use super::*;

    fn last_of(samples: &[i16]) -> Sound {
        let mut ear = Ear::default();
        let (frames, _) = samples.as_chunks::<SAMPLES_PER_TICK>();
        frames.iter().map(|frame| ear.hear(frame)).last().unwrap()
    }

    #[test]
    fn a_sine_is_a_tone_of_its_frequency_and_level() {
        for hz in [450.0, 837.0, 1_000.0, 1_990.0] {
            let sound = last_of(&sine(hz, -20.0, 100));
            assert!((sound.tone_hz.unwrap() - hz).abs() < 7.0, "{hz}: {sound:?}");
            assert!((sound.level_db + 20.0).abs() < 0.5, "{hz}: {sound:?}");
        }
    }

    #[test]
    fn a_voice_is_periodic_and_no_tone_and_noise_is_neither() {
        let sound = last_of(&voice(-20.0, 200));
        assert!(sound.periodicity > 0.7 && sound.tone_hz.is_none(), "{sound:?}");
        let sound = last_of(&noise(-20.0, 200, 1));
        assert!(sound.periodicity < 0.4 && sound.tone_hz.is_none(), "{sound:?}");
    }
}
