//! Calls: begun with a ticket draft, answered, ended once.

use crate::error::StoreError;
use crate::rows::{at, maybe_at, parsed, pii, signed, unsigned};
use crate::writer::Command;
use crate::{PAGE_ROWS_MAX, Store, clock, outbox, rows, tickets};
use qingting_common::ids::Party;
use qingting_common::{CallId, Pii, TicketId, UnixMillis};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row, Sqlite};

/// The cause of a call that was running when the server stopped.
pub const SERVER_RESTARTED: &str = "server_restarted";

/// A call that has just come in.
#[derive(Clone, Debug)]
pub struct NewCall {
    /// Its id, UUID version 7.
    pub id: CallId,
    /// The caller's number as the trunk gave it.
    pub caller: Pii<String>,
    /// The number that was called.
    pub called: String,
    /// `Call-ID` of the caller's dialog (RFC 3261 §20.8).
    pub sip_call_id: String,
    /// When the INVITE came.
    pub started_at: UnixMillis,
    /// Transport address of the peer, e.g. `udp:192.0.2.1:5060`.
    pub remote: String,
}

/// A call that is over.
#[derive(Clone, Debug)]
pub struct CallEnd {
    /// The call.
    pub id: CallId,
    /// When it ended.
    pub ended_at: UnixMillis,
    /// Who hung up: `caller`, `operator`, `system` or `network`.
    pub hung_up_by: String,
    /// Why: a name such as `caller_hung_up`, the same in metrics.
    pub cause: String,
    /// Final SIP response code where the call failed or was cancelled.
    pub sip_code: Option<u16>,
    /// Whether it had been answered. A caller may give up while the answer is on its way: then
    /// the answer that was noted is taken back.
    pub answered: bool,
    /// What became of the recording.
    pub recording: RecordingEnd,
    /// What the media path measured; absent when no media flowed.
    pub quality: Option<MediaQuality>,
}

/// What became of a call's recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingEnd {
    /// There is none: the name that was noted at the answer is forgotten.
    Nothing,
    /// Nobody knows: the name stays, and what it holds counts as incomplete.
    Unknown,
    /// It is finished.
    Made(RecordingInfo),
}

/// A recording's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// What one call's media path measured on the caller's leg.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MediaQuality {
    /// RTP packets sent to the caller.
    pub packets_sent: u64,
    /// RTP packets received from the caller.
    pub packets_received: u64,
    /// RTP packets that the caller sent and that never came (RFC 3550 §6.4.1).
    pub packets_lost: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1), in milliseconds.
    pub jitter_ms: f64,
    /// Round-trip time from RTCP, in milliseconds; absent without RTCP from the peer.
    pub rtt_ms: Option<f64>,
    /// Mean opinion score by the E-model (ITU-T G.107), 1 to 4.5.
    pub mos: Option<f64>,
}

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// Not answered yet.
    Ringing,
    /// Answered and running.
    Active,
    /// Over.
    Ended,
}

impl CallState {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ringing => "ringing",
            Self::Active => "active",
            Self::Ended => "ended",
        }
    }
}

/// A call as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRow {
    /// Its id.
    pub id: CallId,
    /// The caller's number.
    pub caller: Pii<String>,
    /// The number that was called.
    pub called: String,
    /// `Call-ID` of the caller's dialog.
    pub sip_call_id: String,
    /// Transport address of the peer.
    pub remote: String,
    /// When the INVITE came.
    pub started_at: UnixMillis,
    /// When it was answered.
    pub answered_at: Option<UnixMillis>,
    /// When it ended.
    pub ended_at: Option<UnixMillis>,
    /// Who hung up.
    pub hung_up_by: Option<String>,
    /// Why it ended.
    pub cause: Option<String>,
    /// Final SIP response code where there is one.
    pub sip_code: Option<u16>,
    /// The recording.
    pub recording: Option<RecordingInfo>,
    /// What the media path measured.
    pub quality: Option<MediaQuality>,
    /// The call's ticket.
    pub ticket: TicketId,
}

impl CallRow {
    /// Where the call is.
    pub fn state(&self) -> CallState {
        match (self.answered_at, self.ended_at) {
            (_, Some(_)) => CallState::Ended,
            (Some(_), None) => CallState::Active,
            (None, None) => CallState::Ringing,
        }
    }
}

/// Which calls, newest first: by their start, then by their id.
#[derive(Clone, Debug, Default)]
pub struct CallQuery {
    /// Only calls older than this one: the last of the page before.
    pub before: Option<CallId>,
    /// Rows, at most [`PAGE_ROWS_MAX`].
    pub limit: u32,
    /// Only calls that started at this time or later.
    pub from: Option<UnixMillis>,
    /// Only calls that started before this time.
    pub to: Option<UnixMillis>,
    /// Only calls in this state.
    pub state: Option<CallState>,
}

impl Store {
    /// Writes the call, the caller's leg and revision 0 of its ticket's draft: a call that is
    /// answered always has a draft, however it ends.
    pub async fn begin_call(&self, call: NewCall) -> Result<TicketId, StoreError> {
        let ticket = tickets::new_id();
        self.write(BeginCall { call, ticket }).await
    }

