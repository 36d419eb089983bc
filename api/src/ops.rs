//! Health, metrics, and the description of the interface.

use crate::{ApiState, Problem, Waiting, clock, openapi_json, revision};
use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use qingting_common::UnixMillis;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::sync::OnceLock;
use std::time::Duration;
use tokio::time::timeout;
use utoipa::ToSchema;

/// Longest wait of metrics for the database.
const OUTBOX_MAX: Duration = Duration::from_secs(1);

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = String)))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the server takes calls: `ready`, or `degraded` and why while it does so without its database.
#[utoipa::path(get, path = "/readyz", responses((status = 200, body = String), (status = 503, body = Problem)))]
pub(crate) async fn readyz(State(state): State<ApiState>) -> Result<String, Problem> {
    let unready = |detail: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
    if let Some(reason) = (state.unready)() {
        return Err(unready(reason));
    }
    if state.ready.look(&state).await {
        return Ok("ready\n".to_owned());
    }
    match (state.waiting)() {
        // Whoever takes it out of service for that takes the calls as well.
        Waiting { entries, takes_calls: true, .. } => Ok(format!(
            "degraded: the database does not answer; calls are taken, {entries} writes of theirs wait for it\n"
        )),
        Waiting { .. } => Err(unready("the database does not answer".into())),
    }
}

/// So long an answer of the database stands: whoever asks all the time asks it once a second.
const PING_KEPT_MS: i64 = 1_000;
/// Longest wait for its answer.
const PING_MAX: Duration = Duration::from_secs(2);

/// Whether the database answered, and when it was asked.
#[derive(Default)]
pub(crate) struct Ready(tokio::sync::Mutex<Option<(UnixMillis, bool)>>);

impl Ready {
    async fn look(&self, state: &ApiState) -> bool {
        // Who comes meanwhile waits for the same answer.
        let mut last = self.0.lock().await;
        let now = clock::now();
        if let Some((at, is_ready)) = *last
            && (0..PING_KEPT_MS).contains(&(now.0 - at.0))
        {
            return is_ready;
        }
        let ping = timeout(PING_MAX, state.store.ping()).await;
        match &ping {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the database does not answer"),
            Err(_) => tracing::warn!("the database does not answer in time"),
        }
        let is_ready = matches!(ping, Ok(Ok(())));
        *last = Some((now, is_ready));
        is_ready
    }
}

/// Metrics in the Prometheus text format; those of the outbox are left out while the database does not answer.
#[utoipa::path(get, path = "/metrics", responses((status = 200, body = String)))]
pub(crate) async fn metrics(State(state): State<ApiState>) -> Result<Response, Problem> {
    let mut own = format!(
        "# TYPE qingting_event_listeners gauge\nqingting_event_listeners {}\n",
        state.events.listeners(),
    );
    // A database that does not answer must not hide everything else.
    if let Ok(Ok(outbox)) = timeout(OUTBOX_MAX, state.store.outbox_totals()).await {
        let oldest = outbox.oldest_at.map_or(0, |at| clock::now().0.saturating_sub(at.0).max(0));
        own += &format!(
            "# TYPE qingting_outbox_pending gauge\nqingting_outbox_pending {}\n\
             # TYPE qingting_outbox_parked gauge\nqingting_outbox_parked {}\n\
             # TYPE qingting_outbox_oldest_seconds gauge\nqingting_outbox_oldest_seconds {}\n",
            outbox.pending,
            outbox.parked,
            oldest / 1_000,
        );
    }
    let text = (state.metrics)() + &own;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// This description. `If-None-Match` with its `ETag` is answered with 304.
#[utoipa::path(get, path = "/api/v1/openapi.json",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = Object),
    (status = 304, description = "The client has it")))]
pub(crate) async fn openapi(headers: HeaderMap) -> Response {
    /// It does not change while the program runs.
    static DESCRIPTION: OnceLock<(String, String)> = OnceLock::new();
    let (text, tag) = DESCRIPTION.get_or_init(|| {
        let text = openapi_json();
        let digest = Sha256::digest(text.as_bytes());
        let tag: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        (text, format!("\"{tag}\""))
    });
    if let Some(known) = revision::known(&headers, tag) {
        return known;
    }
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "private, no-cache"),
        (ETAG, tag.as_str()),
    ];
    (headers, text.as_str()).into_response()
}

/// Where to read on.
#[derive(Serialize, ToSchema)]
pub(crate) struct Root {
    name: &'static str,
    /// The description of the interface.
    openapi: &'static str,
    /// The page for people.
    console: &'static str,
    /// Changes for machines.
    feed: &'static str,
    /// Events for pages, over WebSocket.
    events: &'static str,
    /// What the OpenID provider is called that people may sign in with; null where there is none.
    sign_on: Option<String>,
}

/// Where to read on.
#[utoipa::path(get, path = "/api/v1", responses((status = 200, body = Root)))]
pub(crate) async fn root(State(state): State<ApiState>) -> Json<Root> {
    Json(Root {
        name: "Qingting",
        openapi: "/api/v1/openapi.json",
        console: "/console/",
        feed: "/api/v1/feed",
        events: "/api/v1/events",
        sign_on: state.sign_on.as_ref().map(|provider| provider.name().to_owned()),
    })
}
