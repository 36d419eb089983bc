//! Closed tickets that the ticket system sends by itself.

use super::campaigns::{ImportedView, take_in};
use super::find;
use crate::{ApiState, Problem, clock};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use qingting_callbacks::intake::ClosedTicket;
use qingting_tickets::signature::{SIGNATURE_HEADER, TIMESTAMP_HEADER, verify};

/// Who stands in the audit for it.
const BY: &str = "ticket-system";

/// Takes closed tickets from the ticket system: a list, signed. Each event counts once, however often it
/// comes, so that a sender may repeat what it is unsure of.
#[utoipa::path(post, path = "/api/v1/follow-ups/events", request_body = Vec<Object>,
    responses((status = 200, body = ImportedView), (status = 401, body = Problem),
    (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn take(
    State(state): State<ApiState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<ImportedView>, Problem> {
    let Some((secrets, campaign)) = state.callbacks.webhook() else {
        return Err(Problem::not_found("webhook: callbacks.intake_secret_file is not set"));
    };
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (timestamp, signature) = (header(TIMESTAMP_HEADER), header(SIGNATURE_HEADER));
    verify(
        secrets,
        timestamp.unwrap_or_default(),
        signature.unwrap_or_default(),
        &body,
        clock::now(),
    )
    .map_err(|error| Problem::new(StatusCode::UNAUTHORIZED, error.to_string()))?;
    let tickets: Vec<ClosedTicket> = serde_json::from_slice(&body).map_err(|error| {
        // The position alone: the message may quote the value.
        let (line, column) = (error.line(), error.column());
        Problem::invalid("", format!("line {line} column {column} is not what a closed ticket has"))
    })?;
    let campaign = find(&state, campaign).await?;
    take_in(&state, &campaign, tickets, BY, None).await.map(Json)
}
