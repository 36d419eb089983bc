//! A trained linear model: its file, and what it says about a text.

use super::features::{self, GRAM_CHARS_MAX};

/// First bytes of a model file.
const MAGIC: &[u8; 4] = b"QTLM";
/// Version of the layout and of the features.
const VERSION: u16 = 1;
/// Most classes a file may hold: a wrong length must not make us allocate gigabytes.
const LABELS_MAX: usize = 4_096;
/// Most bits of a bucket.
const BITS_MAX: u32 = 24;
/// Spans given as evidence.
const SPANS_MAX: usize = 3;

/// A model file that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ModelError {
    /// Not a model file at all.
    #[error(
        "not a Qingting category model: it does not begin with QTLM; train one with `qingting nlu train`"
    )]
    Magic,
    /// Written by another version of the product.
    #[error(
        "model format {found} cannot be read, this program reads {VERSION}: train the model again"
    )]
    Version {
        /// Version in the file.
        found: u16,
    },
    /// Cut off or changed on the way.
    #[error("model file is damaged ({what}): copy it again, or train it again")]
    Damaged {
        /// What does not fit.
        what: &'static str,
    },
}

/// One class with its probability.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked<'m> {
    /// The class as it was called in training.
    pub label: &'m str,
    /// Calibrated on rows held out of training: of the texts given p, a share p is right.
    pub probability: f32,
}

/// A stretch of the text that speaks for the first class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// First character.
    pub start: u32,
    /// One past the last character.
    pub end: u32,
    /// What it adds to the margin between the first class and the second.
    pub weight: f32,
}

/// What the model says about a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction<'m> {
    /// All classes, the likeliest first.
    pub ranked: Vec<Ranked<'m>>,
    /// At most three spans, the heaviest first; empty when no known n-gram occurs.
    pub spans: Vec<Span>,
}

/// One-vs-rest linear model on hashed character 1–3-gram TF-IDF.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearModel {
    pub(crate) labels: Vec<String>,
    pub(crate) index: FeatureIndex,
    /// Inverse document frequency of each feature: `1 + q × idf_step`.
    pub(crate) idf: Vec<u8>,
    pub(crate) idf_step: f32,
    /// `[feature][class]`, square-law: `sign(q) × scale × (q / 127)²`, so that the many small
    /// weights keep their size.
    pub(crate) weights: Vec<i8>,
    /// The largest absolute weight of each class.
    pub(crate) scale: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    /// Margins are multiplied by this before the soft-max.
    pub(crate) sharpness: f32,
}

/// Which buckets have a feature, and its number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FeatureIndex {
    pub(crate) bits: u32,
    words: Vec<u64>,
    /// Features before each word.
    rank: Vec<u32>,
}

impl FeatureIndex {
    /// From the chosen buckets, in any order.
    pub(crate) fn new(bits: u32, buckets: impl Iterator<Item = u32>) -> Self {
        let mut words = vec![0u64; (1usize << bits).div_ceil(64)];
        for bucket in buckets {
            words[bucket as usize / 64] |= 1 << (bucket % 64);
        }
        Self::from_words(bits, words)
    }

    fn from_words(bits: u32, words: Vec<u64>) -> Self {
        let mut total = 0;
        let rank = words
            .iter()
            .map(|word| {
                let before = total;
                total += word.count_ones();
                before
            })
            .collect();
        Self { bits, words, rank }
    }

    /// The feature of a bucket.
    pub(crate) fn feature(&self, bucket: u32) -> Option<usize> {
        let word = self.words[bucket as usize / 64];
        let bit = 1u64 << (bucket % 64);
        (word & bit != 0)
            .then(|| (self.rank[bucket as usize / 64] + (word & (bit - 1)).count_ones()) as usize)
    }

    /// Number of features.
    pub(crate) fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }
}

impl LinearModel {
    /// The classes, in the order of training.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Number of n-gram features.
    pub fn features(&self) -> usize {
        self.idf.len()
    }

