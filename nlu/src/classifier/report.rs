//! How good a model is on tickets that it has not seen.

use super::Ranked;
use super::learn::matter;
use super::model::{Question, TicketModel};
use super::tickets::Ticket;
use super::tree::PATH_SEPARATOR;
use serde::Serialize;
use std::collections::BTreeMap;

/// Bins of the reliability diagram.
const BINS: usize = 10;
/// Points of the coverage–accuracy curve.
const POINTS: usize = 20;
/// A call's first words: the texts cut to this many characters are measured as well.
pub(crate) const FIRST_CHARS: usize = 60;
/// Answers that a seat is shown at once.
const SHOWN: usize = 3;

/// What a training run reached.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Rows trained on.
    pub rows_train: usize,
    /// Rows tested on; none of them was trained on.
    pub rows_test: usize,
    /// Rows for training that are the same as, or nearly the same as, one for testing, and were not trained on.
    pub rows_left_out: usize,
    /// Rows trained on without words that only an operator writes.
    pub rows_stripped: usize,
    /// The levels of the category, the unit, the request type.
    pub targets: Vec<TargetReport>,
}

/// Figures of one question.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetReport {
    /// `category 1` for its widest level, `unit`, `kind`.
    pub target: String,
    /// Test rows that have it.
    pub rows_test: usize,
    /// Share of test rows whose first class is right.
    pub accuracy: f64,
    /// Share of those with the right class among the first three.
    pub top3: f64,
    /// Mean of F1 over the classes that were tested or named.
    pub macro_f1: f64,
    /// Accuracy on the first 60 characters alone.
    pub accuracy_first_chars: f64,
    /// The model abstains below this probability.
    pub threshold: f64,
    /// Share of test rows on which it does not.
    pub coverage: f64,
    /// Accuracy on those.
    pub accuracy_covered: f64,
    /// Whether probabilities mean what they say.
    pub calibration: Calibration,
    /// What other thresholds would give.
    pub curve: Vec<CoveragePoint>,
    /// Each class.
    pub classes: Vec<ClassReport>,
}

/// What a threshold would give.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CoveragePoint {
    /// The threshold.
    pub threshold: f64,
    /// Share of test rows that are answered.
    pub coverage: f64,
    /// Share of the answers that are right; 1 where there are none.
    pub accuracy: f64,
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

/// What became of the rows.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) train: usize,
    pub(crate) stripped: usize,
    pub(crate) left_out: usize,
}

/// What was said of one test row, and what is so.
struct Said {
    first: String,
    probability: f64,
    is_shown: bool,
    truth: String,
    /// Whether the first answer to the cut text is right.
    is_right_early: bool,
}

impl Said {
    fn is_right(&self) -> bool {
        self.first == self.truth
    }
}

impl Report {
    /// Tests a model.
    pub(crate) fn of(model: &TicketModel, rows: Rows, test: &[Ticket]) -> Self {
        let mut said: BTreeMap<Question, Vec<Said>> = BTreeMap::new();
        for ticket in test {
            let whole = matter(ticket);
            let cut: String = ticket.text.chars().take(FIRST_CHARS).collect();
            let early = model.rankings(&super::Matter { text: &cut, ..whole });
            for (question, ranking) in model.rankings(&whole) {
                let Some(truth) = truth(ticket, question) else { continue };
                let is_right_early = early
                    .get(&question)
                    .and_then(|ranking| ranking.first())
                    .is_some_and(|first| first.label == truth);
                said.entry(question).or_default().push(judge(&ranking, truth, is_right_early));
            }
        }
        let target = |(question, said): (&Question, &Vec<Said>)| {
            TargetReport::of(name(*question), threshold(model, *question), said)
        };
        Self {
            rows_train: rows.train,
            rows_test: test.len(),
            rows_left_out: rows.left_out,
            rows_stripped: rows.stripped,
            targets: said.iter().map(target).collect(),
        }
    }

    /// The figures of one question.
    pub fn target(&self, name: &str) -> Option<&TargetReport> {
        self.targets.iter().find(|target| target.target == name)
    }
}

fn truth(ticket: &Ticket, question: Question) -> Option<String> {
    match question {
        Question::Category(level) => {
            Some(ticket.category.get(..level)?.join(&PATH_SEPARATOR.to_string()))
        }
        Question::Unit => ticket.unit.clone(),
        Question::Kind => ticket.kind.clone(),
    }
}

fn name(question: Question) -> String {
    match question {
        Question::Category(level) => format!("category {level}"),
        Question::Unit => "unit".into(),
        Question::Kind => "kind".into(),
    }
}

fn threshold(model: &TicketModel, question: Question) -> f32 {
    let threshold = match question {
        Question::Category(_) => model.category.as_ref().map(|(_, threshold)| *threshold),
        Question::Unit => model.unit.as_ref().map(|units| units.threshold),
        Question::Kind => model.kind.as_ref().map(|(_, threshold)| *threshold),
    };
    threshold.expect("only what was learnt is reported on")
}

