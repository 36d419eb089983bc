//! Writes of a leg's life.

use super::{LegBegin, LegEnd, LegRef, LegRole};
use crate::error::StoreError;
use crate::recordings::{self, RecordingKey, RecordingKind};
use crate::rows::{maybe_at, named};
use crate::writer::Command;
use crate::{missed, outbox, rows};
use qingting_common::{CallId, Pii, UnixMillis};
use serde_json::json;
use sqlx::{AnyConnection, Row};

pub(super) struct Began(pub(super) LegBegin);

impl Command for Began {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        insert(db, &self.0).await
    }
}

/// Writes a leg; its call must exist.
pub(crate) async fn insert(db: &mut AnyConnection, leg: &LegBegin) -> Result<(), StoreError> {
    let LegRef { call, slot, seq } = leg.leg;
    let inserted = sqlx::query(
        "INSERT INTO legs
            (call_id, slot, seq, role, target, name, sip_call_id, remote, started_at)
         SELECT id, $2, $3, $4, $5, $6, $7, $8, $9 FROM calls WHERE id = $1
         ON CONFLICT (call_id, slot, seq) DO NOTHING",
    )
    .bind(call.to_string())
    .bind(i64::from(slot))
    .bind(i64::from(seq))
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

pub(super) struct Answered {
    pub(super) leg: LegRef,
    pub(super) at: UnixMillis,
    pub(super) track: Option<String>,
}

impl Command for Answered {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        let LegRef { call, slot, seq } = self.leg;
        let row = sqlx::query(
            "SELECT role, target, answered_at, ended_at FROM legs
             WHERE call_id = $1 AND slot = $2 AND seq = $3",
        )
        .bind(call.to_string())
        .bind(i64::from(slot))
        .bind(i64::from(seq))
        .fetch_optional(&mut *db)
        .await?
        .ok_or_else(|| StoreError::NotFound { what: "leg", id: shown(self.leg) })?;
        // Written once more: its end, which may have taken the answer back, or the answer is there.
        let is_known = maybe_at(&row, "answered_at")?.is_some();
        if is_known || maybe_at(&row, "ended_at")?.is_some() {
            return match &self.track {
                Some(file) => recordings::begin(db, track(self.leg), file).await,
                None => Ok(()),
            };
        }
        sqlx::query(
            "UPDATE legs SET answered_at = $4 WHERE call_id = $1 AND slot = $2 AND seq = $3",
        )
        .bind(call.to_string())
        .bind(i64::from(slot))
        .bind(i64::from(seq))
        .bind(self.at.0)
        .execute(&mut *db)
        .await?;
        let role = named(&row, "role", LegRole::ALL, LegRole::as_str)?;
        if role != LegRole::Citizen {
            // The number of an expert is nobody's business here.
            let seat: Option<&str> =
                (role == LegRole::Seat).then(|| row.try_get("target")).transpose()?;
            let joined = json!({
                "call": call, "slot": slot, "seq": seq, "role": role.as_str(), "seat": seat,
            });
            outbox::note(db, "call.joined", &call.to_string(), &joined, self.at).await?;
        }
        if role == LegRole::Seat {
            sqlx::query(
                "UPDATE calls SET seat = coalesce(seat, (SELECT target FROM legs
                    WHERE call_id = $1 AND slot = $2 AND seq = $3)) WHERE id = $1",
            )
            .bind(call.to_string())
            .bind(i64::from(slot))
            .bind(i64::from(seq))
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

pub(super) struct Heard {
    pub(super) leg: LegRef,
    pub(super) shift_ms: i64,
}

impl Command for Heard {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        let LegRef { call, slot, seq } = self.leg;
        let updated = sqlx::query(
            "UPDATE legs SET shift_ms = $4 WHERE call_id = $1 AND slot = $2 AND seq = $3",
        )
        .bind(call.to_string())
        .bind(i64::from(slot))
        .bind(i64::from(seq))
        .bind(self.shift_ms)
        .execute(db)
        .await?;
        match updated.rows_affected() {
            0 => Err(StoreError::NotFound { what: "leg", id: shown(self.leg) }),
            _ => Ok(()),
        }
    }
}

pub(super) struct Ended(pub(super) LegEnd);

impl Command for Ended {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        let end = &self.0;
        let LegRef { call, slot, seq } = end.leg;
        let quality = end.quality.as_ref().map(|quality| rows::to_json(quality, "legs.quality"));
        let row = sqlx::query(
            "UPDATE legs SET ended_at = $4, hung_up_by = $5, cause = $6, sip_code = $7, quality = $8
             WHERE call_id = $1 AND slot = $2 AND seq = $3 AND ended_at IS NULL RETURNING role",
        )
        .bind(call.to_string())
        .bind(i64::from(slot))
        .bind(i64::from(seq))
        .bind(end.at.0)
        .bind(&end.hung_up_by)
        .bind(&end.cause)
        .bind(end.sip_code.map(i64::from))
        .bind(quality.transpose()?)
        .fetch_optional(&mut *db)
        .await?;
        match row {
            None if !exists(db, end.leg).await? => {
                return Err(StoreError::NotFound { what: "leg", id: shown(end.leg) });
            }
            None => {}
            Some(row) => {
                let role = named(&row, "role", LegRole::ALL, LegRole::as_str)?;
                // The citizen's way is the call's own.
                if role != LegRole::Citizen {
                    let left = json!({
                        "call": call, "slot": slot, "seq": seq, "role": role.as_str(),
                        "cause": end.cause,
                    });
                    outbox::note(db, "call.left", &call.to_string(), &left, end.at).await?;
                }
            }
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
    db: &mut AnyConnection,
    call: CallId,
    at: UnixMillis,
    by: &str,
    cause: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE legs SET ended_at = CASE WHEN $2 > started_at THEN $2 ELSE started_at END,
            hung_up_by = coalesce(hung_up_by, $3),
            cause = coalesce(cause, $4) WHERE call_id = $1 AND ended_at IS NULL",
    )
    .bind(call.to_string())
    .bind(at.0)
    .bind(by)
    .bind(cause)
    .execute(db)
    .await?;
    Ok(())
}

async fn exists(db: &mut AnyConnection, leg: LegRef) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM legs WHERE call_id = $1 AND slot = $2 AND seq = $3")
        .bind(leg.call.to_string())
        .bind(i64::from(leg.slot))
        .bind(i64::from(leg.seq))
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
