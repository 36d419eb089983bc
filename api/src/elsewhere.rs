//! Calls of other servers on the same database: what is asked of one is asked of the server that has it.
//!
//! The guard of this server has let the request pass; it goes on as it came, with its credential, and the other
//! server's guard, masks and audit are the ones that count.

use crate::{ApiState, Problem};
use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use qingting_common::CallId;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;
use uuid::Uuid;

/// Marks a request that another server has sent on: it goes no further.
const FORWARDED: HeaderName = HeaderName::from_static("qingting-forwarded");

/// How long the other server may take to be reached, and then to begin its answer.
const CONNECT_MAX: Duration = Duration::from_secs(2);
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Where the path has the call's id.
const CALLS: &str = "/api/v1/calls/{id}";

/// What lies with the server that carried a call, when it is long over: its files and what it keeps in memory.
const FILES: [&str; 4] = [
    "/api/v1/calls/{id}/recording",
    "/api/v1/calls/{id}/peaks",
    "/api/v1/calls/{id}/sip-messages",
    "/api/v1/calls/{id}/transcript/whole",
];

/// Who else is there.
pub trait Elsewhere: Send + Sync {
    /// The HTTP address of the server that carries this call now, if another does. Must not block.
    fn carrier(&self, call: CallId) -> Option<SocketAddr>;

    /// The HTTP address of a server by its name; `None` for this one itself.
    ///
    /// # Errors
    /// It is not heard of now.
    fn server(&self, name: &str) -> Result<Option<SocketAddr>, Away>;
}

/// A server that is not heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Away;

/// No other server.
pub(crate) struct Nobody;

impl Elsewhere for Nobody {
    fn carrier(&self, _: CallId) -> Option<SocketAddr> {
        None
    }

    fn server(&self, _: &str) -> Result<Option<SocketAddr>, Away> {
        Ok(None)
    }
}

/// Sends a request on to the server that has its call.
pub(crate) async fn ask(
    State(state): State<ApiState>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let path = path.as_ref().map_or("", MatchedPath::as_str);
    if !path.starts_with(CALLS) || request.headers().contains_key(&FORWARDED) {
        return next.run(request).await;
    }
    match place(&state, path, request.uri().path()).await {
        Ok(None) => next.run(request).await,
        Ok(Some(server)) => match forward(&state.forwarder, server, request).await {
            Ok(answer) => answer,
            Err(why) => {
                tracing::warn!(%server, %why, "another server did not answer what is asked of its call");
                away()
            }
        },
        Err(Away) => away(),
    }
}

/// Which other server has the call of this path.
async fn place(state: &ApiState, matched: &str, path: &str) -> Result<Option<SocketAddr>, Away> {
    let id = path.split('/').nth(4).and_then(|id| id.parse::<Uuid>().ok());
    let Some(call) = id.map(CallId::new) else { return Ok(None) };
    if let Some(carrier) = state.elsewhere.carrier(call) {
        return Ok(Some(carrier));
    }
    if !FILES.contains(&matched) {
        return Ok(None);
    }
    // An error is told by whoever reads the call itself.
    match state.store.server_of(call).await {
        Ok(Some(server)) => state.elsewhere.server(&server),
        Ok(None) | Err(_) => Ok(None),
    }
}

async fn forward(
    client: &Client<HttpConnector, Body>,
    server: SocketAddr,
    mut request: Request,
) -> Result<Response, String> {
    let asker = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let target: Uri = format!("http://{server}{target}")
        .parse()
        .map_err(|_| "the path cannot be sent on".to_owned())?;
    *request.uri_mut() = target;
    let headers = request.headers_mut();
    headers.insert(FORWARDED, HeaderValue::from_static("1"));
    if let Some(asker) = asker.and_then(|asker| asker.to_string().parse().ok()) {
        headers.insert("x-forwarded-for", asker);
    }
    match timeout(ANSWER_MAX, client.request(request)).await {
        Ok(Ok(answer)) => Ok(answer.map(Body::new)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

/// What sends requests on.
pub(crate) fn client() -> Client<HttpConnector, Body> {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(CONNECT_MAX));
    Client::builder(TokioExecutor::new()).build(connector)
}

fn away() -> Response {
    let detail = "the server that has this call does not answer: try again, or start that server";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response()
}
