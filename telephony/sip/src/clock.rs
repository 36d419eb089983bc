//! The only place of this crate that reads a clock.

use qingting_common::{Millis, UnixMillis};
use tokio::time::Instant;

/// The time of day, for what is told to people.
#[allow(clippy::disallowed_methods, reason = "the clock module")]
pub(crate) fn unix_now() -> UnixMillis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixMillis(i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX))
}

/// Monotonic time since the clock was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// Starts at zero.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Milliseconds since the start.
    pub(crate) fn now(self) -> Millis {
        Millis(u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// When the clock will show this time; a time that is past is due at once.
    pub(crate) fn instant(self, at: Millis) -> Instant {
        self.0 + std::time::Duration::from_millis(at.0)
    }
}
