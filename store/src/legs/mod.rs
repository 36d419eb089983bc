//! Legs: everyone who was connected in a call, from the first ringing to the end.

mod write;

pub(crate) use write::{end_all, insert};

use crate::calls::MediaQuality;
use crate::error::StoreError;
use crate::recordings::RecordingInfo;
use crate::rows::{at, maybe_at, maybe_number, named, number, pii};
use crate::{Store, rows};
use qingting_common::{CallId, Pii, UnixMillis};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;

/// What somebody is in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegRole {
    /// The citizen.
    Citizen,
    /// A seat (座席).
    Seat,
    /// A seat that another one asked or handed the call to.
    SeatSecondLine,
    /// A department's expert.
    Expert,
    /// 110, 119, 120 or 122.
    Emergency,
    /// A supervisor who listens, whispers or barges in.
    Supervisor,
    /// Anybody else.
    Other,
}

impl LegRole {
    /// Every role.
    pub const ALL: [Self; 7] = [
        Self::Citizen,
        Self::Seat,
        Self::SeatSecondLine,
        Self::Expert,
        Self::Emergency,
        Self::Supervisor,
        Self::Other,
    ];

    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Citizen => "citizen",
            Self::Seat => "seat",
            Self::SeatSecondLine => "seat_second_line",
            Self::Expert => "expert",
            Self::Emergency => "emergency",
            Self::Supervisor => "supervisor",
            Self::Other => "other",
        }
    }
}

/// Which leg: a slot of a call, and how often that slot was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LegRef {
    /// The call.
    pub call: CallId,
    /// Its place in the call; 0 is the citizen's.
    pub slot: u8,
    /// Counts the uses of the slot from 0.
    pub seq: u32,
}

/// A leg that begins.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LegBegin {
    /// Which.
    pub leg: LegRef,
    /// What it is in the call.
    pub role: LegRole,
    /// A telephone number; of a seat or a supervisor, the extension.
    pub target: Pii<String>,
    /// A name, e.g. of an expert.
    pub name: Option<Pii<String>>,
    /// `Call-ID` of its dialog (RFC 3261 §20.8).
    pub sip_call_id: Option<String>,
    /// Transport address of the peer, where it is known.
    pub remote: Option<String>,
    /// When.
    pub at: UnixMillis,
}

/// A leg that is over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LegEnd {
    /// Which.
    pub leg: LegRef,
    /// When.
    pub at: UnixMillis,
    /// Who ended it: `peer`, `seat`, `system`, `network`, or as of calls.
    pub hung_up_by: String,
    /// Why, by name.
    pub cause: String,
    /// Final SIP response code where it failed.
    pub sip_code: Option<u16>,
    /// What its media path measured.
    pub quality: Option<MediaQuality>,
    /// Its own track, where one was recorded.
    pub track: Option<RecordingInfo>,
}

/// A leg as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct LegRow {
    /// Its place in the call.
    pub slot: u8,
    /// Which use of the slot.
    pub seq: u32,
    /// What it is in the call.
    pub role: LegRole,
    /// A number or an extension.
    pub target: Pii<String>,
    /// A name.
    pub name: Option<Pii<String>>,
    /// `Call-ID` of its dialog.
    pub sip_call_id: Option<String>,
    /// Transport address of the peer.
    pub remote: Option<String>,
    /// When it began to ring.
    pub started_at: UnixMillis,
    /// When it was answered.
    pub answered_at: Option<UnixMillis>,
    /// When it ended.
    pub ended_at: Option<UnixMillis>,
    /// Who ended it.
    pub hung_up_by: Option<String>,
    /// Why.
    pub cause: Option<String>,
    /// Final SIP response code.
    pub sip_code: Option<u16>,
    /// What its media path measured.
    pub quality: Option<MediaQuality>,
    /// Where its first sample, and that of its track, lies in the call's time, in milliseconds.
    pub shift_ms: Option<i64>,
}

impl Store {
    /// Notes a new leg, before it rings. The same slot and use again is refused.
    pub async fn leg_began(&self, leg: LegBegin) -> Result<(), StoreError> {
        self.write(write::Began(leg)).await
    }

    /// Notes that a leg was answered, and the file of its track, so that it is found even when the
    /// server dies during the call. The first seat that answers is the call's seat from now on, and
    /// what this citizen missed before counts as called again.
    pub async fn leg_answered(
        &self,
        leg: LegRef,
        at: UnixMillis,
        track: Option<String>,
    ) -> Result<(), StoreError> {
        self.write(write::Answered { leg, at, track }).await
    }

    /// Notes where the leg's first sample lies in the call's time.
    pub async fn leg_is_heard(&self, leg: LegRef, shift_ms: i64) -> Result<(), StoreError> {
        self.write(write::Heard { leg, shift_ms }).await
    }

    /// Ends a leg. One that has ended already stays as it is.
    pub async fn leg_ended(&self, end: LegEnd) -> Result<(), StoreError> {
        self.write(write::Ended(end)).await
    }

    /// The legs of a call by their start; empty for an unknown call.
    pub async fn legs(&self, call: CallId) -> Result<Vec<LegRow>, StoreError> {
        sqlx::query("SELECT * FROM legs WHERE call_id = $1 ORDER BY started_at, slot, seq")
            .bind(call.to_string())
            .fetch_all(self.readers())
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Whether the seat or supervisor of that extension talked in the call, or began it, in a leg of
    /// `since` or later. **Whose telephone only rang took no part.**
    pub async fn took_part(
        &self,
        extension: &str,
        call: CallId,
        since: UnixMillis,
    ) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT 1 FROM legs WHERE call_id = $1 AND target = $2 AND started_at >= $3
                AND role IN ('seat', 'seat_second_line', 'supervisor')
                AND (answered_at IS NOT NULL OR slot = 0) LIMIT 1",
        )
        .bind(call.to_string())
        .bind(extension)
        .bind(since.0)
        .fetch_optional(self.readers())
        .await?;
        Ok(row.is_some())
    }
}

fn read(row: &AnyRow) -> Result<LegRow, StoreError> {
    let quality: Option<String> = row.try_get("quality")?;
    Ok(LegRow {
        slot: number(row, "slot")?,
        seq: number(row, "seq")?,
        role: named(row, "role", LegRole::ALL, LegRole::as_str)?,
        target: pii(row, "target")?,
        name: row.try_get::<Option<String>, _>("name")?.map(Pii::new),
        sip_call_id: row.try_get("sip_call_id")?,
        remote: row.try_get("remote")?,
        started_at: at(row, "started_at")?,
        answered_at: maybe_at(row, "answered_at")?,
        ended_at: maybe_at(row, "ended_at")?,
        hung_up_by: row.try_get("hung_up_by")?,
        cause: row.try_get("cause")?,
        sip_code: maybe_number(row, "sip_code")?,
        quality: quality.map(|text| rows::json(&text, "legs.quality")).transpose()?,
        shift_ms: row.try_get("shift_ms")?,
    })
}
