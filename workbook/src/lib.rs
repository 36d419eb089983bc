//! Tables out of files: XLSX workbooks and CSV.
//!
//! **The same table comes out of a workbook's first sheet and of the CSV file saved from it.** A crate
//! of its own, because reading an archive reaches libc, which `nlu` may not.

pub mod report;
mod write;

pub use write::{WriteError, csv, xlsx};

use calamine::{
    Cell, Data, DataRef, ExcelDateTime, Reader, SheetType, SheetVisible, Xlsx, XlsxCellReader,
};
use qingting_nlu::table::{COLUMNS_MAX, FILE_BYTES_MAX, ROWS_MAX, Table, TableError};
use std::io::{Cursor, Read};

/// Most bytes that the parts of a workbook may unpack to.
pub const UNPACKED_BYTES_MAX: u64 = 1 << 30;

/// Bytes that are unpacked at a time to count them.
const READ_BYTES: usize = 64 << 10;

/// How an XLSX file begins: it is a ZIP archive.
const ZIP_MAGIC: &[u8] = b"PK\x03\x04";
/// How an old workbook (XLS) and a workbook with a password begin.
const OLE_MAGIC: &[u8] = b"\xd0\xcf\x11\xe0";

type Bytes<'a> = Cursor<&'a [u8]>;

/// Reads the first visible sheet of a workbook, or a CSV file; which of them is told by the bytes.
/// `file` is its name in errors.
///
/// # Errors
/// [`TableError`], for what is wrong first.
pub fn table(file: &str, bytes: &[u8]) -> Result<Table, TableError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(TableError::Bytes { file: file.into(), bytes: bytes.len() });
    }
    if bytes.starts_with(OLE_MAGIC) {
        return Err(unreadable(file, "an old XLS file, or one with a password"));
    }
    if !bytes.starts_with(ZIP_MAGIC) {
        // A workbook by its name that is none: what an encoding is good for would mislead.
        return Table::from_csv(file, bytes).map_err(|error| match error {
            TableError::Encoding { .. } if is_workbook(file) => {
                unreadable(file, "it is damaged, or something else under this name")
            }
            error => error,
        });
    }
    let rows = rows(file, bytes)?;
    Table::from_rows(file, rows.into_iter())
}

fn is_workbook(file: &str) -> bool {
    let name = file.to_ascii_lowercase();
    [".xlsx", ".xlsm"].iter().any(|end| name.ends_with(end))
}

/// The rows of the first sheet that is shown. An error also where the reader stumbles over what no spreadsheet writes, such as a column beyond all numbers: it panics then.
fn rows(file: &str, bytes: &[u8]) -> Result<Vec<(u64, Vec<String>)>, TableError> {
    let read = std::panic::catch_unwind(|| read_rows(file, bytes));
    read.unwrap_or_else(|_| Err(unreadable(file, "it has what no spreadsheet writes")))
}

fn read_rows(file: &str, bytes: &[u8]) -> Result<Vec<(u64, Vec<String>)>, TableError> {
    let too_large = unpacks_beyond(bytes, UNPACKED_BYTES_MAX);
    if too_large.map_err(|error| unreadable(file, &error.to_string()))? {
        let what = format!("it unpacks to more than {UNPACKED_BYTES_MAX} bytes");
        return Err(unreadable(file, &what));
    }
    let broken = |error: calamine::XlsxError| unreadable(file, &error.to_string());
    let mut workbook: Xlsx<Bytes<'_>> = Xlsx::new(Cursor::new(bytes)).map_err(broken)?;
    let shown = |sheet: &&calamine::Sheet| {
        sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible
    };
    let sheet = workbook.sheets_metadata().iter().find(shown).map(|sheet| sheet.name.clone());
    let sheet = sheet.ok_or_else(|| unreadable(file, "it has no visible sheet"))?;
    let mut cells = workbook.worksheet_cells_reader(&sheet).map_err(broken)?;
    gather(file, &mut cells)
}

