//! Files of recordings that must go because their citizen was erased.

use crate::error::StoreError;
use crate::recordings::{RecordingKey, RecordingKind};
use crate::rows::{named, number, parsed};
use crate::writer::Command;
use crate::{PAGE_ROWS_MAX, Store, audit, clock};
use qingting_common::UnixMillis;
use sqlx::{AnyConnection, Row};

/// A recording whose file must go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingToErase {
    /// Which.
    pub key: RecordingKey,
    /// Path relative to the recordings folder.
    pub file: String,
}

impl Store {
    /// Recordings of this server whose files must go, at most [`PAGE_ROWS_MAX`].
    pub async fn recordings_to_erase(&self) -> Result<Vec<RecordingToErase>, StoreError> {
        let rows = sqlx::query(
            "SELECT recordings_to_erase.* FROM recordings_to_erase
             JOIN calls ON calls.id = recordings_to_erase.call_id
             WHERE $1 IS NULL OR server IS NULL OR server = $1
             ORDER BY call_id, kind, slot, seq LIMIT $2",
        )
        .bind(self.server())
        .bind(i64::from(PAGE_ROWS_MAX))
        .fetch_all(self.readers())
        .await?;
        let read = |row: &sqlx::any::AnyRow| {
            let key = RecordingKey {
                call: parsed(row, "call_id")?,
                kind: named(row, "kind", RecordingKind::ALL, RecordingKind::as_str)?,
                slot: number(row, "slot")?,
                seq: number(row, "seq")?,
            };
            Ok(RecordingToErase { key, file: row.try_get("file")? })
        };
        rows.iter().map(read).collect()
    }

    /// Notes that such a file is gone, and in the audit that whoever erased the citizen deleted it. Call it after the
    /// deletion: what a crash left between the two is listed again.
    pub async fn recording_erased(&self, key: RecordingKey) -> Result<(), StoreError> {
        self.write(Gone { key, at: clock::now() }).await
    }
}

struct Gone {
    key: RecordingKey,
    at: UnixMillis,
}

impl Command for Gone {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        let RecordingKey { call, kind, slot, seq } = self.key;
        let gone = sqlx::query(
            "DELETE FROM recordings_to_erase
             WHERE call_id = $1 AND kind = $2 AND slot = $3 AND seq = $4 RETURNING by",
        )
        .bind(call.to_string())
        .bind(kind.as_str())
        .bind(i64::from(slot))
        .bind(i64::from(seq))
        .fetch_optional(&mut *db)
        .await?;
        let Some(row) = gone else { return Ok(()) };
        let by: String = row.try_get("by")?;
        audit::insert(db, self.at, &by, "recording.delete", &call.to_string()).await
    }
}
