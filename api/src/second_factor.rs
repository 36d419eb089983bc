//! A seat's second factor: offered, shown once to be right, then wanted at each log-in.

use crate::access::forbidden;
use crate::auth::{Principal, address, too_many_passwords};
use crate::{ApiState, Problem, clock};
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use qingting_common::Pii;
use qingting_store::Role;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use utoipa::ToSchema;

/// Who issues the codes, as authenticators show it.
const ISSUER: &str = "12345";

/// A secret to put into an authenticator. It is shown here and never again.
#[derive(Serialize, ToSchema)]
pub(crate) struct Offered {
    /// Base32 (RFC 4648), to type.
    secret: String,
    /// `otpauth://totp/…`, to open, or to show as a QR code.
    uri: String,
}

/// Who wants a second factor.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The seat's password once more; the administrator needs none.
    #[schema(value_type = String)]
    password: Pii<String>,
}

/// What the authenticator shows.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shown {
    /// Six digits.
    #[schema(value_type = String)]
    code: Pii<String>,
}

/// Offers a seat a second factor (RFC 6238: SHA-1, six digits, 30 s), which counts once a code of it was shown. A
/// seat offers itself its first one, with its password once more: who has stolen its session must not; another in its
/// place is the administrator's.
#[utoipa::path(post, path = "/api/v1/seats/{extension}/totp", params(("extension" = String, Path)),
    request_body = Option<Wanted>, responses((status = 201, body = Offered), (status = 404, body = Problem),
    (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn offer(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    Path(extension): Path<String>,
    body: Result<Option<Json<Wanted>>, JsonRejection>,
) -> Result<(StatusCode, Json<Offered>), Problem> {
    let password = body?.map(|Json(body)| body.password);
    may_change(&state, &who, &extension).await?;
    if who.role != Role::Admin {
        prove(&state, address(peer.as_deref()), &extension, password).await?;
    }
    let secret = state.store.offer_totp(&extension, &who.name).await?;
    let secret = secret.expose().clone();
    let uri = format!("otpauth://totp/{ISSUER}:{extension}?secret={secret}&issuer={ISSUER}");
    Ok((StatusCode::CREATED, Json(Offered { secret, uri })))
}

/// Has the offered second factor count from now on, and ends the seat's sessions.
#[utoipa::path(post, path = "/api/v1/seats/{extension}/totp/confirm",
    params(("extension" = String, Path)), request_body = Shown,
    responses((status = 204), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn confirm(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(extension): Path<String>,
    body: Result<Json<Shown>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(body) = body?;
    may_change(&state, &who, &extension).await?;
    if state.store.confirm_totp(&extension, body.code.expose(), &who.name).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let detail = "code: it is not of the secret that was offered last; are the clocks right?";
    Err(Problem::invalid("code", detail))
}

/// Looks at a password of who has a session, as slowly after wrong ones as at the log-in.
async fn prove(
    state: &ApiState,
    address: IpAddr,
    extension: &str,
    password: Option<Pii<String>>,
) -> Result<(), Problem> {
    let Some(password) = password else {
        return Err(Problem::invalid("password", "password: give the seat's password once more"));
    };
    let now = clock::now().0;
    let key = extension.to_owned();
    let Some(turn) = state.failures.turn(&address, now) else {
        return Err(too_many_passwords());
    };
    tokio::time::sleep(turn.delay.max(state.logins.delay(&key, now))).await;
    let is_right = state.store.is_password(extension, &password).await?;
    drop(turn);
    if is_right {
        return Ok(());
    }
    let now = clock::now().0;
    state.failures.count(&address, now);
    state.logins.count(&key, now);
    Err(Problem::invalid("password", "password: it is not the seat's"))
}

/// Lets a seat's codes count again that are locked after too many wrong ones.
#[utoipa::path(delete, path = "/api/v1/seats/{extension}/totp/lock",
    params(("extension" = String, Path)), responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn unlock(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(extension): Path<String>,
) -> Result<StatusCode, Problem> {
    state.store.unlock_totp(&extension, &who.name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a seat's second factor away, e.g. when its authenticator was lost.
#[utoipa::path(delete, path = "/api/v1/seats/{extension}/totp", params(("extension" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub(crate) async fn remove(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(extension): Path<String>,
) -> Result<StatusCode, Problem> {
    state.store.remove_totp(&extension, &who.name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whoever has stolen a session must not change what protects the log-in.
async fn may_change(state: &ApiState, who: &Principal, extension: &str) -> Result<(), Problem> {
    if who.role == Role::Admin {
        return Ok(());
    }
    if who.extension() != Some(extension) {
        return Err(forbidden("a seat has its own second factor alone"));
    }
    let seat = state.store.seat(extension).await?.ok_or_else(|| Problem::not_found("seat"))?;
    if seat.has_totp {
        return Err(forbidden("the seat has a second factor: the administrator gives another"));
    }
    Ok(())
}
