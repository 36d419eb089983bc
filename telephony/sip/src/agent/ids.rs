//! Tags, branches and jitter from a seed.

use crate::message::{HeaderName, Headers, Via};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A seeded source of ids. Its generator is a cipher: a stranger who sees some ids cannot tell
/// the others, and so cannot forge a request within a dialog.
pub(super) struct Ids {
    rng: StdRng,
    /// Mixed into tags of responses without state.
    secret: u64,
    calls: u64,
}

impl Ids {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let secret = rng.random();
        Self { rng, secret, calls: 0 }
    }

    /// A tag: 64 random bits.
    pub(super) fn tag(&mut self) -> String {
        format!("{:016x}", self.rng.random::<u64>())
    }

    /// A branch of RFC 3261 (§8.1.1.7).
    pub(super) fn branch(&mut self) -> String {
        format!("z9hG4bK{:016x}", self.rng.random::<u64>())
    }

    /// The next incoming call: even numbers, the odd ones are for outgoing calls.
    pub(super) fn call(&mut self) -> u64 {
        self.calls += 2;
        self.calls
    }

    /// The first RSeq of an INVITE (RFC 3262 §3).
    pub(super) fn rseq(&mut self) -> u32 {
        self.rng.random_range(1..1 << 30)
    }

    /// Whole seconds in a range, so that refused peers do not come back all at once.
    pub(super) fn jitter_s(&mut self, from: u32, to: u32) -> u32 {
        self.rng.random_range(from..=to)
    }

    /// The tag of a response without state: equal for retransmissions (RFC 3261 §8.2.7).
    pub(super) fn stateless_tag(&self, via: &Via, headers: &Headers) -> String {
        let mut hasher = DefaultHasher::new();
        self.secret.hash(&mut hasher);
        via.params.value("branch").hash(&mut hasher);
        headers.first(&HeaderName::CallId).hash(&mut hasher);
        headers.first(&HeaderName::From).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}
