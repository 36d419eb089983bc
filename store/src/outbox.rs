//! What must leave the system: rows written in the transaction that made them true, and their way out. Their
//! ids are the order in which they became true, so that the table is also the log that [`crate::feed`] reads.
//!
//! **A row never overtakes an earlier one of its stream, and one process at a time sends it.** A row that
//! waits for its next try or is parked holds back its stream; of several processes on one database the
//! one with the lease sends.

use crate::error::StoreError;
use crate::rows::{at, flag, json, maybe_at, named, signed, unsigned};
use crate::sql::{ROWS_AT_ONCE, Sql};
use crate::writer::Command;
use crate::{PAGE_ROWS_MAX, Store, audit, clock};
use qingting_common::{Pii, UnixMillis};
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::time::Duration;
use uuid::Uuid;

/// Longest [`OutboxRow::last_error`], in characters.
pub const LAST_ERROR_CHARS_MAX: usize = 500;

/// Rows that one command skips or deletes at most: the writer is not held up by more.
const ROWS_AT_ONCE_MAX: i64 = 1_000;

/// Where a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutboxState {
    /// It waits to be sent.
    Pending,
    /// The receiver has it.
    Sent,
    /// It was refused or failed too often: a person decides. Its stream waits.
    Parked,
    /// A person decided that it is not sent.
    Discarded,
    /// It is of a kind that is not sent.
    Skipped,
}

impl OutboxState {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Sent, Self::Parked, Self::Discarded, Self::Skipped];

    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Parked => "parked",
            Self::Discarded => "discarded",
            Self::Skipped => "skipped",
        }
    }
}

/// A message on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxRow {
    /// Order of writing.
    pub id: i64,
    /// Idempotency key for the receiver: `ticket:revision`, `call:ended`, or the writer's own.
    pub key: String,
    /// Such as `ticket.updated`, `ticket.confirmed` or `call.ended`.
    pub kind: String,
    /// What stays in order: the id of a ticket or a call.
    pub stream: String,
    /// Ids and names of changed fields, of kinds whose content is read when they are sent; else the
    /// content itself, which may be what a citizen answered.
    pub payload: Pii<Value>,
    /// When it was written.
    pub created_at: UnixMillis,
    /// Where it is.
    pub state: OutboxState,
    /// Tries that failed since it was written or given back.
    pub tries: u32,
    /// When the first of them failed.
    pub failing_since: Option<UnixMillis>,
    /// When it is tried next, at the earliest.
    pub not_before: UnixMillis,
    /// Why the last try failed; may quote what was sent.
    pub last_error: Option<Pii<String>>,
    /// When it was parked.
    pub parked_at: Option<UnixMillis>,
    /// When the receiver had it.
    pub sent_at: Option<UnixMillis>,
}

/// Which rows, in the order of their writing.
#[derive(Clone, Debug, Default)]
pub struct OutboxQuery {
    /// Only rows behind this one: the last of the page before.
    pub after: Option<i64>,
    /// The other way round.
    pub newest_first: bool,
    /// Rows, at most [`PAGE_ROWS_MAX`].
    pub limit: u32,
    /// Only rows in this state.
    pub state: Option<OutboxState>,
    /// Only rows of this stream.
    pub stream: Option<String>,
}

/// A wish for rows to send.
#[derive(Clone, Debug)]
pub struct OutboxClaim {
    /// Who sends: a name that no other process has.
    pub owner: String,
    /// Kinds that are sent: names, or beginnings such as `ticket.*`. Rows of other kinds become
    /// [`OutboxState::Skipped`].
    pub kinds: Vec<String>,
    /// Rows wanted, at most [`PAGE_ROWS_MAX`].
    pub limit: u32,
    /// How long nobody else may send them.
    pub lease: Duration,
    /// Rows that failed least first, in place of the oldest.
    pub fresh_first: bool,
}

/// What follows a failed try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxFailure {
    /// Another try, not before then.
    Again(UnixMillis),
    /// A person must look.
    Park,
}

/// What has not left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxTotals {
    /// Rows that wait.
    pub pending: u64,
    /// Rows that a person must look at.
    pub parked: u64,
    /// When the oldest row of both was written.
    pub oldest_at: Option<UnixMillis>,
}

