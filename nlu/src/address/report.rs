//! How good a model is: exact parts with their labels.

use super::{AddressModel, Labelled, OUTSIDE};
use crate::reader::Gazetteer;
use std::collections::BTreeMap;

/// Counts of one label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LabelScore {
    /// Found with their exact range and label.
    pub right: u32,
    /// Found.
    pub found: u32,
    /// There to be found.
    pub gold: u32,
}

/// Counts of all labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// By label.
    pub labels: BTreeMap<String, LabelScore>,
}

impl LabelScore {
    /// Harmonic mean of precision and recall.
    pub fn f1(&self) -> f64 {
        f64::from(2 * self.right) / f64::from((self.found + self.gold).max(1))
    }
}

impl Score {
    /// Over all labels.
    pub fn total(&self) -> LabelScore {
        self.labels.values().fold(LabelScore::default(), |sum, one| LabelScore {
            right: sum.right + one.right,
            found: sum.found + one.found,
            gold: sum.gold + one.gold,
        })
    }
}

/// Parses every address; [`OUTSIDE`] is not counted.
pub fn score(model: &AddressModel, rows: &[Labelled], names: &Gazetteer) -> Score {
    let mut score = Score::default();
    for row in rows {
        let found = model.parse(&row.chars, names);
        let gold = row.pieces.iter().filter(|(_, label)| label != OUTSIDE);
        for (range, label) in gold {
            let of_label = score.labels.entry(label.clone()).or_default();
            of_label.gold += 1;
            let same = |piece: &&super::Piece| {
                piece.range == *range && model.labels()[piece.label] == *label
            };
            of_label.right += u32::from(found.iter().any(|piece| same(&piece)));
        }
        for piece in &found {
            score.labels.entry(model.labels()[piece.label].clone()).or_default().found += 1;
        }
    }
    score
}
