//! Who may do what: one table, deny by default.
//!
//! Credentials: `Authorization: Bearer qt_…`, a key, or `qts_…`, a seat's or person's session; or for browsers'
//! WebSockets, which cannot set headers, the same as a second `Sec-WebSocket-Protocol` beside
//! [`WEBSOCKET_PROTOCOL`]; or HTTP Basic as `admin` with the administrator's password. Basic is never offered in `WWW-Authenticate`, so that
//! browsers do not remember the password and send it along with another site's requests.

use crate::failures::PASSWORD_DELAY_MAX;
use crate::problem::Problem;
use crate::{ApiState, clock};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use qingting_store::Role::{
    self, Admin, Auditor, Expert, Feed, Interviewer, Metrics, Operator, Reader, Seat, Supervisor,
};
use qingting_store::keys::{ADMIN, SECRET_PREFIX};
use qingting_store::seats::SESSION_PREFIX;
use qingting_store::{Credential, PersonInfo, PersonSession, SeatRole, SeatSession};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The WebSocket subprotocol of the event stream.
pub const WEBSOCKET_PROTOCOL: &str = "qingting";

const READ: &[Role] = &[Admin, Operator, Reader, Supervisor];
const LEAD: &[Role] = &[Admin, Supervisor];
/// Who runs campaigns, and who reads what came of them.
const RUN: &[Role] = &[Admin, Operator, Supervisor, Interviewer];
const READ_RUN: &[Role] = &[Admin, Operator, Reader, Supervisor, Interviewer];
/// Who says what an answer really was.
const REVIEW: &[Role] = &[Admin, Supervisor, Interviewer];
/// What of a call an interviewer reads, too, where it is one of a follow-up: the handlers look.
const READ_OWN_OR_RUN: &[Role] = &[Admin, Operator, Reader, Supervisor, Seat, Interviewer];
/// What seats may do, too, with what is theirs: the handlers look whose it is.
const READ_OWN: &[Role] = &[Admin, Operator, Reader, Supervisor, Seat];
const WORK_OWN: &[Role] = &[Admin, Operator, Supervisor, Seat];
/// Who signs in or has a key, whatever for.
const SIGNED_IN: &[Role] =
    &[Admin, Operator, Reader, Supervisor, Seat, Expert, Auditor, Interviewer];
/// Who has a session.
const LOGGED_IN: &[Role] = &[Admin, Operator, Seat, Supervisor, Expert, Auditor, Interviewer];
/// Who handles tickets, experts those of their unit.
const HANDLE: &[Role] = &[Admin, Operator, Supervisor, Seat, Expert];
const READ_HANDLED: &[Role] = &[Admin, Operator, Reader, Supervisor, Seat, Expert];
/// Who looks at what was done.
const LOOK: &[Role] = &[Admin, Auditor];

