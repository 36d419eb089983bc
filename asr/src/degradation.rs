//! What a recogniser that falls behind leaves out. Pure: lag and time in, level out.
//!
//! **Whoever speaks is never refused; text becomes late first, then plain, then a marked gap.**

use serde::{Deserialize, Serialize};

/// Beyond this lag there are no partials.
pub const PARTIALS_LAG_MS_MAX: u64 = 1_000;
/// Beyond this lag there is nothing but finals, each decoded once with the least effort.
pub const CARE_LAG_MS_MAX: u64 = 3_000;
/// Beyond this lag a final is given up: its audio is for the pass after the call.
pub const FINAL_LAG_MS_MAX: u64 = 8_000;
/// A level is left when the lag has stayed below this part of what led to it ...
const RELEASE_PERCENT: u64 = 50;
/// ... for this long; then the next lower one must hold as long.
pub const CALM_MS: u64 = 3_000;

/// How much is left out, from nothing on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Partials, and finals with care.
    #[default]
    Full,
    /// Finals with care.
    NoPartials,
    /// Finals at the least effort.
    FinalsOnly,
    /// The same, and finals that waited longer than [`FINAL_LAG_MS_MAX`] are given up.
    Incomplete,
}

impl Level {
    /// Every level, the best first.
    pub const ALL: [Self; 4] = [Self::Full, Self::NoPartials, Self::FinalsOnly, Self::Incomplete];

    /// Its name in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::NoPartials => "no_partials",
            Self::FinalsOnly => "finals_only",
            Self::Incomplete => "incomplete",
        }
    }

    /// The lag that leads to it, in ms: more than this.
    const fn entered_above_ms(self) -> u64 {
        match self {
            Self::Full => 0,
            Self::NoPartials => PARTIALS_LAG_MS_MAX,
            Self::FinalsOnly => CARE_LAG_MS_MAX,
            Self::Incomplete => FINAL_LAG_MS_MAX,
        }
    }

    fn of_lag(lag_ms: u64) -> Self {
        let reached = Self::ALL.into_iter().rev().find(|level| lag_ms > level.entered_above_ms());
        reached.unwrap_or_default()
    }

    fn better(self) -> Self {
        Self::ALL[(self as usize).saturating_sub(1)]
    }
}

/// The level over time: up at once, down one at a time and only after calm.
#[derive(Debug, Default)]
pub struct Degradation {
    level: Level,
    calm_since_ms: Option<u64>,
}

impl Degradation {
    /// Takes the lag at `now_ms`; times never go back.
    pub fn observe(&mut self, now_ms: u64, lag_ms: u64) -> Level {
        let reached = Level::of_lag(lag_ms);
        if reached > self.level {
            (self.level, self.calm_since_ms) = (reached, None);
        }
        let is_calm = lag_ms * 100 < self.level.entered_above_ms() * RELEASE_PERCENT;
        if !is_calm {
            self.calm_since_ms = None;
            return self.level;
        }
        let since = *self.calm_since_ms.get_or_insert(now_ms);
        if now_ms.saturating_sub(since) >= CALM_MS {
            (self.level, self.calm_since_ms) = (self.level.better(), None);
        }
        self.level
    }

    /// The level as of the last observation.
    pub fn level(&self) -> Level {
        self.level
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `lag_ms` ten times a second for `seconds`.
    fn hold(machine: &mut Degradation, now_ms: &mut u64, lag_ms: u64, seconds: u64) -> Level {
        for _ in 0..seconds * 10 {
            machine.observe(*now_ms, lag_ms);
            *now_ms += 100;
        }
        machine.level()
    }

    #[test]
    fn each_threshold_is_passed_only_beyond_it() {
        for (lag_ms, level) in [
            (1_000, Level::Full),
            (1_001, Level::NoPartials),
            (3_000, Level::NoPartials),
            (3_001, Level::FinalsOnly),
            (8_000, Level::FinalsOnly),
            (8_001, Level::Incomplete),
            (u64::MAX / 100, Level::Incomplete),
        ] {
            assert_eq!(Degradation::default().observe(0, lag_ms), level, "{lag_ms}");
        }
    }

    #[test]
    fn calm_takes_it_back_one_level_at_a_time() {
        let (mut machine, mut now) = (Degradation::default(), 0);
        assert_eq!(machine.observe(now, 9_000), Level::Incomplete);
        assert_eq!(hold(&mut machine, &mut now, 0, 3), Level::Incomplete, "not calm for 3 s yet");
        assert_eq!(hold(&mut machine, &mut now, 0, 1), Level::FinalsOnly);
        assert_eq!(hold(&mut machine, &mut now, 0, 3), Level::NoPartials);
        assert_eq!(hold(&mut machine, &mut now, 0, 4), Level::Full);
        assert_eq!(hold(&mut machine, &mut now, 0, 10), Level::Full);
    }

    #[test]
    fn a_lag_that_swings_around_a_threshold_changes_nothing_twice() {
        let (mut machine, mut now, mut changes) = (Degradation::default(), 0, 0);
        let mut before = Level::Full;
        for round in 0..600u64 {
            let lag_ms = if round.is_multiple_of(2) { 1_200 } else { 100 };
            let level = machine.observe(now, lag_ms);
            changes += u32::from(level != before);
            (before, now) = (level, now + 500);
        }
        assert_eq!(changes, 1);
    }

    #[test]
    fn a_lag_between_release_and_threshold_keeps_the_level() {
        let (mut machine, mut now) = (Degradation::default(), 0);
        machine.observe(now, 3_500);
        assert_eq!(hold(&mut machine, &mut now, 1_600, 60), Level::FinalsOnly);
        assert_eq!(hold(&mut machine, &mut now, 1_400, 5), Level::NoPartials);
    }
}
