//! Chinese numerals: cardinals (三百二十) and digits one by one (五零一, 幺三八).

/// A spoken cardinal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cardinal {
    pub(super) value: u64,
    /// 三百五 for 350: its last unit was left out.
    pub(super) is_elided: bool,
}

/// Largest number that is written with digits.
const VALUE_MAX: u64 = 9_999_999_999_999;
/// Longest run of numerals that is tried as one number: 9,999,999,999,999 has 23.
const CARDINAL_CHARS_MAX: usize = 24;
const TEN_THOUSAND: u64 = 10_000;
const HUNDRED_MILLION: u64 = 100_000_000;

/// The digit that the character is in a number said digit by digit.
pub(super) fn digit(c: char) -> Option<u64> {
    Some(match c {
        '零' | '〇' => 0,
        '一' | '幺' => 1,
        '二' => 2,
        '三' => 3,
        '四' => 4,
        '五' => 5,
        '六' => 6,
        '七' => 7,
        '八' => 8,
        '九' => 9,
        _ => return None,
    })
}

/// Whether the character may stand in a spoken number.
pub(super) fn is_numeral(c: char) -> bool {
    digit(c).is_some() || matches!(c, '两' | '十' | '百' | '千' | '万' | '亿')
}

/// Digits as they are written, of digits alone.
pub(super) fn digits(chars: &[char]) -> Option<String> {
    let written = |c: &char| c.is_ascii_digit().then_some(*c).or_else(|| ascii(digit(*c)?));
    chars.iter().map(written).collect()
}

fn ascii(digit: u64) -> Option<char> {
    char::from_digit(digit as u32, 10)
}

/// The cardinal that all of the characters are, by the grammar of careful speech: 三四十, 百八十 and
/// 十一二 are none.
pub(super) fn cardinal(chars: &[char]) -> Option<Cardinal> {
    if chars.contains(&'幺') || chars.len() > CARDINAL_CHARS_MAX {
        return None;
    }
    if let [zero] = chars {
        return (*zero == '零').then_some(0).or(ones(*zero)).map(exact).or(section(chars));
    }
    let (mut total, mut rest) = (0, chars);
    let mut last_unit = None;
    for (sign, unit) in [('亿', HUNDRED_MILLION), ('万', TEN_THOUSAND)] {
        if let Some(at) = rest.iter().position(|c| *c == sign) {
            let high = section(last_unit.map_or(&rest[..at], |_| after_zero(&rest[..at])))?;
            if high.is_elided || high.value == 0 {
                return None;
            }
            total += high.value * unit;
            rest = &rest[at + 1..];
            last_unit = Some(unit);
        }
    }
    let low = match (rest, last_unit) {
        ([], Some(_)) => exact(0),
        // 一万二 is 12000, and 一万零二 10002.
        ([one], Some(unit)) => Cardinal { value: ones(*one)? * (unit / 10), is_elided: true },
        (rest, Some(_)) => section(after_zero(rest))?,
        (rest, None) => section(rest)?,
    };
    let value = total + low.value;
    (value <= VALUE_MAX).then_some(Cardinal { value, is_elided: low.is_elided })
}

/// Up to 9999, without 零 in front.
fn section(chars: &[char]) -> Option<Cardinal> {
    let (mut total, mut below, mut at) = (0, TEN_THOUSAND, 0);
    while at < chars.len() {
        let is_after_zero = total > 0 && chars[at] == '零';
        at += usize::from(is_after_zero);
        let unit = |at: usize| chars.get(at).and_then(|c| unit(*c));
        let (count, value) = match (chars.get(at).and_then(|c| ones(*c)), unit(at)) {
            (Some(count), _) => (2, count * unit(at + 1).unwrap_or(1)),
            (None, Some(10)) if total == 0 => (1, 10),
            _ => return None,
        };
        let size = if count == 1 { 10 } else { unit(at + 1).unwrap_or(1) };
        at += if count == 2 && size == 1 { 1 } else { count };
        // 三百五 ends a step above where its value would be; 三百零五 does not.
        if size == 1 && (100..TEN_THOUSAND).contains(&below) && !is_after_zero {
            return (at == chars.len())
                .then_some(Cardinal { value: total + value * below / 10, is_elided: true });
        }
        if size >= below || (is_after_zero && size * 10 >= below) {
            return None;
        }
        (total, below) = (total + value, size);
    }
    (total > 0).then(|| exact(total))
}

fn after_zero(chars: &[char]) -> &[char] {
    chars.strip_prefix(&['零']).unwrap_or(chars)
}

fn exact(value: u64) -> Cardinal {
    Cardinal { value, is_elided: false }
}

fn ones(c: char) -> Option<u64> {
    if c == '两' { Some(2) } else { digit(c).filter(|digit| *digit > 0) }
}

fn unit(c: char) -> Option<u64> {
    Some(match c {
        '十' => 10,
        '百' => 100,
        '千' => 1_000,
        _ => return None,
    })
}

/// As people write it: 12000, but 3万 and 2亿.
pub(super) fn written(value: u64) -> String {
    match value {
        0 => "0".to_owned(),
        v if v % HUNDRED_MILLION == 0 => format!("{}亿", v / HUNDRED_MILLION),
        v if v > HUNDRED_MILLION && v % TEN_THOUSAND == 0 => {
            format!("{}亿{}万", v / HUNDRED_MILLION, v % HUNDRED_MILLION / TEN_THOUSAND)
        }
        v if v % TEN_THOUSAND == 0 => format!("{}万", v / TEN_THOUSAND),
        v => v.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(u64, bool)> {
        let chars: Vec<char> = text.chars().collect();
        cardinal(&chars).map(|cardinal| (cardinal.value, cardinal.is_elided))
    }

    #[test]
    fn careful_numbers_are_read() {
        for (text, value) in [
            ("零", 0),
            ("两", 2),
            ("十", 10),
            ("十九", 19),
            ("二十", 20),
            ("一百零八", 108),
            ("一百一十", 110),
            ("三百二十", 320),
            ("两千零五", 2_005),
            ("两千零五十", 2_050),
            ("一万两千", 12_000),
            ("一万零三十", 10_030),
            ("三十五万", 350_000),
            ("一亿三千万", 130_000_000),
            ("一百二十三万四千五百六十七", 1_234_567),
        ] {
            assert_eq!(read(text), Some((value, false)), "{text}");
        }
    }

    #[test]
    fn a_unit_left_out_is_told() {
        for (text, value) in
            [("三百五", 350), ("一千二", 1_200), ("一万二", 12_000), ("一万两千三", 12_300)]
        {
            assert_eq!(read(text), Some((value, true)), "{text}");
        }
    }

    #[test]
    fn estimates_and_digits_are_no_cardinals() {
        for text in [
            "三四十",
            "十七八",
            "百八十",
            "十百",
            "三五",
            "五零一",
            "零五",
            "百",
            "万",
            "一百零五十",
            "幺百",
            "一百零",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn round_numbers_keep_their_unit() {
        for (value, text) in
            [(12_000, "12000"), (30_000, "3万"), (200_000_000, "2亿"), (130_000_000, "1亿3000万")]
        {
            assert_eq!(written(value), text);
        }
    }
}
