//! Training: L2-regularised squared-hinge SVM, one class against the rest, by dual coordinate
//! descent (Hsieh et al., ICML 2008); probabilities by a temperature fitted on held-out rows.

use super::features::{self, bucket_counts, normalize, term_frequency};
use super::model::{FeatureIndex, LinearModel, compress, softmax};

/// Bits of a bucket: about a million buckets, of which the rare ones are dropped.
const BITS: u32 = 20;
/// An n-gram in fewer texts than this is noise.
const DOCUMENTS_MIN: u32 = 3;
/// Cost of a margin violation.
const COST: f32 = 1.0;
/// Passes over the rows; margins change in the fourth digit after this.
const EPOCHS_MAX: usize = 30;
/// A pass that moved no dual variable by more than this is the last.
const STEP_MIN: f32 = 0.01;
/// One row in this many is held out to fit the probabilities.
const HELD_OUT_EVERY: usize = 8;

/// Training data that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A column is not in the header.
    #[error(
        "no column {name:?}; the file has: {found}. Name the right one, or rename it in the file"
    )]
    Column {
        /// What was asked for.
        name: String,
        /// The header.
        found: String,
    },
    /// A field that must have text is empty.
    #[error("line {line}: column {column:?} is empty: fill it in or remove the row")]
    Empty {
        /// Line in the file, from 1.
        line: u64,
        /// Column name.
        column: String,
    },
    /// Not UTF-8.
    #[error("line {line}: not UTF-8{hint}")]
    Encoding {
        /// Line in the file, from 1.
        line: u64,
        /// What it looks like and how to convert it.
        hint: &'static str,
    },
    /// A split other than `train` and `test`.
    #[error("line {line}: split {value:?} is neither \"train\" nor \"test\"")]
    Split {
        /// Line in the file, from 1.
        line: u64,
        /// What was found, cut short.
        value: String,
    },
    /// Broken CSV.
    #[error("not readable as CSV: {0}")]
    Csv(#[from] csv::Error),
    /// Nothing to tell apart.
    #[error("{found} class(es) among {rows} training rows: at least two are needed to learn from")]
    Classes {
        /// Distinct labels.
        found: usize,
        /// Rows for training.
        rows: usize,
    },
    /// Nothing to report on.
    #[error(
        "no rows for testing: mark some rows \"test\" in the split column, or name no split column"
    )]
    NoTestRows,
}

/// Learns a model from `(text, label)` rows; the same rows in the same order give the same model.
///
/// # Errors
/// [`TrainError::Classes`] when there are fewer than two labels.
pub fn train<T, L>(rows: impl Iterator<Item = (T, L)>, seed: u64) -> Result<LinearModel, TrainError>
where
    T: AsRef<str>,
    L: AsRef<str>,
{
    let mut labels: Vec<String> = Vec::new();
    let mut counts = Vec::new();
    let mut classes = Vec::new();
    for (text, label) in rows {
        let label = label.as_ref();
        let class = labels.iter().position(|known| known == label).unwrap_or_else(|| {
            labels.push(label.to_owned());
            labels.len() - 1
        });
        classes.push(class);
        counts.push(bucket_counts(&normalize(text.as_ref()).chars, BITS));
    }
    if labels.len() < 2 {
        return Err(TrainError::Classes { found: labels.len(), rows: classes.len() });
    }
    let set = Set::new(&counts, classes, labels.len());
    drop(counts);
    let sharpness = set.fit_sharpness(seed);
    let all: Vec<usize> = (0..set.classes.len()).collect();
    Ok(set.fit(&all, seed).into_model(labels, set, sharpness))
}

/// Rows as sparse vectors.
struct Set {
    index: FeatureIndex,
    idf: Vec<u8>,
    idf_step: f32,
    /// `(feature, value)` of all rows, one after the other; unit length per row.
    entries: Vec<(u32, f32)>,
    /// Row `i` is `entries[ends[i - 1]..ends[i]]`.
    ends: Vec<usize>,
    classes: Vec<usize>,
    labels: usize,
}

