//! What an outer ticket system reports of tickets: signed, each event once.

use super::steps::by_people;
use crate::{ApiState, Problem, clock, signed};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use qingting_common::{Pii, UnixMillis};
use qingting_nlu::history::NUMBER_CHARS_MAX;
use qingting_store::handling::TICKET_EVENTS_MAX;
use qingting_store::{EventOutcome, Step, StepKind, TicketEvent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest id of an event, in characters.
const EVENT_ID_CHARS_MAX: usize = 100;

/// A step that was taken in another system.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventOfTicket {
    /// The same one counts once.
    #[schema(max_length = 100)]
    event_id: String,
    /// 工单编号, as it is here.
    ticket: String,
    /// As in `POST /api/v1/tickets/{id}/steps`.
    #[schema(value_type = String)]
    step: StepKind,
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    deadline: Option<i64>,
    /// When; what lies ahead counts as now.
    at: i64,
    #[serde(default)]
    note: String,
}

/// What became of a report.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReportView {
    /// Events that count.
    taken: usize,
    /// Events that were known.
    known: usize,
    /// Events that do not fit where their ticket is. They may come again.
    refused: Vec<RefusedEvent>,
}

/// An event that does not fit.
#[derive(Serialize, ToSchema)]
pub(crate) struct RefusedEvent {
    event_id: String,
    /// Why.
    detail: String,
}

/// Takes from an outer ticket system what became of tickets: a list of at most 500, signed with the secret of
/// `ticket_system.secret_file`. Each event counts once, however often it comes; one that does not fit keeps no other
/// from counting.
#[utoipa::path(post, path = "/api/v1/tickets/events", request_body = Vec<EventOfTicket>,
    responses((status = 200, body = ReportView), (status = 401, body = Problem),
    (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn take(
    State(state): State<ApiState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<ReportView>, Problem> {
    let rules = &state.handling;
    let Some(secrets) = &rules.reporter else {
        return Err(Problem::not_found("report: ticket_system.secret_file is not set"));
    };
    let reported: Vec<EventOfTicket> = signed::list(secrets, &headers, &body)?;
    if reported.len() > TICKET_EVENTS_MAX {
        let (all, detail) = (reported.len(), format!("events are more than {TICKET_EVENTS_MAX}"));
        return Err(Problem::invalid("", format!("{all} {detail}: send them in parts")));
    }
    let mut events = Vec::with_capacity(reported.len());
    for (place, event) in reported.into_iter().enumerate() {
        let event = checked(event)
            .map_err(|(field, detail)| Problem::invalid(&format!("/{place}/{field}"), detail))?;
        events.push(with_deadline(&state, event).await?);
    }
    let ids: Vec<String> = events.iter().map(|event| event.event_id.clone()).collect();
    let campaign = rules.campaign_of_closed.as_deref();
    let outcomes = state.store.take_ticket_events(events, campaign, signed::BY).await?;
    let mut view = ReportView { taken: 0, known: 0, refused: Vec::new() };
    for (event_id, outcome) in ids.into_iter().zip(outcomes) {
        match outcome {
            EventOutcome::Taken => view.taken += 1,
            EventOutcome::Known => view.known += 1,
            EventOutcome::Refused(detail) => view.refused.push(RefusedEvent { event_id, detail }),
        }
    }
    Ok(Json(view))
}

fn checked(event: EventOfTicket) -> Result<TicketEvent, (&'static str, String)> {
    let EventOfTicket { event_id, ticket, step, unit, deadline, at, note } = event;
    for (field, text, most) in
        [("event_id", &event_id, EVENT_ID_CHARS_MAX), ("ticket", &ticket, NUMBER_CHARS_MAX)]
    {
        if text.trim().is_empty() || text.chars().count() > most || text.contains(char::is_control)
        {
            return Err((field, format!("it has 1 to {most} characters, none a control")));
        }
    }
    by_people(step).map_err(|detail| ("step", detail))?;
    if at < 0 {
        return Err(("at", "it is before 1970".to_owned()));
    }
    let deadline = deadline.map(UnixMillis);
    let unit = unit.map(|unit| unit.trim().to_owned());
    let step = Step { kind: step, unit, deadline, note: Pii::new(note) };
    let number = ticket.trim().to_owned();
    Ok(TicketEvent { event_id, number, step, at: UnixMillis(at) })
}

/// The city's deadline counts from the moment of the step there.
async fn with_deadline(state: &ApiState, mut event: TicketEvent) -> Result<TicketEvent, Problem> {
    let step = &mut event.step;
    if matches!(step.kind, StepKind::Dispatch | StepKind::Redo) && step.deadline.is_none() {
        let ticket = state.store.ticket_numbered(&event.number).await?;
        let from = event.at.min(clock::now());
        step.deadline =
            ticket.and_then(|ticket| state.city.now().profile.deadline(&ticket.draft, from));
    }
    Ok(event)
}
