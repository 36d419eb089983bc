//! Recordings: one mix a call and a track for each leg, and when they must go.
//!
//! **Nothing is due for deletion while no retention is set.**

use crate::error::StoreError;
use crate::rows::{flag, maybe_at, named, number, parsed, signed, unsigned};
use crate::sql::Sql;
use crate::writer::Command;
use crate::{PAGE_ROWS_MAX, Store, audit, clock, rows};
use qingting_common::{CallId, UnixMillis};
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::time::Duration;

/// What became of a call's recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingEnd {
    /// There is none: the name that was noted at the answer is forgotten.
    Nothing,
    /// Nobody knows: the name stays, and what it holds counts as incomplete.
    Unknown,
    /// It is finished.
    Made(RecordingInfo),
}

/// A recording's file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingInfo {
    /// Path relative to the recordings folder.
    pub file: String,
    /// Its length; absent while the call runs or when the server died during it.
    pub duration_ms: Option<u64>,
    /// Size of the file; absent as above.
    pub bytes: Option<u64>,
    /// SHA-256 of the file in hex, where it was computed.
    pub sha256: Option<String>,
    /// Whether something of the call is missing: audio was lost, a write failed, or the server died.
    pub incomplete: bool,
    /// How much audio is known to be lost, in milliseconds.
    pub missing_ms: u64,
    /// The key that the file is encrypted with; none of a plain WAV file.
    pub key_id: Option<String>,
    /// The head of the file's chain of hashes in hex: proves that nothing was cut off or changed.
    pub chain_head: Option<String>,
    /// Where recording was paused.
    pub pauses: Vec<Pause>,
}

/// A stretch that was left out on purpose, in milliseconds since the recording began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Its start.
    pub from_ms: u64,
    /// Its end.
    pub to_ms: u64,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordingKind {
    /// All legs together.
    Mix,
    /// One leg alone.
    Track,
}

impl RecordingKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Mix, Self::Track];

    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mix => "mix",
            Self::Track => "track",
        }
    }
}

/// Which recording; of a mix, slot and seq are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordingKey {
    /// The call.
    pub call: CallId,
    /// What it holds.
    pub kind: RecordingKind,
    /// The leg's slot.
    pub slot: u8,
    /// Which use of the slot.
    pub seq: u32,
}

/// A recording as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingRow {
    /// Which.
    pub key: RecordingKey,
    /// Its file.
    pub info: RecordingInfo,
    /// When it must go; none while no retention is set or the call runs.
    pub delete_after: Option<UnixMillis>,
    /// When it was deleted.
    pub deleted_at: Option<UnixMillis>,
}

/// What there is of recordings, on all servers of the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeptRecordings {
    /// Those that are there.
    pub kept: u64,
    /// Their bytes.
    pub kept_bytes: u64,
    /// When the call of the oldest of them ended.
    pub oldest_at: Option<UnixMillis>,
    /// Those that should be gone.
    pub due: u64,
    /// Their bytes.
    pub due_bytes: u64,
    /// When the next one is due.
    pub next_due_at: Option<UnixMillis>,
    /// Those that were deleted.
    pub deleted: u64,
    /// When the last one was.
    pub last_deleted_at: Option<UnixMillis>,
    /// Files of erased citizens that are still to be deleted.
    pub to_erase: u64,
}

/// A recording whose time is over.
#[derive(Clone, Debug, PartialEq)]
pub struct DueRecording {
    /// Which.
    pub row: RecordingRow,
    /// Whether it lies here or nowhere. Of a call of before servers had names on a database of several it may lie
    /// elsewhere: that it is not here proves nothing.
    pub is_ours: bool,
}

impl Store {
    /// What there is of recordings, and what of it is due at that moment.
    pub async fn kept_recordings(&self, now: UnixMillis) -> Result<KeptRecordings, StoreError> {
        let row = sqlx::query(
            "SELECT count(*) AS kept, CAST(coalesce(sum(bytes), 0) AS BIGINT) AS kept_bytes,
                min(ended_at) AS oldest_at,
                count(CASE WHEN delete_after <= $1 THEN 1 END) AS due,
                CAST(coalesce(sum(CASE WHEN delete_after <= $1 THEN bytes END), 0) AS BIGINT)
                    AS due_bytes,
                min(CASE WHEN delete_after > $1 THEN delete_after END) AS next_due_at,
                (SELECT count(*) FROM recordings WHERE deleted_at IS NOT NULL) AS deleted,
                (SELECT max(deleted_at) FROM recordings) AS last_deleted_at,
                (SELECT count(*) FROM recordings_to_erase) AS to_erase
             FROM recordings JOIN calls ON calls.id = call_id WHERE deleted_at IS NULL",
        )
        .bind(now.0)
        .fetch_one(self.readers())
        .await?;
        let count = |column| row.try_get(column).map(unsigned);
        Ok(KeptRecordings {
            kept: count("kept")?,
            kept_bytes: count("kept_bytes")?,
            oldest_at: maybe_at(&row, "oldest_at")?,
            due: count("due")?,
            due_bytes: count("due_bytes")?,
            next_due_at: maybe_at(&row, "next_due_at")?,
            deleted: count("deleted")?,
            last_deleted_at: maybe_at(&row, "last_deleted_at")?,
            to_erase: count("to_erase")?,
        })
    }

