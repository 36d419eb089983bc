//! Steps that an outer ticket system reports: each event counts once, however often it comes.

use super::machine::Step;
use super::steps::{StepError, Taker, advance, check};
use crate::error::StoreError;
use crate::tickets;
use crate::writer::Command;
use crate::{Store, clock};
use qingting_common::UnixMillis;
use sqlx::AnyConnection;

/// Events of one report: calls wait for the writer meanwhile.
pub const TICKET_EVENTS_MAX: usize = 500;

/// What an outer ticket system reports.
#[derive(Clone, Debug, PartialEq)]
pub struct TicketEvent {
    /// The event: the same one counts once.
    pub event_id: String,
    /// The ticket's number here.
    pub number: String,
    /// What was done.
    pub step: Step,
    /// When; what lies ahead counts as now.
    pub at: UnixMillis,
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventOutcome {
    /// The ticket has it.
    Taken,
    /// It was there before.
    Known,
    /// It does not fit, and why: it may come again.
    Refused(String),
}

impl Store {
    /// Takes steps in their order, whatever revision each ticket is at; what became of each. One that does not fit
    /// does not keep the others from counting.
    pub async fn take_ticket_events(
        &self,
        events: Vec<TicketEvent>,
        campaign: Option<&str>,
        by: &str,
    ) -> Result<Vec<EventOutcome>, StoreError> {
        debug_assert!(events.len() <= TICKET_EVENTS_MAX);
        let campaign = campaign.map(str::to_owned);
        self.write(TakeEvents { events, campaign, by: by.to_owned() }).await
    }
}

struct TakeEvents {
    events: Vec<TicketEvent>,
    campaign: Option<String>,
    by: String,
}

impl Command for TakeEvents {
    type Output = Vec<EventOutcome>;
    type Error = StoreError;

    async fn run(&self, db: &mut AnyConnection) -> Result<Vec<EventOutcome>, StoreError> {
        let mut outcomes = Vec::with_capacity(self.events.len());
        for event in &self.events {
            let outcome = match self.one(db, event).await {
                Ok(outcome) => outcome,
                Err(StepError::Store(error)) => return Err(error),
                Err(refused) => EventOutcome::Refused(refused.to_string()),
            };
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }
}

impl TakeEvents {
    /// Nothing is written before all is known to fit.
    async fn one(
        &self,
        db: &mut AnyConnection,
        event: &TicketEvent,
    ) -> Result<EventOutcome, StepError> {
        let known = sqlx::query("SELECT 1 FROM ticket_events WHERE event_id = $1")
            .bind(&event.event_id)
            .fetch_optional(&mut *db)
            .await?;
        if known.is_some() {
            return Ok(EventOutcome::Known);
        }
        check(&event.step)?;
        let ticket = tickets::by_number(&mut *db, &event.number).await?;
        let mut ticket = ticket.ok_or(StepError::NotFound)?;
        let now = clock::now();
        let taker = Taker { by: &self.by, at: event.at.min(now), is_ticket_system: true };
        advance(db, &mut ticket, &event.step, &taker, self.campaign.as_deref()).await?;
        sqlx::query("INSERT INTO ticket_events (event_id, ticket_id, at) VALUES ($1, $2, $3)")
            .bind(&event.event_id)
            .bind(ticket.id.to_string())
            .bind(now.0)
            .execute(&mut *db)
            .await?;
        Ok(EventOutcome::Taken)
    }
}
