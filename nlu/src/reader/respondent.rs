//! 被反映方: the party complained of, as it was called.
//!
//! A name ends in a word such as 公司, 超市 or 物业 and begins where the words in front cannot belong to
//! it; trades (房东, 包工头) and firms that everybody knows stand by themselves. A party counts only where
//! blame stands beside it (投诉它, 它不退, 被它罚) or, for a name, where the caller dealt with it and the
//! talk blames somebody. Asking about an office, or thanking it, complains of nobody.

use super::lexicon::{Hit, Lexicon, after, before, words};
use super::transcript::{BREAK, Transcript};
use crate::draft::{Field, Tag};
use rustc_hash::FxHashSet;
use std::ops::Range;

const STOPS: &str = include_str!("../lexicon/respondent_stops.txt");
/// Most characters of a name in front of its ending.
const NAME_CHARS_MAX: usize = 8;
/// How far in front of a party its accuser stands.
const FRONT_CHARS: usize = 7;
/// How far behind a party its deed stands.
const BEHIND_CHARS: usize = 14;
/// What a party is worth that is called by its name (叫恒发服装厂).
const NAMED_BONUS: f32 = 0.1;
/// What a name is worth over a trade without one.
const OWN_NAME_BONUS: f32 = 0.06;
/// What a party is worth with which the caller dealt (在那家超市买的) when the talk blames somebody: with a
/// name, more than the blamed 店家 or 老板 without one.
const DEALT: f32 = 0.85;
/// What a name without blame or dealings of its own is worth then.
const UNBLAMED: f32 = 0.72;
/// Of two equal parties the one that was said first.
const LATER: f32 = 0.01;
/// Most candidates, and most parties of one call that are looked at.
const CANDIDATES_MAX: usize = 3;
const PARTIES_MAX: usize = 60;

/// Reads parties complained of.
pub(crate) struct Respondents {
    parties: Lexicon,
    cues: Lexicon,
    stops: FxHashSet<Vec<char>>,
    stop_chars_max: usize,
}

/// A party that was named.
struct Party {
    range: Range<usize>,
    /// More than a trade or an ending.
    own_name: bool,
    weight: f32,
}

impl Respondents {
    pub(crate) fn new() -> Self {
        let stops: FxHashSet<Vec<char>> = words(STOPS).map(|stop| stop.chars().collect()).collect();
        Self {
            parties: Lexicon::built_in(include_str!("../lexicon/respondent.txt")),
            cues: Lexicon::built_in(include_str!("../lexicon/respondent_cues.txt")),
            stop_chars_max: stops.iter().map(Vec::len).max().unwrap_or(0),
            stops,
        }
    }

    /// The parties, the likeliest first.
    pub(crate) fn read(&self, talk: &Transcript<'_>) -> Vec<Tag> {
        let chars = &talk.chars;
        let cues = self.cues.hits(chars);
        let of = |value: &str| cues.iter().any(|hit| hit.value == value);
        let blamed = of("accused") || of("blame");
        if !blamed || of("praised") {
            return Vec::new();
        }
        let mut tags: Vec<Tag> = Vec::new();
        for party in self.parties(chars) {
            let Some(confidence) = self.confidence(chars, &party) else { continue };
            let value = talk.text(party.range.clone());
            match tags.iter_mut().find(|tag| tag.value == value) {
                Some(known) => known.confidence = known.confidence.max(confidence),
                None => {
                    let confidence = confidence - LATER * tags.len().min(10) as f32;
                    tags.push(talk.tag_at(Field::Respondent, value, confidence, party.range));
                }
            }
        }
        tags.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        tags.truncate(CANDIDATES_MAX);
        tags
    }

    fn parties(&self, chars: &[char]) -> Vec<Party> {
        let mut hits = self.parties.uncovered(chars);
        hits.sort_by_key(|hit| (hit.range.end, std::cmp::Reverse(hit.range.len())));
        let mut parties: Vec<Party> = Vec::new();
        for hit in hits.into_iter().take(PARTIES_MAX) {
            let party = self.party(chars, &hit);
            // A longer name that ends later takes in what it grows out of: 圆通 in 圆通快递.
            let taken_in = |known: &Party| known.range.start >= party.range.start;
            while parties
                .last()
                .is_some_and(|last| last.range.end > party.range.start && taken_in(last))
            {
                parties.pop();
            }
            if parties.last().is_none_or(|last| last.range.end <= party.range.start) {
                parties.push(party);
            }
        }
        parties
    }

