//! Reports: tables with titles, as CSV, as a workbook, and as a PDF.

mod pdf;

pub use pdf::{FontError, ReportFont};

use crate::write::{MARK, WriteError};
use qingting_nlu::table::guarded;
use rust_xlsxwriter::{Format, Workbook, Worksheet, XlsxError};

/// A report.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What is above it.
    pub title: String,
    /// Lines below the title.
    pub notes: Vec<String>,
    /// Its tables.
    pub sections: Vec<Section>,
}

/// A table of a report.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// What is above it; of its sheet the name.
    pub title: String,
    /// Names of the columns.
    pub header: Vec<String>,
    /// Its rows.
    pub rows: Vec<Vec<Cell>>,
}

/// What stands in a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Words; never a formula.
    Text(String),
    /// A number of things.
    Count(u64),
    /// A number with decimals.
    Number(f64),
    /// A share of 0 to 1, or of nothing.
    Share(Option<f64>),
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// As people read it.
    fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Number(number) => format!("{number:.2}"),
            Self::Share(Some(share)) => format!("{:.1}%", share * 100.0),
            Self::Share(None) => "—".to_owned(),
        }
    }
}

impl Report {
    /// The sections one after the other with an empty line between. No cell is a formula.
    pub fn csv(&self) -> Result<Vec<u8>, WriteError> {
        let failed = |error: &dyn std::fmt::Display| WriteError::Csv(error.to_string());
        let mut writer = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .flexible(true)
            .from_writer(MARK.to_vec());
        let mut line = |cells: Vec<String>| {
            let cells = cells.iter().map(|cell| guarded(cell).into_owned());
            writer.write_record(cells).map_err(|error| failed(&error))
        };
        line(vec![self.title.clone()])?;
        for note in &self.notes {
            line(vec![note.clone()])?;
        }
        for section in &self.sections {
            line(vec![String::new()])?;
            line(vec![section.title.clone()])?;
            line(section.header.clone())?;
            for row in &section.rows {
                line(row.iter().map(Cell::shown).collect())?;
            }
        }
        writer.into_inner().map_err(|error| failed(&error))
    }

    /// A sheet for each section, numbers as numbers.
    pub fn xlsx(&self) -> Result<Vec<u8>, WriteError> {
        let mut workbook = Workbook::new();
        let mut cover = Worksheet::new();
        cover.set_name("说明")?.set_column_width(0, 80)?;
        cover.write_string_with_format(0, 0, &self.title, &Format::new().set_bold())?;
        for (row, note) in (1u32..).zip(&self.notes) {
            cover.write_string(row, 0, note)?;
        }
        workbook.push_worksheet(cover);
        for section in &self.sections {
            workbook.push_worksheet(section.sheet()?);
        }
        Ok(workbook.save_to_buffer()?)
    }

    /// A4 pages.
    pub fn pdf(&self, font: &ReportFont) -> Result<Vec<u8>, WriteError> {
        pdf::write(self, font)
    }
}

impl Section {
    fn sheet(&self) -> Result<Worksheet, XlsxError> {
        let mut sheet = Worksheet::new();
        sheet.set_name(&self.title)?;
        let bold = Format::new().set_bold();
        let (share, number) =
            (Format::new().set_num_format("0.0%"), Format::new().set_num_format("0.00"));
        for (column, name) in (0u16..).zip(&self.header) {
            sheet.write_string_with_format(0, column, name, &bold)?;
            let cells = self.rows.iter().filter_map(|row| row.get(usize::from(column)));
            let longest = cells.map(|cell| cell.shown().chars().count()).max().unwrap_or_default();
            let width = (longest.max(name.chars().count()) * 2).clamp(8, 60);
            sheet.set_column_width(column, width as f64)?;
        }
        for (line, row) in (1u32..).zip(&self.rows) {
            for (column, cell) in (0u16..).zip(row) {
                match cell {
                    Cell::Text(text) => sheet.write_string(line, column, text)?,
                    Cell::Count(count) => sheet.write_number(line, column, *count as f64)?,
                    Cell::Number(of) => {
                        sheet.write_number_with_format(line, column, *of, &number)?
                    }
                    Cell::Share(Some(of)) => {
                        sheet.write_number_with_format(line, column, *of, &share)?
                    }
                    Cell::Share(None) => sheet.write_string(line, column, cell.shown())?,
                };
            }
        }
        sheet.set_freeze_panes(1, 0)?;
        Ok(sheet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn report() -> Report {
        let row =
            |name: &str, count| vec![Cell::text(name), Cell::Count(count), Cell::Share(Some(0.5))];
        Report {
            title: "日报 2026-11-26".into(),
            notes: vec!["=1+1".into()],
            sections: vec![Section {
                title: "按区县".into(),
                header: vec!["区县".into(), "工单".into(), "占比".into()],
                rows: vec![row("=HYPERLINK(1)", 7), row("西湖区", 7)],
            }],
        }
    }

    #[test]
    fn no_cell_is_a_formula_in_csv_or_in_a_workbook() {
        let text = String::from_utf8(report().csv().unwrap()).unwrap();
        assert!(
            text.contains("\r\n'=1+1\r\n") && text.contains("\r\n'=HYPERLINK(1),7,50.0%\r\n"),
            "{text}"
        );
        let bytes = report().xlsx().unwrap();
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(&bytes[..])).unwrap();
        let sheet =
            std::io::read_to_string(archive.by_name("xl/worksheets/sheet2.xml").unwrap()).unwrap();
        assert!(!sheet.contains("<f>") && sheet.contains("<v>7</v>"), "{sheet}");
    }

    #[test]
    fn a_pdf_has_its_pages_and_a_missing_font_is_named() {
        let none = ReportFont::find(&[PathBuf::from("/nowhere.ttf")]).map(|_| ()).unwrap_err();
        assert!(none.to_string().contains("fonts-noto-cjk"), "{none}");
        let font = ReportFont::find(&ReportFont::usual()).unwrap();
        let mut long = report();
        long.sections[0].rows =
            (0..200).map(|n| vec![Cell::text("字".repeat(60)), Cell::Count(n)]).collect();
        let bytes = long.pdf(&font).unwrap();
        assert!(bytes.starts_with(b"%PDF-"));
        // A subset of the font, not the 19 MB of it.
        assert!(bytes.len() < 200_000, "{}", bytes.len());
    }
}
