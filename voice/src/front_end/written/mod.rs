//! Writing as it is spoken: digits, signs and units become hanzi. Letters stay, for the reader of
//! words names them.

mod calendar;
mod cardinal;
mod codes;
mod measure;
mod quantity;
mod scan;
pub(crate) mod signs;

use scan::{is_digit, is_to, starts};

/// What is said, and where in the text it ends.
type Spoken = (String, usize);

/// What a range may begin or end with, besides digits: 3月-5月, 周一至周五.
const RANGE_ENDS: &str = "年月日号时点分秒元角度层楼栋室级岁天周万亿℃%一二三四五六七八九十";
const RANGE_STARTS: &str = "周星一二三四五六七八九十每上下";

/// Writes digits and signs as the hanzi that are spoken: 12345 → 幺二三四五, 14:30 → 十四点三十分,
/// 2024-05-06 → 二零二四年五月六日, 95% → 百分之九十五, ¥12.50 → 十二元五角.
pub fn normalise(text: &str) -> String {
    let text: Vec<char> = text.chars().map(signs::narrow).collect();
    let mut out = String::new();
    let mut at = 0;
    while at < text.len() {
        let (spoken, end) = speak(&text, at);
        out.push_str(&spoken);
        at = end;
    }
    out
}

fn speak(text: &[char], at: usize) -> Spoken {
    if text[at].is_ascii_digit() {
        return numeral(text, at);
    }
    codes::lettered(text, at)
        .or_else(|| quantity::priced(text, at))
        .or_else(|| range(text, at))
        .or_else(|| quantity::negative(text, at))
        .or_else(|| per(text, at))
        .or_else(|| around_digits(text, at))
        .unwrap_or_else(|| (sign(text[at]), at + 1))
}

/// The order matters: what is more certain comes first.
fn numeral(text: &[char], at: usize) -> Spoken {
    calendar::date(text, at)
        .or_else(|| calendar::time(text, at))
        .or_else(|| codes::mixed(text, at))
        .or_else(|| calendar::year(text, at))
        .or_else(|| codes::telephone(text, at))
        .or_else(|| codes::house(text, at))
        .or_else(|| codes::dotted(text, at))
        .or_else(|| quantity::ratio(text, at))
        .unwrap_or_else(|| quantity::plain(text, at))
}

/// A sign between two ends of a range is 到: 9:00-17:30, 5℃~8℃, 周一-周五.
fn range(text: &[char], at: usize) -> Option<Spoken> {
    let before = *text.get(at.checked_sub(1)?)?;
    let after = *text.get(at + 1).filter(|_| is_to(text, at))?;
    let begins = before.is_ascii_alphanumeric() || RANGE_ENDS.contains(before);
    let signed = after == '-' && text[at] == '~' && is_digit(text, at + 2);
    let ends = after.is_ascii_digit() || signed || RANGE_STARTS.contains(after) || after == '¥';
    let wave = text[at] == '~' && before.is_alphanumeric() && after.is_alphanumeric();
    (wave || begins && ends).then(|| ("到".to_owned(), at + 1))
}

/// 元/月, 元/m², 人/天.
fn per(text: &[char], at: usize) -> Option<Spoken> {
    let before = *text.get(at.checked_sub(1)?)?;
    let after = text.get(at + 1)?;
    let counts = "元角分人次吨米度户件台辆".contains(before);
    (text[at] == '/' && counts && after.is_alphabetic()).then(|| ("每".to_owned(), at + 1))
}

/// 7*24小时 → 七乘二十四小时, 3#楼 → 三号楼.
fn around_digits(text: &[char], at: usize) -> Option<Spoken> {
    let after_digit = at > 0 && is_digit(text, at - 1);
    match text[at] {
        '*' if after_digit && is_digit(text, at + 1) => Some(("乘".into(), at + 1)),
        '#' if after_digit
            && ["楼", "栋", "幢", "门"].iter().any(|w| starts(&text[at + 1..], w)) =>
        {
            Some(("号".into(), at + 1))
        }
        _ => None,
    }
}

fn sign(c: char) -> String {
    let number = || signs::enclosed(c).map(|n| cardinal::cardinal(&n.to_string()));
    signs::name(c).map(str::to_owned).or_else(number).unwrap_or_else(|| c.into())
}

#[cfg(test)]
mod tests;
