//! One entry and its limits.

use super::columns::Column;
use super::day::Day;

/// Most entries.
pub const ENTRIES_MAX: usize = 50_000;
/// Longest id.
const ID_CHARS_MAX: usize = 100;
/// Longest title, question, source, unit or tag.
const LINE_CHARS_MAX: usize = 200;
/// Longest answer.
const ANSWER_CHARS_MAX: usize = 8_000;
/// Most other ways of asking, and most tags.
const LIST_MAX: usize = 50;

/// What a seat may tell a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Unlike every other entry's.
    pub id: String,
    /// 标题: the question, in official words.
    pub title: String,
    /// 问法: how callers ask it.
    pub questions: Vec<String>,
    /// 答案.
    pub answer: String,
    /// 来源: the rule or the unit that says so.
    pub source: String,
    /// 生效日期: the first day on which it is right.
    pub valid_from: Day,
    /// 失效日期: the last day on which it is right; none if that is not known.
    pub valid_to: Option<Day>,
    /// 责任单位.
    pub unit: Option<String>,
    /// 标签.
    pub tags: Vec<String>,
}

impl Entry {
    /// Whether it is right on that day.
    pub fn is_valid_on(&self, day: Day) -> bool {
        self.valid_from <= day && self.valid_to.is_none_or(|last| day <= last)
    }

    /// Makes an entry of texts by column, or says which column is wrong and what to do.
    pub(super) fn from_texts<'a>(
        text: impl Fn(Column) -> &'a str,
    ) -> Result<Self, (Column, String)> {
        let title = filled(&text, Column::Title, LINE_CHARS_MAX)?;
        let id = match text(Column::Id) {
            "" => title.clone(),
            id => id.to_owned(),
        };
        let entry = Self {
            id: short(Column::Id, &id, ID_CHARS_MAX)?,
            title,
            questions: list(&text, Column::Questions)?,
            answer: filled(&text, Column::Answer, ANSWER_CHARS_MAX)?,
            source: filled(&text, Column::Source, LINE_CHARS_MAX)?,
            valid_from: day(Column::ValidFrom, &filled(&text, Column::ValidFrom, LINE_CHARS_MAX)?)?,
            valid_to: match text(Column::ValidTo) {
                "" | "长期" | "长期有效" => None,
                last => Some(day(Column::ValidTo, last)?),
            },
            unit: Some(short(Column::Unit, text(Column::Unit), LINE_CHARS_MAX)?)
                .filter(|unit| !unit.is_empty()),
            tags: list(&text, Column::Tags)?,
        };
        if entry.valid_to.is_some_and(|last| last < entry.valid_from) {
            let what = format!("is before {}: exchange the two days", entry.valid_from);
            return Err((Column::ValidTo, what));
        }
        Ok(entry)
    }
}

fn filled<'a>(
    text: impl Fn(Column) -> &'a str,
    column: Column,
    chars_max: usize,
) -> Result<String, (Column, String)> {
    match text(column) {
        "" => Err((column, "is empty: fill it in or take the entry out".into())),
        text => short(column, text, chars_max),
    }
}

fn short(column: Column, text: &str, chars_max: usize) -> Result<String, (Column, String)> {
    let chars = text.chars().count();
    if chars > chars_max {
        return Err((column, format!("has {chars} characters, at most {chars_max} are allowed")));
    }
    Ok(text.to_owned())
}

fn day(column: Column, text: &str) -> Result<Day, (Column, String)> {
    let wrong = || (column, "is no day of the calendar: write it as 2026-03-11".to_owned());
    Day::parse(text).ok_or_else(wrong)
}

/// Several texts in one cell, between `|`, `；` or line breaks.
fn list<'a>(
    text: impl Fn(Column) -> &'a str,
    column: Column,
) -> Result<Vec<String>, (Column, String)> {
    let parts = text(column).split(['|', '｜', '；', ';', '\n']).map(str::trim);
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    if parts.len() > LIST_MAX {
        return Err((column, format!("has {} parts, at most {LIST_MAX} are allowed", parts.len())));
    }
    parts.into_iter().map(|part| short(column, part, LINE_CHARS_MAX)).collect()
}
