//! How often somebody may ask: each key, session or password, and each address for what is open to everyone.
//!
//! The generic cell rate algorithm (ITU-T I.371 annex A, as a virtual schedule): one number for each who asks,
//! the time at which all that it has asked so far is paid for.

use crate::problem::Problem;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use qingting_common::UnixMillis;
use qingting_common::limits::{
    MASKED_NUMBERS_PER_HOUR, REQUESTS_AT_ONCE, REQUESTS_PER_SECOND, STRANGERS_REQUESTS_AT_ONCE,
    STRANGERS_REQUESTS_PER_SECOND,
};
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const HOUR_US: i64 = 3_600_000_000;
/// Who asked is remembered until it is paid for; when so many are, the one that owes least is forgotten.
const REMEMBERED_MAX: usize = 10_000;

/// A rate and how much of it may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests per second, on average; at least 1.
    pub per_second: u32,
    /// Requests at once, after a time without any; at least 1.
    pub at_once: u32,
}

/// The limits of an interface and what was asked of it. Clones share it.
#[derive(Clone)]
pub struct Rates {
    known: Arc<Budget<String>>,
    strangers: Arc<Budget<IpAddr>>,
    masked_numbers: Arc<Budget<String>>,
}

impl Default for Rates {
    fn default() -> Self {
        let known = Rate { per_second: REQUESTS_PER_SECOND, at_once: REQUESTS_AT_ONCE };
        let strangers =
            Rate { per_second: STRANGERS_REQUESTS_PER_SECOND, at_once: STRANGERS_REQUESTS_AT_ONCE };
        Self::new(known, strangers)
    }
}

impl Rates {
    /// `known` for each key, session or password, `strangers` for each address without any.
    pub fn new(known: Rate, strangers: Rate) -> Self {
        let masked_numbers =
            Budget::of(HOUR_US / i64::from(MASKED_NUMBERS_PER_HOUR), MASKED_NUMBERS_PER_HOUR);
        Self {
            known: Arc::new(Budget::new(known)),
            strangers: Arc::new(Budget::new(strangers)),
            masked_numbers: Arc::new(masked_numbers),
        }
    }

    /// Counts a whole number that somebody looks for who sees numbers masked, or says how long to wait.
    pub(crate) fn masked_number(&self, name: &str, now: UnixMillis) -> Result<(), Duration> {
        self.masked_numbers.take(name.to_owned(), now)
    }

    /// Counts a request of somebody who has proved who it is.
    pub(crate) fn known(&self, name: &str, now: UnixMillis) -> Result<(), Box<Response>> {
        self.known.take(name.to_owned(), now).map_err(too_many)
    }

    /// Counts a request of somebody who has proved nothing.
    pub(crate) fn stranger(&self, address: IpAddr, now: UnixMillis) -> Result<(), Box<Response>> {
        self.strangers.take(household(address), now).map_err(too_many)
    }
}

/// One subscriber has a whole /64 of IPv6 addresses (RFC 6177).
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(own) => match own.to_ipv4_mapped() {
            Some(own) => IpAddr::V4(own),
            None => IpAddr::V6(Ipv6Addr::from_bits(own.to_bits() & !u128::from(u64::MAX))),
        },
    }
}

fn too_many(wait: Duration) -> Box<Response> {
    let seconds = wait.as_millis().div_ceil(1_000).max(1);
    let detail = format!("too many requests: wait {seconds} s");
    let mut response = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).into_response();
    let seconds = HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX));
    response.headers_mut().insert(RETRY_AFTER, seconds);
    Box::new(response)
}

/// When all is paid for that each has asked, in microseconds since 1970.
struct Budget<K> {
    cost_us: i64,
    at_once: i64,
    paid: Mutex<HashMap<K, i64>>,
}

impl<K: Clone + Eq + Hash> Budget<K> {
    fn new(rate: Rate) -> Self {
        Self::of(1_000_000 / i64::from(rate.per_second.max(1)), rate.at_once.max(1))
    }

    fn of(cost_us: i64, at_once: u32) -> Self {
        Self { cost_us, at_once: i64::from(at_once), paid: Mutex::default() }
    }

    /// Counts a request, or says how long to wait; what is refused is not counted.
    fn take(&self, of: K, now: UnixMillis) -> Result<(), Duration> {
        let now = now.0.saturating_mul(1_000);
        let owed_max = self.cost_us.saturating_mul(self.at_once);
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        if paid.len() >= REMEMBERED_MAX && !paid.contains_key(&of) {
            forget(&mut paid, now);
        }
        let at = paid.entry(of).or_insert(now);
        // A clock that was set back must not shut anybody out.
        *at = (*at).clamp(now, now.saturating_add(owed_max));
        let next = at.saturating_add(self.cost_us);
        let late = next - now - owed_max;
        if late > 0 {
            return Err(Duration::from_micros(late.unsigned_abs()));
        }
        *at = next;
        Ok(())
    }
}

fn forget<K: Clone + Eq + Hash>(paid: &mut HashMap<K, i64>, now: i64) {
    paid.retain(|_, at| *at > now);
    if paid.len() < REMEMBERED_MAX {
        return;
    }
    let least = paid.iter().min_by_key(|(_, at)| **at).map(|(of, _)| of.clone());
    least.map(|of| paid.remove(&of));
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 10, at_once: 3 };

    fn budget() -> Budget<u32> {
        Budget::new(RATE)
    }

    #[test]
    fn so_many_come_at_once_and_then_one_for_each_part_of_a_second() {
        let budget = budget();
        let at = |ms| budget.take(1, UnixMillis(ms));
        assert!((0..3).all(|_| at(1_000).is_ok()));
        assert_eq!(at(1_000), Err(Duration::from_millis(100)));
        assert_eq!(at(1_060), Err(Duration::from_millis(40)), "what is refused costs nothing");
        assert_eq!((at(1_100), at(1_100)), (Ok(()), Err(Duration::from_millis(100))));
        assert!(budget.take(2, UnixMillis(1_100)).is_ok(), "another one");
        assert!((0..3).all(|_| at(9_000).is_ok()));
        assert!(at(9_000).is_err(), "no more than that is saved up");
    }

    #[test]
    fn a_clock_that_is_set_back_shuts_nobody_out() {
        let budget = budget();
        assert!((0..3).all(|_| budget.take(1, UnixMillis(1_000_000)).is_ok()));
        assert_eq!(budget.take(1, UnixMillis(0)), Err(Duration::from_millis(100)));
        assert!(budget.take(1, UnixMillis(100)).is_ok());
    }

    #[test]
    fn strangers_fill_no_memory() {
        let budget = budget();
        for of in 0..3 * REMEMBERED_MAX as u32 {
            assert!(budget.take(of, UnixMillis(1_000)).is_ok());
        }
        assert_eq!(budget.paid.lock().unwrap().len(), REMEMBERED_MAX);
        assert!(budget.take(u32::MAX, UnixMillis(9_000)).is_ok());
        assert_eq!(budget.paid.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_subscriber_is_one_whatever_address_it_takes() {
        let of = |text: &str| household(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(
            (of("::ffff:192.0.2.1"), of("192.0.2.1")),
            ("192.0.2.1".into(), of("192.0.2.1"))
        );
    }
}
