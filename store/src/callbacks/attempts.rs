//! Attempts: each is committed before anybody is dialled, and ends once.

use super::follow_ups::{self, FollowUp, FollowUpState, NewFollowUp};
use super::{answers, campaigns, results};
use crate::citizens::ERASED;
use crate::error::StoreError;
use crate::rows::{at, flag, maybe_at, maybe_number, number, parsed};
use crate::writer::Command;
use crate::{Store, audit, clock, outbox, search};
use qingting_callbacks::attempt::{Next, Outcome, Status, Tried, next};
use qingting_callbacks::result::Round;
use qingting_callbacks::schedule::Rules;
use qingting_common::{CallId, CampaignId, FollowUpId, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::time::Duration;
use uuid::Uuid;

/// For a second follow-up that begins by itself.
const DAY_MS: i64 = 86_400_000;

/// What a server that may dial asks for.
#[derive(Clone, Debug)]
pub struct BeginAttempt {
    /// Of which campaign.
    pub campaign: CampaignId,
    /// Which server.
    pub server: String,
    /// How long the attempt is the server's without word from it.
    pub lease: Duration,
    /// The id that the call will have.
    pub call: CallId,
    /// Lines of the trunk that are free here.
    pub lines_free: Option<u32>,
    /// The time.
    pub now: UnixMillis,
}

/// What a server gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Begun {
    /// This one is to be dialled; the attempt is committed.
    Dial(Box<FollowUp>, u32),
    /// Nobody now.
    Nobody,
}

/// An attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRow {
    /// Of which follow-up.
    pub follow_up: FollowUpId,
    /// From 1.
    pub number: u32,
    /// The call.
    pub call: CallId,
    /// The server that dialled.
    pub server: String,
    /// When it was committed; dialled a moment later.
    pub began_at: UnixMillis,
    /// When somebody answered.
    pub answered_at: Option<UnixMillis>,
    /// When the recording notice had been heard.
    pub notified_at: Option<UnixMillis>,
    /// When it ended.
    pub ended_at: Option<UnixMillis>,
    /// What became of it; none while it runs.
    pub outcome: Option<Outcome>,
    /// The final SIP status, where nobody answered.
    pub sip_code: Option<u16>,
}

/// How an attempt ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AttemptEnd {
    /// Of which follow-up.
    pub follow_up: FollowUpId,
    /// Which attempt.
    pub number: u32,
    /// What became of it.
    pub outcome: Outcome,
    /// The final SIP status, where nobody answered.
    pub sip_code: Option<u16>,
    /// When the citizen wants to be called.
    pub wish: Option<UnixMillis>,
    /// When it may be tried again.
    pub rules: Rules,
    /// Only if its lease has passed by then: its server is gone.
    pub only_expired: bool,
    /// The time.
    pub now: UnixMillis,
}

/// What the end of an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The follow-up has ended, too.
    Finished(Status),
    /// It is tried again, not before then.
    Again(UnixMillis),
    /// It had ended before, or is not expired.
    Nothing,
}

impl Store {
    /// Takes the next follow-up of a running campaign that may be called, and commits the attempt. **Of
    /// any number of servers that ask one gets it**; caps, pace, refusals and the spacing between calls of
    /// one number are looked at in the same transaction.
    pub async fn begin_attempt(&self, ask: BeginAttempt) -> Result<Begun, StoreError> {
        self.write(Begin(ask)).await
    }

    /// Prolongs the leases of attempts whose calls are under way.
    pub async fn renew_attempts(
        &self,
        calls: Vec<CallId>,
        until: UnixMillis,
    ) -> Result<(), StoreError> {
        self.write(Renew { calls, until }).await
    }

    /// Notes that somebody answered.
    pub async fn attempt_answered(&self, call: CallId, at: UnixMillis) -> Result<(), StoreError> {
        self.write(Note { call, at, notified: false }).await
    }

