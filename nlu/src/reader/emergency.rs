//! 紧急: what is happening now and belongs to 110, 119, 120 or 122.
//!
//! A word such as 着火了 gives the number; its surroundings may take it back: denied (没有着火), feared
//! (万一着火), long past (上周着火了已经扑灭), a habit (经常打架). A caller in danger must not be missed,
//! so what merely says "now" raises it; a seat sees the words and decides.

use super::lexicon::{Hit, Lexicon, after, before};
use super::transcript::Transcript;
use crate::draft::{Field, Tag};
use std::ops::Range;

const NUMBERS: [&str; 4] = ["110", "119", "120", "122"];
/// How far a denial reaches.
const CLOSE_CHARS: usize = 4;
/// How far a fear reaches.
const FRONT_CHARS: usize = 12;
/// How far the time of the event reaches, to both sides.
const AROUND_CHARS: usize = 24;
/// A number that everything speaks against is no candidate.
const CONFIDENCE_SHOWN_MIN: f32 = 0.3;

pub(crate) struct Emergencies {
    words: Lexicon,
    guards: Lexicon,
}

impl Emergencies {
    pub(crate) fn new() -> Self {
        Self {
            words: Lexicon::built_in(include_str!("../lexicon/emergency.txt")),
            guards: Lexicon::built_in(include_str!("../lexicon/emergency_guard.txt")),
        }
    }

    /// At most one tag for each number, the surest first.
    pub(crate) fn read(&self, talk: &Transcript<'_>) -> Vec<Tag> {
        let hits = self.words.uncovered(&talk.chars);
        let mut tags: Vec<Tag> = NUMBERS
            .iter()
            .filter_map(|number| {
                let of_number = hits.iter().filter(|hit| hit.value == *number);
                let judged = of_number.map(|hit| (self.confidence(talk, hit), hit));
                let (confidence, hit) = judged.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
                let shown = confidence >= CONFIDENCE_SHOWN_MIN;
                shown.then(|| talk.tag_at(Field::Emergency, *number, confidence, hit.range.clone()))
            })
            .collect();
        tags.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        tags
    }

    fn confidence(&self, talk: &Transcript<'_>, hit: &Hit) -> f32 {
        let chars = &talk.chars;
        let window = |range: Range<usize>, place: &str| {
            let found = self.guards.uncovered(&chars[range]);
            found.into_iter().filter(|guard| guard.value == place).map(|g| g.weight).collect()
        };
        let close: Vec<f32> = window(before(chars, &hit.range, CLOSE_CHARS), "close");
        let front: Vec<f32> = window(before(chars, &hit.range, FRONT_CHARS), "front");
        // The hit itself does not guard: 消防车 is no 消防通道.
        let mut around: Vec<f32> = window(before(chars, &hit.range, AROUND_CHARS), "around");
        let behind: Vec<f32> = window(after(chars, &hit.range, AROUND_CHARS), "around");
        around.extend(behind);
        let all = || close.iter().chain(&front).chain(&around).copied();
        let against = all().fold(1.0, f32::min);
        let reasons = all().filter(|factor| *factor < 1.0).count();
        let urgent = all().fold(1.0, f32::max);
        // "Just now" outweighs one vague reason against, never two.
        let urgent = if reasons > 1 { 1.0 } else { urgent };
        (hit.weight * against * urgent).min(0.98)
    }
}
