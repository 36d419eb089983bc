//! Who is heard at all, decided before any transaction and without I/O.
//!
//! **A flood costs its sender, not the calls that run**: requests within a dialog, responses, ACK,
//! BYE and CANCEL never come here.

mod bucket;
mod gate;

pub use gate::{
    AdmissionLimits, Asks, Caller, Counts, Gate, SILENCE_REJECTS_BURST, SILENCE_REJECTS_PER_S,
    SOURCES_MAX, STRANGERS_PERCENT_MAX, STRANGERS_UNPROVED_MAX, Strangers, Verdict,
};
