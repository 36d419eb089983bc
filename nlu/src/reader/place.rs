//! 事发地点: the longest coherent place, down to the door.
//!
//! Parts of an address (a division of the gazetteer, 路, 号, 小区, 栋, 单元, 室, …) are found first, then
//! joined to chains where one follows the other. 不对，是三栋 replaces what it corrects, and a door that
//! is said later joins the place that was said before.

mod chain;
mod location;
mod part;

pub use location::{Location, LocationPart, PlaceLevel};

use super::gazetteer::Gazetteer;
use super::lexicon::{Lexicon, before, holds};
use super::reply::denies_the_next;
use super::transcript::Transcript;
use crate::address::AddressModel;
use crate::draft::{Field, Tag};
use chain::Chain;
use part::Finder;
use std::ops::Range;

/// How far in front of a chain a cue ends.
const CUE_CHARS: usize = 5;
/// How far behind a wrong place the right one begins.
const CORRECTION_CHARS: usize = 16;
/// What a corrected place is worth.
const CORRECTED: f32 = 0.4;
/// Most candidates.
const CANDIDATES_MAX: usize = 3;
/// How fast weight becomes confidence: a road alone (1.2) gives 0.65.
const SATURATION: f32 = 0.87;
/// Candidates below this are not worth a line.
const CONFIDENCE_SHOWN_MIN: f32 = 0.3;

/// How the seat asks in which division a place lies.
const DIVISION_QUESTIONS: [&str; 14] = [
    "哪个区",
    "哪个县",
    "哪个市",
    "哪个镇",
    "哪个乡",
    "哪个街道",
    "什么区",
    "什么县",
    "什么镇",
    "什么街道",
    "哪一个区",
    "哪个城区",
    "哪个城市",
    "哪里的",
];

/// Reads places.
pub(crate) struct Places {
    finder: Finder,
    cues: Lexicon,
    /// Tells the levels of what the rules found; in talk it would find too much.
    pub(super) addresses: Option<AddressModel>,
}

impl Places {
    pub(crate) fn new(gazetteer: Gazetteer) -> Self {
        Self {
            finder: Finder::new(gazetteer),
            cues: Lexicon::built_in(include_str!("../lexicon/place_cues.txt")),
            addresses: None,
        }
    }

    /// The places, the surest first.
    pub(crate) fn read(&self, talk: &Transcript<'_>) -> Vec<Tag> {
        let parts = self.finder.parts(&talk.chars);
        let chains = chain::all(&talk.chars, parts);
        let chains = self.related(&talk.chars, chains, &asked_for_a_division(talk));
        let mut tags: Vec<Tag> = chains
            .iter()
            .filter(|chain| !chain.is_loose())
            .map(|chain| {
                let weight = chain.weight() + self.cue(&talk.chars, chain);
                let confidence = chain.worth * (1.0 - (-SATURATION * weight).exp());
                talk.tag(
                    Field::Place,
                    chain.value(&talk.chars),
                    confidence.min(0.95),
                    &chain.ranges,
                )
            })
            .filter(|tag| tag.confidence >= CONFIDENCE_SHOWN_MIN)
            .collect();
        tags.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        tags.dedup_by(|a, b| a.value == b.value);
        tags.truncate(CANDIDATES_MAX);
        tags
    }

    /// Corrections, and doors and divisions that were said apart from their place. `asked` is where the caller
    /// answers in which division it lies.
    fn related(&self, chars: &[char], chains: Vec<Chain>, asked: &[Range<usize>]) -> Vec<Chain> {
        let mut done: Vec<Chain> = Vec::new();
        for mut chain in chains {
            if let Some(last) = done.iter_mut().rev().find(|last| last.worth == 1.0) {
                let between = last.end()..chain.start();
                let answers = asked.iter().any(|answer| answer.contains(&chain.start()));
                if denies_the_next(chars, last.start(), &between) {
                    chain.worth = CORRECTED;
                } else if answers && chain.is_division() && last.takes_division() {
                    last.prepend(chain);
                    continue;
                } else if self.is_correction(chars, &between) {
                    chain.inherit(last);
                    last.worth = CORRECTED;
                } else if chain.is_door() && last.takes_door(&chain) {
                    last.append(chain);
                    continue;
                }
            }
            done.push(chain);
        }
        done
    }

    fn is_correction(&self, chars: &[char], between: &Range<usize>) -> bool {
        between.start < between.end
            && between.len() <= CORRECTION_CHARS
            && self.cues.hits(&chars[between.clone()]).iter().any(|hit| hit.value == "wrong")
    }

    /// What the word in front of the chain adds.
    fn cue(&self, chars: &[char], chain: &Chain) -> f32 {
        let front = before(chars, &(chain.start()..chain.end()), CUE_CHARS);
        let start = front.start;
        let hits = self.cues.hits(&chars[front]);
        let beside = hits.iter().filter(|hit| start + hit.range.end == chain.start());
        beside.filter(|hit| hit.value == "locative").map(|hit| hit.weight).fold(0.0, f32::max)
    }
}

/// 哪个区的, 什么街道: where the caller answers such questions.
fn asked_for_a_division(talk: &Transcript<'_>) -> Vec<Range<usize>> {
    let asks = |asked: &[char]| DIVISION_QUESTIONS.iter().any(|words| holds(asked, words));
    talk.answers().filter(|(asked, _)| asks(&asked.chars)).map(|(_, answer)| answer).collect()
}
