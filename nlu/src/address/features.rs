//! What is seen of a text, as places in the table of weights.

use super::PART_CHARS_MAX;
use crate::reader::Gazetteer;
use std::ops::Range;

/// Stands for what is in front of and behind the text.
const EDGE: char = '\u{0}';
/// Lengths above this are one.
const LENGTH_MAX: usize = 12;

/// Features of a text. A feature is the first of as many weights as there are labels.
pub(super) struct Observed {
    pub(super) length: usize,
    pub(super) labels: usize,
    /// Of a character anywhere in a part.
    pub(super) inner: Vec<Vec<u32>>,
    /// Of the first and of the last character of a part.
    pub(super) first: Vec<Vec<u32>>,
    pub(super) last: Vec<Vec<u32>>,
    /// Of the part that begins here and has this many characters less one.
    pub(super) part: Vec<Vec<Vec<u32>>>,
}

/// Names of the gazetteer in a text: for each first character, lengths and kinds as bits.
struct Names {
    at: Vec<Vec<(usize, u32)>>,
    /// Deepest level of a full name that ends before each character, and 0.
    seen: Vec<u32>,
    /// Bits of the longest names that begin, end, and lie around here.
    begins: Vec<u32>,
    ends: Vec<u32>,
}

struct Hasher {
    slots: u64,
}

impl Observed {
    /// `slots` is the size of the table of weights.
    pub(super) fn of(chars: &[char], names: &Gazetteer, slots: usize, labels: usize) -> Self {
        let names = Names::of(chars, names);
        let hasher = Hasher { slots: (slots - labels) as u64 };
        let all = 0..chars.len();
        Self {
            length: chars.len(),
            labels,
            inner: all.clone().map(|at| inner(&hasher, chars, &names, at)).collect(),
            first: all.clone().map(|at| edge(&hasher, chars, &names, at, 1)).collect(),
            last: all.clone().map(|at| edge(&hasher, chars, &names, at, 2)).collect(),
            part: all
                .map(|start| {
                    let ends = start + 1..=chars.len().min(start + PART_CHARS_MAX);
                    ends.map(|end| part(&hasher, chars, &names, start..end)).collect()
                })
                .collect(),
        }
    }
}

impl Names {
    fn of(chars: &[char], names: &Gazetteer) -> Self {
        let mut found = Self {
            at: vec![Vec::new(); chars.len()],
            seen: vec![0; chars.len() + 1],
            begins: vec![0; chars.len()],
            ends: vec![0; chars.len()],
        };
        for start in 0..chars.len() {
            for name in names.divisions_at(&chars[start..]) {
                let bit = 1 << (name.level as u32 * 2 + u32::from(name.short));
                let end = start + name.chars;
                match found.at[start].iter_mut().find(|(chars, _)| *chars == name.chars) {
                    Some((_, bits)) => *bits |= bit,
                    None => found.at[start].push((name.chars, bit)),
                }
                found.ends[end - 1] |= bit;
                if !name.short {
                    found.seen[end] = found.seen[end].max(name.level as u32 + 1);
                }
            }
            let longest = found.at[start].iter().max_by_key(|(length, _)| *length);
            found.begins[start] = longest.map_or(0, |(length, bits)| bits | (*length as u32) << 16);
        }
        for at in 1..found.seen.len() {
            found.seen[at] = found.seen[at].max(found.seen[at - 1]);
        }
        found
    }

    fn bits(&self, part: &Range<usize>) -> u32 {
        let same = self.at[part.start].iter().find(|(length, _)| *length == part.len());
        same.map_or(0, |(_, bits)| *bits)
    }
}

impl Hasher {
    /// `template` tells features apart that look at different things.
    fn feature(&self, template: u64, seen: impl IntoIterator<Item = u64>) -> u32 {
        let start = template.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x51_7cc1_b727_220a;
        let hash = seen.into_iter().fold(start, |hash, value| {
            (hash ^ value).wrapping_mul(0x2545_f491_4f6c_dd1d).rotate_left(31)
        });
        let hash = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((hash >> 8) % self.slots) as u32
    }
}

/// The character at an offset, digits as one.
fn near(chars: &[char], at: usize, offset: isize) -> u64 {
    let c = at.checked_add_signed(offset).and_then(|at| chars.get(at)).copied().unwrap_or(EDGE);
    u64::from(u32::from(c))
}

/// What kind of character it is.
fn shape(c: char) -> u64 {
    match c {
        EDGE => 0,
        '0'..='9' => 1,
        'a'..='z' | 'A'..='Z' => 2,
        '一' | '二' | '三' | '四' | '五' | '六' | '七' | '八' | '九' | '十' | '零' | '〇'
        | '百' => 3,
        '号' | '栋' | '幢' | '楼' | '层' | '室' | '座' => 4,
        '\u{4e00}'..='\u{9fff}' => 5,
        '-' | '－' | '—' => 6,
        _ => 7,
    }
}

