//! From an address to its parts: 杭州市 is a city, 余杭区 a district, 3 幢 a building.
//!
//! **A semi-Markov conditional random field** (Sarawagi and Cohen, 2004): it scores whole parts, so a
//! part's ending, its length and whether a gazetteer has it count as one. Weights are 8 bits, features
//! are hashed; [`AddressModel::parse`] of an address takes well under a millisecond.

mod codec;
mod features;
mod lattice;
mod report;
mod train;

pub use codec::AddressModelError;
pub use report::{LabelScore, Score, score};
pub use train::{Stage, TrainOptions, train};

use crate::reader::Gazetteer;
use features::Observed;
use lattice::Lattice;
use std::ops::Range;

/// Longest part, in characters.
pub const PART_CHARS_MAX: usize = 24;
/// Longest text that is parsed, in characters; what follows is left out.
pub const ADDRESS_CHARS_MAX: usize = 120;
/// Label of characters that belong to no part.
pub const OUTSIDE: &str = "O";

/// A labelled stretch of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Characters of the text.
    pub range: Range<usize>,
    /// Place of its label in [`AddressModel::labels`].
    pub label: usize,
}

/// An address with its pieces in order, which cover it.
#[derive(Clone, PartialEq, Eq)]
pub struct Labelled {
    /// The text.
    pub chars: Vec<char>,
    /// Pieces and their labels.
    pub pieces: Vec<(Range<usize>, String)>,
}

/// Weights, with what they are the weights of.
#[derive(Clone, PartialEq)]
pub struct AddressModel {
    labels: Vec<String>,
    /// For each label and the start, what each label behind it adds.
    transitions: Vec<f32>,
    /// Value of one step of `weights`.
    step: f32,
    weights: Vec<i8>,
}

impl AddressModel {
    /// What pieces are called.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The likeliest pieces of a text, in order; characters outside of any are left out. `names` must be
    /// the divisions of the whole country, as in training.
    pub fn parse(&self, chars: &[char], names: &Gazetteer) -> Vec<Piece> {
        let chars = &chars[..chars.len().min(ADDRESS_CHARS_MAX)];
        let observed = Observed::of(chars, names, self.weights.len(), self.labels.len());
        let weight = |at: usize| f32::from(self.weights[at]) * self.step;
        let lattice = Lattice::new(&observed, &self.transitions, self.outside(), &weight);
        let mut pieces = lattice.best();
        pieces.retain(|piece| self.labels[piece.label] != OUTSIDE);
        pieces
    }

    fn outside(&self) -> Option<usize> {
        self.labels.iter().position(|label| label == OUTSIDE)
    }
}
