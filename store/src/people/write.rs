//! Writes of people, each with its line in the audit.

use super::{PersonChange, PersonError, PersonInfo, read, role_and_unit};
use crate::audit;
use crate::error::StoreError;
use crate::keys::Role;
use crate::writer::Command;
use qingting_common::{Pii, UnixMillis};
use sqlx::{AnyConnection, Row};
use uuid::Uuid;

pub(super) struct Create {
    pub(super) info: PersonInfo,
    pub(super) hash: Option<Pii<String>>,
    pub(super) by: String,
}

impl Command for Create {
    type Output = PersonInfo;
    type Error = PersonError;

    async fn run(&self, db: &mut AnyConnection) -> Result<PersonInfo, PersonError> {
        let info = &self.info;
        let key = sqlx::query("SELECT 1 FROM api_keys WHERE lower(name) = $1")
            .bind(&info.login)
            .fetch_optional(&mut *db)
            .await?;
        if key.is_some() {
            return Err(PersonError::Exists);
        }
        is_free(db, &info.login, info.subject.as_deref()).await?;
        let inserted = sqlx::query(
            "INSERT INTO people (login, name, role, unit, password_hash, subject, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (login) DO NOTHING",
        )
        .bind(&info.login)
        .bind(&info.name)
        .bind(info.role.of_person_str())
        .bind(&info.unit)
        .bind(self.hash.as_ref().map(Pii::expose))
        .bind(&info.subject)
        .bind(info.created_at.0)
        .execute(&mut *db)
        .await?;
        if inserted.rows_affected() == 0 {
            return Err(PersonError::Exists);
        }
        let subject = format!("{} {}", info.login, info.role.of_person_str());
        audit::insert(db, info.created_at, &self.by, "person.create", &subject).await?;
        Ok(info.clone())
    }
}

pub(super) struct Change {
    pub(super) login: String,
    pub(super) revision: Option<i64>,
    pub(super) change: PersonChange,
    pub(super) hash: Option<Pii<String>>,
    pub(super) by: String,
    pub(super) now: UnixMillis,
}

impl Command for Change {
    type Output = PersonInfo;
    type Error = PersonError;

    async fn run(&self, db: &mut AnyConnection) -> Result<PersonInfo, PersonError> {
        let change = &self.change;
        let before = as_seen(db, &self.login, self.revision).await?;
        let role = change.role.unwrap_or(before.role);
        let unit = match (role, &change.unit) {
            (_, Some(unit)) => Some(unit.clone()),
            (Role::Expert, None) => before.unit.clone(),
            (_, None) => None,
        };
        role_and_unit(role, unit.as_deref())?;
        let subject = match change.subject.as_deref() {
            None => before.subject.clone(),
            Some("") => None,
            Some(subject) => Some(subject.to_owned()),
        };
        is_free(db, &self.login, subject.as_deref()).await?;
        if subject.is_none() && !before.has_password && self.hash.is_none() {
            let problem = "a person has a password, a subject, or both".to_owned();
            return Err(PersonError::Invalid { field: "subject", problem });
        }
        let row = sqlx::query(
            "UPDATE people SET name = coalesce($2, name), role = $3, unit = $4, subject = $5,
                disabled = coalesce($6, disabled), password_hash = coalesce($7, password_hash),
                updated_at = $8, revision = revision + 1
             WHERE login = $1 RETURNING *",
        )
        .bind(&self.login)
        .bind(&change.name)
        .bind(role.of_person_str())
        .bind(&unit)
        .bind(&subject)
        .bind(change.disabled)
        .bind(self.hash.as_ref().map(Pii::expose))
        .bind(self.now.0)
        .fetch_one(&mut *db)
        .await?;
        let after = read(&row)?;
        let is_the_same = (after.role, &after.unit, &after.subject)
            == (before.role, &before.unit, &before.subject);
        if self.hash.is_some() || after.disabled || !is_the_same {
            end_sessions(db, &self.login, self.now).await?;
        }
        let subject = format!("{} {}", self.login, after.role.of_person_str());
        audit::insert(db, self.now, &self.by, "person.change", &subject).await?;
        Ok(after)
    }
}

/// A person's own new password: the session that it was given in stays, all others end.
pub(super) struct OwnPassword {
    pub(super) login: String,
    /// The hash that the current password matched.
    pub(super) stored: String,
    pub(super) hash: Pii<String>,
    pub(super) session: Uuid,
    pub(super) now: UnixMillis,
}

impl Command for OwnPassword {
    /// False: meanwhile the password was changed.
    type Output = bool;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<bool, StoreError> {
        let changed = sqlx::query(
            "UPDATE people SET password_hash = $3, updated_at = $4, revision = revision + 1
             WHERE login = $1 AND password_hash = $2 AND NOT disabled",
        )
        .bind(&self.login)
        .bind(&self.stored)
        .bind(self.hash.expose())
        .bind(self.now.0)
        .execute(&mut *db)
        .await?;
        if changed.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(
            "UPDATE person_sessions SET revoked_at = coalesce(revoked_at, $2)
             WHERE login = $1 AND id <> $3",
        )
        .bind(&self.login)
        .bind(self.now.0)
        .bind(self.session.to_string())
        .execute(&mut *db)
        .await?;
        audit::insert(db, self.now, &self.login, "person.own_password", &self.login).await?;
        Ok(true)
    }
}

pub(super) struct Delete {
    pub(super) login: String,
    pub(super) revision: Option<i64>,
    pub(super) by: String,
    pub(super) now: UnixMillis,
}

impl Command for Delete {
    type Output = ();
    type Error = PersonError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), PersonError> {
        as_seen(db, &self.login, self.revision).await?;
        sqlx::query("DELETE FROM people WHERE login = $1")
            .bind(&self.login)
            .execute(&mut *db)
            .await?;
        Ok(audit::insert(db, self.now, &self.by, "person.delete", &self.login).await?)
    }
}

/// The person, if nobody has changed it since somebody saw it at that revision.
async fn as_seen(
    db: &mut AnyConnection,
    login: &str,
    revision: Option<i64>,
) -> Result<PersonInfo, PersonError> {
    let row = sqlx::query("SELECT * FROM people WHERE login = $1")
        .bind(login)
        .fetch_optional(db)
        .await?
        .ok_or(PersonError::NotFound)?;
    let current = row.try_get("revision")?;
    if revision.is_some_and(|seen| seen != current) {
        return Err(PersonError::Changed { current });
    }
    Ok(read(&row)?)
}

/// Whether nobody else is called that by the OpenID provider.
async fn is_free(
    db: &mut AnyConnection,
    login: &str,
    subject: Option<&str>,
) -> Result<(), PersonError> {
    let Some(subject) = subject else { return Ok(()) };
    let other = sqlx::query("SELECT 1 FROM people WHERE subject = $1 AND login <> $2")
        .bind(subject)
        .bind(login)
        .fetch_optional(db)
        .await?;
    if other.is_some() { Err(PersonError::SubjectExists) } else { Ok(()) }
}

pub(super) async fn end_sessions(
    db: &mut AnyConnection,
    login: &str,
    now: UnixMillis,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE person_sessions SET revoked_at = coalesce(revoked_at, $2) WHERE login = $1",
    )
    .bind(login)
    .bind(now.0)
    .execute(db)
    .await?;
    Ok(())
}
