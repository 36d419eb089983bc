//! Follow-ups: closed tickets whose citizens are asked.

use super::campaigns::{CampaignError, CampaignState};
use super::results;
use crate::error::StoreError;
use crate::once::Once;
use crate::rows::{at, flag, json, maybe_at, named, number, parsed, pii, to_json, unreadable};
use crate::sql::Sql;
use crate::writer::Command;
use crate::{PAGE_ROWS_MAX, Store, audit, outbox};
use qingting_callbacks::attempt::Status;
use qingting_callbacks::intake::ClosedTicket;
use qingting_callbacks::result::Round;
use qingting_common::{CampaignId, FollowUpId, Pii, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What the priority of a second follow-up has more than its ticket's, of which none has so much: redo
/// checks go first.
const PRIORITY_AFTER_REDO: i64 = 10_000;

/// Where a follow-up is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FollowUpState {
    /// Its ticket is being handled again.
    AwaitingRedo,
    /// To be called.
    Waiting,
    /// On the telephone.
    Calling,
    /// It has a status.
    Ended,
}

impl FollowUpState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::AwaitingRedo, Self::Waiting, Self::Calling, Self::Ended];

    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AwaitingRedo => "awaiting_redo",
            Self::Waiting => "waiting",
            Self::Calling => "calling",
            Self::Ended => "ended",
        }
    }
}

/// A closed ticket as it comes in.
#[derive(Clone, Debug, PartialEq)]
pub struct NewFollowUp {
    /// The event of the ticket system: the same one makes nothing twice.
    pub event_id: String,
    /// The ticket's number there.
    pub ticket: String,
    /// What it is about, in a few words that can be said.
    pub title: String,
    /// The unit that handled it.
    pub unit: String,
    /// When the citizen brought it.
    pub opened_at: Option<UnixMillis>,
    /// When it was closed.
    pub closed_at: UnixMillis,
    /// The citizen's number, as it is dialled.
    pub citizen: Pii<String>,
    /// The citizen does not want to be known: nothing of the matter is said before who answers is clear.
    pub confidential: bool,
    /// What was answered before, for the seat to see.
    pub earlier: Pii<Value>,
    /// The ticket was handled again: its second follow-up is due.
    pub after_redo: bool,
    /// Higher goes first.
    pub priority: i64,
}

impl From<ClosedTicket> for NewFollowUp {
    fn from(ticket: ClosedTicket) -> Self {
        Self {
            event_id: ticket.event_id,
            ticket: ticket.ticket,
            title: ticket.title,
            unit: ticket.unit,
            opened_at: ticket.opened_at,
            closed_at: ticket.closed_at,
            citizen: ticket.citizen,
            confidential: ticket.confidential,
            earlier: Pii::new(ticket.earlier),
            after_redo: ticket.after_redo,
            priority: ticket.priority.into(),
        }
    }
}

/// What an import came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Follow-ups that are new.
    pub new: u64,
    /// Second follow-ups that are due now.
    pub released: u64,
    /// Events that were known.
    pub known: u64,
    /// Those of them that other campaigns have, by the names of these.
    pub known_elsewhere: BTreeMap<String, u64>,
}

/// A page that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polled {
    /// From where.
    pub url: String,
    /// Where the next one begins; none where the ticket system did not say.
    pub next: Option<String>,
}

