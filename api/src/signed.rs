//! What the city's ticket system sends by itself: lists, signed.

use crate::{Problem, clock};
use axum::http::{HeaderMap, StatusCode};
use qingting_tickets::signature::{SIGNATURE_HEADER, Secrets, TIMESTAMP_HEADER, verify};
use serde::de::DeserializeOwned;

/// Who stands in audit and history for it.
pub(crate) const BY: &str = "ticket-system";

/// The list in a body that is signed with one of the secrets, within the window of time.
pub(crate) fn list<T: DeserializeOwned>(
    secrets: &Secrets,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Vec<T>, Problem> {
    let header =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (timestamp, signature) = (header(TIMESTAMP_HEADER), header(SIGNATURE_HEADER));
    verify(secrets, timestamp, signature, body, clock::now())
        .map_err(|error| Problem::new(StatusCode::UNAUTHORIZED, error.to_string()))?;
    parsed(body)
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        // The position alone: the message may quote the value.
        let (line, column) = (error.line(), error.column());
        Problem::invalid("", format!("line {line} column {column} is not as described"))
    })
}
