//! A network with one hidden layer over the frequent features. It knows what a linear model cannot: that two
//! things together mean a third. AdaGrad (Duchi et al., JMLR 2011), one step size for each feature.

use super::file::{Damage, Reader, Writer};
use super::linear::Samples;
use super::random::Random;
use super::softmax;
use super::vocabulary::Subset;

/// Width of the hidden layer.
pub(crate) const HIDDEN: usize = 24;
/// Passes over the rows.
const EPOCHS: usize = 8;
/// First step; it falls to zero by the last pass.
const RATE: f32 = 0.1;
/// Step of biases in relation to that.
const RATE_BIAS: f32 = 0.1;
/// Share of a row's features that one step does not see.
const DROPPED: f32 = 0.3;
/// A feature in fewer rows has no part.
const ROWS_MIN: u32 = 8;
/// Keeps first steps finite.
const SQUARES_MIN: f32 = 1e-4;

/// A trained network.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Network {
    /// Of the vocabulary's features those that have a part.
    known: Subset,
    /// `[feature][hidden]` in steps of `scale`.
    inputs: Vec<i8>,
    scale: f32,
    hidden_bias: Vec<f32>,
    /// `[class][hidden]`.
    outputs: Vec<f32>,
    bias: Vec<f32>,
}

impl Network {
    /// The logarithm of each class's probability.
    pub(crate) fn log_probabilities(&self, vector: &[(u32, f32)]) -> Vec<f32> {
        let mut sums = [0.0f32; HIDDEN];
        for (feature, value) in vector {
            let Some(rank) = self.known.rank(*feature) else { continue };
            let row = &self.inputs[rank as usize * HIDDEN..][..HIDDEN];
            sums.iter_mut().zip(row).for_each(|(sum, q)| *sum += f32::from(*q) * value);
        }
        let hidden = sums.iter().zip(&self.hidden_bias).map(|(sum, bias)| sum * self.scale + bias);
        let hidden: Vec<f32> = hidden.collect();
        logarithms(softmax(&logits(&hidden, &self.outputs, &self.bias)))
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        self.known.write(out);
        out.f32(self.scale);
        out.i8s(&self.inputs);
        out.f32s(&self.hidden_bias);
        out.f32s(&self.outputs);
        out.f32s(&self.bias);
    }

    pub(crate) fn read(
        from: &mut Reader<'_>,
        features: usize,
        classes: usize,
    ) -> Result<Self, Damage> {
        let known = Subset::read(from, features)?;
        Ok(Self {
            scale: from.f32()?,
            inputs: from.i8s(known.len() * HIDDEN)?,
            known,
            hidden_bias: from.f32s(HIDDEN)?,
            outputs: from.f32s(classes * HIDDEN)?,
            bias: from.f32s(classes)?,
        })
    }
}

/// Learns a network.
pub(crate) fn fit(samples: &Samples<'_>, seed: u64) -> Network {
    let known = frequent(samples);
    let mut fit = Fit::new(known.len(), samples.labels, seed);
    let vectors: Vec<Vec<(u32, f32)>> = samples
        .vectors
        .iter()
        .map(|vector| vector.iter().filter_map(|(f, v)| Some((known.rank(*f)?, *v))).collect())
        .collect();
    let mut order: Vec<usize> = (0..vectors.len()).collect();
    let mut seen = Vec::new();
    for epoch in 0..EPOCHS {
        fit.random.shuffle(&mut order);
        let rate = RATE * (1.0 - epoch as f32 / EPOCHS as f32);
        for &row in &order {
            let kept = vectors[row].iter().filter(|_| fit.random.unit() >= DROPPED);
            seen.clear();
            seen.extend(kept.map(|(feature, value)| (*feature, value / (1.0 - DROPPED))));
            fit.step(&seen, samples.classes[row], rate);
        }
    }
    fit.into_network(known)
}

fn frequent(samples: &Samples<'_>) -> Subset {
    let mut rows = vec![0u32; samples.features];
    samples.vectors.iter().copied().flatten().for_each(|(feature, _)| rows[*feature as usize] += 1);
    let floor = ROWS_MIN.min(samples.vectors.len() as u32 / 20 + 1);
    let kept = (0u32..).zip(&rows).filter(|(_, rows)| **rows >= floor);
    Subset::new(samples.features, kept.map(|(feature, _)| feature))
}

/// A network while it learns.
struct Fit {
    inputs: Vec<f32>,
    /// Sums of squared gradients.
    input_squares: Vec<f32>,
    hidden_bias: Vec<f32>,
    outputs: Vec<f32>,
    output_squares: Vec<f32>,
    bias: Vec<f32>,
    random: Random,
}

