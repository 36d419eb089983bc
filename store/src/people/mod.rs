//! People (人员) who sign in to the page without a telephone of ours: experts of units (承办单位经办人), operators of
//! campaigns, auditors (审计员), administrators.
//!
//! Whoever has a telephone is a seat ([`crate::seats`]). **A login is never digits, so that nobody is taken for an
//! extension, and no key has the same name**: revisions and the audit carry both.

mod sessions;
mod write;

pub use sessions::{NewPersonSession, PersonSession};

use crate::error::StoreError;
use crate::keys::{RESERVED_NAMES, Role};
use crate::once::Once;
use crate::rows::{at, flag, named};
use crate::seats::{SeatError, check};
use crate::{OwnPassword, Store, clock, keys};
use qingting_common::{Pii, UnixMillis};
use sqlx::Row;
use sqlx::any::AnyRow;
use std::ops::RangeInclusive;
use uuid::Uuid;

const LOGIN_CHARS: RangeInclusive<usize> = 2..=32;
/// As long as OpenID Connect lets a subject be (§2).
const SUBJECT_CHARS: RangeInclusive<usize> = 1..=255;
const UNIT_CHARS: RangeInclusive<usize> = 1..=crate::handling::UNIT_CHARS_MAX;

/// Somebody who signs in without a telephone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonInfo {
    /// A small letter, then small letters, digits, `.`, `_` and `-`.
    pub login: String,
    /// In words.
    pub name: String,
    /// One of [`Role::OF_PEOPLE`].
    pub role: Role,
    /// 承办单位, of an expert alone: whose tickets it handles.
    pub unit: Option<String>,
    /// Whether it has a password here.
    pub has_password: bool,
    /// What the city's OpenID provider calls the person.
    pub subject: Option<String>,
    /// Whether it may not log in.
    pub disabled: bool,
    /// Counts its changes, from 1.
    pub revision: i64,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it last changed.
    pub updated_at: UnixMillis,
}

/// Somebody to let in.
#[derive(Clone, Debug)]
pub struct NewPerson {
    /// 2 to 32 characters.
    pub login: String,
    /// 1 to 50 characters.
    pub name: String,
    /// One of [`Role::OF_PEOPLE`].
    pub role: Role,
    /// Of an expert, and of nobody else.
    pub unit: Option<String>,
    /// 8 to 128 characters.
    pub password: Option<Pii<String>>,
    /// One of the two is there, or both.
    pub subject: Option<String>,
}

/// Changes of a person; none leaves what is stored.
#[derive(Clone, Debug, Default)]
pub struct PersonChange {
    /// 1 to 50 characters.
    pub name: Option<String>,
    /// One of [`Role::OF_PEOPLE`].
    pub role: Option<Role>,
    /// Of an expert. Whoever becomes something else loses it.
    pub unit: Option<String>,
    /// A new password. Ends the person's sessions.
    pub password: Option<Pii<String>>,
    /// Another one; an empty text takes it away.
    pub subject: Option<String>,
    /// Whether it may not log in.
    pub disabled: Option<bool>,
}

