//! One WebSocket connection of a browser (RFC 7118): a SIP message for each WebSocket message.

use super::stream::{HANDSHAKE_MAX, StreamEvent, WRITE_MAX};
use crate::transport::Link;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use qingting_common::limits::SIP_MESSAGE_BYTES_MAX;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

/// The subprotocol that both sides must name (RFC 7118 §4).
const SUBPROTOCOL: &str = "sip";

const SUBPROTOCOL_FIELD: &str = "Sec-WebSocket-Protocol";

/// A browser that went without a word is found out by pings at this interval.
const PING_EVERY: Duration = Duration::from_secs(30);

/// Pings without any sign of life before the connection is closed.
const PINGS_MISSED_MAX: u32 = 2;

/// Serves a connection after the handshake of TLS, if any, until the driver drops its queue; its first message
/// is waited for no longer than `first_max`.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    link: Link,
    stream: S,
    first_max: Duration,
    writes: mpsc::Receiver<Bytes>,
    to: &mpsc::Sender<StreamEvent>,
) -> Result<(), ()> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(SIP_MESSAGE_BYTES_MAX))
        .max_frame_size(Some(SIP_MESSAGE_BYTES_MAX))
        .write_buffer_size(0);
    let accepted = accept_hdr_async_with_config(stream, check, Some(config));
    let socket = timeout(HANDSHAKE_MAX, accepted).await.map_err(|_| ())?.map_err(|_| ())?;
    converse(link, socket, first_max, writes, to).await;
    Ok(())
}

#[allow(clippy::result_large_err, reason = "the library's signature")]
fn check(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let offered = request.headers().get_all(SUBPROTOCOL_FIELD).iter();
    let mut offered = offered.filter_map(|value| value.to_str().ok()).flat_map(|it| it.split(','));
    if !offered.any(|name| name.trim().eq_ignore_ascii_case(SUBPROTOCOL)) {
        let mut refusal = ErrorResponse::new(Some("subprotocol sip is needed\n".to_owned()));
        *refusal.status_mut() = StatusCode::BAD_REQUEST;
        return Err(refusal);
    }
    response.headers_mut().insert(SUBPROTOCOL_FIELD, HeaderValue::from_static(SUBPROTOCOL));
    Ok(response)
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    link: Link,
    mut socket: WebSocketStream<S>,
    first_max: Duration,
    mut writes: mpsc::Receiver<Bytes>,
    to: &mpsc::Sender<StreamEvent>,
) {
    let mut ticks = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut missed = 0;
    let first = sleep(first_max);
    tokio::pin!(first);
    let mut is_heard = false;
    loop {
        let out = tokio::select! {
            () = &mut first, if !is_heard => return,
            received = socket.next() => {
                let Some(Ok(message)) = received else { return };
                missed = 0;
                let Some(event) = event(link, message) else { continue };
                is_heard |= matches!(event, StreamEvent::Message { .. });
                if to.send(event).await.is_err() {
                    return;
                }
                continue;
            }
            bytes = writes.recv() => match bytes {
                Some(bytes) => frame(bytes),
                None => {
                    // Nothing follows whether or not the browser hears of it.
                    let _ = timeout(WRITE_MAX, socket.close(None)).await;
                    return;
                }
            },
            _ = ticks.tick() => {
                missed += 1;
                if missed > PINGS_MISSED_MAX {
                    return;
                }
                Message::Ping(Bytes::new())
            }
        };
        if !matches!(timeout(WRITE_MAX, socket.send(out)).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// What a WebSocket message is to the driver. The library answers pings itself.
fn event(link: Link, message: Message) -> Option<StreamEvent> {
    let bytes = match message {
        Message::Text(text) => Bytes::from(text),
        Message::Binary(bytes) => bytes,
        _ => return None,
    };
    if bytes.iter().all(|byte| b"\r\n".contains(byte)) {
        // RFC 5626 §3.5.1; a single line end is the answer to one.
        return (bytes.len() == 4).then_some(StreamEvent::Ping { link });
    }
    Some(StreamEvent::Message { link, bytes })
}

/// Text, but for a display name that is not UTF-8 (RFC 7118 §5).
fn frame(bytes: Bytes) -> Message {
    match Utf8Bytes::try_from(bytes.clone()) {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(bytes),
    }
}
