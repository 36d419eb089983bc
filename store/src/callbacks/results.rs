//! What a follow-up came to, and the message that tells the ticket system.

use super::attempts::{self, schedule_second, unschedule_second};
use super::follow_ups::{self, FollowUp};
use super::{answers, campaigns};
use crate::error::StoreError;
use crate::sql::Sql;
use crate::{PAGE_ROWS_MAX, Store, china, handling, outbox};
use qingting_callbacks::attempt::Status;
use qingting_callbacks::result::{Round, Verdict};
use qingting_callbacks::script::AnswerName;
use qingting_common::{CampaignId, FollowUpId, UnixMillis};
use qingting_nlu::answers::Cause;
use serde_json::{Value, json};
use sqlx::{AnyConnection, Row};

/// A follow-up that has ended, with what it came to.
#[derive(Clone, Debug, PartialEq)]
pub struct FollowUpResult {
    /// The follow-up.
    pub follow_up: FollowUp,
    /// What it came to.
    pub verdict: Verdict,
}

impl Store {
    /// What every ended follow-up of a campaign came to, oldest first.
    pub async fn results(&self, of: CampaignId) -> Result<Vec<FollowUpResult>, StoreError> {
        // One transaction, so that all are of one moment.
        let mut db = self.readers().begin().await?;
        let mut results: Vec<FollowUpResult> = Vec::new();
        loop {
            let after = results.last().map(|result| result.follow_up.id);
            let page = page(&mut db, of, after, PAGE_ROWS_MAX).await?;
            let is_last = page.len() < PAGE_ROWS_MAX as usize;
            results.extend(page);
            if is_last {
                return Ok(results);
            }
        }
    }

    /// The same behind one of them, at most `limit` and [`PAGE_ROWS_MAX`].
    pub async fn results_after(
        &self,
        of: CampaignId,
        after: Option<FollowUpId>,
        limit: u32,
    ) -> Result<Vec<FollowUpResult>, StoreError> {
        let mut db = self.readers().begin().await?;
        page(&mut db, of, after, limit.min(PAGE_ROWS_MAX)).await
    }

    /// What a follow-up that has ended came to.
    pub async fn result(&self, of: FollowUpId) -> Result<Option<FollowUpResult>, StoreError> {
        let Some(follow_up) = self.follow_up(of).await? else { return Ok(None) };
        if follow_up.status.is_none() {
            return Ok(None);
        }
        let mut db = self.readers().acquire().await?;
        let verdict = verdict(&mut db, &follow_up).await?;
        Ok(Some(FollowUpResult { follow_up, verdict }))
    }
}

async fn page(
    db: &mut AnyConnection,
    of: CampaignId,
    after: Option<FollowUpId>,
    limit: u32,
) -> Result<Vec<FollowUpResult>, StoreError> {
    let mut sql = Sql::new("SELECT * FROM follow_ups WHERE status IS NOT NULL AND campaign_id = ");
    sql.push_bind(of.to_string());
    if let Some(after) = after {
        sql.push(" AND id > ").push_bind(after.to_string());
    }
    sql.push(" ORDER BY id LIMIT ").push_bind(i64::from(limit));
    let rows = sql.build().fetch_all(&mut *db).await?;
    let ended: Vec<FollowUp> = rows.iter().map(follow_ups::read).collect::<Result<_, _>>()?;
    let ids: Vec<FollowUpId> = ended.iter().map(|follow_up| follow_up.id).collect();
    let mut counted = answers::counted_of(db, &ids).await?;
    let result = |follow_up: FollowUp| {
        let counted = counted.remove(&follow_up.id).unwrap_or_default();
        let status = follow_up.status.unwrap_or(Status::Cancelled);
        let verdict = Verdict::of(status, follow_up.round, &counted);
        FollowUpResult { follow_up, verdict }
    };
    Ok(ended.into_iter().map(result).collect())
}

async fn verdict(db: &mut AnyConnection, follow_up: &FollowUp) -> Result<Verdict, StoreError> {
    let counted = answers::counted(db, follow_up.id).await?;
    let status = follow_up.status.unwrap_or(Status::Cancelled);
    Ok(Verdict::of(status, follow_up.round, &counted))
}

/// Ends a follow-up with a status and tells the ticket system, in the transaction of the caller.
pub(super) async fn finish(
    db: &mut AnyConnection,
    id: FollowUpId,
    status: Status,
    now: UnixMillis,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE follow_ups SET state = 'ended', status = $2, ended_at = $3 WHERE id = $1")
        .bind(id.to_string())
        .bind(status.as_str())
        .bind(now.0)
        .execute(&mut *db)
        .await?;
    tell(db, id, now).await
}