/// A follow-up.
#[derive(Clone, Debug, PartialEq)]
pub struct FollowUp {
    /// Its id.
    pub id: FollowUpId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// The ticket's number in the ticket system.
    pub ticket: String,
    /// What it is about.
    pub title: String,
    /// The unit that handled it.
    pub unit: String,
    /// When the citizen brought it.
    pub opened_at: Option<UnixMillis>,
    /// When it was closed.
    pub closed_at: UnixMillis,
    /// The citizen's number.
    pub citizen: Pii<String>,
    /// The citizen does not want to be known.
    pub confidential: bool,
    /// What was answered before.
    pub earlier: Pii<Value>,
    /// Which round.
    pub round: Round,
    /// The first round's follow-up.
    pub previous: Option<FollowUpId>,
    /// Higher goes first.
    pub priority: i64,
    /// Where it is.
    pub state: FollowUpState,
    /// Not called before.
    pub not_before: UnixMillis,
    /// When the citizen wants to be called.
    pub wish: Option<UnixMillis>,
    /// Attempts that count.
    pub attempts: u8,
    /// Attempts that do not.
    pub faults: u8,
    /// Times that the citizen wanted to be called later.
    pub wishes: u8,
    /// How it ended.
    pub status: Option<Status>,
    /// When.
    pub ended_at: Option<UnixMillis>,
    /// Counts what the ticket system was told of it.
    pub result_revision: u64,
    /// When it came.
    pub created_at: UnixMillis,
}

/// Which follow-ups, oldest first.
#[derive(Clone, Debug, Default)]
pub struct FollowUpQuery {
    /// Of this campaign.
    pub campaign: Option<CampaignId>,
    /// In this state.
    pub state: Option<FollowUpState>,
    /// With this status.
    pub status: Option<Status>,
    /// Of this ticket.
    pub ticket: Option<String>,
    /// Only those after this one: the last of the page before.
    pub after: Option<FollowUpId>,
    /// Rows, at most [`PAGE_ROWS_MAX`].
    pub limit: u32,
}

impl Store {
    /// Takes closed tickets into a campaign that is not stopped: all of them or, on an error, none.
    pub async fn import_follow_ups(
        &self,
        campaign: CampaignId,
        tickets: Vec<NewFollowUp>,
        by: &str,
        now: UnixMillis,
    ) -> Result<Imported, CampaignError> {
        self.import_follow_ups_once(campaign, tickets, by, now, None).await
    }

    /// The same for a request that counts once.
    pub async fn import_follow_ups_once(
        &self,
        campaign: CampaignId,
        tickets: Vec<NewFollowUp>,
        by: &str,
        now: UnixMillis,
        once: Option<Once<Imported>>,
    ) -> Result<Imported, CampaignError> {
        let import = Import { campaign, tickets, by: by.to_owned(), at: now, polled: None };
        self.write_once(import, once).await
    }

    /// The same of a page that was fetched; in one transaction with where the next one begins.
    pub async fn import_polled(
        &self,
        campaign: CampaignId,
        tickets: Vec<NewFollowUp>,
        polled: Polled,
        now: UnixMillis,
    ) -> Result<Imported, CampaignError> {
        let by = "ticket-system".to_owned();
        self.write(Import { campaign, tickets, by, at: now, polled: Some(polled) }).await
    }

    /// Where the next page begins of what is fetched from an address.
    pub async fn poll_cursor(&self, url: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT cursor FROM poll_cursors WHERE url = $1")
            .bind(url)
            .fetch_optional(self.readers())
            .await?;
        row.map(|row| row.try_get("cursor").map_err(StoreError::from)).transpose()
    }

    /// Follow-ups, oldest first.
    pub async fn follow_ups(&self, query: &FollowUpQuery) -> Result<Vec<FollowUp>, StoreError> {
        let mut sql: Sql = Sql::new("SELECT * FROM follow_ups WHERE true");
        if let Some(campaign) = query.campaign {
            sql.push(" AND campaign_id = ").push_bind(campaign.to_string());
        }
        if let Some(state) = query.state {
            sql.push(" AND state = ").push_bind(state.as_str());
        }
        if let Some(status) = query.status {
            sql.push(" AND status = ").push_bind(status.as_str());
        }
        if let Some(ticket) = &query.ticket {
            sql.push(" AND ticket = ").push_bind(ticket.clone());
        }
        if let Some(after) = query.after {
            sql.push(" AND id > ").push_bind(after.to_string());
        }
        sql.push(" ORDER BY id LIMIT ").push_bind(i64::from(query.limit.min(PAGE_ROWS_MAX)));
        sql.build().fetch_all(self.readers()).await?.iter().map(read).collect()
    }

