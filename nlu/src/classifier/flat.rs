//! One question with a fixed set of answers: a linear model and a network, joined and calibrated.

use super::features;
use super::features::{Bucket, for_each_gram};
use super::file::{Damage, Reader, Writer};
use super::linear::{self, Samples, Weights};
use super::network::{self, Network};
use super::vocabulary::{Subset, Vector, Vocabulary};
use super::{LABELS_MAX, Span, softmax, spans};

/// Parts of the rows that take turns in being held out; what is said of them fits the joining.
const FOLDS: u64 = 3;
/// Fewer rows are not divided.
const ROWS_FOLDED_MIN: usize = 60;
/// Fewer rows teach a network nothing.
const ROWS_NETWORK_MIN: usize = 300;
/// Weights below this many of the 127 steps of their storage say nothing.
const STEP_MIN: u8 = 5;
/// Most weights of one classifier, a byte each: of 46 units 180,000 features. The least weights go.
const WEIGHTS_MAX: usize = 8 << 20;

/// How the two models' scores become probabilities: the soft-max of their weighted sum.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Joint {
    linear: f32,
    network: f32,
}

/// Where too few rows are to measure it.
const JOINT_UNMEASURED: Joint = Joint { linear: 2.0, network: 0.0 };

/// A trained classifier over the features of a vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Flat {
    labels: Vec<String>,
    /// Features with a weight that says something.
    known: Subset,
    /// `[feature][class]`, square-law: `sign(q) × scale × (q / 127)²`, so that the many small weights keep
    /// their size.
    weights: Vec<i8>,
    /// The largest absolute weight of each class.
    scale: Vec<f32>,
    bias: Vec<f32>,
    network: Option<Network>,
    joint: Joint,
}

/// Rows to learn from.
#[derive(Clone, Copy)]
pub(crate) struct Lesson<'a> {
    pub(crate) vectors: &'a [&'a Vector],
    /// The label of each, by number.
    pub(crate) classes: &'a [usize],
    pub(crate) labels: &'a [String],
    /// A hash of each row's text: rows with the same text are held out together.
    pub(crate) hashes: &'a [u64],
    /// Number of features.
    pub(crate) features: usize,
    pub(crate) seed: u64,
}

/// A classifier, and each row's probabilities by one that has not seen it.
pub(crate) struct Learnt {
    pub(crate) flat: Flat,
    pub(crate) unseen: Vec<Vec<f32>>,
}

impl Flat {
    /// Learns; one label is always right.
    pub(crate) fn learn(lesson: &Lesson<'_>) -> Learnt {
        if lesson.labels.len() == 1 {
            return Learnt {
                flat: Self::certain(lesson),
                unseen: vec![vec![1.0]; lesson.classes.len()],
            };
        }
        let folded = lesson.vectors.len() >= ROWS_FOLDED_MIN;
        let folds: Vec<Option<u64>> =
            std::iter::once(None).chain((0..FOLDS).filter(|_| folded).map(Some)).collect();
        let mut parts = in_two_threads(&folds, |fold| Part::learn(lesson, *fold));
        let whole = parts.remove(0);
        let scores: Vec<(Vec<f32>, Vec<f32>)> = (0..lesson.vectors.len())
            .map(|row| {
                let part =
                    parts.iter().find(|part| part.fold.is_some_and(|f| is_held(lesson, row, f)));
                part.unwrap_or(&whole).scores(lesson.vectors[row])
            })
            .collect();
        let joint = if folded { Joint::fit(&scores, lesson.classes) } else { JOINT_UNMEASURED };
        let unseen = scores.iter().map(|(linear, network)| joint.probabilities(linear, network));
        Learnt { unseen: unseen.collect(), flat: whole.into_flat(lesson, joint) }
    }

    fn certain(lesson: &Lesson<'_>) -> Self {
        Self {
            labels: lesson.labels.to_vec(),
            known: Subset::new(lesson.features, std::iter::empty()),
            weights: Vec::new(),
            scale: vec![0.0],
            bias: vec![0.0],
            network: None,
            joint: JOINT_UNMEASURED,
        }
    }

