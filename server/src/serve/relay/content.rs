//! What an outbox row tells: rows about calls and tickets hold ids, and are read here when they are sent.

use qingting_common::{CallId, Pii, TicketId};
use qingting_store::{CallRow, OutboxRow, StepRow, Store, StoreError, TicketRow};
use qingting_tickets::{Event, MappingError};
use serde_json::{Map, Value, json};
use std::str::FromStr;

/// Why a row cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum Unsendable {
    /// The database failed: it may work later.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What it is about is gone.
    #[error("there is no such {0} any more")]
    Gone(&'static str),
    /// The mapping does not fit.
    #[error(transparent)]
    Mapping(#[from] MappingError),
}

impl Unsendable {
    /// With the value that does not fit; not for a log.
    pub fn with_value(&self) -> Pii<String> {
        match self {
            Self::Mapping(error) => error.with_value(),
            other => Pii::new(other.to_string()),
        }
    }
}

/// The row as an event, with what it is about as that is now.
pub async fn event(store: &Store, row: &OutboxRow) -> Result<Event, Unsendable> {
    let payload = row.payload.expose();
    let data = match row.kind.as_str() {
        "ticket.updated" | "ticket.confirmed" => of_ticket(store, payload).await?,
        "ticket.handling" => of_step(store, payload).await?,
        "call.ended" => json!({ "call": call(store, id(payload, "call")?).await? }),
        _ => payload.clone(),
    };
    Ok(Event {
        key: row.key.clone(),
        kind: row.kind.clone(),
        subject: row.stream.clone(),
        at: row.created_at,
        data: Pii::new(data),
    })
}

/// The ticket may have changed since: its own revision tells which one this is.
async fn of_ticket(store: &Store, payload: &Value) -> Result<Value, Unsendable> {
    let ticket = store.ticket(id::<TicketId>(payload, "ticket")?).await?;
    let ticket = ticket.ok_or(Unsendable::Gone("ticket"))?;
    Ok(changed_json(payload, &call(store, ticket.call).await?, &ticket))
}

fn changed_json(payload: &Value, call: &Value, ticket: &TicketRow) -> Value {
    json!({
        "revision": payload["revision"],
        "changed": payload["changed"],
        "call": call,
        "ticket": ticket_json(ticket),
    })
}

/// The ticket, with the step and where it led.
async fn of_step(store: &Store, payload: &Value) -> Result<Value, Unsendable> {
    let revision = payload["revision"].as_i64().ok_or(Unsendable::Gone("revision"))?;
    let step = store.ticket_step(id::<TicketId>(payload, "ticket")?, revision).await?;
    let step = step.ok_or(Unsendable::Gone("step"))?;
    let mut told = of_ticket(store, payload).await?;
    told["step"] = step_json(&step, payload);
    Ok(told)
}

fn step_json(step: &StepRow, payload: &Value) -> Value {
    json!({
        "step": step.kind,
        "stage": step.stage,
        "unit": step.unit,
        "deadline": payload["deadline"],
        "supervised": payload["supervised"],
        "note": step.note.expose(),
        "at": step.at,
        "by": step.by,
    })
}

fn id<T: FromStr>(payload: &Value, name: &'static str) -> Result<T, Unsendable> {
    let id = payload[name].as_str().and_then(|text| text.parse().ok());
    id.ok_or(Unsendable::Gone(name))
}

fn ticket_json(ticket: &TicketRow) -> Value {
    let fields: Map<String, Value> = ticket
        .draft
        .fields()
        .map(|(field, value)| (field.as_str().to_owned(), value.value.expose().clone().into()))
        .collect();
    json!({
        "id": ticket.id,
        "number": ticket.number,
        "status": ticket.status,
        "revision": ticket.revision,
        "fields": fields,
        "created_at": ticket.created_at,
        "updated_at": ticket.updated_at,
        "confirmed_at": ticket.confirmed_at,
        "confirmed_by": ticket.confirmed_by,
    })
}

async fn call(store: &Store, id: CallId) -> Result<Value, Unsendable> {
    let call = store.call(id).await?.ok_or(Unsendable::Gone("call"))?;
    Ok(call_json(&call))
}

/// The recording itself is read through the API, by the call's id.
fn call_json(call: &CallRow) -> Value {
    let recording = call.recording.as_ref().map(|recording| {
        json!({
            "call": call.id,
            "duration_ms": recording.duration_ms,
            "sha256": recording.sha256,
            "chain_head": recording.chain_head,
            "incomplete": recording.incomplete,
        })
    });
    json!({
        "id": call.id,
        "direction": call.direction.as_str(),
        "caller": call.caller,
        "called": call.called,
        "number_name": call.number_name,
        "queue": call.queue,
        "queue_wait_ms": call.queue_wait_ms,
        "seat": call.seat,
        "started_at": call.started_at,
        "answered_at": call.answered_at,
        "ended_at": call.ended_at,
        "hung_up_by": call.hung_up_by,
        "cause": call.cause,
        "missed": call.missed,
        "ticket": call.ticket,
        "ticket_number": call.ticket_number,
        "recording": recording,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use qingting_common::UnixMillis;
    use qingting_nlu::draft::{Field, TicketDraft};
    use qingting_store::{Direction, Handling, RecordingInfo, Stage, StepKind, TicketStatus};
    use uuid::Uuid;

    /// What is told of a call that has a recording.
    pub(in crate::serve::relay) fn call() -> Value {
        let call = CallRow {
            id: CallId::new(Uuid::now_v7()),
            direction: Direction::Inbound,
            caller: Pii::new("13800138000".into()),
            confidential: false,
            called: "12345".into(),
            number_name: None,
            enterprise: false,
            queue: None,
            queue_wait_ms: None,
            seat: None,
            missed: None,
            sip_call_id: None,
            remote: None,
            started_at: UnixMillis(1),
            answered_at: None,
            ended_at: None,
            hung_up_by: None,
            cause: None,
            sip_code: None,
            recording: Some(RecordingInfo::default()),
            quality: None,
            ticket: None,
            ticket_number: None,
        };
        json!({ "call": call_json(&call) })
    }
    /// What is told of a ticket with every field, and of a step of it.
    pub(in crate::serve::relay) fn ticket() -> (Value, Value) {
        let mut draft = TicketDraft::default();
        for field in Field::ALL {
            draft.edit(field, "x".into());
        }
        let ticket = TicketRow {
            id: TicketId::new(Uuid::now_v7()),
            number: "20260101-000001".into(),
            call: CallId::new(Uuid::now_v7()),
            status: TicketStatus::Confirmed,
            revision: 2,
            draft,
            created_at: UnixMillis(1),
            updated_at: UnixMillis(2),
            confirmed_at: None,
            confirmed_by: None,
            handling: Handling {
                stage: Stage::Accepted,
                unit: None,
                deadline: None,
                is_supervised: false,
                heard: None,
            },
            closed_at: None,
            follow_up: None,
        };
        let step = StepRow {
            revision: 2,
            kind: StepKind::Dispatch,
            stage: Stage::Accepted,
            unit: None,
            deadline: None,
            note: Pii::new("x".into()),
            at: UnixMillis(2),
            by: "admin".into(),
        };
        let payload = json!({ "revision": 2, "changed": ["title"], "supervised": false });
        let told = changed_json(&payload, &call()["call"], &ticket);
        let mut with_step = told.clone();
        with_step["step"] = step_json(&step, &payload);
        (told, with_step)
    }
}