/// Writes the message with the result as it is now: a new revision under a key of its own.
pub(super) async fn tell(
    db: &mut AnyConnection,
    id: FollowUpId,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let revision: i64 = sqlx::query(
        "UPDATE follow_ups SET result_revision = result_revision + 1 WHERE id = $1
         RETURNING result_revision",
    )
    .bind(id.to_string())
    .fetch_one(&mut *db)
    .await?
    .try_get("result_revision")?;
    let follow_up = follow_ups::load(db, id).await?;
    let verdict = verdict(db, &follow_up).await?;
    match verdict.calls_again {
        true => {
            let campaign = campaigns::load(db, follow_up.campaign).await?;
            schedule_second(db, &follow_up, campaign.settings.redo_after_days, now).await?;
        }
        false if follow_up.round == Round::First => unschedule_second(db, id, now).await?,
        false => {}
    }
    let payload = payload(db, &follow_up, &verdict, revision).await?;
    let key = format!("follow-up:{id}:{revision}");
    // What comes to one ticket comes in order.
    let stream = format!("ticket:{}", follow_up.ticket);
    outbox::put(db, &key, "callback.result", &stream, &payload, now).await?;
    handling::hear(db, &follow_up, &verdict, now).await
}

async fn payload(
    db: &mut AnyConnection,
    follow_up: &FollowUp,
    verdict: &Verdict,
    revision: i64,
) -> Result<Value, StoreError> {
    let rows = sqlx::query("SELECT * FROM attempts WHERE follow_up_id = $1 ORDER BY number")
        .bind(follow_up.id.to_string())
        .fetch_all(&mut *db)
        .await?;
    let tried: Vec<_> = rows.iter().map(attempts::read).collect::<Result<_, _>>()?;
    let event = sqlx::query("SELECT event_id FROM follow_up_events WHERE follow_up_id = $1")
        .bind(follow_up.id.to_string())
        .fetch_optional(&mut *db)
        .await?;
    let event: Option<String> = event.map(|row| row.try_get("event_id")).transpose()?;
    let time = |at: UnixMillis| china::of(at).rfc3339();
    let corrected = sqlx::query("SELECT 1 FROM answer_corrections WHERE follow_up_id = $1")
        .bind(follow_up.id.to_string())
        .fetch_optional(&mut *db)
        .await?
        .is_some();
    let attempts: Vec<Value> = tried
        .iter()
        .map(|attempt| {
            json!({
                "number": attempt.number,
                "call": attempt.call,
                "began_at": time(attempt.began_at),
                "answered_at": attempt.answered_at.map(time),
                "ended_at": attempt.ended_at.map(time),
                "outcome": attempt.outcome.map(|outcome| outcome.as_str()),
                "sip_code": attempt.sip_code,
            })
        })
        .collect();
    let talked = tried.iter().rfind(|attempt| attempt.answered_at.is_some());
    let recording = match talked {
        Some(attempt) => recording(db, &attempt.call.to_string()).await?,
        None => Value::Null,
    };
    Ok(json!({
        "follow_up": follow_up.id,
        "revision": revision,
        "event_id": event,
        "ticket": follow_up.ticket,
        "round": if follow_up.round == Round::First { 1 } else { 2 },
        "status": verdict.status.as_str(),
        "contacted": answer(verdict.contacted),
        "resolved": answer(verdict.resolved),
        "satisfied": answer(verdict.satisfied),
        "reason": verdict.reason.map(Cause::as_str),
        "reason_text": verdict.reason_text.expose(),
        "redo": verdict.redo,
        "final": verdict.is_final,
        "corrected": corrected,
        "ended_at": follow_up.ended_at.map(time),
        "recording_notice_heard": talked.is_some_and(|attempt| attempt.notified_at.is_some()),
        "attempts": attempts,
        "recording": recording,
    }))
}

/// An answer with its flag: `valid` is false where the citizen gave none that could be taken.
fn answer(value: Option<AnswerName>) -> Value {
    json!({ "value": value.map(AnswerName::as_str), "valid": value.is_some() })
}

async fn recording(db: &mut AnyConnection, call: &str) -> Result<Value, StoreError> {
    let row = sqlx::query(
        "SELECT sha256, chain_head, duration_ms FROM recordings WHERE call_id = $1 AND kind = 'mix'",
    )
    .bind(call)
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(Value::Null) };
    Ok(json!({
        "call": call,
        "sha256": row.try_get::<Option<String>, _>("sha256")?,
        // Of an encrypted recording: the head of its chain of authenticated records.
        "chain_head": row.try_get::<Option<String>, _>("chain_head")?,
        "duration_ms": row.try_get::<Option<i64>, _>("duration_ms")?,
    }))
}
