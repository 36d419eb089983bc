//! The duty list: whom to ring for a department now.

use super::plans::local;
use anyhow::{Context, Result};
use qingting_common::{Pii, UnixMillis};
use qingting_core::call;
use qingting_core::duty::{Department, DutyList, Expert, Shift, Target};
use qingting_core::hours::{LocalDate, Weekday, Window};
use qingting_store::Store;
use std::sync::{Arc, PoisonError, RwLock};

/// The list as the database had it when it was last read.
#[derive(Default)]
pub struct Duty(RwLock<Arc<DutyList>>);

/// Why nobody can be rung for a department.
#[derive(Debug, thiserror::Error)]
pub enum DutyProblem {
    /// Nobody is called that.
    #[error("值班表里没有部门“{0}”")]
    Unknown(String),
    /// Several are.
    #[error("“{0}”可指多个部门：{1}，请写全称")]
    Ambiguous(String, String),
    /// It has nobody on duty.
    #[error("{0}现在没有值班专家")]
    Nobody(String),
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
    ) -> Result<Vec<call::Target>, DutyProblem> {
        let list = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        let found = list.find_department(department);
        let department = match found.as_slice() {
            [] => return Err(DutyProblem::Unknown(department.to_owned())),
            [one] => *one,
            several => {
                let names: Vec<&str> = several.iter().map(|of| of.name.as_str()).collect();
                return Err(DutyProblem::Ambiguous(department.to_owned(), names.join("、")));
            }
        };
        let experts = local(now).map(|now| list.whom_to_ring(&department.code, now));
        let targets: Vec<call::Target> =
            experts.into_iter().flatten().flat_map(|expert| &expert.targets).map(target).collect();
        if targets.is_empty() {
            return Err(DutyProblem::Nobody(department.name.clone()));
        }
        Ok(targets)
    }
}

fn target(target: &Target) -> call::Target {
    match target {
        Target::Number(number) => call::Target::Number(number.clone()),
        Target::Extension(extension) => call::Target::Extension(extension.clone()),
    }
}

fn read(stored: qingting_store::DutyList) -> Result<DutyList> {
    let departments = stored.departments.into_iter().map(|department| Department {
        code: department.name.clone(),
        name: department.name,
        aliases: Vec::new(),
    });
    let mut experts: Vec<Expert> = Vec::new();
    let mut shifts = Vec::new();
    for shift in stored.shifts {
        let is_known =
            |expert: &Expert| expert.name == shift.expert && expert.targets == targets(&shift.number);
        let expert = experts.iter().position(is_known).unwrap_or(experts.len());
        if expert == experts.len() {
            experts.push(Expert { name: shift.expert.clone(), targets: targets(&shift.number) });
        }
        let weekdays = Weekday::ALL.into_iter().filter(|day| shift.days.holds(day.index() as u8));
        shifts.push(Shift {
            department: shift.department,
            expert,
            weekdays: weekdays.collect(),
            first: shift.from_date.map(date).transpose()?,
            last: shift.to_date.map(date).transpose()?,
            window: Window { from: shift.from_minute, to: shift.to_minute },
            order: shift.priority.into(),
        });
    }
    DutyList::new(departments.collect(), experts, shifts).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!(errors.join("; "))
    })
}

fn targets(number: &Pii<String>) -> Vec<Target> {
    vec![Target::Number(number.clone())]
}

fn date(date: qingting_store::Date) -> Result<LocalDate> {
    let qingting_store::Date(number) = date;
    let read = || {
        let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
        LocalDate::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?)
    };
    read().with_context(|| format!("{number} is not a date"))
}
