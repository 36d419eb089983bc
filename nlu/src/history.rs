//! Past tickets of another system out of a table.
//!
//! **A table is taken as a whole or not at all**: what is wrong is told row by row.

use crate::draft::Field;
use crate::table::{Fields, Known, Row, Table, TableError, TableFaults};
use qingting_common::limits::TICKET_FIELD_CHARS_MAX;
use qingting_common::{Pii, UnixMillis};
use std::collections::HashMap;

/// Longest number of a ticket, in characters.
pub const NUMBER_CHARS_MAX: usize = 100;
/// Longest value of any other field but the description.
const LINE_CHARS_MAX: usize = 200;
/// When tickets can have come in: from 1990 to before 2100.
const TIMES_MS: std::ops::Range<i64> = 631_123_200_000..4_102_416_000_000;

/// A ticket that was handled before, elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct PastTicket {
    /// Its number there.
    pub number: String,
    /// When it came in.
    pub received_at: UnixMillis,
    /// When it was closed, where that is known.
    pub closed_at: Option<UnixMillis>,
    /// What it says; a field that is empty is not here.
    pub fields: Vec<(Field, Pii<String>)>,
}

/// What a column may be called.
const KNOWN: [Known; 13] = [
    known("number", &["工单编号", "工单号", "单号", "受理编号"], true),
    known("received_at", &["受理时间", "来电时间", "登记时间", "创建时间"], true),
    known("closed_at", &["办结时间", "结案时间"], false),
    known("title", &["标题", "工单标题", "诉求标题"], false),
    known("description", &["诉求内容", "内容", "问题描述", "工单内容"], false),
    known("appeal_kind", &["诉求类型", "工单类型"], false),
    known("category", &["事项分类", "分类", "问题分类"], false),
    known("handling_unit", &["承办单位", "办理单位", "处置单位"], false),
    known("caller_name", &["联系人", "姓名", "来电人"], false),
    known("phone", &["联系电话", "来电号码", "电话", "手机号"], false),
    known("place", &["事发地点", "地址", "诉求地点", "事发地址"], false),
    known("respondent", &["被反映方", "被反映单位", "投诉对象"], false),
    known("occurred_at", &["发生时间", "事发时间"], false),
];

const fn known(field: &'static str, usual: &'static [&'static str], needed: bool) -> Known {
    Known { field, usual, needed }
}

/// The fields that a table's columns fill.
pub fn fields() -> impl Iterator<Item = &'static str> {
    KNOWN.into_iter().map(|known| known.field)
}

/// Past tickets from a table, the earliest first. Columns by their usual names, or as `map` says. None came in after
/// `now`.
pub fn from_table(
    table: &Table,
    map: &[(String, String)],
    now: UnixMillis,
) -> Result<Vec<PastTicket>, TableFaults> {
    let columns = Fields::of(table, &KNOWN, map).map_err(|fault| TableFaults(vec![fault]))?;
    let (mut tickets, mut faults) = (Vec::with_capacity(table.rows().len()), Vec::new());
    let mut numbers: HashMap<&str, u64> = HashMap::new();
    for row in table.rows() {
        match read(table, &columns, row) {
            Ok(ticket) if ticket.received_at > now => {
                faults.push(columns.fault(table, row, "received_at", "it lies ahead"));
            }
            Ok(ticket) => tickets.push(ticket),
            Err(fault) => faults.push(fault),
        }
        let number = columns.text(row, "number");
        if let Some(first) = numbers.insert(number, row.number()).filter(|_| !number.is_empty()) {
            let what = format!("row {first} has the same number: remove one of them");
            faults.push(columns.fault(table, row, "number", what));
        }
    }
    if !faults.is_empty() {
        return Err(TableFaults(faults));
    }
    tickets.sort_by_key(|ticket: &PastTicket| ticket.received_at);
    Ok(tickets)
}

fn read(table: &Table, columns: &Fields, row: &Row) -> Result<PastTicket, TableError> {
    let fault = |field, what: String| columns.fault(table, row, field, what);
    let number = columns.text(row, "number");
    match number.chars().count() {
        0 => return Err(fault("number", "is empty: fill it in or remove the row".into())),
        chars if chars > NUMBER_CHARS_MAX => {
            return Err(fault(
                "number",
                format!("{chars} characters are more than {NUMBER_CHARS_MAX}"),
            ));
        }
        _ => {}
    }
    let time = |field| {
        let at = columns.time(table, row, field)?;
        match at.filter(|at| !TIMES_MS.contains(&at.0)) {
            Some(_) => Err(fault(field, "it is not between 1990 and 2100".into())),
            None => Ok(at),
        }
    };
    let received_at = time("received_at")?
        .ok_or_else(|| fault("received_at", "is empty: fill it in or remove the row".into()))?;
    let mut fields = Vec::new();
    for known in KNOWN {
        let Some(field) = Field::from_name(known.field) else { continue };
        let text = columns.text(row, known.field);
        let value = value(field, text).map_err(|what| fault(known.field, what))?;
        fields.extend(value.map(|value| (field, Pii::new(value))));
    }
    Ok(PastTicket { number: number.to_owned(), received_at, closed_at: time("closed_at")?, fields })
}

