//! What an utterance says, from the results of both passes.

use super::fault::Fault;
use super::protocol::{Pass, Reply};
use crate::segmenter::SAMPLES_PER_MS;
use crate::text::{Char, Text, clean, voiced};
use std::ops::Range;

/// Characters of all results of an utterance. A server that writes more is stuck: in a minute people
/// say 400, and there are two passes.
const TEXT_CHARS_MAX: usize = 4_000;
/// How far a word may reach beyond the audio before its time is taken for wrong.
const BEYOND_MS_MAX: u64 = 200;

/// The results of one utterance.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    /// What the second pass wrote: the server's voice detection may see more than one sentence.
    sentences: Vec<Sentence>,
    /// What the first pass has written since.
    increments: String,
    /// Of all results.
    chars: usize,
}

#[derive(Debug)]
struct Sentence {
    text: String,
    stamps_ms: Vec<(u64, u64)>,
}

impl Transcript {
    /// Takes a result; says whether the text is another one.
    ///
    /// # Errors
    /// [`Fault::Endless`].
    pub(super) fn take(&mut self, reply: Reply) -> Result<bool, Fault> {
        if reply.text.is_empty() {
            return Ok(false);
        }
        self.chars += reply.text.chars().count();
        if self.chars > TEXT_CHARS_MAX {
            return Err(Fault::Endless(TEXT_CHARS_MAX));
        }
        match reply.pass {
            Pass::Online => self.increments.push_str(&reply.text),
            Pass::Offline => {
                self.increments.clear();
                let text = clean(&reply.text);
                self.sentences.push(Sentence { text, stamps_ms: reply.stamps_ms });
            }
        }
        Ok(true)
    }

    /// All text, timed by what the server says where that can be true, and otherwise spread over the
    /// voiced time of these samples, which are all that was sent.
    pub(super) fn text(&self, samples: &[f32]) -> Text {
        let voiced = voiced(samples);
        self.stamped(samples, &voiced).unwrap_or_else(|| Text::over(&self.plain(), &voiced))
    }

    fn plain(&self) -> String {
        let sentences = self.sentences.iter().map(|sentence| sentence.text.as_str());
        sentences.chain([clean(&self.increments).as_str()]).collect()
    }

    fn stamped(&self, samples: &[f32], voiced: &[Range<u64>]) -> Option<Text> {
        let end_ms = samples.len() as u64 / SAMPLES_PER_MS;
        let mut chars: Vec<Char> = Vec::new();
        let mut from_ms = 0;
        for sentence in &self.sentences {
            chars.extend(sentence.timed(from_ms..end_ms)?);
            from_ms = chars.last().map_or(0, |char| char.end_ms);
        }
        let rest = Text::over(&clean(&self.increments), &after(voiced, from_ms));
        chars.extend(rest.chars());
        Text::of_chars(chars).ok()
    }
}

impl Sentence {
    /// Its characters with the server's times; none where these are not one for each word, not in
    /// order, or not within the audio.
    fn timed(&self, within_ms: Range<u64>) -> Option<Vec<Char>> {
        let chars: Vec<char> = self.text.chars().collect();
        let words = words(&chars);
        if words.len() != self.stamps_ms.len() {
            return None;
        }
        let mut timed = Vec::with_capacity(chars.len());
        let (mut at_ms, mut start_before) = (within_ms.start, 0);
        for (word, &(start, end)) in words.iter().zip(&self.stamps_ms) {
            let is_plausible = start_before <= start
                && start <= end
                && end <= within_ms.end.saturating_add(BEYOND_MS_MAX);
            if !is_plausible {
                return None;
            }
            start_before = start;
            let marks = chars.get(timed.len()..word.start).unwrap_or_default();
            timed.extend(marks.iter().map(|&char| Char { char, start_ms: at_ms, end_ms: at_ms }));
            // Words may touch, and rounding may make them overlap.
            let (start, end) = (start.max(at_ms).min(within_ms.end), end.min(within_ms.end));
            let stretch = start..end.max(start);
            at_ms = stretch.end;
            let letters: String = chars[word.clone()].iter().collect();
            timed.extend(Text::over(&letters, &[stretch]).chars());
        }
        let marks = chars.get(timed.len()..).unwrap_or_default();
        timed.extend(marks.iter().map(|&char| Char { char, start_ms: at_ms, end_ms: at_ms }));
        Some(timed)
    }
}