/// Why a person was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum PersonError {
    /// Nobody has that login.
    #[error("there is no such person")]
    NotFound,
    /// The login is taken, by a person or by a key.
    #[error("another person or key has this name")]
    Exists,
    /// Another person has that subject.
    #[error("another person has this subject")]
    SubjectExists,
    /// Somebody else has changed it meanwhile.
    #[error("the person was changed meanwhile: it is at revision {current}")]
    Changed {
        /// Its revision.
        current: i64,
    },
    /// A value that cannot be.
    #[error("{field}: {problem}")]
    Invalid {
        /// `login`, `name`, `role`, `unit`, `password` or `subject`.
        field: &'static str,
        /// What would be right.
        problem: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for PersonError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<SeatError> for PersonError {
    fn from(error: SeatError) -> Self {
        match error {
            SeatError::NotFound => Self::NotFound,
            SeatError::Exists => Self::Exists,
            SeatError::Changed { current } => Self::Changed { current },
            SeatError::Invalid { field, problem } => Self::Invalid { field, problem },
            SeatError::Store(error) => Self::Store(error),
        }
    }
}

impl Store {
    /// Lets somebody in from now on, and notes in the audit that `by` did.
    pub async fn create_person(
        &self,
        person: NewPerson,
        by: &str,
        once: Option<Once<PersonInfo>>,
    ) -> Result<PersonInfo, PersonError> {
        login(&person.login)?;
        check::name(&person.name)?;
        role_and_unit(person.role, person.unit.as_deref())?;
        person.subject.as_deref().map_or(Ok(()), subject)?;
        if person.password.is_none() && person.subject.is_none() {
            return Err(invalid("password", "a person has a password, a subject, or both"));
        }
        let hash = hash(person.password.as_ref()).await?;
        let now = clock::now();
        let info = PersonInfo {
            login: person.login,
            name: person.name,
            role: person.role,
            unit: person.unit,
            has_password: hash.is_some(),
            subject: person.subject,
            disabled: false,
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        self.write_once(write::Create { info, hash, by: by.to_owned() }, once).await
    }

    /// Changes a person that is at `revision`, whichever that is without one, and notes in the audit that `by`
    /// did. A new password, role, unit or subject and `disabled` end its sessions.
    pub async fn change_person(
        &self,
        login: &str,
        revision: Option<i64>,
        change: PersonChange,
        by: &str,
    ) -> Result<PersonInfo, PersonError> {
        change.name.as_deref().map_or(Ok(()), check::name)?;
        if let Some(text) = change.subject.as_deref().filter(|text| !text.is_empty()) {
            subject(text)?;
        }
        let hash = hash(change.password.as_ref()).await?;
        let (login, by, now) = (login.to_owned(), by.to_owned(), clock::now());
        let changed = self.write(write::Change { login, revision, change, hash, by, now }).await?;
        self.inner.credentials.send_modify(|changes| *changes += 1);
        Ok(changed)
    }

    /// Gives a person another password, where `current` is the one that it has, and ends all its sessions but the one
    /// that asks.
    pub async fn change_own_password(
        &self,
        login: &str,
        session: Uuid,
        current: &Pii<String>,
        new: &Pii<String>,
    ) -> Result<OwnPassword, PersonError> {
        check::password(new.expose())?;
        let stored = "SELECT password_hash FROM people WHERE login = $1 AND NOT disabled";
        let stored = sqlx::query(stored).bind(login).fetch_optional(self.readers()).await?;
        let stored = stored.map(|row| row.try_get::<Option<String>, _>("password_hash"));
        let stored = stored.transpose()?.flatten();
        let hash = stored.as_deref().unwrap_or(keys::NOBODYS_HASH);
        if !self.inner.passwords.matches(current.expose(), hash).await? {
            return Ok(OwnPassword::Wrong);
        }
        let Some(stored) = stored else { return Ok(OwnPassword::Wrong) };
        if current.expose() == new.expose() {
            return Ok(OwnPassword::Same);
        }
        let hash = Pii::new(keys::hash_password(new.expose()).await?);
        let (login, now) = (login.to_owned(), clock::now());
        let changed = self.write(write::OwnPassword { login, stored, hash, session, now }).await?;
        self.inner.credentials.send_modify(|changes| *changes += 1);
        Ok(if changed { OwnPassword::Changed } else { OwnPassword::Wrong })
    }

    /// Removes a person that is at `revision`, whichever that is without one, with its sessions, and notes in the
    /// audit that `by` did. What it has done keeps its login.
    pub async fn delete_person(
        &self,
        login: &str,
        revision: Option<i64>,
        by: &str,
    ) -> Result<(), PersonError> {
        let (login, by, now) = (login.to_owned(), by.to_owned(), clock::now());
        self.write(write::Delete { login, revision, by, now }).await?;
        self.inner.credentials.send_modify(|changes| *changes += 1);
        Ok(())
    }

    /// One person.
    pub async fn person(&self, login: &str) -> Result<Option<PersonInfo>, StoreError> {
        sqlx::query("SELECT * FROM people WHERE login = $1")
            .bind(login)
            .fetch_optional(self.readers())
            .await?
            .as_ref()
            .map(read)
            .transpose()
    }

    /// Everybody, by login.
    pub async fn people(&self) -> Result<Vec<PersonInfo>, StoreError> {
        sqlx::query("SELECT * FROM people ORDER BY login")
            .fetch_all(self.readers())
            .await?
            .iter()
            .map(read)
            .collect()
    }
}

fn read(row: &AnyRow) -> Result<PersonInfo, StoreError> {
    Ok(PersonInfo {
        login: row.try_get("login")?,
        name: row.try_get("name")?,
        role: named(row, "role", Role::OF_PEOPLE, Role::of_person_str)?,
        unit: row.try_get("unit")?,
        has_password: row.try_get::<Option<String>, _>("password_hash")?.is_some(),
        subject: row.try_get("subject")?,
        disabled: flag(row, "disabled")?,
        revision: row.try_get("revision")?,
        created_at: at(row, "created_at")?,
        updated_at: at(row, "updated_at")?,
    })
}

async fn hash(password: Option<&Pii<String>>) -> Result<Option<Pii<String>>, PersonError> {
    let Some(password) = password else { return Ok(None) };
    check::password(password.expose())?;
    Ok(Some(Pii::new(keys::hash_password(password.expose()).await?)))
}

fn login(text: &str) -> Result<(), PersonError> {
    let may_follow =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if !begins || !text.bytes().all(may_follow) || !LOGIN_CHARS.contains(&text.len()) {
        let (least, most) = (LOGIN_CHARS.start(), LOGIN_CHARS.end());
        let rule = format!(
            "has {least} to {most} small letters, digits, '.', '_' and '-', a letter first"
        );
        return Err(PersonError::Invalid { field: "login", problem: rule });
    }
    if RESERVED_NAMES.contains(&text) {
        return Err(invalid("login", "that name is the product's own"));
    }
    Ok(())
}

/// An expert acts for a unit, and nobody else does.
fn role_and_unit(role: Role, unit: Option<&str>) -> Result<(), PersonError> {
    if !Role::OF_PEOPLE.contains(&role) {
        let names = Role::OF_PEOPLE.map(Role::of_person_str).join(", ");
        return Err(invalid("role", &format!("is one of {names}; a supervisor is a seat")));
    }
    match unit {
        None if role == Role::Expert => Err(invalid("unit", "an expert is of a unit")),
        Some(_) if role != Role::Expert => Err(invalid("unit", "an expert alone is of a unit")),
        Some(unit) if !is_text(unit, &UNIT_CHARS) => {
            Err(invalid("unit", &format!("has 1 to {} characters", UNIT_CHARS.end())))
        }
        _ => Ok(()),
    }
}

fn subject(text: &str) -> Result<(), PersonError> {
    if is_text(text, &SUBJECT_CHARS) {
        return Ok(());
    }
    Err(invalid("subject", &format!("has 1 to {} characters", SUBJECT_CHARS.end())))
}

fn is_text(text: &str, chars: &RangeInclusive<usize>) -> bool {
    let is_clean = text.trim() == text && !text.contains(char::is_control);
    is_clean && chars.contains(&text.chars().count())
}

fn invalid(field: &'static str, problem: &str) -> PersonError {
    PersonError::Invalid { field, problem: problem.to_owned() }
}
