//! Words that name a day.

use super::super::LocalTime;
use super::super::lexicon::{Lexicon, starts};
use super::super::number::{digit, in_number, number};
use super::clock::Part;
use std::ops::Range;

/// A day that was said.
pub(super) struct Day {
    pub(super) range: Range<usize>,
    /// None when it stays as it was said.
    pub(super) date: Option<LocalTime>,
    /// The minute is known too: 半小时前.
    pub(super) exact: bool,
    /// The part of the day that the word itself names: 昨晚.
    pub(super) part: Option<Part>,
    pub(super) confidence: f32,
}

/// How sure a day is from which a date is made.
const CERTAIN: f32 = 0.8;
/// Days back that are still counted rather than estimated.
const DAYS_BACK_MAX: u32 = 10;

/// All days in the order of the text; the longest of those that begin together.
pub(super) fn all(chars: &[char], words: &Lexicon, now: LocalTime) -> Vec<Day> {
    let mut days = from_words(chars, words, now);
    days.extend(super::lunar::all(chars));
    for at in 0..chars.len() {
        let starts_number = at == 0 || !in_number(chars[at - 1]);
        let counted = starts_number.then(|| calendar(chars, at, now).or(ago(chars, at, now)));
        days.extend(counted.flatten());
        days.extend(weekday(chars, at, now));
    }
    days.sort_by_key(|day| (day.range.start, std::cmp::Reverse(day.range.end)));
    days
}

fn from_words(chars: &[char], words: &Lexicon, now: LocalTime) -> Vec<Day> {
    let day = |hit: super::super::lexicon::Hit| {
        let (days, part) = hit.value.split_once('-').unwrap_or((hit.value, ""));
        let back: Option<i64> = days.parse().ok();
        let recent = days == "now";
        let date = back.or(recent.then_some(0)).map(|back| now.plus_days(-back));
        let confidence = match (recent, back) {
            (true, _) => 0.6,
            (_, Some(_)) => CERTAIN,
            _ => hit.weight,
        };
        let part = Part::named(part);
        Day { range: hit.range, date, exact: false, part, confidence }
    };
    words.hits(chars).into_iter().map(day).collect()
}

/// `[N年]N月N号`, 去年十月, 这个月5号, and N号 alone before a part of the day.
fn calendar(chars: &[char], at: usize, now: LocalTime) -> Option<Day> {
    let mut end = at;
    let mut take = |unit: &[char]| {
        let (value, length) = number(chars.get(end..)?)?;
        let matches = unit.contains(chars.get(end + length)?);
        matches.then(|| end += length + 1)?;
        Some(value)
    };
    let year = take(&['年']).filter(|year| (1990..=2200).contains(year) || *year < 100);
    let month = take(&['月']).filter(|month| (1..=12).contains(month));
    let day = take(&['号', '日']).filter(|day| (1..=31).contains(day));
    let (start, years_back) = match word_before(chars, at) {
        Some((length, back)) if year.is_none() => (at - length, Some(back)),
        _ => (at, None),
    };
    let spoken_year = year.map(|year| if year < 100 { 2000 + year } else { year } as i32);
    let year_of = spoken_year.or(years_back.map(|back| now.year - back));
    let said =
        |confidence| Day { range: start..end, date: None, exact: false, part: None, confidence };
    match (month, day) {
        (Some(month), Some(day)) => {
            let date = dated(year_of, month, day, now)?;
            Some(Day { date: Some(date), ..said(CERTAIN + 0.05) })
        }
        (Some(_), None) => {
            let tail = chars.get(end).is_some_and(|c| "份初底中".contains(*c));
            let day = said(if year_of.is_some() || tail { 0.6 } else { 0.45 });
            Some(Day { range: start..end + usize::from(tail), ..day })
        }
        (None, Some(day)) if year.is_none() => {
            if let Some(length) = last_month_before(chars, at) {
                let last = LocalTime { day: 1, ..now }.plus_days(-1);
                let date = LocalTime { day: day as u8, ..last };
                let range = at - length..end;
                return date.exists().then(|| Day { date: Some(date), range, ..said(CERTAIN) });
            }
            let date = this_month(day, now)?;
            is_date_context(&chars[end..]).then(|| Day { date: Some(date), ..said(0.65) })
        }
        _ => None,
    }
}

/// 上个月 in front of a day of the month: its length.
fn last_month_before(chars: &[char], at: usize) -> Option<usize> {
    ["上个月", "上月"]
        .into_iter()
        .map(|word| (word.chars().count(), word))
        .find(|(length, word)| {
            at.checked_sub(*length).is_some_and(|from| starts(&chars[from..at], word))
        })
        .map(|(length, _)| length)
}

