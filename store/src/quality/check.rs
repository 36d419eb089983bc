//! Which calls are to be checked, and what a check came to.

use super::FindingState;
use super::query::{QualityFinding, SELECT, read};
use crate::error::StoreError;
use crate::rows::{parsed, signed};
use crate::sql::Sql;
use crate::writer::Command;
use crate::{Store, clock, rows};
use qingting_common::{CallId, UnixMillis};
use qingting_nlu::quality::{Checked, Finding};
use sqlx::{AnyConnection, Row};
use std::time::Duration;
use uuid::Uuid;

/// Captions of a call that a dead server left open are not waited for longer.
const WRITTEN_DOWN_MS_MAX: i64 = 3_600_000;

/// A call that is to be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallToCheck {
    /// The call.
    pub call: CallId,
    /// Counts how often it was asked for.
    pub asked: i64,
}

/// A call that was checked.
#[derive(Clone, Debug)]
pub struct CheckedCall {
    /// Which, as it was claimed.
    pub of: CallToCheck,
    /// What it came to.
    pub checked: Checked,
}

impl Store {
    /// Takes calls that are to be checked, the newest first: nobody else gets them for `lease`. Calls whose last words
    /// are not written yet wait.
    pub async fn claim_quality(
        &self,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<CallToCheck>, StoreError> {
        // Looking costs no write.
        let now = clock::now();
        let mut waits = due(now);
        waits.push(" LIMIT 1");
        if waits.build().fetch_optional(self.readers()).await?.is_none() {
            return Ok(Vec::new());
        }
        let until = now.0.saturating_add(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX));
        self.write(Claim { limit, now, until }).await
    }

    /// Stores what checks came to, each in the place of proposals of an earlier one, in one transaction.
    pub async fn put_quality(&self, calls: Vec<CheckedCall>) -> Result<(), StoreError> {
        self.write(Put { calls, at: clock::now() }).await
    }

    /// Calls that are to be checked.
    pub async fn quality_waiting(&self) -> Result<u64, StoreError> {
        let waiting = sqlx::query_scalar("SELECT count(*) FROM quality_due");
        Ok(rows::unsigned(waiting.fetch_one(self.readers()).await?))
    }
}

fn due(now: UnixMillis) -> Sql {
    let mut sql = Sql::new(
        "SELECT quality_due.call_id FROM quality_due JOIN calls ON calls.id = quality_due.call_id
         LEFT JOIN open_captions ON open_captions.call_id = quality_due.call_id
         WHERE claimed_until <= ",
    );
    sql.push_bind(now.0).push(" AND calls.ended_at IS NOT NULL AND (open_captions.call_id IS NULL");
    sql.push(" OR calls.ended_at <= ").push_bind(now.0 - WRITTEN_DOWN_MS_MAX);
    sql.push(") ORDER BY quality_due.call_id DESC");
    sql
}

struct Claim {
    limit: u32,
    now: UnixMillis,
    until: i64,
}

impl Command for Claim {
    type Output = Vec<CallToCheck>;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<Vec<CallToCheck>, StoreError> {
        let mut free = due(self.now);
        free.push(" LIMIT ").push_bind(i64::from(self.limit));
        let mut calls: Vec<String> = Vec::new();
        for row in free.build().fetch_all(&mut *db).await? {
            calls.push(row.try_get("call_id")?);
        }
        let mut sql = Sql::new("UPDATE quality_due SET claimed_until = ");
        sql.push_bind(self.until).push(" WHERE call_id IN (").push_list(calls);
        sql.push(") RETURNING call_id, asked");
        let rows = sql.build().fetch_all(db).await?;
        rows.iter()
            .map(|row| {
                Ok(CallToCheck { call: parsed(row, "call_id")?, asked: row.try_get("asked")? })
            })
            .collect()
    }
}

struct Put {
    calls: Vec<CheckedCall>,
    at: UnixMillis,
}

impl Command for Put {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        for CheckedCall { of, checked } in &self.calls {
            // Whose citizen was erased meanwhile is not to be checked any more.
            let wanted = sqlx::query(
                "SELECT calls.started_at, calls.seat, calls.queue, quality_due.asked FROM quality_due
                 JOIN calls ON calls.id = quality_due.call_id WHERE quality_due.call_id = $1",
            );
            let wanted = wanted.bind(of.call.to_string()).fetch_optional(&mut *db).await?;
            let Some(call) = wanted else { continue };
            let found = Found {
                call: of.call,
                started_at: call.try_get("started_at")?,
                seat: call.try_get::<Option<String>, _>("seat")?.unwrap_or_default(),
                queue: call.try_get("queue")?,
            };
            found.put_check(db, checked, self.at).await?;
            found.put_findings(db, &checked.findings).await?;
            // What was asked for since is checked again.
            let is_done = call.try_get::<i64, _>("asked")? == of.asked;
            let sql = match is_done {
                true => "DELETE FROM quality_due WHERE call_id = $1",
                false => "UPDATE quality_due SET claimed_until = 0 WHERE call_id = $1",
            };
            sqlx::query(sql).bind(of.call.to_string()).execute(&mut *db).await?;
        }
        Ok(())
    }
}