    /// Notes that the call was answered, and where it is being recorded, so that a recording is
    /// found even when the server dies during the call; the file is relative to the recordings
    /// folder. The time of a first answer stays.
    pub async fn answer_call(
        &self,
        id: CallId,
        at: UnixMillis,
        recording: Option<String>,
    ) -> Result<(), StoreError> {
        self.write(AnswerCall { id, at, recording }).await
    }

    /// Ends the call and announces it in the outbox. A call that has ended already stays as it is.
    pub async fn end_call(&self, end: CallEnd) -> Result<(), StoreError> {
        self.write(EndCall(end)).await
    }

    /// At start: ends every call that the last run left open, with cause [`SERVER_RESTARTED`] and
    /// `now` as the end, which is later than the true one.
    pub async fn close_orphans(&self, now: UnixMillis) -> Result<Vec<CallId>, StoreError> {
        self.write(CloseOrphans(now)).await
    }

    /// Calls, newest first.
    pub async fn calls(&self, query: &CallQuery) -> Result<Vec<CallRow>, StoreError> {
        list(SELECT, query).build().fetch_all(self.readers()).await?.iter().map(read).collect()
    }

    /// One call.
    pub async fn call(&self, id: CallId) -> Result<Option<CallRow>, StoreError> {
        QueryBuilder::<Sqlite>::new(SELECT)
            .push(" WHERE calls.id = ")
            .push_bind(id.to_string())
            .build()
            .fetch_optional(self.readers())
            .await?
            .as_ref()
            .map(read)
            .transpose()
    }
}

/// CROSS JOIN keeps SQLite from starting at the legs, which it would then have to read and sort all.
pub(crate) const SELECT: &str =
    "SELECT calls.*, legs.sip_call_id, legs.remote, tickets.id AS ticket_id
     FROM calls
     CROSS JOIN legs ON legs.call_id = calls.id AND legs.party = 'caller'
     CROSS JOIN tickets ON tickets.call_id = calls.id";

/// Only the filters that are used: a plan is made for the text, not for the values.
pub(crate) fn list(select: &str, query: &CallQuery) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new(select);
    sql.push(match query.state {
        None => " WHERE true",
        Some(CallState::Ended) => " WHERE calls.ended_at IS NOT NULL",
        Some(CallState::Active) => {
            " WHERE calls.ended_at IS NULL AND calls.answered_at IS NOT NULL"
        }
        Some(CallState::Ringing) => " WHERE calls.ended_at IS NULL AND calls.answered_at IS NULL",
    });
    if let Some(before) = query.before {
        sql.push(
            " AND (calls.started_at, calls.id) < (SELECT started_at, id FROM calls WHERE id = ",
        );
        sql.push_bind(before.to_string()).push(")");
    }
    if let Some(from) = query.from {
        sql.push(" AND calls.started_at >= ").push_bind(from.0);
    }
    if let Some(to) = query.to {
        sql.push(" AND calls.started_at < ").push_bind(to.0);
    }
    sql.push(" ORDER BY calls.started_at DESC, calls.id DESC LIMIT ");
    sql.push_bind(query.limit.min(PAGE_ROWS_MAX));
    sql
}

fn read(row: &SqliteRow) -> Result<CallRow, StoreError> {
    let quality: Option<String> = row.try_get("quality")?;
    let file: Option<String> = row.try_get("recording_file")?;
    Ok(CallRow {
        id: parsed(row, "id")?,
        caller: pii(row, "caller")?,
        called: row.try_get("called")?,
        sip_call_id: row.try_get("sip_call_id")?,
        remote: row.try_get("remote")?,
        started_at: at(row, "started_at")?,
        answered_at: maybe_at(row, "answered_at")?,
        ended_at: maybe_at(row, "ended_at")?,
        hung_up_by: row.try_get("hung_up_by")?,
        cause: row.try_get("cause")?,
        sip_code: row.try_get("sip_code")?,
        recording: match file {
            None => None,
            Some(file) => Some(RecordingInfo {
                file,
                duration_ms: row.try_get::<Option<i64>, _>("recording_duration_ms")?.map(unsigned),
                bytes: row.try_get::<Option<i64>, _>("recording_bytes")?.map(unsigned),
                sha256: row.try_get("recording_sha256")?,
                incomplete: row.try_get("recording_incomplete")?,
                missing_ms: unsigned(row.try_get("recording_missing_ms")?),
            }),
        },
        quality: quality.map(|text| rows::json(&text, "quality")).transpose()?,
        ticket: parsed(row, "ticket_id")?,
    })
}

struct BeginCall {
    call: NewCall,
    ticket: TicketId,
}

impl Command for BeginCall {
    type Output = TicketId;
    type Error = StoreError;

