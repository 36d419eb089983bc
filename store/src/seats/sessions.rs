//! Sessions: a seat that has logged in to the page.

use super::{SeatInfo, read, totp};
use crate::error::StoreError;
use crate::rows::{at, parsed};
use crate::writer::Command;
use crate::{Store, audit, clock, keys};
use qingting_common::{Pii, UnixMillis};
use sqlx::{AnyConnection, Row};
use std::fmt;
use uuid::Uuid;

/// What every session's token starts with, so that scanners for leaked tokens find it.
pub const SESSION_PREFIX: &str = "qts_";

/// How long a session lasts: a shift and its overtime.
pub const SESSION_MS_MAX: i64 = 12 * 3_600_000;

/// A session and who it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatSession {
    /// Its id.
    pub id: Uuid,
    /// The seat.
    pub seat: SeatInfo,
    /// When it ends by itself.
    pub expires_at: UnixMillis,
}

/// A session at its beginning, the only moment at which its token is known.
pub struct NewSession {
    /// The session.
    pub session: SeatSession,
    /// `qts_` and 64 hexadecimal digits.
    pub token: String,
}

impl fmt::Debug for NewSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSession").field("session", &self.session).finish_non_exhaustive()
    }
}

/// What came of a log-in.
#[derive(Debug)]
pub enum LogIn {
    /// The seat is in.
    Opened(NewSession),
    /// There is no such seat, it is disabled, or the password is wrong.
    Wrong,
    /// The password is right; the code of the second factor is absent, wrong or was there before.
    WantsCode,
    /// The password is right; too many codes were wrong, and none counts until then.
    Locked(UnixMillis),
}

impl Store {
    /// Logs a seat in; with a code where it has a second factor.
    pub async fn open_session(
        &self,
        extension: &str,
        password: &Pii<String>,
        code: Option<&str>,
    ) -> Result<LogIn, StoreError> {
        self.open_session_for(extension, password, code, SESSION_MS_MAX).await
    }

    /// The same for a shorter time, in milliseconds.
    pub async fn open_session_for(
        &self,
        extension: &str,
        password: &Pii<String>,
        code: Option<&str>,
        lasting_ms: i64,
    ) -> Result<LogIn, StoreError> {
        let row = sqlx::query("SELECT * FROM seats WHERE extension = $1 AND NOT disabled")
            .bind(extension)
            .fetch_optional(self.readers())
            .await?;
        let Some(row) = row else {
            // As slow as for a seat that is there: the time shall not tell which extensions exist.
            self.inner.passwords.matches(password.expose(), keys::NOBODYS_HASH).await?;
            return Ok(LogIn::Wrong);
        };
        let stored: String = row.try_get("password_hash")?;
        if !self.inner.passwords.matches(password.expose(), &stored).await? {
            return Ok(LogIn::Wrong);
        }
        let token = keys::new_secret(SESSION_PREFIX);
        let now = clock::now();
        let session = SeatSession {
            id: Uuid::now_v7(),
            seat: read(&row)?,
            expires_at: UnixMillis(now.0.saturating_add(lasting_ms.min(SESSION_MS_MAX))),
        };
        let hash = keys::hash(&token);
        let code = code.map(|code| Pii::new(code.to_owned()));
        let opening = Open { session: session.clone(), stored, hash, code, now };
        Ok(match self.write(opening).await? {
            Opening::Opened => LogIn::Opened(NewSession { session, token }),
            Opening::Changed => LogIn::Wrong,
            Opening::WantsCode => LogIn::WantsCode,
            Opening::Locked(until) => LogIn::Locked(until),
        })
    }

    /// Whether that is the seat's password, for what a session alone must not do.
    pub async fn is_password(
        &self,
        extension: &str,
        password: &Pii<String>,
    ) -> Result<bool, StoreError> {
        let hash = sqlx::query_scalar("SELECT password_hash FROM seats WHERE extension = $1");
        let hash: Option<String> = hash.bind(extension).fetch_optional(self.readers()).await?;
        let hash = hash.as_deref().unwrap_or(keys::NOBODYS_HASH);
        self.inner.passwords.matches(password.expose(), hash).await
    }

    /// The session of that token, unless it is unknown, over or revoked, or its seat disabled.
    pub async fn verify_session(&self, token: &str) -> Result<Option<SeatSession>, StoreError> {
        if !token.starts_with(SESSION_PREFIX) {
            return Ok(None);
        }
        let row = sqlx::query(
            "SELECT seats.*, seat_sessions.id AS session_id, seat_sessions.expires_at
             FROM seat_sessions JOIN seats ON seats.extension = seat_sessions.extension
             WHERE secret_hash = $1 AND revoked_at IS NULL AND expires_at > $2 AND NOT disabled",
        )
        .bind(keys::hash(token))
        .bind(clock::now().0)
        .fetch_optional(self.readers())
        .await?;
        row.map(|row| {
            Ok(SeatSession {
                id: parsed(&row, "session_id")?,
                seat: read(&row)?,
                expires_at: at(&row, "expires_at")?,
            })
        })
        .transpose()
    }

