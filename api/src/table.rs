//! CSV as spreadsheets open it.
//!
//! **No cell is ever a formula**: whoever chooses a number or a name could otherwise run commands on
//! the machine of who opens the table.

use crate::Problem;
use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use std::borrow::Cow;

/// Without it Excel reads UTF-8 as GB 18030.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// What makes a spreadsheet calculate.
const FORMULA_STARTS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A piece of a table.
pub(crate) struct Table(csv::Writer<Vec<u8>>);

impl Table {
    /// The beginning of a table.
    pub(crate) fn with_mark() -> Self {
        Self::after(MARK.to_vec())
    }

    /// More rows of one.
    pub(crate) fn more() -> Self {
        Self::after(Vec::new())
    }

    fn after(bytes: Vec<u8>) -> Self {
        Self(csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(bytes))
    }

    pub(crate) fn row<S: AsRef<str>>(
        &mut self,
        cells: impl IntoIterator<Item = S>,
    ) -> Result<(), Problem> {
        for cell in cells {
            self.0.write_field(guarded(cell.as_ref()).as_bytes()).map_err(failed)?;
        }
        self.0.write_record(None::<&[u8]>).map_err(failed)
    }

    pub(crate) fn into_bytes(self) -> Result<Vec<u8>, Problem> {
        self.0.into_inner().map_err(failed)
    }
}

/// A table to save.
pub(crate) fn answer(name: &'static str, body: Body) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    if let Ok(value) = format!("attachment; filename=\"{name}\"").parse() {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    response
}

/// An apostrophe in front: spreadsheets then show the cell as it is.
fn guarded(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(FORMULA_STARTS) { format!("'{cell}").into() } else { cell.into() }
}

/// The cell as it was before [`guarded`].
pub(crate) fn unguarded(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| rest.starts_with(FORMULA_STARTS)).unwrap_or(cell)
}

fn failed(error: impl std::fmt::Display) -> Problem {
    tracing::error!(%error, "a table cannot be written");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed; see its log")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_never_a_formula_and_commas_stay_inside() {
        let mut table = Table::with_mark();
        table.row(["=HYPERLINK(1)", "+86138", "-1", "@a", "a,\"b\"", "好", ""]).unwrap();
        assert_eq!(["'+1", "'x", "+1"].map(unguarded), ["+1", "'x", "+1"]);
        let text = String::from_utf8(table.into_bytes().unwrap()).unwrap();
        assert_eq!(text, "\u{feff}'=HYPERLINK(1),'+86138,'-1,'@a,\"a,\"\"b\"\"\",好,\r\n");
    }
}
