//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a request that dials or makes something counts
//! once, however often its sender is unsure and repeats it.
//!
//! **The key is claimed before anything is done, the request then runs to its end even when its sender goes
//! away, and its answer is kept for 24 hours.** What failed with 4xx or 503 did nothing: its key is free again.

use crate::auth::Principal;
use crate::{ApiState, Problem};
use axum::Extension;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use qingting_common::limits::{HTTP_BODY_BYTES_MAX, IMPORT_BYTES_MAX};
use qingting_store::{KeptAnswer, KeyClaim, Once, RequestClaim, RequestKey};
use qingting_tickets::Secrets;
use serde::Serialize;
use uuid::Uuid;

/// The header of a request that counts once.
pub const KEY_HEADER: &str = "Idempotency-Key";
/// Says that an answer was given before.
pub const REPLAYED_HEADER: &str = "Idempotency-Replayed";
/// Longest key, in characters.
pub(crate) const KEY_CHARS_MAX: usize = 255;

/// What becomes of a request whose server died while it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// It is done again: it is there with its answer or not at all, or doing it twice is doing it once.
    Again,
    /// Nobody knows what was done; somebody may have been rung.
    Unknown,
}

/// Operations that take a key, all of them `POST`. Not among them: what makes a secret, which must not be kept
/// (`/api/v1/api-keys` and `/api/v1/session`; no two keys have the same name), and what may be repeated anyway.
pub(crate) const OPERATIONS: [(&str, Afterwards); 9] = [
    ("/api/v1/calls", Afterwards::Unknown),
    ("/api/v1/calls/{id}/commands", Afterwards::Unknown),
    ("/api/v1/lines/test-calls", Afterwards::Unknown),
    ("/api/v1/missed-calls/{id}/call-back", Afterwards::Unknown),
    ("/api/v1/follow-ups/{id}/corrections", Afterwards::Unknown),
    ("/api/v1/seats", Afterwards::Again),
    ("/api/v1/campaigns", Afterwards::Again),
    ("/api/v1/campaigns/{id}/follow-ups", Afterwards::Again),
    ("/api/v1/do-not-call", Afterwards::Again),
];

/// The claimed key of a request, for handlers that keep the answer in the transaction that does it.
#[derive(Clone)]
pub(crate) struct Claimed(RequestClaim);

/// Keeps what a command gives as the answer, if the request has a key.
pub(crate) fn kept<T>(
    claimed: Option<Extension<Claimed>>,
    answer: impl Fn(&T) -> KeptAnswer + Send + Sync + 'static,
) -> Option<Once<T>> {
    claimed.map(|Extension(Claimed(claim))| Once { claim, answer: Box::new(answer) })
}

/// An answer of JSON.
pub(crate) fn json(status: StatusCode, view: &impl Serialize) -> KeptAnswer {
    KeptAnswer {
        status: status.as_u16(),
        content_type: Some("application/json".to_owned()),
        body: serde_json::to_string(view).unwrap_or_default(),
    }
}

/// Looks at the key of a request that may have one.
pub(crate) async fn once(
    State(state): State<ApiState>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    let known = OPERATIONS.iter().find(|(known, _)| *known == path.as_str());
    let (Some((_, afterwards)), Some(header)) = (known, request.headers().get(KEY_HEADER)) else {
        return next.run(request).await;
    };
    let Some(who) = request.extensions().get::<Principal>().map(|who| who.name.clone()) else {
        return next.run(request).await;
    };
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let key = match key(header) {
        Ok(key) => key,
        Err(problem) => return problem.into_response(),
    };
    let (mut parts, body) = request.into_parts();
    let limit = match path.as_str() {
        "/api/v1/campaigns/{id}/follow-ups" => IMPORT_BYTES_MAX,
        _ => HTTP_BODY_BYTES_MAX,
    };
    let Ok(body) = to_bytes(body, limit).await else {
        let detail = format!("the body is larger than {limit} bytes");
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
            .of_field("body")
            .into_response();
    };
    let request = digest(&state.request_secrets, &parts.uri.to_string(), &body);
    let key = RequestKey { who, key, request };
    let claim = match state.store.claim_request(key, *afterwards == Afterwards::Again).await {
        Err(error) => return Problem::from(error).into_response(),
        Ok(KeyClaim::New(claim)) => claim,
        Ok(KeyClaim::Answered(answer)) => return again(answer),
        Ok(KeyClaim::Other) => {
            let detail = "another request had this key: take a new key for each request";
            return Problem::invalid(KEY_HEADER, detail).into_response();
        }
        Ok(KeyClaim::Running) => {
            return conflict("the first request with this key still runs: ask again", true);
        }
        Ok(KeyClaim::Lost) => {
            let detail = "the server stopped while the first request with this key ran: look whether it \
                was done before you send it under another key";
            return conflict(detail, false);
        }
    };
    parts.extensions.insert(Claimed(claim.clone()));
    let request = Request::from_parts(parts, Body::from(body));
    let running = async move {
        let response = next.run(request).await;
        settle(&state, claim, response).await
    };
    #[allow(
        clippy::disallowed_methods,
        reason = "it is waited for below; when the sender has gone it still runs to its end"
    )]
    let running = tokio::spawn(running);
    running.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request failed");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed; see its log")
            .into_response()
    })
}

