//! Telephone numbers in texts. **Rather one masked too many than one too few**, but no date, time, sum of money or
//! ticket's number.

use super::{SHOWN_FIRST, SHOWN_LAST};

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// By people for people.
    Prose,
    /// An id, an address, a hash, a time: digits beside letters are parts of it.
    Token,
}

impl Kind {
    /// What a text looks like.
    pub(super) fn of(text: &str) -> Self {
        let is_of_prose = |c: char| c.is_whitespace() || !c.is_ascii() && c.is_alphabetic();
        if text.chars().any(is_of_prose) { Self::Prose } else { Self::Token }
    }
}

/// Digits of a mobile number within China.
const MOBILE_DIGITS: usize = 11;
/// Most parts of a mobile number: each digit by itself.
const PARTS_MAX: usize = MOBILE_DIGITS;
/// Most parts of a landline's number with its area.
const AREA_PARTS_MAX: usize = 4;
/// Most marks in a row between parts of a number.
const MARKS_MAX: usize = 2;
/// What a sum of money is followed by.
const UNITS: [char; 9] = ['元', '块', '万', '亿', '圆', '角', '千', '百', '%'];
const CURRENCIES: [char; 4] = ['¥', '￥', '$', '币'];

/// How much of a number is shown.
#[derive(Clone, Copy)]
enum Shown {
    Ends,
    /// Of a landline's eight digits one would be left to guess.
    Nothing,
}

/// Digits in a row: where they begin and end, in characters, and what they are.
struct Run {
    from: usize,
    to: usize,
    digits: String,
}

/// Telephone numbers of a text masked, with every mask that was written; none where there is no number.
pub(super) fn masked(text: &str, kind: Kind) -> Option<(String, Vec<String>)> {
    let mut chars: Vec<char> = text.chars().collect();
    let runs = runs(&chars);
    let mut masks = Vec::new();
    let mut first = 0;
    while first < runs.len() {
        let mut last = first;
        while last + 1 < runs.len() && last - first + 1 < PARTS_MAX {
            let between = &chars[runs[last].to..runs[last + 1].from];
            if between.len() > MARKS_MAX || !between.iter().copied().all(is_mark) {
                break;
            }
            last += 1;
        }
        // The longest of them that is a number.
        let found = (1..=last - first + 1)
            .rev()
            .find_map(|n| Some((n, number(&chars, &runs[first..first + n], kind)?)));
        let Some((length, shown)) = found else {
            first += 1;
            continue;
        };
        let parts = &runs[first..first + length];
        let places: Vec<usize> = parts.iter().flat_map(|run| run.from..run.to).collect();
        let hidden = match shown {
            Shown::Ends => SHOWN_FIRST..places.len() - SHOWN_LAST,
            Shown::Nothing => 0..places.len(),
        };
        for place in &places[hidden] {
            chars[*place] = '*';
        }
        masks.push(chars[parts[0].from..parts[length - 1].to].iter().collect());
        first += length;
    }
    (!masks.is_empty()).then(|| (chars.into_iter().collect(), masks))
}

fn is_mark(c: char) -> bool {
    matches!(c, '-' | ' ' | '－' | '—' | '–' | ',' | '，' | '.' | '·')
}

/// The value of a digit: ASCII, full-width, or a numeral as it is spoken.
fn digit(c: char) -> Option<char> {
    let value = match c {
        '0'..='9' => return Some(c),
        '０'..='９' => u32::from(c) - u32::from('０'),
        '零' | '〇' => 0,
        '一' | '幺' => 1,
        '二' | '两' => 2,
        '三' => 3,
        '四' => 4,
        '五' => 5,
        '六' => 6,
        '七' => 7,
        '八' => 8,
        '九' => 9,
        _ => return None,
    };
    char::from_digit(value, 10)
}

fn runs(chars: &[char]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if digit(chars[at]).is_none() {
            at += 1;
            continue;
        }
        let from = at;
        while at < chars.len() && digit(chars[at]).is_some() {
            at += 1;
        }
        let digits = chars[from..at].iter().copied().filter_map(digit).collect();
        runs.push(Run { from, to: at, digits });
    }
    runs
}

