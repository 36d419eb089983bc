//! All ways to divide a text into labelled parts, and their scores.

use super::features::Observed;
use super::{PART_CHARS_MAX, Piece};

/// Scores of every part under every label. Lengths are in characters, `labels` wide rows.
pub(super) struct Lattice<'a> {
    length: usize,
    labels: usize,
    transitions: &'a [f32],
    /// For a start and an end, [`Lattice::part`]; parts longer than the longest are not there.
    parts: Vec<f32>,
}

/// What a lattice expects: probabilities of parts, and of labels that follow one another.
pub(super) struct Expected {
    /// As [`Lattice::parts`].
    pub(super) parts: Vec<f32>,
    /// As the transitions.
    pub(super) transitions: Vec<f32>,
    /// Logarithm of the sum over all ways.
    pub(super) log_sum: f32,
}

/// Score of what cannot be.
const NEVER: f32 = -1e9;

impl<'a> Lattice<'a> {
    /// Only single characters may be `outside`.
    pub(super) fn new(
        seen: &Observed,
        transitions: &'a [f32],
        outside: Option<usize>,
        weight: &impl Fn(usize) -> f32,
    ) -> Self {
        let labels = seen.labels;
        let sum = |features: &[u32]| {
            let mut row = vec![0.0; labels];
            for feature in features {
                let from = *feature as usize;
                row.iter_mut().enumerate().for_each(|(label, sum)| *sum += weight(from + label));
            }
            row
        };
        let rows = |features: &[Vec<u32>]| -> Vec<Vec<f32>> {
            features.iter().map(|features| sum(features)).collect()
        };
        let (inner, first, last) = (rows(&seen.inner), rows(&seen.first), rows(&seen.last));
        let mut lattice = Self {
            length: seen.length,
            labels,
            transitions,
            parts: vec![NEVER; seen.length * PART_CHARS_MAX * labels],
        };
        for start in 0..seen.length {
            let mut inside = vec![0.0; labels];
            for (size, features) in seen.part[start].iter().enumerate() {
                let whole = sum(features);
                let to = lattice.part(start, size);
                for label in 0..labels {
                    inside[label] += inner[start + size][label];
                    if size == 0 || outside != Some(label) {
                        let edges = first[start][label] + last[start + size][label];
                        lattice.parts[to + label] = inside[label] + edges + whole[label];
                    }
                }
            }
        }
        lattice
    }

    /// Where the scores of the part lie that begins here and has `size` characters more than one.
    pub(super) fn part(&self, start: usize, size: usize) -> usize {
        (start * PART_CHARS_MAX + size) * self.labels
    }

    /// Score of a part under a label, by its place.
    pub(super) fn score(&self, at: usize) -> f32 {
        self.parts[at]
    }

    /// What is added when `label` follows `last`; the row behind the labels' is the start's.
    fn transition(&self, last: usize, label: usize) -> f32 {
        self.transitions[last * self.labels + label]
    }

    fn sizes(&self, start: usize) -> std::ops::Range<usize> {
        0..PART_CHARS_MAX.min(self.length - start)
    }