    /// Sets how long recordings are kept after the end of their call, for those that there are and
    /// those to come; none keeps them for ever.
    pub async fn retain_recordings(&self, keep: Option<Duration>) -> Result<(), StoreError> {
        let keep = keep.map(|keep| i64::try_from(keep.as_millis()).unwrap_or(i64::MAX));
        self.write(Retain(keep)).await
    }

    /// Recordings of a call, the mix first, deleted ones included.
    pub async fn recordings(&self, call: CallId) -> Result<Vec<RecordingRow>, StoreError> {
        sqlx::query("SELECT * FROM recordings WHERE call_id = $1 ORDER BY kind, slot, seq")
            .bind(call.to_string())
            .fetch_all(self.readers())
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Recordings of this server that must go by now, behind that one, the longest due first, at most `limit` and at
    /// most [`PAGE_ROWS_MAX`]. Empty while no retention is set.
    pub async fn recordings_due(
        &self,
        now: UnixMillis,
        after: Option<&DueRecording>,
        limit: u32,
    ) -> Result<Vec<DueRecording>, StoreError> {
        let is_alone = matches!(self.place(), crate::Place::File(_));
        let mut sql = Sql::new(
            "SELECT recordings.*, server FROM recordings JOIN calls ON calls.id = call_id
             WHERE deleted_at IS NULL AND delete_after <= ",
        );
        sql.push_bind(now.0);
        if let Some(server) = self.server() {
            sql.push(" AND (server IS NULL OR server = ").push_bind(server).push(")");
        }
        if let Some(DueRecording { row, .. }) = after {
            let RecordingKey { call, kind, slot, seq } = row.key;
            let at = row.delete_after.map_or(i64::MIN, |at| at.0);
            sql.push(" AND (delete_after, call_id, kind, slot, seq) > (").push_bind(at);
            sql.push(", ").push_bind(call.to_string()).push(", ").push_bind(kind.as_str());
            sql.push(", ")
                .push_bind(i64::from(slot))
                .push(", ")
                .push_bind(i64::from(seq))
                .push(")");
        }
        sql.push(" ORDER BY delete_after, call_id, kind, slot, seq LIMIT ");
        sql.push_bind(i64::from(limit.min(PAGE_ROWS_MAX)));
        let rows = sql.build().fetch_all(self.readers()).await?;
        let due = |row: &AnyRow| {
            let server: Option<String> = row.try_get("server")?;
            Ok(DueRecording { row: read(row)?, is_ours: is_alone || server.is_some() })
        };
        rows.iter().map(due).collect()
    }

    /// Notes what a recording holds, apart from its call: a crash had left it open, or it has another
    /// key now.
    pub async fn describe_recording(
        &self,
        key: RecordingKey,
        info: RecordingInfo,
    ) -> Result<(), StoreError> {
        self.write(Describe { key, info }).await
    }

    /// Notes that the file is gone, and in the audit that `by` deleted it. Call it after the
    /// deletion: what a crash left between the two is due again, and deleting nothing is no harm.
    pub async fn recording_deleted(&self, key: RecordingKey, by: &str) -> Result<(), StoreError> {
        self.write(Deleted { key, at: clock::now(), by: by.to_owned() }).await
    }
}

pub(crate) const fn mix(call: CallId) -> RecordingKey {
    RecordingKey { call, kind: RecordingKind::Mix, slot: 0, seq: 0 }
}

pub(crate) fn read_info(row: &AnyRow) -> Result<RecordingInfo, StoreError> {
    Ok(RecordingInfo {
        file: row.try_get("file")?,
        duration_ms: row.try_get::<Option<i64>, _>("duration_ms")?.map(unsigned),
        bytes: row.try_get::<Option<i64>, _>("bytes")?.map(unsigned),
        sha256: row.try_get("sha256")?,
        incomplete: flag(row, "incomplete")?,
        missing_ms: unsigned(row.try_get("missing_ms")?),
        key_id: row.try_get("key_id")?,
        chain_head: row.try_get("chain_head")?,
        pauses: rows::json(row.try_get("pauses")?, "recordings.pauses")?,
    })
}

pub(crate) fn read(row: &AnyRow) -> Result<RecordingRow, StoreError> {
    let key = RecordingKey {
        call: parsed(row, "call_id")?,
        kind: named(row, "kind", RecordingKind::ALL, RecordingKind::as_str)?,
        slot: number(row, "slot")?,
        seq: number(row, "seq")?,
    };
    Ok(RecordingRow {
        key,
        info: read_info(row)?,
        delete_after: maybe_at(row, "delete_after")?,
        deleted_at: maybe_at(row, "deleted_at")?,
    })
}

/// Notes the file of a recording that begins; a later name replaces an earlier one.
pub(crate) async fn begin(
    db: &mut AnyConnection,
    key: RecordingKey,
    file: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO recordings (call_id, kind, slot, seq, file) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (call_id, kind, slot, seq) DO UPDATE SET file = excluded.file",
    )
    .bind(key.call.to_string())
    .bind(key.kind.as_str())
    .bind(i64::from(key.slot))
    .bind(i64::from(key.seq))
    .bind(file)
    .execute(db)
    .await?;
    Ok(())
}

