//! Numbers that name something: telephones, tickets, rooms, addresses of the internet.

use super::Spoken;
use super::cardinal::{One, cardinal, spell, spell_groups};
use super::measure::{is_counted, unit};
use super::scan::{counted, digits, groups, number};

/// Fewest digits of a telephone number written in groups.
const TELEPHONE_DIGITS_MIN: usize = 7;
/// Short groups of digits are read as numbers, longer ones digit by digit: G15, T123.
const NUMBER_DIGITS_MAX: usize = 2;

/// What begins with a letter: an address, a code such as GD20261125-0042, a unit after 每, a word.
pub(super) fn lettered(text: &[char], at: usize) -> Option<Spoken> {
    if !text[at].is_ascii_alphabetic() {
        return None;
    }
    let per = at > 0 && text[at - 1] == '/';
    let unit = unit(&text[at..]).filter(|_| per).map(|(word, length)| (word.into(), at + length));
    Some(unit.or_else(|| address(text, at)).unwrap_or_else(|| code(text, at)))
}

/// What begins with a digit and has letters: 5G, 4S, 2026-GD-17. A number with a unit is none.
pub(super) fn mixed(text: &[char], at: usize) -> Option<Spoken> {
    let end = run_end(text, at);
    let letter = |c: &char| c.is_ascii_alphabetic();
    let inside = text[at..end].iter().any(letter);
    let next = text.get(end) == Some(&'-') && text.get(end + 1).is_some_and(letter);
    let number = number(text, at);
    let is_quantity = !number.fraction.is_empty() || unit(&text[number.end..]).is_some();
    ((inside || next) && !is_quantity).then(|| code(text, at))
}

/// 0571-8888-1234, 138 0013 8000, 400-123-4567.
pub(super) fn telephone(text: &[char], at: usize) -> Option<Spoken> {
    let hyphened = groups(text, at, '-');
    let spaced = groups(text, at, ' ');
    let lengths = |groups: &[String]| groups.iter().map(String::len).collect::<Vec<_>>();
    let (found, end) = match (lengths(&hyphened.0).as_slice(), lengths(&spaced.0).as_slice()) {
        (_, [3, 4, 4] | [3 | 4, 7 | 8] | [3, 3, 4]) => spaced,
        ([_, _, ..], _) => hyphened,
        _ => return None,
    };
    let count: usize = found.iter().map(String::len).sum();
    let is_range = found.len() == 2 && is_amount(text, at) && !found[0].starts_with('0');
    let spoken = || found.iter().map(|group| spell_groups(group)).collect::<Vec<_>>().join("，");
    (count >= TELEPHONE_DIGITS_MIN && !is_range).then(|| (spoken(), end))
}

/// Building, entrance and room: 32-2-501 → 三十二杠二杠五零幺, 3-501室.
pub(super) fn house(text: &[char], at: usize) -> Option<Spoken> {
    let (found, end) = groups(text, at, '-');
    let room = text.get(end).is_some_and(|c| "室房".contains(*c));
    let two = found.len() == 2 && room && found[0].len() < found[1].len();
    let spoken = || found.iter().map(|group| short(group)).collect::<Vec<_>>().join("杠");
    (found.len() > 2 || two).then(|| (spoken(), end))
}

/// 1.2.3 → 一点二点三.
pub(super) fn dotted(text: &[char], at: usize) -> Option<Spoken> {
    let (found, end) = groups(text, at, '.');
    let spoken = || found.iter().map(|group| short(group)).collect::<Vec<_>>().join("点");
    (found.len() > 2).then(|| (spoken(), end))
}

/// Whether the two numbers at `at` are the ends of a range of something: 10000-20000元.
fn is_amount(text: &[char], at: usize) -> bool {
    let rest = counted(text, number(text, at).end);
    is_counted(rest) || unit(rest).is_some() || rest.first().is_some_and(|c| "%‰".contains(*c))
}

/// Letters and digits, in groups: the letters stay, the digits become words.
fn code(text: &[char], at: usize) -> Spoken {
    let mut end = run_end(text, at);
    let mut spoken = String::new();
    let mut start = at;
    loop {
        let joined = text.get(end).is_some_and(|c| "-_·".contains(*c));
        let more = joined && text.get(end + 1).is_some_and(char::is_ascii_alphanumeric);
        let alone = start == at && !more;
        spoken += &group(&text[start..end], alone);
        if !more {
            return (spoken, end);
        }
        spoken.push('，');
        start = end + 1;
        end = run_end(text, start);
    }
}

fn group(text: &[char], alone: bool) -> String {
    let mut spoken = String::new();
    let mut i = 0;
    while i < text.len() {
        let (found, end) = digits(text, i);
        if found.is_empty() {
            spoken.push(text[i]);
            i += 1;
        } else {
            spoken += &if alone { short(&found) } else { spell_groups(&found) };
            i = end;
        }
    }
    spoken
}

/// G15 → 十五, T123 → 幺二三, 05 → 零五.
fn short(digits: &str) -> String {
    let is_number =
        digits.len() <= NUMBER_DIGITS_MAX && (!digits.starts_with('0') || digits == "0");
    if is_number { cardinal(digits) } else { spell_groups(digits) }
}

/// www.gov.cn/xf, hotline@city.gov.cn: sign by sign.
fn address(text: &[char], at: usize) -> Option<Spoken> {
    let part = |c: &char| c.is_ascii_alphanumeric() || "._@:/-".contains(*c);
    let run: Vec<char> = text[at..].iter().copied().take_while(part).collect();
    let length = run.iter().rposition(char::is_ascii_alphanumeric)? + 1;
    let whole: String = run[..length].iter().collect();
    let is_address = whole.contains('@') || whole.starts_with("www.") || whole.contains("://");
    let sign = |c: char| match c {
        '.' => "点".to_owned(),
        '@' => "艾特".to_owned(),
        ':' => "冒号".to_owned(),
        '/' => "斜杠".to_owned(),
        '-' => "杠".to_owned(),
        '_' => "下划线".to_owned(),
        c if c.is_ascii_digit() => spell(&c.to_string(), One::Yao),
        c => c.to_string(),
    };
    is_address.then(|| (whole.chars().map(sign).collect(), at + length))
}

fn run_end(text: &[char], at: usize) -> usize {
    at + text[at..].iter().take_while(|c| c.is_ascii_alphanumeric()).count()
}
