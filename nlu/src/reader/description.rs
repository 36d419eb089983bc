//! 诉求内容: what the caller told, in the third person, and what is to be done.
//!
//! **Nothing is invented**: besides the frame (来电人反映：…。 诉求：…。) and the pronouns of
//! [`super::third_person`] every word is the caller's, in the order in which it was said, and the tag's
//! evidence covers it. Greetings, courtesies, answers that belong into another field (a telephone number,
//! a name) and sentences that were said before are left out.

use super::lexicon::{Lexicon, words};
use super::third_person::ThirdPerson;
use super::transcript::{Transcript, ends_clause};
use crate::draft::{Field, Tag};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

/// What says nothing: parsed once, because every clause of a call is cleaned at every final.
static FILLERS: LazyLock<Fillers> = LazyLock::new(|| Fillers {
    openers: words(include_str!("../lexicon/fillers.txt"))
        .map(|word| word.chars().collect())
        .collect(),
    sounds: words(include_str!("../lexicon/fillers_inside.txt"))
        .filter_map(|word| word.chars().next())
        .collect(),
});
const COURTESIES: &str = include_str!("../lexicon/courtesies.txt");
const OPENINGS: &str = include_str!("../lexicon/openings.txt");
/// Stretches with fewer characters left say nothing by themselves.
const CHARS_MIN: usize = 3;
/// Longest stretch whose immediate repetition is a stammer: 那个井盖那个井盖.
const STAMMER_CHARS_MAX: usize = 6;
/// A sentence of which so much (of its pairs of characters) was said before is said again.
const REPEATED_SHARE_MIN: f32 = 0.85;
/// What ends an utterance and asks for nothing.
const CLOSINGS: [&str; 9] = [
    "麻烦你们了",
    "麻烦您了",
    "麻烦你了",
    "谢谢你们",
    "谢谢您",
    "谢谢你",
    "谢谢",
    "辛苦了",
    "拜托了",
];
/// Kinds of appeal that are verbs.
const VERBS: [&str; 7] = ["咨询", "求助", "投诉", "举报", "建议", "表扬", "催办"];
/// Characters that may be there or not.
const PARTICLES: [char; 6] = ['的', '了', '着', '啊', '呢', '吧'];
/// From this confidence on, which only a kind has that the caller names, it says what he does:
/// 来电人投诉.
const KIND_CONFIDENCE_MIN: f32 = 0.85;
/// Confidence in a description: its words are the caller's, what it leaves out may be wrong.
const CONFIDENCE: f32 = 0.8;
/// The same of a long one: it sums nothing up.
const LONG_CONFIDENCE: f32 = 0.55;
/// From so many characters on a description is long.
const LONG_CHARS: usize = 300;

/// What people say before they say something, and the sounds in between.
struct Fillers {
    openers: Vec<Vec<char>>,
    sounds: Vec<char>,
}

/// Writes descriptions.
pub(crate) struct Descriptions {
    person: ThirdPerson,
    requests: Lexicon,
    courtesies: Vec<Vec<char>>,
    openings: Vec<&'static str>,
}

/// A stretch of an utterance that is written down.
struct Piece {
    text: String,
    range: Range<usize>,
    is_request: bool,
}

impl Descriptions {
    pub(crate) fn new() -> Self {
        Self {
            person: ThirdPerson::new(),
            requests: Lexicon::built_in(include_str!("../lexicon/requests.txt")),
            courtesies: words(COURTESIES).map(|word| word.chars().collect()).collect(),
            openings: words(OPENINGS).collect(),
        }
    }

    /// The description of what was told, if anything was. `kind` is the likeliest kind of appeal;
    /// `answers` are what other fields hold of the caller's words.
    pub(crate) fn read(
        &self,
        talk: &Transcript<'_>,
        kind: Option<&Tag>,
        answers: &[Range<usize>],
    ) -> Option<Tag> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut said = HashSet::new();
        for utterance in talk.utterances() {
            if !self.is_of_the_matter(talk, &utterance, answers) {
                continue;
            }
            for (range, is_request) in self.parted(talk, utterance) {
                let text = self.without_opening(&clean(&talk.chars[range.clone()]));
                let text = without_closing(&text);
                if text.chars().count() >= CHARS_MIN && !is_repeated(text, &said) {
                    said.extend(pairs(text));
                    pieces.push(Piece { text: self.person.rewrite(text), range, is_request });
                }
            }
        }
        let value = framed(&pieces, kind)?;
        let ranges: Vec<_> = pieces.into_iter().map(|piece| piece.range).collect();
        let is_long = value.chars().count() >= LONG_CHARS;
        let confidence = if is_long { LONG_CONFIDENCE } else { CONFIDENCE };
        Some(talk.tag(Field::Description, value, confidence, &ranges))
    }

    /// Whether anything is left of an utterance without courtesies and what other fields hold.
    pub(crate) fn is_of_the_matter(
        &self,
        talk: &Transcript<'_>,
        utterance: &Range<usize>,
        answers: &[Range<usize>],
    ) -> bool {
        let is_answer = |at: &usize| answers.iter().any(|answer| answer.contains(at));
        let left: Vec<char> =
            utterance.clone().filter(|at| !is_answer(at)).map(|at| talk.chars[at]).collect();
        let mut rest = &left[..];
        let mut chars = 0;
        while chars < CHARS_MIN {
            let Some(first) = rest.first() else { return false };
            let courtesy = self.courtesies.iter().filter(|word| rest.starts_with(word));
            let courtesy = courtesy.map(Vec::len).max();
            chars += usize::from(courtesy.is_none() && first.is_alphanumeric());
            rest = &rest[courtesy.unwrap_or(1)..];
        }
        true
    }

    /// Without 我想反映一下: the frame says it.
    fn without_opening(&self, text: &str) -> String {
        let longest = |rest: &str| {
            let begun = self.openings.iter().filter(|word| rest.starts_with(**word));
            begun.map(|word| word.len()).max()
        };
        let mut rest = text;
        while let Some(length) = longest(rest) {
            rest = rest[length..].trim_start_matches(ends_clause);
        }
        rest.to_owned()
    }

    /// An utterance in what is told and what is asked for: a request goes on to the next punctuation.
    fn parted(&self, talk: &Transcript<'_>, utterance: Range<usize>) -> Vec<(Range<usize>, bool)> {
        let chars = &talk.chars[utterance.clone()];
        let mut parts = Vec::new();
        let mut told_from = 0;
        let mut at = 0;
        let begins: Vec<usize> = self
            .requests
            .standing(chars)
            .into_iter()
            .filter(|hit| hit.value == "plea")
            .map(|hit| hit.range.start)
            .collect();
        for begin in begins {
            if begin < at {
                continue;
            }
            let end = chars[begin..].iter().position(|c| ends_clause(*c));
            at = end.map_or(chars.len(), |length| begin + length);
            parts.push((told_from..begin, false));
            parts.push((begin..at, true));
            told_from = at;
        }
        parts.push((told_from..chars.len(), false));
        let start = utterance.start;
        parts.retain(|(range, _)| !range.is_empty());
        parts.into_iter().map(|(part, plea)| (start + part.start..start + part.end, plea)).collect()
    }
}

