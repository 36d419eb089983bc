//! Reading a duty list from the rows of a table (CSV, a spreadsheet).

use super::{Department, DutyError, DutyList, Expert, Shift, Target};
use crate::hours::{LocalDate, Weekday, Window, minute_of_day};
use qingting_common::Pii;
use std::collections::{BTreeMap, BTreeSet};

/// The columns, as the first row must name them. One row is one shift.
///
/// | column | holds |
/// |---|---|
/// | 部门代码 | the department's code |
/// | 部门名称 | its name; the same in all its rows |
/// | 别名 | what it is called as well, with `;` between; the rows' aliases are joined |
/// | 专家 | the expert's name; one name in one department is one person |
/// | 电话 | numbers in the order in which they are tried, with `;` between |
/// | 方式 | 外线 (through the trunk, also when empty) or 分机 (an extension of this server) |
/// | 星期 | `1-5`, `一至五`, `6;7`, `周六、周日`, 每天; empty for every day |
/// | 起始日期, 结束日期 | 2026-10-01; empty for no bound |
/// | 上班, 下班 | 09:00, 24:00; an end not after the beginning is on the next day |
/// | 顺序 | 1 is rung before 2; empty for 1 |
pub const COLUMNS: [&str; 12] = [
    "部门代码",
    "部门名称",
    "别名",
    "专家",
    "电话",
    "方式",
    "星期",
    "起始日期",
    "结束日期",
    "上班",
    "下班",
    "顺序",
];

/// Most rows of a list.
const ROWS_MAX: usize = 20_000;

/// Most errors that are told; nobody reads on.
const ERRORS_MAX: usize = 100;

/// Midnight at the end of a day, in minutes.
const DAY_END: u16 = Window::ALL_DAY.to;

/// Longest digits of a number or extension, in characters.
const NUMBER_CHARS_MAX: usize = 32;

/// A row that cannot be read. Says where, not what stood there: that may be a name or a number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, {column}: {problem}")]
pub struct RowError {
    /// The line in the file, as the caller counts.
    pub line: usize,
    /// The column, one of [`COLUMNS`].
    pub column: &'static str,
    /// What is wrong and what would be right.
    pub problem: String,
}

/// Reads rows, each with its line in the file; the first names the columns. Empty rows are skipped.
pub fn read_rows<'a>(
    rows: impl IntoIterator<Item = (usize, &'a [&'a str])>,
) -> Result<DutyList, Vec<RowError>> {
    let mut rows = rows.into_iter();
    let mut reader = Reader::default();
    match rows.next() {
        Some((line, header)) => reader.header(line, header),
        None => reader.errors.push(error(1, 0, "the file is empty: name the columns first")),
    }
    for (at, (line, fields)) in rows.enumerate() {
        if reader.errors.len() >= ERRORS_MAX {
            break;
        }
        if at >= ROWS_MAX {
            reader.errors.push(error(
                line,
                0,
                &format!("more than {ROWS_MAX} rows: split the list"),
            ));
            break;
        }
        if fields.iter().any(|field| !field.trim().is_empty()) {
            reader.row(line, fields);
        }
    }
    reader.finish()
}

#[derive(Default)]
struct Reader {
    departments: BTreeMap<String, Department>,
    experts: Vec<Expert>,
    /// Department and name to the number of the expert, and the line where it stood first.
    known: BTreeMap<(String, String), (usize, usize)>,
    shifts: Vec<Shift>,
    lines: Vec<usize>,
    errors: Vec<RowError>,
}

impl Reader {
    fn header(&mut self, line: usize, fields: &[&str]) {
        for (at, name) in COLUMNS.into_iter().enumerate() {
            let given = fields.get(at).map_or("", |field| trimmed(field));
            if given != name {
                let problem = format!("column {} must be named {name}", at + 1);
                self.errors.push(error(line, at, &problem));
            }
        }
    }

    fn row(&mut self, line: usize, fields: &[&str]) {
        let field = |at: usize| fields.get(at).map_or("", |field| trimmed(field));
        let before = self.errors.len();
        let code = self.needed(line, 0, field(0));
        let name = self.needed(line, 1, field(1));
        let expert_name = self.needed(line, 3, field(3));
        let targets = self.take(line, 4, targets(field(4), field(5)));
        let weekdays = self.take(line, 6, weekdays(field(6)));
        let first = self.take(line, 7, date(field(7)));
        let last = self.take(line, 8, date(field(8)));
        let from = self.take(line, 9, time(field(9)));
        // An end at 00:00 is the midnight after the beginning.
        let to = self.take(line, 10, time(field(10))).map(|to| if to == 0 { DAY_END } else { to });
        let order = self.take(line, 11, order(field(11)));
        if from == Some(DAY_END) {
            self.errors.push(error(line, 9, "a duty begins before 24:00: write 00:00"));
        }
        if from.is_some() && from == to {
            self.errors.push(error(
                line,
                10,
                "no time between 上班 and 下班: a whole day is 00:00–24:00",
            ));
        }
        if first.flatten().zip(last.flatten()).is_some_and(|(first, last)| last < first) {
            self.errors.push(error(line, 8, "before 起始日期"));
        }
        let (Some(targets), Some(weekdays), Some(first), Some(last)) =
            (targets, weekdays, first, last)
        else {
            return;
        };
        let (Some(from), Some(to), Some(order)) = (from, to, order) else { return };
        if self.errors.len() > before {
            return;
        }
        self.department(line, &code, &name, field(2));
        let expert = self.expert(line, (code.clone(), expert_name), targets);
        let window = Window { from, to };
        self.shifts.push(Shift { department: code, expert, weekdays, first, last, window, order });
        self.lines.push(line);
    }

