//! 方便回访时间: when the caller wants to be called, as he said it.
//!
//! A time counts beside words of telephoning him (打给我, 联系我, 接电话), or where the seat asked for
//! it; 晚上别打 is kept with its 别打. When others telephoned, or did not, says nothing.

use super::LocalTime;
use super::lexicon::{Hit, Lexicon, after, before, holds};
use super::transcript::Transcript;
use super::when::{Later, all_later};
use crate::draft::{Field, Tag};
use std::ops::Range;

/// How far from a time the words of telephoning stand.
const CUE_AFTER_CHARS: usize = 12;
const CUE_BEFORE_CHARS: usize = 8;
/// Of two equal times the one that was said first.
const LATER: f32 = 0.03;
/// Most candidates.
const CANDIDATES_MAX: usize = 3;

/// Reads times for calling back.
pub(crate) struct CallbackTimes {
    cues: Lexicon,
}

impl CallbackTimes {
    pub(crate) fn new() -> Self {
        Self { cues: Lexicon::built_in(include_str!("../lexicon/callback_time.txt")) }
    }

    /// All times, the likeliest first. `now` is when the call began.
    pub(crate) fn read(&self, talk: &Transcript<'_>, now: LocalTime) -> Vec<Tag> {
        let times = all_later(&talk.words, now);
        let asked: Vec<Range<usize>> = talk
            .answers()
            .filter(|(asked, _)| asks_for_a_time(&asked.chars))
            .map(|(_, answer)| answer)
            .collect();
        let mut tags: Vec<Tag> = Vec::new();
        for at in 0..times.len() {
            let Some((range, confidence)) = self.wish(talk, &times, at, &asked) else { continue };
            let value = talk.text(range.clone());
            if tags.iter().all(|tag| tag.value != value) {
                let confidence = confidence - LATER * tags.len() as f32;
                tags.push(talk.tag_at(Field::CallbackTime, value, confidence, range));
            }
        }
        tags.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        tags.truncate(CANDIDATES_MAX);
        tags
    }

    /// The words and the confidence if that time is a wish.
    fn wish(
        &self,
        talk: &Transcript<'_>,
        times: &[Later],
        at: usize,
        asked: &[Range<usize>],
    ) -> Option<(Range<usize>, f32)> {
        let range = times[at].range.clone();
        let mut behind = after(&talk.words, &range, CUE_AFTER_CHARS);
        if let Some(next) = times.get(at + 1) {
            behind.end = behind.end.min(next.range.start.max(behind.start));
        }
        let mut front = before(&talk.words, &range, CUE_BEFORE_CHARS);
        if let Some(last) = at.checked_sub(1).map(|at| &times[at]) {
            front.start = front.start.max(last.range.end);
        }
        let behind_hits = self.cues.uncovered(&talk.words[behind.clone()]);
        let front_hits = self.cues.uncovered(&talk.words[front]);
        let cue = |hits: &[Hit], value: &str| hits.iter().find(|hit| hit.value == value).cloned();
        if cue(&behind_hits, "past").is_some() || cue(&front_hits, "past").is_some() {
            return None;
        }
        if let Some(never) = cue(&behind_hits, "never") {
            return Some((range.start..behind.start + never.range.end, 0.8));
        }
        let told = cue(&behind_hits, "call").or(cue(&front_hits, "before"));
        let answer = asked.iter().any(|answer| answer.contains(&range.start));
        (told.is_some() || answer).then_some((range, if answer { 0.88 } else { 0.85 }))
    }
}

/// 什么时间方便接电话.
fn asks_for_a_time(chars: &[char]) -> bool {
    let any = |words: &[&str]| words.iter().any(|word| holds(chars, word));
    any(&["什么时候", "什么时间", "啥时候", "几点", "哪个时间", "时间段"])
        && any(&["方便", "联系", "回访", "接", "打给", "回电", "给您打"])
}
