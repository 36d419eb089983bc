//! From files to entries, all or none.

use super::columns::Column;
use super::document::Document;
use super::entry::{ENTRIES_MAX, Entry};
use crate::table::{Table, TableError};
use std::collections::{BTreeMap, HashMap};

/// Most problems that are told.
pub const PROBLEMS_MAX: usize = 100;

/// What is wrong with a file or an entry, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The file is no table, or lacks a column.
    #[error(transparent)]
    Table(TableError),
    /// One entry.
    #[error("{file} row {row}: {what}")]
    Entry {
        /// The file.
        file: String,
        /// Row of a table, line of a text, from 1.
        row: u64,
        /// What is wrong, and the remedy.
        what: String,
    },
}

/// Why nothing was imported: every problem found, at most [`PROBLEMS_MAX`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} problems, nothing was imported; the first: {}", .problems.len(), .problems[0])]
pub struct ImportError {
    /// At least one.
    pub problems: Vec<Problem>,
}

/// Takes files one after the other and gives their entries if all were right.
#[derive(Debug, Default)]
pub struct Import {
    entries: Vec<Entry>,
    /// Where each id was first seen.
    seen: HashMap<String, (String, u64)>,
    problems: Vec<Problem>,
}

impl Import {
    /// Takes the rows of a table. Columns are found by the names of [`Column::names`]; columns of other
    /// names are left out.
    pub fn table(&mut self, table: &Table) {
        match columns(table) {
            Err(error) => self.unreadable(error),
            Ok(columns) => {
                for row in table.rows() {
                    let text = |column| columns.get(&column).map_or("", |at| row.cell(at));
                    self.take(table.file(), row.number(), Entry::from_texts(text));
                }
            }
        }
    }

    /// Takes the sections of a page; see [`Document`].
    pub fn document(&mut self, file: &str, document: &Document) {
        let entries = document.entries();
        if entries.is_empty() {
            let what =
                "no heading has any text below it: write the answer below its question".into();
            self.problem(Problem::Entry { file: file.into(), row: 1, what });
        }
        for texts in entries {
            let text = |column| texts.by_column.get(&column).map_or("", String::as_str);
            self.take(file, texts.line, Entry::from_texts(text));
        }
    }

    /// A file that is no table.
    pub fn unreadable(&mut self, error: TableError) {
        self.problem(Problem::Table(error));
    }

    /// The entries, if nothing was wrong.
    ///
    /// # Errors
    /// Every problem, in order.
    pub fn finish(self) -> Result<Vec<Entry>, ImportError> {
        if self.problems.is_empty() {
            return Ok(self.entries);
        }
        Err(ImportError { problems: self.problems })
    }

    fn take(&mut self, file: &str, row: u64, read: Result<Entry, (Column, String)>) {
        let of_row = |what| Problem::Entry { file: file.into(), row, what };
        let entry = match read {
            Ok(entry) => entry,
            Err((column, what)) => {
                let names = column.names();
                return self.problem(of_row(format!("{} ({}) {what}", names[0], names[1])));
            }
        };
        if self.entries.len() == ENTRIES_MAX {
            let what =
                format!("there are more than {ENTRIES_MAX} entries: take out what is not used");
            return self.problem(of_row(what));
        }
        if let Some((other, at)) = self.seen.get(&entry.id) {
            let what = format!(
                "id {:?} is in {other} row {at} already: give each entry an id (编号) of its own",
                entry.id
            );
            return self.problem(of_row(what));
        }
        self.seen.insert(entry.id.clone(), (file.into(), row));
        self.entries.push(entry);
    }

    fn problem(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }
}

type Found = BTreeMap<Column, crate::table::Column>;

fn columns(table: &Table) -> Result<Found, TableError> {
    let mut found = Found::new();
    for name in table.header() {
        if let Some(column) = Column::from_name(name)
            && let Some(at) = table.optional_column(name)?
        {
            found.entry(column).or_insert(at);
        }
    }
    for needed in [Column::Title, Column::Answer, Column::Source, Column::ValidFrom] {
        if !found.contains_key(&needed) {
            table.column(needed.names()[1])?;
        }
    }
    Ok(found)
}
