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

/// Wrong passwords for one user, from all sources together that never gave its right one, before the first wait of
/// such sources. Where the user has been let in before it waits for nobody's guesses but that place's own.
pub const USER_FAILURES_FREE_MAX: u32 = 20;

/// The longest wait of sources that are new to a user: its telephone may have moved.
pub const USER_WAIT_MAX: Duration = Duration::from_secs(60);

/// The first wait; each further wrong password doubles it.
const WAIT_FIRST: Duration = Duration::from_secs(2);

/// The longest wait.
pub const WAIT_MAX: Duration = Duration::from_secs(300);

/// Failures are forgotten when none came for so long.
const FORGET_AFTER: Duration = Duration::from_secs(900);

/// Pairs of both kinds, sources, and users that are remembered at most, each.
const ENTRIES_MAX: usize = 8_192;

/// Who failed and how often.
pub(super) struct Lockout {
    pairs: Recent<(String, IpAddr), Failures>,
    sources: Recent<IpAddr, Failures>,
    /// By sources that are new to the user. Users that there are alone: nobody learns anything of the
    /// others, and made-up names would push these out.
    users: Recent<String, Failures>,
    /// Where each user has been let in.
    places: Recent<(String, IpAddr), ()>,
}

#[derive(Clone, Copy, Default)]
struct Failures {
    count: u32,
    last: Millis,
    until: Millis,
}

impl Failures {
    fn note(&mut self, now: Millis, free: u32, wait_max: Duration) {
        if now - self.last > FORGET_AFTER {
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        self.last = now;
        if let Some(beyond) = self.count.checked_sub(free + 1) {
            self.until = now + (WAIT_FIRST * (1 << beyond.min(16))).min(wait_max);
        }
    }
}

impl Lockout {
    pub(super) fn new() -> Self {
        Self {
            pairs: Recent::new(ENTRIES_MAX),
            sources: Recent::new(ENTRIES_MAX),
            users: Recent::new(ENTRIES_MAX),
            places: Recent::new(ENTRIES_MAX),
        }
    }

    /// Whether a user's password is not even considered from a source now.
    pub(super) fn is_locked(&self, now: Millis, user: &str, source: IpAddr) -> bool {
        let waits = |failures: Option<&Failures>| failures.is_some_and(|it| now < it.until);
        let pair = (user.to_owned(), source);
        let is_new = self.places.peek(&pair).is_none();
        waits(self.pairs.peek(&pair))
            || waits(self.sources.peek(&source))
            || (is_new && waits(self.users.peek(&pair.0)))
    }

    /// A wrong password; `is_user`: for a user that there is.
    pub(super) fn failed(&mut self, now: Millis, user: &str, is_user: bool, source: IpAddr) {
        let pair = (user.to_owned(), source);
        let of_pair = self.pairs.touch(&pair, Failures::default);
        of_pair.note(now, PAIR_FAILURES_FREE, WAIT_MAX);
        let of_source = self.sources.touch(&source, Failures::default);
        of_source.note(now, SOURCE_FAILURES_FREE, WAIT_MAX);
        if self.places.peek(&pair).is_none() {
            // The same work whether or not there is such a user.
            let user = if is_user { pair.0 } else { String::new() };
            let of_user = self.users.touch(&user, Failures::default);
            of_user.note(now, USER_FAILURES_FREE_MAX, USER_WAIT_MAX);
        }
    }

    /// A right password clears its own pair alone: who has an account does not get to guess at
    /// others for ever.
    pub(super) fn succeeded(&mut self, user: &str, source: IpAddr) {
        self.pairs.remove(&(user.to_owned(), source));
    }

    /// A user is let in, with a nonce that counts: whoever repeats what it heard is none.
    pub(super) fn let_in(&mut self, user: &str, source: IpAddr) {
        self.places.touch(&(user.to_owned(), source), || ());
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
            lockout.failed(now, "a", true, HERE);
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
            lockout.failed(T, &user.to_string(), true, HERE);
        }
        lockout.succeeded("mine", HERE);
        assert!(lockout.is_locked(T, "mine", HERE));
        assert!(!lockout.is_locked(T, "mine", "192.0.2.2".parse().unwrap()));
    }

    fn place(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(0xcb00_7100 + number).into()
    }

    #[test]
    fn who_guesses_from_many_places_waits_and_the_owner_at_its_own_does_not() {
        let mut lockout = Lockout::new();
        lockout.let_in("a", HERE);
        let looked_at = (0..10_000).filter(|number| {
            let (from, now) = (place(number / 4), T + Duration::from_millis(u64::from(*number)));
            let is_locked = lockout.is_locked(now, "a", from);
            if !is_locked {
                lockout.failed(now, "a", true, from);
            }
            !is_locked
        });
        // In ten seconds: the free ones and one more, then one after 2 s and one after 4 s more.
        assert_eq!(looked_at.count(), 20 + 1 + 2);
        let now = T + Duration::from_secs(10);
        assert!(lockout.is_locked(now, "a", place(9_999)), "whoever is new");
        assert!(!lockout.is_locked(now, "b", place(9_999)), "another user");
        assert!(!lockout.is_locked(now, "a", HERE), "the owner");
        // Its own wrong ones count for its place alone, and it never waits longer than it did.
        (0..=PAIR_FAILURES_FREE).for_each(|_| lockout.failed(now, "a", true, HERE));
        assert!(lockout.is_locked(now, "a", HERE));
        let later = now + USER_WAIT_MAX;
        assert!(!lockout.is_locked(later, "a", HERE) && !lockout.is_locked(later, "a", place(0)));
    }

    #[test]
    fn names_of_nobody_push_out_no_user() {
        let mut lockout = Lockout::new();
        (0..=USER_FAILURES_FREE_MAX).for_each(|n| lockout.failed(T, "a", true, place(n)));
        let wrong = u32::try_from(ENTRIES_MAX).unwrap() * 2;
        (0..wrong).for_each(|n| lockout.failed(T, &n.to_string(), false, place(n)));
        assert!(lockout.is_locked(T, "a", place(wrong)));
        assert!(!lockout.is_locked(T, &wrong.to_string(), place(wrong)));
    }

    #[test]
    fn failures_are_forgotten() {
        let mut lockout = Lockout::new();
        (0..PAIR_FAILURES_FREE).for_each(|_| lockout.failed(T, "a", true, HERE));
        let later = T + FORGET_AFTER + Duration::from_secs(1);
        lockout.failed(later, "a", true, HERE);
        assert!(!lockout.is_locked(later, "a", HERE));
    }
}
