//! Deadlines: the only place of this crate that reads a clock.

use std::time::{Duration, Instant};

/// How often a state that tells nobody is looked at.
const POLL: Duration = Duration::from_millis(5);

/// A moment after which a test stops waiting.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// That long from now.
    pub fn after(wait: Duration) -> Self {
        Self(now() + wait)
    }

    /// What is left, zero once it has passed.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(now())
    }

    /// Whether it has passed.
    pub fn passed(self) -> bool {
        self.left().is_zero()
    }

    /// Looks until there is something to see. `None` when the deadline passes first.
    pub fn poll<T>(self, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        loop {
            if let Some(seen) = look() {
                return Some(seen);
            }
            if self.passed() {
                return None;
            }
            std::thread::sleep(POLL.min(self.left()));
        }
    }
}

/// Measures time from its making.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self(now())
    }

    /// Time since the start.
    pub fn elapsed(self) -> Duration {
        now().saturating_duration_since(self.0)
    }

    /// Sleeps until that long after the start: the pace of media.
    pub fn sleep_until(self, since_start: Duration) {
        std::thread::sleep(since_start.saturating_sub(self.elapsed()));
    }
}

#[allow(clippy::disallowed_methods, reason = "the clock module of the tests")]
fn now() -> Instant {
    Instant::now()
}

/// Seconds since 1970, as tokens have them.
#[allow(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn unix_seconds() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}
