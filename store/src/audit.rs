//! Who looked at or did what, for the things that a city must be able to account for.
//!
//! **Lines are only added, and each is chained to the one before**: its hash is SHA-256, in hex, of the hash
//! before (64 zeros for the first), a line feed, and the JSON array of time (Unix milliseconds), who, what and
//! on what. Triggers refuse to change or remove lines; who gets past them breaks the chain at that line, or must
//! write all lines behind it anew, which a hash that was kept elsewhere tells.

use crate::error::StoreError;
use crate::rows::at;
use crate::sql::{ROWS_AT_ONCE, Sql};
use crate::writer::Command;
use crate::{PAGE_ROWS_MAX, Store, clock};
use qingting_common::UnixMillis;
use sha2::{Digest, Sha256};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

/// One line of the audit. Edits of tickets are in their revisions, with author and time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Order of writing.
    pub id: i64,
    /// When.
    pub at: UnixMillis,
    /// Who: a key's name or `admin`.
    pub by: String,
    /// What, e.g. `recording.read`, `ticket.list`, `call.hang_up`, `key.revoke`, `seat.change`,
    /// `recording.delete`.
    pub action: String,
    /// On what: an id or an extension; of a page of tickets, the newest id and the oldest,
    /// `newest..oldest`; of a list of calls, its filter; of a recording that was read, the call, the track and
    /// the bytes: `ID track 1.0 bytes 0-65535/1920044`.
    pub subject: String,
}

/// Lines that are read or chained at a time.
const PAGE_LINES: i64 = 1_000;

/// What a walk along the chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditChain {
    /// Lines that are as they were written, from the first on.
    pub lines: u64,
    /// The hash of the last of them: kept elsewhere, it tells later whether a line up to here was changed.
    pub head: String,
    /// The first line that is not as it was written, or that does not follow the one before it.
    pub broken: Option<AuditEntry>,
    /// The line with the hash that was asked for.
    pub known: Option<AuditEntry>,
}

/// Which lines, newest first.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Only lines older than this one: the last of the page before.
    pub before: Option<i64>,
    /// Rows, at most [`PAGE_ROWS_MAX`].
    pub limit: u32,
    /// Only lines on this, or on a part of it: behind it stands a blank then.
    pub subject: Option<String>,
}

impl Store {
    /// Writes a line of the audit; call it before the thing is done, so that nothing goes unseen.
    pub async fn audit(&self, by: &str, action: &str, subject: &str) -> Result<(), StoreError> {
        self.audit_line(by, action, subject).await.map(|_| ())
    }

    /// The same; gives the line's id.
    pub async fn audit_line(
        &self,
        by: &str,
        action: &str,
        subject: &str,
    ) -> Result<i64, StoreError> {
        self.write(Audit {
            at: clock::now(),
            by: by.to_owned(),
            action: action.to_owned(),
            subject: subject.to_owned(),
        })
        .await
    }

    /// Lines of the audit, newest first.
    pub async fn audit_lines(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
        let mut sql: Sql = Sql::new("SELECT id, at, by, action, subject FROM audit WHERE true");
        if let Some(subject) = &query.subject {
            // Of a recording that was read the part stands behind the call.
            sql.push(" AND (subject = ").push_bind(subject.clone());
            sql.push(" OR (subject > ").push_bind(format!("{subject} "));
            sql.push(" AND subject < ").push_bind(format!("{subject}!")).push("))");
        }
        if let Some(before) = query.before {
            sql.push(" AND id < ").push_bind(before);
        }
        sql.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(query.limit.min(PAGE_ROWS_MAX)));
        sql.build().fetch_all(self.readers()).await?.iter().map(read).collect()
    }

    /// Walks along the whole chain, up to the first line that breaks it. `head` is the hash of a line, kept
    /// elsewhere, that is looked for.
    pub async fn verify_audit(&self, head: Option<&str>) -> Result<AuditChain, StoreError> {
        let mut chain = AuditChain { lines: 0, head: START.to_owned(), broken: None, known: None };
        let mut after = i64::MIN;
        loop {
            let rows = sqlx::query(
                "SELECT id, at, by, action, subject, hash FROM audit WHERE id > $1 ORDER BY id LIMIT $2",
            )
            .bind(after)
            .bind(PAGE_LINES)
            .fetch_all(self.readers())
            .await?;
            for row in &rows {
                let line = read(row)?;
                let hash: Option<String> = row.try_get("hash")?;
                let expected = hash_after(&chain.head, &line);
                if hash.as_ref() != Some(&expected) {
                    chain.broken = Some(line);
                    return Ok(chain);
                }
                after = line.id;
                (chain.lines, chain.head) = (chain.lines + 1, expected);
                if head == Some(chain.head.as_str()) {
                    chain.known = Some(line);
                }
            }
            if rows.is_empty() {
                return Ok(chain);
            }
        }
    }

    /// Chains lines of before the chain.
    pub(crate) async fn chain_what_waits(&self) -> Result<(), StoreError> {
        let mut db = self.readers().acquire().await?;
        if !may_be_chained(&mut db).await? {
            return Ok(());
        }
        drop(db);
        while self.write(ChainWaiting).await? {}
        Ok(())
    }
}

/// What stands before the first line.
const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn read(row: &AnyRow) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        id: row.try_get("id")?,
        at: at(row, "at")?,
        by: row.try_get("by")?,
        action: row.try_get("action")?,
        subject: row.try_get("subject")?,
    })
}