/// The call that a check was of.
struct Found {
    call: CallId,
    started_at: i64,
    seat: String,
    queue: Option<String>,
}

impl Found {
    async fn put_check(
        &self,
        db: &mut AnyConnection,
        checked: &Checked,
        at: UnixMillis,
    ) -> Result<(), StoreError> {
        let measures = &checked.measures;
        sqlx::query(
            "INSERT INTO quality_checks (call_id, started_at, seat, queue, checked_at, heard, talk_ms,
                silence_ms, silence_longest_ms, talk_overs, talk_over_ms, pace, hold_ms, hold_longest_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
             ON CONFLICT (call_id) DO UPDATE SET checked_at = excluded.checked_at,
                heard = excluded.heard, talk_ms = excluded.talk_ms, silence_ms = excluded.silence_ms,
                silence_longest_ms = excluded.silence_longest_ms, talk_overs = excluded.talk_overs,
                talk_over_ms = excluded.talk_over_ms, pace = excluded.pace,
                hold_ms = excluded.hold_ms, hold_longest_ms = excluded.hold_longest_ms",
        )
        .bind(self.call.to_string())
        .bind(self.started_at)
        .bind(&self.seat)
        .bind(&self.queue)
        .bind(at.0)
        .bind(measures.heard)
        .bind(signed(measures.talk_ms))
        .bind(signed(measures.silence_ms))
        .bind(signed(measures.silence_longest_ms))
        .bind(i64::from(measures.talk_overs))
        .bind(signed(measures.talk_over_ms))
        .bind(measures.pace.map(i64::from))
        .bind(signed(measures.hold_ms))
        .bind(signed(measures.hold_longest_ms))
        .execute(db)
        .await?;
        Ok(())
    }

    /// A proposal of the same kind that begins at the same time keeps its id: somebody may be looking at it. What a
    /// person has reviewed stands for what is found there again.
    async fn put_findings(
        &self,
        db: &mut AnyConnection,
        findings: &[Finding],
    ) -> Result<(), StoreError> {
        let mut known = Sql::new(SELECT);
        known.push(" WHERE call_id = ").push_bind(self.call.to_string());
        let known = known.build().fetch_all(&mut *db).await?;
        let known: Vec<QualityFinding> = known.iter().map(read).collect::<Result<_, _>>()?;
        let is_reviewed = |new: &Finding| {
            known.iter().any(|old| {
                let is_there = old.from_ms < new.when.end && new.when.start < old.to_ms
                    || old.from_ms == new.when.start;
                old.state != FindingState::Proposed && old.kind == new.kind && is_there
            })
        };
        sqlx::query("DELETE FROM quality_findings WHERE call_id = $1 AND state = 'proposed'")
            .bind(self.call.to_string())
            .execute(&mut *db)
            .await?;
        let mut kept: Vec<Uuid> = Vec::new();
        for new in findings.iter().filter(|new| !is_reviewed(new)) {
            let same = |old: &&QualityFinding| {
                old.state == FindingState::Proposed
                    && (old.kind, old.from_ms) == (new.kind, new.when.start)
                    && !kept.contains(&old.id)
            };
            let id = known.iter().find(same).map_or_else(Uuid::now_v7, |old| old.id);
            kept.push(id);
            self.put_finding(db, id, new).await?;
        }
        Ok(())
    }

    async fn put_finding(
        &self,
        db: &mut AnyConnection,
        id: Uuid,
        new: &Finding,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO quality_findings (id, call_id, started_at, seat, queue, kind, from_ms, to_ms,
                measured, phrase, quote, confidence, points)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(id.to_string())
        .bind(self.call.to_string())
        .bind(self.started_at)
        .bind(&new.seat)
        .bind(&self.queue)
        .bind(new.kind.as_str())
        .bind(signed(new.when.start))
        .bind(signed(new.when.end))
        .bind(signed(new.measured))
        .bind(&new.phrase)
        .bind(new.quote.expose())
        .bind(f64::from(new.confidence))
        .bind(i64::from(new.points))
        .execute(db)
        .await?;
        Ok(())
    }
}
