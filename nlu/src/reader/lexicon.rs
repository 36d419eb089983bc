//! Weighted word patterns from a data file.

use super::transcript::{BREAK, ends_clause};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::ops::Range;

/// Most characters that a `~` may stand for.
const GAP_CHARS_MAX: usize = 6;
/// No pattern is longer.
const COVER_CHARS_MAX: usize = 40;

/// Value of patterns that only cover others.
const NOTHING: &str = "无";

/// Patterns by their first two characters.
///
/// A file has one pattern a line: `pattern value weight`, separated by blanks; `#` begins a
/// comment. In a pattern `(a|b|)` is a choice and `~` stands for up to six characters of the same
/// clause. The value 无 is for patterns that only cover what lies in them.
pub(crate) struct Lexicon {
    entries: Vec<Entry>,
    by_first: FxHashMap<char, Vec<Beginning>>,
}

/// How a pattern may go on behind its first character.
struct Beginning {
    /// Its second character; none if that may be any, or if the pattern ends.
    second: Option<char>,
    /// The pattern, by its place in `entries`.
    entry: usize,
}

struct Entry {
    nodes: Vec<Node>,
    value: &'static str,
    weight: f32,
}

/// A step of a pattern.
enum Node {
    /// One of these texts, of which one may be empty.
    Choice(Vec<Vec<char>>),
    /// `~`.
    Gap,
}

/// A pattern found in a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hit {
    pub(crate) range: Range<usize>,
    pub(crate) value: &'static str,
    pub(crate) weight: f32,
}

impl Lexicon {
    /// From a file that is built into the program.
    ///
    /// # Panics
    /// When a line of the file is malformed; the tests build every lexicon.
    pub(crate) fn built_in(file: &'static str) -> Self {
        let lines = file.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        let mut lexicon = Self { entries: Vec::new(), by_first: FxHashMap::default() };
        for line in lines.filter(|line| !line.is_empty()) {
            lexicon.add(line).unwrap_or_else(|| panic!("built-in lexicon line {line:?}"));
        }
        lexicon
    }

    fn add(&mut self, line: &'static str) -> Option<()> {
        let mut columns = line.split_whitespace();
        let (pattern, value) = (columns.next()?, columns.next()?);
        let weight: f32 = columns.next()?.parse().ok()?;
        self.index(Entry { nodes: nodes(pattern)?, value, weight })?;
        columns.next().is_none().then_some(())
    }

    /// A word of a city's profile, taken literally.
    pub(crate) fn add_word(&mut self, word: &str, value: &'static str, weight: f32) {
        let nodes = vec![Node::Choice(vec![word.chars().collect()])];
        // An empty word has no first character: it is found nowhere.
        let _ = self.index(Entry { nodes, value, weight });
    }

    fn index(&mut self, entry: Entry) -> Option<()> {
        let number = self.entries.len();
        for (first, second) in beginnings(&entry.nodes)? {
            let known = self.by_first.entry(first).or_default();
            // `None` comes first: whatever follows, the pattern is tried once.
            if !known.iter().any(|known| known.entry == number && known.second.is_none()) {
                known.push(Beginning { second, entry: number });
            }
        }
        self.entries.push(entry);
        Some(())
    }

    /// All patterns found, in order of their first character; of several with one value that
    /// begin at the same place, the heaviest and then the longest.
    pub(crate) fn hits(&self, chars: &[char]) -> Vec<Hit> {
        let mut hits: Vec<Hit> = Vec::new();
        for (at, first) in chars.iter().enumerate() {
            let begun = hits.len();
            let second = chars.get(at + 1);
            let beginnings = self.by_first.get(first).into_iter().flatten();
            for Beginning { entry, .. } in
                beginnings.filter(|known| known.second.is_none() || known.second.as_ref() == second)
            {
                let entry = &self.entries[*entry];
                let Some(end) = end(&entry.nodes, chars, at) else { continue };
                let hit = Hit { range: at..end, value: entry.value, weight: entry.weight };
                match hits[begun..].iter_mut().find(|other| other.value == hit.value) {
                    Some(other) if hit.beats(other) => *other = hit,
                    Some(_) => {}
                    None => hits.push(hit),
                }
            }
        }
        hits
    }

