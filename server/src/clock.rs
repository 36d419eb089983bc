//! The clocks of the binary: the only place of this crate that reads one.

use qingting_common::{Millis, UnixMillis};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time since the process's part that owns it began.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// Starts at zero.
    #[allow(clippy::disallowed_methods, reason = "the crate's monotonic clock")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn now(&self) -> Millis {
        Millis(u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// The moment at which [`Clock::now`] will be `at`.
    pub fn instant(&self, at: Millis) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.0 + std::time::Duration::from_millis(at.0))
    }
}

/// Wall-clock time; zero on a machine whose clock is before 1970.
#[allow(clippy::disallowed_methods, reason = "the crate's wall clock")]
pub fn unix_now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The same in nanoseconds, for what takes less than a millisecond.
#[allow(clippy::disallowed_methods, reason = "the crate's wall clock")]
pub fn unix_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
