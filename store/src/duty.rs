//! The duty list: departments, their experts, and who is on duty when.

use crate::error::StoreError;
use crate::rows::pii;
use crate::writer::Command;
use crate::{Store, audit, clock};
use qingting_common::{Pii, UnixMillis};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

/// Most shifts of a list.
pub const SHIFTS_MAX: usize = 20_000;

/// Minutes of a day.
pub const DAY_MINUTES: u16 = 24 * 60;

/// A list as it was imported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DutyList {
    /// Departments, each once.
    pub departments: Vec<Department>,
    /// Shifts in the order of the import; each department is one of `departments`.
    pub shifts: Vec<Shift>,
}

/// A department that takes part in calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Department {
    /// Its name.
    pub name: String,
    /// A telephone of the department itself, for when no expert is on duty.
    pub number: Option<Pii<String>>,
}

/// An expert's stretch of duty, the same on every day that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    /// The department.
    pub department: String,
    /// The expert's name.
    pub expert: Pii<String>,
    /// The expert's number.
    pub number: Pii<String>,
    /// Who is asked first: 1 before 2.
    pub priority: u8,
    /// Weekdays on which it begins.
    pub days: Weekdays,
    /// First day, where the shift is not for ever.
    pub from_date: Option<Date>,
    /// Last day.
    pub to_date: Option<Date>,
    /// Start, in minutes since midnight in China.
    pub from_minute: u16,
    /// End, exclusive; when it is not after the start it is on the next day.
    pub to_minute: u16,
}

/// A set of weekdays; bit 0 is Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Weekdays(pub u8);

impl Weekdays {
    /// Every day.
    pub const ALL: Self = Self(0b111_1111);

    /// Whether the set holds a day; 0 is Monday.
    pub const fn holds(self, day: u8) -> bool {
        day < 7 && self.0 & (1 << day) != 0
    }
}

/// A day as a number that reads as it is written, `YYYYMMDD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date(pub u32);

impl Store {
    /// Replaces the whole list at once, and notes in the audit that `by` did: a reader sees the old
    /// list or the new one.
    pub async fn replace_duty(&self, list: DutyList, by: &str) -> Result<(), StoreError> {
        self.write(Replace { list, by: by.to_owned(), at: clock::now() }).await
    }

    /// The whole list.
    pub async fn duty(&self) -> Result<DutyList, StoreError> {
        // One transaction, so that departments and shifts are of the same list.
        let mut db = self.readers().begin().await?;
        let departments = sqlx::query("SELECT name, number FROM departments ORDER BY rowid")
            .fetch_all(&mut *db)
            .await?;
        let shifts = sqlx::query(
            "SELECT experts.department, experts.name, experts.number, shifts.* FROM shifts
             JOIN experts ON experts.id = shifts.expert ORDER BY shifts.id",
        )
        .fetch_all(&mut *db)
        .await?;
        let department = |row: &SqliteRow| {
            let number = row.try_get::<Option<String>, _>("number")?.map(Pii::new);
            Ok::<_, StoreError>(Department { name: row.try_get("name")?, number })
        };
        Ok(DutyList {
            departments: departments.iter().map(department).collect::<Result<_, _>>()?,
            shifts: shifts.iter().map(shift).collect::<Result<_, _>>()?,
        })
    }
}

fn shift(row: &SqliteRow) -> Result<Shift, StoreError> {
    Ok(Shift {
        department: row.try_get("department")?,
        expert: pii(row, "name")?,
        number: pii(row, "number")?,
        priority: row.try_get("priority")?,
        days: Weekdays(row.try_get("days")?),
        from_date: row.try_get::<Option<u32>, _>("from_date")?.map(Date),
        to_date: row.try_get::<Option<u32>, _>("to_date")?.map(Date),
        from_minute: row.try_get("from_minute")?,
        to_minute: row.try_get("to_minute")?,
    })
}

struct Replace {
    list: DutyList,
    by: String,
    at: UnixMillis,
}

impl Command for Replace {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        for table in ["DELETE FROM shifts", "DELETE FROM experts", "DELETE FROM departments"] {
            sqlx::query(table).execute(&mut *db).await?;
        }
        for department in &self.list.departments {
            sqlx::query("INSERT INTO departments (name, number) VALUES (?1, ?2)")
                .bind(&department.name)
                .bind(department.number.as_ref().map(Pii::expose))
                .execute(&mut *db)
                .await?;
        }
        for shift in &self.list.shifts {
            insert(db, shift).await?;
        }
        audit::insert(db, self.at, &self.by, "duty.replace", "duty-list").await
    }
}

async fn insert(db: &mut SqliteConnection, shift: &Shift) -> Result<(), StoreError> {
    // An expert is a number of a department: the latest spelling of the name stays.
    let expert: i64 = sqlx::query_scalar(
        "INSERT INTO experts (department, name, number) VALUES (?1, ?2, ?3)
         ON CONFLICT (department, number) DO UPDATE SET name = excluded.name RETURNING id",
    )
    .bind(&shift.department)
    .bind(shift.expert.expose())
    .bind(shift.number.expose())
    .fetch_one(&mut *db)
    .await?;
    sqlx::query(
        "INSERT INTO shifts
            (expert, priority, days, from_date, to_date, from_minute, to_minute)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(expert)
    .bind(shift.priority)
    .bind(shift.days.0)
    .bind(shift.from_date.map(|date| date.0))
    .bind(shift.to_date.map(|date| date.0))
    .bind(shift.from_minute)
    .bind(shift.to_minute)
    .execute(db)
    .await?;
    Ok(())
}
