//! What happens to calls and seats.

use super::{BreakReason, Level, Offer, QueueName, SeatId, Skill};
use qingting_common::CallId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Input {
    /// A call wants a seat. One that seats still talked to leaves them first.
    Enqueue(Enqueue),
    /// The call is gone, whether it waited, rang or talked.
    Abandon {
        /// Which.
        call: CallId,
    },
    /// The caller wants to be called back instead of waiting.
    CallbackRequested {
        /// Which.
        call: CallId,
    },
    /// A seat picks this waiting call, or a supervisor gives it to the seat; no skill is asked.
    Take {
        /// The call.
        call: CallId,
        /// The seat.
        seat: SeatId,
    },
    /// The seat's telephone rings for an offer.
    OfferRinging(Offer),
    /// The seat has answered an offer.
    OfferAccepted(Offer),
    /// The seat did not take an offer.
    OfferFailed {
        /// Which.
        offer: Offer,
        /// Why.
        why: OfferFailure,
    },
    /// A call that came to a seat by another way than an offer: one that it dialled, was handed or
    /// was asked to join. Other seats may talk in it too.
    CallBegan {
        /// The call.
        call: CallId,
        /// The seat.
        seat: SeatId,
    },
    /// The seat and this call are no longer joined.
    CallEnded {
        /// The call.
        call: CallId,
        /// The seat.
        seat: SeatId,
    },
    /// A seat begins work; again, its skills are replaced and its state stays.
    SignIn {
        /// The seat.
        seat: SeatId,
        /// What it can do.
        skills: BTreeMap<Skill, Level>,
    },
    /// A seat ends work: after its call if it has one, else at once.
    SignOut {
        /// The seat.
        seat: SeatId,
    },
    /// A seat wants calls: ends a break, a pause or a wrap-up, takes back an asked break.
    SetReady {
        /// The seat.
        seat: SeatId,
    },
    /// A seat wants a break: after its call and the wrap-up if it has a call, else at once.
    SetBreak {
        /// The seat.
        seat: SeatId,
        /// Why.
        reason: BreakReason,
    },
    /// A seat has written up its call before the time was over.
    WrapUpDone {
        /// The seat.
        seat: SeatId,
    },
    /// The seat's telephone can be reached.
    Registered {
        /// The seat.
        seat: SeatId,
    },
    /// The seat's telephone cannot be reached.
    Unregistered {
        /// The seat.
        seat: SeatId,
    },
    /// The deadline of [`Queue::next_deadline`](super::Queue::next_deadline) has come.
    Timer,
}

/// A call that wants a seat.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Enqueue {
    /// Which.
    pub call: CallId,
    /// Where it waits.
    pub queue: QueueName,
    /// What it needs, if not the queue's own skill.
    pub skill: Option<Skill>,
    /// Priority of the called number, added to the queue's.
    pub priority: i32,
    /// The caller called about the same matter before.
    pub repeat: bool,
    /// A seat gave the call back.
    pub returned: bool,
    /// The seat that this caller talked to last.
    pub sticky: Option<SeatId>,
    /// How long it has waited already, with another keeper of the queues: it keeps its place among all, and what was
    /// announced or asked before is not again.
    pub waited: Duration,
    /// How long of it in this queue, after it came from another one.
    pub queued: Duration,
}

impl Enqueue {
    /// A call without anything special about it.
    pub const fn new(call: CallId, queue: QueueName) -> Self {
        Self {
            call,
            queue,
            skill: None,
            priority: 0,
            repeat: false,
            returned: false,
            sticky: None,
            waited: Duration::ZERO,
            queued: Duration::ZERO,
        }
    }
}

/// Why a seat did not take an offered call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OfferFailure {
    /// It rang, or nothing was heard of the offer at all.
    NoAnswer,
    /// The telephone is in another call.
    Busy,
    /// The telephone cannot be reached.
    Unreachable,
    /// The seat declined.
    Declined,
}

impl OfferFailure {
    /// The name in the database, the API and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoAnswer => "no_answer",
            Self::Busy => "busy",
            Self::Unreachable => "unreachable",
            Self::Declined => "declined",
        }
    }
}
