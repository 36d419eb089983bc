//! Missed calls: listed, and called back once.

use crate::access;
use crate::auth::Principal;
use crate::calls::page_limit;
use crate::commands::{Dialled, extension_like};
use crate::problem::parameter;
use crate::{ApiState, Event, Problem};
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use qingting_common::CallId;
use qingting_store::{MissedCall, MissedQuery, MissedState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which missed calls.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// The `next` of the page before.
    before: Option<String>,
    /// Rows, 1 to 500; 50 when absent.
    limit: Option<u32>,
    /// `open`, `calling`, `reached`, `failed` or `called_again`.
    state: Option<String>,
}

/// A page of missed calls, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct MissedPage {
    missed: Vec<MissedView>,
    /// `before` of the next page; absent on the last.
    next: Option<String>,
}

/// A missed call.
#[derive(Serialize, ToSchema)]
pub(crate) struct MissedView {
    /// The call.
    id: String,
    /// The citizen's number.
    caller: String,
    /// The ticket says that the citizen wants to stay unknown.
    confidential: bool,
    called: String,
    /// The entry of that number.
    number_name: Option<String>,
    /// Why nobody was reached.
    why: String,
    at: i64,
    /// Whether the citizen asked to be called back.
    wanted: bool,
    /// `open`, `calling`, `reached`, `failed` or `called_again`.
    state: &'static str,
    claimed_by: Option<String>,
    claimed_at: Option<i64>,
    /// The call back.
    callback_call: Option<String>,
    /// The citizen's later call that stands for this one.
    called_again: Option<String>,
}

/// Who calls back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallBack {
    /// Whose telephone rings first; absent: the own one.
    #[serde(default)]
    extension: Option<String>,
}

/// Missed calls, newest first.
#[utoipa::path(get, path = "/api/v1/missed-calls", params(ListQuery),
    responses((status = 200, body = MissedPage), (status = 400, body = Problem)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<MissedPage>, Problem> {
    let Query(query) = query?;
    let limit = page_limit(query.limit)?;
    let wanted = MissedQuery {
        before: query.before.as_deref().map(|text| parameter("before", text)).transpose()?,
        limit,
        state: query.state.as_deref().map(missed_state).transpose()?,
    };
    let filter = query.state.as_deref().unwrap_or("all");
    state.store.audit(&who.name, "missed.list", filter).await?;
    let rows = state.store.missed_calls(&wanted).await?;
    let next = (rows.len() == limit as usize).then(|| rows.last().map(|row| row.call.to_string()));
    Ok(Json(MissedPage { missed: rows.into_iter().map(view).collect(), next: next.flatten() }))
}

/// Claims an open missed call and calls the citizen back; of several who try, one does. A body is
/// needed only to name the telephone.
#[utoipa::path(post, path = "/api/v1/missed-calls/{id}/call-back", params(("id" = String, Path)),
    request_body = Option<CallBack>, responses((status = 201, body = Dialled),
    (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem),
    (status = 503, body = Problem)))]
pub(crate) async fn call_back(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
    body: Result<Option<Json<CallBack>>, JsonRejection>,
) -> Result<(StatusCode, Json<Dialled>), Problem> {
    let id: CallId = parameter("id", &id)?;
    let named = body?.and_then(|Json(body)| body.extension);
    named.as_deref().map_or(Ok(()), extension_like)?;
    let actor = access::actor_at_telephone(&who, named)?;
    state.store.audit(&who.name, "missed.call_back", &id.to_string()).await?;
    let Some(missed) = state.store.claim_missed(id, &who.name).await? else {
        let detail = "somebody calls this citizen back, or has, or the citizen called again";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    };
    let wanted = missed.wanted;
    match state.switchboard.call_back(actor, missed).await {
        Ok(call) => {
            state.store.calling_back(id, call).await?;
            tell(&state, id, MissedState::Calling, wanted);
            Ok((StatusCode::CREATED, Json(Dialled { call: call.to_string() })))
        }
        Err(error) => {
            // Nobody was rung: the next may try.
            state.store.reopen_missed(id, &who.name).await?;
            Err(error.into())
        }
    }
}

/// Opens a call again that was claimed or not reached.
#[utoipa::path(post, path = "/api/v1/missed-calls/{id}/reopen", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn reopen(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: CallId = parameter("id", &id)?;
    let Some(row) = state.store.reopen_missed(id, &who.name).await? else {
        let detail = "only a call that is being called back or was not reached can be reopened";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    };
    tell(&state, id, row.state, row.wanted);
    Ok(StatusCode::NO_CONTENT)
}

fn tell(state: &ApiState, missed: CallId, now: MissedState, wanted: bool) {
    state.events.publish(Event::Missed { missed, state: now, wanted });
}

fn missed_state(name: &str) -> Result<MissedState, Problem> {
    MissedState::ALL.into_iter().find(|state| state.as_str() == name).ok_or_else(|| {
        let detail = "state must be open, calling, reached, failed or called_again";
        Problem::new(StatusCode::BAD_REQUEST, detail).of_field("state")
    })
}

fn view(row: MissedCall) -> MissedView {
    MissedView {
        id: row.call.to_string(),
        caller: row.caller.into_inner(),
        confidential: row.confidential,
        called: row.called,
        number_name: row.number_name,
        why: row.why,
        at: row.at.0,
        wanted: row.wanted,
        state: row.state.as_str(),
        claimed_by: row.claimed_by,
        claimed_at: row.claimed_at.map(|at| at.0),
        callback_call: row.callback_call.map(|call| call.to_string()),
        called_again: row.called_again.map(|call| call.to_string()),
    }
}
