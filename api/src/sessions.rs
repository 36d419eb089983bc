//! Sessions of seats: log in, log out, who am I.

use crate::auth::{Principal, address, challenged, too_many, unauthorized};
use crate::{ApiState, Problem, clock};
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use qingting_common::Pii;
use qingting_store::seats::TOTP_WRONG_MAX;
use qingting_store::{self as store, Credential, SeatInfo};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use utoipa::ToSchema;

/// Longest text that is looked up as an extension, in characters.
const EXTENSION_CHARS_MAX: usize = 8;

/// A seat that logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogIn {
    extension: String,
    #[schema(value_type = String)]
    password: Pii<String>,
    /// Of the seat that has a second factor: the six digits that its authenticator shows.
    #[schema(value_type = Option<String>)]
    code: Option<Pii<String>>,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionView {
    /// Send it as `Authorization: Bearer qts_…`. It is shown here and never again.
    token: String,
    /// When it ends by itself: 12 hours after the login.
    expires_at: i64,
    #[serde(flatten)]
    me: Me,
}

/// Who a credential belongs to.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    /// As in the audit: a key's name, `admin`, or a seat's extension.
    name: String,
    /// `admin`, `operator`, `reader`, `supervisor` or `seat`; a key for metrics or the feed does not get here.
    role: &'static str,
    /// Of a session.
    extension: Option<String>,
    /// Who sits there.
    person: Option<String>,
    /// Skills with their levels, 1 the best.
    skills: BTreeMap<String, u8>,
}

/// Logs a seat in. Too many wrong passwords of an address or for a seat are looked at late. A seat with a second
/// factor whose password is right is told so by 401 with `field` `code`; each code counts once. After ten wrong codes in
/// a row none counts for 15 minutes (429 with `field` `code`), or until the administrator says so.
#[utoipa::path(post, path = "/api/v1/session", request_body = LogIn,
    responses((status = 201, body = SessionView), (status = 401, body = Problem),
    (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn open(
    State(state): State<ApiState>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    body: Result<Json<LogIn>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body?;
    let address = address(peer.as_deref());
    // What cannot be an extension must not fill the memory of those that can.
    let is_like_one = |text: &String| {
        text.len() <= EXTENSION_CHARS_MAX && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let extension = Some(body.extension).filter(is_like_one);
    let extension = extension.unwrap_or_default();
    let now = clock::now().0;
    let Some(turn) = state.failures.turn(&address, now) else { return Ok(*too_many()) };
    tokio::time::sleep(turn.delay.max(state.logins.delay(&extension, now))).await;
    let code = body.code.as_ref().map(|code| code.expose().as_str());
    let came_of_it = state.store.open_session(&extension, &body.password, code).await?;
    drop(turn);
    let count = || {
        let now = clock::now().0;
        state.failures.count(&address, now);
        state.logins.count(&extension, now);
    };
    let opened = match came_of_it {
        store::LogIn::Opened(opened) => opened,
        store::LogIn::Wrong => {
            count();
            return Ok(*unauthorized("wrong extension or password"));
        }
        store::LogIn::WantsCode => {
            // To ask for one is no guess.
            if code.is_some() {
                count();
            }
            let detail = "code: the six digits that the authenticator shows now, each once";
            let problem = Problem::new(StatusCode::UNAUTHORIZED, detail).of_field("code");
            return Ok(*challenged(problem));
        }
        store::LogIn::Locked(until) => {
            let seconds = (until.0 - clock::now().0).max(0).cast_unsigned().div_ceil(1_000);
            let detail = format!(
                "code: {TOTP_WRONG_MAX} codes in a row were wrong: wait {seconds} s, or ask the administrator"
            );
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).of_field("code");
            return Ok(([(RETRY_AFTER, HeaderValue::from(seconds))], problem).into_response());
        }
    };
    let (seat, expires_at) = (opened.session.seat, opened.session.expires_at.0);
    let role = seat.role.as_str();
    let view = SessionView { token: opened.token, expires_at, me: of_seat(seat, role) };
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// Ends the session that the request is of; its event streams close.
#[utoipa::path(delete, path = "/api/v1/session",
    responses((status = 204), (status = 409, body = Problem)))]
pub(crate) async fn close(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
) -> Result<StatusCode, Problem> {
    let Credential::Session(id) = who.credential else {
        return Err(Problem::new(StatusCode::CONFLICT, "a key is no session: revoke it instead"));
    };
    state.store.close_session(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who the credential belongs to.
#[utoipa::path(get, path = "/api/v1/me", responses((status = 200, body = Me)))]
pub(crate) async fn me(Extension(who): Extension<Principal>) -> Json<Me> {
    let role = who.role.as_str();
    Json(match who.session {
        Some(session) => of_seat(session.seat, role),
        None => Me { name: who.name, role, extension: None, person: None, skills: BTreeMap::new() },
    })
}

fn of_seat(seat: SeatInfo, role: &'static str) -> Me {
    Me {
        name: seat.extension.clone(),
        role,
        extension: Some(seat.extension),
        person: Some(seat.name),
        skills: seat.skills,
    }
}
