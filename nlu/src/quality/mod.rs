//! Quality checks (质检) of calls that a seat answered: what was said, when, and by whom, against the city's rules.
//!
//! **Each finding is a proposal with its time and its evidence; a person has the last word.** What nobody heard is not
//! missed: where a stretch was not transcribed, nothing is claimed of it. The seat's own words count alone: neither
//! what the citizen says nor what the seat quotes of others is held against the seat.

mod find;
mod holds;
mod likeness;
mod rules;
mod spans;
#[cfg(test)]
mod tests;

pub use holds::holds;
pub use rules::{Kind, Phrase, Rule, Rules};

use qingting_common::Pii;
use qingting_common::ids::Party;
use std::ops::Range;

/// A call with what is known of it. Times are milliseconds since it was answered.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Those who were up.
    pub present: Vec<Present>,
    /// When the citizen waited: on hold, or while somebody was asked.
    pub holds: Vec<Range<u64>>,
    /// What was said.
    pub said: Vec<Said>,
    /// What was not transcribed.
    pub gaps: Vec<(Party, Range<u64>)>,
    /// The citizen ended the call.
    pub citizen_hung_up: bool,
}

/// Who is up in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// The citizen.
    Citizen,
    /// The seat with that extension.
    Seat(String),
    /// Somebody who may talk and is not transcribed.
    Unheard,
}

/// A party that was up, from the answer to the end.
#[derive(Clone, Debug)]
pub struct Present {
    /// Who.
    pub who: Who,
    /// When.
    pub when: Range<u64>,
}

/// A sentence.
#[derive(Clone, Debug)]
pub struct Said {
    /// Whose.
    pub party: Party,
    /// When.
    pub when: Range<u64>,
    /// As people read it.
    pub text: Pii<String>,
    /// From 0 to 1.
    pub confidence: f32,
}

/// What a check came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checked {
    /// What was measured.
    pub measures: Measures,
    /// By time.
    pub findings: Vec<Finding>,
}

/// What was measured of a call, whether or not it is a finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// The seat's words were transcribed: without them only waiting is checked.
    pub heard: bool,
    /// How long a seat and the citizen were connected.
    pub talk_ms: u64,
    /// Nobody spoke: all stretches beyond the limit, and the longest.
    pub silence_ms: u64,
    /// The longest of them.
    pub silence_longest_ms: u64,
    /// How often a seat talked over the citizen, beyond the limit.
    pub talk_overs: u32,
    /// How long, together.
    pub talk_over_ms: u64,
    /// Syllables of the seat's in a minute of its speech; none where it spoke too little.
    pub pace: Option<u32>,
    /// How long the citizen waited, together.
    pub hold_ms: u64,
    /// The longest time.
    pub hold_longest_ms: u64,
}

/// Something that a person should look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// Of which seat.
    pub seat: String,
    /// When.
    pub when: Range<u64>,
    /// How much: milliseconds; of [`Kind::Pace`], syllables a minute; of words, 0.
    pub measured: u64,
    /// Of [`Kind::Forbidden`], the phrase of the rules.
    pub phrase: String,
    /// What was said then.
    pub quote: Pii<String>,
    /// From 0 to 1.
    pub confidence: f32,
    /// What it takes from the score.
    pub points: u32,
}

/// The score without findings; each takes its points.
pub const SCORE_MAX: u32 = 100;

/// The score of a call whose findings take so many points.
pub const fn score(points: u32) -> u32 {
    SCORE_MAX.saturating_sub(points)
}

/// Checks a call.
pub fn check(call: &Call, rules: &Rules) -> Checked {
    let mut checked = find::all(call, rules);
    checked.findings.sort_by_key(|finding| (finding.when.start, finding.kind));
    for kind in Kind::ALL {
        let Some(rule) = rules.rule(kind) else { continue };
        let mut left = rule.points_max;
        for finding in checked.findings.iter_mut().filter(|finding| finding.kind == kind) {
            finding.points = rule.points.min(left);
            left -= finding.points;
        }
    }
    checked
}
