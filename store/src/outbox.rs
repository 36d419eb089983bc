//! What must leave the system: rows written in the transaction that made them true.

use crate::error::StoreError;
use crate::rows::at;
use crate::{PAGE_ROWS_MAX, Store, rows};
use qingting_common::UnixMillis;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

/// A message that waits to leave.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxRow {
    /// Order of writing.
    pub id: i64,
    /// Idempotency key for the receiver: `ticket:revision`, or `call:ended`.
    pub key: String,
    /// `ticket.updated`, `ticket.confirmed` or `call.ended`.
    pub kind: String,
    /// Ids and names of changed fields; no personal data.
    pub payload: serde_json::Value,
    /// When it was written.
    pub created_at: UnixMillis,
}

impl Store {
    /// The oldest messages that have not left, at most `limit` and at most [`PAGE_ROWS_MAX`].
    pub async fn outbox_pending(&self, limit: u32) -> Result<Vec<OutboxRow>, StoreError> {
        sqlx::query(
            "SELECT id, key, kind, payload, created_at FROM outbox WHERE sent_at IS NULL
             ORDER BY id LIMIT ?1",
        )
        .bind(limit.min(PAGE_ROWS_MAX))
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(|row| {
            Ok(OutboxRow {
                id: row.try_get("id")?,
                key: row.try_get("key")?,
                kind: row.try_get("kind")?,
                payload: rows::json(row.try_get("payload")?, "outbox.payload")?,
                created_at: at(row, "created_at")?,
            })
        })
        .collect()
    }

    /// How many messages have not left; for metrics.
    pub async fn outbox_pending_count(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT count(*) AS pending FROM outbox WHERE sent_at IS NULL")
            .fetch_one(self.readers())
            .await?;
        Ok(rows::unsigned(row.try_get("pending")?))
    }
}

pub(crate) async fn put(
    db: &mut SqliteConnection,
    key: &str,
    kind: &str,
    payload: &serde_json::Value,
    now: UnixMillis,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO outbox (key, kind, payload, created_at) VALUES (?1, ?2, ?3, ?4)")
        .bind(key)
        .bind(kind)
        .bind(payload.to_string())
        .bind(now.0)
        .execute(db)
        .await?;
    Ok(())
}
