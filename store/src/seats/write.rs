//! Writes of seats, each with its line in the audit.

use super::{SeatChange, SeatError, SeatInfo, Secrets, read};
use crate::writer::Command;
use crate::{audit, rows};
use qingting_common::UnixMillis;
use sqlx::{AnyConnection, Row};
use uuid::Uuid;

pub(super) struct Create {
    pub(super) info: SeatInfo,
    pub(super) secrets: Secrets,
    pub(super) by: String,
}

impl Command for Create {
    type Output = SeatInfo;
    type Error = SeatError;

    async fn run(&self, db: &mut AnyConnection) -> Result<SeatInfo, SeatError> {
        let (info, secrets) = (&self.info, &self.secrets);
        let inserted = sqlx::query(
            "INSERT INTO seats (extension, name, role, skills, realm, ha1_md5, ha1_sha256,
                password_hash, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) ON CONFLICT (extension) DO NOTHING",
        )
        .bind(&info.extension)
        .bind(&info.name)
        .bind(info.role.as_str())
        .bind(rows::to_json(&info.skills, "seats.skills")?)
        .bind(&secrets.realm)
        .bind(secrets.ha1_md5.expose())
        .bind(secrets.ha1_sha256.expose())
        .bind(secrets.password_hash.expose())
        .bind(info.created_at.0)
        .execute(&mut *db)
        .await?;
        if inserted.rows_affected() == 0 {
            return Err(SeatError::Exists);
        }
        audit::insert(db, info.created_at, &self.by, "seat.create", &info.extension).await?;
        Ok(info.clone())
    }
}

pub(super) struct Change {
    pub(super) extension: String,
    pub(super) revision: Option<i64>,
    pub(super) change: SeatChange,
    pub(super) secrets: Option<Secrets>,
    pub(super) by: String,
    pub(super) now: UnixMillis,
}

impl Command for Change {
    type Output = SeatInfo;
    type Error = SeatError;

    async fn run(&self, db: &mut AnyConnection) -> Result<SeatInfo, SeatError> {
        is_as_seen(db, &self.extension, self.revision).await?;
        let (change, secrets) = (&self.change, self.secrets.as_ref());
        let skills = change.skills.as_ref().map(|skills| rows::to_json(skills, "seats.skills"));
        let row = sqlx::query(
            "UPDATE seats SET name = coalesce($2, name), role = coalesce($3, role),
                skills = coalesce($4, skills), disabled = coalesce($5, disabled),
                realm = coalesce($6, realm), ha1_md5 = coalesce($7, ha1_md5),
                ha1_sha256 = coalesce($8, ha1_sha256),
                password_hash = coalesce($9, password_hash), updated_at = $10,
                revision = revision + 1
             WHERE extension = $1 RETURNING *",
        )
        .bind(&self.extension)
        .bind(&change.name)
        .bind(change.role.map(super::SeatRole::as_str))
        .bind(skills.transpose()?)
        .bind(change.disabled)
        .bind(secrets.map(|secrets| &secrets.realm))
        .bind(secrets.map(|secrets| secrets.ha1_md5.expose()))
        .bind(secrets.map(|secrets| secrets.ha1_sha256.expose()))
        .bind(secrets.map(|secrets| secrets.password_hash.expose()))
        .bind(self.now.0)
        .fetch_optional(&mut *db)
        .await?
        .ok_or(SeatError::NotFound)?;
        let seat = read(&row)?;
        if secrets.is_some() || change.role.is_some() || seat.disabled {
            sqlx::query(
                "UPDATE seat_sessions SET revoked_at = coalesce(revoked_at, $2) WHERE extension = $1",
            )
            .bind(&self.extension)
            .bind(self.now.0)
            .execute(&mut *db)
            .await?;
        }
        audit::insert(db, self.now, &self.by, "seat.change", &self.extension).await?;
        Ok(seat)
    }
}

/// A seat's own new password: the session that it was given in stays, all others end.
pub(super) struct OwnPassword {
    pub(super) extension: String,
    /// The hash that the current password matched.
    pub(super) stored: String,
    pub(super) secrets: Secrets,
    pub(super) session: Uuid,
    pub(super) now: UnixMillis,
}

impl Command for OwnPassword {
    /// False: meanwhile the password was changed.
    type Output = bool;
    type Error = SeatError;

    async fn run(&self, db: &mut AnyConnection) -> Result<bool, SeatError> {
        let changed = sqlx::query(
            "UPDATE seats SET realm = $3, ha1_md5 = $4, ha1_sha256 = $5, password_hash = $6,
                updated_at = $7, revision = revision + 1
             WHERE extension = $1 AND password_hash = $2 AND NOT disabled",
        )
        .bind(&self.extension)
        .bind(&self.stored)
        .bind(&self.secrets.realm)
        .bind(self.secrets.ha1_md5.expose())
        .bind(self.secrets.ha1_sha256.expose())
        .bind(self.secrets.password_hash.expose())
        .bind(self.now.0)
        .execute(&mut *db)
        .await?;
        if changed.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(
            "UPDATE seat_sessions SET revoked_at = coalesce(revoked_at, $2)
             WHERE extension = $1 AND id <> $3",
        )
        .bind(&self.extension)
        .bind(self.now.0)
        .bind(self.session.to_string())
        .execute(&mut *db)
        .await?;
        audit::insert(db, self.now, &self.extension, "seat.own_password", &self.extension).await?;
        Ok(true)
    }
}

pub(super) struct Delete {
    pub(super) extension: String,
    pub(super) revision: Option<i64>,
    pub(super) by: String,
    pub(super) now: UnixMillis,
}

/// Whether nobody has changed the seat since somebody saw it at that revision.
async fn is_as_seen(
    db: &mut AnyConnection,
    extension: &str,
    revision: Option<i64>,
) -> Result<(), SeatError> {
    let Some(seen) = revision else { return Ok(()) };
    let row = sqlx::query("SELECT revision FROM seats WHERE extension = $1")
        .bind(extension)
        .fetch_optional(db)
        .await?
        .ok_or(SeatError::NotFound)?;
    let current = row.try_get("revision")?;
    if seen == current { Ok(()) } else { Err(SeatError::Changed { current }) }
}

impl Command for Delete {
    type Output = ();
    type Error = SeatError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), SeatError> {
        is_as_seen(db, &self.extension, self.revision).await?;
        let deleted = sqlx::query("DELETE FROM seats WHERE extension = $1")
            .bind(&self.extension)
            .execute(&mut *db)
            .await?;
        if deleted.rows_affected() == 0 {
            return Err(SeatError::NotFound);
        }
        Ok(audit::insert(db, self.now, &self.by, "seat.delete", &self.extension).await?)
    }
}
