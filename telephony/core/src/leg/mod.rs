//! One SIP dialog's side of a call: its offers and answers, its media, its end.
//!
//! A leg reports to its call what an event means; what it wants done goes straight to the call's
//! outputs.

mod dialled;
mod end;
mod event;
mod invited;
mod media;
mod offers;
mod state;

pub(crate) use end::End;
pub use event::{LegEvent, Replaces};
pub(crate) use state::{Context, Leg, Report};
