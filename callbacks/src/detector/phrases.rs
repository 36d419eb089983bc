//! Phrases found in recognised text by their sound: 您波大的用户 is 您拨打的用户.
//!
//! Text and phrase are compared as syllables without tones, with the confusions of accents and of the
//! telephone for nothing (zh/z, -ng/-n) and at half price where initial or final are right.

use pinyin::ToPinyin;

/// Price of a syllable that is wrong, missing or one too many; of one whose half is right, half.
const WRONG: usize = 2;
/// Longest phrase: its distances fit an array.
const SYLLABLES_MAX: usize = 16;

/// What may be spent on a phrase: nothing below four syllables, then one half for every two and a half.
fn budget(syllables: usize) -> usize {
    match syllables {
        0..=3 => 0,
        4 => 1,
        more => more * 2 / 5,
    }
}

/// A syllable without its tone, written so that equal means alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Syllable {
    initial: &'static str,
    last: &'static str,
}

impl Syllable {
    /// None for what is not said: marks, blanks, letters.
    fn of(character: char) -> Option<Self> {
        let plain = spoken(character).to_pinyin()?.plain();
        let starts = |initial: &&&str| plain.starts_with(**initial);
        let initial = INITIALS.iter().find(starts).copied().unwrap_or_default();
        let last = &plain[initial.len()..];
        let last = last.strip_suffix('g').filter(|last| last.ends_with('n')).unwrap_or(last);
        let initial = match initial {
            "zh" => "z",
            "ch" => "c",
            "sh" => "s",
            other => other,
        };
        Some(Self { initial, last })
    }

    fn price_for(self, other: Self) -> usize {
        if self == other {
            return 0;
        }
        if self.initial == other.initial || self.last == other.last { WRONG / 2 } else { WRONG }
    }
}

/// The longer ones first.
const INITIALS: [&str; 23] = [
    "zh", "ch", "sh", "b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "h", "j", "q", "x", "r",
    "z", "c", "s", "y", "w",
];

/// Digits as they are said.
fn spoken(character: char) -> char {
    character.to_digit(10).map_or(character, |digit| DIGITS[digit as usize])
}

const DIGITS: [char; 10] = ['零', '一', '二', '三', '四', '五', '六', '七', '八', '九'];

/// A recognised text, prepared for many phrases.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    syllables: Vec<Syllable>,
    /// Lower case, words with one blank between.
    latin: String,
}

impl Heard {
    pub(super) fn new(text: &str) -> Self {
        let words =
            text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let latin = words.collect::<Vec<_>>().join(" ").to_ascii_lowercase();
        Self { syllables: text.chars().filter_map(Syllable::of).collect(), latin }
    }
}

#[derive(Clone, Debug)]
enum Phrase {
    Spoken(Vec<Syllable>),
    Latin(String),
}

impl Phrase {
    fn parse(word: &str) -> Self {
        if word.is_ascii() || word.contains('·') {
            return Self::Latin(word.replace('·', " "));
        }
        let syllables: Vec<Syllable> = word.chars().filter_map(Syllable::of).collect();
        assert!((1..=SYLLABLES_MAX).contains(&syllables.len()), "a built-in phrase: {word}");
        Self::Spoken(syllables)
    }

    fn is_in(&self, heard: &Heard) -> bool {
        match self {
            Self::Latin(words) => heard.latin.contains(words),
            Self::Spoken(syllables) => {
                distance(syllables, &heard.syllables) <= budget(syllables.len())
            }
        }
    }
}

/// Cheapest price at which some stretch of the text becomes the phrase (Sellers' algorithm).
fn distance(phrase: &[Syllable], text: &[Syllable]) -> usize {
    let mut prices = [0; SYLLABLES_MAX + 1];
    for (at, price) in prices.iter_mut().enumerate() {
        *price = at * WRONG;
    }
    let mut cheapest = prices[phrase.len()];
    for heard in text {
        let mut diagonal = 0;
        for (at, syllable) in phrase.iter().enumerate() {
            let instead = diagonal + syllable.price_for(*heard);
            diagonal = prices[at + 1];
            prices[at + 1] = instead.min(diagonal + WRONG).min(prices[at] + WRONG);
        }
        cheapest = cheapest.min(prices[phrase.len()]);
    }
    cheapest
}

/// Phrases by what they are evidence for, in the order of a built-in file.
#[derive(Debug)]
pub(super) struct Phrases<T> {
    groups: Vec<(T, Vec<Phrase>)>,
}

impl<T: Copy> Phrases<T> {
    /// `name` says what the first word of a line stands for.
    pub(super) fn built_in(file: &str, name: impl Fn(&str) -> Option<T>) -> Self {
        let lines = file.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        let groups = lines.map(|line| {
            let mut words = line.split_whitespace();
            let group = words.next().and_then(&name).expect("a built-in file names its groups");
            (group, words.map(Phrase::parse).collect())
        });
        Self { groups: groups.collect() }
    }

    /// The groups with a phrase in the text, in the file's order.
    pub(super) fn found_in<'a>(&'a self, heard: &'a Heard) -> impl Iterator<Item = T> + 'a {
        let is_found = |(_, phrases): &&(T, Vec<Phrase>)| phrases.iter().any(|p| p.is_in(heard));
        self.groups.iter().filter(is_found).map(|(group, _)| *group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_in(phrase: &str, text: &str) -> bool {
        Phrase::parse(phrase).is_in(&Heard::new(text))
    }

    #[test]
    fn phrases_are_found_in_spite_of_misheard_syllables() {
        assert!(is_in("您拨打的用户", "你好，您波大的用户正在通话"));
        assert!(is_in("您拨打的用户", "你不打的用户"));
        assert!(is_in("人工请按", "人工请按0"));
        assert!(is_in("请按一", "业务咨询请按1"));
        assert!(is_in("subscriber", "Sorry, the Subscriber you dialed"));
        assert!(is_in("you·dialed", "the number You  dialed"));
    }

    #[test]
    fn other_words_are_not_mistaken_for_them() {
        assert!(!is_in("您拨打的用户", "你打的什么电话"));
        assert!(!is_in("请留言", "请问您哪位"));
        assert!(!is_in("我是机主的", "我记住了"));
        assert!(!is_in("请按一", ""));
    }
}
