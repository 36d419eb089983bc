//! Seats: who there is, what they do now, and what the administrator makes of them.

use crate::access::forbidden;
use crate::auth::Principal;
use crate::revision::{Seen, stale, tag};
use crate::switchboard::{QueueState, SeatNow, SeatStateRequest};
use crate::{ApiState, Problem, clock, once};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::header::ETAG;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use qingting_common::Pii;
use qingting_store::{NewSeat, SeatChange, SeatError, SeatInfo, SeatRole};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use utoipa::ToSchema;

/// Longest reason of a break, in characters.
const REASON_CHARS_MAX: usize = 20;

/// A seat. Seats see of each other what they need to transfer a call: `skills` and `now.calls` are
/// empty for them.
#[derive(Serialize, ToSchema)]
pub(crate) struct SeatView {
    extension: String,
    /// Who sits there.
    name: String,
    /// `seat` or `supervisor`.
    role: &'static str,
    /// Skills with their levels: 1 is best, 9 is last resort.
    skills: BTreeMap<String, u8>,
    /// Those of them that no queue asks for: misspelt, or of a queue to come. Absent where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    skills_of_no_queue: Vec<String>,
    /// Whether it may neither register nor log in.
    disabled: bool,
    /// Whether it logs in with a code as well.
    has_totp: bool,
    /// Until when no code counts, because ten were wrong in a row; null when they count.
    totp_locked_until: Option<i64>,
    /// Counts its changes; also the `ETag`.
    revision: i64,
    created_at: i64,
    updated_at: i64,
    /// What it does; absent while it was not signed in since the server started.
    now: Option<SeatNow>,
}

/// A seat to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeatRequest {
    /// 2 to 8 digits.
    extension: String,
    /// 1 to 50 characters.
    name: String,
    /// `seat` or `supervisor`; `seat` when absent.
    #[schema(value_type = Option<String>)]
    role: Option<SeatRole>,
    /// Skills with their levels: 1 is best, 9 is last resort.
    #[serde(default)]
    skills: BTreeMap<String, u8>,
    /// 8 to 128 characters, for telephone and page; not stored.
    #[schema(value_type = String)]
    password: Pii<String>,
}

/// Changes of a seat; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeatEdit {
    /// The revision that was seen; `If-Match` says the same. A seat that was changed meanwhile stays as it is.
    revision: Option<i64>,
    name: Option<String>,
    /// `seat` or `supervisor`.
    #[schema(value_type = Option<String>)]
    role: Option<SeatRole>,
    skills: Option<BTreeMap<String, u8>>,
    disabled: Option<bool>,
    #[schema(value_type = Option<String>)]
    password: Option<Pii<String>>,
}

/// Every seat by its extension, with what it does now.
#[utoipa::path(get, path = "/api/v1/seats", responses((status = 200, body = Vec<SeatView>)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
) -> Result<Json<Vec<SeatView>>, Problem> {
    let seats = state.store.seats().await?;
    let now = state.switchboard.snapshot().await.seats;
    let mut now: HashMap<String, SeatNow> =
        now.into_iter().map(|seat| (seat.extension.clone(), seat)).collect();
    let wanted = state.switchboard.skills_wanted();
    let mut views: Vec<_> = seats
        .into_iter()
        .map(|seat| {
            let doing = now.remove(&seat.extension);
            view(seat, doing, wanted.as_ref())
        })
        .collect();
    if let Some(own) = who.seat_alone() {
        for other in views.iter_mut().filter(|view| view.extension != own) {
            other.skills.clear();
            other.now.iter_mut().for_each(|now| now.calls.clear());
        }
    }
    Ok(Json(views))
}

/// Makes a seat. Its telephone registers with the extension and the password.
#[utoipa::path(post, path = "/api/v1/seats", request_body = SeatRequest,
    responses((status = 201, body = SeatView), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn create(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    claimed: Option<Extension<once::Claimed>>,
    body: Result<Json<SeatRequest>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body?;
    let seat = NewSeat {
        extension: body.extension,
        name: body.name,
        role: body.role.unwrap_or(SeatRole::Seat),
        skills: body.skills,
        realm: state.realm.clone(),
        password: body.password,
    };
    let wanted = state.switchboard.skills_wanted();
    let of_queues = wanted.clone();
    let kept = once::kept(claimed, move |seat: &SeatInfo| {
        once::json(StatusCode::CREATED, &view(seat.clone(), None, of_queues.as_ref()))
    });
    let made = state.store.create_seat_once(seat, &who.name, kept).await?;
    state.switchboard.seats_changed().await;
    Ok((StatusCode::CREATED, answer(view(made, None, wanted.as_ref()))).into_response())
}

/// One seat.
#[utoipa::path(get, path = "/api/v1/seats/{extension}", params(("extension" = String, Path)),
    responses((status = 200, body = SeatView), (status = 404, body = Problem)))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    Path(extension): Path<String>,
) -> Result<Response, Problem> {
    let seat = state.store.seat(&extension).await?.ok_or_else(|| Problem::not_found("seat"))?;
    let doing = state.switchboard.snapshot().await.seats;
    let doing = doing.into_iter().find(|now| now.extension == seat.extension);
    Ok(answer(view(seat, doing, state.switchboard.skills_wanted().as_ref())))
}

