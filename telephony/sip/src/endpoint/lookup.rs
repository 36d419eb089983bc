//! Names to addresses, A and AAAA only.

use crate::agent::{CallKey, Command};
use crate::handle::OutgoingInvite;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::time::timeout;

/// How long one lookup may take.
const LOOKUP_MAX: Duration = Duration::from_secs(5);

/// Lookups at once, at most; beyond, a name counts as unknown. Each holds a thread of the runtime,
/// and strangers can ask for lookups by their Contact.
pub(super) const LOOKUPS_MAX: usize = 64;

/// What a lookup was for, and its result.
pub(super) enum Found {
    /// For a call to make.
    Target { call: CallKey, invite: Box<OutgoingInvite>, call_id: String, addr: Option<SocketAddr> },
    /// For the next hop of a dialog; `None` when nothing was found.
    Hop(Option<Command>),
}

/// Finds the address of a call's target.
pub(super) async fn target(
    call: CallKey,
    invite: Box<OutgoingInvite>,
    call_id: String,
    (host, port): (String, u16),
) -> Found {
    let addr = first(&host, port).await;
    Found::Target { call, invite, call_id, addr }
}

/// Finds the address of a dialog's next hop.
pub(super) async fn hop(call: CallKey, host: String, port: u16) -> Found {
    let addr = first(&host, port).await;
    Found::Hop(addr.map(|addr| Command::Resolved { call, host, addr }))
}

async fn first(host: &str, port: u16) -> Option<SocketAddr> {
    timeout(LOOKUP_MAX, lookup_host((host, port))).await.ok()?.ok()?.next()
}
