//! The only place of this example that reads a clock; the crate itself reads none.

use std::time::Instant;

/// Now.
#[expect(clippy::disallowed_methods, reason = "a measurement, not the product")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