    /// Ranks the classes for a text and says which words decided.
    pub fn predict(&self, text: &str) -> Prediction<'_> {
        let text = features::normalize(text);
        let vector = self.vector(&text.chars);
        let margins = self.margins(&vector);
        let mut order: Vec<usize> = (0..margins.len()).collect();
        order.sort_by(|a, b| margins[*b].total_cmp(&margins[*a]));
        let probabilities = softmax(&margins, self.sharpness);
        let spans = self.spans(&text, &vector, order[0], order[1]);
        let ranked = order
            .into_iter()
            .map(|class| Ranked { label: &self.labels[class], probability: probabilities[class] })
            .collect();
        Prediction { ranked, spans }
    }

    /// The model as a file, little-endian: `QTLM`, version u16, bits u16, classes u32, sharpness
    /// f32, idf step f32, per class (name length u16, name, scale f32, bias f32), bucket bitmap,
    /// idf u8 per feature, weights i8 per feature and class, CRC-32 (IEEE) of all before it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(self.index.bits as u16).to_le_bytes());
        out.extend_from_slice(&(self.labels.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.sharpness.to_le_bytes());
        out.extend_from_slice(&self.idf_step.to_le_bytes());
        for ((label, scale), bias) in self.labels.iter().zip(&self.scale).zip(&self.bias) {
            out.extend_from_slice(&(label.len() as u16).to_le_bytes());
            out.extend_from_slice(label.as_bytes());
            out.extend_from_slice(&scale.to_le_bytes());
            out.extend_from_slice(&bias.to_le_bytes());
        }
        self.index.words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        out.extend_from_slice(&self.idf);
        out.extend(self.weights.iter().map(|weight| weight.cast_unsigned()));
        let crc = crc32(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// [`ModelError`] when it is not one, is of another version, or is damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let damaged = |what| ModelError::Damaged { what };
        if !bytes.starts_with(MAGIC) {
            return Err(ModelError::Magic);
        }
        let mut version = Cursor { rest: &bytes[MAGIC.len()..] };
        let found = version.u16()?;
        if found != VERSION {
            return Err(ModelError::Version { found });
        }
        let (body, crc) = bytes.split_last_chunk::<4>().ok_or(damaged("too short"))?;
        if crc32(body) != u32::from_le_bytes(*crc) {
            return Err(damaged("checksum"));
        }
        let mut cursor = Cursor { rest: &body[MAGIC.len() + 2..] };
        let bits = u32::from(cursor.u16()?);
        let classes = cursor.u32()? as usize;
        if !(6..=BITS_MAX).contains(&bits) || !(2..=LABELS_MAX).contains(&classes) {
            return Err(damaged("header"));
        }
        let sharpness = cursor.f32()?;
        let idf_step = cursor.f32()?;
        let (mut labels, mut scale, mut bias) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..classes {
            let length = usize::from(cursor.u16()?);
            let name = cursor.take(length)?.to_vec();
            labels.push(String::from_utf8(name).map_err(|_| damaged("class name"))?);
            scale.push(cursor.f32()?);
            bias.push(cursor.f32()?);
        }
        let words = cursor.take((1usize << bits) / 8)?;
        let words =
            words.chunks_exact(8).map(|w| u64::from_le_bytes(w.try_into().expect("8 bytes")));
        let index = FeatureIndex::from_words(bits, words.collect());
        let idf = cursor.take(index.len())?.to_vec();
        let weights = cursor.take(index.len() * classes)?;
        let weights = weights.iter().map(|weight| weight.cast_signed()).collect();
        if !cursor.rest.is_empty() {
            return Err(damaged("length"));
        }
        Ok(Self { labels, index, idf, idf_step, weights, scale, bias, sharpness })
    }

    /// Known features of a text with their TF-IDF, of unit length.
    pub(crate) fn vector(&self, chars: &[char]) -> Vec<(usize, f32)> {
        let mut vector: Vec<(usize, f32)> = features::bucket_counts(chars, self.index.bits)
            .into_iter()
            .filter_map(|(bucket, count)| {
                let feature = self.index.feature(bucket)?;
                let idf = 1.0 + f32::from(self.idf[feature]) * self.idf_step;
                Some((feature, features::term_frequency(count) * idf))
            })
            .collect();
        let norm = vector.iter().map(|(_, value)| value * value).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|(_, value)| *value /= norm);
        vector
    }

    /// One margin per class.
    pub(crate) fn margins(&self, vector: &[(usize, f32)]) -> Vec<f32> {
        let classes = self.labels.len();
        let mut sums = vec![0.0f32; classes];
        for (feature, value) in vector {
            let row = &self.weights[feature * classes..][..classes];
            sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += expand(*weight) * value);
        }
        sums.iter().zip(&self.scale).zip(&self.bias).map(|((sum, s), b)| sum * s + b).collect()
    }

    fn spans(
        &self,
        text: &features::Normalized,
        vector: &[(usize, f32)],
        first: usize,
        second: usize,
    ) -> Vec<Span> {
        let classes = self.labels.len();
        let weight = |feature: usize, class: usize| {
            expand(self.weights[feature * classes + class]) * self.scale[class]
        };
        let mut per_char = vec![0.0f32; text.chars.len()];
        features::for_each_gram(&text.chars, self.index.bits, |bucket, start, length| {
            let Some(feature) = self.index.feature(bucket) else { return };
            let Ok(at) = vector.binary_search_by_key(&feature, |(feature, _)| *feature) else {
                return;
            };
            let share = vector[at].1 * (weight(feature, first) - weight(feature, second));
            per_char[start..start + length]
                .iter_mut()
                .for_each(|sum| *sum += share / length as f32);
        });
        heaviest_spans(per_char)
            .into_iter()
            .map(|(start, end, weight)| Span {
                start: text.origin[start],
                end: text.origin[end - 1] + 1,
                weight,
            })
            .collect()
    }
}

