//! Writes of a call's life.

use super::{CallEnd, CallRoute, Direction, NewCall, SERVER_RESTARTED};
use crate::error::StoreError;
use crate::legs::{self, LegRef, LegRole};
use crate::recordings::{self, RecordingEnd};
use crate::rows::{flag, parsed, signed};
use crate::writer::Command;
use crate::{clock, missed, outbox, rows, tickets};
use qingting_common::{CallId, TicketId, UnixMillis};
use sqlx::AnyConnection;

pub(super) struct BeginCall {
    pub(super) call: NewCall,
    pub(super) ticket: TicketId,
    pub(super) server: Option<String>,
}

impl Command for BeginCall {
    type Output = TicketId;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<TicketId, StoreError> {
        let call = &self.call;
        let inserted = sqlx::query(
            "INSERT INTO calls (id, direction, caller, called, number_name, enterprise,
                started_at, server)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING",
        )
        .bind(call.id.to_string())
        .bind(call.direction.as_str())
        .bind(call.caller.expose())
        .bind(&call.called)
        .bind(&call.number_name)
        .bind(call.enterprise)
        .bind(call.started_at.0)
        .bind(&self.server)
        .execute(&mut *db)
        .await?;
        if inserted.rows_affected() == 0 {
            return Err(StoreError::Exists { what: "call", id: call.id.to_string() });
        }
        if let Some(dialog) = &call.dialog {
            let leg = legs::LegBegin {
                leg: LegRef { call: call.id, slot: 0, seq: 0 },
                role: LegRole::Citizen,
                target: call.caller.clone(),
                name: None,
                sip_call_id: Some(dialog.sip_call_id.clone()),
                remote: Some(dialog.remote.clone()),
                at: call.started_at,
            };
            legs::insert(db, &leg).await?;
        }
        sqlx::query("INSERT INTO open_captions (call_id) VALUES ($1)")
            .bind(call.id.to_string())
            .execute(&mut *db)
            .await?;
        let began = serde_json::json!({
            "call": call.id, "direction": call.direction.as_str(),
            "number_name": call.number_name, "enterprise": call.enterprise,
        });
        outbox::note(db, "call.began", &call.id.to_string(), &began, call.started_at).await?;
        let caller = call.caller.expose();
        tickets::create(db, self.ticket, call.id, caller, call.started_at).await?;
        Ok(self.ticket)
    }
}

pub(super) struct RouteCall {
    pub(super) id: CallId,
    pub(super) route: CallRoute,
}

impl Command for RouteCall {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        let updated = sqlx::query(
            "UPDATE calls SET queue = coalesce($2, queue),
                queue_wait_ms = coalesce($3, queue_wait_ms),
                enterprise = coalesce($4, enterprise) WHERE id = $1",
        )
        .bind(self.id.to_string())
        .bind(&self.route.queue)
        .bind(self.route.queue_wait_ms.map(signed))
        .bind(self.route.enterprise)
        .execute(&mut *db)
        .await?;
        found(updated.rows_affected(), self.id)?;
        let Some(queue) = &self.route.queue else { return Ok(()) };
        // What is written twice is told once more at most while the call runs, and never behind its end.
        if has_ended(&mut *db, self.id).await? {
            return Ok(());
        }
        let queued = serde_json::json!({ "call": self.id, "queue": queue });
        outbox::note(db, "call.queued", &self.id.to_string(), &queued, clock::now()).await
    }
}

pub(super) struct AnswerCall {
    pub(super) id: CallId,
    pub(super) at: UnixMillis,
    pub(super) recording: Option<String>,
}

impl Command for AnswerCall {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        let updated = sqlx::query(
            "UPDATE calls SET answered_at = $2
                 WHERE id = $1 AND answered_at IS NULL AND ended_at IS NULL",
        )
        .bind(self.id.to_string())
        .bind(self.at.0)
        .execute(&mut *db)
        .await?;
        match updated.rows_affected() {
            // Written once more behind the end, which may have taken the answer back.
            0 if has_ended(&mut *db, self.id).await? => return Ok(()),
            0 => {}
            _ => {
                let answered = serde_json::json!({ "call": self.id, "answered_at": self.at });
                outbox::note(db, "call.answered", &self.id.to_string(), &answered, self.at).await?;
            }
        }
        sqlx::query(
            "UPDATE legs SET answered_at = coalesce(answered_at, $2)
             WHERE call_id = $1 AND slot = 0 AND seq = 0 AND role = 'citizen'",
        )
        .bind(self.id.to_string())
        .bind(self.at.0)
        .execute(&mut *db)
        .await?;
        match &self.recording {
            Some(file) => recordings::begin(db, recordings::mix(self.id), file).await,
            None => Ok(()),
        }
    }
}