    /// Notes that the recording notice has been heard by somebody who stayed.
    pub async fn attempt_notified(&self, call: CallId, at: UnixMillis) -> Result<(), StoreError> {
        self.write(Note { call, at, notified: true }).await
    }

    /// Takes the draft of a call away that is no new matter (a callback, or one in which nobody could talk),
    /// unless somebody or the machine has touched it.
    pub async fn drop_untouched_draft(&self, call: CallId) -> Result<(), StoreError> {
        self.write(DropDraft(call)).await
    }

    /// Ends an attempt: writes what became of it, and what follows.
    pub async fn end_attempt(&self, end: AttemptEnd) -> Result<Ended, StoreError> {
        self.write(End(end)).await
    }

    /// Attempts whose server has not been heard of.
    pub async fn expired_attempts(
        &self,
        now: UnixMillis,
    ) -> Result<Vec<(CampaignId, AttemptRow)>, StoreError> {
        let rows = sqlx::query(
            "SELECT attempts.*, follow_ups.campaign_id FROM attempts
             JOIN follow_ups ON follow_ups.id = attempts.follow_up_id
             WHERE outcome IS NULL AND lease_until < $1 ORDER BY lease_until LIMIT 100",
        )
        .bind(now.0)
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(|row| Ok((parsed(row, "campaign_id")?, read(row)?))).collect()
    }

    /// The attempts of a follow-up.
    pub async fn attempts(&self, of: FollowUpId) -> Result<Vec<AttemptRow>, StoreError> {
        sqlx::query("SELECT * FROM attempts WHERE follow_up_id = $1 ORDER BY number")
            .bind(of.to_string())
            .fetch_all(self.readers())
            .await?
            .iter()
            .map(read)
            .collect()
    }

    /// The follow-up that a call is about.
    pub async fn follow_up_of_call(&self, call: CallId) -> Result<Option<FollowUp>, StoreError> {
        let row = sqlx::query(
            "SELECT follow_ups.* FROM follow_ups JOIN attempts ON follow_up_id = follow_ups.id
             WHERE call_id = $1",
        )
        .bind(call.to_string())
        .fetch_optional(self.readers())
        .await?;
        row.as_ref().map(follow_ups::read).transpose()
    }
}

pub(super) fn read(row: &AnyRow) -> Result<AttemptRow, StoreError> {
    let outcome: Option<String> = row.try_get("outcome")?;
    let outcome = outcome.map(|name| {
        let known = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == name);
        known.ok_or_else(|| crate::rows::unreadable("attempts.outcome", name))
    });
    Ok(AttemptRow {
        follow_up: parsed(row, "follow_up_id")?,
        number: number(row, "number")?,
        call: parsed(row, "call_id")?,
        server: row.try_get("server")?,
        began_at: at(row, "began_at")?,
        answered_at: maybe_at(row, "answered_at")?,
        notified_at: maybe_at(row, "notified_at")?,
        ended_at: maybe_at(row, "ended_at")?,
        outcome: outcome.transpose()?,
        sip_code: maybe_number(row, "sip_code")?,
    })
}

struct Begin(BeginAttempt);

impl Command for Begin {
    type Output = Begun;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<Begun, StoreError> {
        let ask = &self.0;
        let campaign = campaigns::load(db, ask.campaign).await?;
        if campaign.state != campaigns::CampaignState::Running
            || !self.may_begin(db, &campaign).await?
        {
            return Ok(Begun::Nobody);
        }
        loop {
            let Some(row) = self.next(db, &campaign).await? else { return Ok(Begun::Nobody) };
            let follow_up = follow_ups::read(&row)?;
            if flag(&row, "refused")? {
                results::finish(db, follow_up.id, Status::Refused, ask.now).await?;
                continue;
            }
            let number = self.insert(db, &follow_up).await?;
            return Ok(Begun::Dial(Box::new(follow_up), number));
        }
    }
}

