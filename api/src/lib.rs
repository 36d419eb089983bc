//! The HTTP interface: calls, transcripts, recordings, tickets, keys, events, health, metrics.
//!
//! **Nothing is open that the policy table in [`auth`] does not open, and every error is
//! `application/problem+json`.** The only crate with axum.

mod audit;
pub mod auth;
mod calls;
mod clock;
mod description;
pub mod events;
mod frame;
mod keys;
mod ops;
mod problem;
mod recording;
mod server;
mod socket;
mod tickets;

pub use events::{Event, EventBus, Published};
pub use problem::{PROBLEM_JSON, Problem};
pub use server::{HEADER_READ_MAX, HTTP_CONNECTIONS_MAX, SHUTDOWN_MAX, serve};

use axum::extract::DefaultBodyLimit;
use axum::{Router, middleware};
use qingting_common::CallId;
use qingting_common::limits::HTTP_BODY_BYTES_MAX;
use qingting_store::Store;
use std::path::PathBuf;
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What the interface may do to running calls.
pub trait CallControl: Send + Sync {
    /// Hangs up a running call; false when there is none of that id. Must not block.
    fn hang_up(&self, call: CallId) -> bool;
}

/// What the routes work on.
#[derive(Clone)]
pub struct ApiState {
    /// The database.
    pub store: Store,
    /// What happens in calls.
    pub events: EventBus,
    /// The folder that holds the recordings; no file outside it is ever served.
    pub recordings: PathBuf,
    /// Running calls.
    pub control: Arc<dyn CallControl>,
    /// What is not ready, in words; none when the server takes calls. Must not block.
    pub unready: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    /// Metrics in the Prometheus text format. Must not block.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    failures: Arc<auth::Failures>,
}

impl ApiState {
    /// Puts the parts together.
    pub fn new(
        store: Store,
        events: EventBus,
        recordings: PathBuf,
        control: Arc<dyn CallControl>,
        unready: Arc<dyn Fn() -> Option<String> + Send + Sync>,
        metrics: Arc<dyn Fn() -> String + Send + Sync>,
    ) -> Self {
        Self { store, events, recordings, control, unready, metrics, failures: Arc::default() }
    }
}

/// The routes.
pub fn router(state: ApiState) -> Router {
    let (router, _) = described().split_for_parts();
    router
        .layer(DefaultBodyLimit::max(HTTP_BODY_BYTES_MAX))
        .route_layer(middleware::from_fn_with_state(state.clone(), auth::guard))
        .layer(middleware::from_fn(frame::frame))
        .with_state(state)
}

/// The OpenAPI 3.1 description, as `GET /api/v1/openapi.json` gives it.
pub fn openapi_json() -> String {
    let (_, routes) = described().split_for_parts();
    let mut text = description::finished(routes).to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

fn described() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(description::Description::openapi())
        .routes(routes!(ops::healthz))
        .routes(routes!(ops::readyz))
        .routes(routes!(ops::metrics))
        .routes(routes!(ops::openapi))
        .routes(routes!(calls::list))
        .routes(routes!(calls::one))
        .routes(routes!(calls::transcript))
        .routes(routes!(calls::hang_up))
        .routes(routes!(recording::read))
        .routes(routes!(tickets::list))
        .routes(routes!(tickets::one, tickets::edit))
        .routes(routes!(tickets::confirm))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(audit::list))
        .routes(routes!(socket::events))
}
