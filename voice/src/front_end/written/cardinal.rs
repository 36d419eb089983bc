//! Digits as number words, and digits one by one.

const DIGITS: [char; 10] = ['零', '一', '二', '三', '四', '五', '六', '七', '八', '九'];
/// Longest number that is read as a quantity; longer ones are read digit by digit.
const QUANTITY_DIGITS_MAX: usize = 16;
/// From this length on, digits are read in groups with pauses between, so that they can be noted.
const GROUPED_DIGITS_MIN: usize = 7;

/// How a one is read among single digits: 幺 in telephone, room and ticket numbers, else 一.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum One {
    Yao,
    Yi,
}

/// Digits one by one: 110 → 幺幺零.
pub(super) fn spell(digits: &str, one: One) -> String {
    let word = |d: u32| if d == 1 && one == One::Yao { '幺' } else { DIGITS[d as usize] };
    digits.chars().filter_map(|c| c.to_digit(10)).map(word).collect()
}

/// As [`spell`] with 幺, in groups from seven digits on: 13800138000 → 幺三八，零零幺三，八零零零.
pub(super) fn spell_groups(digits: &str) -> String {
    let mut rest = digits;
    let mut groups = Vec::new();
    while !rest.is_empty() {
        let (group, after) = rest.split_at(group_digits(digits.len(), rest.len()));
        groups.push(spell(group, One::Yao));
        rest = after;
    }
    groups.join("，")
}

/// The next group's length: mobile numbers 3-4-4, fixed lines 3-4 and 4-4, identity numbers
/// 6-4-4-4, others four by four.
fn group_digits(all: usize, left: usize) -> usize {
    match (all, left) {
        (..GROUPED_DIGITS_MIN, _) => left,
        (7, 7) | (9, _) | (10, 10 | 7) | (11, 11) => 3,
        (18, 18) => 6,
        _ => left.min(4),
    }
}

/// A whole number in words: 10200 → 一万零二百. Longer than sixteen digits it is spelled.
pub(super) fn cardinal(digits: &str) -> String {
    match digits.parse() {
        Ok(n) if digits.len() <= QUANTITY_DIGITS_MAX => words(n),
        _ => spell(digits, One::Yao),
    }
}

fn words(n: u64) -> String {
    if n == 0 {
        return DIGITS[0].into();
    }
    let mut out = String::new();
    let mut skipped = false;
    for (size, unit) in [(1_0000_0000_0000, "万亿"), (1_0000_0000, "亿"), (1_0000, "万"), (1, "")]
    {
        let group = n / size % 1_0000;
        if group == 0 {
            skipped |= !out.is_empty();
            continue;
        }
        if !out.is_empty() && (skipped || group < 1_000) {
            out.push('零');
        }
        skipped = false;
        if group == 2 && !unit.is_empty() {
            out.push('两');
        } else {
            out.push_str(&below_ten_thousand(group, out.is_empty()));
        }
        out.push_str(unit);
    }
    out
}

fn below_ten_thousand(n: u64, first: bool) -> String {
    let mut out = String::new();
    let mut zero = false;
    for (size, unit) in [(1_000, "千"), (100, "百"), (10, "十"), (1, "")] {
        let digit = n / size % 10;
        if digit == 0 {
            zero |= !out.is_empty();
            continue;
        }
        if zero {
            out.push('零');
            zero = false;
        }
        // 十二, but 一百一十二; 两千, but 二百.
        match (size, digit) {
            (10, 1) if out.is_empty() && first => {}
            (1_000, 2) => out.push('两'),
            _ => out.push(DIGITS[digit as usize]),
        }
        out.push_str(unit);
    }
    out
}
