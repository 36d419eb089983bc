//! SRTP and SRTCP (RFC 3711, RFC 7714): protecting and reading packets in the caller's buffers.
//! **No packet allocates.**
//!
//! Ours rather than the `rtc-srtp` crate's: that one returns a new buffer for every packet and
//! keeps a map of sources without a bound, on a thread that must not allocate. Tests hold both
//! against each other.

mod cipher;
mod derive;
mod receive;
mod replay;
mod send;

pub use receive::Receiver;
pub use send::Sender;

use std::fmt;

/// Bytes by which a protected packet is longer at most: an authentication tag of 16 bytes, and for
/// RTCP the index word.
pub const GROWTH_BYTES_MAX: usize = 20;

/// How packets are encrypted and signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// AES-128 in counter mode, HMAC-SHA1 of 80 bits.
    AesCm80,
    /// The same, with 32 bits for RTP and 80 for RTCP (RFC 4568 §6.2.2).
    AesCm32,
    /// AES-128 in Galois/counter mode.
    AeadGcm128,
    /// AES-256 in Galois/counter mode.
    AeadGcm256,
}

impl Profile {
    /// Bytes of the master key.
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::AesCm80 | Self::AesCm32 | Self::AeadGcm128 => 16,
            Self::AeadGcm256 => 32,
        }
    }

    /// Bytes of the master salt.
    pub const fn salt_bytes(self) -> usize {
        match self {
            Self::AesCm80 | Self::AesCm32 => 14,
            Self::AeadGcm128 | Self::AeadGcm256 => 12,
        }
    }
}

/// A master key and salt with the profile that they are for. **They never print themselves.**
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    profile: Profile,
    key: [u8; 32],
    salt: [u8; 14],
}

impl Keys {
    /// Takes as much of `key` and `salt` as the profile needs; `None` when one is too short.
    pub fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Option<Self> {
        let mut keys = Self { profile, key: [0; 32], salt: [0; 14] };
        let (key_bytes, salt_bytes) = (profile.key_bytes(), profile.salt_bytes());
        keys.key[..key_bytes].copy_from_slice(key.get(..key_bytes)?);
        keys.salt[..salt_bytes].copy_from_slice(salt.get(..salt_bytes)?);
        Some(keys)
    }

    /// The profile.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// Whether both make the same session keys, be it for other tags.
    fn are_of(&self, other: &Self) -> bool {
        (self.key, self.salt) == (other.key, other.salt)
    }

    fn key(&self) -> &[u8] {
        &self.key[..self.profile.key_bytes()]
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} <redacted>", self.profile)
    }
}

/// Why a packet was not protected or not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SrtpError {
    /// Not a packet, or shorter than its own header and tag.
    #[error("SRTP packet is cut short")]
    Short,
    /// The buffer has no room for what protection adds.
    #[error("the buffer has no room for the tag")]
    NoRoom,
    /// The tag does not fit: made with other keys, or changed on the way.
    #[error("SRTP packet is not authentic")]
    Forged,
    /// Came before, or is too old to tell.
    #[error("SRTP packet came before")]
    Replayed,
    /// Sent already, or every index of the keys is used up (RFC 3711 §9.2).
    #[error("the keys have no index for this packet")]
    Index,
}

/// Length of the header of an RTP packet with its sources and extension, which stays readable.
fn rtp_header_bytes(packet: &[u8]) -> Result<usize, SrtpError> {
    let first = packet.first().filter(|first| **first >> 6 == 2).ok_or(SrtpError::Short)?;
    let mut length = crate::rtp::HEADER_BYTES + usize::from(first & 0x0f) * 4;
    if first & 0x10 != 0 {
        let words = packet.get(length + 2..length + 4).ok_or(SrtpError::Short)?;
        length += 4 + usize::from(u16::from_be_bytes([words[0], words[1]])) * 4;
    }
    if packet.len() < length { Err(SrtpError::Short) } else { Ok(length) }
}

fn be_u32(bytes: &[u8], at: usize) -> Result<u32, SrtpError> {
    let four = bytes.get(at..).and_then(|rest| rest.first_chunk()).ok_or(SrtpError::Short)?;
    Ok(u32::from_be_bytes(*four))
}

fn be_u16(bytes: &[u8], at: usize) -> Result<u16, SrtpError> {
    let two = bytes.get(at..).and_then(|rest| rest.first_chunk()).ok_or(SrtpError::Short)?;
    Ok(u16::from_be_bytes(*two))
}
