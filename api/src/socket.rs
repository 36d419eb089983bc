//! The event stream over WebSocket.

use crate::auth::{Principal, WEBSOCKET_PROTOCOL};
use crate::events::{Ears, Subscription};
use crate::server::Connection;
use crate::sight::Sight;
use crate::{ApiState, Problem};
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::response::Response;
use qingting_store::{Credential, Store};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use utoipa::IntoParams;

/// How often a stream is probed, so that dead listeners are noticed, and those whose key another
/// process revoked.
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

/// Events as JSON text messages: `seq`, `at`, `type` and the event's own fields. A seat hears of its
/// own calls, of itself, of its queues' numbers and that calls were missed, an expert that tickets changed which its unit
/// has or had; the numbers have gaps then. A listener that is
/// too slow gets `{"type":"lagged","missed":n}` and then the newer events. The stream closes with
/// code 1008 when its key is revoked, its session ends or the password is changed, and with 1001 when the server stops.
#[utoipa::path(get, path = "/api/v1/events", params(EventQuery),
    responses((status = 101, description = "WebSocket, subprotocol qingting"), (status = 400, body = Problem)))]
pub(crate) async fn events(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    connection: Option<Extension<Connection>>,
    query: Result<Query<EventQuery>, QueryRejection>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Problem> {
    let Query(query) = query?;
    state.store.audit(&who.name, "events.open", "events").await?;
    // Before the first look at the credential: no revocation falls between the two.
    let credentials = state.store.credentials();
    let subscription = state.events.subscribe(query.after);
    Ok(upgrade.protocols([WEBSOCKET_PROTOCOL]).max_message_size(INCOMING_BYTES_MAX).on_upgrade(
        |mut socket| async move {
            let ears = Ears::of(&who, &state);
            let credential = who.credential;
            let sight = Sight::of(who.role);
            let store = state.store;
            let listener = Listener { store, credential, credentials, ears, sight };
            let end = tokio::select! {
                Err(end) = stream(&mut socket, subscription, listener) => end,
                () = stopping(connection) => End::Close(close_code::AWAY, "the server stops"),
            };
            if let End::Close(code, reason) = end {
                let reason = reason.into();
                let _ =
                    deliver(&mut socket, Message::Close(Some(CloseFrame { code, reason }))).await;
            }
        },
    ))
}

/// Never, where no server of ours holds the connection.
async fn stopping(connection: Option<Extension<Connection>>) {
    match connection {
        Some(Extension(mut connection)) => connection.stopping().await,
        None => std::future::pending().await,
    }
}

/// Why a stream is over.
enum End {
    Gone,
    Close(u16, &'static str),
}

struct Gone;

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// Who listens, and whether that is still allowed.
struct Listener {
    store: Store,
    credential: Credential,
    credentials: watch::Receiver<u64>,
    ears: Ears,
    sight: Sight,
}

impl Listener {
    async fn check(&self) -> Result<(), End> {
        match self.store.stands(&self.credential).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(End::Close(close_code::POLICY, "the key or the password is void")),
            Err(error) => {
                tracing::warn!(%error, "a listener's key cannot be looked up; its stream is closed");
                Err(End::Close(close_code::AGAIN, "the database does not answer"))
            }
        }
    }
}

async fn stream(
    socket: &mut WebSocket,
    mut from: Subscription,
    mut who: Listener,
) -> Result<Infallible, End> {
    who.check().await?;
    if from.missed > 0 {
        send(socket, &Lagged { missed: from.missed }, who.sight).await?;
    }
    for published in from.backlog.drain(..) {
        if who.ears.hear_past(&published.event).await {
            send(socket, &*published, who.sight).await?;
        }
    }
    let mut ping = tokio::time::interval(Duration::from_secs(PING_SECONDS));
    loop {
        tokio::select! {
            // Nothing is sent to who may not have it any more.
            biased;
            Ok(()) = who.credentials.changed() => who.check().await?,
            _ = ping.tick() => {
                who.check().await?;
                deliver(socket, Message::Ping(Default::default())).await?;
            }
            incoming = socket.recv() => match incoming {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(End::Gone),
                Some(Ok(_)) => {}
            },
            event = from.live.recv() => match event {
                Ok(published) if who.ears.hear(&published.event) => {
                    send(socket, &*published, who.sight).await?;
                }
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => send(socket, &Lagged { missed }, who.sight).await?,
                Err(RecvError::Closed) => return Err(End::Gone),
            },
        }
    }
}

async fn send(socket: &mut WebSocket, value: &impl Serialize, sight: Sight) -> Result<(), Gone> {
    let text = match sight {
        Sight::Whole => serde_json::to_string(value),
        Sight::Unit | Sight::Masked => serde_json::to_value(value).map(|mut value| {
            sight.see(&mut value);
            value.to_string()
        }),
    };
    let text = text.map_err(|error| {
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
