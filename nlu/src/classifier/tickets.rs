//! Past tickets out of a table.

use super::PATH_SEPARATOR;
use super::features::content_hash;
use super::tree::LEVELS_MAX;
use crate::table::{Column, Row, Table, TableError};
use serde::Serialize;

/// Without a split column one text in this many is for testing.
const TEST_EVERY: u64 = 10;
/// Most tickets of one caller that are looked through for the last one.
const LOOKED_BACK_MAX: usize = 20;
/// Fewest digits of a caller's number: fewer say that it was hidden.
const CALLER_DIGITS_MIN: usize = 5;
/// Years of tickets.
const YEARS: std::ops::RangeInclusive<u32> = 1990..=2200;
/// Longest name of a class, in characters.
const LABEL_CHARS_MAX: usize = 200;

/// Tickets that cannot be learnt from.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TicketError {
    /// The table, or a cell.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Nothing to teach was asked for.
    #[error("nothing to learn: name the column of the category, the unit or the request type")]
    NoQuestion,
    /// A column of which every row is empty, or a table without rows.
    #[error("{file}: no row has both a text and {what}: name the right columns, or fill them in")]
    NoRows {
        /// The table's file.
        file: String,
        /// Name of the column.
        what: String,
    },
    /// Earlier and later cannot be told apart.
    #[error("a caller's last ticket is told by the time: name the columns of both, or of neither")]
    CallerAndTime,
    /// Nothing to tell apart.
    #[error(
        "{what} is {class:?} in all {rows} rows for training: at least two classes are needed to learn from"
    )]
    OneClass {
        /// What was to be learnt.
        what: &'static str,
        /// The only class.
        class: String,
        /// Rows for training.
        rows: usize,
    },
    /// More than [`super::LABELS_MAX`].
    #[error(
        "{what} has {found} classes, more than {max}: give wider classes, or a category's levels in columns of their own"
    )]
    Classes {
        /// What was to be learnt.
        what: &'static str,
        /// Classes found.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// Nothing to learn from, or nothing to report on.
    #[error(
        "no rows for {which}: mark some rows \"{which}\" in the split column, or name no split column \
         and give more rows"
    )]
    NoSplitRows {
        /// `train` or `test`.
        which: &'static str,
    },
}

/// Which column holds what. A name may give alternatives, `内容|诉求内容`: the first that the table has is
/// read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// What the citizen said.
    pub text: String,
    /// A title, read before the text.
    pub title: Option<String>,
    /// The category: a column for each level, or one with paths, levels divided by `/`.
    pub category: Vec<String>,
    /// The handling unit.
    pub unit: Option<String>,
    /// The request type.
    pub kind: Option<String>,
    /// District, street or address; several are read one after the other.
    pub place: Vec<String>,
    /// The number that was called.
    pub called: Option<String>,
    /// The caller's number. Of the same caller's last ticket unit and category are learnt from.
    pub caller: Option<String>,
    /// When the ticket came in; goes with `caller`.
    pub received: Option<String>,
    /// `train` or `test`. Without it a tenth is for testing, chosen by a hash of the text, so that it does
    /// not change from run to run and the same text is never on both sides.
    pub split: Option<String>,
}

/// What a ticket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Learning.
    Train,
    /// Measuring.
    Test,
}

/// One past ticket. `Debug` is left out: it holds a citizen's words.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Title and text.
    pub text: String,
    /// Where it is; may be empty.
    pub place: String,
    /// The number that was called; may be empty.
    pub called: String,
    /// Unit of the same caller's last ticket; may be empty.
    pub last_unit: String,
    /// Its category's path; may be empty.
    pub last_category: String,
    /// Levels, the widest first; empty where it was not filled in.
    pub category: Vec<String>,
    /// The handling unit, if it was filled in.
    pub unit: Option<String>,
    /// The request type, if it was filled in.
    pub kind: Option<String>,
    /// What it is for.
    pub split: Split,
}

/// What a table gives.
#[derive(Clone, PartialEq, Eq)]
pub struct Tickets {
    /// Rows to learn from.
    pub rows: Vec<Ticket>,
    /// The others.
    pub skipped: Skipped,
}

/// Rows that cannot be learnt from, by the reason; a row is counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Neither letter nor digit in title and text.
    pub without_text: usize,
    /// A text, and neither category, unit nor request type.
    pub without_class: usize,
}

