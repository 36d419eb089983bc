use super::*;
use encoding_rs::GB18030;

const TEXT: &str = "编码, 名称 ,上级\n1,城乡建设,\n2,\"物业,停车\",1\n";

fn cells(bytes: &[u8]) -> Vec<(u64, String)> {
    let table = Table::from_csv("c.csv", bytes).unwrap();
    let name = table.column("名称").unwrap();
    table.rows().iter().map(|row| (row.number(), row.cell(&name).to_owned())).collect()
}

fn error(bytes: &[u8]) -> String {
    Table::from_csv("c.csv", bytes).unwrap_err().to_string()
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(bytes).collect()
}

#[test]
fn every_encoding_of_a_spreadsheet_gives_the_same_rows() {
    let expected = [(2, "城乡建设".to_owned()), (3, "物业,停车".to_owned())];
    assert_eq!(cells(TEXT.as_bytes()), expected);
    assert_eq!(cells(format!("\u{feff}{TEXT}").as_bytes()), expected);
    assert_eq!(cells(&GB18030.encode(TEXT).0), expected);
    assert_eq!(cells(&utf16(TEXT, u16::to_le_bytes)), expected);
    assert_eq!(cells(&utf16(TEXT, u16::to_be_bytes)), expected);
}

#[test]
fn delimiters_are_told_by_the_header() {
    for delimiter in [";", "\t"] {
        let text = format!("名称{delimiter}\"a,b,c\"\n停水,停电{delimiter}x\n");
        assert_eq!(cells(text.as_bytes()), [(2, "停水,停电".to_owned())]);
    }
}

#[test]
fn rows_are_numbered_as_a_spreadsheet_shows_them() {
    let text = "\r\n名称,x\r\n\r\n\"一\r\n行\",\r\n,\r\n二,1\r\n";
    assert_eq!(cells(text.as_bytes()), [(4, "一\r\n行".to_owned()), (6, "二".to_owned())]);
    assert_eq!(cells("名称\n\n\n一".as_bytes()), [(4, "一".to_owned())]);
}

#[test]
fn a_missing_or_doubled_column_is_answered_with_the_header() {
    let table = Table::from_csv("c.csv", TEXT.as_bytes()).unwrap();
    let message = table.column("code").unwrap_err().to_string();
    assert_eq!(
        message,
        "c.csv row 1: no column \"code\"; the file has: 编码, 名称, 上级. Name the right one, or \
         rename it in the file"
    );
    let twice = Table::from_csv("c.csv", "a,a\n1,2\n".as_bytes()).unwrap();
    assert!(twice.column("a").unwrap_err().to_string().contains("twice"));
    assert!(error(b"").contains("empty") && error(b"\n , \n").contains("empty"));
}

#[test]
fn a_wrong_encoding_names_the_row_in_which_it_begins() {
    let mut broken = TEXT.as_bytes().to_vec();
    broken[TEXT.find('停').unwrap()] = b'x';
    assert!(error(&broken).starts_with("c.csv row 3: broken UTF-8; save"), "{}", error(&broken));
    assert_eq!(
        error(b"name\n\xff\xff\x80\n"),
        "c.csv row 2: neither UTF-8 nor GB18030; save it as \"CSV UTF-8\""
    );
    let unmarked: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(error(&unmarked).contains("UTF-16 without its mark"), "{}", error(&unmarked));
    let mut odd = utf16(TEXT, u16::to_le_bytes);
    odd.pop();
    assert!(error(&odd).contains("broken UTF-16"));
}

#[test]
fn text_beyond_the_header_and_endless_cells_name_their_row() {
    let wide = error("a,b\n1,2\n1,2,3\n".as_bytes());
    assert!(wide.starts_with("c.csv row 3: 3 cells, but 2 columns"), "{wide}");
    assert_eq!(
        cells("名称,b\n一\n二,1,,\n".as_bytes()).len(),
        2,
        "fewer cells and empty ones are read"
    );
    let long = error(format!("a,b\n1,{}\n", "长".repeat(CELL_CHARS_MAX + 1)).as_bytes());
    assert!(long.starts_with("c.csv row 2, column \"b\": more than 32767"), "{long}");
    let header = vec!["a"; COLUMNS_MAX + 1].join(",");
    assert!(error(header.as_bytes()).contains("1025 cells, but 1024 columns"));
}

#[test]
fn an_empty_cell_is_an_error_where_text_is_needed() {
    let table = Table::from_csv("c.csv", "a,b\n1, \n".as_bytes()).unwrap();
    let (row, b) = (&table.rows()[0], table.column("b").unwrap());
    let message = table.filled(row, &b).unwrap_err().to_string();
    assert!(message.starts_with("c.csv row 2, column \"b\": is empty"), "{message}");
}

#[test]
fn a_table_prints_no_cell() {
    let table = Table::from_csv("c.csv", "a\n13800138000\n".as_bytes()).unwrap();
    assert!(!format!("{table:?}").contains("138"));
}

#[test]
fn a_table_comes_back_from_its_csv() {
    let text = "a,b;c,d\n1,\"x, \"\"y\"\"\",\n2,\"第一行\n第二行\",;\n,,z\n";
    let table = Table::from_csv("t.csv", text.as_bytes()).unwrap();
    assert_eq!(table.rows().len(), 3);
    let again = Table::from_csv("t.csv", table.to_csv().as_bytes()).unwrap();
    let cells = |table: &Table| -> Vec<Vec<String>> {
        table.rows().iter().map(|row| row.cells().map(str::to_owned).collect()).collect()
    };
    assert_eq!((again.header(), cells(&again)), (table.header(), cells(&table)));
}
