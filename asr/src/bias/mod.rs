//! Names that a city knows and a general recogniser does not: places, departments, people. Pure.
//!
//! A recogniser that hears syllables and does not know the word writes others of the same sound:
//! 幸福小去 for 幸福小区. [`Hotwords::correct`] puts the city's word there **only where the sound is
//! the same or nearly so and the sentence falls into fewer, longer words with it**; a sentence that is
//! made of words as it is stays. Numbers are never touched: a wrong digit is worse than a wrong name.

mod likeness;
mod sound;

pub(crate) use likeness::{likeness, said_once};

use crate::text::Text;
use jieba_rs::Jieba;
use sound::{Sound, sounds};
use std::ops::Range;

/// Most words that are taken.
pub const WORDS_MAX: usize = 20_000;
/// Shortest and longest word, in characters.
pub const WORD_CHARS: std::ops::RangeInclusive<usize> = 2..=12;
/// Most words that are put into one sentence.
const CORRECTIONS_MAX: usize = 8;
/// From this confidence of a whole sentence on the recogniser is believed; exactly 1 is said by engines
/// that tell no probability.
const SURE: std::ops::Range<f32> = 0.95..1.0;
/// What a wrong sound may cost for each syllable of a word; in a word of two, nothing may be wrong.
const COST_PER_SYLLABLE_MAX: f32 = 0.2;
/// A character that stands alone costs a sentence half a word more.
const LONE_CHARACTER: f32 = 0.5;
/// Characters that stand alone in any sentence.
const FUNCTION_CHARACTERS: &str =
    "的了是在和有不我你他她它这那就也都到去来上下要会说没与及把被让给从对向过着吗呢吧";
/// How much simpler a sentence must become: more than a word that takes such a character to itself.
const GAIN_MIN: f32 = 1.25;
/// Numerals, and what stands in telephone numbers.
const NUMERALS: &str = "零〇一二三四五六七八九十百千万亿两幺半几第";

/// A city's words.
pub struct Hotwords {
    words: Vec<Word>,
    /// Words by the sounds of their first character: most of a list is then never compared.
    by_first: Vec<(Vec<Sound>, Vec<usize>)>,
    /// General words, and the city's.
    dictionary: Jieba,
}

struct Word {
    chars: Vec<char>,
    sounds: Vec<Vec<Sound>>,
}

/// A word at a place of a sentence.
struct Candidate {
    at: usize,
    word: usize,
    cost: f32,
    gain: f32,
}

/// A list of words that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HotwordsError {
    /// A line that is no word.
    #[error("line {line}: {word:?} is not 2 to 12 Chinese characters")]
    NoWord {
        /// From 1.
        line: usize,
        /// What stands there.
        word: String,
    },
    /// More than [`WORDS_MAX`].
    #[error("{0} words are more than {WORDS_MAX}: keep those that a recogniser writes wrongly")]
    TooMany(usize),
}

impl Hotwords {
    /// Reads one word a line; empty lines and what follows a `#` are skipped. `others` come from
    /// elsewhere: those of them that are no words are left out.
    ///
    /// # Errors
    /// Naming the first line that is no word.
    pub fn read<'a>(
        list: &str,
        others: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, HotwordsError> {
        let mut words = Vec::new();
        for (number, line) in list.lines().enumerate() {
            let word = line.split('#').next().unwrap_or_default().trim();
            if word.is_empty() {
                continue;
            }
            let no_word = || HotwordsError::NoWord { line: number + 1, word: word.to_owned() };
            words.push(Word::new(word).ok_or_else(no_word)?);
        }
        words.extend(others.into_iter().filter_map(Word::new));
        if words.len() > WORDS_MAX {
            return Err(HotwordsError::TooMany(words.len()));
        }
        Ok(Self::of(words))
    }

    fn of(mut words: Vec<Word>) -> Self {
        words.sort_by(|a, b| a.chars.cmp(&b.chars));
        words.dedup_by(|a, b| a.chars == b.chars);
        // The general dictionary takes a moment and tens of megabytes: only for who has words.
        let mut dictionary = if words.is_empty() { Jieba::empty() } else { Jieba::new() };
        for word in &words {
            dictionary.add_word(&word.chars.iter().collect::<String>(), None, None);
        }
        let mut by_first: Vec<(Vec<Sound>, Vec<usize>)> = Vec::new();
        for (index, word) in words.iter().enumerate() {
            match by_first.iter_mut().find(|(sounds, _)| *sounds == word.sounds[0]) {
                Some((_, same)) => same.push(index),
                None => by_first.push((word.sounds[0].clone(), vec![index])),
            }
        }
        Self { words, by_first, dictionary }
    }