/// Whether the parts unpack to more than `most` bytes. They are unpacked to see it: the directory says what
/// its writer liked. A part that cannot be unpacked counts as far as it can.
fn unpacks_beyond(bytes: &[u8], most: u64) -> zip::result::ZipResult<bool> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes))?;
    let mut left = most;
    let mut buffer = vec![0; READ_BYTES];
    for part in 0..archive.len() {
        let Ok(mut part) = archive.by_index(part) else { continue };
        while let Ok(read @ 1..) = part.read(&mut buffer) {
            let Some(rest) = left.checked_sub(read as u64) else { return Ok(true) };
            left = rest;
        }
    }
    Ok(false)
}

/// Cells to rows; a sheet's cells come row by row.
fn gather(
    file: &str,
    cells: &mut XlsxCellReader<'_, Bytes<'_>>,
) -> Result<Vec<(u64, Vec<String>)>, TableError> {
    let mut rows: Vec<(u64, Vec<String>)> = Vec::new();
    let broken = |error: calamine::XlsxError| unreadable(file, &error.to_string());
    while let Some(cell) = cells.next_cell().map_err(broken)? {
        let text = text(&cell);
        if text.is_empty() {
            continue;
        }
        let (row, column) = cell.get_position();
        let (number, column) = (u64::from(row) + 1, column as usize);
        if column >= COLUMNS_MAX {
            let (file, cells) = (file.to_owned(), column + 1);
            return Err(TableError::Width { file, row: number, cells, columns: COLUMNS_MAX });
        }
        if rows.last().is_none_or(|(last, _)| *last != number) {
            if rows.len() > ROWS_MAX {
                return Err(TableError::Rows { file: file.to_owned() });
            }
            rows.push((number, Vec::new()));
        }
        if let Some((_, cells)) = rows.last_mut() {
            cells.resize(cells.len().max(column + 1), String::new());
            cells[column] = text;
        }
    }
    Ok(rows)
}

/// What a spreadsheet would save the cell as; dates as ISO 8601.
fn text(cell: &Cell<DataRef<'_>>) -> String {
    match cell.get_value() {
        DataRef::DateTime(moment) => moment_text(moment),
        other => Data::from(other.clone()).to_string(),
    }
}

fn moment_text(moment: &ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    let time = format!("{hour:02}:{minute:02}:{second:02}");
    match (moment.is_duration() || moment.as_f64() < 1.0, moment.as_f64().fract() == 0.0) {
        (true, _) => time,
        (_, true) => date,
        _ => format!("{date}T{time}"),
    }
}

fn unreadable(file: &str, what: &str) -> TableError {
    TableError::Workbook { file: file.to_owned(), what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::write::SimpleFileOptions;

    #[test]
    fn a_directory_that_lies_about_its_parts_is_found_out() {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        archive.start_file("a", SimpleFileOptions::default()).unwrap();
        archive.write_all(&[0; 5_000]).unwrap();
        let mut bytes = archive.finish().unwrap().into_inner();
        assert!(unpacks_beyond(&bytes, 4_999).unwrap() && !unpacks_beyond(&bytes, 5_000).unwrap());
        // The length stands in the part's own header and in the directory.
        let length = 5_000_u32.to_le_bytes();
        let places: Vec<usize> =
            (0..bytes.len() - 4).filter(|at| bytes[*at..*at + 4] == length).collect();
        assert_eq!(places.len(), 2);
        for at in places {
            bytes[at..at + 4].copy_from_slice(&10_u32.to_le_bytes());
        }
        assert!(unpacks_beyond(&bytes, 4_999).unwrap());
    }

    #[test]
    fn a_damaged_workbook_is_told_as_one() {
        let noise = b"\x00\x01\x9f\x00PK";
        let told = table("random.XLSX", noise).unwrap_err().to_string();
        assert!(told.contains("no readable workbook") && told.contains("damaged"), "{told}");
        let told = table("random.csv", noise).unwrap_err().to_string();
        assert!(told.contains("CSV UTF-8"), "{told}");
    }
}
