//! Tables that people keep in spreadsheets: rows of text under named columns.
//!
//! **An error names the file, the row and the column as a person sees them in the spreadsheet, and the
//! remedy.** Rows count from 1, the header being the first; blank lines count, lines within a quoted
//! cell do not. Nothing of a cell is in an error: tickets hold personal data.

mod csv;
mod encoding;
mod fields;
mod formula;

pub use encoding::decode;
pub use fields::{Fields, Known, TableFaults};
pub use formula::{guarded, unguarded};

use std::borrow::Cow;

/// Largest file, in bytes.
pub const FILE_BYTES_MAX: usize = 256 << 20;
/// Most rows below the header: what a spreadsheet holds.
pub const ROWS_MAX: usize = 1_048_575;
/// Most columns.
pub const COLUMNS_MAX: usize = 1_024;
/// Longest cell, in characters: what a spreadsheet's cell holds.
pub const CELL_CHARS_MAX: usize = 32_767;

/// Why a file is no table, or lacks what is looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Larger than [`FILE_BYTES_MAX`].
    #[error("{file} has {bytes} bytes, more than {FILE_BYTES_MAX}: divide it into several files")]
    Bytes {
        /// The file.
        file: String,
        /// Its size.
        bytes: usize,
    },
    /// Text in an encoding that is not read.
    #[error("{file} row {row}: {what}; save it as \"CSV UTF-8\"")]
    Encoding {
        /// The file.
        file: String,
        /// Row in which it begins.
        row: u64,
        /// What the bytes look like.
        what: &'static str,
    },
    /// Nothing but blank cells.
    #[error("{file} is empty: its first row must name the columns")]
    Empty {
        /// The file.
        file: String,
    },
    /// Not in the header.
    #[error(
        "{file} row {row}: no column {name:?}; the file has: {found}. Name the right one, or rename \
         it in the file"
    )]
    NoColumn {
        /// The file.
        file: String,
        /// Row of the header.
        row: u64,
        /// What was looked for.
        name: String,
        /// The header.
        found: String,
    },
    /// Twice in the header.
    #[error("{file} row {row}: column {name:?} is there twice: rename or remove one")]
    TwoColumns {
        /// The file.
        file: String,
        /// Row of the header.
        row: u64,
        /// The name.
        name: String,
    },
    /// More than [`COLUMNS_MAX`] columns, or a row with text beyond the header's last.
    #[error(
        "{file} row {row}: {cells} cells, but {columns} columns: put a text that holds the delimiter \
         or a line break in double quotes, or name the column in the header"
    )]
    Width {
        /// The file.
        file: String,
        /// The row.
        row: u64,
        /// Cells up to the last with text.
        cells: usize,
        /// Columns that there may be.
        columns: usize,
    },
    /// More than [`ROWS_MAX`] rows.
    #[error("{file} has more than {ROWS_MAX} rows: divide it into several files")]
    Rows {
        /// The file.
        file: String,
    },
    /// One cell.
    #[error("{file} row {row}, column {column:?}: {what}")]
    Cell {
        /// The file.
        file: String,
        /// The row.
        row: u64,
        /// The column's name.
        column: String,
        /// What does not fit, and the remedy.
        what: String,
    },
    /// A workbook that cannot be opened.
    #[error(
        "{file} is no readable workbook ({what}): save it as XLSX without a password, or as CSV"
    )]
    Workbook {
        /// The file.
        file: String,
        /// What its reader says.
        what: String,
    },
}

/// A header and the rows below it. `Debug` prints no cell.
#[derive(Clone, PartialEq, Eq)]
pub struct Table {
    file: String,
    header_row: u64,
    header: Vec<String>,
    rows: Vec<Row>,
}

/// A row with text in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    number: u64,
    cells: Vec<String>,
}

/// A column that is in the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    name: String,
    at: usize,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (file, header, rows) = (&self.file, &self.header, self.rows.len());
        write!(f, "Table {{ file: {file:?}, header: {header:?}, rows: {rows} }}")
    }
}

impl Table {
    /// Reads a CSV file in UTF-8, in UTF-16 with its mark, or in GB18030; delimited by `,`, `;` or a
    /// tab, whichever the header has most of. `file` is its name in errors.
    ///
    /// # Errors
    /// [`TableError`], for what is wrong first.
    pub fn from_csv(file: &str, bytes: &[u8]) -> Result<Self, TableError> {
        if bytes.len() > FILE_BYTES_MAX {
            return Err(TableError::Bytes { file: file.into(), bytes: bytes.len() });
        }
        let text: Cow<'_, str> = encoding::decode(file, bytes)?;
        Self::from_rows(file, csv::Rows::of(&text))
    }

