//! Digest authentication (RFC 7616, RFC 8760 for SIP), without I/O: SHA-256 and MD5, `qop=auth`.
//!
//! **Whoever is not let in learns nothing from it**: an unknown user, a wrong password and a user
//! who is locked out get the same answer for the same work.

mod algorithm;
mod client;
mod fields;
mod lockout;
mod nonce;
mod verify;

pub use algorithm::{Algorithm, Ha1};
pub use client::{Answerer, Credentials};
pub use lockout::{
    PAIR_FAILURES_FREE, SOURCE_FAILURES_FREE, USER_FAILURES_FREE_MAX, USER_WAIT_MAX, WAIT_MAX,
};
pub use nonce::{NONCE_LIFE, NONCES_MAX};
pub use verify::{Counts, USER_BYTES_MAX, Verdict, Verifier};

/// Who may register and call as a user. Asked on the endpoint's own task: it must answer from
/// memory.
pub trait Directory: Send + Sync {
    /// What a user's password hashes to; `None` for a stranger.
    fn ha1(&self, user: &str) -> Option<Ha1>;
}
