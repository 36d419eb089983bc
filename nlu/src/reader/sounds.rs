//! Words that were heard wrongly but sound right: 测销 for 撤销, 满一 for 满意.
//!
//! A listed word is found where every character is its own or one of the same sound. The repaired text
//! is **only looked up in and never becomes a value**, and is as long as the text, so that what is
//! found in it points into what was said.

use rustc_hash::FxHashMap;

const SOUNDS: &str = include_str!("../lexicon/sounds.txt");
/// Behind a character of a listed word: no other may stand for it.
const EXACT: char = '=';

/// Words to be found in spite of errors of recognition.
pub(crate) struct Sounds {
    /// The groups of a character, by line of the file.
    groups: FxHashMap<char, Vec<usize>>,
    /// Longest first, so that 车牌号 is found before 车牌.
    words: Vec<Vec<Sound>>,
    /// The words that may begin with a character, by their place in `words`.
    by_first: FxHashMap<char, Vec<usize>>,
}

/// A character of a listed word.
struct Sound {
    character: char,
    exact: bool,
}

impl Sounds {
    /// `words`: a built-in file of words, separated by blanks and lines; `#` begins a comment.
    pub(crate) fn built_in(words: &'static str) -> Self {
        let mut groups: FxHashMap<char, Vec<usize>> = FxHashMap::default();
        let uncommented = |line: &'static str| line.split('#').next().unwrap_or_default();
        for (group, line) in SOUNDS.lines().map(uncommented).enumerate() {
            for character in line.chars().filter(|c| !c.is_whitespace()) {
                groups.entry(character).or_default().push(group);
            }
        }
        let mut words: Vec<Vec<Sound>> = super::lexicon::words(words).map(sounds).collect();
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        let mut sounds = Self { groups, words, by_first: FxHashMap::default() };
        sounds.by_first = sounds.firsts();
        sounds
    }

    fn firsts(&self) -> FxHashMap<char, Vec<usize>> {
        let mut firsts: FxHashMap<char, Vec<usize>> = FxHashMap::default();
        for (at, word) in self.words.iter().enumerate() {
            let first = &word[0];
            let alike =
                self.groups.keys().filter(|c| !first.exact && self.alike(first.character, **c));
            let mut starts: Vec<char> = alike.copied().collect();
            if !starts.contains(&first.character) {
                starts.push(first.character);
            }
            for c in starts {
                firsts.entry(c).or_default().push(at);
            }
        }
        firsts
    }

    /// The longest listed word that the text begins with, as it sounds.
    fn word_at(&self, chars: &[char]) -> Option<&Vec<Sound>> {
        let mut words = self.by_first.get(chars.first()?)?.iter().map(|at| &self.words[*at]);
        words.find(|word| self.sounds_like(word, chars))
    }

    /// The text with its misheard words put right; as long as the text.
    pub(crate) fn repaired(&self, chars: &[char]) -> Vec<char> {
        let mut repaired = chars.to_vec();
        let mut at = 0;
        while at < chars.len() {
            let Some(word) = self.word_at(&chars[at..]) else {
                at += 1;
                continue;
            };
            for (offset, sound) in word.iter().enumerate() {
                repaired[at + offset] = sound.character;
            }
            at += word.len();
        }
        repaired
    }

    fn sounds_like(&self, word: &[Sound], chars: &[char]) -> bool {
        word.len() <= chars.len()
            && word.iter().zip(chars).all(|(sound, c)| {
                sound.character == *c || (!sound.exact && self.alike(sound.character, *c))
            })
    }

    fn alike(&self, a: char, b: char) -> bool {
        let (Some(of_a), Some(of_b)) = (self.groups.get(&a), self.groups.get(&b)) else {
            return false;
        };
        of_a.iter().any(|group| of_b.contains(group))
    }
}

fn sounds(word: &str) -> Vec<Sound> {
    let mut sounds: Vec<Sound> = Vec::new();
    for character in word.chars() {
        match sounds.last_mut().filter(|_| character == EXACT) {
            Some(last) => last.exact = true,
            None => sounds.push(Sound { character, exact: false }),
        }
    }
    sounds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(text: &str) -> String {
        let chars: Vec<char> = text.chars().collect();
        Sounds::built_in(include_str!("../lexicon/misheard.txt")).repaired(&chars).iter().collect()
    }

    #[test]
    fn listed_words_are_put_right_and_words_of_their_own_stay() {
        let said = [
            ("那个工但撤消吧", "那个工单撤销吧"),
            ("给我包密", "给我保密"),
            ("你名字叫什么", "你名字叫什么"),
            ("看到有人", "看到有人"),
            ("不从事", "不从事"),
            ("五页纸", "五页纸"),
        ];
        for (text, expected) in said {
            assert_eq!(repaired(text), expected);
        }
    }
}
