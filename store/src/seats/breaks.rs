//! Seats that want no calls: a server that starts again must not ring them.

use crate::Store;
use crate::error::StoreError;
use crate::writer::Command;
use sqlx::{AnyConnection, Row};

impl Store {
    /// A seat takes a break for this reason, or ends it.
    pub async fn seat_rests(
        &self,
        extension: &str,
        reason: Option<&str>,
    ) -> Result<(), StoreError> {
        let (extension, reason) = (extension.to_owned(), reason.map(str::to_owned));
        self.write(Rest { extension, reason }).await
    }

    /// Seats that have a break, each with its reason.
    pub async fn resting_seats(&self) -> Result<Vec<(String, String)>, StoreError> {
        let rows = sqlx::query(
            "SELECT extension, break_reason FROM seats
             WHERE break_reason IS NOT NULL AND NOT disabled ORDER BY extension",
        )
        .fetch_all(self.readers())
        .await?;
        rows.iter()
            .map(|row| Ok((row.try_get("extension")?, row.try_get("break_reason")?)))
            .collect()
    }
}

struct Rest {
    extension: String,
    reason: Option<String>,
}

impl Command for Rest {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        sqlx::query("UPDATE seats SET break_reason = $2 WHERE extension = $1")
            .bind(&self.extension)
            .bind(&self.reason)
            .execute(db)
            .await?;
        Ok(())
    }
}