    /// No words: nothing is corrected.
    pub fn none() -> Self {
        Self::of(Vec::new())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The text with the city's words where they were meant; every character keeps its time.
    pub fn correct(&self, heard: &Text, confidence: f32) -> Text {
        let mut text = heard.clone();
        if self.words.is_empty() || SURE.contains(&confidence) {
            return text;
        }
        for _ in 0..CORRECTIONS_MAX {
            let chars: Vec<char> = text.chars().iter().map(|char| char.char).collect();
            let Some(best) = self.best(&chars) else { break };
            text = text.written_over(best.at, &self.words[best.word].chars);
        }
        text
    }

    fn best(&self, chars: &[char]) -> Option<Candidate> {
        let heard: Vec<Vec<Sound>> = chars.iter().map(|char| sounds(*char)).collect();
        let before = self.complexity(chars);
        let mut best: Option<Candidate> = None;
        for at in 0..chars.len() {
            let is_near = |first: &[Sound]| sound::distance(first, &heard[at]) < sound::DIFFERENT;
            let near = self.by_first.iter().filter(|(first, _)| is_near(first));
            for index in near.flat_map(|(_, words)| words.iter().copied()) {
                let word = &self.words[index];
                let range = at..at + word.chars.len();
                if range.end > chars.len() {
                    continue;
                }
                let Some(cost) = word.cost(chars, &heard, range) else { continue };
                let mut with = chars.to_vec();
                with[at..at + word.chars.len()].copy_from_slice(&word.chars);
                let gain = before - self.complexity(&with);
                let is_better = |other: &Candidate| (gain, -cost) > (other.gain, -other.cost);
                if gain >= GAIN_MIN && best.as_ref().is_none_or(is_better) {
                    best = Some(Candidate { at, word: index, cost, gain });
                }
            }
        }
        best
    }

    /// Words of the sentence, single characters counted more.
    fn complexity(&self, chars: &[char]) -> f32 {
        let sentence: String = chars.iter().collect();
        let words = self.dictionary.cut(&sentence, false);
        let is_lone =
            |word: &str| word.chars().nth(1).is_none() && !FUNCTION_CHARACTERS.contains(word);
        let weight = |word: &str| if is_lone(word) { 1.0 + LONE_CHARACTER } else { 1.0 };
        words.iter().map(|token| weight(token.word)).sum()
    }
}

impl Word {
    fn new(text: &str) -> Option<Self> {
        let chars: Vec<char> = text.chars().collect();
        let sounds: Vec<Vec<Sound>> = chars.iter().map(|char| sounds(*char)).collect();
        let is_word = WORD_CHARS.contains(&chars.len()) && sounds.iter().all(|s| !s.is_empty());
        is_word.then_some(Self { chars, sounds })
    }

    /// What it costs to hear this word there; none where it cannot be meant, or already stands.
    fn cost(&self, chars: &[char], heard: &[Vec<Sound>], range: Range<usize>) -> Option<f32> {
        let mut cost = 0.0;
        let limit = match self.chars.len() {
            2 => 0.0,
            length => length as f32 * COST_PER_SYLLABLE_MAX,
        };
        let there = &chars[range.clone()];
        for ((own, sounds), (char, heard)) in
            self.chars.iter().zip(&self.sounds).zip(there.iter().zip(&heard[range]))
        {
            let is_number = NUMERALS.contains(*char) || NUMERALS.contains(*own);
            if own != char && (is_number || heard.is_empty()) {
                return None;
            }
            if own != char {
                cost += sound::distance(sounds, heard);
            }
            if cost > limit + f32::EPSILON {
                return None;
            }
        }
        (there != self.chars).then_some(cost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(heard: &str) -> Text {
        let second = 0..1_000;
        Text::over(heard, std::slice::from_ref(&second))
    }

    fn hotwords(list: &str) -> Hotwords {
        Hotwords::read(list, []).expect("words")
    }

    fn corrected(words: &Hotwords, heard: &str) -> String {
        let text = spoken(heard);
        let after = words.correct(&text, 0.7);
        assert_eq!(after.chars().len(), text.chars().len());
        for (before, after) in text.chars().iter().zip(after.chars()) {
            assert_eq!((before.start_ms, before.end_ms), (after.start_ms, after.end_ms));
        }
        after.to_string()
    }

    #[test]
    fn a_name_of_the_same_sound_is_put_where_it_was_meant() {
        let words = hotwords("幸福小区\n人民路 # 主干道\n\n解放路\n住房和城乡建设局\n城管局");
        for (heard, meant) in [
            ("我住在幸福小去三号楼", "我住在幸福小区三号楼"),
            ("人民如上的路灯不亮", "人民路上的路灯不亮"),
            ("请转诚管局", "请转城管局"),
            ("找住房和城乡建舍局", "找住房和城乡建设局"),
        ] {
            assert_eq!(corrected(&words, heard), meant);
        }
    }

    #[test]
    fn a_sentence_that_is_made_of_words_stays() {
        let words = hotwords("幸福小区\n人民路\n解放路\n城管局\n诗人民\n建设路");
        for heard in [
            "人民如何监督",
            "幸福小区的人民路很好",
            "他是人民的好公仆",
            "我们见识了很多",
            "成立管理局",
            "是的，没有问题。",
            "",
        ] {
            assert_eq!(corrected(&words, heard), heard);
        }
    }

    #[test]
    fn numbers_are_never_touched() {
        let words = hotwords("一中路\n五一路");
        assert_eq!(corrected(&words, "七中路口"), "七中路口");
        assert_eq!(corrected(&words, "电话是一三八零零"), "电话是一三八零零");
        assert_eq!(corrected(&words, "武一路上"), "武一路上");
    }

    #[test]
    fn names_from_elsewhere_are_taken_when_they_are_words() {
        let words = Hotwords::read("", ["城管局", "A座", ""]).expect("words");
        assert_eq!(words.len(), 1);
        assert_eq!(corrected(&words, "请转诚管局"), "请转城管局");
    }

    #[test]
    fn a_sure_recogniser_is_believed() {
        let words = hotwords("幸福小区");
        let text = spoken("幸福小去");
        assert_eq!(words.correct(&text, 0.97), text);
    }

    #[test]
    fn a_line_that_is_no_word_is_named() {
        let wrong = |list: &str| Hotwords::read(list, []).err();
        let no_word = |line, word: &str| Some(HotwordsError::NoWord { line, word: word.into() });
        assert_eq!(wrong("城管局\n局\n"), no_word(2, "局"));
        assert_eq!(wrong("A座大厦"), no_word(1, "A座大厦"));
        let many: String = (0..=WORDS_MAX).map(|_| "城管局\n").collect();
        assert_eq!(wrong(&many), Some(HotwordsError::TooMany(WORDS_MAX + 1)));
    }
}
