//! A token bucket.

use qingting_common::Millis;

/// Tokens of one bucket, in thousandths.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    thousandths: u64,
    at: Millis,
}

/// How fast a bucket fills and how much it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) per_s: u32,
    pub(super) burst: u32,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn full(now: Millis, rate: Rate) -> Self {
        Self { thousandths: u64::from(rate.burst) * 1_000, at: now }
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&mut self, now: Millis, rate: Rate) -> bool {
        // A rate per second is as many thousandths a millisecond.
        let gained = now.0.saturating_sub(self.at.0).saturating_mul(rate.per_s.into());
        self.at = now;
        self.thousandths =
            self.thousandths.saturating_add(gained).min(u64::from(rate.burst) * 1_000);
        let enough = self.thousandths >= 1_000;
        if enough {
            self.thousandths -= 1_000;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let rate = Rate { per_s: 3, burst: 5 };
        let mut bucket = Bucket::full(Millis(0), rate);
        let mut taken = |at| (0..50).filter(|_| bucket.take(Millis(at), rate)).count();
        assert_eq!((taken(0), taken(0), taken(1_000), taken(1_333), taken(1_334)), (5, 0, 3, 0, 1));
        assert_eq!(taken(100_000), 5);
        let never = Rate { per_s: 0, burst: 1 };
        let mut bucket = Bucket::full(Millis(0), never);
        assert!(bucket.take(Millis(0), never) && !bucket.take(Millis(u64::MAX), never));
    }
}