/// A cell as it is kept; none of an empty one. What a spreadsheet has made of a number is refused: its digits
/// are lost.
fn value(field: Field, text: &str) -> Result<Option<String>, String> {
    let is_text = field == Field::Description;
    let kept: String = match is_text {
        true => text.chars().filter(|c| !c.is_control() || *c == '\n').collect(),
        false => {
            text.split(|c: char| c.is_whitespace() || c.is_control()).collect::<Vec<_>>().join(" ")
        }
    };
    let kept = kept.trim();
    let chars_max = if is_text { TICKET_FIELD_CHARS_MAX } else { LINE_CHARS_MAX };
    let chars = kept.chars().count();
    if chars > chars_max {
        return Err(format!("{chars} characters are more than {chars_max}"));
    }
    if field != Field::Phone {
        return Ok((!kept.is_empty()).then(|| kept.to_owned()));
    }
    if kept.contains("E+") {
        let what =
            "a spreadsheet made a number of it: format the column as text and fill it in anew";
        return Err(what.into());
    }
    // Several numbers of one citizen stay as they are written.
    let bare: String = kept.chars().filter(|c| !matches!(c, ' ' | '-' | '+' | '(' | ')')).collect();
    let is_number = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit());
    let phone = if is_number { bare } else { kept.to_owned() };
    Ok(phone.bytes().any(|byte| byte.is_ascii_digit()).then_some(phone))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2027 and later lies ahead.
    const NOW: UnixMillis = UnixMillis(1_798_732_800_000);

    fn table(text: &str) -> Table {
        Table::from_csv("past.csv", text.as_bytes()).unwrap()
    }

    #[test]
    fn an_export_is_read_with_its_usual_names_and_sorted_by_time() {
        let text = "工单编号,受理时间,办结时间,标题,诉求内容,联系电话,地址,满意度\n\
            B,2025-03-02 09:00,2025-03-09,噪音,楼下 装修,0571-8888 8888,翠湖小区,满意\n\
            A,2025/3/1,,路灯不亮,\"第一行\n第二行\",无,\n";
        let tickets = from_table(&table(text), &[], NOW).unwrap();
        let [first, second] = tickets.as_slice() else { panic!("{tickets:?}") };
        assert_eq!((first.number.as_str(), first.closed_at), ("A", None));
        let shown = |ticket: &PastTicket| -> Vec<(Field, String)> {
            ticket.fields.iter().map(|(field, text)| (*field, text.expose().clone())).collect()
        };
        let of = |field, text: &str| (field, text.to_owned());
        assert_eq!(
            shown(first),
            [of(Field::Title, "路灯不亮"), of(Field::Description, "第一行\n第二行")]
        );
        assert!(shown(second).contains(&of(Field::Phone, "057188888888")));
        assert!(second.closed_at > Some(second.received_at));
    }

    #[test]
    fn every_bad_row_is_named_and_nothing_is_taken() {
        let text = format!(
            "单号,登记时间,电话,标题\nA,2025-01-01,1.38E+10,x\nA,2025-01-01,,x\n,2025-01-01,,x\nB,,,x\n\
             C,1899-01-01,,x\nD,2025-01-01,,{}\nE,2025-01-01,,x\nF,2030-01-01,,x\n",
            "长".repeat(LINE_CHARS_MAX + 1)
        );
        let TableFaults(faults) = from_table(&table(&text), &[], NOW).unwrap_err();
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let expected = [
            ("row 2", "as text"),
            ("row 3", "row 2 has the same number"),
            ("row 4", "is empty"),
            ("row 5", "登记时间"),
            ("row 6", "1990"),
            ("row 7", "201 characters"),
            ("row 9", "lies ahead"),
        ];
        assert_eq!(faults.len(), expected.len(), "{faults:#?}");
        for (fault, (row, what)) in faults.iter().zip(expected) {
            assert!(fault.contains(row) && fault.contains(what), "{fault}");
        }
    }
}
