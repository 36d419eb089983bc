//! Follow-ups: what was tried, what was answered, and what people say it was.

use super::{conflict, find, view};
use crate::auth::Principal;
use crate::calls::page_limit;
use crate::problem::parameter;
use crate::{ApiState, Problem, access, clock};
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use qingting_callbacks::attempt::Status;
use qingting_callbacks::script::{AnswerName, answers_to, question};
use qingting_common::{CallId, FollowUpId};
use qingting_nlu::answers::{Cause, Question};
use qingting_store::{Correction, FollowUp, FollowUpQuery, FollowUpState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Longest note of a correction, in characters.
const NOTE_CHARS_MAX: usize = 500;

/// Which follow-ups.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Of this campaign, by its id or name.
    campaign: Option<String>,
    /// `awaiting_redo`, `waiting`, `calling` or `ended`.
    state: Option<String>,
    /// How they ended.
    status: Option<String>,
    /// Of this ticket.
    ticket: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Rows, 1 to 500; 50 when absent.
    limit: Option<u32>,
}

/// A page of follow-ups, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct FollowUpPage {
    follow_ups: Vec<view::FollowUpView>,
    /// `after` of the next page; absent on the last.
    next: Option<String>,
}

/// A follow-up with everything that is known of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct FollowUpDetail {
    follow_up: view::FollowUpView,
    attempts: Vec<view::AttemptView>,
    answers: Vec<view::AnswerView>,
    corrections: Vec<view::CorrectionView>,
    /// What it came to; absent while it goes on.
    verdict: Option<view::VerdictView>,
}

/// What the citizen really said.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCorrection {
    /// `contacted`, `resolved`, `satisfied` or `reason`.
    question: String,
    /// The answer; absent: there was none.
    #[serde(default)]
    #[schema(value_type = String)]
    answer: Option<AnswerName>,
    /// The kind of a reason, e.g. 推诿.
    #[serde(default)]
    cause: Option<String>,
    /// Why.
    note: String,
}

fn named<T: Copy>(
    field: &'static str,
    name: Option<&str>,
    all: &[T],
    of: fn(T) -> &'static str,
) -> Result<Option<T>, Problem> {
    let Some(name) = name else { return Ok(None) };
    let found = all.iter().copied().find(|one| of(*one) == name);
    found.map(Some).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|one| of(*one)).collect();
        Problem::new(
            StatusCode::BAD_REQUEST,
            format!("{field} must be one of {}", names.join(", ")),
        )
        .of_field(field)
    })
}

/// Follow-ups, oldest first.
#[utoipa::path(get, path = "/api/v1/follow-ups", params(ListQuery),
    responses((status = 200, body = FollowUpPage), (status = 400, body = Problem),
    (status = 404, body = Problem)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<FollowUpPage>, Problem> {
    let Query(query) = query?;
    let limit = page_limit(query.limit)?;
    let campaign = match &query.campaign {
        Some(which) => Some(find(&state, which).await?.id),
        None => None,
    };
    let of = named("state", query.state.as_deref(), &FollowUpState::ALL, FollowUpState::as_str)?;
    let wanted = FollowUpQuery {
        status: named("status", query.status.as_deref(), &Status::ALL, Status::as_str)?,
        ticket: query.ticket,
        after: query.after.as_deref().map(|text| parameter("after", text)).transpose()?,
        campaign,
        state: of,
        limit,
    };
    let rows = state.store.follow_ups(&wanted).await?;
    let ends = |row: Option<&FollowUp>| row.map(|row| row.id.to_string()).unwrap_or_default();
    let subject = format!("{}..{}", ends(rows.first()), ends(rows.last()));
    state.store.audit(&who.name, "follow_up.list", &subject).await?;
    let next = (rows.len() == limit as usize).then(|| ends(rows.last()));
    Ok(Json(FollowUpPage { follow_ups: rows.into_iter().map(view::follow_up).collect(), next }))
}

async fn detail(state: &ApiState, row: FollowUp) -> Result<FollowUpDetail, Problem> {
    let store = &state.store;
    let id = row.id;
    let result = store.result(id).await?;
    Ok(FollowUpDetail {
        attempts: store.attempts(id).await?.into_iter().map(view::attempt).collect(),
        answers: store.answers(id).await?.into_iter().map(view::answer).collect(),
        corrections: store.corrections(id).await?.into_iter().map(view::correction).collect(),
        verdict: result.map(|result| view::verdict(&result.verdict)),
        follow_up: view::follow_up(row),
    })
}

async fn load(state: &ApiState, id: FollowUpId) -> Result<FollowUp, Problem> {
    state.store.follow_up(id).await?.ok_or_else(|| Problem::not_found("follow-up"))
}

/// A follow-up with its attempts and answers.
#[utoipa::path(get, path = "/api/v1/follow-ups/{id}", params(("id" = String, Path)),
    responses((status = 200, body = FollowUpDetail), (status = 400, body = Problem),
    (status = 404, body = Problem)))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Json<FollowUpDetail>, Problem> {
    let id: FollowUpId = parameter("id", &id)?;
    let row = load(&state, id).await?;
    state.store.audit(&who.name, "follow_up.read", &id.to_string()).await?;
    detail(&state, row).await.map(Json)
}