impl std::ops::Add for Skipped {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            without_text: self.without_text + other.without_text,
            without_class: self.without_class + other.without_class,
        }
    }
}

/// Reads tickets. Rows without a text, or without any class, are left out and counted.
///
/// # Errors
/// [`TicketError`] names row, column and remedy; nothing is learnt from half a file.
pub fn tickets(table: &Table, columns: &Columns) -> Result<Tickets, TicketError> {
    if columns.category.is_empty() && columns.unit.is_none() && columns.kind.is_none() {
        return Err(TicketError::NoQuestion);
    }
    if columns.caller.is_some() != columns.received.is_some() {
        return Err(TicketError::CallerAndTime);
    }
    let at = At::of(table, columns)?;
    let (mut tickets, mut skipped) = (Vec::new(), Skipped::default());
    let mut calls = Vec::new();
    for row in table.rows() {
        let ticket = at.ticket(table, row)?;
        let call = at.call(table, row)?;
        let has_class =
            !ticket.category.is_empty() || ticket.unit.is_some() || ticket.kind.is_some();
        match (ticket.text.chars().any(char::is_alphanumeric), has_class) {
            (true, true) => {
                calls.extend(call.map(|(caller, received)| (caller, received, tickets.len())));
                tickets.push(ticket);
            }
            (true, false) => skipped.without_class += 1,
            (false, _) => skipped.without_text += 1,
        }
    }
    link(&mut tickets, calls);
    let missing = |name: &str| {
        Err(TicketError::NoRows { file: table.file().to_owned(), what: name.to_owned() })
    };
    match (columns.category.first(), &columns.unit, &columns.kind) {
        (Some(name), ..) if tickets.iter().all(|t| t.category.is_empty()) => missing(name),
        (_, Some(name), _) if tickets.iter().all(|t| t.unit.is_none()) => missing(name),
        (.., Some(name)) if tickets.iter().all(|t| t.kind.is_none()) => missing(name),
        _ => Ok(Tickets { rows: tickets, skipped }),
    }
}

/// A point in time by its numbers, from the year on.
type Moment = Vec<u32>;

/// Tells each ticket the same caller's last one. A row for training never learns from one for testing.
fn link(tickets: &mut [Ticket], mut calls: Vec<(String, Moment, usize)>) {
    calls.sort();
    for (at, (caller, received, row)) in calls.iter().enumerate() {
        let before = calls[..at].iter().rev().take(LOOKED_BACK_MAX);
        let last = before
            .take_while(|(other, ..)| other == caller)
            .filter(|(_, earlier, _)| earlier < received)
            .map(|(.., earlier)| &tickets[*earlier])
            .find(|last| tickets[*row].split == Split::Test || last.split == Split::Train);
        let Some(last) = last else { continue };
        let unit = last.unit.clone().unwrap_or_default();
        let category = last.category.join(PATH_SEPARATOR.encode_utf8(&mut [0; 4]));
        (tickets[*row].last_unit, tickets[*row].last_category) = (unit, category);
    }
}

/// The numbers of a time, if they begin with a year and go down to the day at least.
fn moment(text: &str) -> Option<Moment> {
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    let numbers: Moment = numbers.map(str::parse).collect::<Result<_, _>>().ok()?;
    (numbers.len() >= 3 && YEARS.contains(&numbers[0])).then_some(numbers)
}

/// Columns that were found.
struct At {
    text: Column,
    title: Option<Column>,
    category: Vec<Column>,
    unit: Option<Column>,
    kind: Option<Column>,
    place: Vec<Column>,
    called: Option<Column>,
    caller: Option<Column>,
    received: Option<Column>,
    split: Option<Column>,
}

impl At {
    fn of(table: &Table, columns: &Columns) -> Result<Self, TicketError> {
        let one = |name: &String| column(table, name);
        let many = |names: &[String]| names.iter().map(one).collect::<Result<Vec<_>, _>>();
        Ok(Self {
            text: one(&columns.text)?,
            title: columns.title.as_ref().map(one).transpose()?,
            category: many(&columns.category)?,
            unit: columns.unit.as_ref().map(one).transpose()?,
            kind: columns.kind.as_ref().map(one).transpose()?,
            place: many(&columns.place)?,
            called: columns.called.as_ref().map(one).transpose()?,
            caller: columns.caller.as_ref().map(one).transpose()?,
            received: columns.received.as_ref().map(one).transpose()?,
            split: columns.split.as_ref().map(one).transpose()?,
        })
    }

