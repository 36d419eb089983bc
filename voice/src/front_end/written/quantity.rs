//! Numbers that count, measure or price something.

use super::Spoken;
use super::calendar::two_digits;
use super::cardinal::{One, cardinal, spell, spell_groups};
use super::measure::{is_counted, takes_liang, unit};
use super::scan::{Number, counted, digits, is_to, number};

/// A number that follows one of these is read digit by digit.
const NUMBER_NAMES: [&str; 19] = [
    "尾号",
    "编号",
    "工号",
    "单号",
    "号码",
    "电话",
    "热线",
    "手机",
    "验证码",
    "密码",
    "卡号",
    "账号",
    "学号",
    "房号",
    "邮编",
    "传真",
    "分机",
    "座机",
    "拨打",
];
/// What may stand between such a name and its number.
const BETWEEN: [char; 6] = [' ', '：', ':', '是', '为', '转'];
/// Numbers of services, read digit by digit where they count nothing.
const SERVICES: [&str; 6] = ["110", "112", "114", "119", "120", "122"];
/// From this length on, a number without a measure is a telephone or ticket number.
const SPELLED_DIGITS_MIN: usize = 5;
/// From this length on, a room, a bus line or a road is read digit by digit: 501室, 107国道.
const ROOM_DIGITS_MIN: usize = 3;
const ROOMS: [&str; 11] =
    ["室", "房", "号房", "号病房", "号室", "路", "国道", "省道", "县道", "次列车", "次航班"];
const CURRENCIES: [(char, &str); 4] = [('¥', "元"), ('$', "美元"), ('€', "欧元"), ('£', "英镑")];
const SCALES: &str = "万亿千百";

/// ¥350.50 → 三百五十元五角, $3万 → 三万美元.
pub(super) fn priced(text: &[char], at: usize) -> Option<Spoken> {
    let (_, currency) = CURRENCIES.iter().find(|(sign, _)| *sign == text[at])?;
    let amount = text.get(at + 1).filter(|c| c.is_ascii_digit()).map(|_| number(text, at + 1))?;
    if *currency == "元" && amount.fraction.len() == 2 {
        let end = amount.end + usize::from(text.get(amount.end) == Some(&'元'));
        return Some((yuan(&amount), end));
    }
    let scale: String = text[amount.end..].iter().take_while(|c| SCALES.contains(**c)).collect();
    let end = amount.end + scale.chars().count();
    let end = end + usize::from(*currency == "元" && text.get(end) == Some(&'元'));
    let whole = if amount.whole == "2" && amount.fraction.is_empty() {
        "两".to_owned()
    } else {
        decimal(&amount)
    };
    Some((format!("{whole}{scale}{currency}"), end))
}

/// -5℃ → 零下五摄氏度, -3% → 负百分之三. A minus after a number is no sign.
pub(super) fn negative(text: &[char], at: usize) -> Option<Spoken> {
    let before = at.checked_sub(1).map(|i| text[i]);
    let after_number = before.is_some_and(|c| c.is_ascii_alphanumeric() || ")）".contains(c));
    if text[at] != '-' || after_number || !super::scan::is_digit(text, at + 1) {
        return None;
    }
    let (spoken, end) = plain(text, at + 1);
    // The range's other end may have a sign of its own: -5~-1℃.
    let own = number(text, at + 1).end;
    let other = own + usize::from(is_to(text, own) && text.get(own + 1) == Some(&'-'));
    let cold = counted(text, other).first().is_some_and(|c| "℃°度".contains(*c));
    Some((format!("{}{spoken}", if cold { "零下" } else { "负" }), end))
}

/// 3:2 → 三比二, 1/3 → 三分之一.
pub(super) fn ratio(text: &[char], at: usize) -> Option<Spoken> {
    let (first, i) = digits(text, at);
    let sign = *text.get(i)?;
    let (second, end) = digits(text, i + 1);
    if second.is_empty() || text.get(end) == Some(&sign) || second.starts_with('0') {
        return None;
    }
    match sign {
        ':' | '：' => Some((format!("{}比{}", cardinal(&first), cardinal(&second)), end)),
        '/' if first.parse::<u64>().ok()? < second.parse().ok()? => {
            Some((format!("{}分之{}", cardinal(&second), cardinal(&first)), end))
        }
        _ => None,
    }
}

