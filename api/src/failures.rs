//! Wrong passwords: who tries many waits longer and longer.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Wrong passwords per address or extension and window that are answered at once. After them every
/// password of it is looked at late, the right one too: refusing it would let anybody behind the same
/// proxy lock the administrator out, and anybody at all a seat.
const PASSWORD_FAILURES_MAX: u32 = 10;
const PASSWORD_WINDOW_MS: i64 = 60_000;
/// How much later each further wrong password makes it, and how late at most.
const PASSWORD_DELAY_STEP: Duration = Duration::from_secs(1);
pub(crate) const PASSWORD_DELAY_MAX: Duration = Duration::from_secs(5);
/// Passwords of one address that wait at the same time; the next is refused with 429.
const PASSWORDS_WAITING_MAX: u32 = 8;
/// Addresses or extensions remembered; when full, the oldest window is forgotten.
const REMEMBERED_MAX: usize = 10_000;

/// Wrong passwords by address or by extension.
pub(crate) struct Failures<K>(Mutex<HashMap<K, Tries>>);

impl<K> Default for Failures<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[derive(Default)]
pub(crate) struct Tries {
    wrong: u32,
    since: i64,
    waiting: u32,
}

impl Tries {
    fn delay(&self, now: i64) -> Duration {
        let late = self.wrong.saturating_add(1).saturating_sub(PASSWORD_FAILURES_MAX);
        if now - self.since >= PASSWORD_WINDOW_MS {
            return Duration::ZERO;
        }
        PASSWORD_DELAY_STEP.saturating_mul(late).min(PASSWORD_DELAY_MAX)
    }
}

/// A password's turn to be looked at.
pub(crate) struct Turn<'a, K: Clone + Eq + Hash> {
    pub(crate) delay: Duration,
    /// Given back when it is over, also when the client goes away before.
    _place: Option<Place<'a, K>>,
}

struct Place<'a, K: Clone + Eq + Hash> {
    failures: &'a Failures<K>,
    of: K,
}

impl<K: Clone + Eq + Hash> Drop for Place<'_, K> {
    fn drop(&mut self) {
        if let Some(tries) = self.failures.lock().get_mut(&self.of) {
            tries.waiting = tries.waiting.saturating_sub(1);
        }
    }
}

impl<K: Clone + Eq + Hash> Failures<K> {
    /// When a password of that address is looked at; none when too many wait already.
    pub(crate) fn turn(&self, of: &K, now: i64) -> Option<Turn<'_, K>> {
        let at_once = Turn { delay: Duration::ZERO, _place: None };
        let mut failures = self.lock();
        let Some(tries) = failures.get_mut(of) else { return Some(at_once) };
        let delay = tries.delay(now);
        if delay.is_zero() {
            return Some(at_once);
        }
        if tries.waiting >= PASSWORDS_WAITING_MAX {
            return None;
        }
        tries.waiting += 1;
        Some(Turn { delay, _place: Some(Place { failures: self, of: of.clone() }) })
    }

    /// How late a password is looked at where nobody is ever refused: a stranger must not be able to
    /// keep all places of a seat taken.
    pub(crate) fn delay(&self, of: &K, now: i64) -> Duration {
        let failures = self.lock();
        failures.get(of).map_or(Duration::ZERO, |tries| tries.delay(now))
    }

    pub(crate) fn count(&self, of: &K, now: i64) {
        let mut failures = self.lock();
        if failures.len() >= REMEMBERED_MAX && !failures.contains_key(of) {
            let oldest = failures.iter().min_by_key(|(_, tries)| tries.since);
            let oldest = oldest.map(|(of, _)| of.clone());
            oldest.map(|of| failures.remove(&of));
        }
        let tries = failures.entry(of.clone()).or_insert(Tries { since: now, ..Tries::default() });
        if now - tries.since >= PASSWORD_WINDOW_MS {
            (tries.wrong, tries.since) = (0, now);
        }
        tries.wrong = tries.wrong.saturating_add(1);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<K, Tries>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    #[test]
    fn an_address_with_many_wrong_passwords_waits_longer_and_longer_within_a_window() {
        let failures = Failures::<IpAddr>::default();
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let delay = |now| failures.turn(&address, now).map(|turn| turn.delay);
        let mut delays = Vec::new();
        for _ in 0..PASSWORD_FAILURES_MAX + 6 {
            delays.push(delay(0).unwrap().as_secs());
            failures.count(&address, 0);
        }
        let late = &delays[PASSWORD_FAILURES_MAX as usize..];
        assert_eq!((delays[9], late), (0, &[1, 2, 3, 4, 5, 5][..]));
        assert_eq!(delay(PASSWORD_WINDOW_MS), Some(Duration::ZERO));
        let turns: Vec<_> =
            (0..PASSWORDS_WAITING_MAX).map(|_| failures.turn(&address, 1)).collect();
        assert!(turns.iter().all(Option::is_some) && failures.turn(&address, 1).is_none());
        drop(turns);
        assert!(failures.turn(&address, 1).is_some());
    }
}