    fn party(&self, chars: &[char], hit: &Hit) -> Party {
        let start = match hit.value {
            "ending" => self.name_start(chars, hit.range.start),
            _ => hit.range.start,
        };
        // 找物业物业也不管: said twice, it is no name.
        let is_stammer = chars[start..hit.range.start] == chars[hit.range.clone()];
        let start = if is_stammer { hit.range.start } else { start };
        let own_name = start < hit.range.start || hit.weight >= 0.75 && hit.value == "whole";
        Party { range: start..hit.range.end, own_name, weight: hit.weight }
    }

    /// Where the name begins whose ending begins at `ending`.
    fn name_start(&self, chars: &[char], ending: usize) -> usize {
        let first = ending.saturating_sub(NAME_CHARS_MAX);
        let mut start = ending;
        while start > first && chars[start - 1] != BREAK && !self.stops_at(chars, start) {
            start -= 1;
        }
        // One character is no name: 市 in front of 医院, 大 in front of 超市.
        if ending - start == 1 { ending } else { start }
    }

    /// Whether a stop word ends at `end`.
    fn stops_at(&self, chars: &[char], end: usize) -> bool {
        (1..=self.stop_chars_max.min(end))
            .any(|length| self.stops.contains(&chars[end - length..end]))
    }

    /// How likely the party is the one complained of; none if nothing speaks for it.
    fn confidence(&self, chars: &[char], party: &Party) -> Option<f32> {
        let front_range = before(chars, &party.range, FRONT_CHARS);
        let behind_range = after(chars, &party.range, BEHIND_CHARS);
        let front = self.cues.hits(&chars[front_range.clone()]);
        let behind = self.cues.hits(&chars[behind_range.clone()]);
        let adjacent = |value: &str| {
            front.iter().any(|hit| hit.value == value && hit.range.end == front_range.len())
        };
        let placed = behind.iter().any(|hit| hit.value == "place" && hit.range.start == 0);
        if placed {
            return None;
        }
        let bonus = if adjacent("named") { NAMED_BONUS } else { 0.0 }
            + if party.own_name { OWN_NAME_BONUS } else { 0.0 };
        if adjacent("accused") || adjacent("victim") {
            return Some((party.weight + 0.2 + bonus).min(0.92));
        }
        let deed = behind.iter().filter(|hit| hit.value == "blame");
        let deed = deed.map(|hit| hit.weight).fold(0.0, f32::max);
        if deed > 0.0 {
            return Some((party.weight * (0.85 + 0.15 * deed) + bonus).min(0.9));
        }
        let dealt = behind.iter().any(|hit| hit.value == "deal" && hit.range.start <= 1);
        match (dealt, party.own_name) {
            _ if adjacent("own") => None,
            (true, _) => Some(party.weight * DEALT + bonus),
            (false, true) => Some(party.weight * UNBLAMED + bonus),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Utterance, transcript::Transcript};
    use qingting_common::{SegmentId, ids::Party};
    use uuid::Uuid;

    fn respondent(text: &str) -> Option<String> {
        let id = SegmentId::new(Uuid::from_u128(1));
        let said = [Utterance { id, party: Party::Caller, text, confidence: 1.0 }];
        let talk = Transcript::of_caller(&said, 1_000);
        let tags = super::Respondents::new().read(&talk);
        tags.into_iter().find(|tag| tag.confidence >= 0.5).map(|tag| tag.value)
    }

    #[test]
    fn blamed_parties_are_read_as_they_are_called() {
        let said = [
            ("城东的恒发服装厂拖欠我们工资", Some("恒发服装厂")),
            ("找物业物业也不管", Some("物业")),
            ("房东不退我押金", Some("房东")),
            ("圆通快递把我东西弄丢了", Some("圆通快递")),
            ("我要投诉物业", Some("物业")),
            ("我想问一下社保局几点开门", None),
            ("感谢物业帮我找回了钱包", None),
            ("学校对面那条路全是坑", None),
            ("我在永辉超市买的牛奶过期了店家不退", Some("永辉超市")),
        ];
        for (text, expected) in said {
            assert_eq!(respondent(text).as_deref(), expected, "{text}");
        }
    }
}
