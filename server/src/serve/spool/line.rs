//! One line of a spool file: a hash, the write as JSON, the end of the line.
//!
//! A crash leaves at most a last line without its end; what the disk changed does not have its hash.

use super::SpoolError;
use super::write::Write;
use sha2::{Digest, Sha256};

/// Longest line, in bytes: a sentence with its reading takes some thousand.
pub const LINE_BYTES_MAX: usize = 1 << 20;
/// Of the hash in hex.
const HASH_CHARS: usize = 16;

/// A write as a line, with its end.
pub fn of(write: &Write) -> Result<String, SpoolError> {
    let json = serde_json::to_string(write).map_err(|_| SpoolError::Unwritable)?;
    if json.len() + HASH_CHARS + 2 > LINE_BYTES_MAX {
        return Err(SpoolError::Full("a write of a call is longer than any may be"));
    }
    // A number that JSON does not have would be found out when nobody knows it any more.
    serde_json::from_str::<Write>(&json).map_err(|_| SpoolError::Unwritable)?;
    Ok(format!("{} {json}\n", hash(&json)))
}

/// The write of a line without its end; none of one that is damaged.
pub fn read(line: &[u8]) -> Option<Write> {
    let (known, json) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    // What a later version wrote and this one does not know is kept aside, too.
    (known == hash(json)).then(|| serde_json::from_str(json).ok()).flatten()
}

fn hash(json: &str) -> String {
    hex::encode(&Sha256::digest(json)[..HASH_CHARS / 2])
}
