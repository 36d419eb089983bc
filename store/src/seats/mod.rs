//! Seats (座席): who has a telephone here, with what skills, and how it signs in.
//!
//! **A seat's password is stored nowhere.** SIP digest needs hashes that are as good as the password
//! to who steals them (RFC 7616 §5.13), so they leave the store for the SIP directory alone; the page
//! login has an Argon2id hash of its own.

mod breaks;
pub(crate) mod check;
mod sessions;
mod totp;
mod write;

pub use sessions::{LogIn, NewSession, SESSION_MS_MAX, SESSION_PREFIX, SeatSession};
pub use totp::{TOTP_LOCKED_MS, TOTP_WRONG_MAX};

use crate::error::StoreError;
use crate::once::Once;
use crate::rows::{at, flag, named};
use crate::{OwnPassword, Store, clock, keys, rows};
use md5::Md5;
use qingting_common::{Pii, UnixMillis};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::any::AnyRow;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What a seat may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeatRole {
    /// Takes calls.
    Seat,
    /// Leads seats: sees and commands every call.
    Supervisor,
}

impl SeatRole {
    /// Every role.
    pub const ALL: [Self; 2] = [Self::Seat, Self::Supervisor];

    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seat => "seat",
            Self::Supervisor => "supervisor",
        }
    }
}

/// Skills by name, each with a level: 1 is best, 9 is last resort.
pub type Skills = BTreeMap<String, u8>;

/// A seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatInfo {
    /// Its telephone number in the house: digits.
    pub extension: String,
    /// Who sits there.
    pub name: String,
    /// What it may do.
    pub role: SeatRole,
    /// What it can do.
    pub skills: Skills,
    /// Whether it may neither register nor log in.
    pub disabled: bool,
    /// Whether it logs in with a code as well.
    pub has_totp: bool,
    /// Until when no code counts, because too many were wrong; 0 where that never was.
    pub totp_locked_until: UnixMillis,
    /// Counts its changes, from 1.
    pub revision: i64,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it last changed.
    pub updated_at: UnixMillis,
}

/// A seat to make.
#[derive(Clone, Debug)]
pub struct NewSeat {
    /// 2 to 8 digits.
    pub extension: String,
    /// 1 to 50 characters.
    pub name: String,
    /// What it may do.
    pub role: SeatRole,
    /// What it can do.
    pub skills: Skills,
    /// The realm of the SIP server, which its telephone's password is hashed with.
    pub realm: String,
    /// 8 to 128 characters, for telephone and page.
    pub password: Pii<String>,
}

/// Changes of a seat; none leaves what is stored.
#[derive(Clone, Debug, Default)]
pub struct SeatChange {
    /// 1 to 50 characters.
    pub name: Option<String>,
    /// What it may do.
    pub role: Option<SeatRole>,
    /// What it can do.
    pub skills: Option<Skills>,
    /// Whether it may neither register nor log in.
    pub disabled: Option<bool>,
    /// A new password and the realm to hash it with. Ends the seat's sessions.
    pub password: Option<(Pii<String>, String)>,
}

/// What the SIP server checks a telephone with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatCredential {
    /// The seat.
    pub seat: SeatInfo,
    /// The realm that the hashes are for: telephones of another realm cannot register until their
    /// password is set again.
    pub realm: String,
    /// `MD5(extension:realm:password)` in hex (RFC 2617 §3.2.2.2).
    pub ha1_md5: Pii<String>,
    /// The same with SHA-256 (RFC 8760 §2.4).
    pub ha1_sha256: Pii<String>,
}

