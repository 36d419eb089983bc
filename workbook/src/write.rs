//! Tables into files, as spreadsheets open them.

use qingting_nlu::table::guarded;
use rust_xlsxwriter::{Format, Workbook, XlsxError};

/// Without it Excel reads UTF-8 as GB 18030.
pub(crate) const MARK: &[u8] = "\u{feff}".as_bytes();
/// Rows of a sheet that its column widths are made for.
const WIDTH_ROWS: usize = 100;

/// Why a table cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// As CSV.
    #[error("cannot write the table: {0}")]
    Csv(String),
    /// As a workbook.
    #[error("cannot write the workbook: {0}")]
    Workbook(#[from] XlsxError),
    /// As a PDF.
    #[error("cannot write the PDF")]
    Pdf,
}

/// A table as CSV. No cell is a formula.
pub fn csv(header: &[&str], rows: &[Vec<String>]) -> Result<Vec<u8>, WriteError> {
    let failed = |error: &dyn std::fmt::Display| WriteError::Csv(error.to_string());
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(MARK.to_vec());
    writer.write_record(header).map_err(|error| failed(&error))?;
    for row in rows {
        let cells = row.iter().map(|cell| guarded(cell).into_owned());
        writer.write_record(cells).map_err(|error| failed(&error))?;
    }
    writer.into_inner().map_err(|error| failed(&error))
}

/// A table as a workbook of one sheet. All cells are text.
pub fn xlsx(header: &[&str], rows: &[Vec<String>]) -> Result<Vec<u8>, WriteError> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    let bold = Format::new().set_bold();
    for (column, name) in (0u16..).zip(header) {
        sheet.write_string_with_format(0, column, *name, &bold)?;
        let cells = rows.iter().take(WIDTH_ROWS).filter_map(|row| row.get(usize::from(column)));
        let longest = cells.map(|cell| cell.chars().count()).max().unwrap_or_default();
        sheet.set_column_width(
            column,
            (longest.max(name.chars().count()) * 2).clamp(8, 60) as f64,
        )?;
    }
    for (line, row) in (1u32..).zip(rows) {
        for (column, cell) in (0u16..).zip(row) {
            sheet.write_string(line, column, cell)?;
        }
    }
    sheet.set_freeze_panes(1, 0)?;
    Ok(workbook.save_to_buffer()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        vec![vec!["A1".into(), "=1+1".into()], vec!["A2".into(), "他说\"好\",真的".into()]]
    }

    #[test]
    fn the_table_comes_back_out_of_the_workbook() {
        let bytes = xlsx(&["工单编号", "原话"], &rows()).expect("a workbook");
        let table = crate::table("out.xlsx", &bytes).expect("a table");
        let said = table.column("原话").expect("the column");
        let cells: Vec<&str> = table.rows().iter().map(|row| row.cell(&said)).collect();
        assert_eq!(cells, ["=1+1", "他说\"好\",真的"], "text, not a formula");
    }

    #[test]
    fn no_cell_of_a_csv_file_is_a_formula() {
        let bytes = csv(&["工单编号", "原话"], &rows()).expect("a file");
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert!(text.contains("A1,'=1+1\r\n") && text.starts_with('\u{feff}'), "{text}");
    }
}
