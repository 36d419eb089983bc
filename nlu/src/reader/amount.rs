//! 涉及金额: sums of money in yuan.
//!
//! 三千五, 一万二, 两块五, 3.5万, 12,800元. A number counts as money with a unit (块, 元, 毛) or where
//! the words in front of it pay, owe or return it (交了, 欠, 退) and none behind it counts something
//! else. A sum of all (一共) outweighs its parts, what is taken back gives way, and what is vague
//! (几百, 两三千) gives nothing.

use super::lexicon::{Lexicon, before, starts};
use super::number::digit;
use super::reply::{denies_the_next, takes_back};
use super::transcript::Transcript;
use crate::draft::{Field, Tag};
use std::ops::Range;

/// Parts of a yuan in which sums are counted.
const PARTS: u64 = 10_000;
/// Most digits of one number.
const DIGITS_MAX: usize = 9;
/// How far in front of a sum its cue ends.
const CUE_CHARS: usize = 10;
/// How far a correction lies behind the wrong sum.
const CORRECTION_CHARS: usize = 14;
/// What a sum is worth that stands where one was asked for or taken back, and one with a unit alone.
const ANSWERED: f32 = 0.85;
const WITH_UNIT: f32 = 0.7;
/// What a corrected sum is worth.
const CORRECTED: f32 = 0.4;
/// Of two equal sums the one that was said first.
const LATER: f32 = 0.01;
/// 三百多块: about.
const ABOUT: f32 = 0.8;
/// Most candidates.
const CANDIDATES_MAX: usize = 4;
/// What counts something other than money behind a number.
const MEASURES: &str = "个户平米弄天年月号人次遍斤公里辆台度吨分点小岁层栋楼条张件页名位株间套家棵亩字步种\
                        样周秒届期室单份只头路班岔倍道枪粒盒箱瓶袋包顿趟回多来几";

/// Reads sums of money.
pub(crate) struct Amounts {
    cues: Lexicon,
}

struct Said {
    /// In ten-thousandths of a yuan.
    parts: u64,
    confidence: f32,
    range: Range<usize>,
}

impl Amounts {
    pub(crate) fn new() -> Self {
        Self { cues: Lexicon::built_in(include_str!("../lexicon/amount.txt")) }
    }

    /// All sums, the likeliest first.
    pub(crate) fn read(&self, talk: &Transcript<'_>) -> Vec<Tag> {
        let mut said = self.sums(talk);
        correct(&talk.chars, &mut said);
        let mut tags: Vec<Tag> = Vec::new();
        for said in said {
            let value = yuan(said.parts);
            match tags.iter_mut().find(|tag| tag.value == value) {
                Some(known) => known.confidence = known.confidence.min(said.confidence),
                None => {
                    let confidence = said.confidence - LATER * tags.len().min(10) as f32;
                    tags.push(talk.tag_at(Field::Amount, value, confidence, said.range));
                }
            }
        }
        tags.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        tags.truncate(CANDIDATES_MAX);
        tags
    }

    fn sums(&self, talk: &Transcript<'_>) -> Vec<Said> {
        let chars = &talk.chars;
        let asked: Vec<usize> = talk
            .answers()
            .filter(|(asked, _)| asks_for_a_sum(&asked.chars))
            .map(|(_, answer)| answer.start)
            .collect();
        let mut said: Vec<Said> = Vec::new();
        let mut at = 0;
        while at < chars.len() {
            let Some(sum) = sum(chars, at) else {
                at += 1;
                continue;
            };
            let range = at..sum.end;
            at = sum.end;
            let corrects = |last: &Said| {
                let between = last.range.end..range.start;
                between.len() <= CORRECTION_CHARS && takes_back(&chars[between])
            };
            let answers = asked.contains(&range.start) || said.last().is_some_and(corrects);
            if let Some(confidence) = self.confidence(chars, &range, &sum, answers) {
                said.push(Said { parts: sum.parts, confidence, range });
            }
        }
        said
    }