/// Why a seat was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum SeatError {
    /// No such seat.
    #[error("there is no such seat")]
    NotFound,
    /// The extension is taken.
    #[error("another seat has this extension")]
    Exists,
    /// Somebody else has changed it meanwhile.
    #[error("the seat was changed meanwhile: it is at revision {current}")]
    Changed {
        /// Its revision.
        current: i64,
    },
    /// A value that cannot be.
    #[error("{field}: {problem}")]
    Invalid {
        /// `extension`, `name`, `skills` or `password`.
        field: &'static str,
        /// What would be right.
        problem: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for SeatError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// Makes a seat, and notes in the audit that `by` did.
    pub async fn create_seat(&self, seat: NewSeat, by: &str) -> Result<SeatInfo, SeatError> {
        self.create_seat_once(seat, by, None).await
    }

    /// The same for a request that counts once.
    pub async fn create_seat_once(
        &self,
        seat: NewSeat,
        by: &str,
        once: Option<Once<SeatInfo>>,
    ) -> Result<SeatInfo, SeatError> {
        check::extension(&seat.extension)?;
        check::name(&seat.name)?;
        check::skills(&seat.skills)?;
        check::password(seat.password.expose())?;
        let secrets = Secrets::of(&seat.extension, &seat.realm, &seat.password).await?;
        let now = clock::now();
        let info = SeatInfo {
            extension: seat.extension,
            name: seat.name,
            role: seat.role,
            skills: seat.skills,
            disabled: false,
            has_totp: false,
            totp_locked_until: UnixMillis(0),
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        self.write_once(write::Create { info, secrets, by: by.to_owned() }, once).await
    }

    /// Changes a seat that is at `revision`, whichever that is without one, and notes in the audit that `by`
    /// did. A new password, a role and `disabled` end its sessions.
    pub async fn change_seat(
        &self,
        extension: &str,
        revision: Option<i64>,
        change: SeatChange,
        by: &str,
    ) -> Result<SeatInfo, SeatError> {
        change.name.as_deref().map_or(Ok(()), check::name)?;
        change.skills.as_ref().map_or(Ok(()), check::skills)?;
        let secrets = match &change.password {
            None => None,
            Some((password, realm)) => {
                check::password(password.expose())?;
                Some(Secrets::of(extension, realm, password).await?)
            }
        };
        let (extension, by, now) = (extension.to_owned(), by.to_owned(), clock::now());
        let command = write::Change { extension, revision, change, secrets, by, now };
        let seat = self.write(command).await?;
        self.inner.credentials.send_modify(|changes| *changes += 1);
        Ok(seat)
    }

    /// Gives a seat another password, where `current` is the one that it has, and ends all its sessions but the one
    /// that asks.
    pub async fn change_own_seat_password(
        &self,
        extension: &str,
        session: Uuid,
        realm: &str,
        current: &Pii<String>,
        new: &Pii<String>,
    ) -> Result<OwnPassword, SeatError> {
        check::password(new.expose())?;
        let stored = "SELECT password_hash FROM seats WHERE extension = $1 AND NOT disabled";
        let stored: Option<String> =
            sqlx::query_scalar(stored).bind(extension).fetch_optional(self.readers()).await?;
        let hash = stored.as_deref().unwrap_or(keys::NOBODYS_HASH);
        if !self.inner.passwords.matches(current.expose(), hash).await? {
            return Ok(OwnPassword::Wrong);
        }
        let Some(stored) = stored else { return Ok(OwnPassword::Wrong) };
        if current.expose() == new.expose() {
            return Ok(OwnPassword::Same);
        }
        let secrets = Secrets::of(extension, realm, new).await?;
        let (extension, now) = (extension.to_owned(), clock::now());
        let command = write::OwnPassword { extension, stored, secrets, session, now };
        let changed = self.write(command).await?;
        self.inner.credentials.send_modify(|changes| *changes += 1);
        Ok(if changed { OwnPassword::Changed } else { OwnPassword::Wrong })
    }

    /// Removes a seat that is at `revision`, whichever that is without one, with its sessions, and notes in the
    /// audit that `by` did. Its calls keep its extension.
    pub async fn delete_seat(
        &self,
        extension: &str,
        revision: Option<i64>,
        by: &str,
    ) -> Result<(), SeatError> {
        let (extension, by, now) = (extension.to_owned(), by.to_owned(), clock::now());
        self.write(write::Delete { extension, revision, by, now }).await?;
        self.inner.credentials.send_modify(|changes| *changes += 1);
        Ok(())
    }

    /// One seat.
    pub async fn seat(&self, extension: &str) -> Result<Option<SeatInfo>, StoreError> {
        sqlx::query("SELECT * FROM seats WHERE extension = $1")
            .bind(extension)
            .fetch_optional(self.readers())
            .await?
            .as_ref()
            .map(read)
            .transpose()
    }

    /// Every seat by its extension.
    pub async fn seats(&self) -> Result<Vec<SeatInfo>, StoreError> {
        sqlx::query("SELECT * FROM seats ORDER BY extension")
            .fetch_all(self.readers())
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// What the SIP directory knows: every seat that may register.
    pub async fn seat_credentials(&self) -> Result<Vec<SeatCredential>, StoreError> {
        sqlx::query("SELECT * FROM seats WHERE NOT disabled ORDER BY extension")
            .fetch_all(self.readers())
            .await?
            .iter()
            .map(|row| {
                Ok(SeatCredential {
                    seat: read(row)?,
                    realm: row.try_get("realm")?,
                    ha1_md5: rows::pii(row, "ha1_md5")?,
                    ha1_sha256: rows::pii(row, "ha1_sha256")?,
                })
            })
            .collect()
    }
}

fn read(row: &AnyRow) -> Result<SeatInfo, StoreError> {
    Ok(SeatInfo {
        extension: row.try_get("extension")?,
        name: row.try_get("name")?,
        role: named(row, "role", SeatRole::ALL, SeatRole::as_str)?,
        skills: rows::json(row.try_get("skills")?, "seats.skills")?,
        disabled: flag(row, "disabled")?,
        has_totp: row.try_get::<Option<String>, _>("totp_secret")?.is_some(),
        totp_locked_until: at(row, "totp_locked_until")?,
        revision: row.try_get("revision")?,
        created_at: at(row, "created_at")?,
        updated_at: at(row, "updated_at")?,
    })
}

/// What is kept of a password.
struct Secrets {
    realm: String,
    ha1_md5: Pii<String>,
    ha1_sha256: Pii<String>,
    password_hash: Pii<String>,
}

impl Secrets {
    async fn of(extension: &str, realm: &str, password: &Pii<String>) -> Result<Self, StoreError> {
        let a1 = format!("{extension}:{realm}:{}", password.expose());
        Ok(Self {
            realm: realm.to_owned(),
            ha1_md5: Pii::new(hex::encode(Md5::digest(a1.as_bytes()))),
            ha1_sha256: Pii::new(hex::encode(Sha256::digest(a1.as_bytes()))),
            password_hash: Pii::new(keys::hash_password(password.expose()).await?),
        })
    }
}
