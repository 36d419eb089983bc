//! Search: BM25 over titles, ways of asking and answers, calibrated to a probability.
//!
//! The 50 entries of the best BM25F score (Robertson, Zaragoza: *The Probabilistic Relevance Framework*,
//! 2009, §3.5) are looked at once more: how much of the question is in the entry, how much of the entry's
//! title, or of one of its ways of asking, is in the question, both weighted by how rare a term is.

use super::day::Day;
use super::entry::Entry;
use crate::terms::{Term, Terms};
use std::collections::{HashMap, HashSet};

/// From this score on a hit is an answer.
pub const ANSWER_MIN: f32 = 0.5;
/// Longest question, in characters; of a longer one the end counts.
pub const QUERY_CHARS_MAX: usize = 200;

/// Entries that are looked at closely.
const CLOSE_MAX: usize = 50;
/// BM25: how soon a term that is repeated counts no more.
const K1: f32 = 1.2;
/// BM25: how much a long answer is held against it.
const B: f32 = 0.6;
/// A term in a title or a way of asking counts as so many in an answer.
const TITLE_WEIGHT: f32 = 3.0;
/// What a term that no entry has is worth beside the rarest that one has.
const UNKNOWN_SHARE: f32 = 0.5;

/// A logistic regression of "the best hit is the entry wanted" on [`Shares`], fitted on appeals with and
/// without their official reply among the entries: `cargo run --release -p qingting-nlu --example knowledge`
/// prints it.
const BIAS: f32 = -4.35;
const BY_TITLE: f32 = 9.1;
const BY_QUESTION: f32 = 2.9;

/// Entries, ready to be searched. Built once; searching changes nothing.
pub struct Index {
    terms: Terms,
    entries: Vec<Entry>,
    /// For each term the entries that have it, with the term's weight there.
    postings: HashMap<Term, Vec<Posting>>,
    /// Terms of titles and ways of asking, by entry.
    asked: Vec<Vec<Vec<Term>>>,
}

#[derive(Clone, Copy)]
struct Posting {
    entry: u32,
    /// The saturated term frequency of BM25F, without the term's rarity.
    weight: f32,
}

/// An entry that answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// How likely it is the one wanted, 0 to 1.
    pub score: f32,
    /// What the score rests on.
    pub shares: Shares,
}

/// How much of two texts is in each other, each 0 to 1 and weighted by how rare a term is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// Of the entry's title, or of its best way of asking, in the question.
    pub title: f32,
    /// Of the question in the entry.
    pub question: f32,
}

impl Index {
    /// Makes an index of entries, whose ids are unlike each other.
    pub fn new(entries: Vec<Entry>) -> Self {
        let terms = Terms::new();
        let mut counted: Vec<HashMap<Term, f32>> = Vec::with_capacity(entries.len());
        let mut asked = Vec::with_capacity(entries.len());
        for entry in &entries {
            let ways: Vec<Vec<Term>> = std::iter::once(&entry.title)
                .chain(&entry.questions)
                .map(|way| terms.of(way))
                .collect();
            let mut counts: HashMap<Term, f32> = HashMap::new();
            for term in ways.iter().flatten().collect::<HashSet<_>>() {
                *counts.entry(*term).or_default() += TITLE_WEIGHT;
            }
            let tags = entry.tags.iter().flat_map(|tag| terms.of(tag));
            for term in terms.of(&entry.answer).into_iter().chain(tags) {
                *counts.entry(term).or_default() += 1.0;
            }
            counted.push(counts);
            asked.push(ways);
        }
        Self { terms, entries, postings: postings(&counted), asked }
    }