    /// Those that wait and have not refused, in the order in which they would be called.
    pub async fn waiting_follow_ups(
        &self,
        campaign: CampaignId,
        limit: u32,
    ) -> Result<Vec<FollowUp>, StoreError> {
        let not_refused = " AND NOT EXISTS (SELECT 1 FROM do_not_call WHERE number = citizen)";
        self.by_priority(campaign, UnixMillis(i64::MAX), limit, not_refused).await
    }

    /// Those whose turn is next, the first one first; refusals and the spacing are looked at when one is begun.
    pub async fn due_follow_ups(
        &self,
        campaign: CampaignId,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<FollowUp>, StoreError> {
        self.by_priority(campaign, now, limit, "").await
    }

    async fn by_priority(
        &self,
        campaign: CampaignId,
        now: UnixMillis,
        limit: u32,
        and: &'static str,
    ) -> Result<Vec<FollowUp>, StoreError> {
        let mut db = self.readers().acquire().await?;
        let limit = limit.min(PAGE_ROWS_MAX);
        let (mut due, mut below) = (Vec::new(), None);
        while let Some(priority) = next_priority(&mut db, campaign, below).await? {
            let sql = format!(
                "SELECT * FROM follow_ups WHERE campaign_id = $1 AND state = 'waiting'
                    AND priority = $4 AND not_before <= $2{and} ORDER BY not_before, id LIMIT $3"
            );
            let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
                .bind(campaign.to_string())
                .bind(now.0)
                .bind(i64::from(limit - u32::try_from(due.len()).unwrap_or(limit)))
                .bind(priority)
                .fetch_all(&mut *db)
                .await?;
            for row in &rows {
                due.push(read(row)?);
            }
            if due.len() >= limit as usize {
                break;
            }
            below = Some(priority);
        }
        Ok(due)
    }

    /// Whether a number is on the list of those that are not called.
    pub async fn is_refused(&self, number: &Pii<String>) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT 1 FROM do_not_call WHERE number = $1")
            .bind(number.expose())
            .fetch_optional(self.readers())
            .await?;
        Ok(row.is_some())
    }

