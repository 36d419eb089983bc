//! What an operator sets for a campaign.

use crate::attempt::Most;
use crate::pace::Caps;
use crate::schedule::Rules;
use qingting_core::hours::OpeningHours;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Most attempts that an operator may set.
pub const ATTEMPTS_MAX: u8 = 10;
/// Longest spacing: a week.
pub const SPACING_MIN_MAX: u32 = 7 * 24 * 60;
/// Most calls of one campaign at once.
pub const CONCURRENT_MAX: u32 = 1_000;
/// Most calls that begin in a second.
pub const PER_SECOND_MAX: f64 = 50.0;

/// The settings of a campaign. All have defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The script: `satisfaction`, or one of the configuration's.
    pub script: String,
    /// The name of an `[[hours]]` entry; empty: 09:00–12:00 and 14:00–20:00 on every day.
    pub hours: String,
    /// Most attempts that may have rung.
    pub attempts_max: u8,
    /// On how many days they are, at least.
    pub days_min: u8,
    /// Minutes from one attempt to the next, at least.
    pub spacing_min: u32,
    /// Most attempts that failed in the network before anything rang.
    pub faults_max: u8,
    /// Most calls at times that the citizen named, beyond the attempts.
    pub wishes_max: u8,
    /// Calls at once, over all servers.
    pub concurrent_max: u32,
    /// Calls that begin in a second, over all servers.
    pub per_second_max: f64,
    /// Lines of the trunk that stay free for citizens who call.
    pub lines_reserved: u32,
    /// How long a telephone rings, in seconds.
    pub ring_s: u32,
    /// The number that is shown; empty: the trunk's.
    pub caller_id: String,
    /// The queue to whose seats a call is handed; empty: the first of the configuration. Where there is none, or
    /// nobody comes, the citizen is told so.
    pub queue: String,
    /// Days after a dissatisfied answer at which the second follow-up begins by itself; without it the
    /// ticket system says when the redo is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redo_after_days: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            script: "satisfaction".to_owned(),
            hours: String::new(),
            attempts_max: 3,
            days_min: 2,
            spacing_min: 120,
            faults_max: 5,
            wishes_max: 2,
            concurrent_max: 10,
            per_second_max: 1.0,
            lines_reserved: 0,
            ring_s: 45,
            caller_id: String::new(),
            queue: String::new(),
            redo_after_days: None,
        }
    }
}

impl Settings {
    /// All that is wrong with them, each with the setting's name and its range.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut range = |name: &str, value: f64, least: f64, most: f64| {
            if !(least..=most).contains(&value) {
                faults.push(format!("{name} is {value}: it is {least} to {most}"));
            }
        };
        range("attempts_max", self.attempts_max.into(), 1.0, ATTEMPTS_MAX.into());
        range("days_min", self.days_min.into(), 1.0, self.attempts_max.into());
        range("spacing_min", self.spacing_min.into(), 1.0, SPACING_MIN_MAX.into());
        range("faults_max", self.faults_max.into(), 1.0, 100.0);
        range("wishes_max", self.wishes_max.into(), 0.0, ATTEMPTS_MAX.into());
        range("concurrent_max", self.concurrent_max.into(), 1.0, CONCURRENT_MAX.into());
        range("per_second_max", self.per_second_max, 0.01, PER_SECOND_MAX);
        range("ring_s", self.ring_s.into(), 10.0, 120.0);
        range("redo_after_days", self.redo_after_days.unwrap_or(1).into(), 1.0, 365.0);
        let is_digit = |byte: u8| byte.is_ascii_digit();
        if !self.caller_id.strip_prefix('+').unwrap_or(&self.caller_id).bytes().all(is_digit) {
            faults.push("caller_id is digits alone, such as 057112345".to_owned());
        }
        faults
    }

    /// When somebody may be called, with the hours that the configuration has under their name.
    pub fn rules(&self, hours: OpeningHours) -> Rules {
        Rules {
            hours,
            attempts_max: self.attempts_max,
            days_min: self.days_min,
            spacing: Duration::from_secs(u64::from(self.spacing_min) * 60),
        }
    }

    /// The caps.
    pub const fn caps(&self) -> Caps {
        Caps {
            concurrent_max: self.concurrent_max,
            per_second_max: self.per_second_max,
            lines_reserved: self.lines_reserved,
        }
    }

    /// How often somebody is tried.
    pub const fn most(&self) -> Most {
        Most { attempts: self.attempts_max, faults: self.faults_max, wishes: self.wishes_max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_good_and_what_is_not_is_named() {
        assert_eq!(Settings::default().faults(), Vec::<String>::new());
        let bad = Settings {
            attempts_max: 0,
            days_min: 2,
            per_second_max: f64::NAN,
            ..Settings::default()
        };
        let faults = bad.faults();
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert!(faults[0].starts_with("attempts_max is 0: it is 1 to 10"));
    }
}