impl Begin {
    async fn may_begin(
        &self,
        db: &mut AnyConnection,
        campaign: &campaigns::Campaign,
    ) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT last_began_at AS last,
                (SELECT count(*) FROM attempts JOIN follow_ups ON follow_ups.id = follow_up_id
                 WHERE outcome IS NULL AND campaign_id = $1) AS running
             FROM campaigns WHERE id = $1",
        )
        .bind(campaign.id.to_string())
        .fetch_one(db)
        .await?;
        let load = qingting_callbacks::pace::Load {
            running: u32::try_from(row.try_get::<i64, _>("running")?).unwrap_or(u32::MAX),
            lines_free: self.0.lines_free,
            last_began: row.try_get::<Option<i64>, _>("last")?.map(UnixMillis),
        };
        Ok(campaign.settings.caps().allows(self.0.now, load))
    }

    /// The first that is due, whose number is not on the telephone and was not called within the
    /// spacing, for whatever follow-up.
    async fn next(
        &self,
        db: &mut AnyConnection,
        campaign: &campaigns::Campaign,
    ) -> Result<Option<AnyRow>, StoreError> {
        let mut below = None;
        while let Some(priority) = follow_ups::next_priority(db, campaign.id, below).await? {
            let found = self.next_of(db, campaign, priority).await?;
            if found.is_some() {
                return Ok(found);
            }
            below = Some(priority);
        }
        Ok(None)
    }

    async fn next_of(
        &self,
        db: &mut AnyConnection,
        campaign: &campaigns::Campaign,
        priority: i64,
    ) -> Result<Option<AnyRow>, StoreError> {
        let spacing_ms = i64::from(campaign.settings.spacing_min) * 60_000;
        let row = sqlx::query(
            "SELECT follow_ups.*, do_not_call.number IS NOT NULL AS refused FROM follow_ups
             LEFT JOIN do_not_call ON do_not_call.number = follow_ups.citizen
             WHERE campaign_id = $1 AND state = 'waiting' AND priority = $4 AND not_before <= $2
                AND (do_not_call.number IS NOT NULL OR NOT EXISTS (
                    SELECT 1 FROM attempts WHERE attempts.citizen = follow_ups.citizen
                        AND (outcome IS NULL
                            OR (follow_ups.wish IS NULL AND attempts.began_at > $3
                                AND outcome NOT IN ('network_fault', 'own_fault')))))
             ORDER BY not_before, id LIMIT 1",
        )
        .bind(campaign.id.to_string())
        .bind(self.0.now.0)
        .bind(self.0.now.0 - spacing_ms)
        .bind(priority)
        .fetch_optional(db)
        .await?;
        Ok(row)
    }

    async fn insert(
        &self,
        db: &mut AnyConnection,
        follow_up: &FollowUp,
    ) -> Result<u32, StoreError> {
        let ask = &self.0;
        let inserted = sqlx::query(
            "INSERT INTO attempts
                (follow_up_id, number, call_id, citizen, server, lease_until, wished, began_at)
             SELECT $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5, $6, $7
             FROM attempts WHERE follow_up_id = $1 RETURNING number",
        )
        .bind(follow_up.id.to_string())
        .bind(ask.call.to_string())
        .bind(follow_up.citizen.expose())
        .bind(&ask.server)
        .bind(ask.now.0 + i64::try_from(ask.lease.as_millis()).unwrap_or(i64::MAX / 2))
        .bind(follow_up.wish.is_some())
        .bind(ask.now.0)
        .fetch_one(&mut *db)
        .await?;
        sqlx::query("UPDATE follow_ups SET state = 'calling' WHERE id = $1")
            .bind(follow_up.id.to_string())
            .execute(&mut *db)
            .await?;
        sqlx::query("UPDATE campaigns SET last_began_at = $2 WHERE id = $1")
            .bind(follow_up.campaign.to_string())
            .bind(ask.now.0)
            .execute(&mut *db)
            .await?;
        let attempt = number(&inserted, "number")?;
        let more = json!({ "attempt": attempt, "call": ask.call });
        follow_ups::tell(db, follow_up.id, &more, ask.now).await?;
        Ok(attempt)
    }
}

