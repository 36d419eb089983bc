//! Files of recordings that must go because their citizen was erased.

use crate::error::StoreError;
use crate::recordings::{RecordingKey, RecordingKind};
use crate::rows::{named, number, parsed};
use crate::sql::Sql;
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
    /// Whether it lies here or nowhere. Of a call of before servers had names on a database of several it may lie
    /// elsewhere: that it is not here proves nothing.
    pub is_ours: bool,
}

impl Store {
    /// Recordings of this server whose files must go, behind that one, at most [`PAGE_ROWS_MAX`].
    pub async fn recordings_to_erase(
        &self,
        after: Option<RecordingKey>,
    ) -> Result<Vec<RecordingToErase>, StoreError> {
        let is_alone = matches!(self.place(), crate::Place::File(_));
        let mut sql = Sql::new(
            "SELECT recordings_to_erase.*, server FROM recordings_to_erase
             JOIN calls ON calls.id = recordings_to_erase.call_id WHERE true",
        );
        if let Some(server) = self.server() {
            sql.push(" AND (server IS NULL OR server = ").push_bind(server).push(")");
        }
        if let Some(RecordingKey { call, kind, slot, seq }) = after {
            sql.push(" AND (call_id, kind, slot, seq) > (").push_bind(call.to_string());
            sql.push(", ").push_bind(kind.as_str()).push(", ").push_bind(i64::from(slot));
            sql.push(", ").push_bind(i64::from(seq)).push(")");
        }
        sql.push(" ORDER BY call_id, kind, slot, seq LIMIT ").push_bind(i64::from(PAGE_ROWS_MAX));
        let rows = sql.build().fetch_all(self.readers()).await?;
        let read = |row: &sqlx::any::AnyRow| {
            let key = RecordingKey {
                call: parsed(row, "call_id")?,
                kind: named(row, "kind", RecordingKind::ALL, RecordingKind::as_str)?,
                slot: number(row, "slot")?,
                seq: number(row, "seq")?,
            };
            let server: Option<String> = row.try_get("server")?;
            let is_ours = is_alone || server.is_some();
            Ok(RecordingToErase { key, file: row.try_get("file")?, is_ours })
        };
        rows.iter().map(read).collect()
    }

    /// Files of recordings that this server should have, the newest first, at most [`PAGE_ROWS_MAX`]; none where there
    /// never was a recording. They prove that a folder is the recordings' and its disk mounted.
    pub async fn recorded_files(&self) -> Result<Option<Vec<String>>, StoreError> {
        let any = sqlx::query("SELECT 1 FROM recordings LIMIT 1");
        if any.fetch_optional(self.readers()).await?.is_none() {
            return Ok(None);
        }
        let mut sql = Sql::new(
            "SELECT file FROM recordings JOIN calls ON calls.id = call_id WHERE deleted_at IS NULL",
        );
        if let Some(server) = self.server() {
            sql.push(" AND server = ").push_bind(server);
        }
        sql.push(" ORDER BY call_id DESC LIMIT ").push_bind(i64::from(PAGE_ROWS_MAX));
        let rows = sql.build().fetch_all(self.readers()).await?;
        Ok(Some(rows.iter().map(|row| row.try_get("file")).collect::<Result<_, _>>()?))
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