impl Store {
    /// Rows for the ticket system, in the order of their writing.
    pub async fn outbox(&self, query: &OutboxQuery) -> Result<Vec<OutboxRow>, StoreError> {
        let mut sql: Sql = Sql::new("SELECT * FROM outbox WHERE NOT feed_only");
        if let Some(state) = query.state {
            sql.push(" AND state = ").push_bind(state.as_str());
        }
        if let Some(stream) = &query.stream {
            sql.push(" AND stream = ").push_bind(stream.clone());
        }
        if let Some(after) = query.after {
            sql.push(if query.newest_first { " AND id < " } else { " AND id > " });
            sql.push_bind(after);
        }
        sql.push(if query.newest_first { " ORDER BY id DESC" } else { " ORDER BY id" });
        sql.push(" LIMIT ").push_bind(i64::from(query.limit.min(PAGE_ROWS_MAX)));
        sql.build().fetch_all(self.readers()).await?.iter().map(read).collect()
    }

    /// What has not left; for metrics.
    pub async fn outbox_totals(&self) -> Result<OutboxTotals, StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT count(*) FROM outbox WHERE state = 'pending') AS pending,
                (SELECT count(*) FROM outbox WHERE state = 'parked') AS parked,
                (SELECT created_at FROM outbox WHERE id = (SELECT min(id) FROM outbox
                    WHERE state IN ('pending', 'parked'))) AS oldest_at",
        )
        .fetch_one(self.readers())
        .await?;
        Ok(OutboxTotals {
            pending: unsigned(row.try_get("pending")?),
            parked: unsigned(row.try_get("parked")?),
            oldest_at: maybe_at(&row, "oldest_at")?,
        })
    }

    /// Whether a row may be due: cheap, so that looking often costs no writes.
    pub async fn outbox_is_due(&self, now: UnixMillis) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT EXISTS (SELECT 1 FROM outbox
                WHERE state = 'pending' AND not_before <= $1 AND lease_until <= $1) AS due",
        )
        .bind(now.0)
        .fetch_one(self.readers())
        .await?;
        flag(&row, "due")
    }

    /// Takes the first row of each stream that is due, until the lease is over. Whoever claims must have
    /// reported with [`Store::outbox_sent`] or [`Store::outbox_failed`] by then.
    pub async fn claim_outbox(
        &self,
        claim: OutboxClaim,
        now: UnixMillis,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        self.write(Claim { claim, now }).await
    }

    /// Notes that the receiver has a row, whoever sent it and whatever became of the row meanwhile.
    pub async fn outbox_sent(&self, id: i64, now: UnixMillis) -> Result<(), StoreError> {
        self.write(Sent { id, now }).await
    }

    /// Notes why a try failed, cut to [`LAST_ERROR_CHARS_MAX`], and what follows; false when `owner` has
    /// the row no longer, which then stays as it is.
    pub async fn outbox_failed(
        &self,
        id: i64,
        owner: &str,
        error: &str,
        then: OutboxFailure,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let error = error.chars().take(LAST_ERROR_CHARS_MAX).collect();
        self.write(Failed { id, owner: owner.to_owned(), error, then, now }).await
    }

    /// Lets a parked or pending row be tried at once, its tries counted anew, and notes in the audit that
    /// `by` did; false when it is neither.
    pub async fn retry_outbox(&self, id: i64, by: &str) -> Result<bool, StoreError> {
        let now = clock::now();
        self.write(Decide { id, by: by.to_owned(), now, decision: Decision::Retry }).await
    }

    /// Lets all parked rows be tried at once; gives their number.
    pub async fn retry_parked_outbox(&self, by: &str) -> Result<u64, StoreError> {
        self.write(RetryParked { by: by.to_owned(), now: clock::now() }).await
    }

    /// Never sends a parked row, so that its stream goes on, and notes in the audit that `by` did; false
    /// when it is not parked.
    pub async fn discard_outbox(&self, id: i64, by: &str) -> Result<bool, StoreError> {
        let now = clock::now();
        self.write(Decide { id, by: by.to_owned(), now, decision: Decision::Discard }).await
    }

    /// Deletes rows that were sent, discarded or skipped and are older than `before`, at most 1,000 at
    /// once and never the last one: no id comes twice. Gives their number.
    pub async fn prune_outbox(&self, before: UnixMillis) -> Result<u64, StoreError> {
        self.write(Prune(before)).await
    }
}

/// Writes a row. `key` must be new, and the same for the same fact: the receiver knows by it what it has.
/// `stream` is the id of the ticket or call whose rows stay in order. A payload with what a citizen said
/// is personal data: it belongs here, as [`Pii`] behind the reader, and never into a log line.
pub(crate) async fn put(
    db: &mut AnyConnection,
    key: &str,
    kind: &str,
    stream: &str,
    payload: &Value,
    now: UnixMillis,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO outbox (key, kind, stream, payload, created_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(key)
    .bind(kind)
    .bind(stream)
    .bind(payload.to_string())
    .bind(now.0)
    .execute(db)
    .await?;
    Ok(())
}

/// Writes a row that no ticket system is told: a change of state for those who follow the log. Its payload
/// is ids and states, nothing of a citizen.
pub(crate) async fn note(
    db: &mut AnyConnection,
    kind: &str,
    stream: &str,
    payload: &Value,
    now: UnixMillis,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO outbox (key, kind, stream, payload, created_at, state, feed_only)
         VALUES ($1, $2, $3, $4, $5, 'skipped', true)",
    )
    .bind(Uuid::now_v7().to_string())
    .bind(kind)
    .bind(stream)
    .bind(payload.to_string())
    .bind(now.0)
    .execute(db)
    .await?;
    Ok(())
}

