//! The order to erase a citizen, and its steps.
//!
//! **An order that was taken is carried out to its end, by whoever is there**: it is stored with the ids of all that goes
//! before the first step, each step is one transaction that is done once, and what a crash leaves is finished when a
//! server starts or the next order comes. No step holds the writer for long; calls write between them.

use super::erase::{Erase, EraseError, EraseReason, Erased, Erasure, check, count};
use super::find::{Found, find};
use super::{CITIZEN_ROWS_MAX, CitizenNumber};
use crate::error::StoreError;
use crate::writer::Command;
use crate::{Store, audit, clock, rows};
use qingting_common::{CallId, UnixMillis};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Executor, Row};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Rows of each kind that one step erases.
const STEP_ROWS_MAX: usize = 100;
/// Pages of the index that one merge writes, and how many merges follow an erasure at most: calls write between
/// them.
const MERGE_PAGES: u32 = 500;
const MERGES_MAX: u32 = 2_000;

impl Store {
    /// What [`Store::erase_citizen`] would take now.
    ///
    /// # Errors
    /// [`EraseError::UnderWay`] as there.
    pub async fn would_erase(&self, number: &CitizenNumber) -> Result<Erasure, EraseError> {
        self.index_what_waits(|_| ()).await?;
        // All of one moment.
        let mut db = self.readers().begin().await?;
        let found = find(&mut db, number).await?;
        check(&mut db, &found).await?;
        count(&mut db, number, &found).await
    }

    /// Erases what is known of a citizen, at most [`CITIZEN_ROWS_MAX`] calls and as many tickets, and notes in the
    /// audit that `by` did, with the end of the number. The files of recordings are listed by
    /// [`Store::recordings_to_erase`] from then on; nobody gets them any more. Finishes earlier erasures first.
    ///
    /// # Errors
    /// [`EraseError::UnderWay`] while the citizen is on the telephone or a call's last words are being written: nothing
    /// is erased then. After another error the order may have been taken: it is finished by
    /// [`Store::finish_erasures`].
    pub async fn erase_citizen(
        &self,
        number: CitizenNumber,
        reason: EraseReason,
        by: &str,
    ) -> Result<Erased, EraseError> {
        let mut calls = self.finish_erasures().await?;
        // Who is named by a ticket is found by the index.
        self.index_what_waits(|_| ()).await?;
        let erase = Erase { number, by: by.to_owned(), at: clock::now() };
        let id = Uuid::now_v7().to_string();
        let erasure = self.write(Order { id: id.clone(), erase, reason }).await?;
        calls.extend(self.finish(&id).await?);
        Ok(Erased { erasure, calls })
    }

    /// Takes the order alone, as a process that dies then; gives its id.
    #[cfg(test)]
    pub(crate) async fn order_erasure(
        &self,
        number: CitizenNumber,
        by: &str,
    ) -> Result<(String, Erasure), EraseError> {
        let erase = Erase { number, by: by.to_owned(), at: clock::now() };
        let id = Uuid::now_v7().to_string();
        let order = Order { id: id.clone(), erase, reason: EraseReason::Unlawful };
        Ok((id, self.write(order).await?))
    }

    /// Does one step of it; false when there is none.
    #[cfg(test)]
    pub(crate) async fn erasure_step(&self, id: &str) -> Result<bool, StoreError> {
        self.write(Step { id: id.to_owned() }).await
    }

    /// Carries out what was ordered and not finished; gives the calls that lost something.
    pub async fn finish_erasures(&self) -> Result<BTreeSet<CallId>, StoreError> {
        let mut calls = BTreeSet::new();
        for id in self.unfinished().await? {
            calls.extend(self.finish(&id).await?);
        }
        Ok(calls)
    }

    /// Erasures that were ordered and are not finished.
    pub async fn erasures_unfinished(&self) -> Result<u64, StoreError> {
        Ok(self.unfinished().await?.len() as u64)
    }

    async fn unfinished(&self) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query("SELECT id FROM erasures ORDER BY id").fetch_all(self.readers());
        rows.await?.iter().map(|row| Ok(row.try_get("id")?)).collect()
    }

    async fn finish(&self, id: &str) -> Result<BTreeSet<CallId>, StoreError> {
        let row = sqlx::query("SELECT * FROM erasures WHERE id = $1").bind(id);
        // Another one may have finished it.
        let Some(row) = row.fetch_optional(self.readers()).await? else {
            return Ok(BTreeSet::new());
        };
        let found = found(&row)?;
        while self.write(Step { id: id.to_owned() }).await? {}
        if matches!(self.place(), crate::Place::File(_)) {
            // Words of deleted entries stay in the index until its parts are merged.
            for step in 0..MERGES_MAX {
                if !self.write(Merge { is_first: step == 0 }).await? {
                    break;
                }
            }
        }
        self.write(Finished { id: id.to_owned(), at: clock::now() }).await?;
        Ok(found.all_calls().filter_map(|call| call.parse().ok()).collect())
    }
}

