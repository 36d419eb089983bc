//! Closed tickets that the ticket system sends by itself.

use super::campaigns::{ImportedView, take_in};
use super::find;
use crate::{ApiState, Problem, signed};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use qingting_callbacks::intake::ClosedTicket;

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
    let tickets: Vec<ClosedTicket> = signed::list(secrets, &headers, &body)?;
    let campaign = find(&state, campaign).await?;
    take_in(&state, &campaign, tickets, signed::BY, None).await.map(Json)
}