    /// A follow-up.
    pub async fn follow_up(&self, id: FollowUpId) -> Result<Option<FollowUp>, StoreError> {
        let row = sqlx::query("SELECT * FROM follow_ups WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(self.readers())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Takes a follow-up out that is not on the telephone; none when it has ended or is. The ticket
    /// system hears of it.
    pub async fn cancel_follow_up(
        &self,
        id: FollowUpId,
        by: &str,
        now: UnixMillis,
    ) -> Result<Option<FollowUp>, StoreError> {
        self.write(Cancel { id, by: by.to_owned(), at: now }).await
    }

    /// Ends what waits in a stopped campaign as cancelled, at most so many at once; the ticket system hears
    /// of each. How many there were.
    pub async fn cancel_waiting(
        &self,
        campaign: CampaignId,
        limit: u32,
        now: UnixMillis,
    ) -> Result<u32, StoreError> {
        self.write(CancelWaiting { campaign, limit, at: now }).await
    }
}

pub(super) fn read(row: &AnyRow) -> Result<FollowUp, StoreError> {
    let previous: Option<String> = row.try_get("previous")?;
    let status: Option<String> = row.try_get("status")?;
    let status = status.map(|name| {
        let known = Status::ALL.into_iter().find(|status| status.as_str() == name);
        known.ok_or_else(|| crate::rows::unreadable("follow_ups.status", name))
    });
    Ok(FollowUp {
        id: parsed(row, "id")?,
        campaign: parsed(row, "campaign_id")?,
        ticket: row.try_get("ticket")?,
        title: row.try_get("title")?,
        unit: row.try_get("unit")?,
        opened_at: maybe_at(row, "opened_at")?,
        closed_at: at(row, "closed_at")?,
        citizen: pii(row, "citizen")?,
        confidential: flag(row, "confidential")?,
        earlier: Pii::new(json(row.try_get("earlier")?, "follow_ups.earlier")?),
        round: if row.try_get::<i64, _>("round")? == 1 { Round::First } else { Round::AfterRedo },
        previous: previous
            .map(|text| text.parse().map_err(|error| crate::rows::unreadable("previous", error)))
            .transpose()?,
        priority: row.try_get("priority")?,
        state: named(row, "state", FollowUpState::ALL, FollowUpState::as_str)?,
        not_before: at(row, "not_before")?,
        wish: maybe_at(row, "wish")?,
        attempts: number(row, "attempts")?,
        faults: number(row, "faults")?,
        wishes: number(row, "wishes")?,
        status: status.transpose()?,
        ended_at: maybe_at(row, "ended_at")?,
        result_revision: crate::rows::unsigned(row.try_get("result_revision")?),
        created_at: at(row, "created_at")?,
    })
}

/// The highest priority of those that wait, below this one where there is one: few priorities are in use, and
/// within one the index leads to who is due.
pub(super) async fn next_priority(
    db: &mut AnyConnection,
    campaign: CampaignId,
    below: Option<i64>,
) -> Result<Option<i64>, StoreError> {
    let row = sqlx::query(
        "SELECT max(priority) AS next FROM follow_ups
         WHERE campaign_id = $1 AND state = 'waiting' AND priority < $2",
    )
    .bind(campaign.to_string())
    .bind(below.unwrap_or(i64::MAX))
    .fetch_one(db)
    .await?;
    Ok(row.try_get("next")?)
}

pub(super) async fn load(db: &mut AnyConnection, id: FollowUpId) -> Result<FollowUp, StoreError> {
    let row = sqlx::query("SELECT * FROM follow_ups WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(db)
        .await?;
    let row = row.ok_or_else(|| StoreError::NotFound { what: "follow-up", id: id.to_string() })?;
    read(&row)
}

struct Import {
    campaign: CampaignId,
    tickets: Vec<NewFollowUp>,
    by: String,
    at: UnixMillis,
    polled: Option<Polled>,
}

impl Command for Import {
    type Output = Imported;
    type Error = CampaignError;

    async fn run(&self, db: &mut AnyConnection) -> Result<Imported, CampaignError> {
        let campaign = super::campaigns::load(db, self.campaign).await?;
        if campaign.state == CampaignState::Stopped {
            return Err(CampaignError::Stopped);
        }
        let mut imported = Imported::default();
        for ticket in &self.tickets {
            match take(db, self.campaign, ticket, self.at).await? {
                Taken::Known => {
                    imported.known += 1;
                    let other = campaign_of_event(db, &ticket.event_id, self.campaign).await?;
                    if let Some(name) = other {
                        *imported.known_elsewhere.entry(name).or_default() += 1;
                    }
                }
                Taken::Released(_) => imported.released += 1,
                Taken::New(_) => imported.new += 1,
            }
        }
        if let Some(Polled { url, next: Some(next) }) = &self.polled {
            sqlx::query(
                "INSERT INTO poll_cursors (url, cursor, at) VALUES ($1, $2, $3)
                 ON CONFLICT (url) DO UPDATE SET cursor = excluded.cursor, at = excluded.at",
            )
            .bind(url)
            .bind(next)
            .bind(self.at.0)
            .execute(&mut *db)
            .await
            .map_err(StoreError::from)?;
        }
        if self.polled.is_some() && imported.new == 0 && imported.released == 0 {
            // A poll that brings nothing new is no event.
            return Ok(imported);
        }
        let what = format!("{} new={} known={}", self.campaign, imported.new, imported.known);
        audit::insert(db, self.at, &self.by, "follow_up.import", &what).await?;
        Ok(imported)
    }
}

/// What became of a closed ticket that came in.
pub(crate) enum Taken {
    /// Its event was known.
    Known,
    /// Its second follow-up is due now.
    Released(FollowUpId),
    /// It has a new follow-up.
    New(FollowUpId),
}

/// Takes one closed ticket into a campaign, in the transaction of the caller.
pub(crate) async fn take(
    db: &mut AnyConnection,
    campaign: CampaignId,
    ticket: &NewFollowUp,
    now: UnixMillis,
) -> Result<Taken, StoreError> {
    if is_known(db, &ticket.event_id).await? {
        return Ok(Taken::Known);
    }
    if ticket.after_redo
        && let Some(id) = open_second(db, &ticket.ticket).await?
    {
        // One that is on the telephone, or waits for its next attempt, is not hurried.
        sqlx::query(
            "UPDATE follow_ups SET closed_at = $3,
                not_before = CASE WHEN attempts = 0 AND faults = 0 THEN $2 ELSE not_before END,
                state = CASE WHEN state = 'awaiting_redo' THEN 'waiting' ELSE state END
             WHERE id = $1",
        )
        .bind(&id)
        .bind(now.0)
        .bind(ticket.closed_at.0)
        .execute(&mut *db)
        .await?;
        note_event(db, &ticket.event_id, &id, now).await?;
        let id = id.parse().map_err(|error| unreadable("follow_ups.id", error))?;
        tell(db, id, &json!({}), now).await?;
        return Ok(Taken::Released(id));
    }
    let id = FollowUpId::new(Uuid::now_v7());
    insert(db, id, campaign, ticket, None, FollowUpState::Waiting, now, now).await?;
    note_event(db, &ticket.event_id, &id.to_string(), now).await?;
    Ok(Taken::New(id))
}

async fn is_known(db: &mut AnyConnection, event_id: &str) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM follow_up_events WHERE event_id = $1")
        .bind(event_id)
        .fetch_optional(db)
        .await?;
    Ok(row.is_some())
}

/// The name of the campaign that has taken an event, unless it is this one.
async fn campaign_of_event(
    db: &mut AnyConnection,
    event_id: &str,
    own: CampaignId,
) -> Result<Option<String>, StoreError> {
    let row = sqlx::query(
        "SELECT campaigns.name FROM follow_up_events
         JOIN follow_ups ON follow_ups.id = follow_up_events.follow_up_id
         JOIN campaigns ON campaigns.id = follow_ups.campaign_id
         WHERE event_id = $1 AND campaigns.id <> $2",
    )
    .bind(event_id)
    .bind(own.to_string())
    .fetch_optional(db)
    .await?;
    row.map(|row| row.try_get("name").map_err(StoreError::from)).transpose()
}

/// The second follow-up of a ticket that has not ended.
pub(super) async fn open_second(
    db: &mut AnyConnection,
    ticket: &str,
) -> Result<Option<String>, StoreError> {
    let row = sqlx::query(
        "SELECT id FROM follow_ups WHERE ticket = $1 AND round = 2 AND state <> 'ended'
         ORDER BY id LIMIT 1",
    )
    .bind(ticket)
    .fetch_optional(db)
    .await?;
    row.map(|row| row.try_get("id").map_err(StoreError::from)).transpose()
}

async fn note_event(
    db: &mut AnyConnection,
    event_id: &str,
    follow_up: &str,
    at: UnixMillis,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO follow_up_events (event_id, follow_up_id, at) VALUES ($1, $2, $3)")
        .bind(event_id)
        .bind(follow_up)
        .bind(at.0)
        .execute(db)
        .await?;
    Ok(())
}

#[allow(clippy::too_many_arguments, reason = "a row")]
pub(super) async fn insert(
    db: &mut AnyConnection,
    id: FollowUpId,
    campaign: CampaignId,
    ticket: &NewFollowUp,
    previous: Option<FollowUpId>,
    state: FollowUpState,
    not_before: UnixMillis,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let second = ticket.after_redo || previous.is_some();
    let priority = ticket.priority + if second { PRIORITY_AFTER_REDO } else { 0 };
    sqlx::query(
        "INSERT INTO follow_ups (id, campaign_id, ticket, title, unit, opened_at, closed_at, citizen,
            confidential, earlier, round, previous, priority, state, not_before, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind(id.to_string())
    .bind(campaign.to_string())
    .bind(&ticket.ticket)
    .bind(&ticket.title)
    .bind(&ticket.unit)
    .bind(ticket.opened_at.map(|at| at.0))
    .bind(ticket.closed_at.0)
    .bind(ticket.citizen.expose())
    .bind(ticket.confidential)
    .bind(to_json(ticket.earlier.expose(), "follow_ups.earlier")?)
    .bind(if second { 2 } else { 1 })
    .bind(previous.map(|id| id.to_string()))
    .bind(priority)
    .bind(state.as_str())
    .bind(not_before.0)
    .bind(now.0)
    .execute(&mut *db)
    .await?;
    tell(db, id, &json!({}), now).await
}

/// Writes into the log where a follow-up is now, and what else belongs to the change. Its end is in the
/// message with its result.
pub(super) async fn tell(
    db: &mut AnyConnection,
    id: FollowUpId,
    more: &Value,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let row = sqlx::query(
        "SELECT campaign_id, ticket, round, state, not_before FROM follow_ups WHERE id = $1",
    )
    .bind(id.to_string())
    .fetch_one(&mut *db)
    .await?;
    let (ticket, state): (&str, &str) = (row.try_get("ticket")?, row.try_get("state")?);
    let mut is = json!({
        "follow_up": id,
        "campaign": row.try_get::<&str, _>("campaign_id")?,
        "ticket": ticket,
        "round": row.try_get::<i64, _>("round")?,
        "state": state,
        "not_before": at(&row, "not_before")?,
    });
    if let (Some(is), Some(more)) = (is.as_object_mut(), more.as_object()) {
        is.extend(more.clone());
    }
    // Beside its result, in the order of the ticket.
    let (kind, stream) = (format!("follow_up.{state}"), format!("ticket:{ticket}"));
    outbox::note(db, &kind, &stream, &is, now).await
}

/// Ends one that waits, in the transaction of the caller; the ticket system hears of it.
pub(crate) async fn cancel(
    db: &mut AnyConnection,
    id: FollowUpId,
    now: UnixMillis,
) -> Result<(), StoreError> {
    results::finish(db, id, Status::Cancelled, now).await
}

/// Ends what waits in a stopped campaign, at most so many.
struct CancelWaiting {
    campaign: CampaignId,
    limit: u32,
    at: UnixMillis,
}

impl Command for CancelWaiting {
    type Output = u32;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<u32, StoreError> {
        if super::campaigns::load(db, self.campaign).await?.state != CampaignState::Stopped {
            return Ok(0);
        }
        let rows = sqlx::query(
            "SELECT id FROM follow_ups WHERE campaign_id = $1
                AND state IN ('waiting', 'awaiting_redo') ORDER BY id LIMIT $2",
        )
        .bind(self.campaign.to_string())
        .bind(i64::from(self.limit))
        .fetch_all(&mut *db)
        .await?;
        for row in &rows {
            results::finish(db, parsed(row, "id")?, Status::Cancelled, self.at).await?;
        }
        Ok(u32::try_from(rows.len()).unwrap_or(self.limit))
    }
}

struct Cancel {
    id: FollowUpId,
    by: String,
    at: UnixMillis,
}

impl Command for Cancel {
    type Output = Option<FollowUp>;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<Option<FollowUp>, StoreError> {
        let follow_up = load(db, self.id).await?;
        if !matches!(follow_up.state, FollowUpState::Waiting | FollowUpState::AwaitingRedo) {
            return Ok(None);
        }
        audit::insert(db, self.at, &self.by, "follow_up.cancel", &self.id.to_string()).await?;
        results::finish(db, self.id, Status::Cancelled, self.at).await?;
        load(db, self.id).await.map(Some)
    }
}
