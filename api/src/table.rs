//! CSV as spreadsheets open it.
//!
//! **No cell is ever a formula** ([`guarded`]).

use crate::Problem;
use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use qingting_nlu::table::guarded;

/// Without it Excel reads UTF-8 as GB 18030.
const MARK: &[u8] = "\u{feff}".as_bytes();

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
        let text = String::from_utf8(table.into_bytes().unwrap()).unwrap();
        assert_eq!(text, "\u{feff}'=HYPERLINK(1),'+86138,'-1,'@a,\"a,\"\"b\"\"\",好,\r\n");
    }
}
