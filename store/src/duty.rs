//! The duty list (值班表): departments, their experts, and who is on duty when.

use crate::error::StoreError;
use crate::rows::{json, maybe_number, number, pii, to_json};
use crate::writer::Command;
use crate::{Store, audit, clock};
use qingting_common::{Pii, UnixMillis};
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

/// A list as it was imported: its parts fit together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DutyList {
    /// Departments, each code once.
    pub departments: Vec<Department>,
    /// Experts; shifts name them by their place here.
    pub experts: Vec<DutyExpert>,
    /// Shifts in the order of the import.
    pub shifts: Vec<Shift>,
}

/// A department (部门) that sends experts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Department {
    /// Its code, unique.
    pub code: String,
    /// Its name.
    pub name: String,
    /// What it is called as well.
    pub aliases: Vec<String>,
}

/// Somebody who knows the matters of a department.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DutyExpert {
    /// The name.
    pub name: Pii<String>,
    /// How to reach this person, in the order in which it is tried.
    pub targets: Vec<DutyTarget>,
}

/// A telephone of an expert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DutyTarget {
    /// A number, through the trunk.
    Number(Pii<String>),
    /// An extension of this server.
    Extension(String),
}

/// An expert's stretch of duty, the same on every day that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    /// The code of the department.
    pub department: String,
    /// The expert's place in the list of experts.
    pub expert: usize,
    /// Weekdays on which it begins.
    pub weekdays: Weekdays,
    /// The first day, if there is one.
    pub first: Option<Date>,
    /// The last day, if there is one.
    pub last: Option<Date>,
    /// Start, in minutes since midnight in China.
    pub from_minute: u16,
    /// End, exclusive; when it is not after the start it is on the next day.
    pub to_minute: u16,
    /// Who is rung first: 1 before 2.
    pub order: u16,
}

/// A set of weekdays; bit 0 is Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Weekdays(pub u8);

/// A day as a number that reads as it is written, `YYYYMMDD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date(pub u32);

/// Why the list was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum DutyError {
    /// Somebody else has replaced it meanwhile.
    #[error("the duty list was replaced meanwhile: it is at revision {current}")]
    Changed {
        /// Its revision.
        current: i64,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for DutyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// Replaces the whole list at once, and notes in the audit that `by` did: a reader sees the old
    /// list or the new one. A shift of a department or an expert that the list lacks is refused, and so is a
    /// list that is not at `revision` any more, where one is given. Gives the new revision.
    pub async fn replace_duty(
        &self,
        list: DutyList,
        revision: Option<i64>,
        by: &str,
    ) -> Result<i64, DutyError> {
        self.write(Replace { list, revision, by: by.to_owned(), at: clock::now() }).await
    }

    /// The whole list.
    pub async fn duty(&self) -> Result<DutyList, StoreError> {
        self.duty_at_revision().await.map(|(list, _)| list)
    }

    /// The whole list and its revision, which counts replacements from 1.
    pub async fn duty_at_revision(&self) -> Result<(DutyList, i64), StoreError> {
        // What is newer than its revision is only refused once too often.
        let revision = sqlx::query("SELECT revision FROM duty_revision");
        let revision = revision.fetch_one(self.readers()).await?.try_get("revision")?;
        // One transaction, so that all parts are of the same list.
        let mut db = self.readers().begin().await?;
        let departments =
            sqlx::query("SELECT * FROM departments ORDER BY rowid").fetch_all(&mut *db).await?;
        let experts = sqlx::query("SELECT * FROM experts ORDER BY id").fetch_all(&mut *db).await?;
        let shifts = sqlx::query("SELECT * FROM shifts ORDER BY id").fetch_all(&mut *db).await?;
        let list = DutyList {
            departments: departments.iter().map(department).collect::<Result<_, _>>()?,
            experts: experts.iter().map(expert).collect::<Result<_, _>>()?,
            shifts: shifts.iter().map(shift).collect::<Result<_, _>>()?,
        };
        Ok((list, revision))
    }
}

fn department(row: &AnyRow) -> Result<Department, StoreError> {
    Ok(Department {
        code: row.try_get("code")?,
        name: row.try_get("name")?,
        aliases: json(row.try_get("aliases")?, "departments.aliases")?,
    })
}

fn expert(row: &AnyRow) -> Result<DutyExpert, StoreError> {
    Ok(DutyExpert {
        name: pii(row, "name")?,
        targets: json(row.try_get("targets")?, "experts.targets")?,
    })
}

fn shift(row: &AnyRow) -> Result<Shift, StoreError> {
    Ok(Shift {
        department: row.try_get("department")?,
        expert: usize::try_from(row.try_get::<i64, _>("expert")?).unwrap_or(usize::MAX),
        weekdays: Weekdays(number(row, "weekdays")?),
        first: maybe_number(row, "first")?.map(Date),
        last: maybe_number(row, "last")?.map(Date),
        from_minute: number(row, "from_minute")?,
        to_minute: number(row, "to_minute")?,
        order: number(row, "rank")?,
    })
}

struct Replace {
    list: DutyList,
    revision: Option<i64>,
    by: String,
    at: UnixMillis,
}

impl Command for Replace {
    type Output = i64;
    type Error = DutyError;

    async fn run(&self, db: &mut AnyConnection) -> Result<i64, DutyError> {
        let row =
            sqlx::query("UPDATE duty_revision SET revision = revision + 1 RETURNING revision")
                .fetch_one(&mut *db)
                .await?;
        let new: i64 = row.try_get("revision")?;
        if self.revision.is_some_and(|seen| seen + 1 != new) {
            return Err(DutyError::Changed { current: new - 1 });
        }
        for table in ["DELETE FROM shifts", "DELETE FROM experts", "DELETE FROM departments"] {
            sqlx::query(table).execute(&mut *db).await?;
        }
        for department in &self.list.departments {
            sqlx::query("INSERT INTO departments (code, name, aliases) VALUES ($1, $2, $3)")
                .bind(&department.code)
                .bind(&department.name)
                .bind(to_json(&department.aliases, "departments.aliases")?)
                .execute(&mut *db)
                .await?;
        }
        for (place, expert) in (0i64..).zip(&self.list.experts) {
            sqlx::query("INSERT INTO experts (id, name, targets) VALUES ($1, $2, $3)")
                .bind(place)
                .bind(expert.name.expose())
                .bind(to_json(&expert.targets, "experts.targets")?)
                .execute(&mut *db)
                .await?;
        }
        for shift in &self.list.shifts {
            insert(db, shift).await?;
        }
        audit::insert(db, self.at, &self.by, "duty.replace", "duty-list").await?;
        Ok(new)
    }
}

async fn insert(db: &mut AnyConnection, shift: &Shift) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO shifts
            (department, expert, weekdays, first, last, from_minute, to_minute, rank)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&shift.department)
    .bind(i64::try_from(shift.expert).unwrap_or(i64::MAX))
    .bind(i64::from(shift.weekdays.0))
    .bind(shift.first.map(|date| i64::from(date.0)))
    .bind(shift.last.map(|date| i64::from(date.0)))
    .bind(i64::from(shift.from_minute))
    .bind(i64::from(shift.to_minute))
    .bind(i64::from(shift.order))
    .execute(db)
    .await?;
    Ok(())
}