/// Every operation and the roles that may call it; an empty list is open to everyone, and what is
/// not here is refused.
pub const POLICY: &[(&str, &str, &[Role])] = &[
    ("GET", "/healthz", &[]),
    ("GET", "/readyz", &[]),
    ("GET", "/metrics", &[Admin, Metrics]),
    // Where to read on; nothing that is not in the documentation.
    ("GET", "/api/v1", &[]),
    ("GET", "/api/v1/openapi.json", SIGNED_IN),
    ("POST", "/api/v1/session", &[]),
    ("DELETE", "/api/v1/session", LOGGED_IN),
    ("GET", "/api/v1/me", SIGNED_IN),
    ("PUT", "/api/v1/me/password", &[Admin, Seat, Supervisor, Expert, Auditor, Interviewer]),
    ("GET", "/api/v1/calls", READ_OWN),
    ("POST", "/api/v1/calls", WORK_OWN),
    ("GET", "/api/v1/calls.csv", LEAD),
    ("GET", "/api/v1/calls/{id}", READ_OWN_OR_RUN),
    ("GET", "/api/v1/calls/{id}/transcript", READ_OWN_OR_RUN),
    ("POST", "/api/v1/calls/{id}/transcript/whole", LEAD),
    ("GET", "/api/v1/calls/{id}/repeats", READ_OWN),
    ("GET", "/api/v1/calls/{id}/location", READ_OWN),
    ("GET", "/api/v1/calls/{id}/recording", READ_OWN_OR_RUN),
    ("GET", "/api/v1/calls/{id}/peaks", READ_OWN_OR_RUN),
    ("GET", "/api/v1/calls/{id}/quality", READ_OWN),
    ("POST", "/api/v1/calls/{id}/quality/{finding}/review", LEAD),
    ("GET", "/api/v1/quality", READ_OWN),
    ("GET", "/api/v1/quality/summary", READ_OWN),
    ("GET", "/api/v1/calls/{id}/vcon", READ),
    ("GET", "/api/v1/calls/{id}/sip-messages", &[Admin]),
    ("POST", "/api/v1/calls/{id}/commands", WORK_OWN),
    ("POST", "/api/v1/calls/{id}/hangup", WORK_OWN),
    ("GET", "/api/v1/queues", READ_OWN),
    ("GET", "/api/v1/seats", &[Admin, Operator, Reader, Supervisor, Seat, Auditor]),
    ("POST", "/api/v1/seats", &[Admin]),
    ("GET", "/api/v1/seats/{extension}", READ),
    ("PATCH", "/api/v1/seats/{extension}", &[Admin]),
    ("DELETE", "/api/v1/seats/{extension}", &[Admin]),
    ("POST", "/api/v1/seats/{extension}/state", WORK_OWN),
    ("POST", "/api/v1/seats/{extension}/totp", &[Admin, Supervisor, Seat]),
    ("POST", "/api/v1/seats/{extension}/totp/confirm", &[Admin, Supervisor, Seat]),
    ("DELETE", "/api/v1/seats/{extension}/totp", &[Admin]),
    ("DELETE", "/api/v1/seats/{extension}/totp/lock", &[Admin]),
    ("GET", "/api/v1/missed-calls", READ_OWN),
    ("POST", "/api/v1/missed-calls/{id}/call-back", WORK_OWN),
    ("POST", "/api/v1/missed-calls/{id}/reopen", LEAD),
    ("GET", "/api/v1/campaigns", READ_RUN),
    ("POST", "/api/v1/campaigns", RUN),
    ("GET", "/api/v1/campaigns/{id}", READ_RUN),
    ("PATCH", "/api/v1/campaigns/{id}", RUN),
    ("POST", "/api/v1/campaigns/{id}/follow-ups", RUN),
    ("POST", "/api/v1/campaigns/{id}/follow-ups/table", RUN),
    ("GET", "/api/v1/campaigns/{id}/preview", RUN),
    ("GET", "/api/v1/campaigns/{id}/results", READ_RUN),
    ("GET", "/api/v1/follow-ups", READ_RUN),
    // Its sender proves itself by a signature.
    ("POST", "/api/v1/follow-ups/events", &[]),
    ("GET", "/api/v1/follow-ups/{id}", READ_RUN),
    ("POST", "/api/v1/follow-ups/{id}/corrections", REVIEW),
    ("POST", "/api/v1/follow-ups/{id}/cancel", RUN),
    ("GET", "/api/v1/calls/{id}/follow-up", READ_OWN_OR_RUN),
    ("GET", "/api/v1/do-not-call", RUN),
    ("POST", "/api/v1/do-not-call", RUN),
    ("DELETE", "/api/v1/do-not-call", LEAD),
    ("GET", "/api/v1/duty-list", LEAD),
    ("PUT", "/api/v1/duty-list", LEAD),
    ("GET", "/api/v1/duty-list/now", READ_OWN),
    ("GET", "/api/v1/tickets", &[Admin, Operator, Reader, Supervisor, Expert]),
    ("GET", "/api/v1/tickets/{id}", READ_HANDLED),
    ("PATCH", "/api/v1/tickets/{id}", WORK_OWN),
    ("POST", "/api/v1/tickets/{id}/confirm", WORK_OWN),
    ("GET", "/api/v1/tickets/{id}/messages", READ_OWN),
    ("GET", "/api/v1/tickets/{id}/history", READ_HANDLED),
    ("POST", "/api/v1/tickets/{id}/steps", HANDLE),
    ("GET", "/api/v1/tickets/open-by-unit", READ),
    // Its sender proves itself by a signature.
    ("POST", "/api/v1/tickets/events", &[]),
    ("GET", "/api/v1/units", READ_HANDLED),
    ("GET", "/api/v1/categories", READ_HANDLED),
    ("GET", "/api/v1/profile", &[Admin]),
    ("GET", "/api/v1/profile/{part}", &[Admin]),
    ("GET", "/api/v1/profile/{part}/table", &[Admin]),
    ("PUT", "/api/v1/profile/{part}/table", &[Admin]),
    ("DELETE", "/api/v1/profile/{part}/table", &[Admin]),
    ("GET", "/api/v1/past-tickets/imports", &[Admin]),
    ("POST", "/api/v1/past-tickets/imports", &[Admin]),
    ("GET", "/api/v1/past-tickets/imports/{id}", &[Admin]),
    ("GET", "/api/v1/knowledge", READ_HANDLED),
    ("GET", "/api/v1/incidents", READ_OWN),
    ("GET", "/api/v1/insight", READ),
    ("GET", "/api/v1/insight/rising", READ),
    ("GET", "/api/v1/reports/{span}", LEAD),
    ("GET", "/api/v1/events", &[Admin, Operator, Reader, Supervisor, Seat, Expert]),
    ("GET", "/api/v1/feed", &[Admin, Feed]),
    ("GET", "/api/v1/api-keys", LOOK),
    ("GET", "/api/v1/lines", &[Admin]),
    ("POST", "/api/v1/lines/test-calls", &[Admin]),
    ("GET", "/api/v1/lines/test-calls/{id}", &[Admin]),
    ("DELETE", "/api/v1/lines/test-calls/{id}", &[Admin]),
    ("GET", "/api/v1/prompts", LEAD),
    ("GET", "/api/v1/prompts/{id}/audio", LEAD),
    ("GET", "/api/v1/models", &[Admin]),
    ("GET", "/api/v1/retention", &[Admin]),
    ("POST", "/api/v1/api-keys", &[Admin]),
    ("DELETE", "/api/v1/api-keys/{id}", &[Admin]),
    ("GET", "/api/v1/people", LOOK),
    ("POST", "/api/v1/people", &[Admin]),
    ("GET", "/api/v1/people/{login}", LOOK),
    ("PATCH", "/api/v1/people/{login}", &[Admin]),
    ("DELETE", "/api/v1/people/{login}", &[Admin]),
    ("GET", "/api/v1/audit", LOOK),
    ("POST", "/api/v1/citizens/export", &[Admin]),
    ("POST", "/api/v1/citizens/erase", &[Admin]),
    ("GET", "/api/v1/outbox", LOOK),
    ("POST", "/api/v1/outbox/retry", &[Admin]),
    ("POST", "/api/v1/outbox/{id}/retry", &[Admin]),
    ("POST", "/api/v1/outbox/{id}/discard", &[Admin]),
];