/// Weights while training.
struct Fit {
    /// `[feature][class]`.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Set {
    fn new(counts: &[Vec<(u32, u32)>], classes: Vec<usize>, labels: usize) -> Self {
        let mut documents = vec![0u32; 1 << BITS];
        counts.iter().flatten().for_each(|(bucket, _)| documents[*bucket as usize] += 1);
        // A handful of rows would lose everything to the floor.
        let floor = if counts.len() < 100 { 1 } else { DOCUMENTS_MIN };
        let kept = || (0u32..).zip(&documents).filter(move |(_, seen)| **seen >= floor);
        let index = FeatureIndex::new(BITS, kept().map(|(bucket, _)| bucket));
        let rows = counts.len() as f32 + 1.0;
        let idf_step = rows.ln() / 255.0;
        let idf = kept()
            .map(|(_, seen)| ((rows / (*seen as f32 + 1.0)).ln() / idf_step).round() as u8)
            .collect::<Vec<_>>();
        let mut entries = Vec::new();
        let mut ends = Vec::new();
        for row in counts {
            let start = entries.len();
            for (bucket, count) in row {
                let Some(feature) = index.feature(*bucket) else { continue };
                let value = 1.0 + f32::from(idf[feature]) * idf_step;
                entries.push((feature as u32, value * term_frequency(*count)));
            }
            let norm = entries[start..].iter().map(|(_, v)| v * v).sum::<f32>().sqrt();
            entries[start..].iter_mut().for_each(|(_, v)| *v /= norm);
            ends.push(entries.len());
        }
        Self { index, idf, idf_step, entries, ends, classes, labels }
    }

    fn row(&self, row: usize) -> &[(u32, f32)] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.entries[start..self.ends[row]]
    }

    /// All classes in one pass: their weights for a feature lie side by side.
    fn fit(&self, rows: &[usize], seed: u64) -> Fit {
        let labels = self.labels;
        let mut fit = Fit { weights: vec![0.0; self.idf.len() * labels], bias: vec![0.0; labels] };
        let mut duals = vec![0.0f32; self.classes.len() * labels];
        let mut order = rows.to_vec();
        let mut random = seed;
        let diagonal = 0.5 / COST;
        let mut steps = vec![0.0f32; labels];
        for _ in 0..EPOCHS_MAX {
            shuffle(&mut order, &mut random);
            let mut largest = 0.0f32;
            for &row in &order {
                let vector = self.row(row);
                // The bias is a feature of value one.
                let curvature = if vector.is_empty() { 1.0 } else { 2.0 } + diagonal;
                let margins = fit.margins(vector);
                let mut moved = false;
                for (class, margin) in margins.iter().enumerate() {
                    let sign = if self.classes[row] == class { 1.0 } else { -1.0 };
                    let dual = &mut duals[row * labels + class];
                    let gradient = sign * margin - 1.0 + diagonal * *dual;
                    let next = (*dual - gradient / curvature).max(0.0);
                    steps[class] = (next - *dual) * sign;
                    largest = largest.max(steps[class].abs());
                    moved |= steps[class] != 0.0;
                    *dual = next;
                }
                if moved {
                    fit.add(vector, &steps);
                }
            }
            if largest < STEP_MIN {
                break;
            }
        }
        fit
    }

    /// Fits the soft-max's sharpness to margins of rows that the weights have not seen.
    fn fit_sharpness(&self, seed: u64) -> f32 {
        let mut order: Vec<usize> = (0..self.classes.len()).collect();
        shuffle(&mut order, &mut seed.wrapping_add(1));
        let (held_out, rest) = order.split_at((order.len() / HELD_OUT_EVERY).max(1));
        let fit = self.fit(rest, seed);
        let margins: Vec<(Vec<f32>, usize)> =
            held_out.iter().map(|&row| (fit.margins(self.row(row)), self.classes[row])).collect();
        let loss = |sharpness: f32| -> f32 {
            margins
                .iter()
                .map(|(margins, class)| -softmax(margins, sharpness)[*class].max(1e-9).ln())
                .sum()
        };
        // Between nearly flat and nearly certain; the loss has one minimum in the logarithm.
        let (mut low, mut high) = (0.1f32.ln(), 50.0f32.ln());
        for _ in 0..40 {
            let third = (high - low) / 3.0;
            if loss((low + third).exp()) < loss((high - third).exp()) {
                high -= third;
            } else {
                low += third;
            }
        }
        f32::midpoint(low, high).exp()
    }
}

