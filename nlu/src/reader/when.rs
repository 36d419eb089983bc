//! 发生时间: when the matter happened, as ISO 8601 where the words and the call's clock make it
//! certain, else as it was said.
//!
//! A day (昨天, 上周三, 三月五号, 三天前) is needed; a clock time beside it makes the minute. 左右 and 多
//! keep the hour with less confidence. An hour that may be morning or evening gives the day alone.
//! What comes after the call, what happens every day, and when the caller telephoned before are not
//! what is asked for.

mod clock;
mod day;
mod later;
mod lunar;

pub(crate) use later::{Later, all as all_later};

use super::LocalTime;
use super::lexicon::{Lexicon, after, before};
use super::transcript::Transcript;
use crate::draft::{Field, Tag};
use std::ops::Range;

/// How far behind a time its guard may begin.
const GUARD_CHARS: usize = 8;
/// How far in front of a time a habit is named.
const HABIT_CHARS: usize = 4;
/// How far a correction lies behind the wrong time.
const CORRECTION_CHARS: usize = 14;
/// What a time of another matter is worth.
const OTHER_MATTER: f32 = 0.4;
/// Candidates below this are not worth a line.
const CONFIDENCE_SHOWN_MIN: f32 = 0.1;
/// Most candidates.
const CANDIDATES_MAX: usize = 4;
/// Of two equal times the one that was said first.
const LATER: f32 = 0.02;

/// Reads times.
pub(crate) struct Times {
    days: Lexicon,
    guards: Lexicon,
}

/// A time that was said.
struct Said {
    value: String,
    confidence: f32,
    range: Range<usize>,
}

impl Times {
    pub(crate) fn new() -> Self {
        Self {
            days: Lexicon::built_in(include_str!("../lexicon/days.txt")),
            guards: Lexicon::built_in(include_str!("../lexicon/when_guard.txt")),
        }
    }

    /// All times, the likeliest first. `now` is when the call began.
    pub(crate) fn read(&self, talk: &Transcript<'_>, now: LocalTime) -> Vec<Tag> {
        let mut said = self.times(&talk.chars, now);
        self.correct(&talk.chars, &mut said);
        let mut tags: Vec<Tag> = Vec::new();
        for said in said.into_iter().filter(|said| said.confidence > CONFIDENCE_SHOWN_MIN) {
            if tags.iter().all(|tag| tag.value != said.value) {
                let confidence = said.confidence - LATER * tags.len().min(10) as f32;
                tags.push(talk.tag_at(Field::OccurredAt, said.value, confidence, said.range));
            }
        }
        tags.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        tags.truncate(CANDIDATES_MAX);
        tags
    }

    fn times(&self, chars: &[char], now: LocalTime) -> Vec<Said> {
        let days = day::all(chars, &self.days, now);
        let mut said: Vec<Said> = Vec::new();
        for day in days {
            if said.last().is_some_and(|last| day.range.start < last.range.end) {
                continue;
            }
            let Some(mut time) = self.time(chars, day, now) else { continue };
            time.confidence *= self.guard(chars, &time.range);
            said.push(time);
        }
        said
    }

    /// The day with the clock time that stands behind it.
    fn time(&self, chars: &[char], day: day::Day, now: LocalTime) -> Option<Said> {
        let as_said = |range: Range<usize>| chars[range].iter().collect::<String>();
        let Some(date) = day.date else {
            let value = as_said(day.range.clone());
            return Some(Said { value, confidence: day.confidence, range: day.range });
        };
        if day.exact {
            return Some(Said {
                value: date.minute_iso(),
                confidence: day.confidence,
                range: day.range,
            });
        }
        let clock = clock::at(chars, day.range.end, day.part);
        let range = day.range.start..clock.end;
        match clock.minute(date, now) {
            clock::Minute::Known(at) if at > now => None,
            clock::Minute::Known(at) => {
                let confidence = if clock.about { 0.8 } else { 0.92 };
                Some(Said { value: at.minute_iso(), confidence, range })
            }
            clock::Minute::Unknown if date.date_iso() > now.date_iso() => None,
            clock::Minute::Unknown => {
                Some(Said { value: date.date_iso(), confidence: day.confidence, range })
            }
        }
    }

    fn guard(&self, chars: &[char], range: &Range<usize>) -> f32 {
        let found = |range: Range<usize>, place: &str| {
            self.guards.hits(&chars[range]).iter().any(|hit| hit.value == place)
        };
        if found(before(chars, range, HABIT_CHARS), "front") {
            return 0.0;
        }
        if found(after(chars, range, GUARD_CHARS), "behind") { OTHER_MATTER } else { 1.0 }
    }

    /// 昨天，不对，是前天: the first gives way.
    fn correct(&self, chars: &[char], said: &mut [Said]) {
        for later in 1..said.len() {
            let between = said[later - 1].range.end..said[later].range.start;
            if between.len() > CORRECTION_CHARS {
                continue;
            }
            let wrong = self.guards.hits(&chars[between]);
            if wrong.iter().any(|hit| hit.value == "wrong") {
                said[later - 1].confidence *= OTHER_MATTER;
            }
        }
    }
}
