//! The event stream over WebSocket.

use crate::auth::WEBSOCKET_PROTOCOL;
use crate::events::Subscription;
use crate::{ApiState, Problem};
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use utoipa::IntoParams;

/// How often an idle stream is probed, so that dead listeners are noticed.
const PING_SECONDS: u64 = 20;
/// Longest time that one message may take to be sent; then the listener is dropped.
const SEND_SECONDS_MAX: u64 = 10;
/// Longest message that a listener may send; nothing that it sends is used.
const INCOMING_BYTES_MAX: usize = 4_096;

/// Where to start.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventQuery {
    /// The last `seq` that the listener has; absent: only what comes from now on.
    after: Option<u64>,
}

/// Sent instead of the events that a listener lost.
#[derive(Serialize)]
#[serde(tag = "type", rename = "lagged")]
struct Lagged {
    missed: u64,
}

/// Events as JSON text messages: `seq`, `at`, `type` and the event's own fields. A listener that is
/// too slow gets `{"type":"lagged","missed":n}` and then the newer events.
#[utoipa::path(get, path = "/api/v1/events", params(EventQuery),
    responses((status = 101, description = "WebSocket, subprotocol qingting"), (status = 400, body = Problem)))]
pub(crate) async fn events(
    State(state): State<ApiState>,
    query: Result<Query<EventQuery>, QueryRejection>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Problem> {
    let Query(query) = query?;
    let subscription = state.events.subscribe(query.after);
    Ok(upgrade.protocols([WEBSOCKET_PROTOCOL]).max_message_size(INCOMING_BYTES_MAX).on_upgrade(
        |socket| async move {
            // An error is a listener that went away.
            let _ = stream(socket, subscription).await;
        },
    ))
}

struct Gone;

async fn stream(mut socket: WebSocket, mut from: Subscription) -> Result<(), Gone> {
    if from.missed > 0 {
        send(&mut socket, &Lagged { missed: from.missed }).await?;
    }
    for published in from.backlog.drain(..) {
        send(&mut socket, &*published).await?;
    }
    let mut ping = tokio::time::interval(Duration::from_secs(PING_SECONDS));
    loop {
        tokio::select! {
            event = from.live.recv() => match event {
                Ok(published) => send(&mut socket, &*published).await?,
                Err(RecvError::Lagged(missed)) => send(&mut socket, &Lagged { missed }).await?,
                Err(RecvError::Closed) => return Ok(()),
            },
            incoming = socket.recv() => match incoming {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Gone),
                Some(Ok(_)) => {}
            },
            _ = ping.tick() => deliver(&mut socket, Message::Ping(Default::default())).await?,
        }
    }
}

async fn send(socket: &mut WebSocket, value: &impl Serialize) -> Result<(), Gone> {
    let text = serde_json::to_string(value).map_err(|error| {
        tracing::error!(%error, "an event cannot be written as JSON");
        Gone
    })?;
    deliver(socket, Message::Text(text.into())).await
}

async fn deliver(socket: &mut WebSocket, message: Message) -> Result<(), Gone> {
    let limit = Duration::from_secs(SEND_SECONDS_MAX);
    match tokio::time::timeout(limit, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Gone),
    }
}
