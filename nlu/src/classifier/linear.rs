//! L2-regularised squared-hinge SVM, one class against the rest, by dual coordinate descent (Hsieh et al.,
//! ICML 2008). A weight's prior deviation is how much its feature tells the class from the rest by counts
//! alone (NB-SVM: Wang and Manning, ACL 2012).

use super::random::Random;
use super::vocabulary::Vector;

/// Cost of a margin violation.
const COST: f32 = 1.0;
/// Passes over the rows; margins change in the third digit after this.
const EPOCHS_MAX: usize = 25;
/// A pass that moved no dual variable by more than this is the last.
const STEP_MIN: f32 = 0.02;
/// Matters with and without a feature that every class is taken to have had.
const PRIOR_COUNT: f32 = 1.0;

/// What is learnt from.
#[derive(Clone, Copy)]
pub(crate) struct Samples<'a> {
    pub(crate) vectors: &'a [&'a Vector],
    /// The class of each.
    pub(crate) classes: &'a [usize],
    /// Number of classes.
    pub(crate) labels: usize,
    /// Number of features.
    pub(crate) features: usize,
}

/// Learnt weights.
pub(crate) struct Weights {
    /// `[feature][class]`.
    pub(crate) weights: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

impl Weights {
    pub(crate) fn margins(&self, vector: &[(u32, f32)]) -> Vec<f32> {
        let labels = self.bias.len();
        let mut margins = self.bias.clone();
        for (feature, value) in vector {
            let row = &self.weights[*feature as usize * labels..][..labels];
            margins.iter_mut().zip(row).for_each(|(margin, weight)| *margin += weight * value);
        }
        margins
    }

    fn add(&mut self, vector: &[(u32, f32)], variances: &[f32], steps: &[f32]) {
        let labels = self.bias.len();
        for (feature, value) in vector {
            let at = *feature as usize * labels;
            let row = self.weights[at..][..labels].iter_mut();
            for ((weight, step), variance) in row.zip(steps).zip(&variances[at..][..labels]) {
                *weight += step * value * variance;
            }
        }
        self.bias.iter_mut().zip(steps).for_each(|(bias, step)| *bias += step);
    }
}

/// Learns all classes in one pass: their weights for a feature lie side by side.
pub(crate) fn fit(samples: &Samples<'_>, seed: u64) -> Weights {
    let Samples { vectors, classes, labels, features } = *samples;
    let variances = variances(samples);
    let curvatures = curvatures(samples, &variances);
    let mut weights = Weights { weights: vec![0.0; features * labels], bias: vec![0.0; labels] };
    let mut duals = vec![0.0f32; vectors.len() * labels];
    let mut order: Vec<usize> = (0..vectors.len()).collect();
    let mut random = Random(seed);
    let mut steps = vec![0.0f32; labels];
    let diagonal = 0.5 / COST;
    for _ in 0..EPOCHS_MAX {
        random.shuffle(&mut order);
        let mut largest = 0.0f32;
        for &row in &order {
            let margins = weights.margins(vectors[row]);
            let mut moved = false;
            for (class, margin) in margins.iter().enumerate() {
                let sign = if classes[row] == class { 1.0 } else { -1.0 };
                let dual = &mut duals[row * labels + class];
                let gradient = sign * margin - 1.0 + diagonal * *dual;
                let curvature = curvatures[row * labels + class] + diagonal;
                let next = (*dual - gradient / curvature).max(0.0);
                steps[class] = (next - *dual) * sign;
                largest = largest.max(steps[class].abs());
                moved |= steps[class] != 0.0;
                *dual = next;
            }
            if moved {
                weights.add(vectors[row], &variances, &steps);
            }
        }
        if largest < STEP_MIN {
            break;
        }
    }
    weights
}

/// The square of the log-ratio of a feature's frequency in the class and in the rest: `[feature][class]`.
fn variances(samples: &Samples<'_>) -> Vec<f32> {
    let Samples { labels, features, .. } = *samples;
    let mut within = vec![PRIOR_COUNT; features * labels];
    let mut everywhere = vec![2.0 * PRIOR_COUNT; features];
    let mut rows = vec![2.0 * PRIOR_COUNT; labels];
    for (vector, class) in samples.vectors.iter().zip(samples.classes) {
        rows[*class] += 1.0;
        for (feature, _) in *vector {
            within[*feature as usize * labels + class] += 1.0;
            everywhere[*feature as usize] += 1.0;
        }
    }
    let total = samples.vectors.len() as f32;
    for (row, everywhere) in within.chunks_exact_mut(labels).zip(&everywhere) {
        for (inside, rows) in row.iter_mut().zip(&rows) {
            let outside = (everywhere - *inside) / (total - rows + 4.0 * PRIOR_COUNT);
            let ratio = (*inside / rows / outside).ln();
            *inside = ratio * ratio;
        }
    }
    within
}

/// Each row's squared length under each class's prior; the bias is a feature of value one.
fn curvatures(samples: &Samples<'_>, variances: &[f32]) -> Vec<f32> {
    let labels = samples.labels;
    let mut curvatures = vec![1.0f32; samples.vectors.len() * labels];
    for (vector, row) in samples.vectors.iter().zip(curvatures.chunks_exact_mut(labels)) {
        for (feature, value) in *vector {
            let variances = &variances[*feature as usize * labels..][..labels];
            row.iter_mut().zip(variances).for_each(|(sum, v)| *sum += value * value * v);
        }
    }
    curvatures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_of_one_class_alone_decides() {
        let vectors: Vec<Vector> = (0..20).map(|n| vec![(n % 2, 0.8), (2, 0.6)]).collect();
        let classes: Vec<usize> = (0..20).map(|n| n % 2).collect();
        let vectors: Vec<&Vector> = vectors.iter().collect();
        let samples = Samples { vectors: &vectors, classes: &classes, labels: 2, features: 3 };
        let weights = fit(&samples, 1);
        let margins = weights.margins(&[(1, 1.0)]);
        assert!(margins[1] > 0.5 && margins[0] < -0.5, "{margins:?}");
        assert!(weights.weights[4..].iter().all(|weight| weight.abs() < 0.1));
    }
}