    /// Rows of a spreadsheet with their numbers, in order; the first with text is the header.
    ///
    /// # Errors
    /// [`TableError`], for what is wrong first.
    pub fn from_rows(
        file: &str,
        rows: impl Iterator<Item = (u64, Vec<String>)>,
    ) -> Result<Self, TableError> {
        let mut rows = rows.filter(|(_, cells)| cells.iter().any(|cell| !cell.trim().is_empty()));
        let (header_row, header) =
            rows.next().ok_or_else(|| TableError::Empty { file: file.into() })?;
        let header: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
        let named = header.iter().rposition(|name| !name.is_empty()).map_or(0, |at| at + 1);
        let mut table = Self {
            file: file.into(),
            header_row,
            header: header[..named].to_vec(),
            rows: Vec::new(),
        };
        if named > COLUMNS_MAX {
            return Err(table.width(header_row, named, COLUMNS_MAX));
        }
        for (number, cells) in rows {
            table.push(number, cells)?;
        }
        Ok(table)
    }

    fn push(&mut self, number: u64, mut cells: Vec<String>) -> Result<(), TableError> {
        if self.rows.len() == ROWS_MAX {
            return Err(TableError::Rows { file: self.file.clone() });
        }
        let used = cells.iter().rposition(|cell| !cell.trim().is_empty()).map_or(0, |at| at + 1);
        if used > self.header.len() {
            return Err(self.width(number, used, self.header.len()));
        }
        cells.truncate(self.header.len());
        let row = Row { number, cells };
        let long =
            |cell: &String| cell.len() > CELL_CHARS_MAX && cell.chars().count() > CELL_CHARS_MAX;
        if let Some(at) = row.cells.iter().position(long) {
            let what = format!(
                "more than {CELL_CHARS_MAX} characters: shorten it, or look for a double quote that \
                 is not closed"
            );
            let column = Column { name: self.header[at].clone(), at };
            return Err(self.cell_error(&row, &column, what));
        }
        self.rows.push(row);
        Ok(())
    }

    fn width(&self, row: u64, cells: usize, columns: usize) -> TableError {
        TableError::Width { file: self.file.clone(), row, cells, columns }
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Names of the columns, without blanks around them.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The rows below the header that have any text.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The column of that name.
    ///
    /// # Errors
    /// [`TableError::NoColumn`], [`TableError::TwoColumns`].
    pub fn column(&self, name: &str) -> Result<Column, TableError> {
        self.optional_column(name)?.ok_or_else(|| TableError::NoColumn {
            file: self.file.clone(),
            row: self.header_row,
            name: name.to_owned(),
            found: self.header.join(", "),
        })
    }

    /// The column of that name, if there is one.
    ///
    /// # Errors
    /// [`TableError::TwoColumns`].
    pub fn optional_column(&self, name: &str) -> Result<Option<Column>, TableError> {
        let name = name.trim();
        let mut found = self.header.iter().enumerate().filter(|(_, other)| *other == name);
        let first = found.next();
        if found.next().is_some() {
            let (file, row) = (self.file.clone(), self.header_row);
            return Err(TableError::TwoColumns { file, row, name: name.to_owned() });
        }
        Ok(first.map(|(at, _)| Column { name: name.to_owned(), at }))
    }

    /// The same table as CSV in UTF-8.
    pub fn to_csv(&self) -> String {
        let mut text = String::new();
        let mut line = |cells: &mut dyn Iterator<Item = &str>| {
            for (at, cell) in cells.enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                csv::push(&mut text, cell);
            }
            text.push('\n');
        };
        line(&mut self.header.iter().map(String::as_str));
        self.rows.iter().for_each(|row| line(&mut row.cells()));
        text
    }

    /// An error about one cell; `what` says what does not fit and the remedy.
    pub fn cell_error(&self, row: &Row, column: &Column, what: impl Into<String>) -> TableError {
        TableError::Cell {
            file: self.file.clone(),
            row: row.number,
            column: column.name.clone(),
            what: what.into(),
        }
    }

    /// The cell's text without blanks around it.
    ///
    /// # Errors
    /// [`TableError::Cell`] when it is empty.
    pub fn filled<'a>(&self, row: &'a Row, column: &Column) -> Result<&'a str, TableError> {
        match row.cell(column) {
            "" => Err(self.cell_error(row, column, "is empty: fill it in or remove the row")),
            text => Ok(text),
        }
    }
}

impl Row {
    /// The cells under the header, without blanks around them, as many as the row has.
    pub fn cells(&self) -> impl Iterator<Item = &str> {
        self.cells.iter().map(|cell| cell.trim())
    }

    /// The row as a spreadsheet numbers it.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The cell's text without blanks around it; empty where the row ends earlier.
    pub fn cell(&self, column: &Column) -> &str {
        self.cells.get(column.at).map_or("", |cell| cell.trim())
    }
}

impl Column {
    /// The name in the header.
    pub fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests;