/// The same for many at once, each with its stream.
pub(crate) async fn note_all(
    db: &mut AnyConnection,
    kind: &str,
    payloads: &[(String, Value)],
    now: UnixMillis,
) -> Result<(), StoreError> {
    for payloads in payloads.chunks(ROWS_AT_ONCE) {
        let mut sql = Sql::new(
            "INSERT INTO outbox (key, kind, stream, payload, created_at, state, feed_only) VALUES ",
        );
        for (at, (stream, payload)) in payloads.iter().enumerate() {
            sql.push(if at == 0 { "(" } else { ", (" }).push_bind(Uuid::now_v7().to_string());
            sql.push(", ").push_bind(kind).push(", ").push_bind(stream.clone());
            sql.push(", ").push_bind(payload.to_string()).push(", ").push_bind(now.0);
            sql.push(", 'skipped', true)");
        }
        sql.build().execute(&mut *db).await?;
    }
    Ok(())
}

pub(crate) fn read(row: &AnyRow) -> Result<OutboxRow, StoreError> {
    let tries: i64 = row.try_get("tries")?;
    Ok(OutboxRow {
        id: row.try_get("id")?,
        key: row.try_get("key")?,
        kind: row.try_get("kind")?,
        stream: row.try_get("stream")?,
        payload: Pii::new(json(row.try_get("payload")?, "outbox.payload")?),
        created_at: at(row, "created_at")?,
        state: named(row, "state", OutboxState::ALL, OutboxState::as_str)?,
        tries: u32::try_from(tries).unwrap_or(u32::MAX),
        failing_since: maybe_at(row, "failing_since")?,
        not_before: at(row, "not_before")?,
        last_error: row.try_get::<Option<String>, _>("last_error")?.map(Pii::new),
        parked_at: maybe_at(row, "parked_at")?,
        sent_at: maybe_at(row, "sent_at")?,
    })
}

struct Claim {
    claim: OutboxClaim,
    now: UnixMillis,
}

impl Claim {
    fn push_kinds(&self, sql: &mut Sql) {
        sql.push("(false");
        for kind in &self.claim.kinds {
            match kind.strip_suffix('*') {
                Some(start) => {
                    sql.push(" OR substr(kind, 1, CAST(");
                    sql.push_bind(signed(start.chars().count() as u64));
                    sql.push(" AS INTEGER)) = ").push_bind(start.to_owned())
                }
                None => sql.push(" OR kind = ").push_bind(kind.clone()),
            };
        }
        sql.push(")");
    }

    /// What is not sent must not hold back its stream.
    fn skip(&self) -> Sql {
        let mut sql = Sql::new(
            "UPDATE outbox SET state = 'skipped' WHERE id IN
                (SELECT id FROM outbox WHERE state = 'pending' AND NOT ",
        );
        self.push_kinds(&mut sql);
        sql.push(" LIMIT ").push_bind(ROWS_AT_ONCE_MAX).push(")");
        sql
    }

    fn take(&self) -> Sql {
        let now = self.now.0;
        let until = now.saturating_add(signed(self.claim.lease.as_millis() as u64));
        let mut sql = Sql::new("UPDATE outbox SET lease_owner = ");
        sql.push_bind(self.claim.owner.clone()).push(", lease_until = ").push_bind(until);
        sql.push(" WHERE id IN (SELECT id FROM outbox AS due WHERE state = 'pending'");
        sql.push(" AND not_before <= ").push_bind(now);
        sql.push(" AND lease_until <= ").push_bind(now).push(" AND ");
        self.push_kinds(&mut sql);
        sql.push(
            " AND NOT EXISTS (SELECT 1 FROM outbox AS earlier WHERE earlier.stream = due.stream
                AND earlier.id < due.id AND earlier.state IN ('pending', 'parked')) ORDER BY ",
        );
        sql.push(if self.claim.fresh_first { "tries, id" } else { "id" });
        sql.push(" LIMIT ")
            .push_bind(i64::from(self.claim.limit.min(PAGE_ROWS_MAX)))
            .push(") RETURNING *");
        sql
    }
}

