//! Closed tickets as they come in: by the API, by webhook, from a table.

use qingting_common::{Pii, UnixMillis};
use qingting_core::numbers::{Number, NumberKind};
use qingting_nlu::table::{Fields, Known, Row, Table, TableError, TableFaults};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most tickets of one import.
pub const IMPORT_MAX: usize = 20_000;
/// Longest event id, ticket number and unit, in characters.
pub const NAME_CHARS_MAX: usize = 100;
/// Longest title that is said, in characters; of a longer one the beginning is.
pub const TITLE_CHARS_MAX: usize = 40;
/// Largest of what was answered before, in bytes.
pub const EARLIER_BYTES_MAX: usize = 4_096;

/// A closed ticket. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosedTicket {
    /// The event: the same one makes nothing twice.
    pub event_id: String,
    /// The ticket's number in the ticket system.
    pub ticket: String,
    /// What it is about, in a few words that can be said.
    #[serde(default)]
    pub title: String,
    /// The unit that handled it.
    #[serde(default)]
    pub unit: String,
    /// When the citizen brought it.
    #[serde(default)]
    pub opened_at: Option<UnixMillis>,
    /// When it was closed.
    pub closed_at: UnixMillis,
    /// The citizen's number.
    pub citizen: Pii<String>,
    /// The citizen does not want to be known.
    #[serde(default)]
    pub confidential: bool,
    /// What was answered before, for people to see.
    #[serde(default)]
    pub earlier: Value,
    /// The ticket was handled again after a citizen was not satisfied.
    #[serde(default)]
    pub after_redo: bool,
    /// Higher goes first, −1000 to 1000.
    #[serde(default)]
    pub priority: i16,
}

/// What is wrong with a ticket: the field and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {what}")]
pub struct TicketFault {
    /// Which field.
    pub field: &'static str,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl ClosedTicket {
    /// The ticket as it is kept: the number as it is dialled, the title short enough to be said.
    pub fn checked(mut self) -> Result<Self, TicketFault> {
        for (field, text) in [("event_id", &self.event_id), ("ticket", &self.ticket)] {
            if text.trim().is_empty() {
                return Err(fault(field, "it is empty"));
            }
        }
        for (field, text) in
            [("event_id", &self.event_id), ("ticket", &self.ticket), ("unit", &self.unit)]
        {
            if text.contains(char::is_control) {
                return Err(fault(field, "it holds a control character"));
            }
            let chars = text.chars().count();
            if chars > NAME_CHARS_MAX {
                return Err(fault(
                    field,
                    &format!("{chars} characters are more than {NAME_CHARS_MAX}"),
                ));
            }
        }
        if !(-1_000..=1_000).contains(&self.priority) {
            return Err(fault("priority", "it is −1000 to 1000"));
        }
        if self.earlier.to_string().len() > EARLIER_BYTES_MAX {
            return Err(fault("earlier", &format!("it has more than {EARLIER_BYTES_MAX} bytes")));
        }
        let number = Number::read(self.citizen.expose(), None)
            .ok()
            .filter(|number| is_citizens(number.kind()));
        let number = number.ok_or_else(|| match self.citizen.expose() {
            empty if empty.is_empty() => fault("citizen", "it is empty"),
            // 1.38E+10 has lost its digits.
            text if text.contains("E+") => fault(
                "citizen",
                "a spreadsheet made a number of it: format the column as text and fill it in anew",
            ),
            _ => fault(
                "citizen",
                "it is no citizen's number in China: a mobile or a landline with area code",
            ),
        })?;
        self.citizen = Pii::new(number.national());
        // Cells of spreadsheets have lines.
        let title = self.title.replace(char::is_control, " ");
        let beginning: String = title.trim().chars().take(TITLE_CHARS_MAX).collect();
        self.title = beginning.trim_end().to_owned();
        Ok(self)
    }
}

/// Whether a machine may call such a number: no emergency service, no short code, nobody abroad.
pub const fn is_citizens(kind: NumberKind) -> bool {
    matches!(kind, NumberKind::Mobile | NumberKind::Landline | NumberKind::Service)
}

/// The last four digits of a number: enough to tell citizens of one page apart.
pub fn last_digits(number: &Pii<String>) -> String {
    let number = number.expose();
    let hidden = number.chars().count().saturating_sub(4);
    number.chars().skip(hidden).collect()
}

fn fault(field: &'static str, what: &str) -> TicketFault {
    TicketFault { field, what: what.to_owned() }
}

/// Tickets from a table; the errors name their rows. Columns by their usual names, or as `map` says:
/// `ticket=单号,citizen=电话`.
pub fn from_table(
    table: &Table,
    map: &[(String, String)],
) -> Result<Vec<ClosedTicket>, TableFaults> {
    let columns = Fields::of(table, &KNOWN, map).map_err(|fault| TableFaults(vec![fault]))?;
    let (mut tickets, mut faults) = (Vec::new(), Vec::new());
    for row in table.rows() {
        match read(table, &columns, row) {
            Ok(ticket) => tickets.push(ticket),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(tickets) } else { Err(TableFaults(faults)) }
}

/// The fields that a table's columns fill.
pub fn fields() -> impl Iterator<Item = &'static str> {
    KNOWN.into_iter().map(|known| known.field)
}

