//! Sessions of people: by password, or because the city's OpenID provider vouched for them.

use super::{PersonInfo, read};
use crate::error::StoreError;
use crate::rows::{at, parsed};
use crate::seats::{SESSION_MS_MAX, SESSION_PREFIX};
use crate::writer::Command;
use crate::{Store, audit, clock, keys};
use qingting_common::{Pii, UnixMillis};
use sqlx::{AnyConnection, Row};
use std::fmt;
use uuid::Uuid;

/// A session and who it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonSession {
    /// Its id.
    pub id: Uuid,
    /// The person.
    pub person: PersonInfo,
    /// When it ends by itself.
    pub expires_at: UnixMillis,
}

/// A session at its beginning, the only moment at which its token is known.
pub struct NewPersonSession {
    /// The session.
    pub session: PersonSession,
    /// `qts_` and 64 hexadecimal digits.
    pub token: String,
}

impl fmt::Debug for NewPersonSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewPersonSession").field("session", &self.session).finish_non_exhaustive()
    }
}

impl Store {
    /// Logs a person in by its password; none where there is no such person, it is disabled, has no password, or
    /// another one.
    pub async fn open_person_session(
        &self,
        login: &str,
        password: &Pii<String>,
    ) -> Result<Option<NewPersonSession>, StoreError> {
        let row = sqlx::query("SELECT * FROM people WHERE login = $1 AND NOT disabled")
            .bind(login)
            .fetch_optional(self.readers())
            .await?;
        let stored = row.as_ref().map(|row| row.try_get::<Option<String>, _>("password_hash"));
        let stored = stored.transpose()?.flatten();
        // As slow where there is nobody: the time shall not tell who exists.
        let hash = stored.as_deref().unwrap_or(keys::NOBODYS_HASH);
        if !self.inner.passwords.matches(password.expose(), hash).await? {
            return Ok(None);
        }
        let (Some(row), Some(stored)) = (row, stored) else { return Ok(None) };
        self.open_for_person(read(&row)?, Proof::Password(stored)).await
    }

    /// Logs in whom the city's OpenID provider calls by that subject; none where nobody here is.
    pub async fn open_subject_session(
        &self,
        subject: &str,
    ) -> Result<Option<NewPersonSession>, StoreError> {
        let row = sqlx::query("SELECT * FROM people WHERE subject = $1 AND NOT disabled")
            .bind(subject)
            .fetch_optional(self.readers())
            .await?;
        let Some(row) = row else { return Ok(None) };
        self.open_for_person(read(&row)?, Proof::Subject(subject.to_owned())).await
    }

    async fn open_for_person(
        &self,
        person: PersonInfo,
        proof: Proof,
    ) -> Result<Option<NewPersonSession>, StoreError> {
        let token = keys::new_secret(SESSION_PREFIX);
        let now = clock::now();
        let expires_at = UnixMillis(now.0.saturating_add(SESSION_MS_MAX));
        let session = PersonSession { id: Uuid::now_v7(), person, expires_at };
        let hash = keys::hash(&token);
        let is_open = self.write(Open { session: session.clone(), proof, hash, now }).await?;
        Ok(is_open.then_some(NewPersonSession { session, token }))
    }

    /// The session of that token, unless it is unknown, over or revoked, or its person disabled.
    pub async fn verify_person_session(
        &self,
        token: &str,
    ) -> Result<Option<PersonSession>, StoreError> {
        if !token.starts_with(SESSION_PREFIX) {
            return Ok(None);
        }
        let row = sqlx::query(
            "SELECT people.*, person_sessions.id AS session_id, person_sessions.expires_at
             FROM person_sessions JOIN people ON people.login = person_sessions.login
             WHERE secret_hash = $1 AND revoked_at IS NULL AND expires_at > $2 AND NOT disabled",
        )
        .bind(keys::hash(token))
        .bind(clock::now().0)
        .fetch_optional(self.readers())
        .await?;
        row.map(|row| {
            Ok(PersonSession {
                id: parsed(&row, "session_id")?,
                person: read(&row)?,
                expires_at: at(&row, "expires_at")?,
            })
        })
        .transpose()
    }

    /// Ends a session; ending it again changes nothing.
    pub async fn close_person_session(&self, id: Uuid) -> Result<(), StoreError> {
        self.write(Close { id, now: clock::now() }).await?;
        self.inner.credentials.send_modify(|changes| *changes += 1);
        Ok(())
    }

    /// Whether a session is still open.
    pub(crate) async fn person_session_stands(&self, id: Uuid) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT 1 FROM person_sessions JOIN people ON people.login = person_sessions.login
             WHERE person_sessions.id = $1 AND revoked_at IS NULL AND expires_at > $2
                AND NOT disabled",
        )
        .bind(id.to_string())
        .bind(clock::now().0)
        .fetch_optional(self.readers())
        .await?;
        Ok(row.is_some())
    }
}

/// What let somebody in; it must still be so when the session is written.
enum Proof {
    /// The hash that the password matched.
    Password(String),
    Subject(String),
}

struct Open {
    session: PersonSession,
    proof: Proof,
    hash: String,
    now: UnixMillis,
}

impl Command for Open {
    /// False: meanwhile the password or the subject was changed or the person disabled.
    type Output = bool;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<bool, StoreError> {
        let login = &self.session.person.login;
        sqlx::query("DELETE FROM person_sessions WHERE expires_at < $1")
            .bind(self.now.0)
            .execute(&mut *db)
            .await?;
        let (hash, subject) = match &self.proof {
            Proof::Password(stored) => (Some(stored), None),
            Proof::Subject(subject) => (None, Some(subject)),
        };
        let inserted = sqlx::query(
            "INSERT INTO person_sessions (id, login, secret_hash, created_at, expires_at)
             SELECT $1, login, $3, $4, $5 FROM people
             WHERE login = $2 AND NOT disabled AND (password_hash = $6 OR subject = $7)",
        )
        .bind(self.session.id.to_string())
        .bind(login)
        .bind(&self.hash)
        .bind(self.now.0)
        .bind(self.session.expires_at.0)
        .bind(hash)
        .bind(subject)
        .execute(&mut *db)
        .await?;
        if inserted.rows_affected() == 0 {
            return Ok(false);
        }
        audit::insert(db, self.now, login, "session.open", login).await?;
        Ok(true)
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
        let close =
            "UPDATE person_sessions SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1";
        sqlx::query(close).bind(self.id.to_string()).bind(self.now.0).execute(db).await?;
        Ok(())
    }
}
