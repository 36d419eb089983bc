//! Health, metrics, and the description of the interface.

use crate::{ApiState, Problem, clock, openapi_json};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = String)))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the server takes calls.
#[utoipa::path(get, path = "/readyz", responses((status = 200, body = String), (status = 503, body = Problem)))]
pub(crate) async fn readyz(State(state): State<ApiState>) -> Result<&'static str, Problem> {
    let unready = |detail: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
    if let Some(reason) = (state.unready)() {
        return Err(unready(reason));
    }
    state.store.ping().await.map_err(|error| {
        tracing::warn!(%error, "not ready");
        unready("the database does not answer".into())
    })?;
    Ok("ready\n")
}

/// Metrics in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", responses((status = 200, body = String)))]
pub(crate) async fn metrics(State(state): State<ApiState>) -> Result<Response, Problem> {
    let outbox = state.store.outbox_totals().await?;
    let oldest_ms = outbox.oldest_at.map_or(0, |at| clock::now().0.saturating_sub(at.0).max(0));
    let own = format!(
        "# TYPE qingting_outbox_pending gauge\nqingting_outbox_pending {}\n\
         # TYPE qingting_outbox_parked gauge\nqingting_outbox_parked {}\n\
         # TYPE qingting_outbox_oldest_seconds gauge\nqingting_outbox_oldest_seconds {}\n\
         # TYPE qingting_store_writes_waiting gauge\nqingting_store_writes_waiting {}\n\
         # TYPE qingting_event_listeners gauge\nqingting_event_listeners {}\n",
        outbox.pending,
        outbox.parked,
        oldest_ms / 1_000,
        state.store.writes_waiting(),
        state.events.listeners(),
    );
    let text = (state.metrics)() + &own;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// This description.
#[utoipa::path(get, path = "/api/v1/openapi.json", responses((status = 200, description = "OpenAPI 3.1")))]
pub(crate) async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], openapi_json()).into_response()
}
