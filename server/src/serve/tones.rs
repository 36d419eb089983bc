//! What is played while nobody speaks: music on hold and the ringing tone.

use anyhow::{Context, Result, ensure};
use qingting_common::limits::TELEPHONE_RATE_HZ;
use std::f32::consts::TAU;
use std::path::Path;
use std::sync::Arc;

/// The chimes' notes: a pentatonic scale from A3, as equal-tempered steps.
const STEPS: [i32; 5] = [0, 3, 5, 7, 10];
const LOWEST_HZ: f32 = 220.0;
/// The order in which they sound, an octave up where it is 5 or more.
const MELODY: [usize; 16] = [0, 2, 4, 7, 5, 4, 2, 3, 0, 2, 5, 7, 9, 7, 4, 2];
const NOTE_S: f32 = 0.9;
/// How long a chime is heard; the next begins while it fades.
const FADE_S: f32 = 0.7;
/// −20 dBFS: music on hold is quieter than speech.
const MUSIC_LEVEL: f32 = 3_300.0;
/// The ringing tone of Chinese exchanges: 450 Hz, 1 s on, 4 s off.
const RINGING_HZ: f32 = 450.0;
const RINGING_LEVEL: f32 = 4_000.0;
const RINGING_ON_S: u32 = 1;
const RINGING_S: u32 = 5;
/// A tone that no exchange makes.
const TEST_HZ: f32 = 1_020.0;
const TEST_BEEPS: u32 = 7;
/// Longest music taken from a file: 10 minutes.
const MUSIC_SAMPLES_MAX: usize = 10 * 60 * TELEPHONE_RATE_HZ as usize;

/// The music of a file, or our own where no file is given.
pub fn music(file: &Path) -> Result<Arc<[i16]>> {
    if file.as_os_str().is_empty() {
        return Ok(chimes());
    }
    let mut samples = crate::sound::read_telephone(file)
        .with_context(|| format!("cannot use the music {} (seats.music)", file.display()))?;
    ensure!(!samples.is_empty(), "the music {} (seats.music) is empty", file.display());
    samples.truncate(MUSIC_SAMPLES_MAX);
    Ok(samples.into())
}

/// The tone that a caller hears while we dial for it.
pub fn ringing() -> Arc<[i16]> {
    let on = RINGING_ON_S * TELEPHONE_RATE_HZ;
    let tone = |index: u32| {
        let angle = TAU * RINGING_HZ * index as f32 / TELEPHONE_RATE_HZ as f32;
        (angle.sin() * RINGING_LEVEL) as i16
    };
    (0..RINGING_S * TELEPHONE_RATE_HZ)
        .map(|index| if index < on { tone(index) } else { 0 })
        .collect()
}

/// What a test call plays: a second of the reference tone of ITU-T O.6, half a second of silence, for about ten
/// seconds.
pub fn test() -> Arc<[i16]> {
    let (on, whole) = (TELEPHONE_RATE_HZ, TELEPHONE_RATE_HZ * 3 / 2);
    let tone = |index: u32| {
        let angle = TAU * TEST_HZ * index as f32 / TELEPHONE_RATE_HZ as f32;
        (angle.sin() * RINGING_LEVEL) as i16
    };
    (0..whole * TEST_BEEPS).map(|at| if at % whole < on { tone(at % whole) } else { 0 }).collect()
}

fn chimes() -> Arc<[i16]> {
    let rate = TELEPHONE_RATE_HZ as f32;
    let length = (MELODY.len() as f32 * NOTE_S * rate) as usize;
    let mut sum = vec![0.0_f32; length];
    for (place, &note) in MELODY.iter().enumerate() {
        let octave = if note >= STEPS.len() { 2.0 } else { 1.0 };
        let hz = LOWEST_HZ * octave * (STEPS[note % STEPS.len()] as f32 / 12.0).exp2();
        let start = (place as f32 * NOTE_S * rate) as usize;
        for index in 0..(2.0 * NOTE_S * rate) as usize {
            let at = index as f32 / rate;
            // A soft beginning, so that nothing clicks.
            let shape = (-at / FADE_S).exp() * (at / 0.02).min(1.0);
            let wave = (TAU * hz * at).sin() + 0.3 * (TAU * 2.0 * hz * at).sin();
            // The last chimes fade into the first: the loop has no seam.
            sum[(start + index) % length] += wave * shape;
        }
    }
    let peak = sum.iter().fold(1.0_f32, |peak, sample| peak.max(sample.abs()));
    sum.iter().map(|sample| (sample / peak * MUSIC_LEVEL) as i16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_music_is_quiet_and_never_still() {
        let music = chimes();
        let loudest = music.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
        assert!((3_000..4_000).contains(&loudest), "{loudest}");
        for (second, samples) in music.chunks(8_000).enumerate() {
            assert!(samples.iter().any(|sample| sample.unsigned_abs() > 200), "second {second}");
        }
        let seam = (i32::from(music[0]) - i32::from(music[music.len() - 1])).abs();
        assert!(seam < 600, "a click of {seam}");
    }

    #[test]
    fn it_rings_for_a_second_in_five() {
        let tone = ringing();
        assert_eq!(tone.len(), 5 * 8_000);
        assert!(tone[..8_000].iter().any(|sample| *sample > 3_500));
        assert!(tone[8_000..].iter().all(|sample| *sample == 0));
    }
}
