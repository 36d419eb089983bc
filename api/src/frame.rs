//! What holds for every answer: a time limit, security headers, and no error without a problem.

use crate::problem::{PROBLEM_JSON, Problem};
use axum::extract::Request;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Duration;

/// Longest time until an answer begins; a recording or an event stream may then run on.
const ANSWER_SECONDS_MAX: u64 = 30;

const HEADERS: [(HeaderName, &str); 4] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("referrer-policy"), "no-referrer"),
    (
        HeaderName::from_static("content-security-policy"),
        "default-src 'none'; frame-ancestors 'none'",
    ),
];

pub(crate) async fn frame(request: Request, next: Next) -> Response {
    let limit = Duration::from_secs(ANSWER_SECONDS_MAX);
    let mut response = match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => described(response),
        Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server took too long")
            .into_response(),
    };
    for (name, value) in HEADERS {
        // A page has a policy of its own.
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Turns the framework's own bare errors into problems.
fn described(response: Response) -> Response {
    let status = response.status();
    let is_problem = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM_JSON);
    if !(status.is_client_error() || status.is_server_error()) || is_problem {
        return response;
    }
    let detail = match status {
        StatusCode::NOT_FOUND => "there is nothing at this path; see /api/v1/openapi.json",
        StatusCode::METHOD_NOT_ALLOWED => "this path does not take that method; see Allow",
        _ => "the request does not fit this path; see /api/v1/openapi.json",
    };
    let mut problem = Problem::new(status, detail).into_response();
    if let Some(allow) = response.headers().get(ALLOW) {
        problem.headers_mut().insert(ALLOW, allow.clone());
    }
    problem
}