/// Cheap to answer, and asked for all the time: no budget is theirs.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    /// The key's name, `admin`, a seat's extension, or a person's login.
    pub(crate) name: String,
    /// What opened the door.
    pub(crate) credential: Credential,
    pub(crate) role: Role,
    /// Whose session it is, of a seat.
    pub(crate) session: Option<SeatSession>,
    /// Whose session it is, of a person without a telephone.
    pub(crate) person: Option<PersonInfo>,
}

impl Principal {
    fn of_session(session: SeatSession) -> Self {
        Self {
            name: session.seat.extension.clone(),
            credential: Credential::Session(session.id),
            role: match session.seat.role {
                SeatRole::Seat => Seat,
                SeatRole::Supervisor => Supervisor,
            },
            session: Some(session),
            person: None,
        }
    }

    fn of_person(session: PersonSession) -> Self {
        Self {
            name: session.person.login.clone(),
            credential: Credential::PersonSession(session.id),
            role: session.person.role,
            session: None,
            person: Some(session.person),
        }
    }

    /// The unit whose tickets alone an expert sees; an expert without one sees none.
    pub(crate) fn unit_alone(&self) -> Option<&str> {
        let unit = || self.person.as_ref().and_then(|person| person.unit.as_deref());
        (self.role == Expert).then(|| unit().unwrap_or_default())
    }

    /// The own telephone.
    pub(crate) fn extension(&self) -> Option<&str> {
        self.session.as_ref().map(|session| session.seat.extension.as_str())
    }

    /// The extension of who may see and do what is its own alone.
    pub(crate) fn seat_alone(&self) -> Option<&str> {
        self.extension().filter(|_| self.role == Seat)
    }
}

/// Lets a request through to its route when the table allows it.
pub(crate) async fn guard(
    State(state): State<ApiState>,
    path: MatchedPath,
    mut request: Request,
    next: Next,
) -> Response {
    let method = if request.method() == "HEAD" { "GET" } else { request.method().as_str() };
    let entries = || POLICY.iter().filter(|(_, known, _)| *known == path.as_str());
    let Some((_, _, roles)) = entries().find(|(known, _, _)| *known == method) else {
        if entries().next().is_some() {
            // The router answers 405 with `Allow`.
            return next.run(request).await;
        }
        return Problem::new(StatusCode::FORBIDDEN, "no role may do this").into_response();
    };
    // No name has it, and PostgreSQL does not even look for one that does.
    if request.uri().to_string().contains("%00") {
        let detail = "the address holds the character NUL";
        return Problem::new(StatusCode::BAD_REQUEST, detail).into_response();
    }
    let address = address(request.extensions().get());
    // Who watches the server from the address of everybody else must not be told that it is gone.
    if PROBES.contains(&path.as_str()) {
        return next.run(request).await;
    }
    if roles.is_empty() {
        return match state.rates.stranger(address, clock::now()) {
            Ok(()) => next.run(request).await,
            Err(refused) => *refused,
        };
    }
    let headers = request.headers().clone();
    match authenticate(&state, &headers, address).await {
        Err(response) if response.status() == StatusCode::UNAUTHORIZED => {
            *state.rates.stranger(address, clock::now()).err().unwrap_or(response)
        }
        Err(response) => *response,
        Ok(principal) if !roles.contains(&principal.role) => {
            let names: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
            let detail = format!(
                "role {} may not do this; allowed: {}",
                principal.role.as_str(),
                names.join(", ")
            );
            Problem::new(StatusCode::FORBIDDEN, detail).into_response()
        }
        Ok(principal) => match state.rates.known(&principal.name, clock::now()) {
            Ok(()) => {
                request.extensions_mut().insert(principal);
                next.run(request).await
            }
            Err(refused) => *refused,
        },
    }
}