    fn ticket(&self, table: &Table, row: &Row) -> Result<Ticket, TicketError> {
        let text = row.cell(&self.text);
        let cell = |column: &Option<Column>| column.as_ref().map_or("", |column| row.cell(column));
        let title = cell(&self.title);
        let separator = if title.is_empty() || text.is_empty() { "" } else { "，" };
        let label = |column: &Option<Column>| -> Result<Option<String>, TicketError> {
            let Some(column) = column else { return Ok(None) };
            let text = row.cell(column);
            Ok((!text.is_empty()).then(|| class(table, row, column, text)).transpose()?)
        };
        let text = format!("{title}{separator}{text}");
        Ok(Ticket {
            category: self.category(table, row)?,
            unit: label(&self.unit)?,
            kind: label(&self.kind)?,
            place: self.place.iter().map(|column| row.cell(column)).collect::<Vec<_>>().join(" "),
            called: cell(&self.called).to_owned(),
            last_unit: String::new(),
            last_category: String::new(),
            split: self.split(table, row, &text)?,
            text,
        })
    }

    /// Who called and when, where the caller's number was shown.
    fn call(&self, table: &Table, row: &Row) -> Result<Option<(String, Moment)>, TicketError> {
        let (Some(caller), Some(received)) = (&self.caller, &self.received) else {
            return Ok(None);
        };
        let caller: String = row.cell(caller).chars().filter(char::is_ascii_digit).collect();
        if caller.len() < CALLER_DIGITS_MIN {
            return Ok(None);
        }
        let time = moment(row.cell(received));
        let what = "is no time: write it as 2026-03-11 15:20";
        let time = time.ok_or_else(|| table.cell_error(row, received, what))?;
        Ok(Some((caller, time)))
    }

    fn category(&self, table: &Table, row: &Row) -> Result<Vec<String>, TicketError> {
        let mut levels = Vec::new();
        let mut gap = None;
        for column in &self.category {
            let cell = row.cell(column);
            if cell.is_empty() {
                gap = gap.or(Some(column));
                continue;
            }
            if let Some(gap) = gap {
                let what = "is empty, but a level below it is filled in: fill in the wider level";
                return Err(table.cell_error(row, gap, what).into());
            }
            for level in cell.split(PATH_SEPARATOR).map(str::trim).filter(|level| !level.is_empty())
            {
                levels.push(class(table, row, column, level)?);
            }
            if levels.len() > LEVELS_MAX {
                let what = format!("more than {LEVELS_MAX} levels: shorten the path");
                return Err(table.cell_error(row, column, what).into());
            }
        }
        Ok(levels)
    }

    fn split(&self, table: &Table, row: &Row, text: &str) -> Result<Split, TicketError> {
        let Some(column) = &self.split else {
            let is_test = content_hash(text).is_multiple_of(TEST_EVERY);
            return Ok(if is_test { Split::Test } else { Split::Train });
        };
        match row.cell(column) {
            "train" => Ok(Split::Train),
            "test" => Ok(Split::Test),
            _ => {
                let what = "is neither \"train\" nor \"test\": correct it, or name no split column";
                Err(table.cell_error(row, column, what).into())
            }
        }
    }
}

fn column(table: &Table, names: &str) -> Result<Column, TableError> {
    for name in names.split('|') {
        if let Some(column) = table.optional_column(name)? {
            return Ok(column);
        }
    }
    table.column(names)
}

