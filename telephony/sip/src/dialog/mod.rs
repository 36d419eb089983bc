//! Dialogs (RFC 3261 §12): who talks to whom, in which order, and by which route.

mod route;
mod state;

pub use route::{next_hop, socket_addr, transport_of};
pub use state::{DialogState, Outgoing};
