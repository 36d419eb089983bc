//! SIP of the voice server: messages, transactions, dialogs and the sockets that carry them.
//!
//! **Everything that RFC 3261 decides is decided without I/O.** [`message`] reads and writes,
//! [`transaction`] and [`dialog`] are machines that are told the time, [`agent`] joins them into
//! one user agent, and [`Endpoint`] drives that agent over UDP and TCP.

pub mod agent;
mod clock;
pub mod dialog;
mod endpoint;
mod event;
mod handle;
mod handle_within;
pub mod message;
pub mod transaction;
mod transport;

pub use endpoint::{BindError, Endpoint, EndpointConfig, EndpointMetrics};
pub use event::DialogEvent;
pub use handle::{Dialog, IncomingCall, OutgoingInvite, Replaced, Reply};
pub use transport::{Flow, Link, Transport};
