//! 标题: the place and the matter, from the clause that tells most of the matter.

use super::description::clean;
use super::kind::Kinds;
use super::lexicon::{Hit, words};
use super::number::in_number;
use super::reply::takes_back;
use super::transcript::{Transcript, ends_clause};
use crate::draft::{Field, Tag};
use std::ops::Range;

/// Longest title.
const CHARS_MAX: usize = 30;
/// Longest place in a title; a longer one loses its end.
const PLACE_CHARS_MAX: usize = 14;
/// Clauses with fewer characters are only taken when nothing else was said.
const CLAUSE_CHARS_MIN: usize = 4;
/// The same where a word of trouble is in it.
const TROUBLE_CHARS_MIN: usize = 2;
/// Characters kept in front of the trouble when a clause is too long.
const FRONT_CHARS: usize = 8;
/// Most titles to choose from.
const CANDIDATES_MAX: usize = 3;

const LEAD_INS: &str = include_str!("../lexicon/lead_ins.txt");

/// Titles of what was told, the best first; none if nothing was. `place` is the likeliest place.
///
/// There are several, so that a title that stands in a draft is still read when another clause tells a
/// little more.
pub(crate) fn read(
    talk: &Transcript<'_>,
    kinds: &Kinds,
    place: Option<&Tag>,
    is_of_the_matter: impl Fn(&Range<usize>) -> bool,
) -> Vec<Tag> {
    let mut scored: Vec<_> = clauses(&talk.chars)
        .into_iter()
        .filter(is_of_the_matter)
        .map(|clause| {
            let trouble = kinds.trouble(&talk.chars[clause.clone()]);
            (score(&trouble, clause.len()), clause, trouble)
        })
        .filter(|(score, ..)| *score > 0.0)
        .collect();
    // Of equal clauses the first: callers begin with the matter.
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.truncate(CANDIDATES_MAX);
    let place = place.map(|tag| tag.value.as_str()).unwrap_or_default();
    let titled = scored.into_iter().filter_map(|(score, clause, trouble)| {
        let title = title(&talk.chars[clause.clone()], &trouble, place)?;
        let confidence = 0.3 + 0.4 * (score / 2.0).min(1.0);
        Some(talk.tag_at(Field::Title, title, confidence, clause))
    });
    titled.collect()
}

/// The place and what a clause says besides it, if that is anything.
fn title(clause: &[char], trouble: &[Hit], place: &str) -> Option<String> {
    let head: String = place.chars().take(PLACE_CHARS_MAX).collect();
    let room = CHARS_MAX - head.chars().count();
    let told = around_trouble(clause, trouble, place, room);
    let matter = matter(&told, place);
    // 停水了 is a matter; 地址是 is none.
    let chars_min = if trouble.is_empty() { CLAUSE_CHARS_MIN } else { TROUBLE_CHARS_MIN };
    if matter.chars().count() < chars_min {
        return None;
    }
    let title: String = if matter.contains(&head) { matter } else { head + &matter };
    let title: String = title.chars().take(CHARS_MAX).collect();
    (title.chars().count() >= CLAUSE_CHARS_MIN).then_some(title)
}

/// Trouble counts, and a little length, so that without any a real sentence beats 喂你好.
fn score(trouble: &[Hit], chars: usize) -> f32 {
    let trouble: f32 = trouble.iter().map(|hit| hit.weight.min(1.2)).sum();
    let length = if chars < CLAUSE_CHARS_MIN { 0.0 } else { chars.min(20) as f32 / 100.0 };
    trouble + length
}

/// Stretches between punctuation and pauses.
fn clauses(chars: &[char]) -> Vec<Range<usize>> {
    let mut clauses = Vec::new();
    let mut start = 0;
    for (at, c) in chars.iter().chain([&super::transcript::BREAK]).enumerate() {
        if ends_clause(*c) {
            if at > start {
                clauses.push(start..at);
            }
            start = at + 1;
        }
    }
    clauses
}

/// A clause that is too long begins shortly before its first trouble, or behind the place.
fn around_trouble(clause: &[char], trouble: &[Hit], place: &str, room: usize) -> Vec<char> {
    let place_chars = place.chars().count();
    if clause.len() <= room + place_chars {
        return clause.to_vec();
    }
    let first = trouble.first().map_or(0, |hit| hit.range.start);
    let late = trouble.iter().any(|hit| hit.range.end > room + place_chars);
    let start = if late { first.saturating_sub(FRONT_CHARS) } else { 0 };
    // Half a number says nothing.
    let is_cut = start > 0 && in_number(clause[start - 1]);
    let rest = clause[start..].iter().take_while(|c| is_cut && in_number(**c)).count();
    clause[start + rest..].to_vec()
}

/// The clause without the place and what leads in to the matter.
fn matter(clause: &[char], place: &str) -> String {
    let mut text = clean(clause);
    if !place.is_empty() {
        // 阳光小区不对是朝阳小区停水: what was taken back is no matter.
        if let Some((front, behind)) = text.split_once(place)
            && takes_back(&front.chars().collect::<Vec<_>>())
        {
            text = behind.to_owned();
        }
        text = text.replace(&format!("我们{place}"), "").replace(place, "");
    }
    loop {
        let lead = words(LEAD_INS).filter(|lead| text.starts_with(lead)).max_by_key(|l| l.len());
        match lead {
            Some(lead) => text = text[lead.len()..].to_owned(),
            None => break,
        }
    }
    text.trim_start_matches(['在', '的', '是']).to_owned()
}
