//! Columns by what they mean: found by their usual names, or as a person says.

use super::{Column, Row, Table, TableError};
use crate::LocalTime;
use qingting_common::UnixMillis;

/// A field that a table's column may fill.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The product's name of it.
    pub field: &'static str,
    /// What columns of it are usually called, the most usual first.
    pub usual: &'static [&'static str],
    /// Whether a table is of no use without it.
    pub needed: bool,
}

/// Which column of a table fills which field.
#[derive(Clone, Debug)]
pub struct Fields(Vec<(&'static str, Column)>);

impl Fields {
    /// The columns of a table. `map` has a field with the name of its column, and goes before the usual names.
    ///
    /// # Errors
    /// [`TableError::NoColumn`] for one that `map` names or that is needed; [`TableError::TwoColumns`].
    pub fn of(
        table: &Table,
        known: &[Known],
        map: &[(String, String)],
    ) -> Result<Self, TableError> {
        let mut found = Vec::new();
        for Known { field, usual, needed } in known {
            let mapped = map.iter().find(|(of, _)| of == field).map(|(_, name)| name.as_str());
            let own = std::iter::once(field).chain(*usual);
            let here = own.copied().find(|name| table.header().iter().any(|head| head == name));
            match mapped.or(here) {
                Some(name) => found.push((*field, table.column(name)?)),
                // The error names the column and those that there are.
                None if *needed => drop(table.column(usual.first().unwrap_or(field))?),
                None => {}
            }
        }
        Ok(Self(found))
    }

    /// The column of a field.
    pub fn column(&self, field: &str) -> Option<&Column> {
        self.0.iter().find(|(of, _)| *of == field).map(|(_, column)| column)
    }

    /// The cell's text; empty where the table has no such column.
    pub fn text<'r>(&self, row: &'r Row, field: &str) -> &'r str {
        self.column(field).map_or("", |column| row.cell(column))
    }

    /// The cell's time in China, such as `2026-09-12 08:30`; none where it is empty.
    ///
    /// # Errors
    /// [`TableError::Cell`].
    pub fn time(
        &self,
        table: &Table,
        row: &Row,
        field: &str,
    ) -> Result<Option<UnixMillis>, TableError> {
        match (self.column(field), self.text(row, field)) {
            (Some(column), text) if !text.is_empty() => minute(text).map(Some).ok_or_else(|| {
                table.cell_error(row, column, "it is no time such as 2026-09-12 08:30")
            }),
            _ => Ok(None),
        }
    }

    /// Whether the cell says yes.
    pub fn flag(&self, row: &Row, field: &str) -> bool {
        matches!(self.text(row, field), "是" | "1" | "true" | "Y" | "y" | "保密")
    }

    /// An error about a field of a row.
    pub fn fault(
        &self,
        table: &Table,
        row: &Row,
        field: &str,
        what: impl Into<String>,
    ) -> TableError {
        match (self.column(field), self.0.first()) {
            (Some(column), _) => table.cell_error(row, column, what),
            (None, Some((_, first))) => {
                table.cell_error(row, first, format!("`{field}`: {}", what.into()))
            }
            (None, None) => TableError::Empty { file: table.file().to_owned() },
        }
    }
}

/// `2026-09-12 08:30`, with seconds or without a time; slashes as well.
fn minute(text: &str) -> Option<UnixMillis> {
    let text = text.replace('/', "-").replace('T', " ");
    let (date, time) = text.split_once(' ').unwrap_or((&text, "00:00"));
    let mut date = date.split('-').map(|part| part.parse::<i32>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.split(':').map(|part| part.trim().parse::<u8>().ok());
    let (hour, minute) = (time.next()??, time.next()??);
    let at = LocalTime {
        year,
        month: u8::try_from(month).ok().filter(|month| (1..=12).contains(month))?,
        day: u8::try_from(day).ok()?,
        hour: Some(hour).filter(|hour| *hour < 24)?,
        minute: Some(minute).filter(|minute| *minute < 60)?,
    };
    // A day that there is not comes back as another one.
    (LocalTime::from_unix_ms(at.to_unix_ms()) == at).then(|| at.to_unix_ms())
}

/// All that is wrong with a table, row by row.
#[derive(Debug, thiserror::Error)]
#[error("{}", told(.0))]
pub struct TableFaults(pub Vec<TableError>);

/// Faults that are told; the rest is counted.
const FAULTS_TOLD: usize = 20;

fn told(faults: &[TableError]) -> String {
    let mut lines: Vec<String> = faults.iter().take(FAULTS_TOLD).map(ToString::to_string).collect();
    if faults.len() > FAULTS_TOLD {
        lines.push(format!("… and {} more", faults.len() - FAULTS_TOLD));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Known; 2] = [
        Known { field: "number", usual: &["单号", "工单编号"], needed: true },
        Known { field: "at", usual: &["时间"], needed: false },
    ];

    fn fields(text: &str, map: &[(String, String)]) -> Result<(Table, Fields), TableError> {
        let table = Table::from_csv("t.csv", text.as_bytes())?;
        let fields = Fields::of(&table, &KNOWN, map)?;
        Ok((table, fields))
    }

    #[test]
    fn a_column_is_found_by_a_usual_name_or_as_a_person_says() {
        let (table, found) = fields("工单编号,时间\nA1,2026/9/1 8:05\n", &[]).unwrap();
        let row = &table.rows()[0];
        assert_eq!(found.text(row, "number"), "A1");
        assert!(found.time(&table, row, "at").unwrap().is_some());
        let map = [("number".to_owned(), "编码".to_owned())];
        let (table, found) = fields("编码,工单编号\nB2,A1\n", &map).unwrap();
        assert_eq!(found.text(&table.rows()[0], "number"), "B2");
        assert_eq!(found.time(&table, &table.rows()[0], "at").unwrap(), None);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let none = fields("时间\n2026-01-01\n", &[]).unwrap_err().to_string();
        assert!(none.contains("单号"), "{none}");
        let map = [("at".to_owned(), "何时".to_owned())];
        assert!(fields("单号\nA1\n", &map).unwrap_err().to_string().contains("何时"));
        let (table, found) = fields("单号,时间\nA1,2026-02-30\n", &[]).unwrap();
        let wrong = found.time(&table, &table.rows()[0], "at").unwrap_err().to_string();
        assert!(wrong.contains("row 2") && wrong.contains("时间"), "{wrong}");
    }
}
