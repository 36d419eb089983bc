//! Who may do what: one table, deny by default.
//!
//! Credentials: `Authorization: Bearer qt_…`, a key, or `qts_…`, a seat's session; or for browsers'
//! WebSockets, which cannot set headers, the same as a second `Sec-WebSocket-Protocol` beside
//! [`WEBSOCKET_PROTOCOL`]; or HTTP Basic as `admin` with the administrator's password. Basic is never offered in `WWW-Authenticate`, so that
//! browsers do not remember the password and send it along with another site's requests.

use crate::problem::Problem;
use crate::{ApiState, clock};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use qingting_store::Role::{self, Admin, Metrics, Operator, Reader, Seat, Supervisor};
use qingting_store::keys::{ADMIN, SECRET_PREFIX};
use qingting_store::seats::SESSION_PREFIX;
use qingting_store::{Credential, SeatRole, SeatSession};
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The WebSocket subprotocol of the event stream.
pub const WEBSOCKET_PROTOCOL: &str = "qingting";

/// Wrong passwords per address or extension and window that are answered at once. After them every
/// password of it is looked at late, the right one too: refusing it would let anybody behind the same
/// proxy lock the administrator out, and anybody at all a seat.
const PASSWORD_FAILURES_MAX: u32 = 10;
const PASSWORD_WINDOW_MS: i64 = 60_000;
/// How much later each further wrong password makes it, and how late at most.
const PASSWORD_DELAY_STEP: Duration = Duration::from_secs(1);
const PASSWORD_DELAY_MAX: Duration = Duration::from_secs(5);
/// Passwords of one address that wait at the same time; the next is refused with 429.
const PASSWORDS_WAITING_MAX: u32 = 8;
/// Addresses or extensions remembered; when full, the oldest window is forgotten.
const REMEMBERED_MAX: usize = 10_000;

const READ: &[Role] = &[Admin, Operator, Reader, Supervisor];
const LEAD: &[Role] = &[Admin, Supervisor];
/// What seats may do, too, with what is theirs: the handlers look whose it is.
const READ_OWN: &[Role] = &[Admin, Operator, Reader, Supervisor, Seat];
const WORK_OWN: &[Role] = &[Admin, Operator, Supervisor, Seat];

/// Every operation and the roles that may call it; an empty list is open to everyone, and what is
/// not here is refused.
pub(crate) const POLICY: &[(&str, &str, &[Role])] = &[
    ("GET", "/healthz", &[]),
    ("GET", "/readyz", &[]),
    ("GET", "/metrics", &[Admin, Metrics]),
    ("GET", "/api/v1/openapi.json", READ_OWN),
    ("POST", "/api/v1/session", &[]),
    ("DELETE", "/api/v1/session", &[Seat, Supervisor]),
    ("GET", "/api/v1/me", READ_OWN),
    ("GET", "/api/v1/calls", READ_OWN),
    ("POST", "/api/v1/calls", WORK_OWN),
    ("GET", "/api/v1/calls.csv", LEAD),
    ("GET", "/api/v1/calls/{id}", READ_OWN),
    ("GET", "/api/v1/calls/{id}/transcript", READ_OWN),
    ("GET", "/api/v1/calls/{id}/recording", READ_OWN),
    ("GET", "/api/v1/calls/{id}/vcon", READ),
    ("POST", "/api/v1/calls/{id}/commands", WORK_OWN),
    ("POST", "/api/v1/calls/{id}/hangup", WORK_OWN),
    ("GET", "/api/v1/queues", READ_OWN),
    ("GET", "/api/v1/seats", READ_OWN),
    ("POST", "/api/v1/seats", &[Admin]),
    ("PATCH", "/api/v1/seats/{extension}", &[Admin]),
    ("DELETE", "/api/v1/seats/{extension}", &[Admin]),
    ("POST", "/api/v1/seats/{extension}/state", WORK_OWN),
    ("GET", "/api/v1/missed-calls", READ_OWN),
    ("POST", "/api/v1/missed-calls/{id}/call-back", WORK_OWN),
    ("POST", "/api/v1/missed-calls/{id}/reopen", LEAD),
    ("GET", "/api/v1/duty-list", LEAD),
    ("PUT", "/api/v1/duty-list", LEAD),
    ("GET", "/api/v1/duty-list/now", READ_OWN),
    ("GET", "/api/v1/tickets", READ),
    ("GET", "/api/v1/tickets/{id}", READ_OWN),
    ("PATCH", "/api/v1/tickets/{id}", WORK_OWN),
    ("POST", "/api/v1/tickets/{id}/confirm", WORK_OWN),
    ("GET", "/api/v1/events", READ_OWN),
    ("GET", "/api/v1/api-keys", &[Admin]),
    ("POST", "/api/v1/api-keys", &[Admin]),
    ("DELETE", "/api/v1/api-keys/{id}", &[Admin]),
    ("GET", "/api/v1/audit", &[Admin]),
];

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    /// The key's name, `admin`, or a seat's extension.
    pub(crate) name: String,
    /// What opened the door.
    pub(crate) credential: Credential,
    pub(crate) role: Role,
    /// Whose session it is.
    pub(crate) session: Option<SeatSession>,
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
        }
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