    /// How likely the number is the money of the matter; none if it is none.
    fn confidence(
        &self,
        chars: &[char],
        range: &Range<usize>,
        sum: &Sum,
        answers: bool,
    ) -> Option<f32> {
        let hits = self.cues.uncovered(&chars[before(chars, range, CUE_CHARS)]);
        let nearest = hits.iter().max_by_key(|hit| (hit.range.end, hit.range.len()));
        let close = nearest.is_some_and(|hit| {
            hit.value == "paid" && hit.range.end + 3 >= before(chars, range, CUE_CHARS).len()
        });
        let counts_else = chars.get(range.end).is_some_and(|c| MEASURES.contains(*c));
        if !sum.unit && (counts_else || !(answers || (close && sum.large))) {
            return None;
        }
        let total = hits.iter().find(|hit| hit.value == "total");
        let alone = if answers { ANSWERED } else { WITH_UNIT };
        let confidence = total.or(nearest).map_or(alone, |hit| hit.weight);
        let about = if sum.about { ABOUT } else { 1.0 };
        Some(confidence * about)
    }
}

/// 多少钱, 欠您多少, 押金多少; not 多少号.
fn asks_for_a_sum(chars: &[char]) -> bool {
    const OTHER: [&str; 6] = ["号", "天", "人", "岁", "平", "户"];
    let at = (0..chars.len()).find(|at| starts(&chars[*at..], "多少"));
    at.is_some_and(|at| !OTHER.iter().any(|word| starts(&chars[at + 2..], word)))
}

/// 不对，是…: the sum before gives way.
fn correct(chars: &[char], said: &mut [Said]) {
    for later in 1..said.len() {
        let between = said[later - 1].range.end..said[later].range.start;
        if denies_the_next(chars, said[later - 1].range.start, &between) {
            said[later].confidence *= CORRECTED;
        } else if between.len() <= CORRECTION_CHARS && takes_back(&chars[between]) {
            let right = said[later].confidence.max(said[later - 1].confidence);
            said[later].confidence = right;
            said[later - 1].confidence *= CORRECTED;
        }
    }
}

/// Ten-thousandths as yuan with at most two decimals.
fn yuan(parts: u64) -> String {
    let (whole, cents) = (parts / PARTS, parts % PARTS / 100);
    match (cents / 10, cents % 10) {
        (0, 0) => whole.to_string(),
        (tenths, 0) => format!("{whole}.{tenths}"),
        (tenths, rest) => format!("{whole}.{tenths}{rest}"),
    }
}

/// A number that may be money.
struct Sum {
    parts: u64,
    end: usize,
    /// 块, 元 or 毛 follow.
    unit: bool,
    /// 百 or more, or two digits and more.
    large: bool,
    about: bool,
}

/// The number with its unit at a position where none is running.
fn sum(chars: &[char], at: usize) -> Option<Sum> {
    let front = at.checked_sub(1).map(|at| chars[at]);
    if front.is_some_and(|c| in_sum(c) || "几数第.点".contains(c) || c.is_ascii_alphabetic()) {
        return None;
    }
    let number = number(&chars[at..])?;
    let mut end = at + number.length;
    let about = chars.get(end).is_some_and(|c| "多来余".contains(*c));
    end += usize::from(about);
    let unit = unit(&chars[end..], number.length);
    if unit == 0 && about {
        end -= 1;
    }
    let mut parts = number.parts;
    // 一百六一张; 三十一个 is one number.
    let price = spoken_digit(chars[end - 1]).is_some() && per_piece(&chars[end..]);
    if unit > 0 {
        let tenths = matches!(chars[end], '毛' | '角');
        if tenths {
            parts /= 10;
        }
        end += unit;
        // 五毛钱一共, 三块钱两斤: with 钱 the sum is over.
        let is_over = matches!(chars[end - 1], '钱' | '前');
        let step = if tenths { PARTS / 100 } else { PARTS / 10 };
        let (rest, length) = if is_over { (0, 0) } else { small_change(&chars[end..], step) };
        parts = parts.saturating_add(rest);
        end += length;
    }
    (parts > 0).then_some(Sum { parts, end, unit: unit > 0 || price, large: number.large, about })
}