struct Renew {
    calls: Vec<CallId>,
    until: UnixMillis,
}

impl Command for Renew {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        for call in &self.calls {
            sqlx::query(
                "UPDATE attempts SET lease_until = $2
                 WHERE outcome IS NULL AND call_id = $1 AND lease_until < $2",
            )
            .bind(call.to_string())
            .bind(self.until.0)
            .execute(&mut *db)
            .await?;
        }
        Ok(())
    }
}

struct DropDraft(CallId);

impl Command for DropDraft {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        let call = self.0.to_string();
        let untouched = "SELECT id FROM tickets WHERE call_id = $1 AND status = 'draft'
            AND revision = 0";
        let sql = format!("SELECT doc FROM ticket_docs WHERE ticket_id IN ({untouched})");
        let docs =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(&call).fetch_all(&mut *db).await?;
        if !docs.is_empty() {
            search::remove(db, &docs).await?;
        }
        for table in ["tickets_to_index", "ticket_revisions"] {
            let sql = format!("DELETE FROM {table} WHERE ticket_id IN ({untouched})");
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(&call).execute(&mut *db).await?;
        }
        let sql = format!("DELETE FROM tickets WHERE id IN ({untouched}) RETURNING id");
        let gone = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(&call).fetch_all(&mut *db).await?;
        for row in &gone {
            let id: &str = row.try_get("id")?;
            let dropped = json!({ "ticket": id, "call": self.0 });
            outbox::note(db, "ticket.dropped", id, &dropped, clock::now()).await?;
        }
        Ok(())
    }
}

struct Note {
    call: CallId,
    at: UnixMillis,
    notified: bool,
}

impl Command for Note {
    type Output = ();
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<(), StoreError> {
        let sql = match self.notified {
            true => {
                "UPDATE attempts SET notified_at = coalesce(notified_at, $2) WHERE call_id = $1"
            }
            false => {
                "UPDATE attempts SET answered_at = coalesce(answered_at, $2) WHERE call_id = $1"
            }
        };
        sqlx::query(sql).bind(self.call.to_string()).bind(self.at.0).execute(db).await?;
        Ok(())
    }
}

struct End(AttemptEnd);

/// What stands of an attempt when its end comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// Nothing.
    Open,
    /// It was given up for lost; its server had only been silent.
    GivenUp,
    /// The same, and somebody was called since.
    Overtaken,
}

impl Command for End {
    type Output = Ended;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<Ended, StoreError> {
        let end = &self.0;
        let Some(before) = self.before(db).await? else { return Ok(Ended::Nothing) };
        let follow_up = follow_ups::load(db, end.follow_up).await?;
        let said = answers::exit_of(db, end.follow_up, end.number).await?;
        let outcome =
            if end.only_expired { Outcome::given_up(said) } else { end.outcome.with(said) };
        sqlx::query(
            "UPDATE attempts SET outcome = $3, sip_code = $4, ended_at = $5
             WHERE follow_up_id = $1 AND number = $2",
        )
        .bind(end.follow_up.to_string())
        .bind(i64::from(end.number))
        .bind(outcome.as_str())
        .bind(end.sip_code.map(i64::from))
        .bind(end.now.0)
        .execute(&mut *db)
        .await?;
        let campaign = campaigns::load(db, follow_up.campaign).await?;
        let tried = self.count(db, &follow_up, outcome, before).await?;
        if outcome == Outcome::StopCalling && follow_up.citizen.expose() != ERASED {
            super::refusals::put(db, follow_up.citizen.expose(), "asked", "citizen", end.now)
                .await?;
        }
        let is_late = match before {
            Before::Open => false,
            Before::GivenUp => follow_up.status == Some(Status::Cancelled),
            Before::Overtaken => true,
        };
        if is_late {
            return self.late(db, &follow_up, outcome, tried).await;
        }
        match next(outcome, end.wish, tried, campaign.settings.most()) {
            Next::Finish(status) => self.finish(db, &follow_up, status).await,
            // Somebody has put the number on the list meanwhile.
            Next::Again { .. } if follow_up.status == Some(Status::Refused) => {
                self.late(db, &follow_up, outcome, tried).await
            }
            Next::Again { .. } if campaign.state == campaigns::CampaignState::Stopped => {
                self.finish(db, &follow_up, Status::Cancelled).await
            }
            Next::Again { wish } => self.again(db, &follow_up, outcome, wish, tried).await,
        }
    }
}

