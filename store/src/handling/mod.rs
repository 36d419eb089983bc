//! Handling of tickets (办理): from their confirmation over a unit's answer to the archive.
//!
//! **A step is one transaction**: where the ticket is, its line of history, the row of the outbox, and of 办结 the
//! follow-up of the citizen. It needs the revision that was seen ([`Store::step_ticket`](crate::Store::step_ticket));
//! what an outer ticket system reports needs an event that is new
//! ([`Store::take_ticket_events`](crate::Store::take_ticket_events)).

mod events;
mod follow_up;
mod load;
mod machine;
mod steps;

pub use events::{EventOutcome, TICKET_EVENTS_MAX, TicketEvent};
pub(crate) use follow_up::hear;
pub use load::{HandlingFilter, UnitLoad};
pub use machine::{Handling, Heard, Said, Stage, Step, StepFault, StepKind};
pub use steps::{DEADLINE_HOURS_MAX, NOTE_CHARS_MAX, StepError, StepRow, UNIT_CHARS_MAX};