    /// How many entries there are, valid or not.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries that answer a question on a day, the likeliest first: at most `most`, none below
    /// [`ANSWER_MIN`], none that is not valid that day.
    pub fn search(&self, question: &str, day: Day, most: usize) -> Vec<Hit<'_>> {
        let mut hits = self.ranked(question, day);
        hits.retain(|hit| hit.score >= ANSWER_MIN);
        hits.truncate(most);
        hits
    }

    /// The likeliest entries of a day, however unlikely, at most 50.
    pub fn ranked(&self, question: &str, day: Day) -> Vec<Hit<'_>> {
        let skipped = question.chars().count().saturating_sub(QUERY_CHARS_MAX);
        let question: String = question.chars().skip(skipped).collect();
        let wanted: HashSet<Term> = self.terms.of(&question).into_iter().collect();
        let mut hits: Vec<Hit<'_>> = self
            .nearest(&wanted, day)
            .into_iter()
            .map(|at| {
                let shares = self.shares(at, &wanted);
                Hit { entry: &self.entries[at], score: shares.score(), shares }
            })
            .collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.entry.id.cmp(&b.entry.id)));
        hits
    }

    /// Valid entries of the best BM25 score.
    fn nearest(&self, wanted: &HashSet<Term>, day: Day) -> Vec<usize> {
        let mut scores: HashMap<u32, f32> = HashMap::new();
        for term in wanted {
            let rarity = self.rarity(*term);
            for posting in self.postings.get(term).into_iter().flatten() {
                *scores.entry(posting.entry).or_default() += rarity * posting.weight;
            }
        }
        let mut nearest: Vec<(f32, usize)> = scores
            .into_iter()
            .map(|(entry, score)| (score, entry as usize))
            .filter(|(_, at)| self.entries[*at].is_valid_on(day))
            .collect();
        nearest.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        nearest.truncate(CLOSE_MAX);
        nearest.into_iter().map(|(_, at)| at).collect()
    }

    fn shares(&self, at: usize, wanted: &HashSet<Term>) -> Shares {
        let weight = |term: &Term| self.rarity(*term);
        let has = |term: &&Term| {
            let of_term = self.postings.get(term);
            of_term.is_some_and(|all| all.binary_search_by_key(&(at as u32), |p| p.entry).is_ok())
        };
        let share = |way: &Vec<Term>| {
            let all: f32 = way.iter().map(weight).sum();
            let said: f32 = way.iter().filter(|term| wanted.contains(term)).map(weight).sum();
            said / all.max(f32::MIN_POSITIVE)
        };
        let all: f32 = wanted.iter().map(weight).sum();
        let found: f32 = wanted.iter().filter(has).map(weight).sum();
        Shares {
            title: self.asked[at].iter().map(share).fold(0.0, f32::max),
            question: found / all.max(f32::MIN_POSITIVE),
        }
    }

    /// The inverse document frequency.
    fn rarity(&self, term: Term) -> f32 {
        let entries = self.entries.len() as f32;
        let share = if self.postings.contains_key(&term) { 1.0 } else { UNKNOWN_SHARE };
        let having = self.postings.get(&term).map_or(1.0, |having| having.len() as f32);
        share * (1.0 + (entries - having + 0.5) / (having + 0.5)).ln()
    }
}

impl Shares {
    fn score(&self) -> f32 {
        let sum = BIAS + BY_TITLE * self.title + BY_QUESTION * self.question;
        1.0 / (1.0 + (-sum).exp())
    }
}

fn postings(counted: &[HashMap<Term, f32>]) -> HashMap<Term, Vec<Posting>> {
    let length = |counts: &HashMap<Term, f32>| counts.values().sum::<f32>();
    let mean = counted.iter().map(length).sum::<f32>() / counted.len().max(1) as f32;
    let mut postings: HashMap<Term, Vec<Posting>> = HashMap::new();
    for (entry, counts) in (0..).zip(counted) {
        let long = 1.0 - B + B * length(counts) / mean.max(1.0);
        for (term, count) in counts {
            let frequency = count / long;
            let weight = frequency * (K1 + 1.0) / (frequency + K1);
            postings.entry(*term).or_default().push(Posting { entry, weight });
        }
    }
    postings
}
