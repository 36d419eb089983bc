//! A newtype for every name of the queues.

use crate::names::name;

name!(
    /// One seat (座席): a person with a telephone who takes calls.
    SeatId
);
name!(
    /// One queue of waiting callers.
    QueueName
);
name!(
    /// What a seat can do and a call may need: 综合, 企业, English.
    Skill
);
name!(
    /// Why a seat is on a break (小休): a word of the operator's own list.
    BreakReason
);

/// How well a seat does a skill: 1 is best, 9 is last resort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Level(u8);

impl Level {
    /// The best.
    pub const BEST: Self = Self(1);

    /// A level from 1 to 9.
    pub const fn new(level: u8) -> Option<Self> {
        match level {
            1..=9 => Some(Self(level)),
            _ => None,
        }
    }

    /// The number.
    pub const fn as_u8(self) -> u8 {
        self.0
    }
}
