//! How alike two characters sound on a telephone.

use pinyin::{ToPinyin, ToPinyinMulti};

/// A syllable without its tone: where it begins and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sound {
    initial: &'static str,
    rest: &'static str,
}

/// Initials, longest first; those of no syllable are not missed.
const INITIALS: [&str; 23] = [
    "zh", "ch", "sh", "b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "h", "j", "q", "x", "r",
    "z", "c", "s", "y", "w",
];

/// Initials that accents and the telephone's band make one, and what taking one for the other costs.
const INITIALS_ALIKE: [(&str, &str, f32); 17] = [
    ("z", "zh", 0.2),
    ("c", "ch", 0.2),
    ("s", "sh", 0.2),
    ("n", "l", 0.3),
    ("f", "h", 0.3),
    ("l", "r", 0.4),
    ("b", "p", 0.4),
    ("d", "t", 0.4),
    ("g", "k", 0.4),
    ("j", "q", 0.4),
    ("z", "c", 0.4),
    ("zh", "ch", 0.4),
    ("j", "zh", 0.4),
    ("q", "ch", 0.4),
    ("x", "sh", 0.4),
    ("s", "x", 0.4),
    ("m", "n", 0.4),
];

/// The same of what follows.
const RESTS_ALIKE: [(&str, &str, f32); 8] = [
    ("in", "ing", 0.2),
    ("en", "eng", 0.2),
    ("an", "ang", 0.2),
    ("ian", "iang", 0.3),
    ("uan", "uang", 0.3),
    ("e", "o", 0.4),
    ("uo", "ou", 0.4),
    ("ei", "ui", 0.4),
];

/// What a different sound costs.
pub(super) const DIFFERENT: f32 = 1.0;

/// How a character may be read; nothing where it is no Chinese character.
pub(super) fn sounds(char: char) -> Vec<Sound> {
    let mut sounds: Vec<Sound> = Vec::new();
    let readings = char.to_pinyin_multi().into_iter().flatten();
    for reading in readings.chain(char.to_pinyin()) {
        let sound = Sound::of(reading.plain());
        if !sounds.contains(&sound) {
            sounds.push(sound);
        }
    }
    sounds
}

/// From 0, the same, to 1.
pub(super) fn distance(a: &[Sound], b: &[Sound]) -> f32 {
    let pairs = a.iter().flat_map(|a| b.iter().map(move |b| a.distance(*b)));
    pairs.fold(DIFFERENT, f32::min)
}

/// The same, where one half of a syllable counts although the other is different.
pub(super) fn halves(a: &[Sound], b: &[Sound]) -> f32 {
    let both = |a: &Sound, b: &Sound| {
        let initials = cost(&INITIALS_ALIKE, a.initial, b.initial);
        f32::midpoint(initials, cost(&RESTS_ALIKE, a.rest, b.rest))
    };
    let pairs = a.iter().flat_map(|a| b.iter().map(move |b| both(a, b)));
    pairs.fold(DIFFERENT, f32::min)
}

impl Sound {
    fn of(syllable: &'static str) -> Self {
        let initial = INITIALS.into_iter().find(|initial| syllable.starts_with(initial));
        let initial = initial.unwrap_or_default();
        Self { initial, rest: &syllable[initial.len()..] }
    }

    fn distance(self, other: Self) -> f32 {
        let initials = cost(&INITIALS_ALIKE, self.initial, other.initial);
        let rests = cost(&RESTS_ALIKE, self.rest, other.rest);
        (initials + rests).min(DIFFERENT)
    }
}

fn cost(alike: &[(&str, &str, f32)], a: &str, b: &str) -> f32 {
    if a == b {
        return 0.0;
    }
    let is_pair = |(x, y, _): &&(&str, &str, f32)| (*x == a && *y == b) || (*x == b && *y == a);
    alike.iter().find(is_pair).map_or(DIFFERENT, |(_, _, cost)| *cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(a: char, b: char) -> f32 {
        distance(&sounds(a), &sounds(b))
    }

    #[test]
    fn accents_cost_little_and_other_words_all() {
        assert_eq!(between('区', '去'), 0.0);
        assert_eq!(between('路', '入'), 0.4);
        assert_eq!(between('城', '神'), 1.0);
        assert!(between('生', '身') < 0.3 && between('三', '山') < 0.3);
        assert_eq!(between('行', '航'), 0.0, "one of several readings is enough");
        assert_eq!(between('好', 'A'), 1.0);
    }
}
