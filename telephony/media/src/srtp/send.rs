//! Protecting what we send.

use super::cipher::{Cipher, Place};
use super::derive::Protocol;
use super::replay::nearest;
use super::{Keys, SrtpError, be_u16, be_u32, rtp_header_bytes};

/// Packets of one source that the keys may protect (RFC 3711 §9.2): 2^48 of RTP, 2^31 of RTCP.
const RTP_INDEX_END: u64 = 1 << 48;
const RTCP_INDEX_END: u32 = 1 << 31;

/// The sending half of a stream with one source. **No index is used twice**: two packets under one
/// key stream would show both.
pub struct Sender {
    keys: Keys,
    rtp: Cipher,
    rtcp: Cipher,
    last: Option<Place>,
    next_rtcp_index: u32,
}

impl Sender {
    /// Sends with `keys`.
    pub fn new(keys: Keys) -> Self {
        let cipher = |protocol| Cipher::new(&keys, protocol);
        let (rtp, rtcp) = (cipher(Protocol::Rtp), cipher(Protocol::Rtcp));
        Self { keys, rtp, rtcp, last: None, next_rtcp_index: 0 }
    }

    /// The keys that it sends with.
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Goes over to `keys`. The same key under another profile goes on counting: an index counts for
    /// the key, whatever the tag.
    pub fn rekey(&mut self, keys: Keys) {
        let (last, next_rtcp_index) = match keys.are_of(&self.keys) {
            true => (self.last, self.next_rtcp_index),
            false => (None, 0),
        };
        *self = Self { last, next_rtcp_index, ..Self::new(keys) };
    }

    /// Protects the RTP packet in the first `length` bytes of `buffer`; the protected packet's
    /// length.
    ///
    /// # Errors
    /// When the sequence number is not behind the last one's, and when the tag has no room.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SrtpError> {
        let (packet, tag) = split(buffer, length, self.rtp.tag_bytes())?;
        let header_bytes = rtp_header_bytes(packet)?;
        let (sequence, ssrc) = (be_u16(packet, 2)?, be_u32(packet, 8)?);
        let before = self.last.filter(|last| last.ssrc == ssrc).map(|last| last.index);
        let index = nearest(before, sequence);
        if before.is_some_and(|before| index <= before) || index >= RTP_INDEX_END {
            return Err(SrtpError::Index);
        }
        let place = Place { ssrc, index };
        self.last = Some(place);
        let rollovers = ((index >> 16) as u32).to_be_bytes();
        let (header, body) = packet.split_at_mut(header_bytes);
        let made = self.rtp.seal(place, header, body, &rollovers)?;
        tag.copy_from_slice(&made[..tag.len()]);
        Ok(length + tag.len())
    }

    /// Protects the compound RTCP packet in the first `length` bytes of `buffer`; the protected
    /// packet's length.
    ///
    /// # Errors
    /// When the keys are used up, and when index and tag have no room.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, SrtpError> {
        let tag_bytes = self.rtcp.tag_bytes();
        let (packet, added) = split(buffer, length, 4 + tag_bytes)?;
        if packet.len() < 8 {
            return Err(SrtpError::Short);
        }
        let index = self.next_rtcp_index;
        if index >= RTCP_INDEX_END {
            return Err(SrtpError::Index);
        }
        self.next_rtcp_index += 1;
        let place = Place { ssrc: be_u32(packet, 4)?, index: index.into() };
        // The highest bit says that the packet is encrypted.
        let word = (1 << 31 | index).to_be_bytes();
        let (header, body) = packet.split_at_mut(8);
        let made = self.rtcp.seal(place, header, body, &word)?;
        let (word_to, tag_to) = if self.rtcp.is_aead() {
            let (tag, word) = added.split_at_mut(tag_bytes);
            (word, tag)
        } else {
            added.split_at_mut(4)
        };
        word_to.copy_from_slice(&word);
        tag_to.copy_from_slice(&made[..tag_bytes]);
        Ok(length + 4 + tag_bytes)
    }
}

/// The packet and the bytes behind it.
fn split(
    buffer: &mut [u8],
    length: usize,
    added: usize,
) -> Result<(&mut [u8], &mut [u8]), SrtpError> {
    let (packet, rest) = buffer.split_at_mut_checked(length).ok_or(SrtpError::Short)?;
    Ok((packet, rest.get_mut(..added).ok_or(SrtpError::NoRoom)?))
}