    async fn run(&self, db: &mut SqliteConnection) -> Result<TicketId, StoreError> {
        let NewCall { id, caller, called, sip_call_id, started_at, remote } = &self.call;
        let inserted = sqlx::query(
            "INSERT INTO calls (id, caller, called, started_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(id.to_string())
        .bind(caller.expose())
        .bind(called)
        .bind(started_at.0)
        .execute(&mut *db)
        .await?;
        if inserted.rows_affected() == 0 {
            return Err(StoreError::Exists { what: "call", id: id.to_string() });
        }
        sqlx::query(
            "INSERT INTO legs (call_id, party, sip_call_id, remote, started_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .bind(id.to_string())
        .bind(Party::Caller.as_str())
        .bind(sip_call_id)
        .bind(remote)
        .bind(started_at.0)
        .execute(&mut *db)
        .await?;
        tickets::create(db, self.ticket, *id, *started_at).await?;
        Ok(self.ticket)
    }
}

struct AnswerCall {
    id: CallId,
    at: UnixMillis,
    recording: Option<String>,
}

impl Command for AnswerCall {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        let updated = sqlx::query(
            "UPDATE calls SET answered_at = coalesce(answered_at, ?2),
                recording_file = coalesce(?3, recording_file) WHERE id = ?1",
        )
        .bind(self.id.to_string())
        .bind(self.at.0)
        .bind(&self.recording)
        .execute(db)
        .await?;
        found(updated.rows_affected(), self.id)
    }
}

struct EndCall(CallEnd);

impl Command for EndCall {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        let end = &self.0;
        let recording = match &end.recording {
            RecordingEnd::Made(info) => Some(info),
            RecordingEnd::Nothing | RecordingEnd::Unknown => None,
        };
        let keeps_name = end.recording == RecordingEnd::Unknown;
        let quality =
            end.quality.as_ref().map(|quality| rows::to_json(quality, "quality")).transpose()?;
        let updated = sqlx::query(
            "UPDATE calls SET ended_at = ?2, hung_up_by = ?3, cause = ?4, sip_code = ?5,
                recording_file = coalesce(?6, iif(?13, recording_file, NULL)),
                recording_duration_ms = ?7,
                recording_bytes = ?8, recording_sha256 = ?9, quality = ?10,
                recording_incomplete = coalesce(?11, ?13 AND recording_file IS NOT NULL),
                recording_missing_ms = ?12, answered_at = iif(?14, answered_at, NULL)
             WHERE id = ?1 AND ended_at IS NULL",
        )
        .bind(end.id.to_string())
        .bind(end.ended_at.0)
        .bind(&end.hung_up_by)
        .bind(&end.cause)
        .bind(end.sip_code)
        .bind(recording.map(|info| &info.file))
        .bind(recording.and_then(|info| info.duration_ms).map(signed))
        .bind(recording.and_then(|info| info.bytes).map(signed))
        .bind(recording.and_then(|info| info.sha256.as_ref()))
        .bind(quality)
        .bind(recording.map(|info| info.incomplete))
        .bind(signed(recording.map_or(0, |info| info.missing_ms)))
        .bind(keeps_name)
        .bind(end.answered)
        .execute(&mut *db)
        .await?;
        if updated.rows_affected() == 0 {
            return exists(db, end.id).await;
        }
        finish(db, end.id, end.ended_at, &end.cause).await
    }
}

struct CloseOrphans(UnixMillis);

impl Command for CloseOrphans {
    type Output = Vec<CallId>;
    type Error = StoreError;

    async fn run(&self, db: &mut SqliteConnection) -> Result<Vec<CallId>, StoreError> {
        let open = sqlx::query(
            "UPDATE calls SET ended_at = max(?1, started_at), hung_up_by = 'system', cause = ?2,
                recording_incomplete = recording_file IS NOT NULL
             WHERE ended_at IS NULL RETURNING id",
        )
        .bind(self.0.0)
        .bind(SERVER_RESTARTED)
        .fetch_all(&mut *db)
        .await?;
        let mut ids = Vec::with_capacity(open.len());
        for row in &open {
            let id = parsed(row, "id")?;
            finish(db, id, self.0, SERVER_RESTARTED).await?;
            ids.push(id);
        }
        Ok(ids)
    }
}

/// Ends the call's legs and announces the end.
async fn finish(
    db: &mut SqliteConnection,
    id: CallId,
    at: UnixMillis,
    cause: &str,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE legs SET ended_at = ?2 WHERE call_id = ?1 AND ended_at IS NULL")
        .bind(id.to_string())
        .bind(at.0)
        .execute(&mut *db)
        .await?;
    let payload = serde_json::json!({ "call": id, "ended_at": at, "cause": cause });
    outbox::put(db, &format!("{id}:ended"), "call.ended", &payload, clock::now()).await
}

async fn exists(db: &mut SqliteConnection, id: CallId) -> Result<(), StoreError> {
    let row = sqlx::query("SELECT 1 FROM calls WHERE id = ?1")
        .bind(id.to_string())
        .fetch_optional(db)
        .await?;
    found(u64::from(row.is_some()), id)
}

pub(crate) fn found(rows: u64, id: CallId) -> Result<(), StoreError> {
    if rows == 0 {
        return Err(StoreError::NotFound { what: "call", id: id.to_string() });
    }
    Ok(())
}
