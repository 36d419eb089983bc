//! What happened in a call, in order: its timeline.

use crate::error::StoreError;
use crate::rows::at;
use crate::writer::Command;
use crate::{Store, calls, rows};
use qingting_common::{CallId, Pii, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{AnyConnection, Row};

/// Longest detail of one event as JSON, in bytes; a longer one is left out, the event stays.
pub const EVENT_DETAIL_BYTES_MAX: usize = 4_096;

/// One line of a call's timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallEvent {
    /// When.
    pub at: UnixMillis,
    /// What: `menu`, `queued`, `offered`, `seat_answered`, `hold`, `resume`, `mute`, `transfer`,
    /// `consult`, `joined`, `three_party`, `supervise_listen`, `supervise_whisper`,
    /// `supervise_barge`, `supervise_end`, `recording_paused`, `recording_resumed`, `emergency` and
    /// whatever the driver adds.
    pub kind: String,
    /// More: may name numbers and people.
    pub detail: Pii<Value>,
}

impl Store {
    /// Adds a line to a call's timeline; the same line of the same time again is not added.
    pub async fn call_event(&self, call: CallId, event: CallEvent) -> Result<(), StoreError> {
        self.write(Add { call, event }).await
    }

    /// The timeline of a call, oldest first; empty for an unknown call.
    pub async fn call_events(&self, call: CallId) -> Result<Vec<CallEvent>, StoreError> {
        sqlx::query("SELECT at, kind, detail FROM call_events WHERE call_id = $1 ORDER BY id")
            .bind(call.to_string())
            .fetch_all(self.readers())
            .await?
            .iter()
            .map(|row| {
                let detail = rows::json(row.try_get("detail")?, "call_events.detail")?;
                let kind = row.try_get("kind")?;
                Ok(CallEvent { at: at(row, "at")?, kind, detail: Pii::new(detail) })
            })
            .collect()
    }
}

struct Add {
    call: CallId,
    event: CallEvent,
}

impl Command for Add {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        let detail = self.event.detail.expose().to_string();
        let inserted = sqlx::query(
            "INSERT INTO call_events (call_id, at, kind, detail)
             SELECT id, $2, $3, $4 FROM calls WHERE id = $1
                AND NOT EXISTS (SELECT 1 FROM call_events
                    WHERE call_id = $1 AND at = $2 AND kind = $3 AND detail = $4)",
        )
        .bind(self.call.to_string())
        .bind(self.event.at.0)
        .bind(&self.event.kind)
        .bind(if detail.len() > EVENT_DETAIL_BYTES_MAX { "null" } else { detail.as_str() })
        .execute(&mut *db)
        .await?;
        match inserted.rows_affected() {
            0 => calls::exists(db, self.call).await,
            _ => Ok(()),
        }
    }
}
