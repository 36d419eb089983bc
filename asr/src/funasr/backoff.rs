//! When a server that could not be reached is tried again.

use std::time::Duration;

const WAIT_MS_MIN: u64 = 500;
/// No longer: each try costs little, and until it succeeds there are no captions.
const WAIT_MS_MAX: u64 = 5_000;

/// Failed tries in a row. Times are the caller's, in ms.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    retry_at_ms: u64,
}

impl Backoff {
    /// Whether the server may be tried now; otherwise in how long.
    pub(super) fn may_try(&self, now_ms: u64) -> Result<(), Duration> {
        match self.retry_at_ms.saturating_sub(now_ms) {
            0 => Ok(()),
            wait_ms => Err(Duration::from_millis(wait_ms)),
        }
    }

    /// A try failed. Tries that were made at the same time count once.
    pub(super) fn fail(&mut self, now_ms: u64) {
        if self.may_try(now_ms).is_ok() {
            let wait_ms = WAIT_MS_MIN << self.failures.min(16);
            self.failures = self.failures.saturating_add(1);
            self.retry_at_ms = now_ms + wait_ms.min(WAIT_MS_MAX);
        }
    }

    /// A try succeeded; says whether the server had been away.
    pub(super) fn succeed(&mut self) -> bool {
        std::mem::take(self).failures > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_seconds_and_end_with_a_success() {
        let (mut backoff, mut now_ms, mut waits) = (Backoff::default(), 1_000, Vec::new());
        for _ in 0..6 {
            assert!(backoff.may_try(now_ms).is_ok());
            backoff.fail(now_ms);
            backoff.fail(now_ms);
            let wait = backoff.may_try(now_ms).unwrap_err();
            waits.push(wait.as_millis());
            now_ms += wait.as_millis() as u64;
        }
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 5_000, 5_000]);
        assert!(backoff.succeed());
        assert!(!backoff.succeed());
        assert!(backoff.may_try(0).is_ok());
    }
}
