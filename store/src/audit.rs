//! Who looked at or did what, for the things that a city must be able to account for.

use crate::error::StoreError;
use crate::rows::at;
use crate::writer::Command;
use crate::{PAGE_ROWS_MAX, Store, clock};
use qingting_common::UnixMillis;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

/// One line of the audit. Edits of tickets are in their revisions, with author and time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: UnixMillis,
    /// Who: a key's name or `admin`.
    pub by: String,
    /// What: `recording.read`, `call.hang_up`, `key.create`, `key.revoke`.
    pub action: String,
    /// On what: an id.
    pub subject: String,
}

impl Store {
    /// Writes a line of the audit; call it before the thing is done, so that nothing goes unseen.
    pub async fn audit(&self, by: &str, action: &str, subject: &str) -> Result<(), StoreError> {
        self.write(Audit(AuditEntry {
            at: clock::now(),
            by: by.to_owned(),
            action: action.to_owned(),
            subject: subject.to_owned(),
        }))
        .await
    }

    /// What happened to one thing, oldest first, at most [`PAGE_ROWS_MAX`] lines.
    pub async fn audit_of(&self, subject: &str) -> Result<Vec<AuditEntry>, StoreError> {
        sqlx::query(
            "SELECT at, by, action, subject FROM audit WHERE subject = ?1 ORDER BY id LIMIT ?2",
        )
        .bind(subject)
        .bind(PAGE_ROWS_MAX)
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(|row| {
            Ok(AuditEntry {
                at: at(row, "at")?,
                by: row.try_get("by")?,
                action: row.try_get("action")?,
                subject: row.try_get("subject")?,
            })
        })
        .collect()
    }
}

struct Audit(AuditEntry);

impl Command for Audit {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO audit (at, by, action, subject) VALUES (?1, ?2, ?3, ?4)")
            .bind(self.0.at.0)
            .bind(&self.0.by)
            .bind(&self.0.action)
            .bind(&self.0.subject)
            .execute(db)
            .await?;
        Ok(())
    }
}
