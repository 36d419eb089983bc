//! What an engine wrote becomes text with times.

use qingting_asr::text::Text;
use std::ops::Range;

/// sherpa-onnx's sign for a space before a piece of a word.
const WORD_BEGINS: char = '\u{2581}';
/// And for a piece that the next one goes on.
const WORD_GOES_ON: &str = "@@";

/// What an engine wrote and when, in its own words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written<'a> {
    /// All of it.
    pub(crate) text: &'a str,
    /// Its pieces.
    pub(crate) tokens: &'a [String],
    /// When each was heard, in seconds; empty where the engine does not tell.
    pub(crate) times_s: &'a [f32],
}

impl Written<'_> {
    /// The text, simplified and cleaned. Times are the tokens' own where they spell the text, else
    /// the characters are spread over what was `voiced`, in ms.
    pub(crate) fn text(self, voiced: impl FnOnce() -> Vec<Range<u64>>) -> Text {
        self.timed().unwrap_or_else(|| Text::over(self.text, &voiced())).cleaned()
    }

    /// From the first token to the last, in ms: where an engine without the audio was at work.
    pub(crate) fn span_ms(self) -> Range<u64> {
        let at = |time: Option<&f32>| time.map_or(0, |s| milliseconds(*s));
        at(self.times_s.first())..at(self.times_s.last())
    }

    fn timed(self) -> Option<Text> {
        if self.tokens.len() != self.times_s.len() {
            return None;
        }
        let mut rest = self.text;
        let mut stretches = Vec::new();
        for (token, time_s) in self.tokens.iter().zip(self.times_s) {
            let spelt = token.trim_start_matches(WORD_BEGINS).trim_end_matches(WORD_GOES_ON);
            let before = rest.len() - rest.trim_start().len();
            let end = before + spelt.len();
            if !rest[before..].starts_with(spelt) {
                return None;
            }
            // A space belongs to the word after it.
            stretches.push((&rest[..end], milliseconds(*time_s)));
            rest = &rest[end..];
        }
        rest.trim().is_empty().then(|| Text::timed(stretches))
    }
}

/// Negative and absurd times become the ends of the range.
fn milliseconds(seconds: f32) -> u64 {
    (seconds * 1_000.0).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(text: &str, tokens: &[&str], times_s: &[f32]) -> Vec<(char, u64, u64)> {
        let tokens: Vec<String> = tokens.iter().map(|token| token.to_string()).collect();
        let voiced = || std::iter::once(0..400).collect();
        let text = Written { text, tokens: &tokens, times_s }.text(voiced);
        text.chars().iter().map(|c| (c.char, c.start_ms, c.end_ms)).collect()
    }

    #[test]
    fn a_character_has_the_time_of_its_token() {
        let expected = [('停', 40, 160), ('水', 160, 410)];
        assert_eq!(times("停水", &["停", "水"], &[0.04, 0.16]), expected);
    }

    #[test]
    fn pieces_of_words_and_the_spaces_between_them_are_found_in_the_text() {
        let found = times("停 wifi", &["停", "▁wi", "fi"], &[0.0, 1.0, 2.0]);
        let starts: Vec<(char, u64)> =
            found.iter().map(|(char, start, _)| (*char, *start)).collect();
        assert_eq!(starts[0], ('停', 0));
        assert_eq!(starts[2..], [('w', 1_250), ('i', 1_500), ('f', 2_000), ('i', 2_250)]);
    }

    #[test]
    fn a_text_that_the_tokens_do_not_spell_is_spread_over_the_voice() {
        for tokens in [&["停", "电"][..], &["停"], &[]] {
            let times_s = vec![0.1; tokens.len()];
            assert_eq!(times("停水", tokens, &times_s), [('停', 0, 200), ('水', 200, 400)]);
        }
    }
}
