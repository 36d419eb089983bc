//! What a client saw of a resource: `ETag`, `If-Match` and `If-None-Match` (RFC 9110 §8.8.3, §13.1).
//!
//! A resource that people change has a revision, which is its tag.

use crate::problem::Problem;
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// The revision that the client saw, and how it said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) revision: i64,
    by_header: bool,
}

impl Seen {
    /// What the header or the body says; none where neither does, or the header says `*`.
    pub(crate) fn read(headers: &HeaderMap, body: Option<i64>) -> Result<Option<Self>, Problem> {
        let Some(header) = headers.get(IF_MATCH).filter(|header| *header != "*") else {
            return Ok(body.map(|revision| Self { revision, by_header: false }));
        };
        let revision = header.to_str().ok().and_then(|text| of_tag(text.trim()));
        let revision = revision.ok_or_else(|| {
            Problem::new(StatusCode::BAD_REQUEST, "If-Match must be the ETag that was answered")
                .of_field("If-Match")
        })?;
        if body.is_some_and(|other| other != revision) {
            let detail = "If-Match and revision in the body differ";
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail).of_field("revision"));
        }
        Ok(Some(Self { revision, by_header: true }))
    }

    /// The same where an edit without it could lose another one.
    pub(crate) fn required(headers: &HeaderMap, body: Option<i64>) -> Result<Self, Problem> {
        Self::read(headers, body)?.ok_or_else(|| {
            let detail = "say which revision was seen: If-Match, or revision in the body";
            Problem::new(StatusCode::PRECONDITION_REQUIRED, detail).of_field("revision")
        })
    }
}

/// A stale revision: 412 answers a header, 409 a body (RFC 9110 §13.1.1, §15.5.10).
pub(crate) fn stale(seen: Option<Seen>, current: i64, detail: String) -> Problem {
    let problem = match seen.is_some_and(|seen| seen.by_header) {
        true => Problem::new(StatusCode::PRECONDITION_FAILED, detail).of_field("If-Match"),
        false => Problem::new(StatusCode::CONFLICT, detail),
    };
    Problem { current_revision: Some(current), ..problem }
}

/// A proxy that compresses makes a tag weak; the revision is the same.
fn of_tag(text: &str) -> Option<i64> {
    text.strip_prefix("W/").unwrap_or(text).trim_matches('"').parse().ok()
}

/// The tag of a revision.
pub(crate) fn tag(revision: i64) -> String {
    format!("\"{revision}\"")
}

/// `304 Not Modified` where the client has what has that tag (weak comparison, RFC 9110 §13.1.2).
pub(crate) fn known(headers: &HeaderMap, tag: &str) -> Option<Response> {
    let given = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let has = |one: &str| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag;
    if !given.flat_map(|list| list.split(',')).any(|one| has(one.trim())) {
        return None;
    }
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    if let Ok(tag) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: axum::http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn a_revision_is_said_by_header_or_body() {
        let of = |value: &str, body| Seen::read(&headers(IF_MATCH, value), body);
        let by_header = Some(Seen { revision: 3, by_header: true });
        assert_eq!(of("\"3\"", None).unwrap(), by_header);
        assert_eq!(of("W/\"3\"", Some(3)).unwrap(), by_header);
        assert_eq!((of("*", None).unwrap(), of("x", None).unwrap_err().status), (None, 400));
        assert_eq!(of("\"3\"", Some(4)).unwrap_err().status, 400);
        let by_body = Seen::read(&HeaderMap::new(), Some(3)).unwrap();
        assert_eq!(by_body, Some(Seen { revision: 3, by_header: false }));
        assert_eq!(stale(by_body, 4, String::new()).status, 409);
        assert_eq!(stale(by_header, 4, String::new()).status, 412);
        assert_eq!(Seen::required(&HeaderMap::new(), None).unwrap_err().status, 428);
    }

    #[test]
    fn what_a_client_has_is_not_sent_again() {
        let of = |value: &str| known(&headers(IF_NONE_MATCH, value), "\"3\"").is_some();
        assert!(of("\"3\"") && of("\"2\", W/\"3\"") && of("*"));
        assert!(!of("\"2\"") && !of("3"));
        assert!(known(&HeaderMap::new(), "\"3\"").is_none());
    }
}