fn found(row: &AnyRow) -> Result<Found, StoreError> {
    rows::json(row.try_get("plan")?, "erasures.plan")
}

/// Takes the order.
struct Order {
    id: String,
    erase: Erase,
    reason: EraseReason,
}

impl Command for Order {
    type Output = Erasure;
    type Error = EraseError;

    async fn run(&self, db: &mut AnyConnection) -> Result<Erasure, EraseError> {
        let Erase { number, by, at } = &self.erase;
        let found = find(&mut *db, number).await?;
        check(db, &found).await?;
        let erasure = count(db, number, &found).await?;
        self.erase.hold(db, &found).await?;
        sqlx::query(
            "INSERT INTO erasures (id, number, by, asked_at, plan) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(&self.id)
        .bind(number.digits())
        .bind(by)
        .bind(at.0)
        .bind(rows::to_json(&found, "erasures.plan")?)
        .execute(&mut *db)
        .await?;
        let what = format!(
            "{} {}: calls {}, recordings {}, tickets {}, past tickets {}, follow-ups {}",
            number.told(),
            self.reason.as_str(),
            erasure.calls,
            erasure.recordings,
            erasure.tickets,
            erasure.past_tickets,
            erasure.follow_ups
        );
        audit::insert(db, *at, by, "citizen.erase", &what).await?;
        Ok(erasure)
    }
}

/// The next step of an erasure; false when none is left.
struct Step {
    id: String,
}

impl Command for Step {
    type Output = bool;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<bool, StoreError> {
        overwriting(db, async |db| self.step(db).await).await
    }
}

impl Step {
    async fn step(&self, db: &mut AnyConnection) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT * FROM erasures WHERE id = $1").bind(&self.id);
        let Some(row) = row.fetch_optional(&mut *db).await? else { return Ok(false) };
        let (found, step) = (found(&row)?, rows::number::<usize>(&row, "step")?);
        let erase = Erase {
            number: rows::parsed(&row, "number")?,
            by: row.try_get("by")?,
            at: rows::at(&row, "asked_at")?,
        };
        let parts = found.parts(STEP_ROWS_MAX);
        match parts.get(step) {
            Some(part) => erase.rows(db, part).await?,
            None if step == parts.len() => erase.rest(db, &found).await?,
            None => return Ok(false),
        }
        sqlx::query("UPDATE erasures SET step = step + 1 WHERE id = $1")
            .bind(&self.id)
            .execute(db)
            .await?;
        Ok(true)
    }
}

/// The number goes, too.
struct Finished {
    id: String,
    at: UnixMillis,
}

impl Command for Finished {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        overwriting(db, async |db| {
            let gone = sqlx::query("DELETE FROM erasures WHERE id = $1 RETURNING number, by");
            let Some(row) = gone.bind(&self.id).fetch_optional(&mut *db).await? else {
                return Ok(());
            };
            let number: CitizenNumber = rows::parsed(&row, "number")?;
            let by: &str = row.try_get("by")?;
            audit::insert(db, self.at, by, "citizen.erased", &number.told()).await
        })
        .await
    }
}

/// What is erased meanwhile is overwritten in SQLite's file, too.
async fn overwriting<T>(
    db: &mut AnyConnection,
    erase: impl AsyncFnOnce(&mut AnyConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let is_file = db.backend_name() == "SQLite";
    if is_file {
        db.execute("PRAGMA secure_delete = ON").await?;
    }
    let outcome = erase(&mut *db).await;
    if is_file {
        db.execute("PRAGMA secure_delete = OFF").await?;
    }
    outcome
}

/// A part of a merge of SQLite's index; whether there may be more to do.
struct Merge {
    is_first: bool,
}

impl Command for Merge {
    type Output = bool;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<bool, StoreError> {
        overwriting(db, async |db| self.merge(db).await).await
    }
}

impl Merge {
    async fn merge(&self, db: &mut AnyConnection) -> Result<bool, StoreError> {
        let pages = if self.is_first { -i64::from(MERGE_PAGES) } else { i64::from(MERGE_PAGES) };
        let changes = "SELECT total_changes()";
        let before: i64 = sqlx::query_scalar(changes).fetch_one(&mut *db).await?;
        sqlx::query("INSERT INTO ticket_words (ticket_words, rank) VALUES ('merge', $1)")
            .bind(pages)
            .execute(&mut *db)
            .await?;
        let after: i64 = sqlx::query_scalar(changes).fetch_one(&mut *db).await?;
        // As SQLite's documentation of `merge` says.
        Ok(after - before >= 2)
    }
}

const _: () = assert!(CITIZEN_ROWS_MAX < 10_000, "ids of one statement");
