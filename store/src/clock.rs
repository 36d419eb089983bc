//! The only place in this crate that reads the wall clock.

use qingting_common::UnixMillis;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now; zero on a machine whose clock is before 1970.
#[allow(clippy::disallowed_methods, reason = "the clock module of this driver crate")]
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
