//! Missed calls: citizens who reached nobody, each called back once.
//!
//! **A missed call is claimed before it is dialled, and only one claim of it succeeds.** What a crash
//! leaves claimed stays so until a person opens it again: to ring a citizen twice is worse than to
//! ring late.

use crate::citizens::ERASED;
use crate::error::StoreError;
use crate::rows::{at, flag, maybe_at, maybe_flag, named, parsed, pii, unreadable};
use crate::sql::Sql;
use crate::writer::Command;
use crate::{PAGE_ROWS_MAX, Store, audit, clock, outbox};
use qingting_common::{CallId, Pii, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

/// How a citizen reached nobody, told with the end of the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissedEnd {
    /// Why: `abandoned`, `no_seat`, `overflow`, `closed` or another name.
    pub why: String,
    /// Whether the citizen asked to be called back.
    pub wanted: bool,
}

/// Where a missed call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissedState {
    /// Nobody has taken it.
    Open,
    /// A seat has claimed it and calls back.
    Calling,
    /// The citizen was reached.
    Reached,
    /// The citizen was called back and not reached.
    Failed,
    /// The citizen called again; that call stands for this one.
    CalledAgain,
}

impl MissedState {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Open, Self::Calling, Self::Reached, Self::Failed, Self::CalledAgain];

    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Calling => "calling",
            Self::Reached => "reached",
            Self::Failed => "failed",
            Self::CalledAgain => "called_again",
        }
    }
}

/// A missed call.
#[derive(Clone, Debug, PartialEq)]
pub struct MissedCall {
    /// The call.
    pub call: CallId,
    /// The citizen's number.
    pub caller: Pii<String>,
    /// Whether its ticket says that the citizen wants to stay unknown.
    pub confidential: bool,
    /// The number that was called.
    pub called: String,
    /// The entry of that number.
    pub number_name: Option<String>,
    /// Why nobody was reached.
    pub why: String,
    /// When the call ended.
    pub at: UnixMillis,
    /// Whether the citizen asked to be called back.
    pub wanted: bool,
    /// Where it is.
    pub state: MissedState,
    /// Who claimed it.
    pub claimed_by: Option<String>,
    /// When.
    pub claimed_at: Option<UnixMillis>,
    /// The call back.
    pub callback_call: Option<CallId>,
    /// The citizen's later call that stands for this one.
    pub called_again: Option<CallId>,
}

/// Which missed calls, newest first.
#[derive(Clone, Debug, Default)]
pub struct MissedQuery {
    /// Only calls missed before this one: the last of the page before.
    pub before: Option<CallId>,
    /// Rows, at most [`PAGE_ROWS_MAX`].
    pub limit: u32,
    /// Only those in this state.
    pub state: Option<MissedState>,
}

impl Store {
    /// Puts a call on the list while it runs, e.g. when the citizen asks to be called back; its end
    /// may tell more. Open calls that the same citizen missed before to the same number become
    /// [`MissedState::CalledAgain`]: one call back answers all of them.
    pub async fn missed_call(&self, call: CallId, missed: MissedEnd) -> Result<(), StoreError> {
        self.write(Missed { call, missed, at: clock::now() }).await
    }

    /// Missed calls, newest first.
    pub async fn missed_calls(&self, query: &MissedQuery) -> Result<Vec<MissedCall>, StoreError> {
        list(SELECT, query).build().fetch_all(self.readers()).await?.iter().map(read).collect()
    }

    /// Claims an open missed call for `by`; none when it is not open any more. Of any number of
    /// claims one succeeds.
    pub async fn claim_missed(
        &self,
        call: CallId,
        by: &str,
    ) -> Result<Option<MissedCall>, StoreError> {
        self.write(Claim { call, by: by.to_owned(), at: clock::now() }).await
    }

    /// Notes the call that calls back, before anybody is dialled.
    pub async fn calling_back(&self, call: CallId, callback: CallId) -> Result<(), StoreError> {
        self.write(CallingBack { call, callback }).await
    }

    /// Notes whether the citizen was reached. Only a claimed call changes.
    pub async fn called_back(&self, call: CallId, reached: bool) -> Result<(), StoreError> {
        self.write(CalledBack { call, reached }).await
    }

    /// Opens a claimed or failed call again, and notes in the audit that `by` did; none when it is
    /// neither.
    pub async fn reopen_missed(
        &self,
        call: CallId,
        by: &str,
    ) -> Result<Option<MissedCall>, StoreError> {
        self.write(Reopen { call, by: by.to_owned(), at: clock::now() }).await
    }
}

/// As [`crate::calls`] reads it of a draft.
const WITH_CONFIDENTIAL: &str =
    "*, (SELECT draft LIKE '%\"confidential\":{\"value\":\"true\"%' FROM tickets
        WHERE tickets.call_id = missed_calls.call_id) AS confidential";

