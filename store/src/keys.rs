//! API keys and the administrator's password.
//!
//! A key's secret is 256 random bits, so nobody can guess it from its hash however fast the hash
//! is: SHA-256 is right, and cheap enough for every request. The password is chosen by people, so
//! it is stored as Argon2id.

use crate::error::StoreError;
use crate::rows::{at, maybe_at, parsed, unreadable};
use crate::tickets::MACHINE;
use crate::writer::Command;
use crate::{Store, audit, clock};
use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use qingting_common::UnixMillis;
use rand::RngCore;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

/// What every secret starts with, so that scanners for leaked keys find it.
pub const SECRET_PREFIX: &str = "qt_";
/// Authors of revisions that are no keys; seats sign with their extensions, which are digits.
pub(crate) const RESERVED_NAMES: [&str; 2] = [ADMIN, MACHINE];
const SECRET_BYTES: usize = 32;
const SALT_BYTES: usize = 16;

/// Who signs what the administrator does with the password.
pub const ADMIN: &str = "admin";

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, keys included.
    Admin,
    /// Read, edit, confirm, hang up: a machine's.
    Operator,
    /// Read.
    Reader,
    /// Metrics alone: no personal data.
    Metrics,
    /// A seat (座席): the calls in which it takes part. No key has it: seats log in.
    Seat,
    /// Leads seats: every call. Keys may have it, too.
    Supervisor,
    /// The log of changes alone: ids and states, no personal data.
    Feed,
    /// Handles a unit's tickets (承办单位经办人). No key has it: people log in.
    Expert,
    /// Reads who did what (审计员). No key has it, either.
    Auditor,
    /// Runs campaigns and reviews what came of them (回访专员): their calls and no others. No key has it: people log
    /// in, among whom it is called `operator`.
    Interviewer,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 10] = [
        Self::Admin,
        Self::Operator,
        Self::Reader,
        Self::Metrics,
        Self::Seat,
        Self::Supervisor,
        Self::Feed,
        Self::Expert,
        Self::Auditor,
        Self::Interviewer,
    ];

    /// Roles of people who log in without a telephone.
    pub const OF_PEOPLE: [Self; 4] = [Self::Admin, Self::Interviewer, Self::Expert, Self::Auditor];

    /// Roles that a key may have.
    pub const OF_KEYS: [Self; 6] =
        [Self::Admin, Self::Operator, Self::Reader, Self::Metrics, Self::Supervisor, Self::Feed];

    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Reader => "reader",
            Self::Metrics => "metrics",
            Self::Seat => "seat",
            Self::Supervisor => "supervisor",
            Self::Feed => "feed",
            Self::Expert => "expert",
            Self::Auditor => "auditor",
            Self::Interviewer => "interviewer",
        }
    }

    /// The name where people are told of, in the database and the API: a person that is called `operator` has never
    /// been a machine.
    pub const fn of_person_str(self) -> &'static str {
        match self {
            Self::Interviewer => "operator",
            role => role.as_str(),
        }
    }
}

/// Of a key: no key is a seat's.
impl FromStr for Role {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        Self::OF_KEYS
            .into_iter()
            .find(|role| role.as_str() == name)
            .ok_or_else(|| "not one of admin, operator, reader, metrics, supervisor, feed".into())
    }
}

/// A key without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its id.
    pub id: Uuid,
    /// What its owner calls it; revisions and the audit carry it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it was revoked.
    pub revoked_at: Option<UnixMillis>,
}

/// A key at its making, the only moment at which its secret is known.
pub struct NewKey {
    /// The key.
    pub info: KeyInfo,
    /// `qt_` and 64 hexadecimal digits. Show it once.
    pub secret: String,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey").field("info", &self.info).finish_non_exhaustive()
    }
}

/// What came of a wish for another password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnPassword {
    /// It counts from now on.
    Changed,
    /// The current one is another.
    Wrong,
    /// It is the current one.
    Same,
}

/// What somebody proved, so that a long stream can ask whether it still stands.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A key's secret.
    Key(Uuid),
    /// The administrator's password, as the hash that it matched.
    Password(Arc<str>),
    /// A seat's session.
    Session(Uuid),
    /// A person's session.
    PersonSession(Uuid),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => f.debug_tuple("Key").field(id).finish(),
            Self::Password(_) => f.write_str("Password"),
            Self::Session(id) => f.debug_tuple("Session").field(id).finish(),
            Self::PersonSession(id) => f.debug_tuple("PersonSession").field(id).finish(),
        }
    }
}

/// A hash that no password has, and that costs as much to check as any other.
pub(crate) const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Guards the costly password check: one at a time, so that a flood of wrong passwords cannot take
/// every core, and none for the password that was right a moment ago.
pub(crate) struct PasswordCheck {
    one: Semaphore,
    right: Mutex<Option<Right>>,
}

