//! Tones: each party says its own, so that whoever hears something says whom it hears.

use crate::audio::{RATE, samples_in};
use std::f64::consts::TAU;
use std::time::Duration;

/// Loudness of a tone, of 32767: several together are not clipped.
const LEVEL: f64 = 5_000.0;
/// A tone is there from this amplitude on; what is quieter is no tone but the noise of codecs.
const HEARD_MIN: f64 = 500.0;
/// A tone is not there when it is this much weaker than the strongest one that is.
const WEAKER_MIN: f64 = 20.0;

/// A frequency in Hz.
pub type Hz = u32;

/// All tones that parties say; none is near another, the ringing tone (450 Hz) or its harmonics.
pub const ALL: [Hz; 7] = [CITIZEN, FIRST, SECOND, CHIEF, OUTSIDE, MUSIC, THIRD];
/// The citizen's.
pub const CITIZEN: Hz = 610;
/// The first seat's.
pub const FIRST: Hz = 770;
/// The second seat's.
pub const SECOND: Hz = 980;
/// The supervisor's.
pub const CHIEF: Hz = 1_130;
/// Whoever is reached by the trunk.
pub const OUTSIDE: Hz = 1_430;
/// The music of those who wait.
pub const MUSIC: Hz = 1_690;
/// The third seat's.
pub const THIRD: Hz = 2_090;

/// That long a sine.
pub fn of(hz: Hz, time: Duration) -> Vec<i16> {
    let step = TAU * f64::from(hz) / f64::from(RATE);
    (0..samples_in(time)).map(|index| ((step * index as f64).sin() * LEVEL) as i16).collect()
}

/// The tones of [`ALL`] that a stretch is made of, lowest first; `None` when one is neither there nor
/// more than twenty times weaker than the strongest.
pub fn heard(stretch: &[i16]) -> Option<Vec<Hz>> {
    let mut tones: Vec<(Hz, f64)> = ALL.iter().map(|&hz| (hz, amplitude(stretch, hz))).collect();
    tones.sort_by_key(|(hz, _)| *hz);
    let strongest = tones.iter().fold(0.0_f64, |most, (_, level)| most.max(*level));
    let absent = if strongest >= HEARD_MIN { strongest / WEAKER_MIN } else { HEARD_MIN };
    let is_doubtful = |level: f64| (absent..HEARD_MIN).contains(&level);
    if tones.iter().any(|(_, level)| is_doubtful(*level)) {
        return None;
    }
    Some(tones.into_iter().filter(|(_, level)| *level >= HEARD_MIN).map(|(hz, _)| hz).collect())
}

/// The amplitude of one frequency (Goertzel's algorithm), under a window that keeps others out.
fn amplitude(stretch: &[i16], hz: Hz) -> f64 {
    let length = stretch.len() as f64;
    let coefficient = 2.0 * (TAU * f64::from(hz) / f64::from(RATE)).cos();
    let (mut last, mut before) = (0.0_f64, 0.0_f64);
    for (index, &sample) in stretch.iter().enumerate() {
        let window = 1.0 - (TAU * index as f64 / length).cos();
        let next = f64::from(sample) * window + coefficient * last - before;
        (before, last) = (last, next);
    }
    let power = last * last + before * before - coefficient * last * before;
    2.0 * power.max(0.0).sqrt() / length.max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{from_alaw, speech_like, to_alaw};

    const STRETCH: Duration = Duration::from_millis(300);

    #[test]
    fn each_tone_is_told_from_all_others_even_in_a_crowd() {
        for &hz in &ALL {
            let alaw = of(hz, STRETCH).into_iter().map(|sample| from_alaw(to_alaw(sample)));
            assert_eq!(heard(&alaw.collect::<Vec<_>>()), Some(vec![hz]), "{hz}");
        }
        let mut crowd = vec![0; samples_in(STRETCH)];
        for hz in [CITIZEN, FIRST, OUTSIDE] {
            for (sum, sample) in crowd.iter_mut().zip(of(hz, STRETCH)) {
                *sum += sample;
            }
        }
        let crowd: Vec<i16> = crowd.into_iter().map(|sample| from_alaw(to_alaw(sample))).collect();
        assert_eq!(heard(&crowd), Some(vec![CITIZEN, FIRST, OUTSIDE]));
    }

    #[test]
    fn silence_is_nobody_and_what_fades_is_doubtful() {
        assert_eq!(heard(&vec![0; samples_in(STRETCH)]), Some(Vec::new()));
        let both: Vec<i16> = of(CITIZEN, STRETCH)
            .iter()
            .zip(of(FIRST, STRETCH))
            .map(|(&one, other)| one + other / 16)
            .collect();
        assert_eq!(heard(&both), None);
        assert_ne!(heard(&speech_like(1, STRETCH)), Some(vec![CITIZEN]));
    }
}