/// Whether these runs are one telephone number, and what of it is shown.
fn number(chars: &[char], runs: &[Run], kind: Kind) -> Option<Shown> {
    let (from, to) = (runs[0].from, runs[runs.len() - 1].to);
    let digits: String = runs.iter().map(|run| run.digits.as_str()).collect();
    if digits.len() < 7 || digits.len() == 12 && runs.len() == 1 && is_end_of_uuid(chars, from) {
        return None;
    }
    if kind == Kind::Prose && is_mobile(national(&digits)) {
        return Some(Shown::Ends);
    }
    // Parts of ids and hashes.
    let is_word = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    if from > 0 && is_word(&chars[from - 1]) || chars.get(to).is_some_and(is_word) {
        return None;
    }
    let lengths: Vec<usize> = runs.iter().map(|run| run.digits.len()).collect();
    if is_usual(&lengths, &digits) {
        return Some(Shown::Ends);
    }
    if kind == Kind::Token {
        return None;
    }
    if is_with_area(&digits) && runs.len() <= AREA_PARTS_MAX {
        return Some(Shown::Ends);
    }
    let is_local = matches!(digits.len(), 7 | 8)
        && matches!(digits.as_bytes()[0], b'2'..=b'9')
        && is_local_split(&lengths)
        && !is_within_token(chars, from, to)
        && !is_time(&lengths, &digits)
        && !is_sum(chars, from, to);
    is_local.then_some(Shown::Nothing)
}

/// As numbers are written everywhere.
fn is_usual(lengths: &[usize], digits: &str) -> bool {
    match lengths {
        [_] | [3, 4, 4] | [2 | 4, 11] | [2 | 4, 3, 4, 4] => is_phone(digits),
        [3 | 4, 7 | 8] => digits.starts_with('0') || digits.starts_with("400"),
        [3, 3, 4] => digits.starts_with("400") || digits.starts_with("800"),
        _ => false,
    }
}

fn is_phone(digits: &str) -> bool {
    let is_mobile = |digits: &str| digits.len() == MOBILE_DIGITS && digits.starts_with('1');
    let within = without_country(digits);
    is_mobile(within)
        || is_mobile(within.strip_prefix('0').unwrap_or(within))
        || within.starts_with('0') && (10..=17).contains(&within.len())
        || is_service(within)
}

fn is_with_area(digits: &str) -> bool {
    let within = without_country(digits);
    within.starts_with('0') && (10..=17).contains(&within.len()) || is_service(within)
}

fn is_service(digits: &str) -> bool {
    digits.len() == 10 && (digits.starts_with("400") || digits.starts_with("800"))
}

fn without_country(digits: &str) -> &str {
    let mut prefixes = ["0086", "86"].into_iter();
    let rest = |prefix| digits.strip_prefix(prefix).filter(|rest: &&str| rest.len() >= 10);
    prefixes.find_map(rest).unwrap_or(digits)
}

fn national(digits: &str) -> &str {
    let within = without_country(digits);
    within.strip_prefix('0').filter(|rest| is_mobile(rest)).unwrap_or(within)
}

fn is_mobile(digits: &str) -> bool {
    digits.len() == MOBILE_DIGITS && matches!(digits.as_bytes(), [b'1', b'3'..=b'9', ..])
}

/// How people divide seven or eight digits.
fn is_local_split(lengths: &[usize]) -> bool {
    matches!(lengths, [7 | 8] | [3 | 4, 4] | [4, 3] | [2, 2, 2, 2] | [2, 2, 3] | [3, 2, 2])
        || lengths.iter().all(|length| *length == 1)
}

/// Whether what is before or after is joined to them: part of a longer one.
fn is_within_token(chars: &[char], from: usize, to: usize) -> bool {
    let is_joined = |mark: Option<&char>, beyond: Option<&char>| {
        matches!(mark, Some('-' | '/' | '.' | ':' | '#'))
            && beyond.is_some_and(char::is_ascii_alphanumeric)
    };
    let before = |back: usize| from.checked_sub(back).map(|at| &chars[at]);
    is_joined(before(1), before(2)) || is_joined(chars.get(to), chars.get(to + 1))
}

