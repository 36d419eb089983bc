//! Cells that a spreadsheet would calculate.
//!
//! **No cell is ever a formula**: whoever chooses a number or a name could otherwise run commands on the
//! machine of who opens the table.

use std::borrow::Cow;

/// What makes a spreadsheet calculate.
const STARTS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Whether a spreadsheet would calculate it, or take it for a cell that is guarded.
fn wants_guard(cell: &str) -> bool {
    cell.trim_start_matches('\'').starts_with(STARTS)
}

/// An apostrophe in front: spreadsheets then show the cell as it is.
pub fn guarded(cell: &str) -> Cow<'_, str> {
    if wants_guard(cell) { format!("'{cell}").into() } else { cell.into() }
}

/// The cell as it was before [`guarded`].
pub fn unguarded(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| wants_guard(rest)).unwrap_or(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guarded_cell_is_no_formula_and_comes_back() {
        for cell in ["=HYPERLINK(1)", "+86138", "-1", "@a", "好", "", "'x", "'=1", "''\t007"] {
            let kept = guarded(cell);
            assert!(!kept.starts_with(STARTS) && unguarded(&kept) == cell, "{cell}");
        }
    }
}
