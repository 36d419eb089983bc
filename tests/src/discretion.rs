//! What a server may not say in its log: each server under test is asked when it is dropped ([`crate::server`]).
//!
//! **Nobody lists what was said.** The program's own messages are English: Chinese text in a line is a citizen's, a
//! seat's or a person's unless the configuration says it to everybody. So a later field cannot forget to be listed.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Fewest digits of a telephone number; services such as 12345 and extensions of seats are shorter.
const DIGITS_MIN: usize = 7;
/// How numbers within China are written by others.
const PREFIXES: [&str; 5] = ["", "0", "86", "086", "0086"];
const MOBILE_DIGITS: usize = 11;
/// A landline with its area code: 010 and 7 digits to 0571 and 8.
const LANDLINE_DIGITS: std::ops::RangeInclusive<usize> = 10..=12;

/// Numbers that tests of this process dialled or called from. None of them is any server's to tell.
static DIALLED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Notes a number that a test dials or calls from; what is shorter than a telephone number is none.
pub fn dialled(number: &str) {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    if digits.len() >= DIGITS_MIN {
        DIALLED.lock().unwrap_or_else(PoisonError::into_inner).insert(digits);
    }
}

/// What one server knows.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Text that may be told: the configuration.
    pub open: String,
    /// Names of its seats and people.
    pub names: BTreeSet<String>,
}

/// Each thing in a log that must not be there, with its line. Looked at are lines of every level but DEBUG and TRACE,
/// whatever is no line of the log (a panic, a worker's word), and of the product's own crates DEBUG and TRACE, too.
pub fn indiscretions(log: &str, known: &Known) -> Vec<String> {
    let dialled = DIALLED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let lines = log.lines().filter(|line| is_ours_to_mind(line));
    let found = |line: &str| {
        let mut found = numbers(line, &dialled);
        found.extend(known.names.iter().filter(|name| line.contains(*name)).cloned());
        found.extend(words(line, &known.open));
        found.into_iter().map(|what| format!("{what:?} in {line}")).collect::<Vec<_>>()
    };
    lines.flat_map(found).collect()
}

/// `TIME LEVEL target: …`, or JSON with `"level"` and `"target"`.
fn is_ours_to_mind(line: &str) -> bool {
    let mut parts = line.split_whitespace().skip(1);
    let is_quiet = match parts.next() {
        Some("DEBUG" | "TRACE") => true,
        _ => ["DEBUG", "TRACE"].iter().any(|name| line.contains(&format!("\"level\":\"{name}\""))),
    };
    let is_own = parts.next().is_some_and(|target| target.starts_with("qingting"))
        || line.contains("\"target\":\"qingting");
    !is_quiet || is_own
}

/// Mobiles, landlines with their area code, and what was dialled, with or without dashes.
fn numbers(line: &str, dialled: &BTreeSet<String>) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let mut found = Vec::new();
    // Digits within an id are not a number.
    for token in line.split(|c: char| !is_part(c)) {
        let bare = token.trim_matches('-');
        if bare.contains("--") || !bare.chars().all(|c| c.is_ascii_digit() || c == '-') {
            continue;
        }
        let digits: String = bare.chars().filter(char::is_ascii_digit).collect();
        let is_of = |prefix: &&str| {
            let Some(rest) = digits.strip_prefix(*prefix) else { return false };
            is_mobile(rest) || dialled.contains(rest)
        };
        if PREFIXES.iter().any(is_of) || is_landline(&digits) {
            found.push(bare.to_owned());
        }
    }
    found
}

fn is_mobile(digits: &str) -> bool {
    let mut bytes = digits.bytes();
    digits.len() == MOBILE_DIGITS
        && bytes.next() == Some(b'1')
        && bytes.next().is_some_and(|second| second >= b'3')
}

fn is_landline(digits: &str) -> bool {
    let mut bytes = digits.bytes();
    LANDLINE_DIGITS.contains(&digits.len())
        && bytes.next() == Some(b'0')
        && bytes.next().is_some_and(|second| second != b'0')
}

/// Chinese text of two characters or more that is no open text.
fn words(line: &str, open: &str) -> Vec<String> {
    let is_chinese = |c: char| ('\u{3400}'..='\u{9fff}').contains(&c);
    line.split(|c| !is_chinese(c))
        .filter(|word| word.chars().count() >= 2 && !open.contains(word))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let names = ["王芳", "Li Ming"].map(str::to_owned).into();
        Known { open: "name = \"综合\"\nsay = \"王芳为您服务\"".to_owned(), names }
    }

    fn told(line: &str) -> Vec<String> {
        indiscretions(line, &known())
    }

    #[test]
    fn numbers_names_and_words_are_found_wherever_they_stand() {
        dialled("+86 571-2345678");
        dialled("7654321");
        for what in [
            "13800138000",
            "8613800138000",
            "+8613800138000",
            "013800138000",
            "138-0013-8000",
            "0571-88888888",
            "01088888888",
            "865712345678",
            "7654321",
            "王芳",
            "Li Ming",
            "烧烤店",
        ] {
            for line in [
                format!("2026-11-27T06:55:27.012345Z  INFO qingting::serve: call called={what}"),
                format!(
                    "2026-11-27T06:55:27.012345Z  WARN qingting::serve: no sip:{what}@10.0.0.1"
                ),
                format!("2026-11-27T06:55:27.012345Z DEBUG qingting_sip::agent: to \"{what}\""),
                format!("thread 'main' panicked at '{what}'"),
                format!("{{\"level\":\"ERROR\",\"fields\":{{\"to\":\"{what}\"}}}}"),
                format!("{{\"level\":\"DEBUG\",\"target\":\"qingting_api\",\"to\":\"{what}\"}}"),
            ] {
                assert_eq!(told(&line).len(), 1, "{line}");
            }
        }
    }

    #[test]
    fn ids_times_and_what_is_configured_are_no_secrets() {
        for line in [
            "2026-11-27T06:55:27.012345Z  INFO qingting: call=019365ab-1234-7123-8000-013800138000",
            "2026-11-27T06:55:27.012345678Z  INFO qingting: called=12345 from=127.0.0.1:50600",
            "2026-11-27T06:55:27.012345Z  INFO qingting: a seat calls seat=\"801\" queue=综合",
            "2026-11-27T06:55:27.012345Z  INFO qingting: at=1764226527012 ssrc=4138001380 …8000",
            "2026-11-27T06:55:27.012345Z DEBUG hyper::proto: 13800138000 王芳",
            "{\"level\":\"TRACE\",\"target\":\"h2\",\"to\":\"13800138000\"}",
        ] {
            assert_eq!(told(line), Vec::<String>::new(), "{line}");
        }
    }
}
