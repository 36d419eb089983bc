//! Trunks as a client: who carries our calls, in which order.
//!
//! [`Trunk`] is a machine that is told the time and the answers; [`TrunkSet`] keeps several going
//! on an [`Endpoint`](crate::Endpoint).

mod backoff;
mod config;
mod machine;
mod set;

pub use config::{Account, TrunkConfig};
pub use machine::{FAILURES_DOWN, HEALTH_EVERY, Outcome, Probe, Trunk, TrunkStatus};
pub use set::TrunkSet;