impl Fit {
    fn margins(&self, vector: &[(u32, f32)]) -> Vec<f32> {
        let labels = self.bias.len();
        let mut margins = self.bias.clone();
        for (feature, value) in vector {
            let row = &self.weights[*feature as usize * labels..][..labels];
            margins.iter_mut().zip(row).for_each(|(margin, weight)| *margin += weight * value);
        }
        margins
    }

    fn add(&mut self, vector: &[(u32, f32)], steps: &[f32]) {
        let labels = self.bias.len();
        for (feature, value) in vector {
            let row = &mut self.weights[*feature as usize * labels..][..labels];
            row.iter_mut().zip(steps).for_each(|(weight, step)| *weight += step * value);
        }
        self.bias.iter_mut().zip(steps).for_each(|(bias, step)| *bias += step);
    }

    fn into_model(self, labels: Vec<String>, set: Set, sharpness: f32) -> LinearModel {
        let classes = labels.len();
        let mut scale = vec![0.0f32; classes];
        for row in self.weights.chunks_exact(classes) {
            scale.iter_mut().zip(row).for_each(|(largest, w)| *largest = largest.max(w.abs()));
        }
        let weights = self
            .weights
            .chunks_exact(classes)
            .flat_map(|row| row.iter().zip(&scale).map(|(weight, scale)| compress(*weight, *scale)))
            .collect();
        LinearModel {
            labels,
            index: set.index,
            idf: set.idf,
            idf_step: set.idf_step,
            weights,
            scale,
            bias: self.bias,
            sharpness,
        }
    }
}

/// A text's share of the rows for a split by content: the same text always lands on one side.
pub(crate) fn content_hash(text: &str) -> u64 {
    let mut hash = 0u64;
    features::for_each_gram(&normalize(text).chars, 32, |bucket, _, _| {
        hash = hash.wrapping_add(u64::from(bucket).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    });
    let mut state = hash;
    split_mix(&mut state)
}

fn shuffle(order: &mut [usize], random: &mut u64) {
    for last in (1..order.len()).rev() {
        let other = split_mix(random) % (last as u64 + 1);
        order.swap(last, other as usize);
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::super::ModelError;
    use super::*;

    fn toy() -> LinearModel {
        let rows = (0..40).map(|n| match n % 2 {
            0 => (format!("小区停水{n}天没有自来水"), "水务"),
            _ => (format!("公司拖欠工资{n}个月"), "劳动"),
        });
        train(rows, 7).unwrap()
    }

    #[test]
    fn it_learns_and_shows_the_words_that_decided() {
        let model = toy();
        let text = "你好，我们这里停水了";
        let prediction = model.predict(text);
        assert_eq!(prediction.ranked[0].label, "水务");
        assert!(prediction.ranked[0].probability > 0.5);
        let span = prediction.spans[0];
        let quote: String =
            text.chars().skip(span.start as usize).take((span.end - span.start) as usize).collect();
        assert!(quote.contains('水'), "{quote}");
    }

    #[test]
    fn an_unknown_text_has_no_evidence() {
        assert_eq!(toy().predict("qqq").spans, []);
    }

    #[test]
    fn the_same_rows_give_the_same_file_and_the_file_the_same_model() {
        let bytes = toy().to_bytes();
        assert_eq!(bytes, toy().to_bytes());
        assert_eq!(LinearModel::from_bytes(&bytes).unwrap(), toy());
    }

    #[test]
    fn a_changed_or_cut_file_is_refused() {
        let mut bytes = toy().to_bytes();
        assert_eq!(LinearModel::from_bytes(b"PK"), Err(ModelError::Magic));
        let cut = LinearModel::from_bytes(&bytes[..bytes.len() - 9]);
        assert_eq!(cut, Err(ModelError::Damaged { what: "checksum" }));
        bytes[4] = 9;
        assert_eq!(LinearModel::from_bytes(&bytes), Err(ModelError::Version { found: 9 }));
    }

    #[test]
    fn one_class_is_refused() {
        let err = train([("a", "x"), ("b", "x")].into_iter(), 1).unwrap_err();
        assert!(err.to_string().starts_with("1 class(es) among 2"), "{err}");
    }
}