/// What a column may be called. Without those that are needed nobody can be called.
const KNOWN: [Known; 10] = [
    known("ticket", &["工单编号", "工单号", "单号", "受理编号"], true),
    known("event_id", &["事件编号", "流水号"], false),
    known("title", &["标题", "工单标题", "诉求标题"], false),
    known("unit", &["承办单位", "办理单位", "处置单位"], false),
    known("citizen", &["联系电话", "来电号码", "电话", "手机号"], true),
    known("closed_at", &["办结时间", "结案时间"], true),
    known("opened_at", &["受理时间", "来电时间", "登记时间"], false),
    known("confidential", &["是否保密", "保密"], false),
    known("after_redo", &["重办", "二次办理"], false),
    known("priority", &["优先级"], false),
];

const fn known(field: &'static str, usual: &'static [&'static str], needed: bool) -> Known {
    Known { field, usual, needed }
}

fn read(table: &Table, columns: &Fields, row: &Row) -> Result<ClosedTicket, TableError> {
    let text = |field: &str| columns.text(row, field).to_owned();
    let ticket = text("ticket");
    let closed_at = columns.time(table, row, "closed_at")?;
    let closed_at = closed_at
        .ok_or_else(|| columns.fault(table, row, "closed_at", "`closed_at` is missing"))?;
    let event_id = match text("event_id") {
        // A ticket is closed once at a time.
        empty if empty.is_empty() => format!("{ticket}@{}", closed_at.0),
        event_id => event_id,
    };
    let ticket = ClosedTicket {
        event_id,
        ticket,
        title: text("title"),
        unit: text("unit"),
        opened_at: columns.time(table, row, "opened_at")?,
        closed_at,
        citizen: Pii::new(text("citizen")),
        confidential: columns.flag(row, "confidential"),
        earlier: Value::Null,
        after_redo: columns.flag(row, "after_redo"),
        priority: text("priority").parse().unwrap_or_default(),
    };
    ticket.checked().map_err(|fault| columns.fault(table, row, fault.field, fault.what))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        Table::from_csv("tickets.csv", text.as_bytes()).expect("a table")
    }

    #[test]
    fn a_usual_export_is_read() {
        let text = "工单编号,标题,承办单位,联系电话,受理时间,办结时间,是否保密\n\
            A1,路灯不亮,城管局,138 0013 8000,2026/9/1 8:05,2026-09-12 17:30:00,否\n";
        let tickets = from_table(&table(text), &[]).expect("tickets");
        assert_eq!(tickets[0].citizen.expose(), "13800138000");
        assert_eq!(tickets[0].event_id, format!("A1@{}", tickets[0].closed_at.0));
        assert!(!tickets[0].confidential && tickets[0].opened_at < Some(tickets[0].closed_at));
    }

    #[test]
    fn a_long_title_ends_with_a_word_of_it() {
        let title = format!("{}\n其余", "路".repeat(TITLE_CHARS_MAX - 1));
        let text = format!(
            "工单编号,标题,联系电话,办结时间\nA1,\"{title}\",13800138000,2026-09-12 08:00\n"
        );
        let ticket = from_table(&table(&text), &[]).expect("a table").remove(0);
        assert_eq!(ticket.title, "路".repeat(TITLE_CHARS_MAX - 1));
        assert_eq!(ticket.clone().checked(), Ok(ticket));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_row_and_column() {
        let error = |text: &str| from_table(&table(text), &[]).expect_err("refused").to_string();
        let none = error("工单编号,标题\nA1,x\n");
        assert!(none.contains("联系电话"), "{none}");
        let number = error("工单编号,联系电话,办结时间\nA1,12,2026-09-12\n");
        assert!(number.contains("联系电话") && number.contains("citizen's number"), "{number}");
        let both = error("工单编号,联系电话,办结时间\nA1,,2026-09-12\nA2,1.38E+10,2026-09-12\n");
        assert!(both.contains("it is empty") && both.contains("as text"), "{both}");
        let day = error("工单编号,联系电话,办结时间\nA1,13800138000,2026-02-30\n");
        assert!(day.contains("办结时间") && day.contains("no time"), "{day}");
    }

    #[test]
    fn columns_may_be_called_otherwise() {
        let map = [("citizen".to_owned(), "机主".to_owned())];
        let text = "单号,机主,办结时间\nA1,13800138000,2026-09-12 08:00\n";
        assert_eq!(from_table(&table(text), &map).expect("tickets").len(), 1);
    }
}
