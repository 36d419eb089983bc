//! Sessions of seats and people: log in, log out, who am I.

use crate::auth::{Principal, address, challenged, too_many, unauthorized};
use crate::sign_on::{self, ProviderAnswer};
use crate::{ApiState, Problem, clock};
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use qingting_common::{Pii, UnixMillis};
use qingting_store::seats::TOTP_WRONG_MAX;
use qingting_store::{self as store, Credential, NewPersonSession, PersonInfo, SeatInfo};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use utoipa::ToSchema;

/// Longest text that is looked up as an extension or a login, in characters.
const EXTENSION_CHARS_MAX: usize = 8;
const LOGIN_CHARS_MAX: usize = 32;

/// Who logs in: a seat with `extension` and `password`, a person with `login` and `password`, or a person whom the
/// city's OpenID provider vouches for, with `provider` alone.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogIn {
    /// A seat's.
    #[serde(default)]
    extension: Option<String>,
    /// Of a person without a telephone.
    #[serde(default)]
    login: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    password: Option<Pii<String>>,
    /// Of a seat with a second factor: the six digits that the authenticator shows.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    code: Option<Pii<String>>,
    /// `{}` asks where the provider is; then what it sent the browser back with.
    #[serde(default)]
    provider: Option<ProviderAnswer>,
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
    /// As in the audit: a key's name, `admin`, a seat's extension, or a person's login.
    name: String,
    /// `admin`, `operator`, `reader`, `supervisor`, `seat`, `expert` or `auditor`; a key for metrics or the feed does
    /// not get here.
    role: &'static str,
    /// Of a seat's session.
    extension: Option<String>,
    /// Who sits there.
    person: Option<String>,
    /// 承办单位, of an expert.
    unit: Option<String>,
    /// Skills with their levels, 1 the best.
    skills: BTreeMap<String, u8>,
}

/// Logs somebody in. Too many wrong passwords of an address or for a name are looked at late. Whoever has a second
/// factor and a right password is told so by 401 with `field` `code`; each code counts once. After ten wrong codes in a
/// row none counts for 15 minutes (429 with `field` `code`), or until the administrator says so. `{"provider": {}}` is
/// answered with 200 and where the OpenID provider is to be asked; the answer sets a cookie that lives 10 minutes.
#[utoipa::path(post, path = "/api/v1/session", request_body = LogIn,
    responses((status = 201, body = SessionView), (status = 200, body = sign_on::Elsewhere),
    (status = 401, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem),
    (status = 429, body = Problem), (status = 502, body = Problem)))]
pub(crate) async fn open(
    State(state): State<ApiState>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: Result<Json<LogIn>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body?;
    if let Some(answer) = body.provider {
        if body.extension.is_some() || body.login.is_some() || body.password.is_some() {
            return Err(Problem::invalid("provider", "provider: goes without a password"));
        }
        return sign_on::go_on(&state, &headers, answer).await;
    }
    let password =
        body.password.ok_or_else(|| Problem::invalid("password", "password: it is missing"))?;
    let is_seat = body.extension.is_some();
    let name = match (body.extension, body.login) {
        (Some(extension), None) => extension,
        (None, Some(login)) => login,
        _ => return Err(Problem::invalid("extension", "say either extension or login")),
    };
    // What cannot be one must not fill the memory of those that can.
    let is_like_one = |text: &String| match is_seat {
        true => text.len() <= EXTENSION_CHARS_MAX && text.bytes().all(|byte| byte.is_ascii_digit()),
        false => text.len() <= LOGIN_CHARS_MAX && text.bytes().all(|byte| byte.is_ascii_graphic()),
    };
    let name = Some(name).filter(is_like_one).unwrap_or_default();
    let address = address(peer.as_deref());
    let now = clock::now().0;
    let Some(turn) = state.failures.turn(&address, now) else { return Ok(*too_many()) };
    tokio::time::sleep(turn.delay.max(state.logins.delay(&name, now))).await;
    let code = body.code.as_ref().map(|code| code.expose().as_str());
    let came_of_it = match is_seat {
        true => state.store.open_session(&name, &password, code).await?.into(),
        false => state.store.open_person_session(&name, &password).await?.into(),
    };
    drop(turn);
    let count = || {
        let now = clock::now().0;
        state.failures.count(&address, now);
        state.logins.count(&name, now);
    };
    match came_of_it {
        Outcome::Opened(view) => Ok((StatusCode::CREATED, Json(*view)).into_response()),
        Outcome::Wrong => {
            count();
            let what =
                if is_seat { "wrong extension or password" } else { "wrong login or password" };
            Ok(*unauthorized(what))
        }
        Outcome::WantsCode => {
            // To ask for one is no guess.
            if code.is_some() {
                count();
            }
            let detail = "code: the six digits that the authenticator shows now, each once";
            let problem = Problem::new(StatusCode::UNAUTHORIZED, detail).of_field("code");
            Ok(*challenged(problem))
        }
        Outcome::Locked(until) => {
            let seconds = (until.0 - clock::now().0).max(0).cast_unsigned().div_ceil(1_000);
            let detail = format!(
                "code: {TOTP_WRONG_MAX} codes in a row were wrong: wait {seconds} s, or ask the administrator"
            );
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).of_field("code");
            Ok(([(RETRY_AFTER, HeaderValue::from(seconds))], problem).into_response())
        }
    }
}