/// 一斤, 一张: what a price is for.
fn per_piece(chars: &[char]) -> bool {
    chars.first() == Some(&'一') && chars.get(1).is_some_and(|c| MEASURES.contains(*c))
}

/// Length of 块, 块钱, 元, 毛; 快 and 块前 as they are misheard.
fn unit(chars: &[char], number_length: usize) -> usize {
    const UNITS: [&str; 12] =
        ["块钱", "元钱", "块前", "快钱", "快前", "毛钱", "块", "元", "圆", "毛", "角", "RMB"];
    if let Some(unit) = UNITS.iter().find(|unit| starts(chars, unit)) {
        let area = ["角落", "角度", "块地", "块砖", "块玻", "块牌", "块板", "块石", "元旦", "元宵"];
        return if area.iter().any(|word| starts(chars, word)) { 0 } else { unit.chars().count() };
    }
    let misheard = chars.first() == Some(&'快') && number_length > 1;
    let own = chars.get(1).is_some_and(|c| "递点要到速件乐走来下".contains(*c));
    usize::from(misheard && !own)
}

/// 块五, 块五毛, 块二毛五, 毛五 behind the unit: parts and length. `step` is what the first digit counts.
fn small_change(chars: &[char], step: u64) -> (u64, usize) {
    let at = |at: usize| chars.get(at).copied().and_then(digit).map(u64::from);
    let Some(first) = at(0) else { return (0, 0) };
    let mut length = 1;
    let mut parts = first * step;
    // 五块三个: what is counted is no change.
    if chars.get(length).is_some_and(|c| MEASURES.contains(*c)) {
        return (0, 0);
    }
    if chars.get(length).is_some_and(|c| "毛角".contains(*c)) {
        length += 1;
        if let Some(cents) = at(length) {
            parts += cents * PARTS / 100;
            length += 1;
            length += usize::from(chars.get(length) == Some(&'分'));
        }
    }
    let goes_on = chars.get(length).is_some_and(|c| in_sum(*c));
    if goes_on && !per_piece(&chars[length..]) { (0, 0) } else { (parts, length) }
}

struct Number {
    parts: u64,
    length: usize,
    large: bool,
}

fn multiple(c: char) -> Option<u64> {
    Some(match c {
        '十' => 10,
        '百' => 100,
        '千' => 1_000,
        '万' => 10_000,
        '亿' => 100_000_000,
        _ => return None,
    })
}

/// 俩 is 两 in the north.
fn spoken_digit(c: char) -> Option<u64> {
    if c == '俩' { Some(2) } else { digit(c).map(u64::from) }
}

fn in_sum(c: char) -> bool {
    spoken_digit(c).is_some() || multiple(c).is_some()
}

