//! A second factor at the page's log-in: codes of six digits that change every 30 s (RFC 6238, SHA-1, as every
//! authenticator has it). **A code counts once**; one step before and after is taken for clocks that differ.
//!
//! The secret must be readable to be checked: who steals the database has it, as it has the telephone's hashes.

use super::SeatError;
use crate::error::StoreError;
use crate::writer::Command;
use crate::{Store, audit, clock};
use qingting_common::{Pii, UnixMillis};
use rand::RngCore;
use sqlx::{AnyConnection, Row};
use totp_rs::{Builder, Secret, Totp};

/// Steps before and after the present one whose codes count.
const SKEW_STEPS: u16 = 1;
const SECRET_BYTES: usize = 20;
/// Wrong codes in a row after which none counts for [`TOTP_LOCKED_MS`]: of a million, three count at a time.
pub const TOTP_WRONG_MAX: i64 = 10;
/// How long that is, in milliseconds.
pub const TOTP_LOCKED_MS: i64 = 15 * 60_000;

impl Store {
    /// Offers a seat a secret, in Base32 (RFC 4648), and notes in the audit that `by` did. It counts once a code of it
    /// was shown ([`Store::confirm_totp`]); until then what was before does.
    pub async fn offer_totp(&self, extension: &str, by: &str) -> Result<Pii<String>, SeatError> {
        let mut bytes = [0u8; SECRET_BYTES];
        rand::rng().fill_bytes(&mut bytes);
        let secret = Secret::new_stack(bytes).to_base32();
        let (extension, by, now) = (extension.to_owned(), by.to_owned(), clock::now());
        self.write(Offer { extension, secret: secret.clone(), by, now }).await?;
        Ok(Pii::new(secret))
    }

    /// Has the offered secret count from now on, if the code is of it; false when it is not. Ends the seat's sessions.
    pub async fn confirm_totp(
        &self,
        extension: &str,
        code: &str,
        by: &str,
    ) -> Result<bool, SeatError> {
        let now = clock::now();
        let (extension, code, by) = (extension.to_owned(), code.to_owned(), by.to_owned());
        let confirmed = self.write(Confirm { extension, code, by, now }).await?;
        self.inner.credentials.send_modify(|changes| *changes += 1);
        Ok(confirmed)
    }

    /// Lets a seat's codes count again, however many were wrong, and notes in the audit that `by` did.
    pub async fn unlock_totp(&self, extension: &str, by: &str) -> Result<(), SeatError> {
        let (extension, by, now) = (extension.to_owned(), by.to_owned(), clock::now());
        self.write(Unlock { extension, by, now }).await
    }

    /// Takes the second factor away; a seat that has none is left as it is.
    pub async fn remove_totp(&self, extension: &str, by: &str) -> Result<(), SeatError> {
        let (extension, by, now) = (extension.to_owned(), by.to_owned(), clock::now());
        self.write(Remove { extension, by, now }).await
    }
}

/// Counts a wrong code; the last one that may be locks, and the audit says so. Until when no code counts, where it does.
pub(super) async fn wrong(
    db: &mut AnyConnection,
    extension: &str,
    wrong_before: i64,
    now: UnixMillis,
) -> Result<Option<UnixMillis>, StoreError> {
    let locks = wrong_before + 1 >= TOTP_WRONG_MAX;
    let until = UnixMillis(if locks { now.0.saturating_add(TOTP_LOCKED_MS) } else { 0 });
    sqlx::query("UPDATE seats SET totp_wrong = $2, totp_locked_until = $3 WHERE extension = $1")
        .bind(extension)
        .bind(if locks { 0 } else { wrong_before + 1 })
        .bind(until.0)
        .execute(&mut *db)
        .await?;
    if locks {
        audit::insert(db, now, extension, "seat.totp_lock", extension).await?;
    }
    Ok(locks.then_some(until))
}

/// The step of that code, if it is of the secret and later than the last that counted.
pub(super) fn step(
    secret: &str,
    code: &str,
    last: i64,
    now: UnixMillis,
) -> Result<Option<i64>, StoreError> {
    let step = totp(secret)?.check(code, u64::try_from(now.0).unwrap_or_default() / 1_000);
    Ok(step.and_then(|step| i64::try_from(step).ok()).filter(|step| *step > last))
}

fn totp(secret: &str) -> Result<Totp, StoreError> {
    let broken = |cause: String| StoreError::Unreadable { what: "seats.totp_secret", cause };
    let secret = Secret::try_from_base32(secret).map_err(|error| broken(error.to_string()))?;
    let builder = Builder::new().with_secret(secret).with_skew(SKEW_STEPS);
    builder.build().map_err(|error| broken(error.to_string()))
}

