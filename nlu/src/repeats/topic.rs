//! What a ticket is about, in words that not every ticket has.

use crate::terms::{Term, Terms};
use std::collections::BTreeMap;
use std::ops::Range;

/// Longest text that is compared, in characters: what a ticket is about is said early.
const CHARS_MAX: usize = 400;
/// Words in common that are shown.
const SHOWN_MAX: usize = 3;
/// A matter with fewer pairs of characters is like no other.
const TERMS_MIN: usize = 1;

/// Reads topics.
pub(crate) struct Topics {
    terms: Terms,
}

/// The terms of a text, with where they stand in it.
pub(crate) struct Topic {
    terms: BTreeMap<Term, Range<usize>>,
    chars: Vec<char>,
}

impl Topics {
    pub(crate) fn new() -> Self {
        Self { terms: Terms::without(include_str!("../lexicon/common_matter.txt")) }
    }

    /// The topic of a ticket; its place is compared by itself and does not count.
    pub(crate) fn of(&self, words: &str, place: Option<&str>) -> Topic {
        let told: String = words.chars().take(CHARS_MAX).collect();
        let told = place.map_or(told.clone(), |place| told.replace(place, "，"));
        let (chars, terms) = self.terms.placed(&told);
        let mut first = BTreeMap::new();
        for (term, at) in terms {
            first.entry(term).or_insert(at);
        }
        Topic { terms: first, chars }
    }
}

impl Topic {
    /// How much two topics have in common, 0 to 1: the shared terms beside the mean number of terms,
    /// where the longer text counts less, because it tells more of the same.
    pub(crate) fn likeness(&self, other: &Self) -> f32 {
        let (few, many) = match self.terms.len() <= other.terms.len() {
            true => (self, other),
            false => (other, self),
        };
        if few.terms.len() < TERMS_MIN {
            return 0.0;
        }
        let shared = few.terms.keys().filter(|term| many.terms.contains_key(term)).count() as f32;
        let (few, many) = (few.terms.len() as f32, many.terms.len() as f32);
        shared / (few * many.min(3.0 * few)).sqrt()
    }

    /// The longest words in common, in the order of this text.
    pub(crate) fn shared(&self, other: &Self) -> Vec<String> {
        let has = |term: &&Term| other.terms.contains_key(term);
        let mut places: Vec<&Range<usize>> =
            self.terms.keys().filter(has).map(|term| &self.terms[term]).collect();
        places.sort_unstable_by_key(|place| place.start);
        let mut runs: Vec<Range<usize>> = Vec::new();
        for place in places {
            match runs.last_mut() {
                Some(run) if place.start < run.end => run.end = place.end,
                _ => runs.push(place.clone()),
            }
        }
        let mut longest = runs.clone();
        longest.sort_by_key(|run| std::cmp::Reverse(run.len()));
        longest.truncate(SHOWN_MAX);
        runs.retain(|run| longest.contains(run));
        runs.into_iter().map(|run| self.chars[run].iter().collect()).collect()
    }
}
