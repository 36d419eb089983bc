//! 涉企 and 涉旅: a company speaks for itself; a matter of travellers.

use super::lexicon::{Hit, Lexicon};
use super::transcript::Transcript;
use crate::draft::{Field, Tag};
use crate::profile::{Effect, Word};

/// Sums below this are no candidate.
const SCORE_MIN: f32 = 0.5;
/// Weight of a city's own word: enough by itself.
const OWN_WORD: f32 = 1.0;
/// Most pieces of evidence.
const EVIDENCE_MAX: usize = 3;

pub(crate) struct Flags {
    enterprise: Lexicon,
    tourism: Lexicon,
}

impl Flags {
    pub(crate) fn new() -> Self {
        Self {
            enterprise: Lexicon::built_in(include_str!("../lexicon/enterprise.txt")),
            tourism: Lexicon::built_in(include_str!("../lexicon/tourism.txt")),
        }
    }

    /// Adds a city's words.
    pub(crate) fn add(&mut self, words: &[Word]) {
        for word in words {
            match word.effect {
                Effect::Enterprise => self.enterprise.add_word(&word.word, "true", OWN_WORD),
                Effect::Tourism => self.tourism.add_word(&word.word, "true", OWN_WORD),
                Effect::Emergency | Effect::Sensitive => {}
            }
        }
    }

    pub(crate) fn read(&self, talk: &Transcript<'_>) -> Vec<Tag> {
        let enterprise = flag(talk, Field::Enterprise, &self.enterprise);
        enterprise.into_iter().chain(flag(talk, Field::Tourism, &self.tourism)).collect()
    }
}

fn flag(talk: &Transcript<'_>, field: Field, lexicon: &Lexicon) -> Option<Tag> {
    let mut hits: Vec<Hit> = Vec::new();
    for hit in lexicon.hits(&talk.words) {
        let overlaps = |known: &&mut Hit| {
            known.range.end > hit.range.start && known.weight.signum() == hit.weight.signum()
        };
        let same = |known: &Hit| talk.words[known.range.clone()] == talk.words[hit.range.clone()];
        if hits.iter().any(same) {
            continue;
        }
        match hits.last_mut().filter(overlaps) {
            Some(known) if hit.weight.abs() > known.weight.abs() => *known = hit,
            Some(_) => {}
            None => hits.push(hit),
        }
    }
    let score: f32 = hits.iter().map(|hit| hit.weight).sum();
    if score < SCORE_MIN {
        return None;
    }
    hits.retain(|hit| hit.weight > 0.0);
    hits.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let ranges: Vec<_> = hits.iter().take(EVIDENCE_MAX).map(|hit| hit.range.clone()).collect();
    Some(talk.tag(field, "true", 1.0 - (-1.1 * score).exp(), &ranges))
}