/// Writes what a finished recording holds.
pub(crate) async fn put(
    db: &mut AnyConnection,
    key: RecordingKey,
    info: &RecordingInfo,
) -> Result<(), StoreError> {
    begin(db, key, &info.file).await?;
    sqlx::query(
        "UPDATE recordings SET key_id = $5, chain_head = $6, duration_ms = $7, bytes = $8,
            sha256 = $9, pauses = $10, incomplete = $11, missing_ms = $12,
            delete_after = (SELECT calls.ended_at + retention.keep_ms FROM calls, retention
                WHERE calls.id = $1)
         WHERE call_id = $1 AND kind = $2 AND slot = $3 AND seq = $4",
    )
    .bind(key.call.to_string())
    .bind(key.kind.as_str())
    .bind(i64::from(key.slot))
    .bind(i64::from(key.seq))
    .bind(&info.key_id)
    .bind(&info.chain_head)
    .bind(info.duration_ms.map(signed))
    .bind(info.bytes.map(signed))
    .bind(&info.sha256)
    .bind(rows::to_json(&info.pauses, "recordings.pauses")?)
    .bind(info.incomplete)
    .bind(signed(info.missing_ms))
    .execute(db)
    .await?;
    Ok(())
}

pub(crate) async fn forget(db: &mut AnyConnection, key: RecordingKey) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM recordings WHERE call_id = $1 AND kind = $2 AND slot = $3 AND seq = $4",
    )
    .bind(key.call.to_string())
    .bind(key.kind.as_str())
    .bind(i64::from(key.slot))
    .bind(i64::from(key.seq))
    .execute(db)
    .await?;
    Ok(())
}

/// The call is over: a recording of which nothing was told counts as incomplete, and each has its
/// day of deletion where a retention is set.
pub(crate) async fn end_all(
    db: &mut AnyConnection,
    call: CallId,
    at: UnixMillis,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE recordings SET incomplete = incomplete OR (bytes IS NULL AND duration_ms IS NULL),
            delete_after = $2 + (SELECT keep_ms FROM retention) WHERE call_id = $1",
    )
    .bind(call.to_string())
    .bind(at.0)
    .execute(db)
    .await?;
    Ok(())
}

struct Retain(Option<i64>);

impl Command for Retain {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        let before: Option<i64> =
            sqlx::query_scalar("SELECT keep_ms FROM retention").fetch_optional(&mut *db).await?;
        if before == self.0 {
            return Ok(());
        }
        sqlx::query("DELETE FROM retention").execute(&mut *db).await?;
        if let Some(keep) = self.0 {
            sqlx::query("INSERT INTO retention (only_row, keep_ms) VALUES (1, $1)")
                .bind(keep)
                .execute(&mut *db)
                .await?;
        }
        sqlx::query(
            "UPDATE recordings SET delete_after =
                (SELECT ended_at FROM calls WHERE id = call_id) + (SELECT keep_ms FROM retention)
             WHERE deleted_at IS NULL",
        )
        .execute(db)
        .await?;
        Ok(())
    }
}

struct Describe {
    key: RecordingKey,
    info: RecordingInfo,
}

impl Command for Describe {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        put(db, self.key, &self.info).await
    }
}

struct Deleted {
    key: RecordingKey,
    at: UnixMillis,
    by: String,
}

impl Command for Deleted {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        let RecordingKey { call, kind, slot, seq } = self.key;
        let updated = sqlx::query(
            "UPDATE recordings SET deleted_at = $5
             WHERE call_id = $1 AND kind = $2 AND slot = $3 AND seq = $4 AND deleted_at IS NULL",
        )
        .bind(call.to_string())
        .bind(kind.as_str())
        .bind(i64::from(slot))
        .bind(i64::from(seq))
        .bind(self.at.0)
        .execute(&mut *db)
        .await?;
        if updated.rows_affected() == 0 {
            return Ok(());
        }
        audit::insert(db, self.at, &self.by, "recording.delete", &call.to_string()).await
    }
}