impl Command for Claim {
    type Output = Vec<OutboxRow>;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<Vec<OutboxRow>, StoreError> {
        self.skip().build().execute(&mut *db).await?;
        let taken = self.take().build().fetch_all(&mut *db).await?;
        let mut rows = taken.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        rows.sort_by_key(|row| row.id);
        Ok(rows)
    }
}

struct Sent {
    id: i64,
    now: UnixMillis,
}

impl Command for Sent {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE outbox SET state = 'sent', sent_at = $2, lease_owner = NULL, lease_until = 0
             WHERE id = $1 AND state <> 'sent'",
        )
        .bind(self.id)
        .bind(self.now.0)
        .execute(db)
        .await?;
        Ok(())
    }
}

struct Failed {
    id: i64,
    owner: String,
    error: String,
    then: OutboxFailure,
    now: UnixMillis,
}

impl Command for Failed {
    type Output = bool;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<bool, StoreError> {
        let (state, not_before, parked_at) = match self.then {
            OutboxFailure::Again(at) => (OutboxState::Pending, at, None),
            OutboxFailure::Park => (OutboxState::Parked, UnixMillis(0), Some(self.now.0)),
        };
        let changed = sqlx::query(
            "UPDATE outbox SET state = $3, not_before = $4, parked_at = $5, last_error = $6,
                tries = tries + 1, failing_since = coalesce(failing_since, $7), lease_owner = NULL,
                lease_until = 0
             WHERE id = $1 AND lease_owner = $2 AND state = 'pending'",
        )
        .bind(self.id)
        .bind(&self.owner)
        .bind(state.as_str())
        .bind(not_before.0)
        .bind(parked_at)
        .bind(&self.error)
        .bind(self.now.0)
        .execute(db)
        .await?;
        Ok(changed.rows_affected() == 1)
    }
}

#[derive(Clone, Copy)]
enum Decision {
    Retry,
    Discard,
}

/// What a person decides about a row.
struct Decide {
    id: i64,
    by: String,
    now: UnixMillis,
    decision: Decision,
}

impl Command for Decide {
    type Output = bool;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<bool, StoreError> {
        let (action, sql) = match self.decision {
            Decision::Retry => (
                "outbox.retry",
                "UPDATE outbox SET state = 'pending', tries = 0, failing_since = NULL,
                    not_before = 0, parked_at = NULL
                 WHERE id = $1 AND state IN ('pending', 'parked') RETURNING key",
            ),
            Decision::Discard => (
                "outbox.discard",
                "UPDATE outbox SET state = 'discarded' WHERE id = $1 AND state = 'parked'
                 RETURNING key",
            ),
        };
        let Some(row) = sqlx::query(sql).bind(self.id).fetch_optional(&mut *db).await? else {
            return exists(db, self.id).await.map(|()| false);
        };
        audit::insert(db, self.now, &self.by, action, row.try_get("key")?).await?;
        Ok(true)
    }
}

struct RetryParked {
    by: String,
    now: UnixMillis,
}

impl Command for RetryParked {
    type Output = u64;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<u64, StoreError> {
        audit::insert(db, self.now, &self.by, "outbox.retry", "parked").await?;
        let changed = sqlx::query(
            "UPDATE outbox SET state = 'pending', tries = 0, failing_since = NULL, not_before = 0,
                parked_at = NULL
             WHERE state = 'parked'",
        )
        .execute(db)
        .await?;
        Ok(changed.rows_affected())
    }
}

struct Prune(UnixMillis);

impl Command for Prune {
    type Output = u64;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<u64, StoreError> {
        let deleted = sqlx::query(
            "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox
                WHERE state IN ('sent', 'discarded', 'skipped') AND created_at < $1
                    AND id < (SELECT max(id) FROM outbox) LIMIT $2)
             RETURNING id",
        )
        .bind(self.0.0)
        .bind(ROWS_AT_ONCE_MAX)
        .fetch_all(&mut *db)
        .await?;
        let ids = deleted.iter().map(|row| row.try_get::<i64, _>("id"));
        let ids = ids.collect::<Result<Vec<_>, _>>()?;
        if let Some(last) = ids.iter().max() {
            sqlx::query("UPDATE outbox_deleted SET up_to = $1 WHERE up_to < $1")
                .bind(last)
                .execute(db)
                .await?;
        }
        Ok(ids.len() as u64)
    }
}

async fn exists(db: &mut AnyConnection, id: i64) -> Result<(), StoreError> {
    sqlx::query("SELECT 1 FROM outbox WHERE id = $1")
        .bind(id)
        .fetch_optional(db)
        .await?
        .map(drop)
        .ok_or_else(|| StoreError::NotFound { what: "outbox row", id: id.to_string() })
}
