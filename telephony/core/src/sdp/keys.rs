//! Keys of SRTP in a session description: `a=crypto` (RFC 4568).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use std::fmt;

/// How SRTP encrypts and signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES in counter mode, HMAC-SHA1 of 80 bits (RFC 4568 §6.2.1).
    AesCm80,
    /// The same, with 32 bits for RTP and 80 for RTCP (RFC 4568 §6.2.2).
    AesCm32,
    /// AES in Galois/counter mode (RFC 7714 §14.2).
    AeadGcm,
}

impl Suite {
    const EVERY: [Self; 3] = [Self::AesCm80, Self::AesCm32, Self::AeadGcm];

    /// The name in `a=crypto`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AeadGcm => "AEAD_AES_128_GCM",
        }
    }

    /// Bytes of master key and salt together.
    pub const fn master_bytes(self) -> usize {
        match self {
            Self::AesCm80 | Self::AesCm32 => 30,
            Self::AeadGcm => 28,
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name))
    }
}

/// A master key and its salt: 16 and 14 bytes, of which [`Suite::AeadGcm`] uses 12. **It never
/// prints itself.**
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MasterKey([u8; 30]);

impl MasterKey {
    /// Key and salt, made of randomness by the caller.
    pub const fn new(bytes: [u8; 30]) -> Self {
        Self(bytes)
    }

    /// The key and the salt.
    pub const fn bytes(&self) -> &[u8; 30] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// `a=crypto` with a suite and a key that we can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Crypto {
    /// By which an answer names the line that it takes.
    pub tag: u32,
    /// The suite.
    pub suite: Suite,
    /// The key with which the line's writer sends.
    pub key: MasterKey,
}

impl Crypto {
    /// Reads `1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^31`. `None` for what we could not honour: an
    /// unknown suite, several keys, a key identifier in each packet, session parameters that change
    /// the packets. Such a line counts as not written (RFC 4568 §5.1.2).
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut fields = value.split_whitespace();
        let (tag, suite, key) = (fields.next()?, fields.next()?, fields.next()?);
        let tag = tag.parse().ok().filter(|tag| *tag <= 999_999_999)?;
        let suite = Suite::named(suite)?;
        // The window for replays is the receiver's own affair; all else changes what is sent.
        if !fields.all(|parameter| parameter.starts_with("WSH=")) {
            return None;
        }
        let (method, inline) = key.split_once(':')?;
        let mut parts = inline.split('|');
        let key = parts.next().filter(|_| method.eq_ignore_ascii_case("inline"))?;
        // A lifetime is no shorter than any call; an identifier has a colon.
        if inline.contains(';') || parts.any(|part| part.contains(':')) {
            return None;
        }
        // Some phones leave the padding out.
        let read = STANDARD_NO_PAD.decode(key.trim_end_matches('=')).ok()?;
        let mut bytes = [0; 30];
        bytes.get_mut(..suite.master_bytes()).filter(|b| b.len() == read.len())?;
        bytes[..read.len()].copy_from_slice(&read);
        Some(Self { tag, suite, key: MasterKey(bytes) })
    }
}

impl fmt::Display for Crypto {
    /// The attribute's value, **with the key**: for a description alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode(&self.key.0[..self.suite.master_bytes()]);
        write!(f, "{} {} inline:{key}", self.tag, self.suite.name())
    }
}