/// 去年, 今年, 前年 in front, with its length and the years back.
fn word_before(chars: &[char], at: usize) -> Option<(usize, i32)> {
    let front: String = chars[at.saturating_sub(2)..at].iter().collect();
    let back = ["今年", "去年", "前年"].iter().position(|word| *word == front)?;
    Some((2, back as i32))
}

/// The date of that year; without one, the last such date before the call.
fn dated(year: Option<i32>, month: u32, day: u32, now: LocalTime) -> Option<LocalTime> {
    let of = |year| LocalTime { year, month: month as u8, day: day as u8, ..now };
    let date = match year {
        Some(year) => of(year),
        None if of(now.year) > now => of(now.year - 1),
        None => of(now.year),
    };
    date.exists().then_some(date)
}

fn this_month(day: u32, now: LocalTime) -> Option<LocalTime> {
    let date = LocalTime { day: day as u8, ..now };
    if date <= now {
        return date.exists().then_some(date);
    }
    let last = LocalTime { day: 1, ..now }.plus_days(-1);
    let date = LocalTime { day: day as u8, ..last };
    date.exists().then_some(date)
}

/// A number with 号 is a date rather than a house only before such words.
fn is_date_context(rest: &[char]) -> bool {
    const AFTER: [&str; 10] =
        ["早上", "上午", "中午", "下午", "晚上", "凌晨", "那天", "的时候", "开始", "的事"];
    AFTER.iter().any(|word| starts(rest, word))
}

/// N天前, 半小时前, N分钟前; 三个月前 as said.
fn ago(chars: &[char], at: usize, now: LocalTime) -> Option<Day> {
    let (count, length) = match chars[at] {
        '半' => (None, 1),
        _ => number(&chars[at..]).map(|(count, length)| (Some(count), length))?,
    };
    let rest: String = chars[at + length..].iter().take(7).collect();
    let units = [
        ("个多小时", 0),
        ("个小时", 60),
        ("小时", 60),
        ("个钟头", 60),
        ("分钟", 1),
        ("天", 1_440),
        ("个多月", 0),
        ("个月", 0),
        ("个星期", 0),
        ("个礼拜", 0),
        ("周", 0),
        ("年", 0),
    ];
    let (unit, minutes) = units.into_iter().find(|(unit, _)| rest.starts_with(unit))?;
    let tail = &rest[unit.len()..];
    let tail = ["之前", "以前", "前"].into_iter().find(|word| tail.starts_with(word))?;
    let end = at + length + unit.chars().count() + tail.chars().count();
    let said = Day { range: at..end, date: None, exact: false, part: None, confidence: 0.6 };
    Some(match (minutes, count) {
        (0, _) => said,
        (1_440, Some(days)) if days <= DAYS_BACK_MAX => {
            Day { date: Some(now.plus_days(-i64::from(days))), confidence: 0.75, ..said }
        }
        (1_440, _) => said,
        (unit, count) => {
            let minutes = count.map_or(unit / 2, |count| i64::from(count) * unit);
            Day { date: Some(now.plus_minutes(-minutes)), exact: true, confidence: 0.75, ..said }
        }
    })
}

/// 上周三, 这周一, 星期五: without 上 the last such day up to today.
fn weekday(chars: &[char], at: usize, now: LocalTime) -> Option<Day> {
    let rest: String = chars[at..].iter().take(6).collect();
    const WEEKS: [(&str, Option<i64>); 8] = [
        ("上个", Some(-7)),
        ("上", Some(-7)),
        ("这个", Some(0)),
        ("这", Some(0)),
        ("本", Some(0)),
        ("下个", Some(7)),
        ("下", Some(7)),
        ("", None),
    ];
    let (prefix, week) = WEEKS.into_iter().find(|(prefix, _)| rest.starts_with(prefix))?;
    let tail = &rest[prefix.len()..];
    let unit = ["星期", "礼拜", "周"].into_iter().find(|unit| tail.starts_with(unit))?;
    let length = prefix.chars().count() + unit.chars().count();
    let named = *chars.get(at + length)?;
    let day = match named {
        '日' | '天' => 7,
        _ => digit(named).map(i64::from).filter(|day| (1..=6).contains(day))?,
    };
    let end = at + length + 1;
    let bare = week.is_none();
    let habit = chars.get(end).is_some_and(|c| "到至、和".contains(*c));
    let front = at.checked_sub(1).map(|at| chars[at]);
    if habit || (bare && front.is_some_and(|c| "每到至个上下这本一两三".contains(c))) {
        return None;
    }
    let monday = now.plus_days(1 - now.weekday());
    let date = match week {
        Some(week) => monday.plus_days(week + day - 1),
        None if day > now.weekday() => monday.plus_days(day - 8),
        None => monday.plus_days(day - 1),
    };
    let confidence = if bare { 0.6 } else { CERTAIN };
    Some(Day { range: at..end, date: Some(date), exact: false, part: None, confidence })
}
