//! How late the media threads' ticks are.

use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds of the histogram's buckets, in microseconds; one more bucket holds the rest.
pub const BOUNDS_US: [u64; 16] = [
    50, 100, 200, 300, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 7_500, 10_000, 20_000, 50_000,
    100_000,
];

/// Counts ticks by lateness. Shared by all shards.
#[derive(Debug, Default)]
pub(crate) struct Lateness {
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Lateness {
    pub(crate) fn record(&self, late_ns: u64) {
        let us = late_ns / 1_000;
        let bucket = BOUNDS_US.partition_point(|bound| *bound < us);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> LatenessSnapshot {
        LatenessSnapshot {
            buckets: std::array::from_fn(|index| self.buckets[index].load(Ordering::Relaxed)),
            sum_us: self.sum_us.load(Ordering::Relaxed),
        }
    }
}

/// The histogram at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatenessSnapshot {
    /// Ticks for each of [`BOUNDS_US`], and those later still.
    pub buckets: [u64; BOUNDS_US.len() + 1],
    /// Sum of all lateness, in microseconds.
    pub sum_us: u64,
}

impl LatenessSnapshot {
    /// Ticks in all.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The upper bound, in microseconds, of the bucket that holds this share of all ticks;
    /// `None` without ticks or when it lies beyond the last bound.
    pub fn quantile_us(&self, share: f64) -> Option<u64> {
        let wanted = (self.count() as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        BOUNDS_US.get(bucket).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_bucket_bounds() {
        let lateness = Lateness::default();
        for _ in 0..98 {
            lateness.record(40_000);
        }
        lateness.record(900_000);
        lateness.record(200_000_000);
        let snapshot = lateness.snapshot();
        assert_eq!(snapshot.count(), 100);
        assert_eq!(snapshot.quantile_us(0.5), Some(50));
        assert_eq!(snapshot.quantile_us(0.99), Some(1_000));
        assert_eq!(snapshot.quantile_us(1.0), None);
    }
}
