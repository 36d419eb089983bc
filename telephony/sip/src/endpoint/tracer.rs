//! Keeps calls' messages and sends them to a capture server.

use crate::clock;
use crate::trace::{Trace, TracedMessage, hep3};
use crate::transport::Flow;
use bytes::Bytes;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

/// What the driver gives its messages to.
pub(super) struct Tracer {
    trace: Arc<Trace>,
    capture: Option<Capture>,
}

struct Capture {
    socket: UdpSocket,
    to: SocketAddr,
    agent: u32,
}

impl Tracer {
    pub(super) fn new(trace: Arc<Trace>, capture: Option<(SocketAddr, u32)>) -> Self {
        let capture = capture.and_then(|(to, agent)| {
            let any = match to {
                SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
                SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
            };
            let bound = UdpSocket::bind(any).and_then(|socket| {
                socket.set_nonblocking(true)?;
                Ok(socket)
            });
            bound
                .inspect_err(|error| tracing::error!(%error, "the capture server gets no messages"))
                .ok()
                .map(|socket| Capture { socket, to, agent })
        });
        Self { trace, capture }
    }

    /// A message that came by that way, or leaves by it.
    pub(super) fn keep(&self, bytes: &Bytes, flow: Flow, is_ours: bool) {
        let describe = |text| TracedMessage {
            at: clock::unix_now(),
            is_ours,
            transport: flow.transport,
            local: flow.local,
            remote: flow.remote,
            text,
        };
        if let Some(message) = self.trace.keep(bytes, is_ours, describe) {
            self.send(&message);
        }
    }

    /// A call that came was admitted.
    pub(super) fn admit(&self, call_id: &str) {
        self.trace.admit(call_id).iter().for_each(|message| self.send(message));
    }

    fn send(&self, message: &TracedMessage) {
        if let Some(Capture { socket, to, agent }) = &self.capture {
            // A capture server that is away, or a full socket, is no reason to wait.
            let _ = socket.send_to(&hep3(message, *agent), to);
        }
    }
}
