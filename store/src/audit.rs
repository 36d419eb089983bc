//! Who looked at or did what, for the things that a city must be able to account for.

use crate::error::StoreError;
use crate::rows::at;
use crate::sql::Sql;
use crate::writer::Command;
use crate::{PAGE_ROWS_MAX, Store, clock};
use qingting_common::UnixMillis;
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
    /// `newest..oldest`; of a list of calls, its filter.
    pub subject: String,
}

/// Which lines, newest first.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Only lines older than this one: the last of the page before.
    pub before: Option<i64>,
    /// Rows, at most [`PAGE_ROWS_MAX`].
    pub limit: u32,
    /// Only lines on this.
    pub subject: Option<String>,
}

impl Store {
    /// Writes a line of the audit; call it before the thing is done, so that nothing goes unseen.
    pub async fn audit(&self, by: &str, action: &str, subject: &str) -> Result<(), StoreError> {
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
            sql.push(" AND subject = ").push_bind(subject.clone());
        }
        if let Some(before) = query.before {
            sql.push(" AND id < ").push_bind(before);
        }
        sql.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(query.limit.min(PAGE_ROWS_MAX)));
        sql.build()
            .fetch_all(self.readers())
            .await?
            .iter()
            .map(|row| {
                Ok(AuditEntry {
                    id: row.try_get("id")?,
                    at: at(row, "at")?,
                    by: row.try_get("by")?,
                    action: row.try_get("action")?,
                    subject: row.try_get("subject")?,
                })
            })
            .collect()
    }
}

struct Audit {
    at: UnixMillis,
    by: String,
    action: String,
    subject: String,
}

impl Command for Audit {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        insert(db, self.at, &self.by, &self.action, &self.subject).await
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
    sqlx::query("INSERT INTO audit (at, by, action, subject) VALUES ($1, $2, $3, $4)")
        .bind(at.0)
        .bind(by)
        .bind(action)
        .bind(subject)
        .execute(db)
        .await?;
    Ok(())
}