/// A quoted string of printable ASCII, as the draft has it, or the same without quotes.
fn key(header: &HeaderValue) -> Result<String, Problem> {
    let text = header.to_str().unwrap_or_default().trim();
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    let is_printable = inner.bytes().all(|byte| matches!(byte, b' '..=b'~' if byte != b'"'));
    if inner.is_empty() || inner.len() > KEY_CHARS_MAX || !is_printable {
        let detail = format!("{KEY_HEADER}: 1 to {KEY_CHARS_MAX} printable characters of ASCII");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail).of_field(KEY_HEADER));
    }
    Ok(inner.to_owned())
}

/// Secrets that nobody else has.
pub(crate) fn new_secrets() -> Secrets {
    let secret = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    Secrets::parse(&secret).expect("64 digits are a secret")
}

/// With a secret: what was asked may be guessed of a bare hash, such as whom a call was for.
fn digest(secrets: &Secrets, uri: &str, body: &Bytes) -> String {
    secrets.digest("idempotency", &[uri.as_bytes(), body])
}

/// Keeps the answer, or frees the key where nothing was done.
async fn settle(state: &ApiState, claim: RequestClaim, response: Response) -> Response {
    let status = response.status();
    if status.is_client_error() || status == StatusCode::SERVICE_UNAVAILABLE {
        if let Err(error) = state.store.release_request(claim).await {
            tracing::warn!(%error, "an idempotency key stays taken");
        }
        return response;
    }
    if !status.is_success() {
        // Whether it was done is not known.
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, HTTP_BODY_BYTES_MAX).await else {
        tracing::error!("an answer is too large to be kept");
        return Response::from_parts(parts, Body::empty());
    };
    let answer = KeptAnswer {
        status: status.as_u16(),
        content_type: content_type(&parts.headers),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    if let Err(error) = state.store.answer_request(claim, answer).await {
        tracing::error!(%error, "an answer could not be kept for its idempotency key");
    }
    Response::from_parts(parts, Body::from(body))
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn again(answer: KeptAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = (status, answer.body).into_response();
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    if let Some(kind) = answer.content_type.and_then(|kind| HeaderValue::try_from(kind).ok()) {
        headers.insert(CONTENT_TYPE, kind);
    }
    let replayed = HeaderName::from_bytes(REPLAYED_HEADER.as_bytes());
    if let Ok(name) = replayed {
        headers.insert(name, HeaderValue::from_static("true"));
    }
    response
}

fn conflict(detail: &str, is_soon_over: bool) -> Response {
    let mut response =
        Problem::new(StatusCode::CONFLICT, detail).of_field(KEY_HEADER).into_response();
    if is_soon_over {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_cannot_be_guessed_without_the_secret() {
        let (secrets, others) = (new_secrets(), new_secrets());
        let of = |secrets: &Secrets, body: &'static str| {
            let digest = digest(secrets, "/api/v1/calls", &Bytes::from_static(body.as_bytes()));
            digest.rsplit_once(':').map(|(_, code)| code.to_owned())
        };
        let to = r#"{"to":"13800138000"}"#;
        assert_eq!(of(&secrets, to), of(&secrets, to));
        assert_ne!(of(&secrets, to), of(&secrets, r#"{"to":"13800138001"}"#));
        assert_ne!(of(&secrets, to), of(&others, to));
    }

    #[test]
    fn a_key_may_be_quoted_and_must_be_printable() {
        let of = |text: &str| key(&HeaderValue::from_str(text).unwrap()).ok();
        assert_eq!(of("\"8e03978e-40d5\""), Some("8e03978e-40d5".to_owned()));
        assert_eq!(of(" 8e03978e-40d5 "), Some("8e03978e-40d5".to_owned()));
        for text in ["", "\"\"", "a\"b", "\u{e9}", &"x".repeat(256)] {
            assert_eq!(of(text), None, "{text}");
        }
        assert!(of(&"x".repeat(255)).is_some());
    }
}
