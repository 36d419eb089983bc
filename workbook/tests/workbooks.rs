//! Workbooks, made here part by part, as tables.

use qingting_nlu::table::{COLUMNS_MAX, Table};
use qingting_workbook::table;
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;

const RELATIONS: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";

/// A workbook whose second sheet has these rows; the first is hidden.
fn workbook(rows: &str) -> Vec<u8> {
    let relation = |id: &str, kind: &str, target: &str| {
        format!(r#"<Relationship Id="{id}" Type="{OFFICE}/{kind}" Target="{target}"/>"#)
    };
    let relations =
        |inside: String| format!(r#"<Relationships xmlns="{RELATIONS}">{inside}</Relationships>"#);
    let sheet = |rows: &str| {
        format!(r#"<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>"#)
    };
    let inside = relation("a", "worksheet", "worksheets/sheet1.xml")
        + &relation("b", "worksheet", "worksheets/sheet2.xml")
        + &relation("c", "styles", "styles.xml");
    let parts = [
        ("_rels/.rels", relations(relation("w", "officeDocument", "xl/workbook.xml"))),
        ("xl/_rels/workbook.xml.rels", relations(inside)),
        (
            "xl/workbook.xml",
            format!(
                r#"<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>
                <sheet name="旧" sheetId="1" state="hidden" r:id="a"/>
                <sheet name="工单" sheetId="2" r:id="b"/></sheets></workbook>"#
            ),
        ),
        (
            "xl/styles.xml",
            format!(
                r#"<styleSheet xmlns="{MAIN}"><cellXfs count="2"><xf numFmtId="0"/>
                <xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>"#
            ),
        ),
        ("xl/worksheets/sheet1.xml", sheet("")),
        ("xl/worksheets/sheet2.xml", sheet(rows)),
    ];
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        archive.start_file(name, SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn string(at: &str, text: &str) -> String {
    format!(r#"<c r="{at}" t="inlineStr"><is><t>{text}</t></is></c>"#)
}

fn number(at: &str, style: u32, value: &str) -> String {
    format!(r#"<c r="{at}" s="{style}"><v>{value}</v></c>"#)
}

fn column(table: &Table, name: &str) -> Vec<(u64, String)> {
    let column = table.column(name).unwrap();
    table.rows().iter().map(|row| (row.number(), row.cell(&column).to_owned())).collect()
}

#[test]
fn the_first_visible_sheet_is_read_as_its_csv_would_be() {
    let rows = format!(
        "<row r=\"2\">{}{}{}</row><row r=\"5\">{}{}{}</row><row r=\"6\">{}</row>",
        string("A2", " 电话 "),
        string("B2", "内容"),
        string("C2", "时间"),
        number("A5", 0, "13800138000"),
        string("B5", "停水\n三天"),
        number("C5", 1, "46092.5"),
        string("B6", "路灯坏"),
    );
    let table = table("工单.xlsx", &workbook(&rows)).unwrap();
    assert_eq!(column(&table, "电话"), [(5, "13800138000".into()), (6, String::new())]);
    assert_eq!(column(&table, "内容"), [(5, "停水\n三天".into()), (6, "路灯坏".into())]);
    assert_eq!(column(&table, "时间")[0].1, "2026-03-11T12:00:00");
}

#[test]
fn a_file_that_is_no_archive_is_read_as_csv() {
    let read = table("a.csv", "内容\n停水\n".as_bytes()).unwrap();
    assert_eq!(column(&read, "内容"), [(2, "停水".into())]);
}

#[test]
fn what_cannot_be_read_is_told_with_the_remedy() {
    let error = |bytes: &[u8]| table("a.xlsx", bytes).unwrap_err().to_string();
    let cut = &workbook("")[..200];
    assert!(error(cut).starts_with("a.xlsx is no readable workbook"), "{}", error(cut));
    let old = error(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1");
    assert!(old.contains("password") && old.contains("save it as XLSX"), "{old}");
    assert!(error(&workbook("")).contains("is empty"));
    let far = format!("<row r=\"1\">{}</row>", string("AZZ1", "x"));
    let expected = format!("a.xlsx row 1: 1378 cells, but {COLUMNS_MAX} columns");
    assert!(error(&workbook(&far)).starts_with(&expected));
    // Beyond all numbers: the library panics.
    let beyond = format!("<row r=\"1\">{}</row>", string("AAAAAAAAAAAA1", "x"));
    assert!(error(&workbook(&beyond)).contains("no spreadsheet writes"));
}