/// What came of a log-in, whoever's it is.
enum Outcome {
    Opened(Box<SessionView>),
    Wrong,
    WantsCode,
    Locked(UnixMillis),
}

impl From<store::LogIn> for Outcome {
    fn from(of_seat: store::LogIn) -> Self {
        match of_seat {
            store::LogIn::Opened(opened) => {
                let role = opened.session.seat.role.as_str();
                let me = self::of_seat(opened.session.seat, role);
                Self::Opened(Box::new(SessionView::new(
                    opened.token,
                    opened.session.expires_at,
                    me,
                )))
            }
            store::LogIn::Wrong => Self::Wrong,
            store::LogIn::WantsCode => Self::WantsCode,
            store::LogIn::Locked(until) => Self::Locked(until),
        }
    }
}

impl From<Option<NewPersonSession>> for Outcome {
    fn from(of_person: Option<NewPersonSession>) -> Self {
        of_person.map_or(Self::Wrong, |opened| Self::Opened(Box::new(of_session(opened))))
    }
}

impl SessionView {
    fn new(token: String, expires_at: UnixMillis, me: Me) -> Self {
        Self { token, expires_at: expires_at.0, me }
    }
}

pub(crate) fn of_session(opened: NewPersonSession) -> SessionView {
    let me = of_person(opened.session.person);
    SessionView::new(opened.token, opened.session.expires_at, me)
}

/// Ends the session that the request is of; its event streams close.
#[utoipa::path(delete, path = "/api/v1/session",
    responses((status = 204), (status = 409, body = Problem)))]
pub(crate) async fn close(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
) -> Result<StatusCode, Problem> {
    match who.credential {
        Credential::Session(id) => state.store.close_session(id).await?,
        Credential::PersonSession(id) => state.store.close_person_session(id).await?,
        Credential::Key(_) | Credential::Password(_) => {
            let detail = "a key is no session: revoke it instead";
            return Err(Problem::new(StatusCode::CONFLICT, detail));
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Who the credential belongs to.
#[utoipa::path(get, path = "/api/v1/me", responses((status = 200, body = Me)))]
pub(crate) async fn me(Extension(who): Extension<Principal>) -> Json<Me> {
    let role = who.role.as_str();
    Json(match (who.session, who.person) {
        (Some(session), _) => of_seat(session.seat, role),
        (None, Some(person)) => of_person(person),
        (None, None) => Me {
            name: who.name,
            role,
            extension: None,
            person: None,
            unit: None,
            skills: BTreeMap::new(),
        },
    })
}

fn of_seat(seat: SeatInfo, role: &'static str) -> Me {
    Me {
        name: seat.extension.clone(),
        role,
        extension: Some(seat.extension),
        person: Some(seat.name),
        unit: None,
        skills: seat.skills,
    }
}

fn of_person(person: PersonInfo) -> Me {
    Me {
        name: person.login,
        role: person.role.of_person_str(),
        extension: None,
        person: Some(person.name),
        unit: person.unit,
        skills: BTreeMap::new(),
    }
}
