//! Telephone numbers as they are looked for: by all digits or by the last ones.

use crate::citizens::CitizenNumber;
use std::str::FromStr;

/// Fewest digits: those that people are told a number by.
const DIGITS_MIN: usize = 4;
/// Most digits: E.164 with an international prefix and an extension.
const DIGITS_MAX: usize = 20;
/// Fewest digits in a row that are a number in a text.
const NUMBER_DIGITS_MIN: usize = 5;

/// Shortest number whose mask shows its last digits.
pub(super) const SHOWN_DIGITS_MIN: i64 = 11;

/// A number, or its last digits.
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneEnd(String);

/// Why a text is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give a telephone number, or its last {DIGITS_MIN} digits or more")]
pub struct PhoneEndError;

impl FromStr for PhoneEnd {
    type Err = PhoneEndError;

    fn from_str(text: &str) -> Result<Self, PhoneEndError> {
        let is_mark = |c: char| matches!(c, ' ' | '-' | '+' | '(' | ')');
        let digits: String = text.chars().filter(|c| !is_mark(*c)).collect();
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit())
            && (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len());
        // The country's prefix is in some records and not in others.
        let digits = match digits.strip_prefix("86").or(digits.strip_prefix("0086")) {
            Some(national) if national.len() >= 10 => national.to_owned(),
            _ => digits,
        };
        if is_number { Ok(Self(digits)) } else { Err(PhoneEndError) }
    }
}

impl std::fmt::Debug for PhoneEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PhoneEnd(…{})", self.last_digits())
    }
}

impl PhoneEnd {
    /// The last four digits: enough to tell in the audit what was looked for, too little to ring anybody.
    pub fn last_digits(&self) -> &str {
        &self.0[self.0.len().saturating_sub(DIGITS_MIN)..]
    }

    /// Whether it is what a mask shows.
    pub fn is_shown_end(&self) -> bool {
        self.0.len() == DIGITS_MIN
    }

    /// All that a whole number is written as, each reversed; none where it can be the end of a longer one.
    pub fn whole(&self) -> Option<Vec<String>> {
        self.0.parse::<CitizenNumber>().ok().map(|number| number.reversed())
    }

    /// From which reversed number on, and before which.
    pub(super) fn range(&self) -> (String, String) {
        let from: String = self.0.chars().rev().collect();
        // The next character behind the digits.
        let to = format!("{from}:");
        (from, to)
    }
}

/// The numbers of a text, each reversed.
pub(super) fn reversed(text: &str) -> impl Iterator<Item = String> {
    let bare: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')')).collect();
    let numbers: Vec<String> = bare
        .split(|c: char| !c.is_ascii_digit())
        .filter(|digits| digits.len() >= NUMBER_DIGITS_MIN)
        .map(|digits| digits.chars().rev().collect())
        .collect();
    numbers.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_told_by_all_digits_or_the_last() {
        let digits = |text: &str| text.parse::<PhoneEnd>().map(|end| end.0);
        assert_eq!(digits("138-0013 8000").as_deref(), Ok("13800138000"));
        assert_eq!(digits("+86 13800138000").as_deref(), Ok("13800138000"));
        assert_eq!(digits("8000").as_deref(), Ok("8000"));
        assert_eq!(digits("8612").as_deref(), Ok("8612"));
        for wrong in ["", "800", "13800x", "１３８００", "1".repeat(21).as_str()] {
            assert_eq!(digits(wrong), Err(PhoneEndError), "{wrong}");
        }
        let end: PhoneEnd = "13800138000".parse().unwrap();
        assert_eq!(format!("{end:?}"), "PhoneEnd(…8000)");
        assert_eq!(end.range(), ("00083100831".into(), "00083100831:".into()));
    }

    #[test]
    fn numbers_are_found_in_what_people_write() {
        let all: Vec<_> = reversed("13800138000、0571-8888 8888转12（王）").collect();
        assert_eq!(all, ["00083100831", "888888881750"]);
        assert_eq!(reversed("anonymous").count(), 0);
    }
}
