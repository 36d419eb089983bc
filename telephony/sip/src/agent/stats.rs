//! What an agent has counted.

use crate::{admission, auth};

/// Counters since the start, and sizes of now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Datagrams and stream messages received, garbage included.
    pub messages_in: u64,
    /// Messages sent, retransmissions included.
    pub messages_out: u64,
    /// What was no message and could not be answered.
    pub garbage: u64,
    /// Requests refused with 4xx by the agent itself.
    pub refused_4xx: u64,
    /// Requests refused with 5xx by the agent itself, admission left out.
    pub refused_5xx: u64,
    /// INVITEs refused with 503: too many calls, too many without ACK, or draining.
    pub refused_admission: u64,
    /// Of these, those that came while as many calls ran as may, or as many were without ACK, or transactions kept as much.
    pub refused_full: u64,
    /// Requests and responses that came again.
    pub retransmissions_in: u64,
    /// Messages sent again by a timer or because their request came again.
    pub retransmissions_out: u64,
    /// Responses and ACKs that belong to nothing.
    pub stray: u64,
    /// Timer entries handled, stale ones included: the work that time alone makes.
    pub wakes: u64,
    /// Challenges to our requests that we answered.
    pub authenticated_out: u64,
    /// Requests of ours that went to a further address.
    pub failed_over: u64,
    /// Requests of ours that were too long for UDP.
    pub switched_to_tcp: u64,
    /// Requests that were asked for a password.
    pub challenged: u64,
    /// Requests of strangers, or of users in another's name.
    pub forbidden: u64,
    /// REGISTERs that were carried out.
    pub registered: u64,
    /// Passwords that were looked at.
    pub auth: auth::Counts,
    /// Whom the limits kept out.
    pub admission: admission::Counts,
    /// Users with a binding.
    pub users_registered: usize,
    /// Their bindings.
    pub bindings: usize,
    /// Dialogs, early ones included.
    pub dialogs: usize,
    /// Calls whose 2xx waits for its ACK.
    pub unacked: usize,
    /// Calls of strangers.
    pub strangers: usize,
    /// Those that nothing came of yet that only who got our answer can send.
    pub strangers_unproved: usize,
    /// Transactions of both kinds.
    pub transactions: usize,
    /// Timer entries that are set, stale ones included.
    pub timers: usize,
    /// Bytes of messages that they keep.
    pub transaction_bytes: usize,
}