/// Where a request comes from; the same for all, where no server of ours holds the connection.
pub(crate) fn address(info: Option<&ConnectInfo<SocketAddr>>) -> IpAddr {
    info.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip())
}

async fn authenticate(
    state: &ApiState,
    headers: &HeaderMap,
    address: IpAddr,
) -> Result<Principal, Box<Response>> {
    let failed = |error| Box::new(Problem::from(error).into_response());
    let secret = secret(headers);
    if let Some(token) = secret.filter(|secret| secret.starts_with(SESSION_PREFIX)) {
        if let Some(session) = state.store.verify_session(token).await.map_err(failed)? {
            return Ok(Principal::of_session(session));
        }
        let session = state.store.verify_person_session(token).await.map_err(failed)?;
        return session
            .map(Principal::of_person)
            .ok_or_else(|| unauthorized("the session is over: log in again"));
    }
    if let Some(secret) = secret {
        let is_away = (state.waiting)().is_away;
        let key = state.watchers.verified(&state.store, secret, is_away).await.map_err(failed)?;
        return key
            .map(|key| {
                let credential = Credential::Key(key.id);
                Principal {
                    name: key.name,
                    credential,
                    role: key.role,
                    session: None,
                    person: None,
                }
            })
            .ok_or_else(|| unauthorized("the key is unknown or revoked"));
    }
    let Some(password) = password(headers) else {
        return Err(unauthorized("send an API key: Authorization: Bearer qt_…"));
    };
    let Some(turn) = state.failures.turn(&address, clock::now().0) else {
        return Err(too_many());
    };
    tokio::time::sleep(turn.delay).await;
    let proved = state.store.verify_admin(&password).await.map_err(failed)?;
    drop(turn);
    let Some(credential) = proved else {
        state.failures.count(&address, clock::now().0);
        return Err(unauthorized("wrong name or password"));
    };
    Ok(Principal { name: ADMIN.into(), credential, role: Admin, session: None, person: None })
}

/// Too many passwords wait.
pub(crate) fn too_many_passwords() -> Problem {
    let detail = "too many passwords of this address wait to be looked at; try again";
    Problem::new(StatusCode::TOO_MANY_REQUESTS, detail)
}

/// The same with when to try again.
pub(crate) fn too_many() -> Box<Response> {
    let mut response = too_many_passwords().into_response();
    let seconds = HeaderValue::from(PASSWORD_DELAY_MAX.as_secs());
    response.headers_mut().insert(RETRY_AFTER, seconds);
    Box::new(response)
}

pub(crate) fn unauthorized(detail: &str) -> Box<Response> {
    challenged(Problem::new(StatusCode::UNAUTHORIZED, detail))
}

/// A refusal for want of a proof (RFC 9110 §15.5.2).
pub(crate) fn challenged(problem: Problem) -> Box<Response> {
    let mut response = problem.into_response();
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    Box::new(response)
}

/// A key's secret or a session's token.
fn secret(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some(secret) = header.and_then(|value| after_scheme(value, "bearer")) {
        return Some(secret);
    }
    let protocols = headers.get(SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    protocols
        .split(',')
        .map(str::trim)
        .find(|text| text.starts_with(SECRET_PREFIX) || text.starts_with(SESSION_PREFIX))
}

fn password(headers: &HeaderMap) -> Option<String> {
    let encoded = after_scheme(headers.get(AUTHORIZATION)?.to_str().ok()?, "basic")?;
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    decoded.strip_prefix("admin:").map(str::to_owned)
}

/// The rest of `Scheme rest`; schemes ignore case (RFC 9110 §11.1).
fn after_scheme<'a>(value: &'a str, scheme: &str) -> Option<&'a str> {
    let (given, rest) = value.split_once(' ')?;
    given.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}