fn hash_after(before: &str, line: &AuditEntry) -> String {
    let AuditEntry { at, by, action, subject, .. } = line;
    let content = serde_json::json!([at.0, by, action, subject]).to_string();
    let hash = Sha256::new().chain_update(before).chain_update(b"\n").chain_update(content);
    hex::encode(hash.finalize())
}

struct ChainWaiting;

impl Command for ChainWaiting {
    type Output = bool;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<bool, StoreError> {
        chain_some(db).await
    }
}

/// Whether there are lines of before the chain that wait to be chained, and none behind them has a hash.
async fn may_be_chained(db: &mut AnyConnection) -> Result<bool, StoreError> {
    let Some(first) = first_unchained(db).await? else { return Ok(false) };
    let behind = sqlx::query("SELECT 1 FROM audit WHERE id > $1 AND hash IS NOT NULL LIMIT 1");
    Ok(behind.bind(first).fetch_optional(db).await?.is_none())
}

async fn first_unchained(db: &mut AnyConnection) -> Result<Option<i64>, StoreError> {
    let first = "SELECT min(id) FROM audit
        WHERE hash IS NULL AND id <= (SELECT id FROM audit_unchained_up_to)";
    Ok(sqlx::query_scalar(first).fetch_one(db).await?)
}

/// Chains some of the lines of before the chain; whether there were any. None behind them has a hash.
async fn chain_some(db: &mut AnyConnection) -> Result<bool, StoreError> {
    let Some(first) = first_unchained(&mut *db).await? else { return Ok(false) };
    let before =
        sqlx::query_scalar("SELECT hash FROM audit WHERE id < $1 ORDER BY id DESC LIMIT 1");
    let before: Option<String> = before.bind(first).fetch_optional(&mut *db).await?;
    let mut head = before.unwrap_or_else(|| START.to_owned());
    let rows = sqlx::query(
        "SELECT * FROM audit WHERE id >= $1 AND id <= (SELECT id FROM audit_unchained_up_to)
         ORDER BY id LIMIT $2",
    )
    .bind(first)
    .bind(PAGE_LINES)
    .fetch_all(&mut *db)
    .await?;
    let mut hashes = Vec::with_capacity(rows.len());
    for row in &rows {
        let line = read(row)?;
        head = hash_after(&head, &line);
        hashes.push((line.id, head.clone()));
    }
    for hashes in hashes.chunks(ROWS_AT_ONCE) {
        let mut sql = Sql::new("WITH new (id, hash) AS (VALUES ");
        for (at, (id, hash)) in hashes.iter().enumerate() {
            sql.push(if at == 0 { "(" } else { ", (" }).push_bind(*id);
            sql.push(", ").push_bind(hash.clone()).push(")");
        }
        sql.push(") UPDATE audit SET hash = new.hash FROM new WHERE audit.id = new.id");
        sql.build().execute(&mut *db).await?;
    }
    Ok(!rows.is_empty())
}

struct Audit {
    at: UnixMillis,
    by: String,
    action: String,
    subject: String,
}

impl Command for Audit {
    type Output = i64;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<i64, StoreError> {
        insert(&mut *db, self.at, &self.by, &self.action, &self.subject).await?;
        // Nobody else writes meanwhile.
        let last = "SELECT max(id) FROM audit";
        Ok(sqlx::query_scalar(last).fetch_one(db).await?)
    }
}

/// Writes a line in the transaction of the act itself.
pub(crate) async fn insert(
    db: &mut AnyConnection,
    at: UnixMillis,
    by: &str,
    action: &str,
    subject: &str,
) -> Result<(), StoreError> {
    let last = "SELECT hash FROM audit ORDER BY id DESC LIMIT 1";
    let last: Option<Option<String>> = sqlx::query_scalar(last).fetch_optional(&mut *db).await?;
    if last == Some(None) && may_be_chained(&mut *db).await? {
        while chain_some(&mut *db).await? {}
    }
    // A line without a hash that somebody put there is passed over: it stays what it is.
    let last = "SELECT hash FROM audit WHERE hash IS NOT NULL ORDER BY id DESC LIMIT 1";
    let before: Option<String> = sqlx::query_scalar(last).fetch_optional(&mut *db).await?;
    let before = before.unwrap_or_else(|| START.to_owned());
    let line = AuditEntry {
        id: 0,
        at,
        by: by.to_owned(),
        action: action.to_owned(),
        subject: subject.to_owned(),
    };
    sqlx::query("INSERT INTO audit (at, by, action, subject, hash) VALUES ($1, $2, $3, $4, $5)")
        .bind(at.0)
        .bind(by)
        .bind(action)
        .bind(subject)
        .bind(hash_after(&before, &line))
        .execute(db)
        .await?;
    Ok(())
}

/// The same, into an older schema: it comes into the chain with the next line of an older program, or when the schema is
/// brought up to date.
pub(crate) async fn insert_unchained(
    db: &mut AnyConnection,
    at: UnixMillis,
    by: &str,
    action: &str,
    subject: &str,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO audit (at, by, action, subject) VALUES ($1, $2, $3, $4)")
        .bind(at.0)
        .bind(by)
        .bind(action)
        .bind(subject)
        .execute(db)
        .await?;
    Ok(())
}
