//! One call of the hotline with all its parties.
//!
//! [`Call`] is told what happened and at what time, says what to do, and names the next moment at
//! which it wants to be woken. It never answers before the call and its ticket draft are stored.

mod beginning;
mod cause;
mod command;
mod commands;
mod config;
mod consult;
mod dialling;
mod ending;
mod ids;
mod input;
mod leaving;
mod machine;
mod output;
mod party;
mod plan;
mod prompts;
mod queueing;
mod record;
mod sound;
mod supervise;
mod transfer;

pub use cause::{ByeReason, Cause, HungUpBy};
pub use command::{By, Command, News, Refused, SuperviseMode};
pub use config::CallConfig;
pub use ids::{CommandId, LEGS_MAX, LegId, PromptId, QueueId, Role, SeatId, Target};
pub use input::{Hangup, Input, QueueEvent};
pub use machine::Call;
pub use output::{OfferFailure, Output, Prompt, QueueRequest, Rejection, Response};
pub use plan::{Origin, Plan, Treatment};
pub use record::{MissedWhy, Record};
