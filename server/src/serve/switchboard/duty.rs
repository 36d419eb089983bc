//! The duty list: whom to ring for a department now.

use anyhow::{Context, Result};
use qingting_api::{DutyProblem, DutyRow, OnDuty};
use qingting_callbacks::schedule::local;
use qingting_common::{Pii, UnixMillis};
use qingting_core::call;
use qingting_core::duty::{Department, DutyList, Expert, RowError, Shift, Target};
use qingting_core::hours::{LocalDate, Weekday, Window};
use qingting_store::{self as stored, Store, Weekdays};
use std::sync::{Arc, PoisonError, RwLock};

/// The list as the database had it when it was last read.
#[derive(Default)]
pub struct Duty(RwLock<Arc<DutyList>>);

/// Why nobody can be rung for a department.
#[derive(Debug, thiserror::Error)]
pub enum NobodyThere {
    /// Nobody is called that.
    #[error("值班表里没有部门“{0}”")]
    Department(String),
    /// Several are.
    #[error("“{0}”可指多个部门：{1}，请写全称")]
    Ambiguous(String, String),
    /// It has nobody on duty.
    #[error("{0}现在没有值班专家")]
    OnDuty(String),
}

impl Duty {
    /// Reads it again.
    pub async fn load(&self, store: &Store) -> Result<()> {
        let list = read(store.duty().await?).context("the duty list in the database")?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(list);
        Ok(())
    }

    /// Whom to ring for a department, by its name or what it is called, one after another.
    pub fn whom_to_ring(
        &self,
        department: &str,
        now: UnixMillis,
    ) -> Result<Vec<call::Target>, NobodyThere> {
        let list = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        let found = list.find_department(department);
        let department = match found.as_slice() {
            [] => return Err(NobodyThere::Department(department.to_owned())),
            [one] => *one,
            several => {
                let names: Vec<&str> = several.iter().map(|of| of.name.as_str()).collect();
                return Err(NobodyThere::Ambiguous(department.to_owned(), names.join("、")));
            }
        };
        let experts = local(now).map(|now| list.whom_to_ring(&department.code, now));
        let targets: Vec<call::Target> =
            experts.into_iter().flatten().flat_map(|expert| &expert.targets).map(target).collect();
        if targets.is_empty() {
            return Err(NobodyThere::OnDuty(department.name.clone()));
        }
        Ok(targets)
    }

    /// Who is on duty now: of the departments that somebody may mean by this, or of all. `None` where none is called so.
    pub fn now(&self, called: Option<&str>, now: UnixMillis) -> Option<Vec<OnDuty>> {
        let list = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        let wanted: Vec<&Department> = match called {
            Some(called) => list.find_department(called),
            None => list.departments().collect(),
        };
        if wanted.is_empty() && called.is_some() {
            return None;
        }
        let Some(now) = local(now) else { return Some(Vec::new()) };
        let on_duty = wanted.into_iter().flat_map(|department| {
            list.whom_to_ring(&department.code, now).into_iter().map(|expert| OnDuty {
                department: department.code.clone(),
                department_name: department.name.clone(),
                expert: expert.name.clone(),
                numbers: expert.targets.iter().map(number).collect(),
            })
        });
        Some(on_duty.collect())
    }
}

fn number(target: &Target) -> Pii<String> {
    match target {
        Target::Number(number) => number.clone(),
        Target::Extension(extension) => Pii::new(extension.clone()),
    }
}

fn target(target: &Target) -> call::Target {
    match target {
        Target::Number(number) => call::Target::Number(number.clone()),
        Target::Extension(extension) => call::Target::Extension(extension.clone()),
    }
}

/// Makes a list of the rows of a table.
pub(super) fn read_rows(rows: &[DutyRow]) -> Result<stored::DutyList, Vec<DutyProblem>> {
    let fields: Vec<(usize, Vec<&str>)> = rows
        .iter()
        .map(|row| (row.line, row.fields.expose().iter().map(String::as_str).collect()))
        .collect();
    let rows = fields.iter().map(|(line, fields)| (*line, fields.as_slice()));
    let list = qingting_core::duty::read_rows(rows).map_err(|errors| {
        let problem = |error: RowError| DutyProblem {
            line: error.line,
            field: error.column.to_owned(),
            detail: error.problem,
        };
        errors.into_iter().map(problem).collect::<Vec<_>>()
    })?;
    Ok(stored::DutyList {
        departments: list.departments().map(to_department).collect(),
        experts: list.experts().iter().map(to_expert).collect(),
        shifts: list.shifts().iter().map(to_shift).collect(),
    })
}

fn to_department(department: &Department) -> stored::Department {
    let Department { code, name, aliases } = department.clone();
    stored::Department { code, name, aliases }
}

fn to_expert(expert: &Expert) -> stored::DutyExpert {
    let target = |target: &Target| match target {
        Target::Number(number) => stored::DutyTarget::Number(number.clone()),
        Target::Extension(extension) => stored::DutyTarget::Extension(extension.clone()),
    };
    let targets = expert.targets.iter().map(target).collect();
    stored::DutyExpert { name: expert.name.clone(), targets }
}

fn to_shift(shift: &Shift) -> stored::Shift {
    let every_day = || Weekday::ALL.into_iter().collect();
    let weekdays: std::collections::BTreeSet<Weekday> =
        if shift.weekdays.is_empty() { every_day() } else { shift.weekdays.clone() };
    stored::Shift {
        department: shift.department.clone(),
        expert: shift.expert,
        weekdays: Weekdays(weekdays.iter().fold(0, |set, day| set | 1 << day.index())),
        first: shift.first.map(to_date),
        last: shift.last.map(to_date),
        from_minute: shift.window.from,
        to_minute: shift.window.to,
        order: shift.order,
    }
}

fn to_date(date: LocalDate) -> stored::Date {
    let digits: String = date.to_string().chars().filter(char::is_ascii_digit).collect();
    stored::Date(digits.parse().unwrap_or_default())
}

fn read(list: stored::DutyList) -> Result<DutyList> {
    let departments = list.departments.into_iter();
    let departments = departments.map(|stored::Department { code, name, aliases }| Department {
        code,
        name,
        aliases,
    });
    let experts = list.experts.into_iter().map(|expert| Expert {
        name: expert.name,
        targets: expert.targets.into_iter().map(from_target).collect(),
    });
    let shifts = list.shifts.into_iter().map(from_shift).collect::<Result<_>>()?;
    DutyList::new(departments.collect(), experts.collect(), shifts).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!(errors.join("; "))
    })
}

fn from_target(target: stored::DutyTarget) -> Target {
    match target {
        stored::DutyTarget::Number(number) => Target::Number(number),
        stored::DutyTarget::Extension(extension) => Target::Extension(extension),
    }
}

fn from_shift(shift: stored::Shift) -> Result<Shift> {
    let Weekdays(set) = shift.weekdays;
    let weekdays = Weekday::ALL.into_iter().filter(|day| set & (1 << day.index()) != 0);
    Ok(Shift {
        department: shift.department,
        expert: shift.expert,
        weekdays: weekdays.collect(),
        first: shift.first.map(from_date).transpose()?,
        last: shift.last.map(from_date).transpose()?,
        window: Window { from: shift.from_minute, to: shift.to_minute },
        order: shift.order,
    })
}

fn from_date(stored::Date(number): stored::Date) -> Result<LocalDate> {
    let read = || {
        let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
        LocalDate::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?)
    };
    read().with_context(|| format!("{number} is not a date"))
}
