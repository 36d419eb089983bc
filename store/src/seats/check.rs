//! What a seat may be called.

use super::{SeatError, Skills};
use std::ops::RangeInclusive;

const EXTENSION_DIGITS: RangeInclusive<usize> = 2..=8;
const NAME_CHARS: RangeInclusive<usize> = 1..=50;
const PASSWORD_CHARS: RangeInclusive<usize> = 8..=128;
const LEVELS: RangeInclusive<u8> = 1..=9;
const SKILLS_MAX: usize = 64;

/// Numbers that everybody may need to dial: no seat hides them.
const TAKEN: [&str; 5] = ["110", "119", "120", "122", "12345"];

pub(super) fn extension(text: &str) -> Result<(), SeatError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || !EXTENSION_DIGITS.contains(&text.len()) {
        return Err(invalid("extension", between("must be", &EXTENSION_DIGITS, "digits")));
    }
    if TAKEN.contains(&text) {
        return Err(invalid("extension", format!("must not be one of {}", TAKEN.join(", "))));
    }
    Ok(())
}

pub(crate) fn name(text: &str) -> Result<(), SeatError> {
    let fits = NAME_CHARS.contains(&text.trim().chars().count()) && text.trim() == text;
    if !fits || text.contains(char::is_control) {
        let rule = between("must have", &NAME_CHARS, "characters, none a control, no space around");
        return Err(invalid("name", rule));
    }
    Ok(())
}

pub(super) fn skills(skills: &Skills) -> Result<(), SeatError> {
    let name_fits = |name: &String| {
        NAME_CHARS.contains(&name.trim().chars().count()) && !name.contains(char::is_control)
    };
    if skills.len() > SKILLS_MAX || !skills.keys().all(name_fits) {
        return Err(invalid(
            "skills",
            format!("must be at most {SKILLS_MAX} names of 1 to 50 characters"),
        ));
    }
    if !skills.values().all(|level| LEVELS.contains(level)) {
        return Err(invalid("skills", "a level is 1 (best) to 9 (last resort)".into()));
    }
    Ok(())
}

pub(crate) fn password(text: &str) -> Result<(), SeatError> {
    if !PASSWORD_CHARS.contains(&text.chars().count()) || text.contains(char::is_control) {
        return Err(invalid("password", between("must have", &PASSWORD_CHARS, "characters")));
    }
    Ok(())
}

fn between(verb: &str, range: &RangeInclusive<usize>, what: &str) -> String {
    format!("{verb} {} to {} {what}", range.start(), range.end())
}

fn invalid(field: &'static str, problem: String) -> SeatError {
    SeatError::Invalid { field, problem }
}
