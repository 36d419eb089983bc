//! Nonces that need no memory until they are used.

use hmac::{Hmac, KeyInit, Mac};
use qingting_common::Millis;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// How long a nonce is good.
pub const NONCE_LIFE: Duration = Duration::from_secs(300);

/// Nonces in use whose counts are remembered, at most. Beyond, the oldest is forgotten **and
/// with it every one as old**: their users are asked again, no count is taken twice.
pub const NONCES_MAX: usize = 16_384;

/// Bytes of the keyed hash that a nonce carries.
const MAC_BYTES: usize = 16;

/// What a nonce is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// Ours, young, and the count is new. It is taken now.
    Good,
    /// Made by another process, too old, or the count was used before.
    Stale,
}

/// **A nonce is a time, a number and a keyed hash of both**; only those that led to a right
/// password take memory, so that strangers cannot fill it.
pub(super) struct Nonces {
    key: [u8; 32],
    made: u64,
    /// By time and number.
    used: BTreeMap<(u64, u64), Window>,
    /// Nonces as old as this that are not remembered are stale.
    floor: Option<u64>,
}

impl Nonces {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self { key, made: 0, used: BTreeMap::new(), floor: None }
    }

    /// A new nonce.
    pub(super) fn make(&mut self, now: Millis) -> String {
        self.made += 1;
        let body = format!("{:016x}{:016x}", now.0, self.made);
        let mac = hex::encode(self.mac(&body));
        body + &mac
    }

    /// Takes a count of a nonce, for a user who knew the password.
    pub(super) fn take(&mut self, now: Millis, nonce: &str, nc: u32) -> Worth {
        let Some((at, number)) = self.read(nonce) else { return Worth::Stale };
        let old = now.0.saturating_sub(at) > millis(NONCE_LIFE);
        let forgotten = !self.used.contains_key(&(at, number)) && Some(at) <= self.floor;
        if old || forgotten {
            return Worth::Stale;
        }
        self.forget_old(now);
        let window = self.used.entry((at, number)).or_default();
        if window.take(nc) { Worth::Good } else { Worth::Stale }
    }

    /// Time and number of a nonce that is ours.
    fn read(&self, nonce: &str) -> Option<(u64, u64)> {
        let (body, mac) = nonce.split_at_checked(32)?;
        let mac = hex::decode(mac).ok()?;
        if !bool::from(self.mac(body).ct_eq(&mac[..])) {
            return None;
        }
        let number = |text: &str| u64::from_str_radix(text, 16).ok();
        Some((number(&body[..16])?, number(&body[16..])?))
    }

    fn mac(&self, body: &str) -> [u8; MAC_BYTES] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any length of key is good");
        mac.update(body.as_bytes());
        let full = mac.finalize().into_bytes();
        let mut out = [0; MAC_BYTES];
        out.copy_from_slice(&full[..MAC_BYTES]);
        out
    }

    fn forget_old(&mut self, now: Millis) {
        while let Some((&(at, _), _)) = self.used.first_key_value() {
            let old = now.0.saturating_sub(at) > millis(NONCE_LIFE);
            if !old && self.used.len() < NONCES_MAX {
                break;
            }
            self.used.pop_first();
            self.floor = self.floor.max(Some(at));
        }
    }
}

const fn millis(duration: Duration) -> u64 {
    duration.as_secs() * 1_000
}

/// Counts that were seen: the highest, and which of the 63 before it.
#[derive(Default)]
struct Window {
    highest: u32,
    seen: u64,
}

impl Window {
    /// Requests that overtook each other are let in, none twice. 0 is no count.
    fn take(&mut self, nc: u32) -> bool {
        if nc > self.highest {
            self.seen = self.seen.checked_shl(nc - self.highest).unwrap_or(0) | 1;
            self.highest = nc;
            return true;
        }
        let bit = 1u64.checked_shl(self.highest - nc).unwrap_or(0);
        let new = nc > 0 && bit > 0 && self.seen & bit == 0;
        self.seen |= bit;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Millis = Millis(1_000_000);

    #[test]
    fn a_count_is_taken_once_in_any_order() {
        let mut nonces = Nonces::new([1; 32]);
        let nonce = nonces.make(T);
        let mut take = |nc| nonces.take(T, &nonce, nc) == Worth::Good;
        assert!(take(1) && take(0x0f) && take(0x10) && take(0xff) && take(0x100) && take(0x101));
        assert!(!take(0x100) && !take(0x10) && !take(0) && take(0xfe) && !take(0xfe));
        assert!(take(u32::MAX) && !take(u32::MAX) && take(u32::MAX - 63) && !take(u32::MAX - 64));
    }

    #[test]
    fn old_foreign_and_altered_ones_are_stale() {
        let mut nonces = Nonces::new([1; 32]);
        let nonce = nonces.make(T);
        let stale =
            |nonces: &mut Nonces, at, nonce: &str| nonces.take(at, nonce, 1) == Worth::Stale;
        assert!(stale(&mut Nonces::new([2; 32]), T, &nonce), "another process's");
        let later = format!("{:016x}{}", T.0 + 1, &nonce[16..]);
        for wrong in
            [later.as_str(), "", "x", &nonce[..63], &format!("{nonce}00"), "张三张三张三张三"]
        {
            assert!(stale(&mut nonces, T, wrong), "{wrong}");
        }
        assert!(stale(&mut nonces, T + NONCE_LIFE + Duration::from_millis(1), &nonce));
        assert!(!stale(&mut nonces, T + NONCE_LIFE, &nonce));
    }

    #[test]
    fn the_memory_is_bounded_and_what_it_forgets_is_stale() {
        let mut nonces = Nonces::new([1; 32]);
        let first = nonces.make(T);
        assert_eq!(nonces.take(T, &first, 1), Worth::Good);
        for at in 1..=NONCES_MAX as u64 {
            let nonce = nonces.make(Millis(T.0 + at));
            assert_eq!(nonces.take(Millis(T.0 + at), &nonce, 1), Worth::Good);
        }
        assert!(nonces.used.len() <= NONCES_MAX);
        assert_eq!(nonces.take(T, &first, 1), Worth::Stale, "not taken twice");
        assert_eq!(nonces.take(T, &first, 2), Worth::Stale);
    }
}
