//! The only place of this crate that reads a clock.

use qingting_common::{Millis, UnixMillis};
use std::sync::OnceLock;
use std::time::{Instant, SystemTime};

/// Milliseconds since the first call of this function in the process.
pub fn now() -> Millis {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    let now = instant();
    let origin = *ORIGIN.get_or_init(|| now);
    Millis(u64::try_from(now.saturating_duration_since(origin).as_millis()).unwrap_or(u64::MAX))
}

/// The monotonic clock.
#[allow(clippy::disallowed_methods, reason = "this is the clock")]
pub fn instant() -> Instant {
    Instant::now()
}

/// The wall clock.
#[allow(clippy::disallowed_methods, reason = "this is the clock")]
pub fn unix() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
