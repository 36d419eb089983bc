//! Numbers that no campaign calls.

use crate::error::StoreError;
use crate::rows::{at, pii};
use crate::writer::Command;
use crate::{PAGE_ROWS_MAX, Store, audit};
use qingting_common::{Pii, UnixMillis};
use serde::{Deserialize, Serialize};
use sqlx::{AnyConnection, Row};

/// Why a number is not called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalWhy {
    /// The citizen said so in a callback.
    Asked,
    /// A person put it on the list.
    Listed,
}

/// A number that is not called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The number.
    pub number: Pii<String>,
    /// Why.
    pub why: RefusalWhy,
    /// Who put it there.
    pub by: String,
    /// When.
    pub at: UnixMillis,
}

impl Store {
    /// The list, newest first; at most [`PAGE_ROWS_MAX`] rows after `offset`.
    pub async fn refusals(&self, offset: u32) -> Result<Vec<Refusal>, StoreError> {
        let rows =
            sqlx::query("SELECT * FROM do_not_call ORDER BY at DESC, number LIMIT $1 OFFSET $2")
                .bind(i64::from(PAGE_ROWS_MAX))
                .bind(i64::from(offset))
                .fetch_all(self.readers())
                .await?;
        rows.iter()
            .map(|row| {
                let why: &str = row.try_get("why")?;
                Ok(Refusal {
                    number: pii(row, "number")?,
                    why: if why == "asked" { RefusalWhy::Asked } else { RefusalWhy::Listed },
                    by: row.try_get("by")?,
                    at: at(row, "at")?,
                })
            })
            .collect()
    }

    /// Puts numbers on the list. Who waits to be called ends as refused when his turn comes.
    pub async fn refuse_numbers(
        &self,
        numbers: Vec<Pii<String>>,
        by: &str,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        self.write(Refuse { numbers, by: by.to_owned(), at: now }).await
    }

    /// Takes a number off the list; whether it was there.
    pub async fn unrefuse_number(
        &self,
        number: Pii<String>,
        by: &str,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        self.write(Unrefuse { number, by: by.to_owned(), at: now }).await
    }
}

pub(super) async fn put(
    db: &mut AnyConnection,
    number: &str,
    why: &str,
    by: &str,
    now: UnixMillis,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO do_not_call (number, why, by, at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (number) DO NOTHING",
    )
    .bind(number)
    .bind(why)
    .bind(by)
    .bind(now.0)
    .execute(db)
    .await?;
    Ok(())
}

struct Refuse {
    numbers: Vec<Pii<String>>,
    by: String,
    at: UnixMillis,
}

impl Command for Refuse {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        for number in &self.numbers {
            put(db, number.expose(), "listed", &self.by, self.at).await?;
        }
        let what = format!("{} numbers", self.numbers.len());
        audit::insert(db, self.at, &self.by, "do_not_call.add", &what).await
    }
}

struct Unrefuse {
    number: Pii<String>,
    by: String,
    at: UnixMillis,
}

impl Command for Unrefuse {
    type Output = bool;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<bool, StoreError> {
        let gone = sqlx::query("DELETE FROM do_not_call WHERE number = $1")
            .bind(self.number.expose())
            .execute(&mut *db)
            .await?;
        audit::insert(db, self.at, &self.by, "do_not_call.remove", "1 number").await?;
        Ok(gone.rows_affected() > 0)
    }
}
