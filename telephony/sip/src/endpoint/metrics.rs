//! What an endpoint has counted.

use crate::agent::Stats;
use std::sync::{Mutex, PoisonError};

/// Counters since the start, and sizes of now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointMetrics {
    /// Messages received, garbage included.
    pub messages_in: u64,
    /// Messages sent, retransmissions included.
    pub messages_out: u64,
    /// What was no message and could not be answered.
    pub garbage: u64,
    /// Requests refused with 4xx by the endpoint itself.
    pub refused_4xx: u64,
    /// Requests refused with 5xx by the endpoint itself, admission left out.
    pub refused_5xx: u64,
    /// INVITEs refused with 503: too many calls, too many without ACK, draining, or nobody took
    /// the call from the channel.
    pub refused_admission: u64,
    /// Of these, those that came while as many calls ran as may, or as many were without ACK, or transactions kept as much.
    pub refused_full: u64,
    /// Messages that came again.
    pub retransmissions_in: u64,
    /// Messages that were sent again.
    pub retransmissions_out: u64,
    /// Responses and ACKs that belong to nothing.
    pub stray: u64,
    /// Dialogs now, early ones included.
    pub dialogs: usize,
    /// Calls whose 2xx waits for its ACK now.
    pub unacked: usize,
    /// Transactions now.
    pub transactions: usize,
    /// Connections now, by whatever transport.
    pub connections: usize,
    /// Those within TLS.
    pub connections_secure: usize,
    /// Those of browsers.
    pub connections_web: usize,
    /// Connections that were refused or cut: too many at all or of one source, or a peer that does
    /// not read.
    pub connections_refused: u64,
    /// Handshakes of TLS or WebSocket that failed, in either direction.
    pub handshakes_failed: u64,
    /// What the kernel granted the least of the UDP sockets to receive into, in bytes.
    pub udp_receive_bytes: usize,
    /// Users with a binding now.
    pub users_registered: usize,
    /// Bindings now.
    pub bindings: usize,
    /// REGISTERs that were carried out.
    pub registers: u64,
    /// Requests that were asked for a password.
    pub challenged: u64,
    /// Right passwords.
    pub auth_succeeded: u64,
    /// Wrong passwords and unknown users.
    pub auth_failed: u64,
    /// Right passwords with an old nonce or a count that was used before.
    pub auth_stale: u64,
    /// Requests of users or sources that had to wait after wrong passwords.
    pub auth_locked: u64,
    /// Requests refused with 403: strangers where only users call, or users in another's name.
    pub forbidden: u64,
    /// Requests refused with 503 because their source sends too much.
    pub source_rejected: u64,
    /// Requests not answered, because their source was refused too often.
    pub source_silenced: u64,
    /// Calls refused with 503 because all sources together make too many.
    pub calls_rejected: u64,
    /// Calls of strangers refused with 503 because too many of theirs run, or run without a sign of life.
    pub strangers_rejected: u64,
    /// Calls of strangers now.
    pub strangers: usize,
    /// Those without a sign of life from the caller yet.
    pub strangers_unproved: usize,
    /// Calls that took a reserved place.
    pub calls_reserved: u64,
    /// Sources that the limits remember now.
    pub sources: usize,
    /// Challenges to our requests that we answered.
    pub authenticated_out: u64,
    /// Requests of ours that went to a further address.
    pub failed_over: u64,
    /// Requests of ours that were too long for UDP and went by TCP.
    pub switched_to_tcp: u64,
    /// Messages that could not be sent: a full socket, no route, a response whose connection went.
    pub unsent: u64,
    /// Events that found a full channel.
    pub events_dropped: u64,
    /// Commands that found a full queue.
    pub commands_dropped: u64,
}

/// What only the driver can count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DriverCounts {
    pub(super) refused_admission: u64,
    pub(super) connections_refused: u64,
    pub(super) handshakes_failed: u64,
    pub(super) udp_receive_bytes: usize,
    pub(super) unsent: u64,
    pub(super) events_dropped: u64,
}

/// The driver's last word, for others to read.
#[derive(Debug, Default)]
pub(super) struct Published(Mutex<EndpointMetrics>);

impl Published {
    pub(super) fn read(&self) -> EndpointMetrics {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connections: all, those within TLS, those of browsers.
    pub(super) fn write(
        &self,
        stats: &Stats,
        counts: &DriverCounts,
        (connections, connections_secure, connections_web): (usize, usize, usize),
    ) {
        let metrics = EndpointMetrics {
            messages_in: stats.messages_in,
            messages_out: stats.messages_out,
            garbage: stats.garbage,
            refused_4xx: stats.refused_4xx,
            refused_5xx: stats.refused_5xx,
            refused_admission: stats.refused_admission + counts.refused_admission,
            refused_full: stats.refused_full + counts.refused_admission,
            retransmissions_in: stats.retransmissions_in,
            retransmissions_out: stats.retransmissions_out,
            stray: stats.stray,
            dialogs: stats.dialogs,
            unacked: stats.unacked,
            transactions: stats.transactions,
            connections,
            connections_secure,
            connections_web,
            connections_refused: counts.connections_refused,
            handshakes_failed: counts.handshakes_failed,
            udp_receive_bytes: counts.udp_receive_bytes,
            users_registered: stats.users_registered,
            bindings: stats.bindings,
            registers: stats.registered,
            challenged: stats.challenged,
            auth_succeeded: stats.auth.succeeded,
            auth_failed: stats.auth.failed,
            auth_stale: stats.auth.stale,
            auth_locked: stats.auth.locked,
            forbidden: stats.forbidden,
            source_rejected: stats.admission.source_rejected,
            source_silenced: stats.admission.silenced,
            calls_rejected: stats.admission.calls_rejected,
            strangers_rejected: stats.admission.strangers_rejected,
            strangers: stats.strangers,
            strangers_unproved: stats.strangers_unproved,
            calls_reserved: stats.admission.reserved_used,
            sources: stats.admission.sources,
            authenticated_out: stats.authenticated_out,
            failed_over: stats.failed_over,
            switched_to_tcp: stats.switched_to_tcp,
            unsent: counts.unsent,
            events_dropped: counts.events_dropped,
            commands_dropped: 0,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = metrics;
    }
}
