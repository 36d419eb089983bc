//! The beep after a voicemail's greeting: one pure tone, one pitch, not long.

use super::sound::Sound;
use qingting_common::limits::TICK_MS;

/// Where beeps lie. The network's 450 Hz is below.
const HZ_MIN: f32 = 780.0;
const HZ_MAX: f32 = 2_025.0;
/// Shortest beep: voices hold no pure tone that long.
const MS_MIN: u32 = 140;
/// A longer tone is a fax or a fault.
const MS_MAX: u32 = 2_500;
/// A beep keeps its pitch …
const HZ_OFF_MAX: f32 = 20.0;
/// … and its loudness.
const DB_OFF_MAX: f32 = 4.0;

/// What the newest frame says about a beep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// One is sounding.
    Sounding,
    /// One is over.
    Over,
}

/// A pure tone that may be a beep.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    hz: f32,
    level_db: f32,
    ticks: u32,
}

impl Candidate {
    fn is_beep(self) -> bool {
        (MS_MIN..=MS_MAX).contains(&(self.ticks * TICK_MS))
    }
}

/// Listens for beeps.
#[derive(Clone, Debug, Default)]
pub(super) struct BeepListener {
    candidate: Option<Candidate>,
}

impl BeepListener {
    pub(super) fn follow(&mut self, sound: Sound) -> Option<Sign> {
        let hz = sound.tone_hz.filter(|hz| (HZ_MIN..=HZ_MAX).contains(hz));
        let before = self.candidate.take();
        let Some(hz) = hz else {
            return before.filter(|tone| tone.is_beep()).map(|_| Sign::Over);
        };
        let goes_on = before.filter(|tone| {
            let is_same_pitch = (tone.hz - hz).abs() <= HZ_OFF_MAX;
            is_same_pitch && (tone.level_db - sound.level_db).abs() <= DB_OFF_MAX
        });
        let ticks = goes_on.map_or(0, |tone| tone.ticks) + 1;
        let now = Candidate { hz, level_db: sound.level_db, ticks };
        self.candidate = Some(now);
        now.is_beep().then_some(Sign::Sounding)
    }
}