    fn department(&mut self, line: usize, code: &str, name: &str, aliases: &str) {
        let department = self.departments.entry(code.into()).or_insert_with(|| Department {
            code: code.into(),
            name: name.into(),
            aliases: Vec::new(),
        });
        if department.name != name {
            let problem = "this code has another name in an earlier line: use one";
            self.errors.push(error(line, 1, problem));
            return;
        }
        for alias in list(aliases) {
            if department.aliases.iter().all(|known| known != alias) {
                department.aliases.push(alias.into());
            }
        }
    }

    fn expert(&mut self, line: usize, key: (String, String), targets: Vec<Target>) -> usize {
        if let Some((expert, first_line)) = self.known.get(&key).copied() {
            if self.experts[expert].targets != targets {
                let problem = format!("the same person has other numbers in line {first_line}");
                self.errors.push(error(line, 4, &problem));
            }
            return expert;
        }
        let name = Pii::new(key.1.clone());
        self.known.insert(key, (self.experts.len(), line));
        self.experts.push(Expert { name, targets });
        self.experts.len() - 1
    }

    fn needed(&mut self, line: usize, column: usize, text: &str) -> String {
        if text.is_empty() {
            self.errors.push(error(line, column, "is empty"));
        }
        text.into()
    }

    fn take<T>(&mut self, line: usize, column: usize, read: Result<T, &'static str>) -> Option<T> {
        read.map_err(|problem| self.errors.push(error(line, column, problem))).ok()
    }

    fn finish(mut self) -> Result<DutyList, Vec<RowError>> {
        if !self.errors.is_empty() {
            self.errors.truncate(ERRORS_MAX);
            return Err(self.errors);
        }
        let departments = self.departments.into_values().collect();
        let line_of = |shift: usize| self.lines.get(shift - 1).copied().unwrap_or_default();
        DutyList::new(departments, self.experts, self.shifts).map_err(|errors| {
            // The rows were checked one by one: what is left concerns whole rows.
            let row = |problem: DutyError| match &problem {
                DutyError::NoDepartment { shift, .. }
                | DutyError::NoExpert { shift }
                | DutyError::Backwards { shift } => error(line_of(*shift), 0, &problem.to_string()),
                DutyError::CodeTwice { .. } | DutyError::NoTarget { .. } => {
                    error(0, 0, &problem.to_string())
                }
            };
            errors.into_iter().map(row).collect()
        })
    }
}

fn error(line: usize, column: usize, problem: &str) -> RowError {
    RowError { line, column: COLUMNS[column], problem: problem.into() }
}

/// Without spaces around and the mark with which spreadsheets begin a file.
fn trimmed(field: &str) -> &str {
    field.trim_start_matches('\u{feff}').trim()
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split([';', '；', '、', ',', '，']).map(str::trim).filter(|item| !item.is_empty())
}

fn targets(numbers: &str, kind: &str) -> Result<Vec<Target>, &'static str> {
    let target: fn(&str) -> Target = match kind {
        "" | "外线" => |number| Target::Number(Pii::new(number.into())),
        "分机" => |number| Target::Extension(number.into()),
        _ => return Err("方式 must be 外线 or 分机"),
    };
    let numbers: Vec<&str> = list(numbers).collect();
    let callable = |number: &&str| {
        let digits = number.chars().filter(char::is_ascii_digit).count();
        let marks = |c: char| c.is_ascii_digit() || " +-()".contains(c);
        digits > 0 && number.len() <= NUMBER_CHARS_MAX && number.chars().all(marks)
    };
    if numbers.is_empty() || !numbers.iter().all(callable) {
        return Err("expected numbers of digits, with ; between");
    }
    Ok(numbers.into_iter().map(target).collect())
}

fn weekdays(text: &str) -> Result<BTreeSet<Weekday>, &'static str> {
    const EXPECTED: &str = "expected weekdays such as 1-5, 一至五, 6;7 or 每天";
    let mut days = BTreeSet::new();
    if matches!(text, "每天" | "每日") {
        return Ok(days);
    }
    for part in list(text) {
        let mut ends = part.split(['-', '–', '~', '～', '至', '到']);
        let first = ends.next().and_then(weekday).ok_or(EXPECTED)?;
        let last = ends.next().map_or(Some(first), weekday).ok_or(EXPECTED)?;
        if last < first || ends.next().is_some() {
            return Err(EXPECTED);
        }
        days.extend(Weekday::ALL.into_iter().filter(|day| (first..=last).contains(day)));
    }
    Ok(days)
}

fn weekday(text: &str) -> Option<Weekday> {
    let bare = text.trim().trim_start_matches("星期").trim_start_matches('周');
    let at = match bare {
        "1" | "一" => 0,
        "2" | "二" => 1,
        "3" | "三" => 2,
        "4" | "四" => 3,
        "5" | "五" => 4,
        "6" | "六" => 5,
        "7" | "日" | "天" => 6,
        _ => return None,
    };
    Some(Weekday::ALL[at])
}

fn date(text: &str) -> Result<Option<LocalDate>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| "expected a date such as 2026-10-01")
}

fn time(text: &str) -> Result<u16, &'static str> {
    minute_of_day(text).ok_or("expected a time such as 09:00")
}

fn order(text: &str) -> Result<u16, &'static str> {
    match text {
        "" => Ok(1),
        text => text.parse().map_err(|_| "expected a number such as 1"),
    }
}
