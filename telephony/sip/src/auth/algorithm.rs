//! The two hashes and what is computed with them.

use md5::Md5;
use sha2::{Digest, Sha256};
use std::fmt;

/// A hash of RFC 8760.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `SHA-256`.
    Sha256,
    /// `MD5`, for telephones that know nothing better.
    Md5,
}

impl Algorithm {
    /// The order in which they are offered (RFC 8760 §2.3).
    pub const STRONGEST_FIRST: [Self; 2] = [Self::Sha256, Self::Md5];

    /// The name in `algorithm=`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    /// The algorithm of a challenge or of credentials; a missing one is MD5 (RFC 7616 §3.3). The
    /// `-sess` variants are not spoken.
    pub fn parse(name: Option<&str>) -> Option<Self> {
        let Some(name) = name else { return Some(Self::Md5) };
        Self::STRONGEST_FIRST.into_iter().find(|known| known.name().eq_ignore_ascii_case(name))
    }

    /// The hash of texts joined by colons.
    pub(super) fn hash(self, parts: &[&str]) -> Vec<u8> {
        let text = parts.join(":");
        match self {
            Self::Sha256 => Sha256::digest(text).to_vec(),
            Self::Md5 => Md5::digest(text).to_vec(),
        }
    }

    /// The same in hexadecimal.
    pub(super) fn hex(self, parts: &[&str]) -> String {
        hex::encode(self.hash(parts))
    }
}

/// A user's name, realm and password, hashed. As good as the password itself for whoever has it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ha1 {
    /// MD5 of `user:realm:password`.
    pub md5: [u8; 16],
    /// SHA-256 of the same.
    pub sha256: [u8; 32],
}

impl Ha1 {
    /// Hashes a password.
    pub fn new(user: &str, realm: &str, password: &str) -> Self {
        let text = [user, realm, password].join(":");
        Self { md5: Md5::digest(&text).into(), sha256: Sha256::digest(&text).into() }
    }

    fn hex(&self, algorithm: Algorithm) -> String {
        match algorithm {
            Algorithm::Sha256 => hex::encode(self.sha256),
            Algorithm::Md5 => hex::encode(self.md5),
        }
    }
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(<redacted>)")
    }
}

/// What a digest response is made of, beside the secret.
pub(super) struct Asked<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) nonce: &'a str,
    /// As written: eight hexadecimal digits.
    pub(super) nc: &'a str,
    pub(super) cnonce: &'a str,
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
}

impl Asked<'_> {
    /// The response with `qop=auth` (RFC 7616 §3.4.1).
    pub(super) fn response(&self, ha1: &Ha1) -> Vec<u8> {
        let ha2 = self.algorithm.hex(&[self.method, self.uri]);
        let secret = ha1.hex(self.algorithm);
        self.algorithm.hash(&[&secret, self.nonce, self.nc, self.cnonce, "auth", &ha2])
    }

    /// The response to a peer of RFC 2069 (§2.1.2), which offers no `qop`.
    pub(super) fn old_response(&self, ha1: &Ha1) -> Vec<u8> {
        let ha2 = self.algorithm.hex(&[self.method, self.uri]);
        self.algorithm.hash(&[&ha1.hex(self.algorithm), self.nonce, &ha2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 §3.9.1.
    #[test]
    fn the_examples_of_the_rfc() {
        let ha1 = Ha1::new("Mufasa", "http-auth@example.org", "Circle of Life");
        let response = |algorithm| {
            let asked = Asked {
                algorithm,
                nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
                nc: "00000001",
                cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
                method: "GET",
                uri: "/dir/index.html",
            };
            hex::encode(asked.response(&ha1))
        };
        assert_eq!(response(Algorithm::Md5), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            response(Algorithm::Sha256),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    #[test]
    fn names() {
        assert_eq!(Algorithm::parse(None), Some(Algorithm::Md5));
        assert_eq!(Algorithm::parse(Some("sha-256")), Some(Algorithm::Sha256));
        assert_eq!(Algorithm::parse(Some("MD5-sess")), None);
        assert_eq!(format!("{:?}", Ha1::new("a", "b", "c")), "Ha1(<redacted>)");
    }
}
