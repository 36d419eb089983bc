//! What a person may write into a ticket's field.

use qingting_common::limits::TICKET_FIELD_CHARS_MAX;
use qingting_nlu::draft::Field;
use qingting_nlu::profile::{KINDS, KindName};

/// Services that take over an emergency.
const EMERGENCY_NUMBERS: [&str; 4] = ["110", "119", "120", "122"];

/// Shortest and longest telephone number: a short code such as 110, and E.164 with an
/// international prefix and an extension.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 3..=20;

/// Longest value of a field that is one line.
const LINE_CHARS_MAX: usize = 200;

/// Checks one value; an empty one always passes and means "leave it empty".
/// `kinds` are the city's own names of request types, which count beside the product's own.
pub(crate) fn value(field: Field, value: &str, kinds: &[KindName]) -> Result<(), String> {
    if value.is_empty() {
        return Ok(());
    }
    let chars_max =
        if field == Field::Description { TICKET_FIELD_CHARS_MAX } else { LINE_CHARS_MAX };
    let chars = value.chars().count();
    if chars > chars_max {
        return Err(format!("has {chars} characters, at most {chars_max} are allowed"));
    }
    let line_break = |c| field == Field::Description && matches!(c, '\n' | '\r' | '\t');
    if value.chars().any(|c| c.is_control() && !line_break(c)) {
        return Err("holds a control character".into());
    }
    match field {
        Field::AppealKind if kinds.iter().any(|kind| kind.name == value) => Ok(()),
        Field::AppealKind => one_of(value, &KINDS),
        Field::Emergency => one_of(value, &EMERGENCY_NUMBERS),
        Field::Enterprise | Field::Tourism | Field::Confidential => one_of(value, &["true"]),
        Field::Phone => phone(value),
        Field::Amount => amount(value),
        Field::OccurredAt => occurred(value),
        Field::Title
        | Field::Description
        | Field::Category
        | Field::HandlingUnit
        | Field::CallerName
        | Field::Place
        | Field::Respondent
        | Field::Plate
        | Field::EarlierTicket
        | Field::CallbackTime
        | Field::Deadline => Ok(()),
    }
}

fn one_of(value: &str, known: &[&str]) -> Result<(), String> {
    if known.contains(&value) {
        return Ok(());
    }
    Err(format!("must be empty or one of {}", known.join(", ")))
}

fn phone(value: &str) -> Result<(), String> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    if digits && PHONE_DIGITS.contains(&value.len()) {
        return Ok(());
    }
    Err(format!(
        "must be {} to {} digits without spaces or dashes",
        PHONE_DIGITS.start(),
        PHONE_DIGITS.end()
    ))
}

fn amount(value: &str) -> Result<(), String> {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (yuan, rest) = value.split_once('.').unwrap_or((value, "0"));
    if is_number(yuan) && is_number(rest) {
        return Ok(());
    }
    Err("must be an amount in yuan, such as 3000 or 12.5".into())
}

/// A day or a moment in digits is one of the calendar; words (昨天傍晚) stand as they were said.
fn occurred(value: &str) -> Result<(), String> {
    let is_said = value.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    let (day, clock) = value.split_once([' ', 'T']).unwrap_or((value, "00:00"));
    if is_said || (is_day(day) && is_clock(clock)) {
        return Ok(());
    }
    Err("must be a day such as 2026-05-01, a moment such as 2026-05-01 19:30, or words".into())
}

fn numbers(text: &str, between: char) -> Option<Vec<u32>> {
    let number = |part: &str| {
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| part.parse().ok()).flatten()
    };
    text.split(between).map(number).collect()
}

fn is_day(text: &str) -> bool {
    let between = if text.contains('/') { '/' } else { '-' };
    let Some([year @ 1900..=2999, month, day]) =
        numbers(text, between).and_then(|parts| <[u32; 3]>::try_from(parts).ok())
    else {
        return false;
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

fn is_clock(text: &str) -> bool {
    let parts = numbers(text, ':').unwrap_or_default();
    matches!(parts[..], [0..=23, 0..=59] | [0..=23, 0..=59, 0..=59])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(field: Field, text: &str) -> Result<(), String> {
        value(field, text, &[])
    }

    #[test]
    fn a_person_may_clear_every_field() {
        assert!(Field::ALL.iter().all(|field| check(*field, "").is_ok()));
    }

    #[test]
    fn only_digits_are_a_telephone_number() {
        assert!(check(Field::Phone, "13800138000").is_ok());
        assert!(check(Field::Phone, "138-0013-8000").is_err());
        assert!(check(Field::Phone, "12").is_err());
        assert!(check(Field::Phone, "１３８").is_err());
    }

    #[test]
    fn an_amount_is_in_yuan() {
        assert!(check(Field::Amount, "3000").is_ok() && check(Field::Amount, "12.5").is_ok());
        for wrong in ["三千", "3,000", "12.", ".5", "-1", "1.2.3", "3000元"] {
            assert!(check(Field::Amount, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_in_digits_is_one_of_the_calendar() {
        let good = [
            "2026-05-01",
            "2026-05-01 19:30",
            "2026-05-01T19:30",
            "2026/5/1",
            "2024-02-29",
            "昨天傍晚",
            "2026年5月前后",
            "每天 22:00 以后",
        ];
        for good in good {
            assert!(check(Field::OccurredAt, good).is_ok(), "{good}");
        }
        let wrong = [
            "2026-13-45",
            "2026-02-29",
            "2026-05",
            "2026-05-01 25:00",
            "2026-05-01 19",
            "abc",
            "20260501",
            "2026--01",
        ];
        for wrong in wrong {
            assert!(check(Field::OccurredAt, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn kinds_come_from_the_list() {
        assert!(check(Field::AppealKind, "投诉").is_ok());
        assert!(check(Field::AppealKind, "抱怨").unwrap_err().contains("咨询"));
        let own = KindName { name: "诉苦".into(), kind: "投诉".into(), meaning: String::new() };
        assert!(check(Field::AppealKind, "诉苦").is_err());
        assert!(value(Field::AppealKind, "诉苦", &[own]).is_ok());
        assert!(check(Field::Emergency, "911").is_err());
    }

    #[test]
    fn length_counts_characters_not_bytes() {
        assert!(check(Field::Title, &"字".repeat(LINE_CHARS_MAX)).is_ok());
        assert!(check(Field::Title, &"字".repeat(LINE_CHARS_MAX + 1)).is_err());
        assert!(check(Field::Description, "一\n二").is_ok());
        assert!(check(Field::Place, "一\n二").is_err());
    }
}