impl Fit {
    fn new(features: usize, labels: usize, seed: u64) -> Self {
        let mut random = Random(seed);
        let mut around_zero = |count: usize, width: f32| -> Vec<f32> {
            (0..count).map(|_| (random.unit() * 2.0 - 1.0) * width).collect()
        };
        Self {
            inputs: around_zero(features * HIDDEN, 0.5),
            outputs: around_zero(labels * HIDDEN, 0.3),
            input_squares: vec![SQUARES_MIN; features],
            output_squares: vec![SQUARES_MIN; labels * HIDDEN],
            hidden_bias: vec![0.0; HIDDEN],
            bias: vec![0.0; labels],
            random,
        }
    }

    fn step(&mut self, vector: &[(u32, f32)], class: usize, rate: f32) {
        let mut hidden = [0.0f32; HIDDEN];
        hidden.copy_from_slice(&self.hidden_bias);
        for (feature, value) in vector {
            let row = &self.inputs[*feature as usize * HIDDEN..][..HIDDEN];
            hidden.iter_mut().zip(row).for_each(|(sum, weight)| *sum += weight * value);
        }
        let mut errors = softmax(&logits(&hidden, &self.outputs, &self.bias));
        errors[class] -= 1.0;
        let back = self.outputs_step(&hidden, &errors, rate);
        let mean_square = back.iter().map(|b| b * b).sum::<f32>() / HIDDEN as f32;
        for (feature, value) in vector {
            let squares = &mut self.input_squares[*feature as usize];
            *squares += value * value * mean_square;
            let step = rate * value / squares.sqrt();
            let row = &mut self.inputs[*feature as usize * HIDDEN..][..HIDDEN];
            row.iter_mut().zip(&back).for_each(|(weight, b)| *weight -= step * b);
        }
        let biases = self.hidden_bias.iter_mut().zip(&back);
        biases.for_each(|(bias, b)| *bias -= rate * RATE_BIAS * b);
    }

    /// Moves the outputs and returns the error at the hidden layer.
    fn outputs_step(&mut self, hidden: &[f32; HIDDEN], errors: &[f32], rate: f32) -> [f32; HIDDEN] {
        let mut back = [0.0f32; HIDDEN];
        let rows = self.outputs.chunks_exact_mut(HIDDEN);
        let rows = rows.zip(self.output_squares.chunks_exact_mut(HIDDEN));
        for ((weights, squares), error) in rows.zip(errors) {
            for (at, active) in hidden.iter().enumerate().filter(|(_, h)| **h > 0.0) {
                back[at] += error * weights[at];
                let gradient = error * active;
                squares[at] += gradient * gradient;
                weights[at] -= rate * gradient / squares[at].sqrt();
            }
        }
        let biases = self.bias.iter_mut().zip(errors);
        biases.for_each(|(bias, error)| *bias -= rate * RATE_BIAS * error);
        back
    }

    fn into_network(self, known: Subset) -> Network {
        let largest = self.inputs.iter().fold(f32::MIN_POSITIVE, |m, weight| m.max(weight.abs()));
        let scale = largest / 127.0;
        let inputs = self.inputs.iter().map(|weight| (weight / scale).round() as i8).collect();
        let Self { hidden_bias, outputs, bias, .. } = self;
        Network { known, inputs, scale, hidden_bias, outputs, bias }
    }
}

/// One for each class, through rectified hidden units.
fn logits(hidden: &[f32], outputs: &[f32], bias: &[f32]) -> Vec<f32> {
    let rows = outputs.chunks_exact(HIDDEN).zip(bias);
    let sum = |row: &[f32]| row.iter().zip(hidden).map(|(w, h)| w * h.max(0.0)).sum::<f32>();
    rows.map(|(row, bias)| bias + sum(row)).collect()
}

/// Held above what a network can know.
fn logarithms(probabilities: Vec<f32>) -> Vec<f32> {
    probabilities.into_iter().map(|p| p.max(1e-5).ln()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::vocabulary::Vector;
    use super::*;

    #[test]
    fn it_learns_what_only_two_things_together_say() {
        // Exclusive or, which no linear model knows.
        let row = |n: usize| vec![((n % 2) as u32, 0.7), (2 + (n / 2 % 2) as u32, 0.7)];
        let vectors: Vec<Vector> = (0..400).map(row).collect();
        let classes: Vec<usize> = (0..400).map(|n| (n % 2) ^ (n / 2 % 2)).collect();
        let vectors: Vec<&Vector> = vectors.iter().collect();
        let samples = Samples { vectors: &vectors, classes: &classes, labels: 2, features: 4 };
        let network = fit(&samples, 3);
        for n in 0..4 {
            let logarithms = network.log_probabilities(&row(n));
            let class = (n % 2) ^ (n / 2 % 2);
            assert!(logarithms[class] > logarithms[1 - class] + 1.0, "{n}: {logarithms:?}");
        }
    }
}
