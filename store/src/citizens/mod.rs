//! All that is known of one citizen, by the telephone number: given out whole, or erased.
//!
//! **An erasure that was ordered is finished, whatever stops in between**: the order is stored first, with all that goes, and
//! carried out in steps (`order`). The files of recordings follow; what a crash leaves of them is deleted when their
//! server starts. What counts calls, tickets and follow-ups stays, with [`ERASED`] in the place of the number.
//!
//! A citizen's are: calls with the number, tickets of those calls or with the number as their telephone, past
//! tickets with it, follow-ups to it or about those tickets.

mod data;
mod erase;
mod files;
mod find;
mod order;
mod scrub;

pub use data::CitizenData;
pub use erase::{EraseError, EraseReason, Erased, Erasure};
pub use files::RecordingToErase;

use std::fmt;
use std::str::FromStr;

/// What stands where something of a citizen was.
pub const ERASED: &str = "已删除";

/// Calls, and likewise tickets, that one erasure or one export takes: their ids are in one statement.
pub const CITIZEN_ROWS_MAX: u32 = 2_000;

/// Fewest digits: shorter ones are services, whose number many share.
const DIGITS_MIN: usize = 7;
/// Most digits: E.164 with an international prefix.
const DIGITS_MAX: usize = 17;
/// Length of a mobile number within China.
const MOBILE_DIGITS: usize = 11;
/// So much of a number stands in the audit.
const TOLD_DIGITS: usize = 4;

/// A citizen's whole number, without the country's prefix. `Debug` prints its end alone.
#[derive(Clone, PartialEq, Eq)]
pub struct CitizenNumber(String);

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give a whole telephone number of {DIGITS_MIN} to {DIGITS_MAX} digits")]
pub struct CitizenNumberError;

impl FromStr for CitizenNumber {
    type Err = CitizenNumberError;

    fn from_str(text: &str) -> Result<Self, CitizenNumberError> {
        let is_mark = |c: char| matches!(c, ' ' | '-' | '+' | '(' | ')');
        let digits: String = text.chars().filter(|c| !is_mark(*c)).collect();
        let is_mobile = |text: &str| text.len() == MOBILE_DIGITS && text.starts_with('1');
        let national = ["0086", "86"].into_iter().find_map(|prefix| digits.strip_prefix(prefix));
        let digits = match national.filter(|rest| rest.len() >= 10) {
            // A landline has its 0 within the country alone.
            Some(rest) if !is_mobile(rest) && !rest.starts_with('0') => format!("0{rest}"),
            Some(rest) => rest.to_owned(),
            None => digits,
        };
        // Dialled from another province.
        let digits = match digits.strip_prefix('0').filter(|rest| is_mobile(rest)) {
            Some(mobile) => mobile.to_owned(),
            None => digits,
        };
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit())
            && (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len());
        if is_number { Ok(Self(digits)) } else { Err(CitizenNumberError) }
    }
}

impl fmt::Debug for CitizenNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CitizenNumber({})", self.told())
    }
}

impl CitizenNumber {
    /// For the audit: `…8000`.
    pub fn told(&self) -> String {
        format!("…{}", &self.0[self.0.len() - TOLD_DIGITS..])
    }

    /// The number as it is kept.
    pub(super) fn digits(&self) -> &str {
        &self.0
    }

    /// The number as trunks and other systems write it.
    fn forms(&self) -> Vec<String> {
        let abroad = self.0.strip_prefix('0').unwrap_or(&self.0);
        let mut forms = vec![self.0.clone()];
        forms.extend(["86", "+86", "0086"].map(|prefix| format!("{prefix}{abroad}")));
        if self.0.len() == MOBILE_DIGITS && self.0.starts_with('1') {
            forms.push(format!("0{}", self.0));
        }
        forms
    }

    /// The forms as the index of tickets has them: digits, from the last one on.
    pub(crate) fn reversed(&self) -> Vec<String> {
        let mut all: Vec<String> = self
            .forms()
            .iter()
            .map(|form| form.chars().rev().filter(char::is_ascii_digit).collect())
            .collect();
        all.sort();
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        let read = |text: &str| text.parse::<CitizenNumber>().map(|number| number.0);
        for text in ["138-0013 8000", "+8613800138000", "008613800138000", "013800138000"] {
            assert_eq!(read(text).as_deref(), Ok("13800138000"), "{text}");
        }
        assert_eq!(read("+86 571 8888 8888").as_deref(), Ok("057188888888"));
        assert_eq!(read("0571-88888888").as_deref(), Ok("057188888888"));
        for wrong in ["", "12345", "anonymous", "已删除", "138****8000", &"1".repeat(18)] {
            assert_eq!(read(wrong), Err(CitizenNumberError), "{wrong}");
        }
        let number: CitizenNumber = "13800138000".parse().unwrap();
        assert_eq!(format!("{number:?}"), "CitizenNumber(…8000)");
        assert_eq!(number.forms()[1..3], ["8613800138000", "+8613800138000"]);
        assert_eq!(number.reversed().len(), 4);
    }
}