/// 12,800, 3.5万, 一万八千六, 两千零五十. Digits said one by one (一三八) are no sum.
fn number(chars: &[char]) -> Option<Number> {
    let (mut total, mut section, mut pending) = (0u64, 0u64, None::<u64>);
    let (mut last, mut zero, mut length, mut units) = (PARTS, false, 0, 0);
    while let Some(c) = chars.get(length).copied() {
        if pending.is_some() && per_piece(&chars[length..]) {
            break;
        }
        if let Some(unit) = multiple(c).filter(|unit| length > 0 || *unit == 10) {
            let scale = unit * PARTS;
            match (unit, pending.take()) {
                (10_000.., value) => {
                    let one = if section == 0 { PARTS } else { 0 };
                    let whole = (section + value.unwrap_or(one)).checked_mul(unit)?;
                    (total, section) = (total.checked_add(whole)?, 0);
                }
                _ if section > 0 && last <= scale => return None,
                (unit, value) => section += value.unwrap_or(PARTS) * unit,
            }
            (last, zero, units, length) = (scale, false, units + 1, length + 1);
        } else if let Some((value, run)) = run(&chars[length..]) {
            let run = run - usize::from(run > 1 && per_piece(&chars[length + run - 1..]));
            let value = if run == 1 { spoken_digit(c).map_or(value, |d| d * PARTS) } else { value };
            if pending.is_some() || (run > 1 && !chars[length].is_ascii_digit()) {
                let zero_in_front = chars[length] == '零' || chars[length] == '〇';
                if pending.is_some() || !zero_in_front || run > 2 {
                    return None;
                }
            }
            zero = chars[length] == '零' || chars[length] == '〇';
            pending = Some(value);
            length += run;
        } else {
            break;
        }
    }
    if let Some(value) = pending {
        // 一万二 and 三千五 name the next lower unit.
        let short = units > 0 && !zero && value < 10 * PARTS && last >= 100 * PARTS;
        section += if short { value * (last / PARTS / 10) } else { value };
    }
    let parts = total.checked_add(section)?;
    let large = parts >= 10 * PARTS && (units > 0 || length > 1);
    (length > 0).then_some(Number { parts, length, large })
}

/// A run of digits with commas and one point: its value in parts and its length.
fn run(chars: &[char]) -> Option<(u64, usize)> {
    let first = *chars.first()?;
    if !first.is_ascii_digit() {
        let length = chars.iter().take_while(|c| spoken_digit(**c).is_some()).count();
        let digits = chars[..length.min(DIGITS_MAX)].iter().filter_map(|c| spoken_digit(*c));
        let value = digits.fold(0, |sum, digit| sum * 10 + digit);
        return (1..=DIGITS_MAX).contains(&length).then_some((value * PARTS, length));
    }
    let written = |c: &char| c.is_ascii_digit() || matches!(c, ',' | '.');
    let mut length = chars.iter().take_while(|c| written(c)).count();
    while !chars[length - 1].is_ascii_digit() {
        length -= 1;
    }
    let text: String = chars[..length].iter().filter(|c| **c != ',').collect();
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    if whole.len() > DIGITS_MAX || decimals.len() > 4 || decimals.contains('.') {
        return None;
    }
    let decimals: u64 = format!("{decimals:0<4}").parse().ok()?;
    Some((whole.parse::<u64>().ok()? * PARTS + decimals, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, usize)> {
        let chars: Vec<char> = text.chars().collect();
        sum(&chars, 0).map(|sum| (yuan(sum.parts), sum.end))
    }

    #[test]
    fn sums_are_read_as_they_are_said_and_written() {
        let said = [
            ("三千五", "3500", 3),
            ("一万二", "12000", 3),
            ("两块五", "2.5", 3),
            ("两块五毛钱", "2.5", 4),
            ("一块二毛五", "1.25", 5),
            ("五毛", "0.5", 2),
            ("三十六块五", "36.5", 5),
            ("四百八十三块六", "483.6", 7),
            ("十二万八千", "128000", 5),
            ("一万八千六", "18600", 5),
            ("两千零五十块", "2050", 6),
            ("一千零五块", "1005", 5),
            ("一百一十二块", "112", 6),
            ("二十万", "200000", 3),
            ("二百五", "250", 3),
            ("3.5万", "35000", 4),
            ("3万5", "35000", 3),
            ("12,800元", "12800", 7),
            ("36.5元", "36.5", 5),
            ("八千快", "8000", 3),
            ("三百多块", "300", 4),
            ("一百六一张", "160", 3),
            ("两块五一平", "2.5", 3),
            ("五毛五", "0.55", 3),
            ("五毛钱一共", "0.5", 3),
            ("三块钱两斤", "3", 3),
            ("五块三个", "5", 2),
        ];
        for (text, expected, length) in said {
            assert_eq!(read(text), Some((expected.into(), length)), "{text}");
        }
    }

    #[test]
    fn digits_one_by_one_and_ranges_are_no_sums() {
        for text in ["一三八零零", "两三千", "三四百块", "十百", "五零一", "千万"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
