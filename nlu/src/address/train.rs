//! Learning the weights: stochastic gradient steps with a rate for each weight (AdaGrad).

use super::features::Observed;
use super::lattice::{Expected, Lattice};
use super::{ADDRESS_CHARS_MAX, AddressModel, Labelled, OUTSIDE, PART_CHARS_MAX};
use crate::reader::Gazetteer;
use std::collections::BTreeSet;

/// How to learn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainOptions {
    /// Weights in the table, a power of two.
    pub slots: usize,
    /// First step's length.
    pub rate: f32,
    /// Pull of every weight towards zero, for each address.
    pub decay: f32,
    /// Share of an address's features that are not looked at in a pass, so that rare ones are not all
    /// that counts.
    pub dropout: f32,
    /// A feature is learnt when so many gold parts have it.
    pub support_min: u8,
    /// Weights below this share of the largest are left out of the model.
    pub kept_min: f32,
    /// Order of the addresses: the same seed gives the same model.
    pub seed: u64,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            slots: 1 << 22,
            rate: 0.2,
            decay: 1e-6,
            dropout: 0.5,
            support_min: 2,
            kept_min: 0.004,
            seed: 12_345,
        }
    }
}

/// Probabilities below this change nothing.
const CHANGE_MIN: f32 = 1e-3;

/// Addresses and how often they are gone through.
#[derive(Clone, Copy)]
pub struct Stage<'a> {
    /// Addresses with pieces that cover them.
    pub rows: &'a [Labelled],
    /// Passes over them.
    pub passes: usize,
}

/// Learns from one stage after the other; the model is the mean of what was known after each pass of the
/// last. Addresses beyond [`ADDRESS_CHARS_MAX`] and parts beyond [`PART_CHARS_MAX`] are left out.
/// `watch` is told after each pass how likely the addresses were, and what is known by then.
pub fn train(
    stages: &[Stage<'_>],
    names: &Gazetteer,
    options: &TrainOptions,
    mut watch: impl FnMut(f64, &dyn Fn() -> AddressModel),
) -> AddressModel {
    let fits = |row: &&Labelled| {
        row.chars.len() <= ADDRESS_CHARS_MAX
            && row.pieces.iter().all(|(range, _)| range.len() <= PART_CHARS_MAX)
    };
    let stages: Vec<(Vec<&Labelled>, usize)> = stages
        .iter()
        .map(|stage| (stage.rows.iter().filter(fits).collect(), stage.passes))
        .collect();
    let all: Vec<&Labelled> = stages.iter().flat_map(|(rows, _)| rows.iter().copied()).collect();
    let mut learner = Learner::new(&all, options);
    learner.count(&all, names);
    for (rows, passes) in stages {
        learner.forget_means();
        for _ in 0..passes {
            let likely = learner.pass(&rows, names);
            watch(likely, &|| learner.model());
        }
    }
    learner.model()
}

/// xorshift64 (Marsaglia, 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn shuffle(&mut self, order: &mut [usize]) {
        for last in (1..order.len()).rev() {
            order.swap(last, (self.next() % (last as u64 + 1)) as usize);
        }
    }
}

struct Learner<'a> {
    options: &'a TrainOptions,
    labels: Vec<String>,
    outside: Option<usize>,
    weights: Vec<f32>,
    squares: Vec<f32>,
    transitions: Vec<f32>,
    transition_squares: Vec<f32>,
    /// How many gold parts have the feature.
    support: Vec<u8>,
    random: Random,
    /// Sums of the weights after each pass, and their number.
    sums: Vec<f32>,
    transition_sums: Vec<f32>,
    passes: u16,
}

impl<'a> Learner<'a> {
    fn new(rows: &[&Labelled], options: &'a TrainOptions) -> Self {
        let names = rows.iter().flat_map(|row| row.pieces.iter().map(|(_, label)| label.clone()));
        let labels: Vec<String> = names.collect::<BTreeSet<_>>().into_iter().collect();
        let transitions = vec![0.0; (labels.len() + 1) * labels.len()];
        Self {
            options,
            outside: labels.iter().position(|label| label == OUTSIDE),
            weights: vec![0.0; options.slots],
            squares: vec![0.0; options.slots],
            transition_squares: transitions.clone(),
            transition_sums: transitions.clone(),
            transitions,
            support: vec![0; options.slots],
            random: Random(options.seed | 1),
            sums: vec![0.0; options.slots],
            passes: 0,
            labels,
        }
    }

    fn forget_means(&mut self) {
        self.sums.fill(0.0);
        self.transition_sums.fill(0.0);
        self.passes = 0;
    }

