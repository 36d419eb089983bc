//! Weighted word patterns from a data file.

use super::transcript::{BREAK, ends_clause};
use std::collections::HashMap;
use std::ops::Range;

/// Most characters that a `~` may stand for.
const GAP_CHARS_MAX: usize = 6;

/// Patterns by their first character.
///
/// A file has one pattern a line: `pattern value weight`, separated by blanks; `#` begins a
/// comment. In a pattern `(a|b|)` is a choice and `~` stands for up to six characters of the same
/// clause.
pub(crate) struct Lexicon {
    entries: Vec<Entry>,
    by_first: HashMap<char, Vec<usize>>,
}

struct Entry {
    parts: Vec<Vec<char>>,
    value: &'static str,
    weight: f32,
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
        let mut lexicon = Self { entries: Vec::new(), by_first: HashMap::new() };
        for line in lines.filter(|line| !line.is_empty()) {
            lexicon.add(line).unwrap_or_else(|| panic!("built-in lexicon line {line:?}"));
        }
        lexicon
    }

    fn add(&mut self, line: &'static str) -> Option<()> {
        let mut columns = line.split_whitespace();
        let (pattern, value) = (columns.next()?, columns.next()?);
        let weight: f32 = columns.next()?.parse().ok()?;
        for choice in choices(pattern) {
            let parts: Vec<Vec<char>> =
                choice.split('~').map(|part| part.chars().collect()).collect();
            if parts.iter().any(Vec::is_empty) {
                return None;
            }
            self.by_first.entry(parts[0][0]).or_default().push(self.entries.len());
            self.entries.push(Entry { parts, value, weight });
        }
        columns.next().is_none().then_some(())
    }

    /// All patterns found, in order of their first character; of several with one value that
    /// begin at the same place, the heaviest and then the longest.
    pub(crate) fn hits(&self, chars: &[char]) -> Vec<Hit> {
        let mut hits: Vec<Hit> = Vec::new();
        for (at, first) in chars.iter().enumerate() {
            let begun = hits.len();
            for entry in self.by_first.get(first).into_iter().flatten() {
                let entry = &self.entries[*entry];
                let Some(end) = entry.end(chars, at) else { continue };
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
}

impl Hit {
    fn beats(&self, other: &Self) -> bool {
        (self.weight.abs(), self.range.end) > (other.weight.abs(), other.range.end)
    }
}

impl Entry {
    /// Where the pattern ends if it begins at `at`.
    fn end(&self, chars: &[char], at: usize) -> Option<usize> {
        let mut end = at;
        for (number, part) in self.parts.iter().enumerate() {
            let gap_max = if number == 0 { 0 } else { GAP_CHARS_MAX };
            let gap = (0..=gap_max)
                .take_while(|gap| {
                    *gap == 0 || chars.get(end + gap - 1).is_some_and(|c| !ends_clause(*c))
                })
                .find(|gap| chars.get(end + gap..).is_some_and(|rest| rest.starts_with(part)))?;
            end += gap + part.len();
        }
        Some(end)
    }
}

/// All texts that a pattern with choices stands for.
fn choices(pattern: &str) -> Vec<String> {
    let Some((before, rest)) = pattern.split_once('(') else { return vec![pattern.to_owned()] };
    let Some((inside, after)) = rest.split_once(')') else { return Vec::new() };
    let tails = choices(after);
    let heads = inside.split('|').map(|choice| format!("{before}{choice}"));
    heads.flat_map(|head| tails.iter().map(move |tail| format!("{head}{tail}"))).collect()
}

/// The words of a built-in file, one a line; `#` begins a comment.
pub(crate) fn words(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.lines().flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace())
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
