//! Which buckets have a feature, and what each is worth.

use super::features::{BUCKET_BITS, Bucket, Feature, scale_blocks};
use super::file::{Damage, Reader, Writer};

/// A feature in fewer matters than this is noise.
const MATTERS_MIN: u32 = 3;
/// A handful of matters would lose everything to that.
const FEW_MATTERS: usize = 100;

/// A matter's known features with their values, by number; of unit length.
pub(crate) type Vector = Vec<(u32, f32)>;

/// The features of all classifiers of one model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Vocabulary {
    buckets: Subset,
    /// Inverse document frequency of each feature: `1 + q × idf_step`.
    idf: Vec<u8>,
    idf_step: f32,
}

impl Vocabulary {
    /// Of the features that are in at least [`MATTERS_MIN`] matters.
    pub(crate) fn new(matters: &[Vec<Feature>]) -> Self {
        let mut seen = vec![0u32; 1 << BUCKET_BITS];
        for matter in matters {
            let mut last = None;
            for feature in matter.iter().filter(|f| last.replace(f.bucket) != Some(f.bucket)) {
                seen[feature.bucket as usize] += 1;
            }
        }
        let floor = if matters.len() < FEW_MATTERS { 1 } else { MATTERS_MIN };
        let kept = || (0u32..).zip(&seen).filter(move |(_, seen)| **seen >= floor);
        let total = matters.len() as f32 + 1.0;
        let idf_step = total.ln() / 255.0;
        let idf = |seen: u32| ((total / (seen as f32 + 1.0)).ln() / idf_step).round() as u8;
        Self {
            buckets: Subset::new(1 << BUCKET_BITS, kept().map(|(bucket, _)| bucket)),
            idf: kept().map(|(_, seen)| idf(*seen)).collect(),
            idf_step,
        }
    }

    /// Number of features.
    pub(crate) fn len(&self) -> usize {
        self.idf.len()
    }

    /// The feature of a bucket.
    pub(crate) fn feature(&self, bucket: Bucket) -> Option<u32> {
        self.buckets.rank(bucket)
    }

    /// TF-IDF of the known features; these come sorted by bucket.
    pub(crate) fn vector(&self, features: &[Feature]) -> Vector {
        let mut blocks = Vec::with_capacity(features.len());
        let mut vector = Vector::with_capacity(features.len());
        for known in features {
            let Some(feature) = self.feature(known.bucket) else { continue };
            let idf = 1.0 + f32::from(self.idf[feature as usize]) * self.idf_step;
            vector.push((feature, known.value * idf));
            blocks.push(known.block);
        }
        scale_blocks(&mut vector, &blocks);
        vector
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.f32(self.idf_step);
        self.buckets.write(out);
        out.bytes(&self.idf);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, Damage> {
        let idf_step = from.f32()?;
        let buckets = Subset::read(from, 1 << BUCKET_BITS)?;
        let idf = from.bytes(buckets.len())?.to_vec();
        Ok(Self { buckets, idf, idf_step })
    }
}

/// Some of the numbers below a limit, each with its rank.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Subset {
    words: Vec<u64>,
    /// Members before each word.
    before: Vec<u32>,
}

impl Subset {
    /// Of the chosen numbers, in any order.
    pub(crate) fn new(limit: usize, members: impl Iterator<Item = u32>) -> Self {
        let mut words = vec![0u64; limit.div_ceil(64)];
        for member in members {
            words[member as usize / 64] |= 1 << (member % 64);
        }
        Self::from_words(words)
    }

    fn from_words(words: Vec<u64>) -> Self {
        let mut total = 0;
        let count = |word: &u64| {
            let before = total;
            total += word.count_ones();
            before
        };
        let before = words.iter().map(count).collect();
        Self { words, before }
    }

    /// How many members are smaller, if the number is a member itself.
    pub(crate) fn rank(&self, number: u32) -> Option<u32> {
        let word = self.words[number as usize / 64];
        let bit = 1u64 << (number % 64);
        let before = self.before[number as usize / 64];
        (word & bit != 0).then(|| before + (word & (bit - 1)).count_ones())
    }

    /// Number of members.
    pub(crate) fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        self.words.iter().for_each(|word| out.bytes(&word.to_le_bytes()));
    }

    pub(crate) fn read(from: &mut Reader<'_>, limit: usize) -> Result<Self, Damage> {
        let bytes = from.bytes(limit.div_ceil(64) * 8)?;
        let word = |w: &[u8]| u64::from_le_bytes(w.try_into().expect("8 bytes"));
        Ok(Self::from_words(bytes.chunks_exact(8).map(word).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_by_its_number() {
        let subset = Subset::new(256, [3u32, 64, 65, 200].into_iter());
        assert_eq!(subset.len(), 4);
        let found: Vec<_> = [3, 64, 65, 200, 4].map(|number| subset.rank(number)).into();
        assert_eq!(found, [Some(0), Some(1), Some(2), Some(3), None]);
    }
}
