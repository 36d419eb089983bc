//! Inverse text normalisation: spoken numbers as people write them.
//!
//! A number becomes digits where its surroundings say what it is (a telephone, a date, a clock time,
//! money, a share, a door) or where it is exact and long (三百二十). Small counts (三个), estimates
//! (三四十, 二十几), idioms (一五一十) and names (五一路, 三里屯) stay.

mod digits;
mod measures;
mod moments;
mod parse;

use super::{Edit, Text, ends, starts};
use parse::{Cardinal, is_numeral};
use std::ops::Range;

/// Words in which a numeral is no number.
const IDIOMS: [&str; 45] = [
    "一五一十",
    "乱七八糟",
    "三心二意",
    "七上八下",
    "四面八方",
    "五花八门",
    "三番五次",
    "三天两头",
    "一清二楚",
    "一干二净",
    "十全十美",
    "不三不四",
    "丢三落四",
    "朝三暮四",
    "接二连三",
    "三三两两",
    "千方百计",
    "万无一失",
    "十有八九",
    "九牛一毛",
    "三十六计",
    "不管三七二十一",
    "七七八八",
    "十万火急",
    "十万八千里",
    "百分百",
    "一百八十度",
    "二十四节气",
    "一千零一夜",
    "三百六十行",
    "二十四孝",
    "八九不离十",
    "一百个不",
    "一百个放心",
    "十年八年",
    "十天半",
    "十个手指",
    "三十而立",
    "四十不惑",
    "五十步笑百步",
    "九九八十一",
    "十三陵",
    "十八般",
    "十月怀胎",
    "十里八乡",
];
/// With these in front, numerals are a rank or an estimate.
const NOT_BEFORE: &str = "第几数初好头成每近";
/// With these behind, numerals are an estimate.
const NOT_AFTER: &str = "几来余";

/// Writes numbers.
pub(super) fn write(text: &Text) -> Text {
    let mut written = text.clone();
    // What is written by now may show what stands beside it; each round leaves fewer numerals.
    loop {
        let chars = written.plain();
        let edits = Page::of(&chars).edits();
        if edits.is_empty() {
            return written;
        }
        written = written.edited(&edits);
    }
}

/// A text while its numbers are found.
struct Page<'a> {
    chars: &'a [char],
    /// Characters that are part of an edit or an idiom.
    taken: Vec<bool>,
    edits: Vec<Edit>,
}

impl<'a> Page<'a> {
    fn of(chars: &'a [char]) -> Self {
        let mut page = Self { chars, taken: vec![false; chars.len()], edits: Vec::new() };
        for at in 0..chars.len() {
            if let Some(idiom) = IDIOMS.iter().find(|idiom| starts(&chars[at..], idiom)) {
                page.taken[at..at + idiom.chars().count()].fill(true);
            }
        }
        page
    }

    fn edits(mut self) -> Vec<Edit> {
        measures::shares(&mut self);
        measures::decimals(&mut self);
        digits::telephones(&mut self);
        moments::clocks(&mut self);
        for run in self.runs() {
            let number = Number::of(self.chars, run.clone());
            let edit = digits::one_by_one(&number)
                .or_else(|| moments::date(&number))
                .or_else(|| measures::money(&number))
                .or_else(|| measures::door(&number))
                .or_else(|| measures::count(&number));
            if let Some(edit) = edit {
                self.put(edit);
            }
        }
        self.edits.sort_by_key(|edit| edit.range.start);
        self.edits
    }

    /// Stretches of numerals that nothing has taken.
    fn runs(&self) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for (at, c) in self.chars.iter().enumerate() {
            if !is_numeral(*c) || self.taken[at] {
                continue;
            }
            match runs.last_mut() {
                Some(run) if run.end == at => run.end += 1,
                _ => runs.push(at..at + 1),
            }
        }
        let is_apart = |run: &Range<usize>| {
            let latin =
                |c: Option<&char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || *c == '.');
            !latin(self.chars[..run.start].last()) && !latin(self.chars.get(run.end))
        };
        runs.retain(is_apart);
        runs
    }

    /// Takes an edit unless its place is taken.
    fn put(&mut self, edit: Edit) {
        let place = &mut self.taken[edit.range.clone()];
        if !place.contains(&true) {
            place.fill(true);
            self.edits.push(edit);
        }
    }
}

/// A stretch of numerals and what stands beside it.
struct Number<'a> {
    range: Range<usize>,
    said: &'a [char],
    before: &'a [char],
    after: &'a [char],
    cardinal: Option<Cardinal>,
}

impl<'a> Number<'a> {
    fn of(chars: &'a [char], range: Range<usize>) -> Self {
        let said = &chars[range.clone()];
        let (before, after) = (&chars[..range.start], &chars[range.end..]);
        Self { said, before, after, cardinal: parse::cardinal(said), range }
    }

    /// The number, unless it is a rank, an estimate, or has its last unit left out.
    fn exact(&self) -> Option<u64> {
        let cardinal = self.cardinal.filter(|cardinal| !cardinal.is_elided)?;
        (!self.is_vague()).then_some(cardinal.value)
    }

    fn is_vague(&self) -> bool {
        let before = self.before.last().is_some_and(|c| NOT_BEFORE.contains(*c));
        before || self.after.first().is_some_and(|c| NOT_AFTER.contains(*c))
    }

    fn follows(&self, words: &[&str]) -> bool {
        words.iter().any(|word| ends(self.before, word))
    }

    fn precedes(&self, words: &[&str]) -> bool {
        words.iter().any(|word| starts(self.after, word))
    }

    fn edit(&self, with: String) -> Edit {
        Edit::new(self.range.clone(), with)
    }
}
