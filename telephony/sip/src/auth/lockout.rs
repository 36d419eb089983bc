//! Guessing passwords gets slower with every wrong one.

use crate::recent::Recent;
use qingting_common::Millis;
use std::net::IpAddr;
use std::time::Duration;

/// Wrong passwords for one user from one source before the first wait.
pub const PAIR_FAILURES_FREE: u32 = 5;

/// Wrong passwords from one source for whatever users before the first wait. An office behind one
/// address has many seats.
pub const SOURCE_FAILURES_FREE: u32 = 30;

/// The first wait; each further wrong password doubles it.
const WAIT_FIRST: Duration = Duration::from_secs(2);

/// The longest wait.
pub const WAIT_MAX: Duration = Duration::from_secs(300);

/// Failures are forgotten when none came for so long.
const FORGET_AFTER: Duration = Duration::from_secs(900);

/// Pairs, and sources, that are remembered at most.
const ENTRIES_MAX: usize = 8_192;

/// Who failed and how often.
pub(super) struct Lockout {
    pairs: Recent<(String, IpAddr), Failures>,
    sources: Recent<IpAddr, Failures>,
}

#[derive(Clone, Copy, Default)]
struct Failures {
    count: u32,
    last: Millis,
    until: Millis,
}

impl Failures {
    fn note(&mut self, now: Millis, free: u32) {
        if now - self.last > FORGET_AFTER {
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        self.last = now;
        if let Some(beyond) = self.count.checked_sub(free + 1) {
            self.until = now + (WAIT_FIRST * (1 << beyond.min(16))).min(WAIT_MAX);
        }
    }
}

impl Lockout {
    pub(super) fn new() -> Self {
        Self { pairs: Recent::new(ENTRIES_MAX), sources: Recent::new(ENTRIES_MAX) }
    }

    /// Whether a user's password is not even considered from a source now.
    pub(super) fn is_locked(&self, now: Millis, user: &str, source: IpAddr) -> bool {
        let waits = |failures: Option<&Failures>| failures.is_some_and(|it| now < it.until);
        waits(self.pairs.peek(&(user.to_owned(), source))) || waits(self.sources.peek(&source))
    }

    pub(super) fn failed(&mut self, now: Millis, user: &str, source: IpAddr) {
        let pair = (user.to_owned(), source);
        self.pairs.touch(&pair, Failures::default).note(now, PAIR_FAILURES_FREE);
        self.sources.touch(&source, Failures::default).note(now, SOURCE_FAILURES_FREE);
    }

    /// A right password clears its own pair alone: who has an account does not get to guess at
    /// others for ever.
    pub(super) fn succeeded(&mut self, user: &str, source: IpAddr) {
        self.pairs.remove(&(user.to_owned(), source));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const T: Millis = Millis(1_000_000);

    #[test]
    fn waits_double_up_to_the_cap() {
        let (mut lockout, mut now, mut waits) = (Lockout::new(), T, Vec::new());
        for _ in 0..16 {
            lockout.failed(now, "a", HERE);
            let begin = now;
            while lockout.is_locked(now, "a", HERE) {
                now = now + Duration::from_secs(1);
            }
            waits.push((now - begin).as_secs());
        }
        assert_eq!(waits[..5], [0; 5]);
        assert_eq!(waits[5..], [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert!(!lockout.is_locked(T, "b", HERE));
    }

    #[test]
    fn a_source_that_tries_many_users_waits_for_all() {
        let mut lockout = Lockout::new();
        for user in 0..=SOURCE_FAILURES_FREE {
            assert!(!lockout.is_locked(T, "mine", HERE));
            lockout.failed(T, &user.to_string(), HERE);
        }
        lockout.succeeded("mine", HERE);
        assert!(lockout.is_locked(T, "mine", HERE));
        assert!(!lockout.is_locked(T, "mine", "192.0.2.2".parse().unwrap()));
    }

    #[test]
    fn failures_are_forgotten() {
        let mut lockout = Lockout::new();
        (0..PAIR_FAILURES_FREE).for_each(|_| lockout.failed(T, "a", HERE));
        let later = T + FORGET_AFTER + Duration::from_secs(1);
        lockout.failed(later, "a", HERE);
        assert!(!lockout.is_locked(later, "a", HERE));
    }
}
