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
    /// TCP connections now.
    pub connections: usize,
    /// TCP connections that were refused or cut: too many, or a peer that does not read.
    pub connections_refused: u64,
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

    pub(super) fn write(&self, stats: &Stats, counts: &DriverCounts, connections: usize) {
        let metrics = EndpointMetrics {
            messages_in: stats.messages_in,
            messages_out: stats.messages_out,
            garbage: stats.garbage,
            refused_4xx: stats.refused_4xx,
            refused_5xx: stats.refused_5xx,
            refused_admission: stats.refused_admission + counts.refused_admission,
            retransmissions_in: stats.retransmissions_in,
            retransmissions_out: stats.retransmissions_out,
            stray: stats.stray,
            dialogs: stats.dialogs,
            unacked: stats.unacked,
            transactions: stats.transactions,
            connections,
            connections_refused: counts.connections_refused,
            unsent: counts.unsent,
            events_dropped: counts.events_dropped,
            commands_dropped: 0,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = metrics;
    }
}
