//! The session keys of one direction of one protocol.

use super::derive::{Label, Protocol, derive};
use super::{Keys, Profile, SrtpError};
use aes::Aes128Enc;
use aes::cipher::consts::{U12, U16};
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use hmac::{Hmac, Mac};
use sha1::Sha1;

const GCM_TAG_BYTES: usize = 16;

pub(super) struct Cipher {
    kind: Kind,
    protocol: Protocol,
    salt: [u8; 14],
}

#[allow(clippy::large_enum_variant, reason = "made in place, once for each leg and direction")]
enum Kind {
    Cm { aes: Aes128Enc, mac: Hmac<Sha1>, tag_bytes: usize },
    Gcm128(Aes128Gcm),
    Gcm256(Aes256Gcm),
}

/// What makes the key stream of a packet its own: source and index (48 bits for RTP, 31 for RTCP).
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) ssrc: u32,
    pub(super) index: u64,
}

impl Cipher {
    pub(super) fn new(keys: &Keys, protocol: Protocol) -> Self {
        let short = keys.profile() == Profile::AesCm32 && matches!(protocol, Protocol::Rtp);
        let kind = match keys.profile() {
            Profile::AesCm80 | Profile::AesCm32 => {
                let authentication: [u8; 20] = derive(keys, protocol, Label::Authentication);
                let mac = Hmac::new_from_slice(&authentication).expect("HMAC takes any length");
                let key: [u8; 16] = derive(keys, protocol, Label::Cipher);
                let tag_bytes = if short { 4 } else { 10 };
                Kind::Cm { aes: Aes128Enc::new(&key.into()), mac, tag_bytes }
            }
            Profile::AeadGcm128 => {
                let key: [u8; 16] = derive(keys, protocol, Label::Cipher);
                Kind::Gcm128(Aes128Gcm::new(&key.into()))
            }
            Profile::AeadGcm256 => {
                let key: [u8; 32] = derive(keys, protocol, Label::Cipher);
                Kind::Gcm256(Aes256Gcm::new(&key.into()))
            }
        };
        let mut salt: [u8; 14] = derive(keys, protocol, Label::Salt);
        salt[keys.profile().salt_bytes()..].fill(0);
        Self { kind, protocol, salt }
    }

    pub(super) const fn tag_bytes(&self) -> usize {
        match &self.kind {
            Kind::Cm { tag_bytes, .. } => *tag_bytes,
            Kind::Gcm128(_) | Kind::Gcm256(_) => GCM_TAG_BYTES,
        }
    }

    /// Whether the tag follows directly upon what is encrypted (RFC 7714 §9.1), rather than upon
    /// all that is authentic.
    pub(super) const fn is_aead(&self) -> bool {
        !matches!(self.kind, Kind::Cm { .. })
    }

    /// Encrypts `body` and gives the tag over `header`, `body` and `trailer`, which the peer knows.
    pub(super) fn seal(
        &self,
        place: Place,
        header: &[u8],
        body: &mut [u8],
        trailer: &[u8],
    ) -> Result<[u8; GCM_TAG_BYTES], SrtpError> {
        match &self.kind {
            Kind::Cm { aes, mac, .. } => {
                counter_mode(aes, self.counter(place), body);
                let signed = mac.clone().chain_update(header).chain_update(&*body);
                let signature = signed.chain_update(trailer).finalize().into_bytes();
                let mut tag = [0; GCM_TAG_BYTES];
                tag.copy_from_slice(&signature[..GCM_TAG_BYTES]);
                Ok(tag)
            }
            Kind::Gcm128(gcm) => self.seal_gcm(gcm, place, header, body, trailer),
            Kind::Gcm256(gcm) => self.seal_gcm(gcm, place, header, body, trailer),
        }
    }

    /// Checks the tag and decrypts `body`. What is not authentic is not read; `body` is then
    /// anything.
    pub(super) fn open(
        &self,
        place: Place,
        header: &[u8],
        body: &mut [u8],
        trailer: &[u8],
        tag: &[u8],
    ) -> Result<(), SrtpError> {
        match &self.kind {
            Kind::Cm { aes, mac, .. } => {
                let signed = mac.clone().chain_update(header).chain_update(&*body);
                let checked = signed.chain_update(trailer).verify_truncated_left(tag);
                checked.map_err(|_| SrtpError::Forged)?;
                counter_mode(aes, self.counter(place), body);
                Ok(())
            }
            Kind::Gcm128(gcm) => self.open_gcm(gcm, place, header, body, trailer, tag),
            Kind::Gcm256(gcm) => self.open_gcm(gcm, place, header, body, trailer, tag),
        }
    }

    /// RFC 3711 §4.1.1: salt, source and index; the last two bytes count blocks.
    fn counter(&self, place: Place) -> [u8; 16] {
        let mut block = [0; 16];
        block[..14].copy_from_slice(&self.salt);
        xor(&mut block[4..8], &place.ssrc.to_be_bytes());
        xor(&mut block[8..14], &place.index.to_be_bytes()[2..]);
        block
    }