/// What the server gives one time each: a Chinese character, or letters in a row.
fn words(chars: &[char]) -> Vec<Range<usize>> {
    let is_letter = |char: char| char.is_ascii_alphanumeric() || char == '\'';
    let mut words: Vec<Range<usize>> = Vec::new();
    for (at, &char) in chars.iter().enumerate() {
        match words.last_mut() {
            Some(word) if word.end == at && is_letter(char) && is_letter(chars[at - 1]) => {
                word.end = at + 1;
            }
            _ if char.is_alphanumeric() => words.push(at..at + 1),
            _ => {}
        }
    }
    words
}

/// What is voiced after this; its end where nothing is.
fn after(voiced: &[Range<u64>], ms: u64) -> Vec<Range<u64>> {
    let rest = voiced.iter().filter(|stretch| stretch.end > ms);
    let rest: Vec<_> = rest.map(|stretch| stretch.start.max(ms)..stretch.end).collect();
    if rest.is_empty() { std::iter::once(ms..ms).collect() } else { rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two seconds, all of it voiced.
    static SAMPLES: [f32; 32_000] = [0.5; 32_000];

    fn online(text: &str) -> Reply {
        Reply { text: text.into(), ..Reply::default() }
    }

    fn offline(text: &str, stamps_ms: &[(u64, u64)]) -> Reply {
        let (text, stamps_ms) = (text.into(), stamps_ms.to_vec());
        Reply { pass: Pass::Offline, text, stamps_ms, is_final: false }
    }

    fn heard(replies: Vec<Reply>) -> Text {
        let mut transcript = Transcript::default();
        for reply in replies {
            transcript.take(reply).unwrap();
        }
        transcript.text(&SAMPLES)
    }

    fn times(text: &Text) -> Vec<(u64, u64)> {
        text.chars().iter().map(|char| (char.start_ms, char.end_ms)).collect()
    }

    #[test]
    fn increments_are_appended_and_a_sentence_replaces_them() {
        assert_eq!(heard(vec![online("你"), online("好")]).to_string(), "你好");
        let stamps = [(0, 200), (200, 400)];
        let text =
            heard(vec![online("泥"), online("号"), offline("你好，", &stamps), online("我")]);
        assert_eq!(text.to_string(), "你好，我");
        assert_eq!(times(&text), [(0, 200), (200, 400), (400, 400), (400, 2_000)]);
    }

    #[test]
    fn sentences_are_joined_with_the_times_that_the_server_gives() {
        let first = offline("你好。", &[(100, 300), (300, 450)]);
        let text = heard(vec![first, offline("OK吗", &[(1_000, 1_200), (1_200, 1_500)])]);
        assert_eq!(text.to_string(), "你好。OK吗");
        let expected =
            [(100, 300), (300, 450), (450, 450), (1_000, 1_100), (1_100, 1_200), (1_200, 1_500)];
        assert_eq!(times(&text), expected);
    }

    #[test]
    fn times_that_cannot_be_true_are_not_believed() {
        let spread = [(0, 1_000), (1_000, 2_000)];
        let wrong: [&[(u64, u64)]; 6] = [
            &[],
            &[(0, 100)],
            &[(500, 600), (100, 200)],
            &[(300, 200), (300, 400)],
            &[(0, 100), (100, 9_000)],
            &[(0, 100), (u64::MAX, u64::MAX)],
        ];
        for stamps in wrong {
            assert_eq!(times(&heard(vec![offline("你好", stamps)])), spread, "{stamps:?}");
        }
        let slightly = heard(vec![offline("你好", &[(0, 1_001), (1_000, 2_100)])]);
        assert_eq!(times(&slightly), [(0, 1_001), (1_001, 2_000)]);
    }

    #[test]
    fn text_is_cleaned_and_has_an_end() {
        assert_eq!(heard(vec![offline("電話", &[])]).to_string(), "电话");
        assert!(heard(vec![offline("。", &[])]).is_empty());
        let mut transcript = Transcript::default();
        assert!(transcript.take(online(&"多".repeat(TEXT_CHARS_MAX))).unwrap());
        assert!(matches!(transcript.take(online("多")), Err(Fault::Endless(_))));
    }
}