    /// The best way.
    pub(super) fn best(&self) -> Vec<Piece> {
        let rows = (self.length + 1) * self.labels;
        let (mut scores, mut starts) = (vec![f32::NEG_INFINITY; rows], vec![0; rows]);
        let mut before = vec![self.labels; rows];
        for start in 0..self.length {
            for label in 0..self.labels {
                let (last, score) = self.best_before(&scores, start, label);
                before[start * self.labels + label] = last;
                for size in self.sizes(start) {
                    let score = score + self.parts[self.part(start, size) + label];
                    let to = (start + size + 1) * self.labels + label;
                    if score > scores[to] {
                        (scores[to], starts[to]) = (score, start);
                    }
                }
            }
        }
        let mut pieces = Vec::new();
        let mut end = self.length;
        let row = |end: usize| end * self.labels..(end + 1) * self.labels;
        let at_end = scores[row(end)].iter().enumerate();
        let mut label = at_end.max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(label, _)| label);
        while end > 0 {
            let start = starts[end * self.labels + label];
            pieces.push(Piece { range: start..end, label });
            label = before[start * self.labels + label];
            end = start;
        }
        pieces.reverse();
        pieces
    }

    fn best_before(&self, scores: &[f32], start: usize, label: usize) -> (usize, f32) {
        if start == 0 {
            return (self.labels, self.transition(self.labels, label));
        }
        let scored = (0..self.labels)
            .map(|last| (last, scores[start * self.labels + last] + self.transition(last, label)));
        scored.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, NEVER))
    }

    /// Probabilities of everything, by the forward-backward algorithm.
    pub(super) fn expected(&self) -> Expected {
        let (before, forward) = self.forward();
        let (behind, backward) = self.backward();
        let labels = self.labels;
        let log_sum = log_sum(forward[self.length * labels..].iter().copied());
        let mut parts = vec![0.0; self.parts.len()];
        let mut transitions = vec![0.0; self.transitions.len()];
        for start in 0..self.length {
            for size in self.sizes(start) {
                let at = self.part(start, size);
                let end = (start + size + 1) * labels;
                for label in 0..labels {
                    let score = before[start * labels + label] + self.parts[at + label];
                    parts[at + label] = (score + backward[end + label] - log_sum).exp();
                }
            }
            for label in 0..labels {
                let behind = behind[start * labels + label];
                let mut add = |last: usize, score: f32| {
                    let score = score + self.transition(last, label) + behind - log_sum;
                    transitions[last * labels + label] += score.exp();
                };
                match start {
                    0 => add(labels, 0.0),
                    _ => (0..labels).for_each(|last| add(last, forward[start * labels + last])),
                }
            }
        }
        Expected { parts, transitions, log_sum }
    }

    /// By start and label what lies before a part, by end and label what lies up to its end.
    fn forward(&self) -> (Vec<f32>, Vec<f32>) {
        let labels = self.labels;
        let mut before = vec![NEVER; self.length * labels];
        let mut upto = vec![NEVER; (self.length + 1) * labels];
        for start in 0..self.length {
            for label in 0..labels {
                let to = start * labels + label;
                before[to] = match start {
                    0 => self.transition(labels, label),
                    _ => log_sum(
                        (0..labels)
                            .map(|last| upto[start * labels + last] + self.transition(last, label)),
                    ),
                };
                for size in self.sizes(start) {
                    let end = (start + size + 1) * labels + label;
                    let score = before[to] + self.parts[self.part(start, size) + label];
                    upto[end] = log_sum([upto[end], score].into_iter());
                }
            }
        }
        (before, upto)
    }

    /// By start and label what lies from a part's start on, by end and label what lies behind it.
    fn backward(&self) -> (Vec<f32>, Vec<f32>) {
        let labels = self.labels;
        let mut from = vec![NEVER; self.length * labels];
        let mut behind = vec![0.0; (self.length + 1) * labels];
        for start in (0..self.length).rev() {
            for label in 0..labels {
                let scores = self.sizes(start).map(|size| {
                    self.parts[self.part(start, size) + label]
                        + behind[(start + size + 1) * labels + label]
                });
                from[start * labels + label] = log_sum(scores);
            }
            for last in 0..labels {
                let scores = (0..labels)
                    .map(|label| self.transition(last, label) + from[start * labels + label]);
                behind[start * labels + last] = log_sum(scores);
            }
        }
        (from, behind)
    }
}

/// Logarithm of the sum of exponentials.
fn log_sum(scores: impl Iterator<Item = f32> + Clone) -> f32 {
    let most = scores.clone().fold(NEVER, f32::max);
    most + scores.map(|score| (score - most).exp()).sum::<f32>().ln()
}
