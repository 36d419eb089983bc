//! Who called before: for the seat that knows the matter, and for those who call again and again.

use crate::error::StoreError;
use crate::rows::{at, maybe_flag, parsed};
use crate::{Store, citizens, clock};
use qingting_common::{CallId, UnixMillis};
use sqlx::Row;

/// How long a citizen goes back to the seat that talked last.
pub const LAST_SEAT_MS_MAX: i64 = 30 * 86_400_000;

/// Most calls that [`Store::recent_calls_of`] lists.
pub const RECENT_CALLS_MAX: u32 = 100;

/// What callers show who show no number, and what is left of those who were erased: nobody is the same as them.
const ANONYMOUS: [&str; 3] = ["", "anonymous", citizens::ERASED];

/// Whether the caller showed no number.
pub(crate) fn is_anonymous(caller: &str) -> bool {
    ANONYMOUS.contains(&caller)
}

/// A citizen's earlier call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentCall {
    /// The call.
    pub id: CallId,
    /// When it began.
    pub started_at: UnixMillis,
    /// The first seat that talked; none where none was reached.
    pub seat: Option<String>,
    /// The queue that it waited in.
    pub queue: Option<String>,
    /// Why nobody was reached.
    pub missed: Option<String>,
}

impl Store {
    /// The extension that last talked to this citizen, within [`LAST_SEAT_MS_MAX`], if it still
    /// works here.
    pub async fn last_seat_of(&self, caller: &str) -> Result<Option<String>, StoreError> {
        if is_anonymous(caller) {
            return Ok(None);
        }
        let row = sqlx::query(
            "SELECT seat, (SELECT disabled FROM seats WHERE extension = seat) AS disabled FROM calls
             WHERE caller = $1 AND started_at >= $2 AND seat IS NOT NULL
             ORDER BY started_at DESC LIMIT 1",
        )
        .bind(caller)
        .bind(clock::now().0.saturating_sub(LAST_SEAT_MS_MAX))
        .fetch_optional(self.readers())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let works = maybe_flag(&row, "disabled")? == Some(false);
        Ok(if works { row.try_get("seat")? } else { None })
    }

    /// Calls of this citizen since a time, newest first, at most [`RECENT_CALLS_MAX`].
    pub async fn recent_calls_of(
        &self,
        caller: &str,
        since: UnixMillis,
    ) -> Result<Vec<RecentCall>, StoreError> {
        if is_anonymous(caller) {
            return Ok(Vec::new());
        }
        sqlx::query(RECENT)
            .bind(caller)
            .bind(since.0)
            .bind(i64::from(RECENT_CALLS_MAX))
            .fetch_all(self.readers())
            .await?
            .iter()
            .map(|row| {
                Ok(RecentCall {
                    id: parsed(row, "id")?,
                    started_at: at(row, "started_at")?,
                    seat: row.try_get("seat")?,
                    queue: row.try_get("queue")?,
                    missed: row.try_get("missed")?,
                })
            })
            .collect()
    }
}

const RECENT: &str = "SELECT id, started_at, seat, queue, missed FROM calls
     WHERE caller = $1 AND started_at >= $2 ORDER BY started_at DESC LIMIT $3";