struct Offer {
    extension: String,
    secret: String,
    by: String,
    now: UnixMillis,
}

impl Command for Offer {
    type Output = ();
    type Error = SeatError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), SeatError> {
        let offered = sqlx::query("UPDATE seats SET totp_offered = $2 WHERE extension = $1")
            .bind(&self.extension)
            .bind(&self.secret)
            .execute(&mut *db)
            .await?;
        if offered.rows_affected() == 0 {
            return Err(SeatError::NotFound);
        }
        audit::insert(db, self.now, &self.by, "seat.totp_offer", &self.extension).await?;
        Ok(())
    }
}

struct Confirm {
    extension: String,
    code: String,
    by: String,
    now: UnixMillis,
}

impl Command for Confirm {
    type Output = bool;
    type Error = SeatError;

    async fn run(&self, db: &mut AnyConnection) -> Result<bool, SeatError> {
        let row = sqlx::query("SELECT totp_offered FROM seats WHERE extension = $1")
            .bind(&self.extension)
            .fetch_optional(&mut *db)
            .await?
            .ok_or(SeatError::NotFound)?;
        let offered: Option<String> = row.try_get("totp_offered")?;
        let Some(offered) = offered else { return Ok(false) };
        let Some(step) = step(&offered, &self.code, 0, self.now)? else { return Ok(false) };
        sqlx::query(
            "UPDATE seats SET totp_secret = totp_offered, totp_offered = NULL, totp_step = $2,
                totp_wrong = 0, totp_locked_until = 0 WHERE extension = $1",
        )
        .bind(&self.extension)
        .bind(step)
        .execute(&mut *db)
        .await?;
        sqlx::query(
            "UPDATE seat_sessions SET revoked_at = coalesce(revoked_at, $2) WHERE extension = $1",
        )
        .bind(&self.extension)
        .bind(self.now.0)
        .execute(&mut *db)
        .await?;
        audit::insert(db, self.now, &self.by, "seat.totp_confirm", &self.extension).await?;
        Ok(true)
    }
}

struct Unlock {
    extension: String,
    by: String,
    now: UnixMillis,
}

impl Command for Unlock {
    type Output = ();
    type Error = SeatError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), SeatError> {
        let unlocked = sqlx::query(
            "UPDATE seats SET totp_wrong = 0, totp_locked_until = 0 WHERE extension = $1",
        )
        .bind(&self.extension)
        .execute(&mut *db)
        .await?;
        if unlocked.rows_affected() == 0 {
            return Err(SeatError::NotFound);
        }
        audit::insert(db, self.now, &self.by, "seat.totp_unlock", &self.extension).await?;
        Ok(())
    }
}

struct Remove {
    extension: String,
    by: String,
    now: UnixMillis,
}

impl Command for Remove {
    type Output = ();
    type Error = SeatError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), SeatError> {
        let removed = sqlx::query(
            "UPDATE seats SET totp_secret = NULL, totp_offered = NULL, totp_wrong = 0,
                totp_locked_until = 0 WHERE extension = $1",
        )
        .bind(&self.extension)
        .execute(&mut *db)
        .await?;
        if removed.rows_affected() == 0 {
            return Err(SeatError::NotFound);
        }
        audit::insert(db, self.now, &self.by, "seat.totp_remove", &self.extension).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_6238_and_count_once() {
        // Appendix B: the key is the ASCII text 12345678901234567890; the last six of eight digits.
        let secret = Secret::new_stack(*b"12345678901234567890").to_base32();
        let at = |seconds: i64| UnixMillis(seconds * 1_000);
        let step =
            |code: &str, last: i64, seconds: i64| step(&secret, code, last, at(seconds)).unwrap();
        assert_eq!(step("287082", 0, 59), Some(1));
        assert_eq!(step("081804", 0, 1_111_111_109), Some(37_037_036));
        assert_eq!(step("081804", 0, 1_111_111_139), Some(37_037_036), "a step later");
        assert_eq!(step("081804", 0, 1_111_111_169), None, "two steps later");
        assert_eq!(step("081804", 37_037_036, 1_111_111_109), None, "it counted before");
        for nonsense in ["", "081805", "81804", "0081804", "08180a", "零八一八零四"] {
            assert_eq!(step(nonsense, 0, 1_111_111_109), None, "{nonsense}");
        }
    }
}
