//! Dates and clock times.

use super::parse::{self, digits, is_numeral};
use super::{Edit, Number, Page, ends, starts};
use std::ops::Range;

/// Words behind which an hour stands.
const DAY_PARTS: [&str; 20] = [
    "上午", "下午", "中午", "早上", "早晨", "清晨", "凌晨", "晚上", "傍晚", "夜里", "半夜", "今晚",
    "昨晚", "明晚", "今早", "昨早", "明早", "夜晚", "深夜", "午后",
];
/// What may stand between them and the hour.
const ABOUT: [&str; 4] = ["大概", "大约", "差不多", "的"];
/// What is counted in 点 and not told by the clock.
const POINTS: [&str; 7] = ["建议", "意见", "要求", "问题", "原因", "想法", "声音"];
/// With these behind it, 一点 is an hour.
const ONE_O_CLOCK: [&str; 8] = ["钟", "左右", "多", "到", "的时候", "开始", "，", "。"];

/// Clock times: 下午三点半, 八点二十, 上午九点到十一点.
pub(super) fn clocks(page: &mut Page<'_>) {
    let mut told_to = None;
    for run in page.runs() {
        let number = Number::of(page.chars, run);
        let from = told_to.filter(|end| is_until(&page.chars[*end..number.range.start.max(*end)]));
        if let Some((edits, end)) = clock(&number, page.chars, from.is_some()) {
            edits.into_iter().for_each(|edit| page.put(edit));
            told_to = Some(end);
        }
    }
}

fn is_until(between: &[char]) -> bool {
    matches!(between, ['到' | '至'])
}

/// The edits of a clock time and its end.
fn clock(number: &Number<'_>, chars: &[char], is_end: bool) -> Option<(Vec<Edit>, usize)> {
    let hour = number.exact().filter(|hour| *hour <= 24)?;
    let rest = number.after.strip_prefix(&['点'])?;
    let after = number.range.end + 1;
    let half =
        starts(rest, "半") && !["半天", "半个", "半夜"].iter().any(|word| starts(rest, word));
    let word =
        [(half, 1), (starts(rest, "钟"), 1), (starts(rest, "一刻"), 2), (starts(rest, "三刻"), 2)];
    let word = word.iter().find(|(is, _)| *is).map(|(_, length)| *length);
    let minute = minute(chars, after);
    let is_told = is_end || is_day_part(number.before);
    let is_point = POINTS.iter().any(|word| starts(rest, word))
        || rest.first().is_some_and(|c| is_numeral(*c));
    let is_one = hour != 1 || rest.is_empty() || ONE_O_CLOCK.iter().any(|word| starts(rest, word));
    if word.is_none() && minute.is_none() && !(is_told && !is_point && is_one) {
        return None;
    }
    let mut edits = vec![number.edit(parse::written(hour))];
    let mut end = after + word.unwrap_or(0);
    if let (None, Some(minute)) = (word, minute) {
        end = minute.range.end + usize::from(chars.get(minute.range.end) == Some(&'分'));
        edits.push(minute);
    }
    Some((edits, end))
}

fn is_day_part(before: &[char]) -> bool {
    let about = ABOUT.iter().find(|word| ends(before, word)).map_or(0, |word| word.chars().count());
    let front = &before[..before.len() - about];
    DAY_PARTS.iter().any(|word| ends(front, word))
}

/// 二十, 十五分, 零五: two characters or more, for 三点五 may be a decimal.
fn minute(chars: &[char], from: usize) -> Option<Edit> {
    let length = chars[from..].iter().take_while(|c| is_numeral(**c)).count();
    let said = &chars[from..from + length];
    let value = match said {
        ['零', one] => digits(&[*one])?.parse().ok()?,
        [_, _, ..] => parse::cardinal(said).filter(|cardinal| !cardinal.is_elided)?.value,
        _ => return None,
    };
    let rest = &chars[from + length..];
    let is_minute =
        value < 60 && !["个", "分钟", "几", "多", "万"].iter().any(|word| starts(rest, word));
    is_minute.then(|| Edit::new(from..from + length, format!("{value:02}")))
}

/// A year of two digits, a month, a day of the month.
pub(super) fn date(number: &Number<'_>) -> Option<Edit> {
    if let Some(year) = short_year(number) {
        return Some(number.edit(year));
    }
    let value = number.exact()?;
    let (sign, rest) = number.after.split_first()?;
    let is_date = match sign {
        '月' => (1..=12).contains(&value) && (number.follows(&["年"]) || is_month(rest)),
        '号' | '日' => (1..=31).contains(&value) && ends_month(number.before),
        _ => false,
    };
    is_date.then(|| number.edit(parse::written(value)))
}

/// 零八年, 九八年; 一二年 may be a year or two.
fn short_year(number: &Number<'_>) -> Option<String> {
    let year = digits(number.said).filter(|year| year.len() == 2)?;
    let [tens, ones] = year.as_bytes() else { return None };
    let is_year =
        starts(number.after, "年") && !["年级", "年代"].iter().any(|w| starts(number.after, w));
    (is_year && matches!(tens, b'0' | b'1' | b'2' | b'9') && *ones != tens + 1).then_some(year)
}

/// Whether a day stands behind 月, or a word that only a month has.
fn is_month(rest: &[char]) -> bool {
    let length = rest.iter().take_while(|c| is_numeral(**c) || c.is_ascii_digit()).count();
    let is_day = length > 0 && rest.get(length).is_some_and(|c| matches!(c, '号' | '日'));
    is_day || ["份", "底", "初", "上旬", "中旬", "下旬"].iter().any(|word| starts(rest, word))
}

fn ends_month(before: &[char]) -> bool {
    matches!(before, [.., count, '月'] if is_numeral(*count) || count.is_ascii_digit())
}

/// Where numerals begin from here on.
pub(super) fn numerals(chars: &[char], from: usize) -> Range<usize> {
    from..from + chars[from..].iter().take_while(|c| is_numeral(**c)).count()
}