/// Any other number, with its unit, its percent sign or its 元.
pub(super) fn plain(text: &[char], at: usize) -> Spoken {
    let number = number(text, at);
    let (own, counted) = (&text[number.end..], counted(text, number.end));
    let parts = [('%', "百分之"), ('‰', "千分之")];
    if let Some((sign, part)) = parts.iter().find(|(sign, _)| counted.first() == Some(sign)) {
        let end = number.end + usize::from(own.first() == Some(sign));
        return (format!("{part}{}", decimal(&number)), end);
    }
    if number.fraction.len() == 2 && own.first() == Some(&'元') {
        return (yuan(&number), number.end + 1);
    }
    let (word, length) = unit(own).unwrap_or_default();
    (format!("{}{word}", whole(&number, &text[..at], counted)), number.end + length)
}

/// The number itself, by what stands before it and what it counts.
fn whole(number: &Number, before: &[char], counted: &[char]) -> String {
    let Number { whole, fraction, .. } = number;
    if !fraction.is_empty() {
        return decimal(number);
    }
    if whole.len() > 1 && whole.starts_with('0') {
        return match counted.first() {
            Some('月' | '日' | '号' | '时' | '点') if whole.len() == 2 => cardinal(whole),
            Some('分' | '秒') if whole.len() == 2 => two_digits(whole),
            _ => spell_groups(whole),
        };
    }
    if is_spelled(whole, before, counted) {
        return spell_groups(whole);
    }
    let quantity = takes_liang(counted) && !is_ordinal(before);
    if whole == "2" && quantity { "两".into() } else { cardinal(whole) }
}

fn is_spelled(whole: &str, before: &[char], counted: &[char]) -> bool {
    let is_mobile = whole.len() == 11 && whole.starts_with('1');
    let is_room = whole.len() >= ROOM_DIGITS_MIN
        && ROOMS.iter().any(|room| super::scan::starts(counted, room));
    if is_mobile || is_room {
        return true;
    }
    let is_long = whole.len() >= SPELLED_DIGITS_MIN;
    if is_counted(counted) || unit(counted).is_some() {
        return is_long && counted.first() == Some(&'号');
    }
    is_long || SERVICES.contains(&whole) || whole.len() > 1 && is_named(before)
}

/// 工号：8023, 验证码是1234.
fn is_named(before: &[char]) -> bool {
    let before: String = before.iter().collect();
    let before = before.trim_end_matches(BETWEEN);
    NUMBER_NAMES.iter().any(|name| before.ends_with(name))
}

/// 第2, 第1-3, 初2, 星期2.
fn is_ordinal(before: &[char]) -> bool {
    let in_range = before.len().checked_sub(1).is_some_and(|i| is_to(before, i));
    let number = |c: &char| c.is_ascii_digit() || "-~—".contains(*c);
    let left = if in_range {
        before.iter().rposition(|c| !number(c)).map(|i| before[i])
    } else {
        before.last().copied()
    };
    left.is_some_and(|c| "第初周期".contains(c))
}

/// 12.50 → 十二点五零.
fn decimal(number: &Number) -> String {
    let whole = cardinal(&number.whole);
    if number.fraction.is_empty() {
        return whole;
    }
    format!("{whole}点{}", spell(&number.fraction, One::Yi))
}

/// 350.50 → 三百五十元五角, 0.05 → 五分, 20.05 → 二十元零五分.
fn yuan(amount: &Number) -> String {
    let (jiao, fen) = amount.fraction.split_at(1);
    let part = |digit: &str, unit: &str| match digit {
        "0" | "" => String::new(),
        "2" => format!("两{unit}"),
        digit => format!("{}{unit}", cardinal(digit)),
    };
    let small = format!("{}{}", part(jiao, "角"), part(fen, "分"));
    let is_zero = amount.whole.bytes().all(|b| b == b'0');
    if is_zero && !small.is_empty() {
        return small;
    }
    let whole = if amount.whole == "2" { "两".into() } else { cardinal(&amount.whole) };
    let gap = if jiao == "0" && !small.is_empty() { "零" } else { "" };
    format!("{whole}元{gap}{small}")
}
