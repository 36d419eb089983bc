//! Category, handling unit and request type of a matter, learnt from a city's past tickets.
//!
//! Each question is answered by a linear model joined with a small network, over hashed character n-grams,
//! places, and places under a likely category. **Probabilities are measured on rows that were not learnt
//! from; below a threshold found on the same rows a model says nothing.**

mod boilerplate;
mod chart;
mod features;
mod file;
mod flat;
mod learn;
mod linear;
mod model;
mod network;
mod random;
mod report;
mod spans;
mod tickets;
mod tree;
mod vocabulary;

pub use boilerplate::Boilerplate;
pub use chart::reliability_svg;
pub use features::Matter;
pub use learn::{Learning, Teaching, learn};
pub use model::{Answer, ModelError, Prediction, TicketModel};
pub use report::{Bin, Calibration, ClassReport, CoveragePoint, Report, TargetReport};
pub use tickets::{Columns, Skipped, Split, Ticket, TicketError, Tickets, tickets};
pub use tree::{LEVELS_MAX, PATH_SEPARATOR};

/// Most classes below one category, or units, or request types.
pub const LABELS_MAX: usize = 4_096;

/// One class with its probability.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// The class as it was called in training; a category with the levels above it.
    pub label: String,
    /// Calibrated on rows held out of training: of the matters given p, a share p is right.
    pub probability: f32,
}

/// A stretch of the text that speaks for the first class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// First character.
    pub start: u32,
    /// One past the last character.
    pub end: u32,
    /// What it adds to the margin between the first class and the second.
    pub weight: f32,
}

/// Scores to probabilities.
fn softmax(scores: &[f32]) -> Vec<f32> {
    let largest = scores.iter().copied().fold(f32::MIN, f32::max);
    let mut out: Vec<f32> = scores.iter().map(|score| (score - largest).exp()).collect();
    let total: f32 = out.iter().sum();
    out.iter_mut().for_each(|p| *p /= total);
    out
}
