//! Comparing what was said with what was expected.

use super::NodeName;
use std::collections::BTreeMap;

/// What always leads to a person.
const PERSON: &str = "人工";

/// Without spaces and punctuation, Latin letters small, full-width forms narrow.
pub(super) fn plain(text: &str) -> String {
    let narrow = |c: char| match c {
        '！'..='～' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        _ => c,
    };
    let kept = text.chars().map(narrow).filter(|c| c.is_alphanumeric());
    kept.flat_map(char::to_lowercase).collect()
}

/// Whether words in plain form ask for a person.
pub(super) fn asks_for_a_person(said: &str) -> bool {
    said.contains(PERSON)
}

/// Where the longest phrase leads that was said.
pub(super) fn longest_in<'a>(
    phrases: &'a BTreeMap<String, NodeName>,
    said: &str,
) -> Option<&'a NodeName> {
    let said = phrases.iter().filter(|(phrase, _)| said.contains(*phrase));
    said.max_by_key(|(phrase, _)| phrase.chars().count()).map(|(_, to)| to)
}