pub(super) struct EndCall(pub(super) CallEnd);

impl Command for EndCall {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        let end = &self.0;
        let quality =
            end.quality.as_ref().map(|quality| rows::to_json(quality, "quality")).transpose()?;
        let updated = sqlx::query(
            "UPDATE calls SET ended_at = $2, hung_up_by = $3, cause = $4, sip_code = $5,
                quality = $6, answered_at = CASE WHEN $7 THEN answered_at END, missed = $8
             WHERE id = $1 AND ended_at IS NULL",
        )
        .bind(end.id.to_string())
        .bind(end.ended_at.0)
        .bind(&end.hung_up_by)
        .bind(&end.cause)
        .bind(end.sip_code.map(i64::from))
        .bind(quality)
        .bind(end.answered)
        .bind(end.missed.as_ref().map(|missed| &missed.why))
        .execute(&mut *db)
        .await?;
        if updated.rows_affected() == 0 {
            return exists(db, end.id).await;
        }
        if !end.answered {
            sqlx::query("UPDATE legs SET answered_at = NULL WHERE call_id = $1 AND slot = 0")
                .bind(end.id.to_string())
                .execute(&mut *db)
                .await?;
        }
        let mix = recordings::mix(end.id);
        match &end.recording {
            RecordingEnd::Made(info) => recordings::put(db, mix, info).await?,
            RecordingEnd::Nothing => recordings::forget(db, mix).await?,
            RecordingEnd::Unknown => {}
        }
        if let Some(missed) = &end.missed {
            missed::put(db, end.id, missed, end.ended_at).await?;
        }
        finish(db, end.id, end.ended_at, &end.hung_up_by, &end.cause).await
    }
}

pub(super) struct CloseOrphans {
    pub(super) now: UnixMillis,
    pub(super) server: Option<String>,
}

impl Command for CloseOrphans {
    type Output = Vec<CallId>;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<Vec<CallId>, StoreError> {
        let open = sqlx::query(
            "UPDATE calls SET hung_up_by = 'system', cause = $2,
                ended_at = CASE WHEN $1 > started_at THEN $1 ELSE started_at END,
                missed = CASE WHEN direction = $3 AND seat IS NULL
                    AND EXISTS (SELECT 1 FROM seats) THEN $2 ELSE missed END
             WHERE ended_at IS NULL AND ($4 IS NULL OR server IS NULL OR server = $4)
             RETURNING id, missed IS NOT NULL AS missed",
        )
        .bind(self.now.0)
        .bind(SERVER_RESTARTED)
        .bind(Direction::Inbound.as_str())
        .bind(&self.server)
        .fetch_all(&mut *db)
        .await?;
        let mut ids = Vec::with_capacity(open.len());
        for row in &open {
            let id = parsed(row, "id")?;
            if flag(row, "missed")? {
                let missed = missed::MissedEnd { why: SERVER_RESTARTED.into(), wanted: false };
                missed::put(db, id, &missed, self.now).await?;
            }
            finish(db, id, self.now, "system", SERVER_RESTARTED).await?;
            ids.push(id);
        }
        Ok(ids)
    }
}

/// Ends the call's legs and recordings and announces the end.
async fn finish(
    db: &mut AnyConnection,
    id: CallId,
    at: UnixMillis,
    by: &str,
    cause: &str,
) -> Result<(), StoreError> {
    legs::end_all(db, id, at, by, cause).await?;
    recordings::end_all(db, id, at).await?;
    let payload = serde_json::json!({ "call": id, "ended_at": at, "cause": cause });
    let (key, stream) = (format!("{id}:ended"), id.to_string());
    outbox::put(db, &key, "call.ended", &stream, &payload, clock::now()).await
}

/// Whether a call that is there is over.
async fn has_ended(db: &mut AnyConnection, id: CallId) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT ended_at FROM calls WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(db)
        .await?
        .ok_or_else(|| StoreError::NotFound { what: "call", id: id.to_string() })?;
    Ok(rows::maybe_at(&row, "ended_at")?.is_some())
}

pub(crate) async fn exists(db: &mut AnyConnection, id: CallId) -> Result<(), StoreError> {
    let row = sqlx::query("SELECT 1 FROM calls WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(db)
        .await?;
    found(u64::from(row.is_some()), id)
}

pub(crate) fn found(rows: u64, id: CallId) -> Result<(), StoreError> {
    if rows == 0 {
        return Err(StoreError::NotFound { what: "call", id: id.to_string() });
    }
    Ok(())
}
