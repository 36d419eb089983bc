//! Days of the lunar calendar: 农历八月十五, 腊月二十三, 正月初六, 大年三十. They stay as they were said;
//! which day of the common calendar is meant is the seat's to ask.

use super::super::lexicon::starts;
use super::super::number::{in_number, number};
use super::day::Day;
use std::ops::Range;

/// How sure a lunar day is.
const CONFIDENCE: f32 = 0.62;
const CALENDARS: [&str; 4] = ["农历", "阴历", "旧历", "老历"];
const MONTHS: [&str; 4] = ["腊月", "冬月", "正月", "闰月"];
/// Days with names of their own.
const NAMED: [&str; 7] = ["大年三十", "年三十", "大年夜", "除夕", "小年", "元宵节", "中秋节"];

/// All lunar days of the text.
pub(super) fn all(chars: &[char]) -> Vec<Day> {
    let day = |range: Range<usize>| Day {
        range,
        date: None,
        exact: false,
        part: None,
        confidence: CONFIDENCE,
    };
    let mut days: Vec<Day> = Vec::new();
    for at in 0..chars.len() {
        let free = days.last().is_none_or(|last| last.range.end <= at);
        if let Some(end) = free.then(|| lunar(chars, at)).flatten() {
            days.push(day(at..end));
        }
    }
    days
}

fn lunar(chars: &[char], at: usize) -> Option<usize> {
    let word = |words: &[&str], at: usize| {
        let found = words.iter().find(|word| starts(&chars[at..], word))?;
        Some(at + found.chars().count())
    };
    if let Some(end) = word(&NAMED, at) {
        return Some(end);
    }
    if let Some(end) = word(&["大年初"], at) {
        return day_of_month(chars, end);
    }
    if let Some(behind) = word(&CALENDARS, at) {
        let behind = behind + usize::from(chars.get(behind) == Some(&'的'));
        let month = word(&MONTHS, behind).or_else(|| counted_month(chars, behind))?;
        return day_of_month(chars, month).or(Some(month));
    }
    let month = word(&MONTHS, at)?;
    // 腊月里 and 腊月 are a time too.
    let tail = word(&["里", "底", "初头"], month);
    day_of_month(chars, month).or(tail).or(Some(month))
}

fn counted_month(chars: &[char], at: usize) -> Option<usize> {
    let (month, length) = number(&chars[at..])?;
    let end = at + length;
    ((1..=12).contains(&month) && chars.get(end) == Some(&'月')).then_some(end + 1)
}

/// 初六, 十五, 廿三, 二十三.
fn day_of_month(chars: &[char], at: usize) -> Option<usize> {
    let led = chars.get(at).is_some_and(|c| matches!(c, '初' | '廿'));
    let from = at + usize::from(led);
    let rest = chars.get(from..)?;
    if !led && !rest.first().is_some_and(|c| in_number(*c)) {
        return None;
    }
    let (day, length) = number(rest)?;
    let end = from + length;
    let end = end + usize::from(chars.get(end).is_some_and(|c| matches!(c, '号' | '日')));
    (1..=30).contains(&day).then_some(end)
}
