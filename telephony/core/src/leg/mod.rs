//! One SIP dialog's side of a call.

mod event;

pub use event::{LegEvent, Replaces};
