//! What waits for the ticket system, and what a person decides about what it refused.

use crate::auth::Principal;
use crate::calls::page_limit;
use crate::problem::parameter;
use crate::{ApiState, Problem, access};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use qingting_common::TicketId;
use qingting_store::{OutboxQuery, OutboxRow, OutboxState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which messages.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// The `next` of the page before.
    after: Option<i64>,
    /// Rows, 1 to 500; 50 when absent.
    limit: Option<u32>,
    /// `pending`, `sent`, `parked`, `discarded` or `skipped`.
    state: Option<String>,
    /// Of this ticket or call alone.
    stream: Option<String>,
}

/// A page of messages, in the order in which they were written.
#[derive(Serialize, ToSchema)]
pub(crate) struct OutboxPage {
    messages: Vec<OutboxView>,
    /// Whether a ticket system is configured; without one messages wait for it.
    sends: bool,
    /// `after` of the next page; absent on the last.
    next: Option<i64>,
}

/// A message to the ticket system.
#[derive(Serialize, ToSchema)]
pub(crate) struct OutboxView {
    id: i64,
    /// Its idempotency key.
    key: String,
    /// Such as `ticket.confirmed` or `call.ended`.
    kind: String,
    /// The ticket or call whose messages leave in their order: one that waits or is parked holds back
    /// those behind it.
    stream: String,
    /// `pending`, `sent`, `parked` (a person decides), `discarded` (one did) or `skipped` (of a kind that
    /// is not sent).
    state: &'static str,
    created_at: i64,
    /// Tries that failed.
    tries: u32,
    /// When it is tried next, at the earliest; 0 for at once.
    not_before: i64,
    /// Why the last try failed, as the ticket system put it.
    last_error: Option<String>,
    parked_at: Option<i64>,
    sent_at: Option<i64>,
}

/// How many messages are tried again.
#[derive(Serialize, ToSchema)]
pub(crate) struct Retried {
    retried: u64,
}

/// Messages to the ticket system, in the order in which they were written.
#[utoipa::path(get, path = "/api/v1/outbox", params(ListQuery),
    responses((status = 200, body = OutboxPage), (status = 400, body = Problem)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<OutboxPage>, Problem> {
    let Query(query) = query?;
    let limit = page_limit(query.limit)?;
    let filter = query.state.as_deref().unwrap_or("all");
    let wanted = OutboxQuery {
        after: query.after,
        newest_first: false,
        limit,
        state: query.state.as_deref().map(outbox_state).transpose()?,
        stream: query.stream,
    };
    // What the ticket system wrote may quote a citizen.
    state.store.audit(&who.name, "outbox.list", filter).await?;
    let rows = state.store.outbox(&wanted).await?;
    let next = (rows.len() == limit as usize).then(|| rows.last().map(|row| row.id));
    let messages = rows.into_iter().map(view).collect();
    Ok(Json(OutboxPage { messages, sends: state.sends_messages, next: next.flatten() }))
}

/// What the ticket system was told of a ticket, and what it is still to be told, the newest first and at most
/// 50: whether a ticket that was submitted has arrived.
#[utoipa::path(get, path = "/api/v1/tickets/{id}/messages", params(("id" = String, Path)),
    responses((status = 200, body = OutboxPage), (status = 404, body = Problem)))]
pub(crate) async fn of_ticket(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Json<OutboxPage>, Problem> {
    let id: TicketId = parameter("id", &id)?;
    let row = state.store.ticket(id).await?.ok_or_else(|| Problem::not_found("ticket"))?;
    access::may_read(&state, &who, row.call).await?;
    let wanted = OutboxQuery {
        after: None,
        newest_first: true,
        limit: page_limit(None)?,
        state: None,
        stream: Some(id.to_string()),
    };
    state.store.audit(&who.name, "outbox.list", &id.to_string()).await?;
    let rows = state.store.outbox(&wanted).await?;
    let messages = rows.into_iter().map(view).collect();
    Ok(Json(OutboxPage { messages, sends: state.sends_messages, next: None }))
}

/// Tries every parked message again, e.g. after the ticket system was mended.
#[utoipa::path(post, path = "/api/v1/outbox/retry", responses((status = 200, body = Retried)))]
pub(crate) async fn retry_parked(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
) -> Result<Json<Retried>, Problem> {
    Ok(Json(Retried { retried: state.store.retry_parked_outbox(&who.name).await? }))
}

/// Tries a parked or waiting message again at once.
#[utoipa::path(post, path = "/api/v1/outbox/{id}/retry", params(("id" = i64, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 404, body = Problem),
    (status = 409, body = Problem)))]
pub(crate) async fn retry(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let done = state.store.retry_outbox(parameter("id", &id)?, &who.name).await?;
    decided(done, "only a message that is parked or waits can be tried again")
}

/// Never sends a parked message; those behind it go on.
#[utoipa::path(post, path = "/api/v1/outbox/{id}/discard", params(("id" = i64, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 404, body = Problem),
    (status = 409, body = Problem)))]
pub(crate) async fn discard(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let done = state.store.discard_outbox(parameter("id", &id)?, &who.name).await?;
    decided(done, "only a message that is parked can be discarded")
}

fn decided(done: bool, otherwise: &str) -> Result<StatusCode, Problem> {
    match done {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::new(StatusCode::CONFLICT, otherwise)),
    }
}

fn outbox_state(name: &str) -> Result<OutboxState, Problem> {
    OutboxState::ALL.into_iter().find(|state| state.as_str() == name).ok_or_else(|| {
        let detail = "state must be pending, sent, parked, discarded or skipped";
        Problem::new(StatusCode::BAD_REQUEST, detail).of_field("state")
    })
}

fn view(row: OutboxRow) -> OutboxView {
    OutboxView {
        id: row.id,
        key: row.key,
        kind: row.kind,
        stream: row.stream,
        state: row.state.as_str(),
        created_at: row.created_at.0,
        tries: row.tries,
        not_before: row.not_before.0,
        last_error: row.last_error.map(qingting_common::Pii::into_inner),
        parked_at: row.parked_at.map(|at| at.0),
        sent_at: row.sent_at.map(|at| at.0),
    }
}