fn shapes(chars: &[char], at: usize, offsets: Range<isize>) -> u64 {
    let of = |offset: isize| {
        shape(at.checked_add_signed(offset).and_then(|at| chars.get(at)).copied().unwrap_or(EDGE))
    };
    offsets.fold(0, |sum, offset| sum * 8 + of(offset))
}

fn inner(hasher: &Hasher, chars: &[char], names: &Names, at: usize) -> Vec<u32> {
    let c = |offset| near(chars, at, offset);
    vec![
        hasher.feature(10, [c(0)]),
        hasher.feature(11, [c(-1), c(0)]),
        hasher.feature(12, [c(0), c(1)]),
        hasher.feature(13, [c(-1), c(0), c(1)]),
        hasher.feature(14, [c(1)]),
        hasher.feature(15, [c(-1)]),
        hasher.feature(16, [shapes(chars, at, -2..3)]),
        hasher.feature(17, [u64::from(names.seen[at])]),
    ]
}

/// Of the first (`role` 1) or last (2) character of a part.
fn edge(hasher: &Hasher, chars: &[char], names: &Names, at: usize, role: u64) -> Vec<u32> {
    let c = |offset| near(chars, at, offset);
    let feature =
        |template: u64, seen: &[u64]| hasher.feature(role * 100 + template, seen.iter().copied());
    let gazetteer = if role == 1 { names.begins[at] } else { names.ends[at] };
    let next = names.begins.get(at + 1).copied().unwrap_or_default();
    let before = at.checked_sub(1).map_or(0, |at| names.ends[at]);
    vec![
        feature(0, &[c(0)]),
        feature(1, &[c(-1)]),
        feature(2, &[c(1)]),
        feature(3, &[c(-2)]),
        feature(4, &[c(2)]),
        feature(5, &[c(-1), c(0)]),
        feature(6, &[c(0), c(1)]),
        feature(7, &[c(1), c(2)]),
        feature(8, &[c(-2), c(-1)]),
        feature(9, &[c(-1), c(0), c(1)]),
        feature(10, &[c(-2), c(-1), c(0)]),
        feature(11, &[c(0), c(1), c(2)]),
        feature(12, &[shapes(chars, at, -2..3)]),
        feature(13, &[u64::from(gazetteer)]),
        feature(14, &[u64::from(names.seen[at]), c(0)]),
        feature(15, &[u64::from(next)]),
        feature(16, &[u64::from(before)]),
        feature(17, &[c(-1), c(1)]),
        feature(18, &[c(1), c(2), c(3)]),
        feature(19, &[c(-3), c(-2), c(-1)]),
    ]
}

fn part(hasher: &Hasher, chars: &[char], names: &Names, range: Range<usize>) -> Vec<u32> {
    let text = &chars[range.clone()];
    let code = |c: &char| u64::from(u32::from(*c));
    let length = text.len().min(LENGTH_MAX) as u64;
    let tail = |count: usize| text[text.len().saturating_sub(count)..].iter().map(code);
    let bits = u64::from(names.bits(&range));
    let seen = u64::from(names.seen[range.start]);
    let begun = text.len() > 1 && chars[..range.start].windows(2).any(|at| at == &text[..2]);
    let repeated = text.len() > 1 && chars[..range.start].windows(text.len()).any(|at| at == text);
    let before = near(chars, range.start, -1);
    let behind = near(chars, range.end - 1, 1);
    let mut features = vec![
        hasher.feature(300, [length]),
        hasher.feature(301, text.iter().map(code)),
        hasher.feature(302, [bits, u64::from(repeated), u64::from(begun)]),
        hasher.feature(303, tail(1).chain([length])),
        hasher.feature(304, tail(2).chain([length.min(4)])),
        hasher.feature(305, tail(3)),
        hasher.feature(306, pattern(text)),
        hasher.feature(307, [bits, seen]),
        hasher.feature(308, tail(1).chain([before])),
        hasher.feature(309, tail(1).chain([0, behind])),
        hasher.feature(310, [shape(text[0]), length, seen]),
        hasher.feature(313, pattern(text).chain([before])),
        hasher.feature(314, pattern(text).chain([0, behind])),
        hasher.feature(315, pattern(text).chain([seen])),
        hasher.feature(316, tail(2).chain([0, behind])),
        hasher.feature(311, text.iter().take(2).map(code).chain(tail(1))),
    ];
    if repeated {
        features.push(hasher.feature(312, [1]));
    }
    features
}

/// The text with its names and numbers left out: 文一西路969号 is 名路0号.
fn pattern(text: &[char]) -> impl Iterator<Item = u64> {
    let mut last = 9;
    let kept = text.iter().enumerate().filter_map(move |(at, c)| {
        let shape = shape(*c);
        let ending = at + 1 == text.len() || shape == 4;
        let same = shape == last && !ending;
        last = shape;
        let code = if ending && shape != 1 { u64::from(u32::from(*c)) } else { shape };
        (!same).then_some(code)
    });
    kept.collect::<Vec<_>>().into_iter()
}
