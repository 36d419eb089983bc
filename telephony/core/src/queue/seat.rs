//! One seat.

use super::{BreakReason, Level, OfferFailure, QueueName, Skill};
use qingting_common::{CallId, Millis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a seat does.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SeatState {
    /// Not at work.
    SignedOut,
    /// Waits for a call.
    Ready,
    /// Is offered a call; nothing rings yet.
    Reserved {
        /// The call.
        call: CallId,
        /// When the offer counts as not answered.
        until: Millis,
    },
    /// Its telephone rings.
    Ringing {
        /// The call.
        call: CallId,
        /// When the offer counts as not answered.
        until: Millis,
    },
    /// Talks.
    Talking {
        /// To whom, in the order in which they came.
        calls: Vec<CallId>,
    },
    /// Writes up its call (话后处理).
    WrapUp {
        /// The end.
        until: Millis,
    },
    /// Is on a break (小休).
    Break {
        /// Why.
        reason: BreakReason,
    },
    /// Did not take a call and gets none for a while.
    Paused {
        /// The end.
        until: Millis,
        /// What happened.
        why: OfferFailure,
    },
}

impl SeatState {
    /// The name in the database, the API and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::Ready => "ready",
            Self::Reserved { .. } => "reserved",
            Self::Ringing { .. } => "ringing",
            Self::Talking { .. } => "talking",
            Self::WrapUp { .. } => "wrap_up",
            Self::Break { .. } => "break",
            Self::Paused { .. } => "paused",
        }
    }

    /// The call that is offered.
    pub const fn offered(&self) -> Option<CallId> {
        match self {
            Self::Reserved { call, .. } | Self::Ringing { call, .. } => Some(*call),
            _ => None,
        }
    }

    /// When the state ends by itself.
    pub const fn deadline(&self) -> Option<Millis> {
        match self {
            Self::Reserved { until, .. }
            | Self::Ringing { until, .. }
            | Self::WrapUp { until }
            | Self::Paused { until, .. } => Some(*until),
            Self::SignedOut | Self::Ready | Self::Talking { .. } | Self::Break { .. } => None,
        }
    }

    pub(super) const fn deadline_mut(&mut self) -> Option<&mut Millis> {
        match self {
            Self::Reserved { until, .. }
            | Self::Ringing { until, .. }
            | Self::WrapUp { until }
            | Self::Paused { until, .. } => Some(until),
            Self::SignedOut | Self::Ready | Self::Talking { .. } | Self::Break { .. } => None,
        }
    }

    /// Whether the seat will be free without asking for it: a call may wait for it.
    pub(super) const fn frees_itself(&self) -> bool {
        !matches!(self, Self::SignedOut | Self::Break { .. })
    }
}

/// What a seat does when its call is over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum After {
    SignOut,
    Break(BreakReason),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Seat {
    pub(super) state: SeatState,
    pub(super) since: Millis,
    pub(super) registered: bool,
    pub(super) skills: BTreeMap<Skill, Level>,
    pub(super) after: Option<After>,
    /// Since when it waits for a call. An offer that was taken back does not cost it its turn.
    pub(super) idle_since: Millis,
    /// The queue whose call it handles, and since when.
    pub(super) handles: Option<(QueueName, Millis)>,
}

impl Seat {
    pub(super) const fn new(now: Millis) -> Self {
        Self {
            state: SeatState::SignedOut,
            since: now,
            registered: false,
            skills: BTreeMap::new(),
            after: None,
            idle_since: now,
            handles: None,
        }
    }

    pub(super) fn signed_in(&self) -> bool {
        self.state != SeatState::SignedOut
    }

    /// Whether it is joined to this call.
    pub(super) fn talks_to(&self, call: CallId) -> bool {
        matches!(&self.state, SeatState::Talking { calls } if calls.contains(&call))
    }

    /// Whether a call may be offered to it.
    pub(super) fn takes_calls(&self) -> bool {
        self.registered && self.state == SeatState::Ready
    }

    /// Whether it takes its part in emptying the queues.
    pub(super) fn at_work(&self) -> bool {
        self.registered && self.state.frees_itself() && self.after.is_none()
    }
}