impl End {
    /// Whether this end counts: an attempt ends once. One that was given up for lost gets its real end.
    async fn before(&self, db: &mut AnyConnection) -> Result<Option<Before>, StoreError> {
        let end = &self.0;
        let row = sqlx::query(
            "SELECT outcome, lease_until, NOT EXISTS (SELECT 1 FROM attempts AS later
                WHERE later.follow_up_id = $1 AND later.number > $2) AS is_last
             FROM attempts WHERE follow_up_id = $1 AND number = $2",
        )
        .bind(end.follow_up.to_string())
        .bind(i64::from(end.number))
        .fetch_optional(db)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let outcome: Option<String> = row.try_get("outcome")?;
        let is_expired = row.try_get::<i64, _>("lease_until")? < end.now.0;
        Ok(match outcome.as_deref() {
            None if !end.only_expired || is_expired => Some(Before::Open),
            Some("unknown") if !end.only_expired && end.outcome != Outcome::Unknown => {
                Some(if flag(&row, "is_last")? { Before::GivenUp } else { Before::Overtaken })
            }
            _ => None,
        })
    }

    /// Counts the attempt.
    async fn count(
        &self,
        db: &mut AnyConnection,
        follow_up: &FollowUp,
        outcome: Outcome,
        before: Before,
    ) -> Result<Tried, StoreError> {
        let (counts, wished) = (outcome.counts(), outcome == Outcome::CallLater);
        // What was given up for lost was counted then.
        let attempts = i64::from(counts) - i64::from(before != Before::Open);
        let row = sqlx::query(
            "UPDATE follow_ups SET attempts = attempts + $2, faults = faults + $3,
                wishes = wishes + $4 WHERE id = $1 RETURNING attempts, faults, wishes",
        )
        .bind(follow_up.id.to_string())
        .bind(attempts)
        .bind(i64::from(!counts))
        .bind(i64::from(wished))
        .fetch_one(&mut *db)
        .await?;
        let given = answers::counted(db, follow_up.id).await?;
        Ok(Tried {
            attempts: number(&row, "attempts")?,
            faults: number(&row, "faults")?,
            wishes: number(&row, "wishes")?,
            has_answers: qingting_callbacks::result::has_answers(&given),
        })
    }

    async fn finish(
        &self,
        db: &mut AnyConnection,
        follow_up: &FollowUp,
        status: Status,
    ) -> Result<Ended, StoreError> {
        results::finish(db, follow_up.id, status, self.0.now).await?;
        Ok(Ended::Finished(status))
    }

    /// Nobody is called for an end that others did not wait for; what was answered counts, and is told where the follow-up
    /// has ended. Where it goes on, its own end tells.
    async fn late(
        &self,
        db: &mut AnyConnection,
        follow_up: &FollowUp,
        outcome: Outcome,
        tried: Tried,
    ) -> Result<Ended, StoreError> {
        let Some(status) = follow_up.status else { return Ok(Ended::Nothing) };
        self.finish(db, follow_up, status.after_late(outcome, tried.has_answers)).await
    }

    async fn again(
        &self,
        db: &mut AnyConnection,
        follow_up: &FollowUp,
        outcome: Outcome,
        wish: Option<UnixMillis>,
        tried: Tried,
    ) -> Result<Ended, StoreError> {
        let rows = sqlx::query(
            "SELECT began_at FROM attempts WHERE follow_up_id = $1
                AND outcome NOT IN ('network_fault', 'own_fault')",
        )
        .bind(follow_up.id.to_string())
        .fetch_all(&mut *db)
        .await?;
        let before: Vec<UnixMillis> =
            rows.iter().map(|row| at(row, "began_at")).collect::<Result<_, _>>()?;
        // What did not ring waits for the network, not for the citizen: twice as long each time.
        let faults = if outcome.counts() { 0 } else { tried.faults };
        let mended = UnixMillis(self.0.now.0 + (60_000 << faults.min(8)) * i64::from(faults > 0));
        let soonest = self.0.now.max(mended);
        let Some(not_before) = self.0.rules.next(soonest, &before, wish) else {
            let status = if tried.has_answers { Status::Partial } else { Status::Unreached };
            return self.finish(db, follow_up, status).await;
        };
        sqlx::query(
            "UPDATE follow_ups SET state = 'waiting', not_before = $2, wish = $3, status = NULL,
                ended_at = NULL WHERE id = $1",
        )
        .bind(follow_up.id.to_string())
        .bind(not_before.0)
        .bind(wish.map(|at| at.0))
        .execute(&mut *db)
        .await?;
        let more = json!({ "attempt": self.0.number, "outcome": outcome.as_str() });
        follow_ups::tell(db, follow_up.id, &more, self.0.now).await?;
        Ok(Ended::Again(not_before))
    }
}

