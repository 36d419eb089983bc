//! The head of the file: what it is, and its data key, wrapped.

use crate::error::{Error, Part};
use crate::keys::{KEY_BYTES, KeyId, MasterKeys};
use crate::{CHUNK_SAMPLES, CHUNKS_MAX};
use qingting_common::limits::{SAMPLES_PER_TICK, TELEPHONE_RATE_HZ};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;
use zeroize::Zeroizing;

/// What never changes: hashed, and bound to everything in the file.
pub(crate) const FIXED_BYTES: usize = 48;
/// Key id, nonce, wrapped key and tag.
pub(crate) const KEY_SLOT_BYTES: usize = 68;
/// Fixed part and two key slots.
pub(crate) const HEADER_BYTES: usize = FIXED_BYTES + 2 * KEY_SLOT_BYTES;

const MAGIC: &[u8; 8] = b"QTREC\r\n\x1a";
const VERSION: u16 = 1;
const SIGNED_16_BITS: u8 = 1;

/// Names a recording, also to its own file: a chunk of another is refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordingId(pub [u8; 16]);

impl fmt::Debug for RecordingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordingId({})", hex::encode(self.0))
    }
}

/// How many voices a recording keeps apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// One.
    Mono = 1,
    /// Left and right, interleaved.
    Stereo = 2,
}

impl Channels {
    /// Bytes of one sample of all channels.
    pub const fn frame_bytes(self) -> usize {
        self as usize * size_of::<i16>()
    }
}

/// The fixed part of a header, parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fixed {
    pub(crate) channels: Channels,
    pub(crate) id: RecordingId,
}

impl Fixed {
    fn to_bytes(self) -> [u8; FIXED_BYTES] {
        let mut out = [0; FIXED_BYTES];
        out[0..8].copy_from_slice(MAGIC);
        out[8..10].copy_from_slice(&VERSION.to_le_bytes());
        out[10] = self.channels as u8;
        out[11] = SIGNED_16_BITS;
        out[12..16].copy_from_slice(&TELEPHONE_RATE_HZ.to_le_bytes());
        out[16..20].copy_from_slice(&(CHUNK_SAMPLES as u32).to_le_bytes());
        out[20..24].copy_from_slice(&(SAMPLES_PER_TICK as u32).to_le_bytes());
        out[24..40].copy_from_slice(&self.id.0);
        out
    }

    fn parse(bytes: &[u8; FIXED_BYTES]) -> Result<Self, Error> {
        if bytes[0..8] != *MAGIC {
            return Err(Error::NotARecording);
        }
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        if version > VERSION {
            return Err(Error::NewerFormat(version));
        }
        let channels = if bytes[10] == 1 { Channels::Mono } else { Channels::Stereo };
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[24..40]);
        let fixed = Self { channels, id: RecordingId(id) };
        // Version 1 leaves nothing else open.
        if fixed.to_bytes() != *bytes {
            return Err(Error::Broken(Part::Header));
        }
        Ok(fixed)
    }

    pub(crate) fn chunk_bytes(self) -> usize {
        crate::chunk::AUDIO_AT + CHUNK_SAMPLES * self.channels.frame_bytes()
    }

    /// Where a chunk lies.
    pub(crate) fn offset(self, chunk: u64) -> u64 {
        debug_assert!(chunk <= CHUNKS_MAX);
        HEADER_BYTES as u64 + chunk * self.chunk_bytes() as u64
    }

    /// How many chunks end exactly here.
    pub(crate) fn chunks_before(self, offset: u64) -> Option<u64> {
        let bytes = offset.checked_sub(HEADER_BYTES as u64)?;
        let chunk = self.chunk_bytes() as u64;
        (bytes % chunk == 0 && bytes / chunk <= CHUNKS_MAX).then_some(bytes / chunk)
    }
}

/// A header and what it opens.
pub(crate) struct Opened {
    pub(crate) fixed: Fixed,
    pub(crate) hash: [u8; 32],
    pub(crate) key_id: KeyId,
    pub(crate) data_key: Zeroizing<[u8; KEY_BYTES]>,
}