/// Changes a seat. A new password, a role and `disabled` end its sessions. A seat that is not at the revision of
/// `If-Match` or of the body any more stays as it is (412, or 409).
#[utoipa::path(patch, path = "/api/v1/seats/{extension}", params(("extension" = String, Path)),
    request_body = SeatEdit, responses((status = 200, body = SeatView), (status = 400, body = Problem),
    (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn edit(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(extension): Path<String>,
    headers: HeaderMap,
    body: Result<Json<SeatEdit>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body?;
    let seen = Seen::read(&headers, body.revision)?;
    let change = SeatChange {
        name: body.name,
        role: body.role,
        skills: body.skills,
        disabled: body.disabled,
        password: body.password.map(|password| (password, state.realm.clone())),
    };
    let revision = seen.map(|seen| seen.revision);
    let changed = state.store.change_seat(&extension, revision, change, &who.name).await;
    let seat = changed.map_err(|error| refused(seen, error))?;
    state.switchboard.seats_changed().await;
    Ok(answer(view(seat, None, state.switchboard.skills_wanted().as_ref())))
}

/// Removes a seat. Its calls keep its extension. With `If-Match` only the seat that was seen.
#[utoipa::path(delete, path = "/api/v1/seats/{extension}", params(("extension" = String, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 404, body = Problem),
    (status = 412, body = Problem)))]
pub(crate) async fn remove(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(extension): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let seen = Seen::read(&headers, None)?;
    let revision = seen.map(|seen| seen.revision);
    let removed = state.store.delete_seat(&extension, revision, &who.name).await;
    removed.map_err(|error| refused(seen, error))?;
    state.switchboard.seats_changed().await;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes what a seat does; a seat its own alone.
#[utoipa::path(post, path = "/api/v1/seats/{extension}/state",
    params(("extension" = String, Path)), request_body = SeatStateRequest,
    responses((status = 202), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn state(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(extension): Path<String>,
    body: Result<Json<SeatStateRequest>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(request) = body?;
    if let SeatStateRequest::Break { reason } = &request
        && (reason.chars().count() > REASON_CHARS_MAX || reason.contains(char::is_control))
    {
        let detail = format!("reason: at most {REASON_CHARS_MAX} characters");
        return Err(Problem::invalid("reason", detail));
    }
    if who.seat_alone().is_some_and(|own| own != extension) {
        return Err(forbidden("a seat changes its own state"));
    }
    let seat = state.store.seat(&extension).await?.ok_or_else(|| Problem::not_found("seat"))?;
    if who.extension() != Some(&extension) {
        state.store.audit(&who.name, "seat.state", &extension).await?;
    }
    // Kept for the next start; what is done after a call changes no wish.
    let reason = match &request {
        SeatStateRequest::Break { reason } => Some(Some(reason.clone())),
        SeatStateRequest::WrapUpDone {} => None,
        SeatStateRequest::SignIn {} | SeatStateRequest::SignOut {} | SeatStateRequest::Ready {} => {
            Some(None)
        }
    };
    state.switchboard.seat_state(seat.extension, request).await?;
    if let Some(reason) = reason
        && let Err(error) = state.store.seat_rests(&extension, reason.as_deref()).await
    {
        tracing::warn!(%error, "a seat's break is not kept for the next start");
    }
    Ok(StatusCode::ACCEPTED)
}

/// The queues with who waits; a seat sees those that it serves, and of the calls how many.
#[utoipa::path(get, path = "/api/v1/queues", responses((status = 200, body = Vec<QueueState>)))]
pub(crate) async fn queues(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
) -> Json<Vec<QueueState>> {
    let mut queues = state.switchboard.snapshot().await.queues;
    if let Some(own) = who.seat_alone() {
        queues.retain(|queue| state.switchboard.serves(own, &queue.queue));
        queues.iter_mut().for_each(|queue| queue.calls.clear());
    }
    Json(queues)
}

fn refused(seen: Option<Seen>, error: SeatError) -> Problem {
    match error {
        SeatError::Changed { current } => stale(seen, current, error.to_string()),
        error => error.into(),
    }
}

fn answer(seat: SeatView) -> Response {
    ([(ETAG, tag(seat.revision))], Json(seat)).into_response()
}

fn view(seat: SeatInfo, now: Option<SeatNow>, wanted: Option<&BTreeSet<String>>) -> SeatView {
    let is_of_none = |skill: &&String| wanted.is_some_and(|wanted| !wanted.contains(*skill));
    let skills_of_no_queue = seat.skills.keys().filter(is_of_none).cloned().collect();
    SeatView {
        extension: seat.extension,
        name: seat.name,
        role: seat.role.as_str(),
        skills: seat.skills,
        skills_of_no_queue,
        disabled: seat.disabled,
        has_totp: seat.has_totp,
        totp_locked_until: Some(seat.totp_locked_until.0).filter(|until| *until > clock::now().0),
        revision: seat.revision,
        created_at: seat.created_at.0,
        updated_at: seat.updated_at.0,
        now,
    }
}
