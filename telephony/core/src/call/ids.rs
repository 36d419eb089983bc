//! Names of the parts of one call.

use qingting_common::Pii;

/// Most legs that one call has at once; the media room has as many slots.
pub const LEGS_MAX: usize = 8;

/// One leg of a call and its slot in the media room, below [`LEGS_MAX`]. The first leg is 0. A slot
/// that became free is used again last of all, so that late reports of its old leg have passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegId(pub u8);

impl LegId {
    /// The slot in the media room.
    pub const fn slot(self) -> usize {
        self.0 as usize
    }

    /// This leg's bit in a row of [`Output::Route`](super::Output::Route).
    pub const fn bit(self) -> u8 {
        1 << self.0
    }
}

/// One seat (座席).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeatId(pub u32);

/// One queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueId(pub u32);

/// One command, so that its result finds back to who gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommandId(pub u64);

/// One playing of a prompt, numbered from 1 within its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PromptId(pub u32);

/// Who is at the other end of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The citizen, who called or was called.
    Citizen,
    /// The seat that talks to the citizen.
    Seat,
    /// The seat's second call, from the same telephone: it asks an expert before a transfer.
    SeatSecondLine,
    /// A department's expert.
    Expert,
    /// 110, 119, 120 or 122.
    Emergency,
    /// A supervisor who listens, whispers or barges in.
    Supervisor,
    /// Whoever else a call was sent to.
    Other,
}

impl Role {
    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Citizen => "citizen",
            Self::Seat => "seat",
            Self::SeatSecondLine => "seat_second_line",
            Self::Expert => "expert",
            Self::Emergency => "emergency",
            Self::Supervisor => "supervisor",
            Self::Other => "other",
        }
    }
}

/// Whom to dial. The driver makes a SIP URI of it, with the trunk, its failover and the caller's id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A seat, wherever it is registered.
    Seat(SeatId),
    /// An extension of ours.
    Extension(String),
    /// A number of the public network.
    Number(Pii<String>),
}
