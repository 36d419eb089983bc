//! SIP of the voice server: messages, transactions, dialogs and the sockets that carry them.
//!
//! **Everything that RFC 3261 decides is decided without I/O.** [`message`] reads and writes,
//! [`transaction`] and [`dialog`] are machines that are told the time, [`agent`] joins them into
//! one user agent, and [`Endpoint`] drives that agent over UDP, TCP, TLS and WebSocket. [`admission`],
//! [`auth`] and [`registrar`] decide who is heard and who is whom.

pub mod admission;
pub mod agent;
pub mod auth;
mod clock;
pub mod dialog;
mod endpoint;
mod event;
mod handle;
mod handle_within;
mod locate;
pub mod message;
mod recent;
pub mod registrar;
mod request;
pub mod trace;
pub mod transaction;
mod transport;
pub mod trunk;

pub use agent::EdgeConfig;
pub use endpoint::is_on_own_network;
pub use endpoint::{
    BindError, Endpoint, EndpointConfig, EndpointMetrics, TlsError, TlsIdentity, UDP_BUFFER_BYTES,
};
pub use event::DialogEvent;
pub use handle::{Dialog, IncomingCall, OutgoingInvite, Replaced, Reply};
pub use ipnet::IpNet;
pub use request::{OutgoingRequest, RequestError};
pub use transport::{Flow, Link, Sender, Transport};
