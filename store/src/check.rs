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
        Field::Title
        | Field::Description
        | Field::Category
        | Field::HandlingUnit
        | Field::CallerName
        | Field::OccurredAt
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
