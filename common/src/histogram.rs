//! Values counted by size, as Prometheus has histograms.

use std::sync::atomic::{AtomicU64, Ordering};

/// Parts of a unit in which sums are kept.
const PER_UNIT: f64 = 1e6;

/// Counts values by upper bounds, each inclusive; what is above the last one is counted, too. Shared freely.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    bounds: [f64; N],
    counts: [AtomicU64; N],
    above: AtomicU64,
    sum_parts: AtomicU64,
}

/// A histogram at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Upper bounds with how many values are at most that large, of all before as well.
    pub at_most: Vec<(f64, u64)>,
    /// Values in all.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
}

impl<const N: usize> Histogram<N> {
    /// Nothing is counted yet. Bounds grow.
    pub const fn new(bounds: [f64; N]) -> Self {
        let counts = [const { AtomicU64::new(0) }; N];
        Self { bounds, counts, above: AtomicU64::new(0), sum_parts: AtomicU64::new(0) }
    }

    /// Counts a value; one below zero counts as zero, one that is no number not at all.
    pub fn record(&self, value: f64) {
        if value.is_nan() {
            return;
        }
        let value = value.max(0.0);
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        let count = self.counts.get(bucket).unwrap_or(&self.above);
        count.fetch_add(1, Ordering::Relaxed);
        self.sum_parts.fetch_add((value * PER_UNIT) as u64, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn snapshot(&self) -> Snapshot {
        let mut count = 0;
        let mut at_most = Vec::with_capacity(N);
        for (bound, of) in self.bounds.iter().zip(&self.counts) {
            count += of.load(Ordering::Relaxed);
            at_most.push((*bound, count));
        }
        count += self.above.load(Ordering::Relaxed);
        let sum = self.sum_parts.load(Ordering::Relaxed) as f64 / PER_UNIT;
        Snapshot { at_most, count, sum }
    }
}

impl Snapshot {
    /// The bound that this share of all values is at most; none without values or when it lies beyond the last bound.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = (self.count as f64 * share).ceil().max(1.0) as u64;
        self.at_most.iter().find(|(_, count)| *count >= wanted).map(|(bound, _)| *bound)
    }

    /// What was counted since an earlier moment of the same histogram.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let both = self.at_most.iter().zip(&before.at_most);
        let at_most = both.map(|((bound, now), (_, then))| (*bound, now - then)).collect();
        Self { at_most, count: self.count - before.count, sum: self.sum - before.sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_at_its_bound_and_at_all_above() {
        let histogram = Histogram::new([0.1, 1.0]);
        for value in [0.05, 0.1, 0.5, 2.0, -1.0, f64::NAN] {
            histogram.record(value);
        }
        let is = histogram.snapshot();
        assert_eq!(is.at_most, [(0.1, 3), (1.0, 4)]);
        assert_eq!(is.count, 5);
        assert!((is.sum - 2.65).abs() < 1e-6, "{}", is.sum);
    }

    #[test]
    fn quantiles_are_bounds_and_counts_go_on() {
        let histogram = Histogram::new([0.00005, 0.001, 0.1]);
        assert_eq!(histogram.snapshot().quantile(0.5), None);
        histogram.record(0.0009);
        let before = histogram.snapshot();
        for _ in 0..98 {
            histogram.record(0.00004);
        }
        histogram.record(0.0009);
        histogram.record(0.2);
        let since = histogram.snapshot().since(&before);
        assert_eq!((since.count, since.at_most[1].1), (100, 99));
        assert_eq!(since.quantile(0.5), Some(0.00005));
        assert_eq!(since.quantile(0.99), Some(0.001));
        assert_eq!(since.quantile(1.0), None);
    }
}
