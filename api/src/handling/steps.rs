//! Steps of handling: at the revision that was seen.

use crate::auth::Principal;
use crate::problem::parameter;
use crate::revision::{Seen, stale};
use crate::tickets::{TicketView, answer};
use crate::{ApiState, Problem, access, clock};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::{Extension, Json};
use qingting_common::{Pii, TicketId, UnixMillis};
use qingting_store::{Said, Step, StepError, StepFault, StepKind};
use serde::Deserialize;
use utoipa::ToSchema;

/// Steps that experts take for their unit; a longer time is the hotline's to give.
const OF_UNITS: [StepKind; 3] = [StepKind::Sign, StepKind::Return, StepKind::Close];

/// What is done to a ticket.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewStep {
    /// The revision that the person saw; `If-Match` says the same.
    revision: Option<i64>,
    /// `dispatch` 转办, `sign` 签收, `return` 退回, `extend` 延期, `supervise` 督办, `close` 办结, `redo` 重办 or `archive`
    /// 归档.
    #[schema(value_type = String)]
    step: StepKind,
    /// 承办单位 of `dispatch`, and of `redo` where it is another one.
    unit: Option<String>,
    /// 办理时限, of `extend`; of `dispatch` and `redo` the city's rules give one where none is given.
    deadline: Option<i64>,
    /// Why; of `close` what came of it. `dispatch`, `sign` and `archive` need none.
    #[serde(default)]
    note: String,
}

/// Takes a step of handling, if the ticket is still at the revision that was seen. A seat dispatches tickets of its
/// own calls of today, and takes no other step; an expert signs for, returns and closes those that its unit has.
#[utoipa::path(post, path = "/api/v1/tickets/{id}/steps", params(("id" = String, Path)),
    request_body = NewStep, responses((status = 200, body = TicketView), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem),
    (status = 428, body = Problem)))]
pub(crate) async fn take(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Result<Json<NewStep>, JsonRejection>,
) -> Result<Response, Problem> {
    let id: TicketId = parameter("id", &id)?;
    let Json(body) = body?;
    let seen = Seen::required(&headers, body.revision)?;
    let ticket = state.store.ticket(id).await?.ok_or_else(|| Problem::not_found("ticket"))?;
    access::may_read_ticket(&state, &who, &ticket).await?;
    if who.seat_alone().is_some() && body.step != StepKind::Dispatch {
        return Err(access::forbidden("a seat dispatches a ticket; who leads does the rest"));
    }
    if who.unit_alone().is_some() && !OF_UNITS.contains(&body.step) {
        return Err(access::forbidden("a unit signs for its tickets, returns and closes them"));
    }
    by_people(body.step).map_err(|detail| Problem::invalid("step", detail))?;
    let rules = &state.handling;
    let mut step = Step {
        kind: body.step,
        unit: body.unit.map(|unit| unit.trim().to_owned()),
        deadline: body.deadline.map(UnixMillis),
        note: Pii::new(body.note),
    };
    if matches!(step.kind, StepKind::Dispatch | StepKind::Redo) && step.deadline.is_none() {
        step.deadline = state.city.now().profile.deadline(&ticket.draft, clock::now());
    }
    let campaign = rules.campaign_of_closed.as_deref();
    let taken = state.store.step_ticket(id, seen.revision, step, campaign, &who.name).await;
    answer(&state, &taken.map_err(|error| refused(seen, error))?).await
}

/// Whether people take such a step.
pub(super) fn by_people(kind: StepKind) -> Result<(), String> {
    if StepKind::BY_PEOPLE.contains(&kind) {
        return Ok(());
    }
    Err(format!("step: {} follows from a follow-up, nobody takes it", kind.as_str()))
}

/// 412 answers a header, 409 a body.
fn refused(seen: Seen, error: StepError) -> Problem {
    let detail = error.to_string();
    match error {
        StepError::NotFound => Problem::not_found("ticket"),
        StepError::StaleRevision { current } => stale(Some(seen), current, detail),
        StepError::Draft => Problem::new(StatusCode::CONFLICT, detail),
        StepError::Fault(fault) => match fault {
            StepFault::Stage { .. } | StepFault::UnderWay => {
                Problem::new(StatusCode::CONFLICT, detail).of_field("step")
            }
            StepFault::Missing(said) => Problem::invalid(&said.to_string(), detail),
            StepFault::NotLater => Problem::invalid(&Said::Deadline.to_string(), detail),
        },
        StepError::Invalid { said, .. } => Problem::invalid(&said.to_string(), detail),
        StepError::Store(error) => error.into(),
    }
}