pub(crate) const SELECT: &str =
    "SELECT *, (SELECT draft LIKE '%\"confidential\":{\"value\":\"true\"%' FROM tickets
        WHERE tickets.call_id = missed_calls.call_id) AS confidential FROM missed_calls";

/// Only the filters that are used: a plan is made for the text, not for the values.
pub(crate) fn list(select: &str, query: &MissedQuery) -> Sql {
    let mut sql = Sql::new(select);
    sql.push(" WHERE true");
    if let Some(state) = query.state {
        sql.push(" AND state = ").push_bind(state.as_str());
    }
    if let Some(before) = query.before {
        sql.push(" AND (at, call_id) < (SELECT at, call_id FROM missed_calls WHERE call_id = ");
        sql.push_bind(before.to_string()).push(")");
    }
    sql.push(" ORDER BY at DESC, call_id DESC LIMIT ")
        .push_bind(i64::from(query.limit.min(PAGE_ROWS_MAX)));
    sql
}

fn read(row: &AnyRow) -> Result<MissedCall, StoreError> {
    let id = |column: &'static str| {
        let text: Option<String> = row.try_get(column)?;
        text.map(|text| text.parse().map_err(|error| unreadable(column, error))).transpose()
    };
    Ok(MissedCall {
        call: parsed(row, "call_id")?,
        caller: pii(row, "caller")?,
        confidential: maybe_flag(row, "confidential")?.unwrap_or_default(),
        called: row.try_get("called")?,
        number_name: row.try_get("number_name")?,
        why: row.try_get("why")?,
        at: at(row, "at")?,
        wanted: flag(row, "wanted")?,
        state: named(row, "state", MissedState::ALL, MissedState::as_str)?,
        claimed_by: row.try_get("claimed_by")?,
        claimed_at: maybe_at(row, "claimed_at")?,
        callback_call: id("callback_call")?,
        called_again: id("called_again")?,
    })
}

/// Puts a call on the list.
pub(crate) async fn put(
    db: &mut AnyConnection,
    call: CallId,
    missed: &MissedEnd,
    at: UnixMillis,
) -> Result<(), StoreError> {
    let inserted = sqlx::query(
        "INSERT INTO missed_calls (call_id, caller, called, number_name, why, at, wanted, state)
         SELECT id, caller, called, number_name, $2, $3, $4, 'open' FROM calls WHERE id = $1
         ON CONFLICT (call_id) DO UPDATE SET why = excluded.why,
            wanted = missed_calls.wanted OR excluded.wanted",
    )
    .bind(call.to_string())
    .bind(&missed.why)
    .bind(at.0)
    .bind(missed.wanted)
    .execute(&mut *db)
    .await?;
    crate::calls::found(inserted.rows_affected(), call)?;
    let earlier = sqlx::query(
        "UPDATE missed_calls SET state = 'called_again', called_again = $1
         FROM (SELECT caller, called FROM calls WHERE id = $1) AS now
         WHERE missed_calls.caller = now.caller AND missed_calls.called = now.called
            AND missed_calls.caller <> '' AND missed_calls.caller <> 'anonymous'
            AND missed_calls.state = 'open' AND missed_calls.call_id <> $1
         RETURNING missed_calls.call_id",
    )
    .bind(call.to_string())
    .fetch_all(&mut *db)
    .await?;
    // Whoever asked once to be called back still wants it.
    sqlx::query(
        "UPDATE missed_calls SET wanted = wanted OR EXISTS (SELECT 1 FROM missed_calls AS earlier
            WHERE earlier.called_again = $1 AND earlier.wanted) WHERE call_id = $1",
    )
    .bind(call.to_string())
    .execute(&mut *db)
    .await?;
    tell_all(db, &earlier, at).await?;
    tell(db, call, at).await
}

/// Writes into the log where missed calls are now.
pub(crate) async fn tell_all(
    db: &mut AnyConnection,
    rows: &[AnyRow],
    now: UnixMillis,
) -> Result<(), StoreError> {
    for row in rows {
        tell(db, parsed(row, "call_id")?, now).await?;
    }
    Ok(())
}

/// Writes into the log where a missed call is now; nothing of one that is not on the list.
async fn tell(db: &mut AnyConnection, call: CallId, now: UnixMillis) -> Result<(), StoreError> {
    let mut sql = Sql::new(SELECT);
    sql.push(" WHERE call_id = ").push_bind(call.to_string());
    let Some(row) = sql.build().fetch_optional(&mut *db).await? else { return Ok(()) };
    let missed = read(&row)?;
    let is = json!({
        "call": call, "state": missed.state.as_str(), "why": missed.why, "wanted": missed.wanted,
        "callback_call": missed.callback_call, "called_again": missed.called_again,
    });
    outbox::note(db, "call.missed", &call.to_string(), &is, now).await
}

