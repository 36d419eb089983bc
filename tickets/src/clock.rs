//! The only place in this crate that reads a clock: until when an answer counts.

use std::time::{Duration, Instant};

/// The end of a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    #[allow(clippy::disallowed_methods, reason = "the clock module of this crate's client")]
    pub(crate) fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// What is left; none when it is over.
    #[allow(clippy::disallowed_methods, reason = "the clock module of this crate's client")]
    pub(crate) fn left(self) -> Option<Duration> {
        self.0.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}
