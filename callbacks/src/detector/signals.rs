//! Signals for tests: the same each time.

use qingting_common::limits::TELEPHONE_RATE_HZ;
use std::f32::consts::TAU;

fn samples_in(ms: usize) -> usize {
    ms * TELEPHONE_RATE_HZ as usize / 1_000
}

/// Amplitude of full scale with the root mean square `rms`, brought to a level in dB.
fn integer(sample: f32, rms: f32, level_db: f32) -> i16 {
    (sample / rms * 10f32.powf(level_db / 20.0) * 32_768.0) as i16
}

pub(super) fn silence(ms: usize) -> Vec<i16> {
    vec![0; samples_in(ms)]
}

pub(super) fn sine(hz: f32, level_db: f32, ms: usize) -> Vec<i16> {
    let angle = |n: usize| TAU * hz * n as f32 / TELEPHONE_RATE_HZ as f32;
    (0..samples_in(ms)).map(|n| integer(angle(n).sin(), 0.707, level_db)).collect()
}

/// White.
pub(super) fn noise(level_db: f32, ms: usize, seed: u32) -> Vec<i16> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..samples_in(ms)).map(|_| integer(next(), 0.577, level_db)).collect()
}

/// Harmonics of a gliding pitch about 150 Hz, four syllables a second: as much like speech as the ear
/// of the detector can tell.
pub(super) fn voice(level_db: f32, ms: usize) -> Vec<i16> {
    let mut phase = 0.0f32;
    (0..samples_in(ms))
        .map(|n| {
            let seconds = n as f32 / TELEPHONE_RATE_HZ as f32;
            phase += TAU * (150.0 + 30.0 * (TAU * 1.3 * seconds).sin()) / TELEPHONE_RATE_HZ as f32;
            let syllable = 0.6 - 0.4 * (TAU * 4.0 * seconds).cos();
            let harmonics: f32 = (2..16).map(|h| (phase * h as f32).sin() / h as f32).sum();
            integer(harmonics * syllable, 0.35, level_db)
        })
        .collect()
}