/// The citizen of this call has reached a seat by itself: for what was missed before, and for this
/// call, if it was on the list already.
pub(crate) async fn called_again(db: &mut AnyConnection, call: CallId) -> Result<(), StoreError> {
    let own = sqlx::query(
        "UPDATE missed_calls SET state = 'reached' WHERE call_id = $1 AND state = 'open'
         RETURNING call_id",
    )
    .bind(call.to_string())
    .fetch_all(&mut *db)
    .await?;
    let earlier = sqlx::query(
        "UPDATE missed_calls SET state = 'called_again', called_again = $1
         FROM (SELECT caller, started_at FROM calls
            WHERE id = $1 AND direction = 'inbound') AS now
         WHERE missed_calls.caller = now.caller AND missed_calls.at <= now.started_at
            AND missed_calls.caller <> '' AND missed_calls.caller <> 'anonymous'
            AND missed_calls.state IN ('open', 'failed') AND missed_calls.call_id <> $1
         RETURNING missed_calls.call_id",
    )
    .bind(call.to_string())
    .fetch_all(&mut *db)
    .await?;
    let now = clock::now();
    tell_all(db, &own, now).await?;
    tell_all(db, &earlier, now).await
}

struct Missed {
    call: CallId,
    missed: MissedEnd,
    at: UnixMillis,
}

impl Command for Missed {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        put(db, self.call, &self.missed, self.at).await
    }
}

struct Claim {
    call: CallId,
    by: String,
    at: UnixMillis,
}

impl Command for Claim {
    type Output = Option<MissedCall>;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<Option<MissedCall>, StoreError> {
        let mut sql = Sql::new("UPDATE missed_calls SET state = 'calling', claimed_by = ");
        sql.push_bind(self.by.clone()).push(", claimed_at = ").push_bind(self.at.0);
        sql.push(", callback_call = NULL WHERE call_id = ").push_bind(self.call.to_string());
        sql.push(" AND state = 'open' AND caller <> ").push_bind(ERASED);
        sql.push(" RETURNING ").push(WITH_CONFIDENTIAL);
        let row = sql.build().fetch_optional(&mut *db).await?;
        match row {
            Some(row) => {
                tell(db, self.call, self.at).await?;
                read(&row).map(Some)
            }
            None => exists(db, self.call).await.map(|()| None),
        }
    }
}

struct CallingBack {
    call: CallId,
    callback: CallId,
}

impl Command for CallingBack {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        sqlx::query("UPDATE missed_calls SET callback_call = $2 WHERE call_id = $1")
            .bind(self.call.to_string())
            .bind(self.callback.to_string())
            .execute(&mut *db)
            .await?;
        tell(db, self.call, clock::now()).await?;
        exists(db, self.call).await
    }
}

struct CalledBack {
    call: CallId,
    reached: bool,
}

impl Command for CalledBack {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        let state = if self.reached { MissedState::Reached } else { MissedState::Failed };
        let updated = sqlx::query(
            "UPDATE missed_calls SET state = $2 WHERE call_id = $1 AND state = 'calling'",
        )
        .bind(self.call.to_string())
        .bind(state.as_str())
        .execute(&mut *db)
        .await?;
        match updated.rows_affected() {
            0 => exists(db, self.call).await,
            _ => tell(db, self.call, clock::now()).await,
        }
    }
}

struct Reopen {
    call: CallId,
    by: String,
    at: UnixMillis,
}

impl Command for Reopen {
    type Output = Option<MissedCall>;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<Option<MissedCall>, StoreError> {
        let mut sql = Sql::new(
            "UPDATE missed_calls SET state = 'open', claimed_by = NULL, claimed_at = NULL
             WHERE state IN ('calling', 'failed') AND call_id = ",
        );
        sql.push_bind(self.call.to_string()).push(" RETURNING ").push(WITH_CONFIDENTIAL);
        let row = sql.build().fetch_optional(&mut *db).await?;
        let Some(row) = row else { return exists(db, self.call).await.map(|()| None) };
        audit::insert(db, self.at, &self.by, "missed.reopen", &self.call.to_string()).await?;
        tell(db, self.call, self.at).await?;
        read(&row).map(Some)
    }
}

async fn exists(db: &mut AnyConnection, call: CallId) -> Result<(), StoreError> {
    sqlx::query("SELECT 1 FROM missed_calls WHERE call_id = $1")
        .bind(call.to_string())
        .fetch_optional(db)
        .await?
        .map(drop)
        .ok_or_else(|| StoreError::NotFound { what: "missed call", id: call.to_string() })
}