/// Takes the second follow-up of one whose citizen was satisfied after all, if nobody has been called for it.
pub(crate) async fn unschedule_second(
    db: &mut AnyConnection,
    first: FollowUpId,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let row = sqlx::query(
        "SELECT id FROM follow_ups WHERE previous = $1 AND attempts = 0 AND faults = 0
            AND state IN ('awaiting_redo', 'waiting')",
    )
    .bind(first.to_string())
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(()) };
    let id: FollowUpId = parsed(&row, "id")?;
    audit::insert(db, now, "machine", "follow_up.cancel", &id.to_string()).await?;
    Box::pin(results::finish(db, id, Status::Cancelled, now)).await
}

/// The second follow-up of a ticket whose citizen is not satisfied.
pub(super) async fn schedule_second(
    db: &mut AnyConnection,
    first: &FollowUp,
    redo_after_days: Option<u32>,
    now: UnixMillis,
) -> Result<(), StoreError> {
    debug_assert_eq!(first.round, Round::First);
    let exists = sqlx::query("SELECT 1 FROM follow_ups WHERE previous = $1")
        .bind(first.id.to_string())
        .fetch_optional(&mut *db)
        .await?;
    // The ticket system may have asked for it before the citizen did.
    if exists.is_some() || follow_ups::open_second(db, &first.ticket).await?.is_some() {
        return Ok(());
    }
    let ticket = NewFollowUp {
        event_id: String::new(),
        ticket: first.ticket.clone(),
        title: first.title.clone(),
        unit: first.unit.clone(),
        opened_at: first.opened_at,
        closed_at: first.closed_at,
        citizen: first.citizen.clone(),
        confidential: first.confidential,
        earlier: first.earlier.clone(),
        after_redo: true,
        priority: first.priority,
    };
    let (state, not_before) = match redo_after_days {
        Some(days) => (FollowUpState::Waiting, UnixMillis(now.0 + i64::from(days) * DAY_MS)),
        None => (FollowUpState::AwaitingRedo, now),
    };
    let id = FollowUpId::new(Uuid::now_v7());
    follow_ups::insert(db, id, first.campaign, &ticket, Some(first.id), state, not_before, now)
        .await?;
    audit::insert(db, now, "machine", "follow_up.redo", &id.to_string()).await
}
