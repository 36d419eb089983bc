//! One inbound call that the machine itself answers.
//!
//! [`Call`] is told what happened and at what time, says what to do, and names the next moment at
//! which it wants to be woken. It never answers before the call and its ticket draft are stored.

mod cause;
mod config;
mod input;
mod machine;
mod output;

pub use cause::{ByeReason, Cause, HungUpBy};
pub use config::CallConfig;
pub use input::{Hangup, Input};
pub use machine::Call;
pub use output::{Output, Prompt, PromptId, Record, Rejection, Response};