    /// The hits that lie in no longer hit, and in no heavier one of the same length.
    pub(crate) fn uncovered(&self, chars: &[char]) -> Vec<Hit> {
        let all = self.hits(chars);
        let covered = |at: usize| {
            let hit = &all[at];
            let before = all[..at].iter().rev();
            let near =
                before.take_while(|other| other.range.start + COVER_CHARS_MAX > hit.range.start);
            let behind = all[at + 1..].iter();
            let same_start = behind.take_while(|other| other.range.start == hit.range.start);
            near.chain(same_start).any(|other| other.covers(hit))
        };
        (0..all.len())
            .filter(|at| all[*at].value != NOTHING && !covered(*at))
            .map(|at| all[at].clone())
            .collect()
    }

    /// The hits that lie in no hit of 无. Unlike [`Lexicon::uncovered`], a long weak hit hides no
    /// short strong one.
    pub(crate) fn standing(&self, chars: &[char]) -> Vec<Hit> {
        let (nothing, hits): (Vec<Hit>, Vec<Hit>) =
            self.hits(chars).into_iter().partition(|hit| hit.value == NOTHING);
        let covered = |hit: &Hit| {
            let from = nothing
                .partition_point(|other| other.range.start + COVER_CHARS_MAX <= hit.range.start);
            let near =
                nothing[from..].iter().take_while(|other| other.range.start <= hit.range.start);
            near.into_iter().any(|other| other.range.end >= hit.range.end)
        };
        hits.into_iter().filter(|hit| !covered(hit)).collect()
    }
}

impl Hit {
    fn covers(&self, other: &Self) -> bool {
        let around = self.range.start <= other.range.start && other.range.end <= self.range.end;
        let longer = self.range.len() > other.range.len();
        around && (longer || (self.range == other.range && self.weight > other.weight))
    }

    fn beats(&self, other: &Self) -> bool {
        (self.weight.abs(), self.range.end) > (other.weight.abs(), other.range.end)
    }
}

/// Where the steps end at the furthest if they begin at `at`; a gap is as short as possible.
fn end(nodes: &[Node], chars: &[char], at: usize) -> Option<usize> {
    let Some((first, rest)) = nodes.split_first() else { return Some(at) };
    match first {
        Node::Choice(texts) => texts
            .iter()
            .filter(|text| is_at(text, chars, at))
            .filter_map(|text| end(rest, chars, at + text.len()))
            .max(),
        Node::Gap => {
            let clause = chars[at..].iter().take(GAP_CHARS_MAX).take_while(|c| !ends_clause(**c));
            (0..=clause.count()).find_map(|gap| end(rest, chars, at + gap))
        }
    }
}

/// Whether the text stands at that place. Nearly all differ in their first character, so that comparing one
/// by one takes less than a call of `memcmp`, which `starts_with` is.
fn is_at(text: &[char], chars: &[char], at: usize) -> bool {
    let here = &chars[at..];
    text.len() <= here.len() && text.iter().zip(here).all(|(a, b)| a == b)
}

/// The steps of a pattern; none if a bracket is left open.
fn nodes(pattern: &str) -> Option<Vec<Node>> {
    let mut nodes = Vec::new();
    let mut rest = pattern;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('~') {
            nodes.push(Node::Gap);
            rest = after;
        } else if let Some(after) = rest.strip_prefix('(') {
            let (inside, after) = after.split_once(')')?;
            let texts = inside.split('|').map(|text| text.chars().collect()).collect();
            nodes.push(Node::Choice(texts));
            rest = after;
        } else {
            let length = rest.find(['(', '~']).unwrap_or(rest.len());
            nodes.push(Node::Choice(vec![rest[..length].chars().collect()]));
            rest = &rest[length..];
        }
    }
    Some(nodes)
}

