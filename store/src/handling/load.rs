//! Tickets by where they are handled: which are asked for, and how many each unit has.

use super::machine::Stage;
use crate::error::StoreError;
use crate::rows::unsigned;
use crate::sql::Sql;
use crate::{PAGE_ROWS_MAX, Store};
use qingting_common::UnixMillis;
use sqlx::Row;

/// Which confirmed tickets; what is given must all be true.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandlingFilter {
    /// At this stage.
    pub stage: Option<Stage>,
    /// Of this unit.
    pub unit: Option<String>,
    /// Not closed, and due before then.
    pub due_before: Option<UnixMillis>,
    /// Supervised, or not.
    pub supervised: Option<bool>,
}

impl HandlingFilter {
    /// Whether all tickets are asked for, drafts among them.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Adds the conditions, each after ` AND `.
    pub(crate) fn push(&self, sql: &mut Sql) {
        if self.is_nothing() {
            return;
        }
        // Not `= 'confirmed'`: SQLite would take the index of the status, which has all of them.
        sql.push(" AND tickets.status <> 'draft'");
        if let Some(stage) = self.stage {
            sql.push(" AND stage = ").push_bind(stage.as_str());
        }
        if let Some(unit) = &self.unit {
            sql.push(" AND unit = ").push_bind(unit.clone());
        }
        if let Some(before) = self.due_before {
            // Tickets that were accepted have no deadline yet.
            sql.push(" AND stage IN ('dispatched', 'in_handling') AND deadline < ");
            sql.push_bind(before.0);
        }
        if let Some(supervised) = self.supervised {
            sql.push(if supervised { " AND supervised" } else { " AND NOT supervised" });
        }
    }
}

/// What a unit has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitLoad {
    /// The unit; none: the hotline itself, of tickets that are not dispatched.
    pub unit: Option<String>,
    /// Tickets that are not closed.
    pub open: u64,
    /// Those of them whose time is over.
    pub overdue: u64,
    /// Those of them that are supervised.
    pub supervised: u64,
}

impl Store {
    /// Whether a person is of the unit of this name or a ticket was dispatched to it.
    pub async fn has_unit(&self, name: &str) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT count(*) FROM (SELECT 1 FROM people WHERE unit = $1 LIMIT 1) AS of_people)
                  + (SELECT count(*) FROM (SELECT 1 FROM tickets WHERE unit = $1 LIMIT 1) AS of_tickets) AS n",
        )
        .bind(name)
        .fetch_one(self.readers())
        .await?;
        Ok(row.try_get::<i64, _>("n")? > 0)
    }

    /// Units with tickets that are not closed, those with the most overdue ones first, at most
    /// [`PAGE_ROWS_MAX`].
    pub async fn open_by_unit(&self, now: UnixMillis) -> Result<Vec<UnitLoad>, StoreError> {
        let rows = sqlx::query(
            "SELECT unit, count(*) AS n, count(CASE WHEN deadline < $1 THEN 1 END) AS overdue,
                count(CASE WHEN supervised THEN 1 END) AS supervised
             FROM tickets WHERE status <> 'draft'
                AND stage IN ('accepted', 'dispatched', 'in_handling')
             GROUP BY unit ORDER BY overdue DESC, n DESC, unit LIMIT $2",
        )
        .bind(now.0)
        .bind(i64::from(PAGE_ROWS_MAX))
        .fetch_all(self.readers())
        .await?;
        let read = |row: &sqlx::any::AnyRow| {
            Ok(UnitLoad {
                unit: row.try_get("unit")?,
                open: unsigned(row.try_get("n")?),
                overdue: unsigned(row.try_get("overdue")?),
                supervised: unsigned(row.try_get("supervised")?),
            })
        };
        rows.iter().map(read).collect()
    }
}