    /// Ends a session; ending it again changes nothing.
    pub async fn close_session(&self, id: Uuid) -> Result<(), StoreError> {
        self.write(Close { id, now: clock::now() }).await?;
        self.inner.credentials.send_modify(|changes| *changes += 1);
        Ok(())
    }

    /// Whether a session is still open; a change of the seat's role ends it.
    pub(crate) async fn session_stands(&self, id: Uuid) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT 1 FROM seat_sessions JOIN seats ON seats.extension = seat_sessions.extension
             WHERE seat_sessions.id = $1 AND revoked_at IS NULL AND expires_at > $2
                AND NOT disabled",
        )
        .bind(id.to_string())
        .bind(clock::now().0)
        .fetch_optional(self.readers())
        .await?;
        Ok(row.is_some())
    }
}

struct Open {
    session: SeatSession,
    /// The hash that the password matched.
    stored: String,
    hash: String,
    /// Of the second factor.
    code: Option<Pii<String>>,
    now: UnixMillis,
}

enum Opening {
    Opened,
    /// Meanwhile the password was changed or the seat disabled.
    Changed,
    WantsCode,
    Locked(UnixMillis),
}

impl Open {
    /// None when the second factor, where there is one, was shown; then its code counts no more. Of any number of
    /// servers and addresses together few wrong codes are taken.
    async fn lacks_second_factor(
        &self,
        db: &mut AnyConnection,
    ) -> Result<Option<Opening>, StoreError> {
        let extension = &self.session.seat.extension;
        let row = sqlx::query(
            "SELECT totp_secret, totp_step, totp_wrong, totp_locked_until FROM seats
             WHERE extension = $1",
        )
        .bind(extension)
        .fetch_optional(&mut *db)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let secret: Option<String> = row.try_get("totp_secret")?;
        let Some(secret) = secret else { return Ok(None) };
        let locked_until = at(&row, "totp_locked_until")?;
        if self.now < locked_until {
            return Ok(Some(Opening::Locked(locked_until)));
        }
        let Some(code) = &self.code else { return Ok(Some(Opening::WantsCode)) };
        let step = totp::step(&secret, code.expose(), row.try_get("totp_step")?, self.now)?;
        let Some(step) = step else {
            let locked = totp::wrong(db, extension, row.try_get("totp_wrong")?, self.now).await?;
            return Ok(Some(locked.map_or(Opening::WantsCode, Opening::Locked)));
        };
        sqlx::query("UPDATE seats SET totp_step = $2, totp_wrong = 0 WHERE extension = $1")
            .bind(extension)
            .bind(step)
            .execute(db)
            .await?;
        Ok(None)
    }
}

impl Command for Open {
    type Output = Opening;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<Opening, StoreError> {
        if let Some(lacking) = self.lacks_second_factor(db).await? {
            return Ok(lacking);
        }
        let extension = &self.session.seat.extension;
        // A token of a session that is long over proves nothing: it need not be kept.
        sqlx::query("DELETE FROM seat_sessions WHERE expires_at < $1")
            .bind(self.now.0)
            .execute(&mut *db)
            .await?;
        // Meanwhile the password may have been changed or the seat disabled.
        let inserted = sqlx::query(
            "INSERT INTO seat_sessions (id, extension, secret_hash, created_at, expires_at)
             SELECT $1, extension, $3, $4, $5 FROM seats
             WHERE extension = $2 AND NOT disabled AND password_hash = $6",
        )
        .bind(self.session.id.to_string())
        .bind(extension)
        .bind(&self.hash)
        .bind(self.now.0)
        .bind(self.session.expires_at.0)
        .bind(&self.stored)
        .execute(&mut *db)
        .await?;
        if inserted.rows_affected() == 0 {
            return Ok(Opening::Changed);
        }
        audit::insert(db, self.now, extension, "session.open", extension).await?;
        Ok(Opening::Opened)
    }
}

struct Close {
    id: Uuid,
    now: UnixMillis,
}

impl Command for Close {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        sqlx::query("UPDATE seat_sessions SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1")
            .bind(self.id.to_string())
            .bind(self.now.0)
            .execute(db)
            .await?;
        Ok(())
    }
}