fn class(table: &Table, row: &Row, column: &Column, text: &str) -> Result<String, TableError> {
    if text.chars().count() > LABEL_CHARS_MAX {
        let what = format!(
            "more than {LABEL_CHARS_MAX} characters: this is no class, name the right column"
        );
        return Err(table.cell_error(row, column, what));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(csv: &str, columns: &Columns) -> Result<Vec<Ticket>, String> {
        let table = Table::from_csv("t.csv", csv.as_bytes()).unwrap();
        tickets(&table, columns).map(|read| read.rows).map_err(|error| error.to_string())
    }

    fn columns() -> Columns {
        Columns {
            text: "正文|内容".into(),
            title: Some("标题".into()),
            category: vec!["大类".into(), "小类".into()],
            unit: Some("单位".into()),
            ..Columns::default()
        }
    }

    #[test]
    fn levels_come_from_columns_or_from_paths() {
        let rows =
            read("标题,内容,大类,小类,单位\n停水,三天了,城建,供水/停水,水务局\n", &columns())
                .unwrap();
        assert_eq!(rows[0].category, ["城建", "供水", "停水"]);
        assert_eq!(
            (rows[0].text.as_str(), rows[0].unit.as_deref()),
            ("停水，三天了", Some("水务局"))
        );
    }

    #[test]
    fn rows_without_text_or_class_are_left_out_and_gaps_are_refused() {
        let csv = "标题,内容,大类,小类,单位\n,,城建,供水,水务局\n停水,停水,,,\n停电,停电,城建,,\n";
        let rows = read(csv, &columns());
        assert!(rows.is_err_and(|error| error.contains("单位")), "no row has a unit");
        let csv = format!("{csv},水电,城建,,水务局\n,停气,,,\n");
        let read_of = tickets(&Table::from_csv("t.csv", csv.as_bytes()).unwrap(), &columns());
        let told = read_of.map(|read| (read.rows.len(), read.skipped)).unwrap();
        assert_eq!(told, (2, Skipped { without_text: 1, without_class: 2 }));
        let gap =
            read("标题,内容,大类,小类,单位\n停水,停水,,供水,水务局\n", &columns()).err().unwrap();
        assert!(gap.starts_with("t.csv row 2, column \"大类\": is empty, but"), "{gap}");
    }

    #[test]
    fn a_missing_column_a_strange_split_and_no_question_are_refused() {
        let missing = read("文字,类\n停水,水务\n", &columns()).err().unwrap();
        assert!(missing.contains("正文|内容") && missing.contains("文字, 类"), "{missing}");
        let split = Columns {
            text: "内容".into(),
            unit: Some("单位".into()),
            split: Some("split".into()),
            ..Columns::default()
        };
        let strange = read("内容,单位,split\n停水,水务局,dev\n", &split).err().unwrap();
        assert!(strange.starts_with("t.csv row 2, column \"split\""), "{strange}");
        let nothing = Columns { text: "内容".into(), ..Columns::default() };
        assert!(read("内容\n停水\n", &nothing).err().unwrap().starts_with("nothing to learn"));
    }

    #[test]
    fn the_same_text_is_on_one_side_whatever_its_marks() {
        let columns =
            Columns { text: "内容".into(), unit: Some("单位".into()), ..Columns::default() };
        let rows: String =
            (0..40).map(|n| format!("停水第{n}天,水务局\n\"停水，第{n}天！\",水务局\n")).collect();
        let rows = read(&format!("内容,单位\n{rows}"), &columns).unwrap();
        assert!(rows.chunks_exact(2).all(|pair| pair[0].split == pair[1].split));
        assert!(rows.iter().any(|row| row.split == Split::Test));
    }

    #[test]
    fn the_last_ticket_of_a_caller_is_the_one_before_in_time() {
        let columns = Columns {
            text: "内容".into(),
            unit: Some("单位".into()),
            caller: Some("来电".into()),
            received: Some("时间".into()),
            split: Some("split".into()),
            ..Columns::default()
        };
        let last = |rows: &str| -> Vec<String> {
            let rows = read(&format!("内容,单位,来电,时间,split\n{rows}"), &columns).unwrap();
            rows.into_iter().map(|ticket| ticket.last_unit).collect()
        };
        let newest_first = "停水三,供水,13800138000,2026/3/11 9:05,train\n\
                            停电二,供电,138-0013-8000,2026/3/2 18:00,train\n\
                            路灯一,城管,13800138000,2025-12-31 23:59,train\n\
                            停气,燃气,隐藏号码,,train\n";
        assert_eq!(last(newest_first), ["供电", "城管", "", ""]);
        let tested = "停水,供水,13800138000,2026-03-01,train\n停电,供电,13800138000,2026-03-02,test\n\
                      路灯,城管,13800138000,2026-03-03,train\n路障,交警,13800138000,2026-03-04,test\n";
        assert_eq!(last(tested), ["", "供水", "供水", "城管"], "nothing is learnt from a test row");
        let odd = read("内容,单位,来电,时间,split\n停水,供水,13800138000,昨天,train\n", &columns);
        assert!(odd.err().unwrap().contains("row 2, column \"时间\": is no time"));
        let alone = Columns { received: None, ..columns };
        assert!(read("内容,单位,来电,split\n停水,供水,1,train\n", &alone).is_err());
    }
}