/// A password's digest and the stored hash that it matched. Another process may store a new hash at
/// any time: what was right for the old one says nothing of the new one.
struct Right {
    digest: [u8; 32],
    stored: Arc<str>,
}

impl PasswordCheck {
    pub(crate) fn new() -> Self {
        Self { one: Semaphore::new(1), right: Mutex::new(None) }
    }

    /// Whether a password has that hash; one check at a time.
    pub(crate) async fn matches(&self, password: &str, stored: &str) -> Result<bool, StoreError> {
        let Ok(_turn) = self.one.acquire().await else { return Err(StoreError::Closed) };
        let (password, hash) = (password.to_owned(), stored.to_owned());
        blocking(move || {
            let hash = PasswordHash::new(&hash).map_err(|e| unreadable("password hash", e))?;
            Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        })
        .await
    }

    fn remembers(&self, digest: [u8; 32], stored: &str) -> bool {
        self.lock().as_ref().is_some_and(|right| right.digest == digest && *right.stored == *stored)
    }

    fn remember(&self, digest: [u8; 32], stored: Arc<str>) {
        *self.lock() = Some(Right { digest, stored });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Right>> {
        self.right.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Store {
    /// Makes a key, and notes in the audit that `by` did. Revisions and the audit carry the name,
    /// so no two keys ever have the same, whatever its case, and none is called like the product's
    /// own authors or like a seat's extension.
    pub async fn create_key(&self, name: &str, role: Role, by: &str) -> Result<NewKey, StoreError> {
        let is_extension = name.bytes().all(|byte| byte.is_ascii_digit());
        if is_extension || RESERVED_NAMES.iter().any(|taken| taken.eq_ignore_ascii_case(name)) {
            return Err(StoreError::Reserved { what: "key", id: name.to_owned() });
        }
        let secret = new_secret(SECRET_PREFIX);
        let info = KeyInfo {
            id: Uuid::now_v7(),
            name: name.to_owned(),
            role,
            created_at: clock::now(),
            revoked_at: None,
        };
        let (hash, by) = (hash(&secret), by.to_owned());
        self.write(CreateKey { info: info.clone(), hash, by }).await?;
        Ok(NewKey { info, secret })
    }

    /// The key of that secret, unless it is unknown or revoked.
    pub async fn verify_key(&self, secret: &str) -> Result<Option<KeyInfo>, StoreError> {
        if !secret.starts_with(SECRET_PREFIX) {
            return Ok(None);
        }
        sqlx::query("SELECT * FROM api_keys WHERE secret_hash = $1 AND revoked_at IS NULL")
            .bind(hash(secret))
            .fetch_optional(self.readers())
            .await?
            .as_ref()
            .map(read)
            .transpose()
    }

    /// Every key, oldest first, revoked ones included.
    pub async fn keys(&self) -> Result<Vec<KeyInfo>, StoreError> {
        sqlx::query("SELECT * FROM api_keys ORDER BY id")
            .fetch_all(self.readers())
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Revokes a key, and notes in the audit that `by` did; revoking it again changes nothing else.
    pub async fn revoke_key(&self, id: Uuid, by: &str) -> Result<(), StoreError> {
        self.write(RevokeKey { id, at: clock::now(), by: by.to_owned() }).await?;
        self.inner.credentials.send_modify(|changes| *changes += 1);
        Ok(())
    }

    /// Sets the administrator's password; the old one stops working at once.
    pub async fn set_admin_password(&self, password: &str) -> Result<(), StoreError> {
        let hash = hash_password(password).await?;
        self.write(SetPassword { hash, at: clock::now() }).await?;
        self.inner.credentials.send_modify(|changes| *changes += 1);
        Ok(())
    }

    /// Whether a password was ever set.
    pub async fn has_admin_password(&self) -> Result<bool, StoreError> {
        Ok(self.password_hash().await?.is_some())
    }

    /// What the password proves, if it is the administrator's.
    pub async fn verify_admin(&self, password: &str) -> Result<Option<Credential>, StoreError> {
        let checks = &self.inner.passwords;
        let digest: [u8; 32] = Sha256::digest(password.as_bytes()).into();
        let Some(stored) = self.password_hash().await? else { return Ok(None) };
        if checks.remembers(digest, &stored) {
            return Ok(Some(Credential::Password(stored)));
        }
        if !checks.matches(password, &stored).await? {
            return Ok(None);
        }
        checks.remember(digest, stored.clone());
        Ok(Some(Credential::Password(stored)))
    }

    /// Whether what was once proved still opens anything: the key is not revoked, the password is
    /// the same.
    pub async fn stands(&self, credential: &Credential) -> Result<bool, StoreError> {
        match credential {
            Credential::Key(id) => {
                let row =
                    sqlx::query("SELECT 1 FROM api_keys WHERE id = $1 AND revoked_at IS NULL")
                        .bind(id.to_string())
                        .fetch_optional(self.readers())
                        .await?;
                Ok(row.is_some())
            }
            Credential::Session(id) => self.session_stands(*id).await,
            Credential::PersonSession(id) => self.person_session_stands(*id).await,
            Credential::Password(hash) => Ok(self.password_hash().await?.as_ref() == Some(hash)),
        }
    }

    /// Another server has changed some.
    pub fn credentials_changed(&self) {
        self.inner.credentials.send_modify(|changes| *changes += 1);
    }

    /// Changes when this process revoked a key or set the password: time to ask
    /// [`Store::stands`]. Other processes' acts do not show here.
    pub fn credentials(&self) -> watch::Receiver<u64> {
        self.inner.credentials.subscribe()
    }

    async fn password_hash(&self) -> Result<Option<Arc<str>>, StoreError> {
        let row =
            sqlx::query("SELECT hash FROM admin_password").fetch_optional(self.readers()).await?;
        Ok(row.map(|row| row.try_get::<String, _>("hash")).transpose()?.map(Arc::from))
    }
}

/// 256 random bits in hex behind a prefix, by which scanners find what leaked.
pub(crate) fn new_secret(prefix: &str) -> String {
    let mut bytes = [0u8; SECRET_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    format!("{prefix}{}", hex::encode(bytes))
}

/// The Argon2id hash of a password.
pub(crate) async fn hash_password(password: &str) -> Result<String, StoreError> {
    let mut salt = [0u8; SALT_BYTES];
    rand::rng().fill_bytes(&mut salt);
    let password = password.to_owned();
    blocking(move || {
        let salt = SaltString::encode_b64(&salt).map_err(|e| unreadable("salt", e))?;
        Argon2::default()
            .hash_password(password.as_bytes(), &salt)
            .map(|hash| hash.to_string())
            .map_err(|e| unreadable("password", e))
    })
    .await
}

/// Argon2 takes tens of milliseconds: never on a thread that serves others.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(StoreError::Closed))
}

pub(crate) fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

fn read(row: &AnyRow) -> Result<KeyInfo, StoreError> {
    Ok(KeyInfo {
        id: parsed(row, "id")?,
        name: row.try_get("name")?,
        role: parsed(row, "role")?,
        created_at: at(row, "created_at")?,
        revoked_at: maybe_at(row, "revoked_at")?,
    })
}

struct CreateKey {
    info: KeyInfo,
    hash: String,
    by: String,
}

impl Command for CreateKey {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        let KeyInfo { id, name, created_at, .. } = &self.info;
        let person = sqlx::query("SELECT 1 FROM people WHERE login = $1")
            .bind(name.to_lowercase())
            .fetch_optional(&mut *db)
            .await?;
        if person.is_some() {
            return Err(StoreError::Exists { what: "key", id: name.clone() });
        }
        let inserted = sqlx::query(
            "INSERT INTO api_keys (id, name, role, secret_hash, created_at)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        )
        .bind(id.to_string())
        .bind(name)
        .bind(self.info.role.as_str())
        .bind(&self.hash)
        .bind(created_at.0)
        .execute(&mut *db)
        .await?;
        if inserted.rows_affected() == 0 {
            return Err(StoreError::Exists { what: "key", id: name.clone() });
        }
        audit::insert(db, *created_at, &self.by, "key.create", &id.to_string()).await
    }
}

struct RevokeKey {
    id: Uuid,
    at: UnixMillis,
    by: String,
}

impl Command for RevokeKey {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        let updated =
            sqlx::query("UPDATE api_keys SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1")
                .bind(self.id.to_string())
                .bind(self.at.0)
                .execute(&mut *db)
                .await?;
        if updated.rows_affected() == 0 {
            return Err(StoreError::NotFound { what: "key", id: self.id.to_string() });
        }
        audit::insert(db, self.at, &self.by, "key.revoke", &self.id.to_string()).await
    }
}

struct SetPassword {
    hash: String,
    at: UnixMillis,
}

impl Command for SetPassword {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO admin_password (only_row, hash, set_at) VALUES (1, $1, $2)
             ON CONFLICT (only_row) DO UPDATE SET hash = excluded.hash, set_at = excluded.set_at",
        )
        .bind(&self.hash)
        .bind(self.at.0)
        .execute(db)
        .await?;
        Ok(())
    }
}