fn judge(ranking: &[Ranked], truth: String, is_right_early: bool) -> Said {
    let first = ranking.first();
    Said {
        first: first.map_or_else(String::new, |first| first.label.clone()),
        probability: first.map_or(0.0, |first| f64::from(first.probability)),
        is_shown: ranking.iter().take(SHOWN).any(|ranked| ranked.label == truth),
        truth,
        is_right_early,
    }
}

impl TargetReport {
    fn of(target: String, threshold: f32, said: &[Said]) -> Self {
        let share =
            |is: &dyn Fn(&Said) -> bool| ratio(said.iter().filter(|s| is(s)).count(), said.len());
        let classes = class_reports(said);
        let at = CoveragePoint::at(f64::from(threshold), said);
        Self {
            target,
            rows_test: said.len(),
            accuracy: share(&Said::is_right),
            top3: share(&|said| said.is_shown),
            macro_f1: mean(classes.iter().map(|class| class.f1), classes.len()),
            accuracy_first_chars: share(&|said| said.is_right_early),
            threshold: at.threshold,
            coverage: at.coverage,
            accuracy_covered: at.accuracy,
            calibration: Calibration::of(said),
            curve: (0..POINTS).map(|n| CoveragePoint::at(n as f64 / POINTS as f64, said)).collect(),
            classes,
        }
    }
}

impl CoveragePoint {
    fn at(threshold: f64, said: &[Said]) -> Self {
        let answered = || said.iter().filter(|said| said.probability >= threshold);
        let count = answered().count();
        let right = answered().filter(|said| said.is_right()).count();
        let accuracy = if count == 0 { 1.0 } else { ratio(right, count) };
        Self { threshold, coverage: ratio(count, said.len()), accuracy }
    }
}

impl Calibration {
    fn of(said: &[Said]) -> Self {
        let mut sums = [(0usize, 0.0f64, 0usize); BINS];
        for said in said {
            let bin = &mut sums[((said.probability * BINS as f64) as usize).min(BINS - 1)];
            *bin = (bin.0 + 1, bin.1 + said.probability, bin.2 + usize::from(said.is_right()));
        }
        let gap = sums.iter().map(|(_, sum, right)| (sum - *right as f64).abs());
        let bins = sums.iter().enumerate().map(|(at, (rows, sum, right))| Bin {
            lower: at as f64 / BINS as f64,
            rows: *rows,
            probability: if *rows == 0 { 0.0 } else { sum / *rows as f64 },
            accuracy: ratio(*right, *rows),
        });
        Self { ece: mean(gap, said.len()), bins: bins.collect() }
    }
}

#[derive(Clone, Copy, Default)]
struct Tally {
    called: usize,
    support: usize,
    right: usize,
}

fn class_reports(said: &[Said]) -> Vec<ClassReport> {
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for said in said {
        tallies.entry(&said.first).or_default().called += 1;
        let tally = tallies.entry(&said.truth).or_default();
        tally.support += 1;
        tally.right += usize::from(said.is_right());
    }
    let mut reports: Vec<ClassReport> = tallies
        .into_iter()
        .map(|(label, tally)| ClassReport {
            label: label.to_owned(),
            precision: ratio(tally.right, tally.called),
            recall: ratio(tally.right, tally.support),
            f1: ratio(2 * tally.right, tally.called + tally.support),
            support: tally.support,
        })
        .collect();
    reports.sort_by_key(|report| std::cmp::Reverse(report.support));
    reports
}

/// Zero when there is nothing to divide by.
fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn mean(values: impl Iterator<Item = f64>, count: usize) -> f64 {
    if count == 0 { 0.0 } else { values.sum::<f64>() / count as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(first: &str, probability: f64, truth: &str) -> Said {
        let (first, truth) = (first.to_owned(), truth.to_owned());
        Said { first, probability, is_shown: true, truth, is_right_early: false }
    }

    #[test]
    fn figures_are_as_counted_by_hand() {
        let rows = [
            said("a", 0.95, "a"),
            said("a", 0.65, "b"),
            said("b", 0.95, "b"),
            said("b", 0.55, "b"),
        ];
        let report = TargetReport::of("unit".into(), 0.9, &rows);
        assert_eq!((report.accuracy, report.top3, report.accuracy_first_chars), (0.75, 1.0, 0.0));
        assert_eq!((report.coverage, report.accuracy_covered), (0.5, 1.0));
        // a: precision 1/2, recall 1; b: precision 1, recall 2/3.
        assert!((report.macro_f1 - (2.0 / 3.0 + 0.8) / 2.0).abs() < 1e-9);
        // Gaps: 0.05 twice, 0.65, 0.45.
        assert!((report.calibration.ece - 1.2 / 4.0).abs() < 1e-9, "{}", report.calibration.ece);
        assert_eq!(report.curve[12].coverage, 0.75);
    }
}
