//! How a message travels, without the sockets.

use std::fmt;
use std::net::SocketAddr;

/// A transport protocol (RFC 3261 §18, RFC 7118).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams: messages are retransmitted by timers.
    Udp,
    /// Streams: nothing is retransmitted but the 2xx to an INVITE.
    Tcp,
    /// Streams within TLS.
    Tls,
    /// Browsers: one message for each WebSocket message. We only accept such connections.
    Ws,
    /// The same within TLS.
    Wss,
}

impl Transport {
    /// Whether the transport itself delivers, so that transactions need not retransmit.
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// Whether it is a WebSocket: nobody can be reached by it who has not come by it.
    pub const fn is_web(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// Whether it begins with a TLS handshake.
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// The one that a Via header names.
    pub(crate) fn of_via(name: &str) -> Option<Self> {
        let all = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];
        all.into_iter().find(|of| of.via_name().eq_ignore_ascii_case(name))
    }

    /// The name in a Via header.
    pub(crate) const fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// The name in a URI's `transport` parameter.
    pub(crate) const fn uri_name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws | Self::Wss => "ws",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Wss { "wss" } else { self.uri_name() })
    }
}

/// Who sent a request: the peer of its flow, or whom a proxy of ours had it from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sender {
    /// By which protocol.
    pub transport: Transport,
    /// From where.
    pub addr: SocketAddr,
}

/// The driver's number for a UDP socket or a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Link(pub u64);

/// Where a message came from or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Protocol.
    pub transport: Transport,
    /// The socket or connection; `None` lets the driver find or make one.
    pub link: Option<Link>,
    /// Our address as the peer should see it.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
}
