//! What became of a ticket, and who did it.

use crate::auth::Principal;
use crate::problem::parameter;
use crate::{ApiState, Problem, access};
use axum::extract::{Path, State};
use axum::{Extension, Json};
use qingting_common::TicketId;
use qingting_nlu::draft::{Field, FieldValue};
use qingting_store::{PAGE_ROWS_MAX, Revision, StepRow};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What was written into a ticket and what was done to it. Revisions count through both.
#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryView {
    /// The citizen wants to stay unknown.
    confidential: bool,
    /// Changes of fields, oldest first; of more than 500 the newest.
    revisions: Vec<RevisionView>,
    /// Steps of handling (办理经过), oldest first; of more than 500 the newest.
    steps: Vec<StepView>,
}

/// A change of fields.
#[derive(Serialize, ToSchema)]
pub(crate) struct RevisionView {
    revision: i64,
    at: i64,
    /// A key's name, `admin`, a seat's extension or `machine`.
    by: String,
    /// Whether it is the erasure of the citizen by law (已按法删除), which changed values of before, too.
    erased: bool,
    /// New values by the field's name; null where it was cleared.
    changes: BTreeMap<&'static str, Option<String>>,
}

/// A step of handling.
#[derive(Serialize, ToSchema)]
pub(crate) struct StepView {
    revision: i64,
    /// As in `POST /api/v1/tickets/{id}/steps`; also `follow_up`, `satisfied`, `dissatisfied` and `unanswered`.
    step: &'static str,
    /// Where the ticket was after it.
    stage: &'static str,
    unit: Option<String>,
    /// The deadline that it set.
    deadline: Option<i64>,
    note: String,
    at: i64,
    /// As above, or `ticket-system`.
    by: String,
}

/// The history of a ticket: who wrote and did what, and when. Of an imported one there is none.
#[utoipa::path(get, path = "/api/v1/tickets/{id}/history", params(("id" = String, Path)),
    responses((status = 200, body = HistoryView), (status = 404, body = Problem)))]
pub(crate) async fn read(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Json<HistoryView>, Problem> {
    let id: TicketId = parameter("id", &id)?;
    let ticket = state.store.ticket(id).await?.ok_or_else(|| Problem::not_found("ticket"))?;
    access::may_read_ticket(&state, &who, &ticket).await?;
    state.store.audit(&who.name, "ticket.history", &id.to_string()).await?;
    let mut revisions = state.store.revisions(id).await?;
    revisions.drain(..revisions.len().saturating_sub(PAGE_ROWS_MAX as usize));
    let steps = state.store.ticket_steps(id).await?;
    let is_confidential = |value: &FieldValue| value.value.expose() == "true";
    Ok(Json(HistoryView {
        confidential: ticket.draft.field(Field::Confidential).is_some_and(is_confidential),
        revisions: revisions.into_iter().map(revision).collect(),
        steps: steps.into_iter().map(step).collect(),
    }))
}

fn revision(row: Revision) -> RevisionView {
    let change =
        |(field, value): (qingting_nlu::draft::Field, Option<qingting_common::Pii<String>>)| {
            (field.as_str(), value.map(|value| value.expose().clone()))
        };
    RevisionView {
        revision: row.revision,
        at: row.at.0,
        by: row.by,
        erased: row.erased,
        changes: row.changes.into_iter().map(change).collect(),
    }
}

fn step(row: StepRow) -> StepView {
    StepView {
        revision: row.revision,
        step: row.kind.as_str(),
        stage: row.stage.as_str(),
        unit: row.unit,
        deadline: row.deadline.map(|at| at.0),
        note: row.note.expose().clone(),
        at: row.at.0,
        by: row.by,
    }
}
