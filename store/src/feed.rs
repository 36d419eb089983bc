//! The log of what happened, for machines that follow it: the rows of the outbox in the order of their ids.
//!
//! **Whoever reads on from the last id that it has misses nothing and sees nothing out of order**: writes come
//! one after the other (`database.rs`), so that no row appears behind one that was read. What was deleted
//! before it was read is told ([`LogPage::Gone`]), never skipped in silence.

use crate::error::StoreError;
use crate::outbox::{self, OutboxRow};
use crate::rows::signed;
use crate::writer::Command;
use crate::{PAGE_ROWS_MAX, Store};
use qingting_common::UnixMillis;
use sqlx::{AnyConnection, Row};
use std::time::Duration;
use uuid::Uuid;

/// What the log says of a restore; nobody is told of it.
const RESTORED: &str = "log.restored";
/// More changes than a hotline makes between a backup and its restore.
const RESTORED_LEAP: i64 = 1_000_000_000;

/// A part of the log.
#[derive(Clone, Debug, PartialEq)]
pub enum LogPage {
    /// The next rows, oldest first; none at the end of the log.
    Rows {
        /// The rows.
        rows: Vec<OutboxRow>,
        /// Behind which id to go on.
        next: i64,
    },
    /// Rows behind that place are deleted already, or the log has no such place.
    Gone,
}

impl Store {
    /// Rows behind the id `after`, at most `limit` or [`PAGE_ROWS_MAX`]; without it from the oldest that is kept.
    pub async fn log(&self, after: Option<i64>, limit: u32) -> Result<LogPage, StoreError> {
        let from = match after {
            Some(after) => after,
            None => self.log_deleted().await?,
        };
        let rows = sqlx::query("SELECT * FROM outbox WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(from)
            .bind(i64::from(limit.min(PAGE_ROWS_MAX)))
            .fetch_all(self.readers())
            .await?;
        // After the rows: what was deleted before they were read is seen here.
        let deleted = self.log_deleted().await?;
        let is_gone = match after {
            // Then the oldest that is kept is another one now, and this page is not its beginning; the rows are
            // in order and whole nevertheless.
            None => false,
            // A place without a row is of another database, or of this one before it was restored.
            Some(after) => after < deleted || (after > deleted && !self.is_place(after).await?),
        };
        if is_gone {
            return Ok(LogPage::Gone);
        }
        let rows: Vec<_> = rows.iter().map(outbox::read).collect::<Result<_, _>>()?;
        let next = rows.last().map_or(from, |row| row.id);
        Ok(LogPage::Rows { rows, next })
    }

    /// Up to which id rows are deleted; what is behind it is kept.
    pub async fn log_deleted(&self) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT up_to FROM outbox_deleted");
        Ok(row.fetch_one(self.readers()).await?.try_get("up_to")?)
    }

    async fn is_place(&self, id: i64) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT 1 AS found FROM outbox WHERE id = $1").bind(id);
        Ok(row.fetch_optional(self.readers()).await?.is_some())
    }

    /// Says in the log that the database was restored: ids go on far behind those that readers may have had, so that
    /// what was told and lost since the backup is no place any more.
    pub async fn log_restored(&self, now: UnixMillis) -> Result<(), StoreError> {
        self.write(Restored { now }).await
    }

    /// Takes the push to a receiver until the lease is over, and tells how far the receiver has come: a new one
    /// begins at the end of the log. None while another server pushes to it.
    pub async fn claim_feed(
        &self,
        name: &str,
        owner: &str,
        lease: Duration,
        now: UnixMillis,
    ) -> Result<Option<i64>, StoreError> {
        let until = now.0.saturating_add(signed(lease.as_millis() as u64));
        self.write(Claim { name: name.to_owned(), owner: owner.to_owned(), until, now }).await
    }

    /// Notes that the receiver has everything up to that id; false when another server pushes to it now.
    pub async fn advance_feed(
        &self,
        name: &str,
        owner: &str,
        after: i64,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        self.write(Advance { name: name.to_owned(), owner: owner.to_owned(), after, now }).await
    }
}

struct Restored {
    now: UnixMillis,
}

impl Command for Restored {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO outbox (id, key, kind, stream, payload, created_at, state, feed_only)
             SELECT coalesce(max(id), 0) + $1, $2, $3, '', '{}', $4, 'skipped', true FROM outbox",
        )
        .bind(RESTORED_LEAP)
        .bind(Uuid::now_v7().to_string())
        .bind(RESTORED)
        .bind(self.now.0)
        .execute(&mut *db)
        .await?;
        if db.backend_name() != "SQLite" {
            sqlx::query(
                "SELECT setval(pg_get_serial_sequence('outbox', 'id'), max(id)) FROM outbox",
            )
            .execute(db)
            .await?;
        }
        Ok(())
    }
}

struct Claim {
    name: String,
    owner: String,
    until: i64,
    now: UnixMillis,
}

impl Command for Claim {
    type Output = Option<i64>;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<Option<i64>, StoreError> {
        sqlx::query(
            "INSERT INTO feed_cursors (name, after_id, at)
             SELECT $1, coalesce((SELECT max(id) FROM outbox), 0), $2 WHERE true
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(&self.name)
        .bind(self.now.0)
        .execute(&mut *db)
        .await?;
        let row = sqlx::query(
            "UPDATE feed_cursors SET lease_owner = $2, lease_until = $3
             WHERE name = $1 AND (lease_owner = $2 OR lease_until <= $4) RETURNING after_id",
        )
        .bind(&self.name)
        .bind(&self.owner)
        .bind(self.until)
        .bind(self.now.0)
        .fetch_optional(db)
        .await?;
        Ok(row.map(|row| row.try_get("after_id")).transpose()?)
    }
}

struct Advance {
    name: String,
    owner: String,
    after: i64,
    now: UnixMillis,
}

impl Command for Advance {
    type Output = bool;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<bool, StoreError> {
        let updated = sqlx::query(
            "UPDATE feed_cursors SET after_id = $3, at = $4
             WHERE name = $1 AND lease_owner = $2 AND after_id <= $3",
        )
        .bind(&self.name)
        .bind(&self.owner)
        .bind(self.after)
        .bind(self.now.0)
        .execute(db)
        .await?;
        Ok(updated.rows_affected() == 1)
    }
}
