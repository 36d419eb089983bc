//! A newtype for every name of the queues.

use crate::names::name;
use serde::{Deserialize, Serialize};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
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

impl TryFrom<u8> for Level {
    type Error = &'static str;

    fn try_from(level: u8) -> Result<Self, Self::Error> {
        Self::new(level).ok_or("a level is from 1 to 9")
    }
}

impl From<Level> for u8 {
    fn from(level: Level) -> Self {
        level.0
    }
}
