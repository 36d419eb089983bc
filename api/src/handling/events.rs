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
use serde_json::Value;
use utoipa::ToSchema;

/// How far ahead of ours another system's clock may be.
const AHEAD_MAX_MS: i64 = 24 * 3_600_000;
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
    /// When; what lies ahead, by a day at most, counts as now.
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
    /// Events that are wrong, or do not fit where their ticket is. They may come again.
    refused: Vec<RefusedEvent>,
}

/// An event that does not fit.
#[derive(Serialize, ToSchema)]
pub(crate) struct RefusedEvent {
    /// Its place in the list, from 0.
    place: usize,
    /// Empty where it has none that can be read.
    event_id: String,
    /// The field that is wrong; empty where the event as a whole does not fit.
    field: String,
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
    let reported: Vec<Value> = signed::list(secrets, &headers, &body)?;
    if reported.len() > TICKET_EVENTS_MAX {
        let (all, detail) = (reported.len(), format!("events are more than {TICKET_EVENTS_MAX}"));
        return Err(Problem::invalid("", format!("{all} {detail}: send them in parts")));
    }
    let mut view = ReportView { taken: 0, known: 0, refused: Vec::new() };
    let (mut events, mut ids) = (Vec::with_capacity(reported.len()), Vec::new());
    let latest = UnixMillis(clock::now().0 + AHEAD_MAX_MS);
    for (place, event) in reported.into_iter().enumerate() {
        let event_id = event["event_id"].as_str().unwrap_or_default().to_owned();
        match read(event).and_then(|event| checked(event, latest)) {
            Ok(event) => {
                ids.push((place, event_id));
                events.push(with_deadline(&state, event).await?);
            }
            Err((field, detail)) => {
                let event_id = event_id.chars().take(EVENT_ID_CHARS_MAX).collect();
                view.refused.push(RefusedEvent { place, event_id, field, detail });
            }
        }
    }
    let campaign = rules.campaign_of_closed.as_deref();
    let outcomes = state.store.take_ticket_events(events, campaign, signed::BY).await?;
    for ((place, event_id), outcome) in ids.into_iter().zip(outcomes) {
        match outcome {
            EventOutcome::Taken => view.taken += 1,
            EventOutcome::Known => view.known += 1,
            EventOutcome::Refused(detail) => {
                let field = String::new();
                view.refused.push(RefusedEvent { place, event_id, field, detail });
            }
        }
    }
    view.refused.sort_by_key(|refused| refused.place);
    Ok(Json(view))
}

/// The steps that may be reported.
fn steps() -> String {
    StepKind::BY_PEOPLE.map(StepKind::as_str).join(", ")
}

/// An event as it is described, or the field that is not and what would be right. No value is in it.
fn read(event: Value) -> Result<EventOfTicket, (String, String)> {
    serde_path_to_error::deserialize(event).map_err(|error| {
        let mut field = error.path().to_string();
        let told = error.into_inner().to_string();
        let detail = match field.as_str() {
            "step" => format!("it is one of {}", steps()),
            "at" | "deadline" => "it is a whole number of milliseconds since 1970".to_owned(),
            "." => {
                field = String::new();
                // Such messages name fields alone; others may quote a value.
                let is_of_fields =
                    told.starts_with("missing field") || told.starts_with("unknown field");
                if is_of_fields { told } else { "it is an object as described".to_owned() }
            }
            _ if told.starts_with("unknown field") => told,
            _ => "it is a text".to_owned(),
        };
        (field, detail)
    })
}

fn checked(event: EventOfTicket, latest: UnixMillis) -> Result<TicketEvent, (String, String)> {
    let wrong = |field: &str, detail: String| (field.to_owned(), detail);
    let EventOfTicket { event_id, ticket, step, unit, deadline, at, note } = event;
    for (field, text, most) in
        [("event_id", &event_id, EVENT_ID_CHARS_MAX), ("ticket", &ticket, NUMBER_CHARS_MAX)]
    {
        if text.trim().is_empty() || text.chars().count() > most || text.contains(char::is_control)
        {
            return Err(wrong(field, format!("it has 1 to {most} characters, none a control")));
        }
    }
    by_people(step).map_err(|detail| wrong("step", format!("{detail}: {}", steps())))?;
    if at < 0 {
        return Err(wrong("at", "it is before 1970".to_owned()));
    }
    if at > latest.0 {
        return Err(wrong("at", "it is more than a day ahead of this server's clock".to_owned()));
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
