//! Workbooks that people upload: an archive as it came, or a sheet in an otherwise sound one, gives a table within its
//! bounds or a reason; what we write is read the same.
//!
//! `PK…` is a whole workbook, `S…` a sheet, `T…` the texts that sheets share, anything else cells to be written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qingting_nlu::table::{COLUMNS_MAX, Table, unguarded};
use qingting_workbook::{csv, table, xlsx};
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;

const TYPES: &str = r#"<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>"#;
const RELS: &str = r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const BOOK: &str = r#"<?xml version="1.0"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>"#;
const BOOK_RELS: &str = r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/></Relationships>"#;
const SHEET: &str = r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c></row><row r="2"><c r="A2" t="s"><v>1</v></c></row></sheetData></worksheet>"#;

fuzz_target!(init: pass_over_the_readers_panics(), |data: &[u8]| match data {
    [b'S', sheet @ ..] => bounded(&book(sheet, b"")),
    [b'T', texts @ ..] => bounded(&book(SHEET.as_bytes(), texts)),
    [b'P', b'K', ..] => bounded(data),
    _ => written(data),
});

/// Where calamine panics the product catches it and says that the workbook is unreadable; libFuzzer would end at the panic.
fn pass_over_the_readers_panics() {
    let ends = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.location().is_some_and(|at| at.file().contains("/calamine-")) {
            ends(panic);
        }
    }));
}

fn book(sheet: &[u8], texts: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut part = |name: &str, bytes: &[u8]| {
        let stored =
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        archive.start_file(name, stored).expect("a part");
        archive.write_all(bytes).expect("its bytes");
    };
    part("[Content_Types].xml", TYPES.as_bytes());
    part("_rels/.rels", RELS.as_bytes());
    part("xl/workbook.xml", BOOK.as_bytes());
    part("xl/_rels/workbook.xml.rels", BOOK_RELS.as_bytes());
    part("xl/worksheets/sheet1.xml", sheet);
    if !texts.is_empty() {
        part("xl/sharedStrings.xml", texts);
    }
    archive.finish().expect("an archive").into_inner()
}

fn bounded(bytes: &[u8]) {
    match table("t.xlsx", bytes) {
        Ok(table) => {
            assert!((1..=COLUMNS_MAX).contains(&table.header().len()));
            let numbers: Vec<u64> = table.rows().iter().map(|row| row.number()).collect();
            assert!(numbers.iter().all(|number| *number >= 1));
        }
        Err(error) => assert!(error.to_string().starts_with("t.xlsx"), "{error}"),
    }
}

/// Cells are divided by tabs, rows by line ends.
fn written(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let text = text.replace(|c: char| c.is_control() && c != '\t' && c != '\n', "");
    let rows: Vec<Vec<String>> = text
        .split('\n')
        .map(|line| {
            let cells = line.split('\t').chain(["", "", ""]).take(3);
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .filter(|row: &Vec<String>| row.iter().any(|cell| !cell.is_empty()))
        .collect();
    let header = ["一", "二", "三"];
    let file = csv(&header, &rows).expect("a file");
    same(&table("t.csv", &file).expect("ours"), &rows, unguarded);
    let file = xlsx(&header, &rows).expect("a workbook");
    same(&table("t.xlsx", &file).expect("ours"), &rows, |cell| cell);
}

fn same(read: &Table, rows: &[Vec<String>], plain: fn(&str) -> &str) {
    assert_eq!(read.rows().len(), rows.len());
    for (row, written) in read.rows().iter().zip(rows) {
        for (name, cell) in ["一", "二", "三"].iter().zip(written) {
            let column = read.column(name).expect("a column");
            assert_eq!(plain(row.cell(&column)).trim(), cell.trim());
        }
    }
}