    pub(crate) fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Each label's probability.
    pub(crate) fn probabilities(&self, vector: &[(u32, f32)]) -> Vec<f32> {
        let labels = self.labels.len();
        let mut sums = vec![0.0f32; labels];
        for (feature, value) in vector {
            let Some(rank) = self.known.rank(*feature) else { continue };
            let row = &self.weights[rank as usize * labels..][..labels];
            sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += expand(*weight) * value);
        }
        let parts = sums.iter().zip(&self.scale).zip(&self.bias);
        let linear: Vec<f32> = parts.map(|((sum, scale), bias)| sum * scale + bias).collect();
        let network = self.network.as_ref().map(|network| network.log_probabilities(vector));
        self.joint.probabilities(&linear, &network.unwrap_or_default())
    }

    /// The stretches of a text that speak for the likeliest label and against the second.
    pub(crate) fn spans(
        &self,
        vocabulary: &Vocabulary,
        text: &features::Normalized,
        vector: &[(u32, f32)],
    ) -> Vec<Span> {
        let probabilities = self.probabilities(vector);
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        order.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]));
        let [first, second, ..] = order[..] else { return Vec::new() };
        let mut per_char = vec![0.0f32; text.chars.len()];
        for_each_gram(&text.chars, |bucket, start, length| {
            let share = self.share(vocabulary, vector, bucket, [first, second]).unwrap_or(0.0);
            let chars = &mut per_char[start..start + length];
            chars.iter_mut().for_each(|sum| *sum += share / length as f32);
        });
        spans::heaviest(per_char)
            .into_iter()
            .map(|(start, end, weight)| Span {
                start: text.origin[start],
                end: text.origin[end - 1] + 1,
                weight,
            })
            .collect()
    }

    /// What an n-gram adds to the margin between two labels.
    fn share(
        &self,
        vocabulary: &Vocabulary,
        vector: &[(u32, f32)],
        bucket: Bucket,
        [first, second]: [usize; 2],
    ) -> Option<f32> {
        let feature = vocabulary.feature(bucket)?;
        let at = vector.binary_search_by_key(&feature, |(feature, _)| *feature).ok()?;
        let row = self.known.rank(feature)? as usize * self.labels.len();
        let weight = |class: usize| expand(self.weights[row + class]) * self.scale[class];
        Some(vector[at].1 * (weight(first) - weight(second)))
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.u32(self.labels.len() as u32);
        self.labels.iter().for_each(|label| out.text(label));
        self.known.write(out);
        out.i8s(&self.weights);
        out.f32s(&self.scale);
        out.f32s(&self.bias);
        out.f32s(&[self.joint.linear, self.joint.network]);
        out.u16(u16::from(self.network.is_some()));
        if let Some(network) = &self.network {
            network.write(out);
        }
    }

    pub(crate) fn read(from: &mut Reader<'_>, features: usize) -> Result<Self, Damage> {
        let classes = from.u32()? as usize;
        if !(1..=LABELS_MAX).contains(&classes) {
            return Err(Damage("number of classes"));
        }
        let labels = (0..classes).map(|_| from.text()).collect::<Result<_, _>>()?;
        let known = Subset::read(from, features)?;
        let weights = from.i8s(known.len() * classes)?;
        let (scale, bias) = (from.f32s(classes)?, from.f32s(classes)?);
        let joint = Joint { linear: from.f32()?, network: from.f32()? };
        let network = match from.u16()? {
            0 => None,
            1 => Some(Network::read(from, features, classes)?),
            _ => return Err(Damage("network")),
        };
        Ok(Self { labels, known, weights, scale, bias, network, joint })
    }
}

/// What was learnt from the rows outside one fold, or from all.
struct Part {
    fold: Option<u64>,
    weights: Weights,
    network: Option<Network>,
}

impl Part {
    fn learn(lesson: &Lesson<'_>, fold: Option<u64>) -> Self {
        let rows = (0..lesson.vectors.len())
            .filter(|row| !fold.is_some_and(|fold| is_held(lesson, *row, fold)));
        let (vectors, classes): (Vec<&Vector>, Vec<usize>) =
            rows.map(|row| (lesson.vectors[row], lesson.classes[row])).unzip();
        let samples = Samples {
            vectors: &vectors,
            classes: &classes,
            labels: lesson.labels.len(),
            features: lesson.features,
        };
        let enough = lesson.vectors.len() >= ROWS_NETWORK_MIN;
        Self {
            fold,
            weights: linear::fit(&samples, lesson.seed),
            network: enough.then(|| network::fit(&samples, lesson.seed)),
        }
    }

    fn scores(&self, vector: &[(u32, f32)]) -> (Vec<f32>, Vec<f32>) {
        let network = self.network.as_ref().map(|network| network.log_probabilities(vector));
        (self.weights.margins(vector), network.unwrap_or_default())
    }

    fn into_flat(self, lesson: &Lesson<'_>, joint: Joint) -> Flat {
        let labels = lesson.labels.len();
        let mut scale = vec![0.0f32; labels];
        for row in self.weights.weights.chunks_exact(labels) {
            scale.iter_mut().zip(row).for_each(|(largest, w)| *largest = largest.max(w.abs()));
        }
        let stored: Vec<i8> = (self.weights.weights.iter().zip(scale.iter().cycle()))
            .map(|(weight, scale)| compress(*weight, *scale))
            .collect();
        let step_min = step_min(&stored, labels);
        let (mut known, mut weights) = (Vec::new(), Vec::new());
        for (feature, row) in (0u32..).zip(stored.chunks_exact(labels)) {
            if largest_step(row) >= step_min {
                known.push(feature);
                weights.extend_from_slice(row);
            }
        }
        Flat {
            labels: lesson.labels.to_vec(),
            known: Subset::new(lesson.features, known.into_iter()),
            weights,
            scale,
            bias: self.weights.bias,
            network: self.network,
            joint,
        }
    }
}

