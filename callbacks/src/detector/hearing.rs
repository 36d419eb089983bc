//! When the called party spoke: stretches of voice, seen from the newest frame.
//!
//! What is a voice is judged against the loudest voice so far, so a television or a second person
//! behind the one who answered is none once that one has spoken.

use super::sound::{AUDIBLE_DB, Sound};
use qingting_common::Millis;
use qingting_common::limits::TICK_MS;
use std::time::Duration;

/// Voices are periodic at least this much.
const PERIODICITY_MIN: f32 = 0.5;
/// How much fainter than the loudest voice still belongs to it.
const FAINTER_DB_MAX: f32 = 12.0;
/// The loudest voice is the one that so many frames reach: no click is.
const LOUDEST_FRAMES: usize = 8;
/// Frames of voice in a stretch that make it speech: 100 ms, less is a click or a breath.
const VOICED_FRAMES_MIN: u32 = 5;
/// Consonants and lost packets within speech are bridged.
const BRIDGED: Duration = Duration::from_millis(200);

/// Speech without a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) start: Millis,
    pub(super) end: Millis,
    voiced_frames: u32,
}

impl Stretch {
    pub(super) fn length(self) -> Duration {
        self.end - self.start
    }

    /// From the beginning of this one to the end of a later one.
    fn until(self, later: Self) -> Self {
        let voiced_frames = self.voiced_frames + later.voiced_frames;
        Self { start: self.start, end: later.end, voiced_frames }
    }
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    start: Millis,
    level_db: f32,
}

/// The frames that may be a voice, since the answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Hearing {
    voiced: Vec<Frame>,
    /// Reused: the levels in order.
    levels: Vec<f32>,
    /// Reused: what [`Hearing::speech`] returns.
    stretches: Vec<Stretch>,
}

impl Hearing {
    pub(super) fn hear(&mut self, start: Millis, sound: Sound) {
        let is_voice = sound.periodicity >= PERIODICITY_MIN && sound.tone_hz.is_none();
        if is_voice && sound.level_db >= AUDIBLE_DB {
            self.voiced.push(Frame { start, level_db: sound.level_db });
        }
    }

    /// All speech so far, stretches with pauses between.
    pub(super) fn speech(&mut self) -> &[Stretch] {
        let floor = self.loudest() - FAINTER_DB_MAX;
        self.stretches.clear();
        for frame in self.voiced.iter().filter(|frame| frame.level_db >= floor) {
            let end = frame.start + Duration::from_millis(TICK_MS.into());
            let next = Stretch { start: frame.start, end, voiced_frames: 1 };
            match self.stretches.last_mut() {
                Some(last) if next.start - last.end <= BRIDGED => *last = last.until(next),
                _ => self.stretches.push(next),
            }
        }
        self.stretches.retain(|stretch| stretch.voiced_frames >= VOICED_FRAMES_MIN);
        &self.stretches
    }

    /// The newest speech, pauses of at most this bridged.
    pub(super) fn newest(&mut self, pause_max: Duration) -> Option<Stretch> {
        let mut stretches = self.speech().iter().rev().copied();
        let last = stretches.next()?;
        let mut newest = last;
        for earlier in stretches {
            if newest.start - earlier.end > pause_max {
                break;
            }
            newest = earlier.until(newest);
        }
        Some(newest)
    }

    /// How long the party spoke altogether.
    pub(super) fn spoken(&mut self) -> Duration {
        self.speech().iter().map(|stretch| stretch.length()).sum()
    }

    fn loudest(&mut self) -> f32 {
        self.levels.clear();
        self.levels.extend(self.voiced.iter().map(|frame| frame.level_db));
        let Some(at) = self.levels.len().checked_sub(LOUDEST_FRAMES) else {
            return AUDIBLE_DB;
        };
        *self.levels.select_nth_unstable_by(at, f32::total_cmp).1
    }
}

#[cfg(test)]
mod tests {
    use super::super::signals::{noise, silence, voice};
    use super::super::sound::Ear;
    use super::*;
    use qingting_common::limits::SAMPLES_PER_TICK;

    fn heard(parts: &[Vec<i16>]) -> Hearing {
        let samples = parts.concat();
        let (mut ear, mut hearing) = (Ear::default(), Hearing::default());
        for (at, frame) in samples.as_chunks::<SAMPLES_PER_TICK>().0.iter().enumerate() {
            hearing.hear(Millis(at as u64 * 20), ear.hear(frame));
        }
        hearing
    }

    #[test]
    fn a_stretch_begins_and_ends_with_the_voice() {
        let mut hearing = heard(&[silence(400), voice(-20.0, 1_000), silence(600)]);
        let speech = hearing.newest(Duration::from_millis(300)).unwrap();
        assert!((380..=480).contains(&speech.start.0), "{speech:?}");
        assert!((1_300..=1_440).contains(&speech.end.0), "{speech:?}");
    }

    #[test]
    fn pauses_are_bridged_up_to_a_limit() {
        let parts = [voice(-20.0, 500), silence(300), voice(-20.0, 500)];
        let length = |pause_ms| {
            let newest = heard(&parts).newest(Duration::from_millis(pause_ms)).unwrap();
            newest.length().as_millis()
        };
        assert!(length(250) < 600, "{}", length(250));
        assert!(length(500) > 1_100, "{}", length(500));
    }

    #[test]
    fn noise_and_a_click_are_no_speech() {
        assert!(heard(&[noise(-25.0, 2_000, 1)]).speech().is_empty());
        assert!(heard(&[silence(500), voice(-10.0, 40), silence(500)]).speech().is_empty());
    }

    #[test]
    fn a_voice_behind_the_one_that_answered_does_not_go_on_for_it() {
        let behind = || voice(-42.0, 1_000);
        let mut hearing = heard(&[behind(), voice(-20.0, 600), behind()]);
        let speech = hearing.newest(Duration::from_millis(300)).unwrap();
        assert!(speech.length() < Duration::from_millis(700), "{speech:?}");
    }
}
