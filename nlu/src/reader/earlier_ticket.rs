//! 原工单编号: the number of a ticket that the caller has already.
//!
//! This service's own numbers are a date and six digits, `20260309-000187`; fourteen digits that
//! begin with a date before the call are one without further words. A number of another form counts
//! where the words in front call it a ticket's, and stays as it was said.

use super::LocalTime;
use super::lexicon::{Lexicon, before};
use super::phone::{Group, groups};
use super::transcript::{BREAK, Transcript};
use crate::draft::{Field, Tag};
use std::ops::Range;

/// Digits of the date and of the whole number in the service's own form.
const DATE_DIGITS: usize = 8;
const OWN_DIGITS: usize = 14;
/// Lengths of numbers of other systems.
const OTHER_DIGITS: std::ops::RangeInclusive<usize> = 6..=20;
/// First year of such tickets.
const YEAR_MIN: i32 = 2000;
/// How far in front of a number its cue stands.
const CUE_CHARS: usize = 16;
/// Most characters between two groups of one number.
const GAP_CHARS_MAX: usize = 3;
/// Most candidates.
const CANDIDATES_MAX: usize = 3;

/// Reads numbers of tickets.
pub(crate) struct EarlierTickets {
    cues: Lexicon,
}

impl EarlierTickets {
    pub(crate) fn new() -> Self {
        Self { cues: Lexicon::built_in(include_str!("../lexicon/earlier_ticket.txt")) }
    }

    /// All numbers, the surest first. `now` is when the call began.
    pub(crate) fn read(&self, talk: &Transcript<'_>, now: LocalTime) -> Vec<Tag> {
        let groups = groups(&talk.chars);
        let mut tags: Vec<Tag> = Vec::new();
        let mut first = 0;
        while first < groups.len() {
            let (digits, range, taken) = joined(&talk.chars, &groups[first..]);
            first += taken;
            let Some((value, confidence)) = self.number(talk, &digits, &range, now) else {
                continue;
            };
            if tags.iter().all(|tag| tag.value != value) {
                tags.push(talk.tag_at(Field::EarlierTicket, value, confidence, range));
            }
        }
        tags.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        tags.truncate(CANDIDATES_MAX);
        tags
    }

    fn number(
        &self,
        talk: &Transcript<'_>,
        digits: &str,
        range: &Range<usize>,
        now: LocalTime,
    ) -> Option<(String, f32)> {
        let front = before(&talk.words, range, CUE_CHARS);
        let hits = self.cues.uncovered(&talk.words[front]);
        let nearest = hits.iter().max_by_key(|hit| (hit.range.end, hit.range.len()));
        let cue = nearest.map(|hit| hit.value);
        if cue == Some("other") {
            return None;
        }
        let named = cue == Some("own");
        if digits.len() == OWN_DIGITS && is_date_before(&digits[..DATE_DIGITS], now) {
            let value = format!("{}-{}", &digits[..DATE_DIGITS], &digits[DATE_DIGITS..]);
            return Some((value, if named { 0.95 } else { 0.75 }));
        }
        (named && OTHER_DIGITS.contains(&digits.len())).then(|| (digits.to_owned(), 0.6))
    }
}

/// The first groups that belong together: their digits, where they stand, and how many they are.
fn joined(chars: &[char], groups: &[Group]) -> (String, Range<usize>, usize) {
    let mut digits = groups[0].digits.clone();
    let mut range = groups[0].range.clone();
    let mut taken = 1;
    for group in &groups[1..] {
        let gap = &chars[range.end..group.range.start];
        let silent = |c: &char| *c == BREAK || " -—_,.、嗯杠".contains(*c);
        if gap.len() > GAP_CHARS_MAX || !gap.iter().all(silent) {
            break;
        }
        digits.push_str(&group.digits);
        range.end = group.range.end;
        taken += 1;
    }
    (digits, range, taken)
}

fn is_date_before(digits: &str, now: LocalTime) -> bool {
    let part = |range: Range<usize>| digits[range].parse::<u16>().unwrap_or(0);
    let (month, day) = (part(4..6) as u8, part(6..8) as u8);
    let date = LocalTime { year: i32::from(part(0..4)), month, day, hour: 0, minute: 0 };
    date.year >= YEAR_MIN && date.exists() && date <= now
}