/// Wrong passwords by address or by extension.
pub(crate) struct Failures<K>(Mutex<HashMap<K, Tries>>);

impl<K> Default for Failures<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[derive(Default)]
pub(crate) struct Tries {
    wrong: u32,
    since: i64,
    waiting: u32,
}

impl Tries {
    fn delay(&self, now: i64) -> Duration {
        let late = self.wrong.saturating_add(1).saturating_sub(PASSWORD_FAILURES_MAX);
        if now - self.since >= PASSWORD_WINDOW_MS {
            return Duration::ZERO;
        }
        PASSWORD_DELAY_STEP.saturating_mul(late).min(PASSWORD_DELAY_MAX)
    }
}

/// A password's turn to be looked at.
pub(crate) struct Turn<'a, K: Clone + Eq + Hash> {
    pub(crate) delay: Duration,
    /// Given back when it is over, also when the client goes away before.
    _place: Option<Place<'a, K>>,
}

struct Place<'a, K: Clone + Eq + Hash> {
    failures: &'a Failures<K>,
    of: K,
}

impl<K: Clone + Eq + Hash> Drop for Place<'_, K> {
    fn drop(&mut self) {
        if let Some(tries) = self.failures.lock().get_mut(&self.of) {
            tries.waiting = tries.waiting.saturating_sub(1);
        }
    }
}

impl<K: Clone + Eq + Hash> Failures<K> {
    /// When a password of that address is looked at; none when too many wait already.
    pub(crate) fn turn(&self, of: &K, now: i64) -> Option<Turn<'_, K>> {
        let at_once = Turn { delay: Duration::ZERO, _place: None };
        let mut failures = self.lock();
        let Some(tries) = failures.get_mut(of) else { return Some(at_once) };
        let delay = tries.delay(now);
        if delay.is_zero() {
            return Some(at_once);
        }
        if tries.waiting >= PASSWORDS_WAITING_MAX {
            return None;
        }
        tries.waiting += 1;
        Some(Turn { delay, _place: Some(Place { failures: self, of: of.clone() }) })
    }

    /// How late a password is looked at where nobody is ever refused: a stranger must not be able to
    /// keep all places of a seat taken.
    pub(crate) fn delay(&self, of: &K, now: i64) -> Duration {
        let failures = self.lock();
        failures.get(of).map_or(Duration::ZERO, |tries| tries.delay(now))
    }

    pub(crate) fn count(&self, of: &K, now: i64) {
        let mut failures = self.lock();
        if failures.len() >= REMEMBERED_MAX && !failures.contains_key(of) {
            let oldest = failures.iter().min_by_key(|(_, tries)| tries.since);
            let oldest = oldest.map(|(of, _)| of.clone());
            oldest.map(|of| failures.remove(&of));
        }
        let tries = failures.entry(of.clone()).or_insert(Tries { since: now, ..Tries::default() });
        if now - tries.since >= PASSWORD_WINDOW_MS {
            (tries.wrong, tries.since) = (0, now);
        }
        tries.wrong = tries.wrong.saturating_add(1);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<K, Tries>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    if roles.is_empty() {
        return next.run(request).await;
    }
    let address = address(request.extensions().get());
    let headers = request.headers().clone();
    match authenticate(&state, &headers, address).await {
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
        Ok(principal) => {
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
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
        let session = state.store.verify_session(token).await.map_err(failed)?;
        return session
            .map(Principal::of_session)
            .ok_or_else(|| unauthorized("the session is over: log in again"));
    }
    if let Some(secret) = secret {
        let key = state.store.verify_key(secret).await.map_err(failed)?;
        return key
            .map(|key| {
                let credential = Credential::Key(key.id);
                Principal { name: key.name, credential, role: key.role, session: None }
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
    Ok(Principal { name: ADMIN.into(), credential, role: Admin, session: None })
}

/// Too many passwords wait.
pub(crate) fn too_many() -> Box<Response> {
    let detail = "too many passwords of this address wait to be looked at; try again";
    let mut response = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).into_response();
    let seconds = HeaderValue::from(PASSWORD_DELAY_MAX.as_secs());
    response.headers_mut().insert(RETRY_AFTER, seconds);
    Box::new(response)
}

pub(crate) fn unauthorized(detail: &str) -> Box<Response> {
    let mut response = Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_many_wrong_passwords_waits_longer_and_longer_within_a_window() {
        let failures = Failures::<IpAddr>::default();
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let delay = |now| failures.turn(&address, now).map(|turn| turn.delay);
        let mut delays = Vec::new();
        for _ in 0..PASSWORD_FAILURES_MAX + 6 {
            delays.push(delay(0).unwrap().as_secs());
            failures.count(&address, 0);
        }
        let late = &delays[PASSWORD_FAILURES_MAX as usize..];
        assert_eq!((delays[9], late), (0, &[1, 2, 3, 4, 5, 5][..]));
        assert_eq!(delay(PASSWORD_WINDOW_MS), Some(Duration::ZERO));
        let turns: Vec<_> =
            (0..PASSWORDS_WAITING_MAX).map(|_| failures.turn(&address, 1)).collect();
        assert!(turns.iter().all(Option::is_some) && failures.turn(&address, 1).is_none());
        drop(turns);
        assert!(failures.turn(&address, 1).is_some());
    }
}
