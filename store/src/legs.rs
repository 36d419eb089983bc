//! Legs: everyone who was connected in a call, from the first ringing to the end.

use crate::calls::MediaQuality;
use crate::error::StoreError;
use crate::recordings::{self, RecordingInfo, RecordingKey, RecordingKind};
use crate::rows::{at, maybe_at, named, pii};
use crate::writer::Command;
use crate::{Store, missed, rows};
use qingting_common::{CallId, Pii, UnixMillis};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LegRef {
    /// The call.
    pub call: CallId,
    /// Its place in the call; 0 is the citizen's.
    pub slot: u8,
    /// Counts the uses of the slot from 0.
    pub seq: u32,
}

/// A leg that begins.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
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
}

impl Store {
    /// Notes a new leg, before it rings. The same slot and use again is refused.
    pub async fn leg_began(&self, leg: LegBegin) -> Result<(), StoreError> {
        self.write(Began(leg)).await
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
        self.write(Answered { leg, at, track }).await
    }

    /// Ends a leg. One that has ended already stays as it is.
    pub async fn leg_ended(&self, end: LegEnd) -> Result<(), StoreError> {
        self.write(Ended(end)).await
    }

    /// The legs of a call by their start; empty for an unknown call.
    pub async fn legs(&self, call: CallId) -> Result<Vec<LegRow>, StoreError> {
        sqlx::query("SELECT * FROM legs WHERE call_id = ?1 ORDER BY started_at, slot, seq")
            .bind(call.to_string())
            .fetch_all(self.readers())
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// Whether the seat or supervisor of that extension had a leg in the call that began at `since`
    /// or later.
    pub async fn took_part(
        &self,
        extension: &str,
        call: CallId,
        since: UnixMillis,
    ) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT 1 FROM legs WHERE call_id = ?1 AND target = ?2 AND started_at >= ?3
                AND role IN ('seat', 'seat_second_line', 'supervisor') LIMIT 1",
        )
        .bind(call.to_string())
        .bind(extension)
        .bind(since.0)
        .fetch_optional(self.readers())
        .await?;
        Ok(row.is_some())
    }
}

fn read(row: &SqliteRow) -> Result<LegRow, StoreError> {
    let quality: Option<String> = row.try_get("quality")?;
    Ok(LegRow {
        slot: row.try_get("slot")?,
        seq: row.try_get("seq")?,
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
        sip_code: row.try_get("sip_code")?,
        quality: quality.map(|text| rows::json(&text, "legs.quality")).transpose()?,
    })
}

struct Began(LegBegin);

impl Command for Began {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        insert(db, &self.0).await
    }
}

/// Writes a leg; its call must exist.
pub(crate) async fn insert(db: &mut SqliteConnection, leg: &LegBegin) -> Result<(), StoreError> {
    let LegRef { call, slot, seq } = leg.leg;
    let inserted = sqlx::query(
        "INSERT INTO legs
            (call_id, slot, seq, role, target, name, sip_call_id, remote, started_at)
         SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM calls WHERE id = ?1
         ON CONFLICT (call_id, slot, seq) DO NOTHING",
    )
    .bind(call.to_string())
    .bind(slot)
    .bind(seq)
    .bind(leg.role.as_str())
    .bind(leg.target.expose())
    .bind(leg.name.as_ref().map(Pii::expose))
    .bind(&leg.sip_call_id)
    .bind(&leg.remote)
    .bind(leg.at.0)
    .execute(&mut *db)
    .await?;
    if inserted.rows_affected() > 0 {
        return Ok(());
    }
    match exists(db, leg.leg).await? {
        true => Err(StoreError::Exists { what: "leg", id: shown(leg.leg) }),
        false => Err(StoreError::NotFound { what: "call", id: call.to_string() }),
    }
}

struct Answered {
    leg: LegRef,
    at: UnixMillis,
    track: Option<String>,
}

impl Command for Answered {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        let LegRef { call, slot, seq } = self.leg;
        let row = sqlx::query(
            "UPDATE legs SET answered_at = coalesce(answered_at, ?4)
             WHERE call_id = ?1 AND slot = ?2 AND seq = ?3 RETURNING role",
        )
        .bind(call.to_string())
        .bind(slot)
        .bind(seq)
        .bind(self.at.0)
        .fetch_optional(&mut *db)
        .await?
        .ok_or_else(|| StoreError::NotFound { what: "leg", id: shown(self.leg) })?;
        if named(&row, "role", LegRole::ALL, LegRole::as_str)? == LegRole::Seat {
            sqlx::query(
                "UPDATE calls SET seat = coalesce(seat, (SELECT target FROM legs
                    WHERE call_id = ?1 AND slot = ?2 AND seq = ?3)) WHERE id = ?1",
            )
            .bind(call.to_string())
            .bind(slot)
            .bind(seq)
            .execute(&mut *db)
            .await?;
            missed::called_again(db, call).await?;
        }
        match &self.track {
            Some(file) => recordings::begin(db, track(self.leg), file).await,
            None => Ok(()),
        }
    }
}

struct Ended(LegEnd);

impl Command for Ended {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        let end = &self.0;
        let LegRef { call, slot, seq } = end.leg;
        let quality = end.quality.as_ref().map(|quality| rows::to_json(quality, "legs.quality"));
        let updated = sqlx::query(
            "UPDATE legs SET ended_at = ?4, hung_up_by = ?5, cause = ?6, sip_code = ?7, quality = ?8
             WHERE call_id = ?1 AND slot = ?2 AND seq = ?3 AND ended_at IS NULL",
        )
        .bind(call.to_string())
        .bind(slot)
        .bind(seq)
        .bind(end.at.0)
        .bind(&end.hung_up_by)
        .bind(&end.cause)
        .bind(end.sip_code)
        .bind(quality.transpose()?)
        .execute(&mut *db)
        .await?;
        if updated.rows_affected() == 0 && !exists(db, end.leg).await? {
            return Err(StoreError::NotFound { what: "leg", id: shown(end.leg) });
        }
        match &end.track {
            // The file is finished after the call as often as before: it is noted either way.
            Some(info) => recordings::put(db, track(end.leg), info).await,
            None => Ok(()),
        }
    }
}

/// Ends what is still open of a call that is over.
pub(crate) async fn end_all(
    db: &mut SqliteConnection,
    call: CallId,
    at: UnixMillis,
    by: &str,
    cause: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE legs SET ended_at = max(?2, started_at), hung_up_by = coalesce(hung_up_by, ?3),
            cause = coalesce(cause, ?4) WHERE call_id = ?1 AND ended_at IS NULL",
    )
    .bind(call.to_string())
    .bind(at.0)
    .bind(by)
    .bind(cause)
    .execute(db)
    .await?;
    Ok(())
}

async fn exists(db: &mut SqliteConnection, leg: LegRef) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM legs WHERE call_id = ?1 AND slot = ?2 AND seq = ?3")
        .bind(leg.call.to_string())
        .bind(leg.slot)
        .bind(leg.seq)
        .fetch_optional(db)
        .await?;
    Ok(row.is_some())
}

const fn track(leg: LegRef) -> RecordingKey {
    RecordingKey { call: leg.call, kind: RecordingKind::Track, slot: leg.slot, seq: leg.seq }
}

fn shown(leg: LegRef) -> String {
    format!("{}/{}.{}", leg.call, leg.slot, leg.seq)
}
