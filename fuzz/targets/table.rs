//! Tables that people upload: rows in order within their bounds, in whichever encoding; a profile whole or not at all.
//!
//! The first byte says what the table is taken for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qingting_callbacks::intake::from_table;
use qingting_nlu::Gazetteer;
use qingting_nlu::profile::{ERRORS_MAX, Part, Profile};
use qingting_nlu::table::{CELL_CHARS_MAX, COLUMNS_MAX, Table, guarded, unguarded};

fuzz_target!(|data: &[u8]| {
    let Some((&kind, bytes)) = data.split_first() else { return };
    let table = match Table::from_csv("t.csv", bytes) {
        Ok(table) => table,
        Err(error) => return assert!(error.to_string().starts_with("t.csv"), "{error}"),
    };
    assert!((1..=COLUMNS_MAX).contains(&table.header().len()));
    let mut last = 0;
    for row in table.rows() {
        assert!(row.number() > last, "rows are in order");
        last = row.number();
        for name in table.header() {
            let Ok(Some(column)) = table.optional_column(name) else { continue };
            let cell = row.cell(&column);
            assert!(cell.chars().count() <= CELL_CHARS_MAX);
            assert_eq!(unguarded(&guarded(cell)), cell);
            assert!(!guarded(cell).starts_with(['=', '+', '-', '@']));
        }
    }
    let part = match kind {
        b'c' => Part::Categories,
        b'u' => Part::Units,
        b'k' => Part::Kinds,
        b'p' => Part::Places,
        b'w' => Part::Words,
        _ => {
            if let Ok(tickets) = from_table(&table, &[]) {
                assert_eq!(tickets.len(), table.rows().len());
            }
            return;
        }
    };
    let given = |asked| (asked == part).then(|| Ok(table.clone()));
    if let Err(errors) = Profile::of_tables(given, &Gazetteer::empty()) {
        assert!((1..=ERRORS_MAX).contains(&errors.errors.len()));
    }
});
