//! The clocks of the media threads: the only place of this crate that reads one.

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::time::Instant;

const NS_PER_S: u64 = 1_000_000_000;

/// Nanoseconds of the monotonic clock.
pub(crate) fn monotonic_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// Nanoseconds since 1970, the clock of kernel receive timestamps.
pub(crate) fn unix_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Realtime))
}

/// The present, for a library that counts in instants.
#[allow(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// Sleeps until a moment of the monotonic clock. An interrupted sleep ends early.
pub(crate) fn sleep_until(monotonic_ns: u64) {
    let until = Timespec {
        tv_sec: i64::try_from(monotonic_ns / NS_PER_S).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(monotonic_ns % NS_PER_S).unwrap_or(0),
    };
    // A signal handler may cut the sleep short; the loop reads the clock again anyway.
    let _ = rustix::thread::clock_nanosleep_absolute(ClockId::Monotonic, &until);
}

fn nanoseconds(time: Timespec) -> u64 {
    let (s, ns) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    s.unwrap_or(0) * NS_PER_S + ns.unwrap_or(0)
}
