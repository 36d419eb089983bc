//! 紧急: what is happening now and belongs to 110, 119, 120 or 122.
//!
//! **Missing one is worse than a false alarm**, which a seat dismisses with a glance. A word such as
//! 着火了 gives the number; its surroundings may take it back: denied (没有着火), feared (怕着火),
//! imagined (如果着火), long past (去年着火了), over (着火了已经扑灭), a habit (经常打架). What says
//! "now" and stands nearer to the word takes that back in turn: 昨天打过电话现在又着火了.
//!
//! Surroundings end with the utterance: 着火了 in one and 已经扑灭了 in the next still gives 119. Two
//! sentences may speak of two fires, and a seat who hears both decides.

use super::lexicon::{Hit, Lexicon, after, before};
use super::transcript::Transcript;
use crate::draft::{Field, Tag};
use crate::profile::{Effect, Word};
use std::ops::Range;

const NUMBERS: [&str; 4] = ["110", "119", "120", "122"];
/// How far an imagined or feared event reaches.
const FRONT_CHARS: usize = 12;
/// How far the time of the event reaches.
const AROUND_CHARS: usize = 24;
/// From this weight on only a denial speaks against a word: 我不想活了 is of now, whatever was before.
const CERTAIN: f32 = 0.97;
/// Below this weight a word is doubtful by itself (火灾, 爆炸, 车祸), so its topic counts.
const DOUBTFUL: f32 = 0.76;
/// Weights of a city's own words.
const OWN_EMERGENCY: f32 = 0.9;
const OWN_SENSITIVE: f32 = 0.6;
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

    /// Adds a city's words: 紧急 as sure as 着火了, 敏感 as doubtful as 火灾.
    pub(crate) fn add(&mut self, words: &[Word]) {
        for word in words {
            let weight = match word.effect {
                Effect::Emergency => OWN_EMERGENCY,
                Effect::Sensitive => OWN_SENSITIVE,
                Effect::Enterprise | Effect::Tourism => continue,
            };
            if let Some(number) = NUMBERS.into_iter().find(|number| *number == word.target) {
                self.words.add_word(&word.word, number, weight);
            }
        }
    }

    /// At most one tag for each number, the surest first.
    pub(crate) fn read(&self, talk: &Transcript<'_>) -> Vec<Tag> {
        let hits = self.words.standing(&talk.words);
        let mut tags: Vec<Tag> = NUMBERS
            .iter()
            .filter_map(|number| {
                let of_number = hits.iter().filter(|hit| hit.value == *number);
                let judged = of_number.map(|hit| (self.confidence(&talk.words, hit), hit));
                let (confidence, hit) = judged.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
                let shown = confidence >= CONFIDENCE_SHOWN_MIN;
                shown.then(|| talk.tag_at(Field::Emergency, *number, confidence, hit.range.clone()))
            })
            .collect();
        tags.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        tags
    }

    fn confidence(&self, chars: &[char], hit: &Hit) -> f32 {
        let guards = Guards::around(&self.guards, chars, hit);
        let mut against = guards.denials(hit);
        if hit.weight < CERTAIN {
            against.extend(guards.doubts(hit));
        }
        // "Just now" outweighs one vague reason against, never two.
        let urgency = if against.len() > 1 { 1.0 } else { guards.urgency() };
        let against = against.into_iter().fold(1.0, f32::min);
        (hit.weight * against * urgency).min(0.98)
    }
}

/// What stands around a hit. The second column of `emergency_guard.txt` says where each counts.
struct Guards {
    /// In front of the hit; positions count from the window's start.
    front: Vec<Hit>,
    behind: Vec<Hit>,
    inside: Vec<Hit>,
    /// Where the hit begins in the window of `front`.
    start: usize,
}

impl Guards {
    fn around(guards: &Lexicon, chars: &[char], hit: &Hit) -> Self {
        let window = before(chars, &hit.range, AROUND_CHARS);
        let found = |range: Range<usize>| guards.uncovered(&chars[range]);
        Self {
            start: window.len(),
            front: found(window),
            behind: found(after(chars, &hit.range, AROUND_CHARS)),
            inside: found(hit.range.clone()),
        }
    }

    /// `bound`, `nobody`, `inside`.
    fn denials(&self, hit: &Hit) -> Vec<f32> {
        let bound = self.front.iter().filter(|guard| {
            let place = guard.value == "bound" || (guard.value == "nobody" && hit.value != "119");
            place && guard.range.end == self.start
        });
        let inside = self.inside.iter().filter(|guard| guard.value == "inside");
        bound.chain(inside).map(|guard| guard.weight).collect()
    }

    /// `if`, `fear`, `past`, `habit`, `over`, `topic`.
    fn doubts(&self, hit: &Hit) -> Vec<f32> {
        let (now, sudden) = (self.last("now"), self.last("sudden"));
        let feared = matches!(hit.value, "119" | "122");
        let front = self.front.iter().filter(|guard| {
            let near = guard.range.end + FRONT_CHARS > self.start;
            match guard.value {
                "if" => near && guard.range.end > now,
                "fear" => feared && near && guard.range.end > now,
                "past" => guard.range.end > now.max(sudden),
                "habit" => near && guard.range.end > now.max(sudden),
                _ => false,
            }
        });
        let over = self.behind.iter().filter(|guard| guard.value == "over");
        let doubtful = hit.weight < DOUBTFUL;
        let both = self.front.iter().chain(&self.behind);
        let topic = both.filter(|guard| doubtful && guard.value == "topic");
        front.chain(over).chain(topic).map(|guard| guard.weight).collect()
    }

    /// Where the guard of this place that is nearest to the hit ends; 0 if there is none.
    fn last(&self, place: &str) -> usize {
        let of_place = self.front.iter().filter(|guard| guard.value == place);
        of_place.map(|guard| guard.range.end).max().unwrap_or(0)
    }

    /// The strongest of `now`, `sudden` and `around`, which speak for it.
    fn urgency(&self) -> f32 {
        let speaks = |guard: &&Hit| matches!(guard.value, "now" | "sudden" | "around");
        let all = self.front.iter().chain(&self.behind).filter(speaks);
        all.map(|guard| guard.weight).fold(1.0, f32::max)
    }
}
