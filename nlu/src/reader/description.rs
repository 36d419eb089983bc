//! 诉求内容: the caller's words in order, without what says nothing.

use super::lexicon::words;
use super::transcript::{Transcript, ends_clause};
use crate::draft::{Field, Tag};
use std::ops::Range;

const OPENERS: &str = include_str!("../lexicon/fillers.txt");
const SOUNDS: &str = include_str!("../lexicon/fillers_inside.txt");
/// Utterances with fewer characters left say nothing by themselves.
const CHARS_MIN: usize = 3;
/// Longest stretch whose immediate repetition is a stammer: 那个井盖那个井盖.
const STAMMER_CHARS_MAX: usize = 6;

/// All that the caller said, cleaned; evidence is the whole utterances.
pub(crate) fn read(talk: &Transcript<'_>) -> Option<Tag> {
    let mut said: Vec<(String, Range<usize>)> = Vec::new();
    for range in talk.utterances() {
        let text = clean(&talk.chars[range.clone()]);
        let repeated = said.last().is_some_and(|(last, _)| *last == text);
        if text.chars().count() >= CHARS_MIN && !repeated {
            said.push((text, range));
        }
    }
    let (texts, ranges): (Vec<String>, Vec<_>) = said.into_iter().unzip();
    let value = texts.join("，");
    (!value.is_empty()).then(|| talk.tag(Field::Description, value + "。", 0.8, &ranges))
}

/// Without openers, hesitation and stammering.
pub(crate) fn clean(chars: &[char]) -> String {
    let mut kept: Vec<char> = Vec::new();
    let mut at = opener(chars);
    while at < chars.len() {
        let sound = words(SOUNDS).any(|word| word.starts_with(chars[at]));
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
        let word = words(OPENERS)
            .map(|word| word.chars().count())
            .zip(words(OPENERS))
            .filter(|(length, word)| rest.iter().take(*length).copied().eq(word.chars()))
            .map(|(length, _)| length)
            .max();
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
