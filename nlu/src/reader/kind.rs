//! 诉求类型: what the caller wants of the hotline.
//!
//! A kind that the caller names (我要投诉) outweighs one that is guessed from his trouble: 停水 is a
//! 求助, 乱收费 a 投诉, 偷排 a 举报 – with less confidence. A pattern inside a longer one does
//! not count, so 不是要投诉 and 投诉电话 are no complaint. Without any pattern there is no kind.

use super::CONFIDENCE_MIN;
use super::lexicon::{Hit, Lexicon};
use super::transcript::Transcript;
use crate::draft::{Field, Tag};
use crate::profile::KINDS;
use std::ops::Range;

/// From this weight on a pattern names the kind.
const NAMED_WEIGHT_MIN: f32 = 2.5;
/// What guesses are worth once a kind was named.
const GUESS_BESIDE_NAMED: f32 = 0.3;
/// How fast weight becomes confidence: weight 1 alone gives 0.61, weight 3 gives 0.94.
const SATURATION: f32 = 0.95;
/// Candidates below this are not worth a line.
const CONFIDENCE_SHOWN_MIN: f32 = 0.15;
/// How surely an emergency is a 求助.
const EMERGENCY_IS_PLEA: f32 = 0.9;
/// Longest utterance of a caller who did not only greet.
const TALK_CHARS_MIN: usize = 8;
/// Confidence in a kind by hints alone.
const HINTED: f32 = 0.54;
/// Confidence in a 求助 of which no word speaks.
const UNSAID: f32 = 0.3;
/// Most pieces of evidence.
const EVIDENCE_MAX: usize = 4;

pub(crate) struct Kinds {
    lexicon: Lexicon,
    hints: Lexicon,
}

impl Kinds {
    pub(crate) fn new() -> Self {
        Self {
            lexicon: Lexicon::built_in(include_str!("../lexicon/kind.txt")),
            hints: Lexicon::built_in(include_str!("../lexicon/kind_hints.txt")),
        }
    }

    /// The kinds that the words speak for, the surest first.
    pub(crate) fn read(&self, talk: &Transcript<'_>) -> Vec<Tag> {
        let hits = self.hits(&talk.words);
        let named = hits.iter().any(|hit| hit.weight >= NAMED_WEIGHT_MIN);
        let worth = |hit: &Hit| match hit.weight {
            weight if named && weight < NAMED_WEIGHT_MIN => weight * GUESS_BESIDE_NAMED,
            weight => weight,
        };
        let score =
            |kind: &str| -> f32 { hits.iter().filter(|hit| hit.value == kind).map(worth).sum() };
        let total: f32 = KINDS.iter().map(|kind| score(kind)).sum();
        let mut tags: Vec<Tag> = KINDS
            .iter()
            .map(|kind| {
                let share = score(kind) / total.max(f32::MIN_POSITIVE);
                let confidence = share.sqrt() * (1.0 - (-SATURATION * score(kind)).exp());
                talk.tag(Field::AppealKind, *kind, confidence, &evidence(&hits, kind))
            })
            .filter(|tag| tag.confidence >= CONFIDENCE_SHOWN_MIN)
            .collect();
        tags.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        tags
    }

    /// The kind where the words do not say it: an emergency is a 求助, somebody's wrong a 投诉, a
    /// question a 咨询, and any longer talk, hardly sure, a 求助.
    pub(crate) fn fallback(
        &self,
        talk: &Transcript<'_>,
        kinds: &[Tag],
        emergencies: &[Tag],
    ) -> Option<Tag> {
        let sure = kinds.first().map_or(0.0, |tag| tag.confidence);
        let urgent = emergencies.first().map_or(0.0, |tag| tag.confidence) * EMERGENCY_IS_PLEA;
        if urgent > sure.max(CONFIDENCE_MIN) {
            let evidence = emergencies.first()?.evidence.clone();
            let (field, value) = (Field::AppealKind, "求助".to_owned());
            return Some(Tag { field, value, confidence: urgent, evidence });
        }
        if sure >= CONFIDENCE_MIN {
            return None;
        }
        let longest = talk.utterances().max_by_key(|range| range.len())?;
        if kinds.is_empty() && longest.len() < TALK_CHARS_MIN {
            return None;
        }
        let hints = self.hints.hits(&talk.chars);
        let hint = |value: &str| hints.iter().find(|hit| hit.value == value);
        let tag = |kind: &str, confidence, hits: &[&Hit]| {
            let ranges: Vec<_> = hits.iter().map(|hit| hit.range.clone()).collect();
            Some(talk.tag(Field::AppealKind, kind, confidence, &ranges))
        };
        if let Some(kind) = kinds.first() {
            // Weak words and a hint that agree are enough together.
            let (actor, grievance) = (hint("actor"), hint("grievance"));
            let agrees = kind.value == "投诉" && actor.is_some() && grievance.is_some();
            return agrees.then(|| Tag { confidence: HINTED, ..kind.clone() });
        }
        match (hint("actor"), hint("grievance"), hint("question")) {
            (Some(actor), Some(grievance), _) => tag("投诉", HINTED, &[actor, grievance]),
            (_, None, Some(question)) => tag("咨询", HINTED, &[question]),
            _ => Some(talk.tag_at(Field::AppealKind, "求助", UNSAID, longest)),
        }
    }

    /// Trouble that the words tell, and how much; of this titles are made.
    pub(crate) fn trouble(&self, chars: &[char]) -> Vec<Hit> {
        self.hits(chars).into_iter().filter(|hit| hit.weight < NAMED_WEIGHT_MIN).collect()
    }

    /// What counts, each wording once.
    fn hits(&self, chars: &[char]) -> Vec<Hit> {
        let mut hits: Vec<Hit> = Vec::new();
        for hit in self.lexicon.uncovered(chars) {
            let same = |known: &Hit| chars[known.range.clone()] == chars[hit.range.clone()];
            if !hits.iter().any(same) {
                hits.push(hit);
            }
        }
        hits
    }
}

fn evidence(hits: &[Hit], kind: &str) -> Vec<Range<usize>> {
    let mut of_kind: Vec<&Hit> = hits.iter().filter(|hit| hit.value == kind).collect();
    of_kind.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    of_kind.iter().take(EVIDENCE_MAX).map(|hit| hit.range.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_the_lexicon_is_a_kind() {
        let text: Vec<char> = include_str!("../lexicon/kind.txt").chars().collect();
        for hit in Kinds::new().lexicon.uncovered(&text) {
            assert!(KINDS.contains(&hit.value), "{}", hit.value);
        }
    }
}
