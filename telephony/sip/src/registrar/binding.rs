//! One place where a user can be reached.

use crate::message::{NameAddr, SipUri};
use crate::transport::{Flow, Transport};
use qingting_common::Millis;
use std::net::SocketAddr;

/// A place where a user can be reached: an INVITE to `contact` by `flow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The user's Contact; for UDP with the address that it really came from.
    pub contact: SipUri,
    /// The proxies that lead there, to be the Route of the INVITE (RFC 3327); with any, `flow` is only the
    /// way to our proxy.
    pub path: Vec<NameAddr>,
    /// The way that the REGISTER came by.
    pub flow: Flow,
    /// The telephone's own protocol.
    pub transport: Transport,
    /// When it ends if nobody refreshes it, on the endpoint's clock.
    pub expires_at: Millis,
    /// What the user's telephone calls itself.
    pub user_agent: Option<String>,
}

/// A user came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationEvent {
    /// The user's name in the [`Directory`](crate::auth::Directory).
    pub user: String,
    /// Whether the user can be reached now.
    pub registered: bool,
    /// Nobody came or went: the user was there and is, at the same telephones or others.
    pub is_refresh: bool,
}

/// A Contact as it is to be called: behind NAT the address in it leads nowhere, the one that the
/// REGISTER came from leads back.
pub(super) fn reachable(contact: &SipUri, flow: Flow) -> SipUri {
    let mut contact = contact.clone();
    let written = contact.ip().map(|ip| SocketAddr::new(ip, contact.port.unwrap_or(5060)));
    if flow.transport == Transport::Udp && written != Some(flow.remote) {
        contact.host = match flow.remote {
            SocketAddr::V4(addr) => addr.ip().to_string(),
            SocketAddr::V6(addr) => format!("[{}]", addr.ip()),
        };
        contact.port = Some(flow.remote.port());
    }
    contact
}

/// Whether two Contacts are one (RFC 3261 §19.1.4, without the parameters that say nothing about
/// who is reached).
pub(super) fn same_contact(a: &SipUri, b: &SipUri) -> bool {
    let transport = |uri: &SipUri| uri.params.value("transport").map(str::to_ascii_lowercase);
    a.scheme == b.scheme
        && a.user == b.user
        && a.host.eq_ignore_ascii_case(&b.host)
        && a.port == b.port
        && transport(a) == transport(b)
}