/// The first characters that a pattern may have with the second ones; none if it may be empty or begins with
/// a gap.
fn beginnings(nodes: &[Node]) -> Option<BTreeSet<(char, Option<char>)>> {
    let (first, rest) = nodes.split_first()?;
    let Node::Choice(texts) = first else { return None };
    let mut found = BTreeSet::new();
    for text in texts {
        match text[..] {
            [] => found.extend(beginnings(rest)?),
            [first, second, ..] => {
                found.insert((first, Some(second)));
            }
            [first] => match beginnings(rest) {
                Some(next) => found.extend(next.into_iter().map(|(c, _)| (first, Some(c)))),
                None => {
                    found.insert((first, None));
                }
            },
        }
    }
    Some(found)
}

/// The words of a built-in file, one a line; `#` begins a comment.
pub(crate) fn words(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.lines().flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace())
}

/// Whether the text begins with the word.
pub(crate) fn starts(chars: &[char], word: &str) -> bool {
    // Most words differ in their first character: nothing is counted before it is compared.
    let mut rest = chars.iter();
    word.chars().all(|c| rest.next() == Some(&c))
}

/// Whether the text holds the word.
pub(crate) fn holds(chars: &[char], word: &str) -> bool {
    (0..chars.len()).any(|at| starts(&chars[at..], word))
}

/// The part of the text within `before` characters in front of a range, in the same utterance.
pub(crate) fn before(chars: &[char], range: &Range<usize>, most: usize) -> Range<usize> {
    let first = range.start.saturating_sub(most);
    let start = chars[first..range.start].iter().rposition(|c| *c == BREAK);
    start.map_or(first, |at| first + at + 1)..range.start
}

/// The part of the text within `most` characters behind a range, in the same utterance.
pub(crate) fn after(chars: &[char], range: &Range<usize>, most: usize) -> Range<usize> {
    let last = (range.end + most).min(chars.len());
    let end = chars[range.end..last].iter().position(|c| *c == BREAK);
    range.end..end.map_or(last, |at| range.end + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(file: &'static str, text: &str) -> Vec<(usize, usize, &'static str)> {
        let chars: Vec<char> = text.chars().collect();
        let hits = Lexicon::built_in(file).hits(&chars);
        hits.into_iter().map(|hit| (hit.range.start, hit.range.end, hit.value)).collect()
    }

    #[test]
    fn choices_and_gaps_are_matched_within_a_clause() {
        let file = "我(要|想|)投诉 a 1 # comment\n有人~(晕|摔)倒 b 2\n";
        assert_eq!(hits(file, "喂我投诉有人在路边晕倒"), [(1, 4, "a"), (4, 11, "b")]);
        assert_eq!(hits(file, "有人,晕倒"), []);
        assert_eq!(hits(file, "有人在很远的那个地方晕倒"), []);
    }

    #[test]
    fn the_heavier_pattern_wins_at_one_place() {
        assert_eq!(hits("着火 a 1\n着火了 a 2\n", "着火了"), [(0, 3, "a")]);
    }

    #[test]
    fn a_pattern_is_found_whatever_its_second_character_is_made_of() {
        let file = "停(水|电|) a 1\n漏~水 b 1\n(积|)水(了|) c 1\n";
        assert_eq!(hits(file, "停水停电停"), [(0, 2, "a"), (1, 2, "c"), (2, 4, "a"), (4, 5, "a")]);
        assert_eq!(hits(file, "漏水漏了水"), [(0, 2, "b"), (1, 2, "c"), (2, 5, "b"), (4, 5, "c")]);
        assert_eq!(hits(file, "积水了"), [(0, 3, "c"), (1, 3, "c")]);
    }

    #[test]
    fn contexts_end_with_the_utterance() {
        let chars: Vec<char> = "一二\n三四五\n六".chars().collect();
        assert_eq!(before(&chars, &(4..5), 9), 3..4);
        assert_eq!(after(&chars, &(4..5), 9), 5..6);
    }

    #[test]
    #[should_panic(expected = "built-in lexicon line")]
    fn a_malformed_line_is_our_fault() {
        Lexicon::built_in("投诉 a\n");
    }
}