/// Writes the header of a new recording with a fresh data key.
pub(crate) fn create(file: &File, fixed: Fixed, keys: &MasterKeys) -> Result<Opened, Error> {
    let mut data_key = Zeroizing::new([0; KEY_BYTES]);
    getrandom::fill(&mut data_key[..]).map_err(Error::Random)?;
    let bytes = fixed.to_bytes();
    let mut header = [0; HEADER_BYTES];
    header[..FIXED_BYTES].copy_from_slice(&bytes);
    header[FIXED_BYTES..][..KEY_SLOT_BYTES].copy_from_slice(&keys.wrap(&data_key, &bytes)?);
    file.write_all_at(&header, 0)?;
    Ok(Opened { fixed, hash: Sha256::digest(bytes).into(), key_id: keys.newest(), data_key })
}

/// Reads a header.
pub(crate) fn open(file: &File, keys: &MasterKeys) -> Result<Opened, Error> {
    let (bytes, slots) = read(file)?;
    let fixed = Fixed::parse(&bytes)?;
    let (key_id, data_key) = keys.unwrap([&slots[0], &slots[1]], &bytes)?;
    Ok(Opened { fixed, hash: Sha256::digest(bytes).into(), key_id, data_key })
}

/// The fixed part of a header and its hash, without any key.
pub(crate) fn fixed(file: &File) -> Result<(Fixed, [u8; 32]), Error> {
    let (bytes, _) = read(file)?;
    Ok((Fixed::parse(&bytes)?, Sha256::digest(bytes).into()))
}

type Read = ([u8; FIXED_BYTES], [[u8; KEY_SLOT_BYTES]; 2]);

fn read(file: &File) -> Result<Read, Error> {
    let mut header = [0; HEADER_BYTES];
    file.read_exact_at(&mut header, 0).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => Error::NotARecording,
        _ => Error::Io(error),
    })?;
    let mut fixed = [0; FIXED_BYTES];
    let mut slots = [[0; KEY_SLOT_BYTES]; 2];
    fixed.copy_from_slice(&header[..FIXED_BYTES]);
    slots[0].copy_from_slice(&header[FIXED_BYTES..][..KEY_SLOT_BYTES]);
    slots[1].copy_from_slice(&header[FIXED_BYTES + KEY_SLOT_BYTES..]);
    Ok((fixed, slots))
}

/// Takes the right to change a recording, which its writer has until it is dropped.
pub(crate) fn lock(file: &File) -> Result<(), Error> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => Error::InUse,
        TryLockError::Error(error) => Error::Io(error),
    })
}

/// Wraps the data key of a recording with the newest master key; its audio is not touched. True
/// when the file was changed, false when it had that key already. **Whenever it is cut short, one
/// of the two slots is whole.**
pub fn rewrap(path: &Path, keys: &MasterKeys) -> Result<bool, Error> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    lock(&file)?;
    let opened = open(&file, keys)?;
    let (bytes, slots) = read(&file)?;
    let is_empty = |slot: &[u8; KEY_SLOT_BYTES]| slot.iter().all(|byte| *byte == 0);
    let newest = keys.newest();
    let (keep, clear) = if opened.key_id == newest && slots.iter().any(is_empty) {
        return Ok(false);
    } else if opened.key_id == newest {
        // Cut short between the two steps below.
        let first_is_newest = slots[0].starts_with(&newest.0);
        (None, usize::from(first_is_newest))
    } else {
        let opens = slots.iter().position(|slot| slot.starts_with(&opened.key_id.0));
        let clear = opens.ok_or(Error::Broken(Part::Header))?;
        (Some(1 - clear), clear)
    };
    if let Some(keep) = keep {
        write_slot(&file, keep, &keys.wrap(&opened.data_key, &bytes)?)?;
    }
    write_slot(&file, clear, &[0; KEY_SLOT_BYTES])?;
    Ok(true)
}

fn write_slot(file: &File, number: usize, slot: &[u8; KEY_SLOT_BYTES]) -> io::Result<()> {
    file.write_all_at(slot, (FIXED_BYTES + number * KEY_SLOT_BYTES) as u64)?;
    file.sync_data()
}
