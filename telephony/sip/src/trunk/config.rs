//! What is known of a trunk before it is asked.

use crate::auth::Credentials;
use crate::message::{NameAddr, SipUri};
use crate::transport::Transport;

/// A trunk as it is configured.
#[derive(Clone, Debug)]
pub struct TrunkConfig {
    /// For people and [`TrunkSet`](super::TrunkSet).
    pub name: String,
    /// The peer; without port its SRV records count.
    pub peer: SipUri,
    /// How.
    pub transport: Transport,
    /// Lower ones are tried first.
    pub priority: u16,
    /// Who we are to it, without tag.
    pub identity: NameAddr,
    /// When it wants us to register, or asks for a password.
    pub account: Option<Account>,
}

/// An account at a trunk.
#[derive(Clone, Debug)]
pub struct Account {
    /// Name and password.
    pub credentials: Credentials,
    /// Whether to register.
    pub register: bool,
    /// Life of a registration in seconds; 600 when `None`.
    pub expires_s: Option<u32>,
}
