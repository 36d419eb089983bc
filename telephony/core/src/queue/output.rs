//! What the queues ask their driver to do.

use super::{Overflow, QueueName, SeatId, SeatState};
use qingting_common::CallId;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One offer of a call to a seat. Reports carry it back as it is, so that a late report of an offer
/// is not taken for one of the next offer of the same call to the same seat.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Offer {
    /// Counted from 1.
    pub number: u64,
    /// The call.
    pub call: CallId,
    /// The seat.
    pub seat: SeatId,
}

/// One thing to do, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Output {
    /// Ring this seat for this call and report what came of it.
    Offer(Offer),
    /// Stop ringing, and end the leg if the seat has answered meanwhile. May come again for an offer
    /// that is over; then nothing need be done.
    Withdraw(Offer),
    /// Join caller and seat: the acceptance stands.
    Connect {
        /// The offer that was accepted.
        offer: Offer,
        /// How long the caller waited since it was put into the first queue.
        waited: Duration,
    },
    /// The caller may be told where it stands.
    Position {
        /// The call.
        call: CallId,
        /// Its place in its queue, from 1.
        position: u32,
        /// How long it may still take; `None` while no seat is at work.
        expected_wait: Option<Duration>,
    },
    /// The caller may be asked whether to be called back. Comes once.
    OfferCallback {
        /// The call.
        call: CallId,
    },
    /// The caller wants to be called back: it waits no longer and belongs on the list.
    CallbackListed {
        /// The call.
        call: CallId,
        /// The queue in which it waited.
        queue: QueueName,
        /// How long it waited.
        waited: Duration,
    },
    /// No seat took the call in time. With [`Overflow::Queue`] it waits there from now on and
    /// nothing need be done; otherwise it waits no longer.
    Overflow {
        /// The call.
        call: CallId,
        /// The queue that it leaves.
        from: QueueName,
        /// Where to.
        to: Overflow,
    },
    /// The call was not put into the queue.
    Refused {
        /// The call.
        call: CallId,
        /// Why.
        why: Refusal,
    },
    /// The call was not given to the seat that was to take it by hand.
    TakeRefused {
        /// The call.
        call: CallId,
        /// The seat.
        seat: SeatId,
        /// Why.
        why: TakeRefusal,
    },
    /// The seat cannot sign in: there are too many seats, or it has too many skills.
    SeatRefused {
        /// The seat.
        seat: SeatId,
    },
    /// The state of a seat has changed.
    SeatState {
        /// The seat.
        seat: SeatId,
        /// What it does now.
        state: SeatState,
        /// Whether its telephone can be reached.
        registered: bool,
    },
}

/// Why a call was not put into a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Refusal {
    /// There is no such queue.
    UnknownQueue,
    /// The queue, or all together, hold as many calls as they may.
    Full,
}

/// Why a call was not given to a seat by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TakeRefusal {
    /// The call does not wait, or no longer.
    NotWaiting,
    /// The seat is not signed in or its telephone cannot be reached.
    NotAtWork,
    /// The seat has a call or is being rung.
    SeatBusy,
}