/// What a call of a machine is about, for the seat that it was handed to.
#[utoipa::path(get, path = "/api/v1/calls/{id}/follow-up", params(("id" = String, Path)),
    responses((status = 200, body = FollowUpDetail), (status = 400, body = Problem),
    (status = 404, body = Problem)))]
pub(crate) async fn of_call(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Json<FollowUpDetail>, Problem> {
    let call: CallId = access::call(&state, &who, &id).await?.id;
    let row = state.store.follow_up_of_call(call).await?;
    let row = row.ok_or_else(|| Problem::not_found("follow-up of this call"))?;
    state.store.audit(&who.name, "follow_up.read", &row.id.to_string()).await?;
    detail(&state, row).await.map(Json)
}

/// Puts a person's reading in the place of the machine's, and tells the ticket system.
#[utoipa::path(post, path = "/api/v1/follow-ups/{id}/corrections", params(("id" = String, Path)),
    request_body = NewCorrection, responses((status = 200, body = FollowUpDetail),
    (status = 400, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn correct(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
    body: Result<Json<NewCorrection>, JsonRejection>,
) -> Result<Json<FollowUpDetail>, Problem> {
    let Json(new) = body?;
    let id: FollowUpId = parameter("id", &id)?;
    load(&state, id).await?;
    let correction = checked(new)?;
    if !state.store.correct_answer(id, correction, &who.name, clock::now()).await? {
        return Err(conflict("it goes on: correct what it came to when it has ended"));
    }
    let row = load(&state, id).await?;
    detail(&state, row).await.map(Json)
}

fn checked(new: NewCorrection) -> Result<Correction, Problem> {
    const OPEN: [Question; 4] =
        [Question::Contacted, Question::Resolved, Question::Satisfied, Question::Reason];
    let of = question(&new.question).filter(|of| OPEN.contains(of));
    let of = of.ok_or_else(|| {
        Problem::invalid("question", "it is contacted, resolved, satisfied or reason")
    })?;
    if let Some(answer) = new.answer.filter(|answer| !answers_to(of).contains(answer)) {
        let known: Vec<&str> = answers_to(of).iter().map(|answer| answer.as_str()).collect();
        let detail =
            format!("{} is no answer to {}: {}", answer.as_str(), new.question, known.join(", "));
        return Err(Problem::invalid("answer", detail));
    }
    let cause = match new.cause.as_deref() {
        None => None,
        Some(name) => Some(Cause::from_name(name).ok_or_else(|| {
            let names = Cause::ALL.map(Cause::as_str).join(", ");
            Problem::invalid("cause", format!("it is one of {names}"))
        })?),
    };
    let note = new.note.trim().to_owned();
    if note.is_empty() || note.chars().count() > NOTE_CHARS_MAX {
        return Err(Problem::invalid(
            "note",
            format!("say why, in 1 to {NOTE_CHARS_MAX} characters"),
        ));
    }
    Ok(Correction { question: of, answer: new.answer, cause, note })
}

/// Takes a follow-up out that is not on the telephone.
#[utoipa::path(post, path = "/api/v1/follow-ups/{id}/cancel", params(("id" = String, Path)),
    responses((status = 200, body = view::FollowUpView), (status = 400, body = Problem),
    (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn cancel(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Json<view::FollowUpView>, Problem> {
    let id: FollowUpId = parameter("id", &id)?;
    load(&state, id).await?;
    let cancelled = state.store.cancel_follow_up(id, &who.name, clock::now()).await?;
    let row = cancelled.ok_or_else(|| conflict("it has ended, or is on the telephone"))?;
    Ok(Json(view::follow_up(row)))
}
