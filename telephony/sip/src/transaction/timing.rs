//! The timers of RFC 3261 table 4.

use qingting_common::Millis;
use std::time::Duration;

/// Estimate of a round trip.
pub const T1: Duration = Duration::from_millis(500);

/// Longest interval between retransmissions of non-INVITE requests and INVITE responses.
pub const T2: Duration = Duration::from_secs(4);

/// How long a message can stay in the network.
pub const T4: Duration = Duration::from_secs(5);

/// 64 × T1: timers B, F, H, J, L and M, and D, which must be at least 32 s.
pub const TIMEOUT: Duration = Duration::from_secs(32);

/// A provisional response is repeated this often, lest a proxy gives up (RFC 3261 §13.3.1.1).
pub const PROVISIONAL_REPEAT: Duration = Duration::from_secs(60);

/// Retransmission at intervals that double: timers A, E, G and that of a 2xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    at: Millis,
    interval: Duration,
    cap: Duration,
}

impl Backoff {
    /// First after T1, then at most `cap` apart.
    pub fn start(now: Millis, cap: Duration) -> Self {
        Self { at: now + T1, interval: T1, cap }
    }

    /// When the next retransmission is due.
    pub const fn at(&self) -> Millis {
        self.at
    }

    /// Whether the interval is over; then go on with [`Backoff::advance`].
    pub fn is_due(&self, now: Millis) -> bool {
        now >= self.at
    }

    /// Goes on to the next interval, which begins now.
    pub fn advance(&mut self, now: Millis) {
        self.interval = (self.interval * 2).min(self.cap);
        self.at = now + self.interval;
    }

    /// Timer E after a provisional response: T2 from its next end on (RFC 3261 §17.1.2.2).
    pub const fn slow_down(&mut self) {
        self.interval = self.cap;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_double_up_to_the_cap() {
        let mut backoff = Backoff::start(Millis(0), T2);
        let mut at = Vec::new();
        for _ in 0..6 {
            let due = backoff.at();
            assert!(!backoff.is_due(Millis(due.0 - 1)));
            assert!(backoff.is_due(due));
            backoff.advance(due);
            at.push(due.0);
        }
        assert_eq!(at, [500, 1_500, 3_500, 7_500, 11_500, 15_500]);
    }
}