/// What was told and what is asked for, each in its frame.
fn framed(pieces: &[Piece], kind: Option<&Tag>) -> Option<String> {
    let joined = |is_request: bool, between: &str| {
        let of_it = pieces.iter().filter(|piece| piece.is_request == is_request);
        of_it.map(|piece| piece.text.as_str()).collect::<Vec<_>>().join(between)
    };
    let (told, asked) = (joined(false, "，"), joined(true, "；"));
    let mut lines = Vec::new();
    if !told.is_empty() {
        lines.push(format!("来电人{}：{told}。", verb(kind)));
    }
    if !asked.is_empty() {
        lines.push(format!("诉求：{asked}。"));
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// What the caller does, in one word.
fn verb(kind: Option<&Tag>) -> &str {
    let is_sure = |kind: &&Tag| kind.confidence >= KIND_CONFIDENCE_MIN;
    let kind = kind.filter(is_sure).map(|kind| kind.value.as_str());
    kind.filter(|kind| VERBS.contains(kind)).unwrap_or("反映")
}

fn without_closing(text: &str) -> &str {
    let mut rest = text;
    while let Some(before) = CLOSINGS.iter().find_map(|closing| rest.strip_suffix(closing)) {
        rest = before.trim_end_matches(ends_clause);
    }
    rest
}

/// Neighbouring characters, without those that may be there or not: 饭店的油烟 is 饭店油烟.
fn pairs(text: &str) -> Vec<(char, char)> {
    let told = || text.chars().filter(|c| c.is_alphanumeric() && !PARTICLES.contains(c));
    told().zip(told().skip(1)).collect()
}

fn is_repeated(text: &str, said: &HashSet<(char, char)>) -> bool {
    let pairs = pairs(text);
    let again = pairs.iter().filter(|pair| said.contains(pair)).count();
    again as f32 >= REPEATED_SHARE_MIN * pairs.len() as f32
}

/// Without openers, hesitation and stammering.
pub(crate) fn clean(chars: &[char]) -> String {
    let mut kept: Vec<char> = Vec::new();
    let mut at = opener(chars);
    while at < chars.len() {
        let sound = FILLERS.sounds.contains(&chars[at]);
        let stammer = if sound { 1 } else { stammer(&chars[at..]) };
        if stammer == 0 {
            kept.push(chars[at]);
        }
        at += stammer.max(1);
    }
    let text: String = kept.iter().collect();
    text.trim_matches(|c: char| c.is_whitespace() || ends_clause(c)).to_owned()
}

/// Length of the fillers that the text begins with.
fn opener(chars: &[char]) -> usize {
    let mut at = 0;
    loop {
        let rest = &chars[at..];
        let pause = rest.iter().take_while(|c| c.is_whitespace() || ends_clause(**c)).count();
        let word = FILLERS.openers.iter().filter(|word| rest.starts_with(word)).map(Vec::len).max();
        match pause.max(word.unwrap_or(0)) {
            0 => return at,
            length => at += length,
        }
    }
}

/// Length of what is said again at once: digits and single characters (天天) are no stammer.
fn stammer(chars: &[char]) -> usize {
    let repeats = |length: &usize| {
        let (first, rest) = chars.split_at(*length);
        rest.starts_with(first) && first.iter().all(|c| ('\u{4e00}'..='\u{9fff}').contains(c))
    };
    let longest = STAMMER_CHARS_MAX.min(chars.len() / 2);
    let numeral = |c: &char| super::number::in_number(*c);
    (2..=longest).rev().filter(repeats).find(|n| !chars[..*n].iter().any(numeral)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn fillers_and_stammering_go_and_the_matter_stays() {
        let said = [
            ("喂你好我想反映那个井盖那个井盖松了", "我想反映那个井盖松了"),
            ("嗯就是说嗯电梯坏了", "电梯坏了"),
            ("嗯嗯对对", ""),
            ("天天吵", "天天吵"),
            ("电话一三一三一三", "电话一三一三一三"),
        ];
        for (text, expected) in said {
            let chars: Vec<char> = text.chars().collect();
            assert_eq!(super::clean(&chars), expected);
        }
    }
}