fn is_held(lesson: &Lesson<'_>, row: usize, fold: u64) -> bool {
    // The lowest digits chose the rows for testing.
    (lesson.hashes[row] >> 32) % FOLDS == fold
}

/// Two at a time: each holds weights for every feature and class.
fn in_two_threads<T: Sync, R: Send>(work: &[T], run: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (first, second) = work.split_at(work.len().div_ceil(2));
    std::thread::scope(|scope| {
        let other = scope.spawn(|| second.iter().map(&run).collect::<Vec<R>>());
        let mut done: Vec<R> = first.iter().map(&run).collect();
        done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        done
    })
}

impl Joint {
    fn probabilities(&self, linear: &[f32], network: &[f32]) -> Vec<f32> {
        let mut sum: Vec<f32> = linear.iter().map(|margin| self.linear * margin).collect();
        sum.iter_mut().zip(network).for_each(|(sum, log)| *sum += self.network * log);
        softmax(&sum)
    }

    /// The weights under which what was said of unseen rows is likeliest, found by halving steps.
    fn fit(scores: &[(Vec<f32>, Vec<f32>)], classes: &[usize]) -> Self {
        let loss = |joint: &Self| -> f32 {
            let of = |((linear, network), class): (&(Vec<f32>, Vec<f32>), &usize)| {
                -joint.probabilities(linear, network)[*class].max(1e-9).ln()
            };
            scores.iter().zip(classes).map(of).sum()
        };
        let mut best = Self { linear: 2.0, network: 0.5 };
        let mut least = loss(&best);
        let (mut step, finest) = (1.0f32, 0.02);
        while step > finest {
            let around = [(step, 0.0), (-step, 0.0), (0.0, step), (0.0, -step)];
            let tries = around.map(|(linear, network)| Self {
                linear: (best.linear + 2.0 * linear).max(0.05),
                network: (best.network + 0.5 * network).max(0.0),
            });
            let losses = tries.map(|joint| loss(&joint));
            let at = (0..tries.len()).min_by(|a, b| losses[*a].total_cmp(&losses[*b])).unwrap_or(0);
            if losses[at] < least {
                (best, least) = (tries[at], losses[at]);
            } else {
                step /= 2.0;
            }
        }
        best
    }
}

fn largest_step(row: &[i8]) -> u8 {
    row.iter().map(|step| step.unsigned_abs()).max().unwrap_or(0)
}

/// From which step on a feature is kept: [`STEP_MIN`], or the lowest at which the weights fit [`WEIGHTS_MAX`].
fn step_min(stored: &[i8], labels: usize) -> u8 {
    let mut features = [0usize; 129];
    for row in stored.chunks_exact(labels) {
        features[usize::from(largest_step(row))] += 1;
    }
    let mut kept = 0;
    let fits = |step: &u8| {
        kept += features[usize::from(*step)];
        kept * labels <= WEIGHTS_MAX
    };
    (STEP_MIN..=127).rev().take_while(fits).last().unwrap_or(127)
}

/// Weight to its stored form; `scale` is the class's largest absolute weight.
fn compress(weight: f32, scale: f32) -> i8 {
    if scale == 0.0 {
        return 0;
    }
    let magnitude = (127.0 * (weight.abs() / scale).sqrt()).round().min(127.0) as i8;
    if weight < 0.0 { -magnitude } else { magnitude }
}

fn expand(stored: i8) -> f32 {
    let q = f32::from(stored) / 127.0;
    q * q.abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_weights_survive_storage() {
        let back = expand(compress(0.01, 2.0)) * 2.0;
        assert!((back - 0.01).abs() < 0.001, "{back}");
        assert_eq!(compress(-2.0, 2.0), -127);
    }

    #[test]
    fn the_least_weights_go_where_there_are_too_many() {
        let rows = WEIGHTS_MAX / 50;
        let stored: Vec<i8> = (0..2 * rows)
            .flat_map(|row| {
                (0..50).map(move |class| if class == 0 { (row % 100) as i8 } else { 0 })
            })
            .collect();
        let step = step_min(&stored, 50);
        let kept = stored.chunks_exact(50).filter(|row| largest_step(row) >= step).count();
        assert!(kept <= rows && kept > rows * 9 / 10, "{step}: {kept} of {rows}");
        assert_eq!(step_min(&[3, 0, STEP_MIN as i8, 1], 2), STEP_MIN);
    }

    #[test]
    fn the_better_of_two_models_gets_the_weight() {
        let scores: Vec<_> = (0..100)
            .map(|n| {
                if n % 2 == 0 {
                    (vec![1.0, -1.0], vec![-0.7, -0.7])
                } else {
                    (vec![-1.0, 1.0], vec![-0.1, -2.3])
                }
            })
            .collect();
        let classes: Vec<usize> = (0..100).map(|n| n % 2).collect();
        let joint = Joint::fit(&scores, &classes);
        assert!(joint.linear > 2.0 && joint.network < 0.6, "{joint:?}");
    }
}
