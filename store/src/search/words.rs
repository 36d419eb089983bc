//! Words as they are looked for: pairs of neighbouring characters.
//!
//! Chinese has no blanks between words, and a segmenter divides what is written and what is asked differently.
//! Pairs in a row find every text that has the asked one in it, and no other: letters and digits alone count,
//! whatever stands between them, in small letters, and full-width ones as the others.
//!
//! Each index takes text that is divided already: SQLite's FTS5 with blanks between the pairs (its tokenizer
//! `ascii` leaves all that is not ASCII as it is), PostgreSQL as a `tsvector` with a number for each place.

use std::fmt::Write;
use std::str::FromStr;

/// Longest text that is looked for, in characters.
pub const WORDS_CHARS_MAX: usize = 100;
/// Shortest word that is looked for.
const WORD_CHARS_MIN: usize = 2;
/// What stands between texts that are indexed together; no word that is looked for is one character.
const APART: &str = "0";

/// Which index.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Index {
    Fts5,
    Tsvector,
}

/// What is looked for: every word, wherever it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Words(Vec<Vec<String>>);

/// Why nothing can be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// A word of one character, or without letters and digits.
    #[error(
        "each word needs {WORD_CHARS_MIN} letters or digits, or more: leave single characters out"
    )]
    Short,
    /// More than [`WORDS_CHARS_MAX`] characters.
    #[error("more than {WORDS_CHARS_MAX} characters: give fewer words")]
    Long,
}

impl FromStr for Words {
    type Err = WordsError;

    /// Words with blanks between them.
    fn from_str(text: &str) -> Result<Self, WordsError> {
        if text.chars().count() > WORDS_CHARS_MAX {
            return Err(WordsError::Long);
        }
        let words: Vec<_> = text.split_whitespace().map(pairs).collect();
        // A single character makes no pair but itself.
        let is_short = |pairs: &Vec<String>| {
            pairs.first().is_none_or(|pair| pair.chars().count() < WORD_CHARS_MIN)
        };
        if words.is_empty() || words.iter().any(is_short) {
            return Err(WordsError::Short);
        }
        Ok(Self(words))
    }
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Words(<redacted>)")
    }
}

impl Words {
    /// Whether a text has every word, as the index would find it. Nothing is found across a star: what a mask hides is
    /// not there.
    pub fn are_in<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> bool {
        let parts: Vec<Vec<String>> =
            texts.into_iter().flat_map(|text| text.split('*')).map(pairs).collect();
        let is_there = |word: &Vec<String>| {
            parts.iter().any(|part| part.windows(word.len()).any(|found| found == word))
        };
        self.0.iter().all(is_there)
    }

    /// As the index is asked.
    pub(crate) fn asked(&self, index: Index) -> String {
        let phrase = |pairs: &Vec<String>| match index {
            Index::Fts5 => format!("\"{}\"", pairs.join(" ")),
            Index::Tsvector => format!("('{}')", pairs.join("' <-> '")),
        };
        let and = if index == Index::Fts5 { " AND " } else { " & " };
        self.0.iter().map(phrase).collect::<Vec<_>>().join(and)
    }
}

/// Texts as the index keeps them; empty where there is nothing to be found.
pub(crate) fn indexed<'t>(texts: impl IntoIterator<Item = &'t str>, index: Index) -> String {
    let mut all = Vec::new();
    for text in texts {
        let pairs = pairs(text);
        if !pairs.is_empty() && !all.is_empty() {
            all.push(APART.to_owned());
        }
        all.extend(pairs);
    }
    match index {
        Index::Fts5 => all.join(" "),
        Index::Tsvector => {
            let mut out = String::with_capacity(all.len() * 14);
            for (at, pair) in all.iter().enumerate() {
                let written = write!(out, "'{pair}':{} ", at + 1);
                written.expect("a string takes everything");
            }
            out
        }
    }
}

/// Neighbouring letters and digits two by two; one alone is itself.
fn pairs(text: &str) -> Vec<String> {
    let chars: Vec<char> = text
        .chars()
        .map(half_width)
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .filter(|c| c.is_alphanumeric())
        .collect();
    match chars.as_slice() {
        [alone] => vec![alone.to_string()],
        chars => chars.windows(2).map(|pair| pair.iter().collect()).collect(),
    }
}

/// The full-width forms of ASCII are 0xFEE0 above them.
fn half_width(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_its_pairs_without_marks_and_widths() {
        assert_eq!(pairs("路灯，不亮。"), ["路灯", "灯不", "不亮"]);
        assert_eq!(pairs("Ａ1 栋"), ["a1", "1栋"]);
        assert_eq!((pairs("灯"), pairs("，。")), (vec!["灯".to_owned()], vec![]));
    }

    #[test]
    fn each_index_is_told_the_same() {
        let words: Words = "路灯不 A1".parse().unwrap();
        assert_eq!(words.asked(Index::Fts5), "\"路灯 灯不\" AND \"a1\"");
        assert_eq!(words.asked(Index::Tsvector), "('路灯' <-> '灯不') & ('a1')");
        assert_eq!(indexed(["路灯", "", "灯坏"], Index::Fts5), "路灯 0 灯坏");
        assert_eq!(indexed(["路灯", "灯坏"], Index::Tsvector), "'路灯':1 '0':2 '灯坏':3 ");
        assert_eq!(indexed(["", "。"], Index::Tsvector), "");
    }

    #[test]
    fn what_a_mask_hides_is_not_found() {
        let is_in = |words: &str, text: &str| words.parse::<Words>().unwrap().are_in([text]);
        assert!(is_in("路灯不亮", "王**反映路灯，不亮") && is_in("路灯 反映", "王**反映路灯"));
        assert!(is_in("8000", "138****8000"));
        for hidden in ["王建国", "王反映", "1388", "路灯 王建"] {
            assert!(!is_in(hidden, "王**反映路灯138****8000"), "{hidden}");
        }
    }

    #[test]
    fn what_cannot_be_found_is_not_looked_for() {
        for short in ["", " ", "灯", "路灯 坏", "，，", "'"] {
            assert_eq!(short.parse::<Words>(), Err(WordsError::Short), "{short:?}");
        }
        assert_eq!("字".repeat(WORDS_CHARS_MAX + 1).parse::<Words>(), Err(WordsError::Long));
        let words: Words = "王建国".parse().unwrap();
        assert!(!format!("{words:?}").contains('王'));
    }
}
