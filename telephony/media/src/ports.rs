//! Pairs of ports for RTP (even) and RTCP (odd, RFC 3550 §11). A finished call's pair rests before
//! it is used again, so that no late packet of one citizen reaches another's call.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use qingting_common::Millis;

/// No pair is free; calls must be refused until one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "all RTP port pairs are in use or resting ({resting} resting): widen the port range or shorten the rest"
)]
pub struct PortsExhausted {
    /// Pairs that only wait for their rest to end.
    pub resting: usize,
}

/// The pairs of a range, named by their even port.
#[derive(Debug)]
pub struct PortPool {
    free: VecDeque<u16>,
    resting: VecDeque<(Millis, u16)>,
    rest: Duration,
}

impl PortPool {
    /// All pairs that lie wholly inside the range.
    pub fn new(range: RangeInclusive<u16>, rest: Duration) -> Self {
        let last = *range.end();
        let free = range.filter(|port| port % 2 == 0 && *port < last).collect();
        Self { free, resting: VecDeque::new(), rest }
    }

    /// The pair that has been unused for longest.
    pub fn take(&mut self, now: Millis) -> Result<u16, PortsExhausted> {
        while self.resting.front().is_some_and(|(since, _)| now >= *since + self.rest) {
            self.free.extend(self.resting.pop_front().map(|(_, port)| port));
        }
        self.free.pop_front().ok_or(PortsExhausted { resting: self.resting.len() })
    }

    /// Gives a pair back; its rest begins now.
    pub fn give_back(&mut self, now: Millis, port: u16) {
        self.resting.push_back((now, port));
    }

    /// Pairs that could be taken without waiting.
    pub fn free(&self, now: Millis) -> usize {
        // In the order in which they were given back, so the rested ones come first.
        let rested = self.resting.partition_point(|(since, _)| now >= *since + self.rest);
        self.free.len() + rested
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_pairs_are_given_and_exhaustion_is_a_value() {
        let mut pool = PortPool::new(10_001..=10_006, Duration::from_secs(5));
        assert_eq!(pool.take(Millis(0)), Ok(10_002));
        assert_eq!(pool.take(Millis(0)), Ok(10_004));
        assert_eq!(pool.take(Millis(0)), Err(PortsExhausted { resting: 0 }));
    }

    #[test]
    fn a_finished_calls_pair_rests_before_reuse() {
        let mut pool = PortPool::new(10_000..=10_001, Duration::from_secs(5));
        let port = pool.take(Millis(0)).unwrap();
        pool.give_back(Millis(1_000), port);
        assert_eq!(pool.take(Millis(5_999)), Err(PortsExhausted { resting: 1 }));
        assert_eq!((pool.free(Millis(5_999)), pool.free(Millis(6_000))), (0, 1));
        assert_eq!(pool.take(Millis(6_000)), Ok(port));
    }
}
