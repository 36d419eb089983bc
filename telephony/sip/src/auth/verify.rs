//! The side that asks for a password.

use super::Directory;
use super::algorithm::{Algorithm, Asked, Ha1};
use super::fields::{Fields, quoted};
use super::lockout::Lockout;
use super::nonce::{Nonces, Worth};
use crate::message::{HeaderName, Headers, Method, SipUri};
use crate::recent::source_of;
use qingting_common::Millis;
use std::net::IpAddr;
use subtle::ConstantTimeEq;

/// Longest user name.
pub const USER_BYTES_MAX: usize = 64;

/// Credentials of one request that are looked at.
const CREDENTIALS_MAX: usize = 4;

/// Hashed in place of what a stranger does not have.
const NOBODY: Ha1 = Ha1 { md5: [0x5a; 16], sha256: [0x5a; 32] };

/// What credentials are worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They are this user's.
    Authenticated(String),
    /// Ask (again).
    Challenge {
        /// The password was right, the nonce was not: no need to ask a human.
        stale: bool,
    },
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Right passwords.
    pub succeeded: u64,
    /// Wrong passwords and unknown users.
    pub failed: u64,
    /// Right passwords with an old nonce or a count that was used before.
    pub stale: u64,
    /// Requests of users or sources that had to wait.
    pub locked: u64,
}

/// **Checks digest credentials; equal inputs at equal times give equal answers.**
pub struct Verifier {
    realm: String,
    nonces: Nonces,
    lockout: Lockout,
    counts: Counts,
}

impl Verifier {
    /// A verifier whose nonces are made with a key that nobody else has.
    pub fn new(realm: &str, key: [u8; 32]) -> Self {
        let (nonces, lockout) = (Nonces::new(key), Lockout::new());
        Self { realm: realm.to_owned(), nonces, lockout, counts: Counts::default() }
    }

    /// Counters since the start.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// The fields of a 401, strongest algorithm first.
    pub fn challenge(
        &mut self,
        now: Millis,
        stale: bool,
        algorithms: &[Algorithm],
    ) -> Vec<(HeaderName, String)> {
        let (nonce, realm) = (self.nonces.make(now), quoted(&self.realm));
        let stale = if stale { ", stale=true" } else { "" };
        let field = |algorithm: Algorithm| {
            let name = HeaderName::Other("WWW-Authenticate".to_owned());
            let algorithm = algorithm.name();
            let value = format!(
                "Digest realm={realm}, nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}"
            );
            (name, value)
        };
        algorithms.iter().copied().map(field).collect()
    }

    /// Checks the Authorization fields of a request.
    pub fn verify(
        &mut self,
        now: Millis,
        directory: &dyn Directory,
        (method, uri): (&Method, &SipUri),
        headers: &Headers,
        source: IpAddr,
    ) -> Verdict {
        let asked = Verdict::Challenge { stale: false };
        let offered = headers.named("Authorization").take(CREDENTIALS_MAX);
        let ours = |fields: &Fields| fields.value("realm") == Some(self.realm.as_str());
        let Some(fields) = offered.filter_map(Fields::parse).find(ours) else { return asked };
        let Some(given) = Given::read(&fields, method, uri) else { return asked };
        let source = source_of(source);
        let known = directory.ha1(given.user);
        let right = given.asked.response(known.as_ref().unwrap_or(&NOBODY));
        let right = bool::from(right.ct_eq(&given.response)) & known.is_some();
        if self.lockout.is_locked(now, given.user, source) {
            self.counts.locked += 1;
            return asked;
        }
        if !right {
            self.counts.failed += 1;
            self.lockout.failed(now, given.user, known.is_some(), source);
            return asked;
        }
        self.lockout.succeeded(given.user, source);
        match self.nonces.take(now, given.asked.nonce, given.nc) {
            Worth::Good => {
                self.counts.succeeded += 1;
                self.lockout.let_in(given.user, source);
                Verdict::Authenticated(given.user.to_owned())
            }
            Worth::Stale => {
                self.counts.stale += 1;
                Verdict::Challenge { stale: true }
            }
        }
    }
}

/// Credentials that are complete.
struct Given<'a> {
    user: &'a str,
    nc: u32,
    response: Vec<u8>,
    asked: Asked<'a>,
}

impl<'a> Given<'a> {
    fn read(fields: &'a Fields, method: &'a Method, request_uri: &SipUri) -> Option<Self> {
        let value = |name| fields.value(name);
        let user = value("username").filter(|user| user.len() <= USER_BYTES_MAX)?;
        let (nc, uri) = (value("nc")?, value("uri")?);
        let hex_digits = nc.len() == 8 && nc.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !hex_digits || value("qop") != Some("auth") || !same_target(uri, request_uri) {
            return None;
        }
        let asked = Asked {
            algorithm: Algorithm::parse(value("algorithm"))?,
            nonce: value("nonce")?,
            nc,
            cnonce: value("cnonce")?,
            method: method.as_str(),
            uri,
        };
        let response = hex::decode(value("response")?).ok()?;
        Some(Self { user, nc: u32::from_str_radix(nc, 16).ok()?, response, asked })
    }
}

/// Whether credentials are for this request (RFC 7616 §3.4.6). Parameters are left out: proxies
/// add and take them.
fn same_target(text: &str, request_uri: &SipUri) -> bool {
    text.parse::<SipUri>().is_ok_and(|uri| {
        uri.scheme == request_uri.scheme
            && uri.user == request_uri.user
            && uri.host.eq_ignore_ascii_case(&request_uri.host)
            && uri.port == request_uri.port
    })
}
