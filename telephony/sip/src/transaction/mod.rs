//! Transactions (RFC 3261 §17, RFC 6026) as pure machines.
//!
//! A machine is told what happened and the time; it says what to send and when it wants to be
//! woken. It owns no socket, no clock and no identity: the agent keeps those.

mod answer;
mod client;
mod invite_client;
mod invite_server;
mod key;
mod server;
mod timing;

pub use answer::{Answer, AnswerFired};
pub use client::Client;
pub use invite_client::{InviteClient, OnResponse};
pub use invite_server::{AckFor, InviteServer};
pub(crate) use key::key_of_branch;
pub use key::{client_key, merge_key, server_key};
pub use server::Server;
pub use timing::{Backoff, PROVISIONAL_REPEAT, T1, T2, T4, TIMEOUT};

use bytes::Bytes;

/// What a machine's timer did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fired {
    /// Nothing was due, or the machine only came to its end.
    Nothing,
    /// Send this once more.
    Resend(Bytes),
    /// The other side did not answer in time; the machine is at its end.
    TimedOut,
}
