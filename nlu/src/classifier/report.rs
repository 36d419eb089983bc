//! How good a model is on rows that it has not seen.

use super::model::LinearModel;
use serde::Serialize;

/// Bins of the reliability diagram.
const BINS: usize = 10;

/// What a training run reached.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Rows trained on.
    pub rows_train: usize,
    /// Rows tested on; none of them was trained on.
    pub rows_test: usize,
    /// Share of test rows whose first class is right.
    pub accuracy: f64,
    /// Mean over the classes of F1.
    pub macro_f1: f64,
    /// Each class.
    pub classes: Vec<ClassReport>,
    /// Whether probabilities mean what they say.
    pub calibration: Calibration,
}

/// One class's figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassReport {
    /// The class.
    pub label: String,
    /// Right among those called so.
    pub precision: f64,
    /// Found among those that are so.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
    /// Test rows of this class.
    pub support: usize,
}

/// Reliability of the first class's probability.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// Expected calibration error: mean gap between probability and accuracy, weighted by rows.
    pub ece: f64,
    /// Ten bins of equal width.
    pub bins: Vec<Bin>,
}

/// One bar of the reliability diagram.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// Lower edge of the bin; it is a tenth wide.
    pub lower: f64,
    /// Test rows in it.
    pub rows: usize,
    /// Mean probability given.
    pub probability: f64,
    /// Share that was right.
    pub accuracy: f64,
}

impl Report {
    /// Tests a model on `(text, label)` rows.
    pub fn of(model: &LinearModel, rows_train: usize, test: &[(String, String)]) -> Self {
        let mut labels: Vec<&str> = model.labels().iter().map(String::as_str).collect();
        for (_, label) in test {
            if !labels.contains(&label.as_str()) {
                labels.push(label);
            }
        }
        let mut tallies = vec![Tally::default(); labels.len()];
        let mut bins = vec![(0usize, 0.0f64, 0usize); BINS];
        let mut right = 0;
        for (text, label) in test {
            let prediction = model.predict(text);
            let first = &prediction.ranked[0];
            let hit = first.label == label;
            right += usize::from(hit);
            for (tally, name) in tallies.iter_mut().zip(&labels) {
                tally.called += usize::from(first.label == *name);
                tally.support += usize::from(label == name);
                tally.right += usize::from(hit && label == name);
            }
            let p = f64::from(first.probability);
            let bin = &mut bins[((p * BINS as f64) as usize).min(BINS - 1)];
            *bin = (bin.0 + 1, bin.1 + p, bin.2 + usize::from(hit));
        }
        let classes: Vec<ClassReport> =
            labels.iter().zip(&tallies).map(|(label, tally)| tally.report(label)).collect();
        Self {
            rows_train,
            rows_test: test.len(),
            accuracy: ratio(right as f64, test.len()),
            macro_f1: ratio(classes.iter().map(|class| class.f1).sum(), classes.len()),
            classes,
            calibration: Calibration::of(&bins, test.len()),
        }
    }
}

impl Calibration {
    fn of(bins: &[(usize, f64, usize)], rows: usize) -> Self {
        let gap: f64 = bins.iter().map(|(_, sum, right)| (sum - *right as f64).abs()).sum();
        let bins = bins.iter().enumerate().map(|(at, (count, sum, right))| Bin {
            lower: at as f64 / BINS as f64,
            rows: *count,
            probability: ratio(*sum, *count),
            accuracy: ratio(*right as f64, *count),
        });
        Self { ece: ratio(gap, rows), bins: bins.collect() }
    }
}

#[derive(Clone, Default)]
struct Tally {
    called: usize,
    support: usize,
    right: usize,
}

impl Tally {
    fn report(&self, label: &str) -> ClassReport {
        ClassReport {
            label: label.to_owned(),
            precision: ratio(self.right as f64, self.called),
            recall: ratio(self.right as f64, self.support),
            f1: ratio(2.0 * self.right as f64, self.called + self.support),
            support: self.support,
        }
    }
}

/// Zero when there is nothing to divide by.
fn ratio(part: f64, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part / whole as f64 }
}