    /// RFC 7714 §8.1 and §9.1: the same at other places.
    fn nonce(&self, place: Place) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&self.salt[..12]);
        xor(&mut nonce[2..6], &place.ssrc.to_be_bytes());
        xor(&mut nonce[6..12], &place.index.to_be_bytes()[2..]);
        nonce
    }

    fn seal_gcm<G: AeadInOut<NonceSize = U12, TagSize = U16>>(
        &self,
        gcm: &G,
        place: Place,
        header: &[u8],
        body: &mut [u8],
        trailer: &[u8],
    ) -> Result<[u8; GCM_TAG_BYTES], SrtpError> {
        let known = Known::of(self.protocol, header, trailer)?;
        let nonce = self.nonce(place).into();
        let sealed = gcm.encrypt_inout_detached(&nonce, known.bytes(), body.into());
        // It fails for lengths that no datagram has.
        sealed.map(Into::into).map_err(|_| SrtpError::NoRoom)
    }

    fn open_gcm<G: AeadInOut<NonceSize = U12, TagSize = U16>>(
        &self,
        gcm: &G,
        place: Place,
        header: &[u8],
        body: &mut [u8],
        trailer: &[u8],
        tag: &[u8],
    ) -> Result<(), SrtpError> {
        let known = Known::of(self.protocol, header, trailer)?;
        let tag: [u8; GCM_TAG_BYTES] = tag.try_into().map_err(|_| SrtpError::Short)?;
        let nonce = self.nonce(place).into();
        let opened = gcm.decrypt_inout_detached(&nonce, known.bytes(), body.into(), &tag.into());
        opened.map_err(|_| SrtpError::Forged)
    }
}

/// What is signed and not encrypted (RFC 7714 §8.2, §9.2): the header of an RTP packet, whose nonce
/// holds the rollover counter already; the header and the index word of an RTCP packet.
enum Known<'a> {
    Rtp(&'a [u8]),
    Rtcp([u8; 12]),
}

impl<'a> Known<'a> {
    fn of(protocol: Protocol, header: &'a [u8], trailer: &[u8]) -> Result<Self, SrtpError> {
        if matches!(protocol, Protocol::Rtp) {
            return Ok(Self::Rtp(header));
        }
        let mut known = [0; 12];
        known[..8].copy_from_slice(header.get(..8).ok_or(SrtpError::Short)?);
        known[8..].copy_from_slice(trailer.get(..4).ok_or(SrtpError::Short)?);
        Ok(Self::Rtcp(known))
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Rtp(header) => header,
            Self::Rtcp(known) => known,
        }
    }
}

/// AES in counter mode from `block` on, whose last two bytes count.
pub(super) fn counter_mode(
    aes: &impl BlockCipherEncrypt<BlockSize = U16>,
    block: [u8; 16],
    bytes: &mut [u8],
) {
    /// Encrypted at once, so that the processor works on several.
    const BLOCKS: usize = 8;
    let mut count = 0_u16;
    for chunk in bytes.chunks_mut(16 * BLOCKS) {
        let mut stream = [Array::from(block); BLOCKS];
        for block in &mut stream {
            xor(&mut block[14..], &count.to_be_bytes());
            count = count.wrapping_add(1);
        }
        aes.encrypt_blocks(&mut stream);
        for (bytes, block) in chunk.chunks_mut(16).zip(&stream) {
            xor(bytes, block);
        }
    }
}

fn xor(into: &mut [u8], with: &[u8]) {
    into.iter_mut().zip(with).for_each(|(a, b)| *a ^= b);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3711, appendix B.2.
    #[test]
    fn the_key_stream_is_that_of_the_standard() {
        let aes = Aes128Enc::new(&0x2B7E151628AED2A6ABF7158809CF4F3C_u128.to_be_bytes().into());
        let block = 0xF0F1F2F3F4F5F6F7F8F9FAFBFCFD0000_u128.to_be_bytes();
        let mut stream = vec![0; 0xff02 * 16];
        counter_mode(&aes, block, &mut stream);
        let at = |index: usize| u128::from_be_bytes(stream[index * 16..][..16].try_into().unwrap());
        assert_eq!(at(0), 0xE03EAD0935C95E80E166B16DD92B4EB4);
        assert_eq!(at(1), 0xD23513162B02D0F72A43A2FE4A5F97AB);
        assert_eq!(at(2), 0x41E95B3BB0A2E8DD477901E4FCA894C0);
        assert_eq!(at(0xfeff), 0xEC8CDF7398607CB0F2D21675EA9EA1E4);
        assert_eq!(at(0xff00), 0x362B7C3C6773516318A077D7FC5073AE);
        assert_eq!(at(0xff01), 0x6A2CC3787889374FBEB4C81B17BA6C44);
    }
}
