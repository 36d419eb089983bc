//! The city's own words.

use super::build::{Build, Once};
use crate::table::Table;

/// Numbers that an emergency may belong to.
const NUMBERS: [&str; 4] = ["110", "119", "120", "122"];
/// Shortest word, in characters.
const WORD_CHARS_MIN: usize = 2;

/// What a word does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// 紧急: a matter of 110, 119, 120 or 122, as surely as 着火了.
    Emergency,
    /// 敏感: perhaps one; a seat looks.
    Sensitive,
    /// 涉企.
    Enterprise,
    /// 涉旅.
    Tourism,
}

/// A word that the city wants to be heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The word.
    pub word: String,
    /// What it does.
    pub effect: Effect,
    /// For [`Effect::Emergency`] and [`Effect::Sensitive`], whose matter it is; else empty.
    pub target: String,
}

impl Effect {
    fn of(cell: &str) -> Option<Self> {
        match cell {
            "紧急" | "emergency" => Some(Self::Emergency),
            "敏感" | "sensitive" => Some(Self::Sensitive),
            "涉企" | "enterprise" => Some(Self::Enterprise),
            "涉旅" | "tourism" => Some(Self::Tourism),
            _ => None,
        }
    }

    fn has_target(self) -> bool {
        matches!(self, Self::Emergency | Self::Sensitive)
    }
}

pub(super) fn read(build: &mut Build<'_>, table: &Table) -> Option<Vec<Word>> {
    let word = build.column(table, ["word", "词"]);
    let effect = build.column(table, ["effect", "作用"]);
    let target = build.column(table, ["target", "去向"]);
    let (word, effect, target) = (word?, effect?, target?);
    let mut once = Once::default();
    let mut words = Vec::new();
    for row in table.rows() {
        let own = build.unique(table, row, &word, &mut once);
        if own.as_ref().is_some_and(|word| word.chars().count() < WORD_CHARS_MIN) {
            let what = format!("shorter than {WORD_CHARS_MIN} characters: every talk has it");
            build.wrong(table, row, &word, what);
        }
        if own.as_ref().is_some_and(|word| word.contains(['~', '(', ')', '|', '#'])) {
            build.wrong(table, row, &word, "give the word itself, without ~ ( ) | or #");
        }
        let does = Effect::of(row.cell(&effect));
        if does.is_none() {
            let what = format!("{:?} is none of 紧急 敏感 涉企 涉旅", row.cell(&effect));
            build.wrong(table, row, &effect, what);
        }
        let whose = row.cell(&target).to_owned();
        let fits = does.is_none_or(|does| match does.has_target() {
            true => NUMBERS.contains(&whose.as_str()),
            false => whose.is_empty(),
        });
        if !fits {
            let what = "must be 110, 119, 120 or 122 for 紧急 and 敏感, and empty for others";
            build.wrong(table, row, &target, what);
        }
        if let (Some(word), Some(effect)) = (own, does) {
            words.push(Word { word, effect, target: whose });
        }
    }
    Some(words)
}
