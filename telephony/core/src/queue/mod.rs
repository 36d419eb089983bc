//! Waiting callers and the seats that take them (ACD): one machine for all queues of the server.
//!
//! [`Queue`] is told what happened and at what time, says what to do, and names the next moment at
//! which it wants to be woken. It rings nobody itself: an [`Output::Offer`] asks the driver to, and
//! [`Output::Connect`] alone joins a caller and a seat. [`SharedQueue`] makes the queues of several servers one.

mod assign;
mod clock;
mod config;
mod estimate;
mod input;
mod line;
mod machine;
mod names;
mod output;
mod seat;
mod seats;
mod shared;
mod snapshot;

pub use config::{ConfigError, Overflow, QueueConfig, QueueRules};
pub use input::{Enqueue, Input, OfferFailure};
pub use machine::Queue;
pub use names::{BreakReason, Level, QueueName, SeatId, Skill};
pub use output::{Offer, Output, Refusal, TakeRefusal};
pub use seat::SeatState;
pub use shared::{Act, Present, QueueLetter, SharedQueue};
pub use snapshot::{QueueView, SeatView, Snapshot, WaitingView};
