//! 24 kHz floats to telephone samples.

use std::f32::consts::PI;

/// Kokoro's rate.
pub(crate) const MODEL_RATE_HZ: u32 = 24_000;
const DECIMATION: usize = 3;
/// Taps of the low-pass filter: 24 zero crossings a side at the cut-off below.
const TAPS: usize = 145;
/// Band edge of telephone speech.
const CUTOFF_HZ: f32 = 3_600.0;
const TARGET_RMS: f32 = 0.1; // −20 dBFS
/// Where the limiter starts to bend, and what it never passes.
const KNEE: f32 = 0.6;
const CEILING: f32 = 0.95;
/// Quieter than this is silence, for trimming and for measuring loudness.
const SILENCE: f32 = 0.01;
/// Silence kept around a trimmed stretch, in samples at 24 kHz (30 ms).
const MARGIN: usize = 720;

/// Cuts leading and trailing silence.
pub(crate) fn trim(audio: &[f32]) -> &[f32] {
    let loud = |x: &f32| x.abs() > SILENCE;
    let Some(first) = audio.iter().position(loud) else { return &[] };
    let last = audio.iter().rposition(loud).unwrap_or(first);
    &audio[first.saturating_sub(MARGIN)..(last + MARGIN).min(audio.len())]
}

/// 24 kHz to 8 kHz: a windowed-sinc low-pass, then every third sample. The ratio is a whole
/// number, so no polyphase resampler is needed.
pub(crate) fn to_telephone_rate(audio: &[f32]) -> Vec<f32> {
    let taps = low_pass();
    let half = TAPS / 2;
    let at = |centre: usize| {
        let start = centre.saturating_sub(half);
        let skip = half.saturating_sub(centre);
        audio[start..].iter().zip(&taps[skip..]).map(|(x, t)| x * t).sum()
    };
    (0..audio.len()).step_by(DECIMATION).map(at).collect()
}

/// Scales speech to −20 dBFS RMS, bends peaks below full scale, and rounds to 16 bits.
pub(crate) fn to_pcm(audio: &[f32]) -> Vec<i16> {
    let loud = audio.iter().filter(|x| x.abs() > SILENCE);
    let (n, energy) = loud.fold((0_u32, 0.0_f32), |(n, e), x| (n + 1, e + x * x));
    let gain = if n == 0 { 1.0 } else { TARGET_RMS / (energy / n as f32).sqrt() };
    audio.iter().map(|x| (limit(x * gain) * f32::from(i16::MAX)) as i16).collect()
}

fn limit(x: f32) -> f32 {
    let over = (x.abs() - KNEE).max(0.0);
    let room = CEILING - KNEE;
    x.signum() * (x.abs().min(KNEE) + room * (over / room).tanh())
}

fn low_pass() -> Vec<f32> {
    let cutoff = CUTOFF_HZ / MODEL_RATE_HZ as f32;
    let tap = |i: usize| {
        let x = i as f32 - (TAPS / 2) as f32;
        let turn = 2.0 * PI * i as f32 / (TAPS - 1) as f32;
        let blackman = 0.42 - 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos();
        let sinc = if x == 0.0 { 2.0 * cutoff } else { (2.0 * PI * cutoff * x).sin() / (PI * x) };
        sinc * blackman
    };
    let taps: Vec<f32> = (0..TAPS).map(tap).collect();
    let sum: f32 = taps.iter().sum();
    taps.into_iter().map(|t| t / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f32) -> Vec<f32> {
        (0..24_000).map(|n| (2.0 * PI * hz * n as f32 / MODEL_RATE_HZ as f32).sin()).collect()
    }

    fn rms(audio: &[f32]) -> f32 {
        (audio.iter().map(|x| x * x).sum::<f32>() / audio.len() as f32).sqrt()
    }

    #[test]
    fn speech_passes_and_what_would_alias_does_not() {
        let passed = to_telephone_rate(&tone(1_000.0));
        assert_eq!(passed.len(), 8_000);
        assert!((rms(&passed[100..7_900]) - 0.707).abs() < 0.01);
        assert!(rms(&to_telephone_rate(&tone(5_000.0))[100..7_900]) < 0.001);
    }

    #[test]
    fn loudness_is_minus_twenty_and_peaks_do_not_clip() {
        let mut audio: Vec<f32> = tone(500.0).iter().map(|x| x * 0.02).collect();
        audio[12_000] = 1.0;
        let pcm = to_pcm(&audio);
        assert!(pcm.iter().all(|s| s.unsigned_abs() < 31_200));
        let floats: Vec<f32> = pcm.iter().map(|&s| f32::from(s) / 32_767.0).collect();
        assert!((rms(&floats) - 0.1).abs() < 0.03, "{}", rms(&floats));
    }
}
