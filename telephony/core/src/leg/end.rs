//! How a leg ends, and what that is called in the books.

use crate::call::{Cause, Role};

/// Why a leg can be used no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum End {
    /// The peer sent BYE.
    Bye,
    /// The peer gave up its INVITE.
    Cancelled,
    /// The dialog is gone, or nobody refreshed it.
    Lost,
    /// Our answer was never acknowledged.
    NoAck,
    /// There is no RTP socket.
    NoMedia,
    /// RTP stayed away.
    Silent,
    /// The answer to our offer is none that we could take.
    NotAcceptable,
    /// Our INVITE was refused with this status, or not answered in time (408).
    Failed(u16),
    /// The hang-up that waited for the ACK can go.
    HungUp(Cause),
}

impl End {
    /// The cause, for a leg whose peer is this.
    pub(crate) const fn cause(self, role: Role) -> Cause {
        match (self, role) {
            (Self::Bye, Role::Citizen) => Cause::CallerHungUp,
            (Self::Cancelled, Role::Citizen) => Cause::CallerCancelled,
            (Self::Bye | Self::Cancelled, Role::Seat | Role::SeatSecondLine) => Cause::SeatHungUp,
            (Self::Bye | Self::Cancelled, _) => Cause::PartyHungUp,
            (Self::Lost, _) => Cause::TransportLost,
            (Self::NoAck, _) => Cause::NoAck,
            (Self::NoMedia, _) => Cause::MediaUnavailable,
            (Self::Silent, _) => Cause::MediaLost,
            (Self::NotAcceptable, _) => Cause::NotAcceptable,
            (Self::Failed(486 | 600 | 603), _) => Cause::Busy,
            (Self::Failed(408 | 480 | 487), _) => Cause::NoAnswer,
            (Self::Failed(_), _) => Cause::Unreachable,
            (Self::HungUp(cause), _) => cause,
        }
    }

    /// The status that a refusal for this end would have had.
    pub(crate) const fn code(self) -> u16 {
        match self {
            Self::Failed(code) => code,
            Self::NotAcceptable => 488,
            Self::NoMedia => 503,
            Self::Bye | Self::Cancelled => 487,
            Self::Lost | Self::NoAck | Self::Silent | Self::HungUp(_) => 480,
        }
    }
}
