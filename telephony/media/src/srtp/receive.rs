//! Reading what the peer protected.

use super::cipher::{Cipher, Place};
use super::derive::Protocol;
use super::replay::Window;
use super::{Keys, SrtpError, be_u16, be_u32, rtp_header_bytes};

/// Sources of one peer that are remembered. Only who has the keys adds one; the one that was silent
/// longest makes room.
const SOURCES_MAX: usize = 16;

/// The receiving half of a stream: **what it gives out was made with the keys, is unchanged, and
/// comes once.**
pub struct Receiver {
    keys: Keys,
    rtp: Cipher,
    rtcp: Cipher,
    sources: [Option<Source>; SOURCES_MAX],
    /// Counts authentic packets.
    clock: u64,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    ssrc: u32,
    rtp: Window,
    rtcp: Window,
    heard: u64,
}

impl Receiver {
    /// Takes what was made with `keys`.
    pub fn new(keys: Keys) -> Self {
        let cipher = |protocol| Cipher::new(&keys, protocol);
        let (rtp, rtcp) = (cipher(Protocol::Rtp), cipher(Protocol::Rtcp));
        Self { keys, rtp, rtcp, sources: [None; SOURCES_MAX], clock: 0 }
    }

    /// The keys that it takes.
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Goes over to `keys`. What came under the same key stays known, whatever the profile.
    pub fn rekey(&mut self, keys: Keys) {
        let sources = match keys.are_of(&self.keys) {
            true => self.sources,
            false => [None; SOURCES_MAX],
        };
        *self = Self { sources, clock: self.clock, ..Self::new(keys) };
    }

    /// Reads a protected RTP packet in place; the plain packet's length.
    ///
    /// # Errors
    /// What is not the peer's or came before; `packet` is then anything.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let header_bytes = rtp_header_bytes(packet)?;
        let (sequence, ssrc) = (be_u16(packet, 2)?, be_u32(packet, 8)?);
        let length = packet.len().checked_sub(self.rtp.tag_bytes()).ok_or(SrtpError::Short)?;
        if length < header_bytes {
            return Err(SrtpError::Short);
        }
        let mut source = self.source(ssrc);
        let index = source.rtp.index_of(sequence);
        source.rtp.check(index)?;
        let (plain, tag) = packet.split_at_mut(length);
        let (header, body) = plain.split_at_mut(header_bytes);
        let rollovers = ((index >> 16) as u32).to_be_bytes();
        self.rtp.open(Place { ssrc, index }, header, body, &rollovers, tag)?;
        source.rtp.accept(index);
        self.remember(source);
        Ok(length)
    }

    /// Reads a protected compound RTCP packet in place; the plain packet's length.
    ///
    /// # Errors
    /// What is not the peer's, is not encrypted or came before; `packet` is then anything.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let tag_bytes = self.rtcp.tag_bytes();
        let length = packet.len().checked_sub(4 + tag_bytes).ok_or(SrtpError::Short)?;
        if length < 8 {
            return Err(SrtpError::Short);
        }
        let ssrc = be_u32(packet, 4)?;
        let aead = self.rtcp.is_aead();
        let word = be_u32(packet, if aead { length + tag_bytes } else { length })?;
        // Every suite that is agreed encrypts RTCP.
        if word >> 31 == 0 {
            return Err(SrtpError::Forged);
        }
        let index = u64::from(word & !(1 << 31));
        let mut source = self.source(ssrc);
        source.rtcp.check(index)?;
        let (plain, rest) = packet.split_at_mut(length);
        let tag = if aead { &rest[..tag_bytes] } else { &rest[4..] };
        let (header, body) = plain.split_at_mut(8);
        let place = Place { ssrc, index };
        self.rtcp.open(place, header, body, &word.to_be_bytes(), tag)?;
        source.rtcp.accept(index);
        self.remember(source);
        Ok(length)
    }

    fn source(&self, ssrc: u32) -> Source {
        let known = self.sources.iter().flatten().find(|source| source.ssrc == ssrc);
        let unheard = Source { ssrc, rtp: Window::default(), rtcp: Window::default(), heard: 0 };
        known.copied().unwrap_or(unheard)
    }

    fn remember(&mut self, source: Source) {
        self.clock += 1;
        let place_of = |slot: &Option<Source>| match slot {
            Some(known) if known.ssrc == source.ssrc => (0, 0),
            None => (1, 0),
            Some(known) => (2, known.heard),
        };
        if let Some(slot) = self.sources.iter_mut().min_by_key(|slot| place_of(slot)) {
            *slot = Some(Source { heard: self.clock, ..source });
        }
    }
}
