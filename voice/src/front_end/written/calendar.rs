//! Dates, years and times of day.

use super::Spoken;
use super::cardinal::{One, cardinal, spell};
use super::scan::{counted, digits, is_digit, is_to};

/// Four digits that name a year, when nothing says otherwise.
const YEARS: std::ops::RangeInclusive<u32> = 1900..=2099;

/// 2024-05-06, 2024/5/6, 2024.5.6 and 2024-05.
pub(super) fn date(text: &[char], at: usize) -> Option<Spoken> {
    let (year, i) = digits(text, at);
    let separator = *text.get(i).filter(|c| "-/.".contains(**c))?;
    let (month, end) = digits(text, i + 1);
    if !is_year(&year) || !(1..=12).contains(&month.parse().unwrap_or(0)) {
        return None;
    }
    let months = format!("{}年{}月", spell(&year, One::Yi), cardinal(&month));
    if text.get(end) == Some(&separator) && is_digit(text, end + 1) {
        let (day, end) = digits(text, end + 1);
        let is_day = (1..=31).contains(&day.parse().unwrap_or(0)) && day.len() <= 2;
        return is_day.then(|| (format!("{months}{}日", cardinal(&day)), end));
    }
    // Without a day only what cannot be a decimal or a fraction.
    (separator == '-' && month.len() == 2 && !unit_follows(text, end)).then_some((months, end))
}

/// 2026年, 2026届, and the first year of 2020-2025年. A year that nothing follows counts as one too.
pub(super) fn year(text: &[char], at: usize) -> Option<Spoken> {
    let (year, end) = digits(text, at);
    let is_decimal = text.get(end) == Some(&'.') && is_digit(text, end + 1);
    if year.len() != 4 || is_decimal {
        return None;
    }
    let what = counted(text, end).first();
    let named = what.is_some_and(|c| "年届版级款".contains(*c));
    let century = (1800..=2199).contains(&year.parse().unwrap_or(0));
    let range = is_to(text, end) && is_year(&digits(text, end + 1).0);
    let alone = is_year(&year) && (range || !is_to(text, end)) && !unit_follows(text, end);
    (named && century || alone).then(|| (spell(&year, One::Yi), end))
}

/// 9:00 → 九点, 14:05 → 十四点零五分, 8:05:30.
pub(super) fn time(text: &[char], at: usize) -> Option<Spoken> {
    let (hour, i) = digits(text, at);
    let (minute, mut end) = colon(text, i)?;
    let (h, m) = (hour.parse::<u8>().ok()?, minute.parse::<u8>().ok()?);
    if h > 24 || m > 59 {
        return None;
    }
    let mut spoken = if h == 2 { "两点".to_owned() } else { format!("{}点", cardinal(&hour)) };
    let second = colon(text, end).filter(|(second, _)| second.as_str() < "60");
    if m > 0 || second.is_some() {
        spoken += &format!("{}分", two_digits(&minute));
    }
    if let Some((second, after)) = second {
        spoken += &format!("{}秒", two_digits(&second));
        end = after;
    }
    Some((spoken, end))
}

/// 05 → 零五, 30 → 三十.
pub(super) fn two_digits(digits: &str) -> String {
    if digits.starts_with('0') { spell(digits, One::Yao) } else { cardinal(digits) }
}

/// The two digits after a colon at `at`.
fn colon(text: &[char], at: usize) -> Option<(String, usize)> {
    let (found, end) = digits(text, at + 1);
    (text.get(at).is_some_and(|c| ":：".contains(*c)) && found.len() == 2).then_some((found, end))
}

fn is_year(digits: &str) -> bool {
    digits.len() == 4 && digits.parse().is_ok_and(|n| YEARS.contains(&n))
}

/// Whether what ends at `end` is a quantity of something.
fn unit_follows(text: &[char], end: usize) -> bool {
    let rest = counted(text, end);
    super::measure::is_counted(rest)
        || super::measure::unit(rest).is_some()
        || rest.first().is_some_and(|c| "%‰号室.-".contains(*c) || c.is_ascii_alphanumeric())
}
