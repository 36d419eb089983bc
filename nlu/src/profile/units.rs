//! Units that handle tickets.

use super::build::{Build, Once, RETIRED, list};
use crate::table::Table;

/// A unit that handles tickets (承办单位).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its code, unique.
    pub code: String,
    /// Its name, unique.
    pub name: String,
    /// What it is called as well.
    pub aliases: Vec<String>,
    /// What it answers for, in words.
    pub duties: Vec<String>,
    /// Codes of the divisions that it answers for; none: all of the city.
    pub territory: Vec<String>,
    /// Whether it gets nothing new (停用).
    pub is_retired: bool,
}

pub(super) fn read(build: &mut Build<'_>, table: &Table) -> Option<Vec<Unit>> {
    let code = build.column(table, ["code", "编码"]);
    let name = build.column(table, ["name", "名称"]);
    let aliases = build.column(table, ["aliases", "别名"]);
    let duties = build.column(table, ["duties", "职责"]);
    let territory = build.column(table, ["territory", "辖区"]);
    let retired = build.optional_column(table, RETIRED);
    let (code, name, aliases, duties, territory) = (code?, name?, aliases?, duties?, territory?);
    let retired = retired?;
    let (mut codes, mut names) = (Once::default(), Once::default());
    let mut units = Vec::new();
    for row in table.rows() {
        let own = build.unique(table, row, &code, &mut codes);
        let called = build.unique(table, row, &name, &mut names);
        let territory = build.divisions(table, row, &territory);
        let is_retired = build.retired(table, row, retired.as_ref());
        if let (Some(code), Some(name)) = (own, called) {
            let (aliases, duties) = (list(row.cell(&aliases)), list(row.cell(&duties)));
            units.push(Unit { code, name, aliases, duties, territory, is_retired });
        }
    }
    Some(units)
}