/// The soft-max of `margins × sharpness`.
pub(crate) fn softmax(margins: &[f32], sharpness: f32) -> Vec<f32> {
    let largest = margins.iter().copied().fold(f32::MIN, f32::max);
    let mut out: Vec<f32> =
        margins.iter().map(|margin| ((margin - largest) * sharpness).exp()).collect();
    let total: f32 = out.iter().sum();
    out.iter_mut().for_each(|p| *p /= total);
    out
}

/// Weight to its stored form; `scale` is the class's largest absolute weight.
pub(crate) fn compress(weight: f32, scale: f32) -> i8 {
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

/// The stretches whose characters lie most above the average positive contribution.
fn heaviest_spans(mut per_char: Vec<f32>) -> Vec<(usize, usize, f32)> {
    let positive: Vec<f32> = per_char.iter().copied().filter(|c| *c > 0.0).collect();
    if positive.is_empty() {
        return Vec::new();
    }
    let floor = positive.iter().sum::<f32>() / positive.len() as f32;
    let mut spans = Vec::new();
    while spans.len() < SPANS_MAX {
        let (mut best, mut start, mut sum) = ((0, 0, 0.0f32), 0, 0.0f32);
        for (at, contribution) in per_char.iter().enumerate() {
            if sum <= 0.0 {
                (start, sum) = (at, 0.0);
            }
            sum += contribution - floor;
            if sum > best.2 {
                best = (start, at + 1, sum);
            }
        }
        let (start, end, above) = best;
        if above <= 0.0 {
            break;
        }
        spans.push((start, end, per_char[start..end].iter().sum()));
        per_char[start..end].fill(f32::MIN / GRAM_CHARS_MAX as f32 / 1e6);
    }
    spans
}

/// CRC-32 as in IEEE 802.3.
fn crc32(bytes: &[u8]) -> u32 {
    let mut table = [0u32; 256];
    for (entry, seed) in table.iter_mut().zip(0u32..) {
        *entry = (0..8).fold(seed, |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()));
    }
    let step = |crc: u32, byte: &u8| (crc >> 8) ^ table[((crc ^ u32::from(*byte)) & 0xff) as usize];
    !bytes.iter().fold(u32::MAX, step)
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], ModelError> {
        let (head, rest) =
            self.rest.split_at_checked(length).ok_or(ModelError::Damaged { what: "too short" })?;
        self.rest = rest;
        Ok(head)
    }

    fn u16(&mut self) -> Result<u16, ModelError> {
        Ok(u16::from_le_bytes(self.take(2)?.try_into().expect("2 bytes")))
    }

    fn u32(&mut self) -> Result<u32, ModelError> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into().expect("4 bytes")))
    }

    fn f32(&mut self) -> Result<f32, ModelError> {
        let value = f32::from_bits(self.u32()?);
        if value.is_finite() { Ok(value) } else { Err(ModelError::Damaged { what: "number" }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_well_known_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn small_weights_survive_storage() {
        let back = expand(compress(0.01, 2.0)) * 2.0;
        assert!((back - 0.01).abs() < 0.001, "{back}");
        assert_eq!(compress(-2.0, 2.0), -127);
    }

    #[test]
    fn a_feature_is_found_by_its_bucket() {
        let index = FeatureIndex::new(8, [3u32, 64, 65, 200].into_iter());
        assert_eq!(index.len(), 4);
        let found: Vec<_> = [3, 64, 65, 200, 4].map(|b| index.feature(b)).into();
        assert_eq!(found, [Some(0), Some(1), Some(2), Some(3), None]);
    }

    #[test]
    fn spans_come_heaviest_first_and_do_not_overlap() {
        let spans = heaviest_spans(vec![0.0, 1.0, 1.0, 0.0, 0.1, 0.0, 3.0, 0.0]);
        assert_eq!(spans[0], (6, 7, 3.0));
    }
}
