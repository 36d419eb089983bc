//! One second of a recording, sealed.

use crate::ChainHead;
use crate::header::Opened;
use crate::keys;
use crate::marks::TickMap;
use aes_gcm::{Aes256Gcm, KeyInit};
use sha2::{Digest, Sha256};

/// Where the samples begin, which is where a silence ends.
pub(crate) const AUDIO_AT: usize = MAP_AT + 16;
/// Where the tag lies.
pub(crate) const TAG_AT: usize = 12;
pub(crate) const TAG_BYTES: usize = 16;
const MAP_AT: usize = TAG_AT + TAG_BYTES;

/// What a chunk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Audio = 1,
    /// Only a map.
    Silence = 2,
}

/// The data key at work, and what all that it seals is bound to.
pub(crate) struct Sealer {
    chunks: Aes256Gcm,
    pub(crate) trailer: Aes256Gcm,
    pub(crate) header_hash: [u8; 32],
}

/// A tag that the next chunk is bound to.
pub(crate) type Tag = [u8; TAG_BYTES];

impl Sealer {
    pub(crate) fn new(opened: &Opened) -> Self {
        // A key of its own: a trailer may be sealed by somebody who does not know how many
        // sealings a killed writer had got to.
        let trailer = Sha256::new()
            .chain_update(b"qingting-recording trailer key")
            .chain_update(&opened.data_key[..])
            .finalize();
        Self {
            chunks: Aes256Gcm::new((&*opened.data_key).into()),
            trailer: Aes256Gcm::new(&<[u8; 32]>::from(trailer).into()),
            header_hash: opened.hash,
        }
    }

    /// What a chunk, or with the number of chunks the trailer, is bound to.
    pub(crate) fn aad(&self, index: u64, before: &Tag) -> [u8; 56] {
        let mut aad = [0; 56];
        aad[..32].copy_from_slice(&self.header_hash);
        aad[32..40].copy_from_slice(&index.to_le_bytes());
        aad[40..].copy_from_slice(before);
        aad
    }

    /// Seals a chunk in place: its map and, when there are any, its samples from [`AUDIO_AT`] on.
    /// **`sealing` must never have been used with this recording.**
    pub(crate) fn seal(
        &self,
        chunk: &mut [u8],
        kind: Kind,
        sealing: u64,
        index: u64,
        before: &Tag,
    ) -> Tag {
        let (head, text) = chunk.split_at_mut(MAP_AT);
        let (nonce, tag) = head.split_at_mut(TAG_AT);
        nonce[..4].copy_from_slice(&[kind as u8, 0, 0, 0]);
        nonce[4..].copy_from_slice(&sealing.to_le_bytes());
        let sealed = keys::seal(&self.chunks, nonce, &self.aad(index, before), text);
        tag.copy_from_slice(&sealed);
        sealed
    }

    /// Opens a chunk in place; the samples of a silence become zeros. `None` when it is not the
    /// chunk that was sealed for this place.
    pub(crate) fn open(&self, chunk: &mut [u8], index: u64, before: &Tag) -> Option<Kind> {
        let kind = kind(chunk)?;
        let (head, text) = chunk.split_at_mut(MAP_AT);
        let (nonce, tag) = head.split_at(TAG_AT);
        let length = if kind == Kind::Audio { text.len() } else { AUDIO_AT - MAP_AT };
        let (sealed, rest) = text.split_at_mut(length);
        if !keys::open(&self.chunks, nonce, &self.aad(index, before), sealed, tag) {
            return None;
        }
        rest.fill(0);
        Some(kind)
    }
}

/// The kind of a chunk, sealed or open, that may be anything.
pub(crate) fn kind(chunk: &[u8]) -> Option<Kind> {
    match chunk.first_chunk()? {
        [1, 0, 0, 0] => Some(Kind::Audio),
        [2, 0, 0, 0] => Some(Kind::Silence),
        _ => None,
    }
}

/// The map of an open chunk.
pub(crate) fn map(chunk: &[u8]) -> TickMap {
    let mut map = [0; AUDIO_AT - MAP_AT];
    map.copy_from_slice(&chunk[MAP_AT..AUDIO_AT]);
    TickMap(map)
}

/// Puts a map into a chunk that is not sealed yet.
pub(crate) fn put_map(chunk: &mut [u8], map: &TickMap) {
    chunk[MAP_AT..AUDIO_AT].copy_from_slice(&map.0);
}

/// The chain's head after a sealed chunk: all of audio, or a silence up to [`AUDIO_AT`].
pub(crate) fn head_after(head: &ChainHead, sealed: &[u8]) -> ChainHead {
    ChainHead(Sha256::new().chain_update(head.0).chain_update(sealed).finalize().into())
}