    /// All addresses once, in a new order; their mean log-likelihood.
    fn pass(&mut self, rows: &[&Labelled], names: &Gazetteer) -> f64 {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        self.random.shuffle(&mut order);
        let likely: f64 = order.iter().map(|at| self.step(rows[*at], names)).sum();
        let add = |sums: &mut [f32], weights: &[f32]| {
            sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight);
        };
        add(&mut self.sums, &self.weights);
        add(&mut self.transition_sums, &self.transitions);
        self.passes += 1;
        likely / rows.len().max(1) as f64
    }

    /// What is learnt from this time.
    fn observed(&mut self, row: &Labelled, names: &Gazetteer) -> Observed {
        let mut seen = Observed::of(&row.chars, names, self.options.slots, self.labels.len());
        let (support, options, random) = (&self.support, self.options, &mut self.random);
        let dropped = (options.dropout * f32::from(u16::MAX)) as u64;
        let mut known = |feature: &u32| {
            support[*feature as usize] >= options.support_min && random.next() & 0xffff >= dropped
        };
        let single = seen.inner.iter_mut().chain(&mut seen.first).chain(&mut seen.last);
        single
            .chain(seen.part.iter_mut().flatten())
            .for_each(|features| features.retain(&mut known));
        seen
    }

    fn count(&mut self, rows: &[&Labelled], names: &Gazetteer) {
        for row in rows {
            let seen = Observed::of(&row.chars, names, self.options.slots, self.labels.len());
            for (range, _) in &row.pieces {
                let inner = seen.inner[range.clone()].iter().flatten();
                let edges = seen.first[range.start].iter().chain(&seen.last[range.end - 1]);
                for feature in inner.chain(edges).chain(&seen.part[range.start][range.len() - 1]) {
                    let support = &mut self.support[*feature as usize];
                    *support = support.saturating_add(1);
                }
            }
        }
    }

    /// One address; its log-likelihood before.
    fn step(&mut self, row: &Labelled, names: &Gazetteer) -> f64 {
        let seen = self.observed(row, names);
        let weight = |at: usize| self.weights[at];
        let lattice = Lattice::new(&seen, &self.transitions, self.outside, &weight);
        let mut expected = lattice.expected();
        let gold = self.subtract_gold(&lattice, &mut expected, row);
        let likely = f64::from(gold - expected.log_sum);
        let parts = expected.parts;
        self.change_transitions(&expected.transitions);
        self.change_features(&seen, &parts);
        likely
    }

    /// Expectation less what is so; the score of what is so.
    fn subtract_gold(&self, lattice: &Lattice<'_>, expected: &mut Expected, row: &Labelled) -> f32 {
        let labels = self.labels.len();
        let mut last = labels;
        let mut score = 0.0;
        for (range, name) in &row.pieces {
            let label = self.labels.binary_search(name).unwrap_or_default();
            let part = lattice.part(range.start, range.len() - 1) + label;
            expected.parts[part] -= 1.0;
            expected.transitions[last * labels + label] -= 1.0;
            score += lattice.score(part) + self.transitions[last * labels + label];
            last = label;
        }
        score
    }

    fn change_transitions(&mut self, slopes: &[f32]) {
        let weights = self.transitions.iter_mut().zip(&mut self.transition_squares);
        for ((weight, squares), slope) in weights.zip(slopes) {
            if slope.abs() >= CHANGE_MIN {
                step(weight, squares, *slope, self.options);
            }
        }
    }

    fn change_features(&mut self, seen: &Observed, parts: &[f32]) {
        let labels = self.labels.len();
        let (mut first, mut last) =
            (vec![0.0; seen.length * labels], vec![0.0; seen.length * labels]);
        // Changes at each character, of which the sums are those of the characters of parts.
        let mut inner = vec![0.0; (seen.length + 1) * labels];
        for start in 0..seen.length {
            for (size, features) in seen.part[start].iter().enumerate() {
                let from = (start * PART_CHARS_MAX + size) * labels;
                let slopes = &parts[from..from + labels];
                for (label, slope) in slopes.iter().enumerate() {
                    first[start * labels + label] += slope;
                    last[(start + size) * labels + label] += slope;
                    inner[start * labels + label] += slope;
                    inner[(start + size + 1) * labels + label] -= slope;
                }
                self.change(features, slopes);
            }
        }
        for at in 0..seen.length {
            let row = at * labels..(at + 1) * labels;
            self.change(&seen.first[at], &first[row.clone()]);
            self.change(&seen.last[at], &last[row.clone()]);
            self.change(&seen.inner[at], &inner[row.clone()]);
            for label in row {
                inner[label + labels] += inner[label];
            }
        }
    }

    fn change(&mut self, features: &[u32], slopes: &[f32]) {
        for (label, slope) in slopes.iter().enumerate() {
            if slope.abs() < CHANGE_MIN {
                continue;
            }
            for feature in features {
                let at = *feature as usize + label;
                step(&mut self.weights[at], &mut self.squares[at], *slope, self.options);
            }
        }
    }

    fn model(&self) -> AddressModel {
        let passes = f32::from(self.passes.max(1));
        let most = self.sums.iter().fold(0.0f32, |most, sum| most.max(sum.abs()));
        let step = most.max(f32::MIN_POSITIVE) / f32::from(i8::MAX);
        let kept = |sum: f32| if sum.abs() < most * self.options.kept_min { 0.0 } else { sum };
        AddressModel {
            labels: self.labels.clone(),
            transitions: self.transition_sums.iter().map(|sum| sum / passes).collect(),
            // All features are looked at now.
            step: step / passes * (1.0 - self.options.dropout),
            weights: self.sums.iter().map(|sum| (kept(*sum) / step).round() as i8).collect(),
        }
    }
}

fn step(weight: &mut f32, squares: &mut f32, slope: f32, options: &TrainOptions) {
    let slope = slope + options.decay * *weight;
    *squares += slope * slope;
    *weight -= options.rate * slope / (squares.sqrt() + 1e-6);
}