/// A day, two years, or two times of a day.
fn is_time(lengths: &[usize], digits: &str) -> bool {
    let part = |from: usize, to: usize| digits.get(from..to)?.parse::<u32>().ok();
    let is_in = |value: Option<u32>, from: u32, to: u32| {
        value.is_some_and(|value| (from..=to).contains(&value))
    };
    if digits.len() != 8 {
        return false;
    }
    let (year, other) = (part(0, 4), part(4, 8));
    let is_day = is_in(year, 1900, 2099) && is_in(part(4, 6), 1, 12) && is_in(part(6, 8), 1, 31);
    let is_span = lengths == [4, 4]
        && (is_in(year, 1900, 2099) && is_in(other, 1900, 2099)
            || [0, 4]
                .into_iter()
                .all(|at| is_in(part(at, at + 2), 0, 24) && is_in(part(at + 2, at + 4), 0, 59)));
    is_day || is_span
}

/// A sum of money.
fn is_sum(chars: &[char], from: usize, to: usize) -> bool {
    let mut rest = chars[to..].iter().copied().skip_while(|c| *c == '.' || digit(*c).is_some());
    let before = chars[..from].iter().rev().find(|c| !c.is_whitespace());
    rest.find(|c| !c.is_whitespace()).is_some_and(|c| UNITS.contains(&c))
        || before.is_some_and(|c| CURRENCIES.contains(c))
}

fn is_end_of_uuid(chars: &[char], from: usize) -> bool {
    from >= 5
        && chars[from - 1] == '-'
        && chars[from - 5..from - 1].iter().all(char::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        super::masked(text, Kind::of(text)).map_or_else(|| text.to_owned(), |(masked, _)| masked)
    }

    #[test]
    fn numbers_are_masked_however_they_are_written() {
        for (text, expected) in [
            ("请打13800138000，谢谢", "请打138****8000，谢谢"),
            ("138-0013-8000", "138-****-8000"),
            ("138 0013 8000或13900139000", "138 **** 8000或139****9000"),
            ("+8613800138000", "+861******8000"),
            ("１３８００１３８０００", "１３８****８０００"),
            ("电话是一三八零零一三八零零零", "电话是一三八****八零零零"),
            ("0571-88888888", "057*-****8888"),
            ("400-810-1234", "400-***-1234"),
            // Divided by commas or more marks, digit by digit, after a letter.
            ("138,0013,8000", "138,****,8000"),
            ("我的号是138，0013，8000", "我的号是138，****，8000"),
            ("一三八，零零一三，八零零零", "一三八，****，八零零零"),
            ("是138, 0013, 8000", "是138, ****, 8000"),
            ("号 1 3 8 0 0 1 3 8 0 0 0", "号 1 3 8 * * * * 8 0 0 0"),
            ("微信tel13800138000加我", "微信tel138****8000加我"),
            ("手机13800138000A", "手机138****8000A"),
            // Landlines without their area, and with it in parts.
            ("打88881234找我", "打********找我"),
            ("打8888-1234或者 888 1234", "打****-****或者 *** ****"),
            ("八八八八，一二三四", "****，****"),
            ("八 八 八 八 一 二 三 四", "* * * * * * * *"),
            ("座机 88 88 12 34", "座机 ** ** ** **"),
            ("总机 086-571-88881234", "总机 086-***-****1234"),
            ("区号0571 8888 1234转3", "区号057* **** 1234转3"),
        ] {
            assert_eq!(masked(text), expected);
        }
    }

    #[test]
    fn no_date_time_sum_or_ticket_is_masked() {
        for text in [
            "20260101-000001",
            "工单20260101-000001已办结",
            "2026-01-01T00:00:00+08:00",
            "2026-01-01 08:00:00",
            "2026年01月01日 08:30-17:30",
            "时间20260101，1998-2003年",
            "晚上2000-2300施工",
            "共计8888888元，合1234567.50元",
            "人民币 2345678，￥23456789",
            "损失3,500,000元",
            "三千五百块，12345热线，8001座席",
            "二零二六年一月一日",
            "3、4、5、6、7、8、9号楼",
            "0199a2b0-1234-7abc-8def-013800138000",
            "通话 0199a2b0-1234-7abc-8def-013800138000",
            "sha512-13800138000a",
            "GD13800138000",
            "浙A12345",
            "限 2026-12-31 前",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn every_mask_is_told() {
        let (_, masks) = super::masked("13800138000、88881234", Kind::Prose).unwrap();
        assert_eq!(masks, ["138****8000", "********"]);
    }
}
