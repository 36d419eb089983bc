//! How alike two texts sound: whether a recogniser that was told what to expect has heard the same voice,
//! or what it was told.

use super::sound::{self, Sound, sounds};

/// What a syllable costs that only one of them has, or of which one is no Chinese character.
const MISSING: f32 = 1.0;
const FOREIGN: f32 = 0.8;

/// From 0, nothing alike, to 1. Tones, punctuation and a sentence said again right after itself do not count.
pub(crate) fn likeness(a: &str, b: &str) -> f32 {
    let (a, b) = (syllables(&said_once(a)), syllables(&said_once(b)));
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    let mut above: Vec<f32> = (0..=b.len()).map(|count| count as f32 * MISSING).collect();
    for (row, own) in (1u16..).zip(&a) {
        let mut left = f32::from(row) * MISSING;
        let mut line = vec![left];
        for (column, other) in b.iter().enumerate() {
            let changed = above[column] + between(own, other);
            left = changed.min(left + MISSING).min(above[column + 1] + MISSING);
            line.push(left);
        }
        above = line;
    }
    1.0 - above[b.len()] / a.len().max(b.len()) as f32
}

/// Clauses that repeat the one before, or begin to, are left out: so a decoder ends that knows no end.
pub(crate) fn said_once(text: &str) -> String {
    let is_mark = |char: char| "，。？！、；,.?!; ".contains(char);
    let mut clauses: Vec<&str> = Vec::new();
    for clause in text.split_inclusive(is_mark) {
        let words = clause.trim_end_matches(is_mark);
        let is_again = |before: &&str| !words.is_empty() && before.starts_with(words);
        if !clauses.last().is_some_and(is_again) {
            clauses.push(clause);
        }
    }
    clauses.concat()
}

fn syllables(text: &str) -> Vec<Vec<Sound>> {
    text.chars().filter(|char| char.is_alphanumeric()).map(sounds).collect()
}

/// Half for each half of a syllable.
fn between(a: &[Sound], b: &[Sound]) -> f32 {
    if a.is_empty() || b.is_empty() { FOREIGN } else { sound::halves(a, b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_misheard_is_alike_and_what_was_made_up_is_not() {
        for (heard, expected) in [
            ("姐姐呢", "解决了。"),
            ("美人联系我", "没人联系我"),
            ("海沙马尼", "还算满意。"),
            ("解决了解决了", "解决了解决了。"),
        ] {
            assert!(likeness(heard, expected) > 0.6, "{heard} {expected}");
        }
        for (heard, expected) in
            [("二分吧", "基本满意。"), ("play", "对。"), ("好", "满意。"), ("", "有。"), ("嗯", "")]
        {
            assert!(likeness(heard, expected) < 0.4, "{heard} {expected}");
        }
        assert_eq!(likeness("没有", "美有"), 1.0, "tones do not count");
    }

    #[test]
    fn a_decoder_that_knows_no_end_is_heard_once() {
        assert_eq!(said_once("不满意。不满意。不满"), "不满意。");
        assert_eq!(said_once("没有，没有了。"), "没有，没有了。");
        assert_eq!(said_once("好。"), "好。");
        assert_eq!(said_once(""), "");
    }
}
