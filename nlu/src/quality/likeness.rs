//! Phrases found by their sound: a recogniser that hears 您好 may write 宁好.
//!
//! Text and phrase are compared as syllables without tones, with the confusions of accents and of the telephone
//! (zh/z, -ng/-n) for nothing and at half price where initial or final are right.

use pinyin::ToPinyin;
use std::ops::Range;

/// Price of a syllable that is wrong, missing or one too many; of one whose half is right, half.
const WRONG: u32 = 2;

/// The longer ones first.
const INITIALS: [&str; 23] = [
    "zh", "ch", "sh", "b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "h", "j", "q", "x", "r",
    "z", "c", "s", "y", "w",
];
const DIGITS: [char; 10] = ['零', '一', '二', '三', '四', '五', '六', '七', '八', '九'];

/// A syllable, and the character that stands for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Syllable {
    initial: &'static str,
    last: &'static str,
    character: char,
}

impl Syllable {
    /// None for what is not said: marks, blanks; and for letters.
    fn of(character: char) -> Option<Self> {
        let spoken = match character {
            '幺' => '一',
            other => other.to_digit(10).map_or(other, |digit| DIGITS[digit as usize]),
        };
        let plain = spoken.to_pinyin()?.plain();
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
        Some(Self { initial, last, character: spoken })
    }

    fn price_for(self, other: Self) -> u32 {
        match (self.initial == other.initial, self.last == other.last) {
            (true, true) => 0,
            (false, false) => WRONG,
            _ => WRONG / 2,
        }
    }
}

/// A text as it sounds; marks divide it into clauses.
#[derive(Clone, Debug, Default)]
pub(super) struct Sounds {
    syllables: Vec<Syllable>,
    /// For each syllable, which character of the text it is.
    places: Vec<usize>,
    /// Syllables behind which a mark stands.
    ends: Vec<usize>,
    chars: usize,
}

/// Where a phrase stands in a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Match {
    /// Characters of the text.
    pub(super) at: Range<usize>,
    /// 1: written as the phrase is.
    pub(super) likeness: f32,
}

impl Sounds {
    pub(super) fn of(text: &str) -> Self {
        let mut sounds = Self::default();
        for (at, character) in text.chars().enumerate() {
            sounds.chars += 1;
            match Syllable::of(character) {
                Some(syllable) => {
                    sounds.syllables.push(syllable);
                    sounds.places.push(at);
                }
                None if character.is_alphanumeric() || character.is_whitespace() => {}
                None => sounds.ends.push(sounds.syllables.len()),
            }
        }
        sounds
    }

    pub(super) const fn len(&self) -> usize {
        self.syllables.len()
    }

    /// Characters of the text.
    pub(super) const fn chars(&self) -> usize {
        self.chars
    }

    /// Whether the phrase is heard anywhere, marks or not: what is only recognised badly counts as said.
    pub(super) fn hold(&self, phrase: &Self) -> bool {
        let budget = match phrase.len() {
            0..=2 => 0,
            3 => WRONG / 2,
            4 | 5 => WRONG,
            more => more as u32 / 2,
        };
        phrase.len() > 0 && self.nearest(phrase, 0..self.len(), budget).is_some()
    }

    /// Places within one clause where the phrase certainly sounds so.
    pub(super) fn find(&self, phrase: &Self) -> Vec<Match> {
        let budget = if phrase.len() < 4 { 0 } else { WRONG / 2 };
        let mut found = Vec::new();
        if phrase.len() == 0 {
            return found;
        }
        let mut from = 0;
        for end in self.ends.iter().copied().chain([self.len()]) {
            while let Some((at, price)) = self.nearest(phrase, from..end, budget) {
                from = at.end;
                let same = self.syllables[at.clone()].iter().zip(&phrase.syllables);
                let same = same.filter(|(is, of)| is.character == of.character).count();
                let is_written = same == phrase.len() && at.len() == phrase.len();
                // Two syllables sound like many words.
                if phrase.len() <= 2 && !is_written {
                    continue;
                }
                let others = phrase.len() - same.min(phrase.len());
                let likeness = 1.0 - 0.5 * others as f32 / phrase.len() as f32 - 0.1 * price as f32;
                let chars = self.places[at.start]..self.places[at.end - 1] + 1;
                found.push(Match { at: chars, likeness: likeness.max(0.0) });
            }
            from = from.max(end);
        }
        found
    }

    /// The first place within the budget: the cheapest one that ends there.
    fn nearest(
        &self,
        phrase: &Self,
        within: Range<usize>,
        budget: u32,
    ) -> Option<(Range<usize>, u32)> {
        let pattern = &phrase.syllables;
        // Price and start of the best way to have heard so much of the phrase.
        let mut row: Vec<(u32, usize)> =
            (0..=pattern.len()).map(|left_out| (left_out as u32 * WRONG, within.start)).collect();
        let mut best: Option<(Range<usize>, u32)> = None;
        for at in within {
            let mut diagonal = row[0];
            row[0] = (0, at + 1);
            diagonal.1 = diagonal.1.min(at);
            for (place, of) in pattern.iter().enumerate() {
                let same = (diagonal.0 + self.syllables[at].price_for(*of), diagonal.1);
                let more = (row[place + 1].0 + WRONG, row[place + 1].1);
                let fewer = (row[place].0 + WRONG, row[place].1.min(at));
                diagonal = row[place + 1];
                row[place + 1] =
                    [same, more, fewer].into_iter().min_by_key(|way| way.0).unwrap_or(same);
            }
            let (price, start) = row[pattern.len()];
            // One more syllable may make it cheaper.
            if best.as_ref().is_some_and(|(_, before)| price >= *before) {
                break;
            }
            if price <= budget && start <= at {
                best = Some((start..at + 1, price));
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, phrase: &str) -> bool {
        Sounds::of(text).hold(&Sounds::of(phrase))
    }

    #[test]
    fn what_was_misheard_counts_as_said() {
        for (text, phrase) in [
            ("您好，12345热线", "12345"),
            ("喂你好一二三四五", "12345"),
            ("幺二三四五为您服务", "12345"),
            ("宁好请讲", "您好"),
            ("很高兴为宁服务", "很高兴为您服务"),
            ("很高新为您服", "很高兴为您服务"),
            ("感谢，您的来电", "感谢您的来电"),
        ] {
            assert!(holds(text, phrase), "{text} {phrase}");
        }
        for (text, phrase) in [
            ("喂，哪里", "您好"),
            ("您说", "您好"),
            ("很高兴认识你们", "很高兴为您服务"),
            ("", "您好"),
            ("您好", ""),
        ] {
            assert!(!holds(text, phrase), "{text} {phrase}");
        }
    }

    #[test]
    fn a_phrase_has_its_place_and_its_likeness() {
        let of = |text: &str, phrase: &str| Sounds::of(text).find(&Sounds::of(phrase));
        let found = of("这个不归我们管，您喊什么喊", "喊什么喊");
        assert_eq!(found, [Match { at: 9..13, likeness: 1.0 }]);
        let misheard = of("这个不龟我们管", "不归我们管");
        assert_eq!((misheard.len(), misheard[0].at.clone()), (1, 2..7));
        assert!(misheard[0].likeness > 0.8 && misheard[0].likeness < 1.0);
        assert!(of("要不，知道了", "不知道").is_empty(), "two clauses");
        assert!(of("必罪", "闭嘴").is_empty() && of("闭嘴", "闭嘴").len() == 1);
        assert_eq!(of("不知道不知道", "不知道").len(), 2);
    }
}
