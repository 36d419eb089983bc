//! Recordings of calls, encrypted at rest: a container of its own (`.qtr`) that reads like a WAV
//! file.
//!
//! **Every second of audio is authenticated before a byte of it is given out, is bound to the
//! second before it, and is on disk once it is over: a process that is killed leaves a file that
//! reads to its last whole second.**
//!
//! # Format, version 1
//!
//! All integers are little-endian. `G(key, nonce, aad, text)` is AES-256-GCM with a nonce of 12 and
//! a tag of 16 bytes; a position counts samples per channel from the start.
//!
//! **Header**, 184 bytes. `H` is the SHA-256 of its first 48:
//!
//! | at | bytes | |
//! |---|---|---|
//! | 0 | 8 | `QTREC\r\n\x1a` |
//! | 8 | 2 | version, 1 |
//! | 10 | 1 | channels: 1, or 2 interleaved, left first |
//! | 11 | 1 | sample format: 1 is signed 16 bits |
//! | 12 | 4 | samples per second, 8,000 |
//! | 16 | 4 | samples per chunk, 8,000 |
//! | 20 | 4 | samples per tick, 160 |
//! | 24 | 16 | the recording's id |
//! | 40 | 8 | zero |
//! | 48 | 68 | key slot |
//! | 116 | 68 | key slot |
//!
//! A **key slot** is empty (zeros) or holds the id of a master key `M` (8 bytes: the first of
//! SHA-256(`qingting-recording key id` ‖ `M`)), a nonce, and `G(M, nonce, header[0..48], D)` (32
//! bytes and the tag). `D` is the recording's own random data key. Two slots, so that a change of
//! the master key is never without a whole one; slots are no part of `H` or of the chain.
//!
//! **Chunk** `i`, one second, at 184 + i × (44 + 16,000 × channels):
//!
//! | at | bytes | |
//! |---|---|---|
//! | 0 | 1 | kind: 1 audio, 2 silence |
//! | 1 | 3 | zero |
//! | 4 | 8 | number of this sealing: counted up with every encryption under `D`, tried or written |
//! | 12 | 16 | tag |
//! | 28 | 16 | tick map, encrypted |
//! | 44 | rest | samples, encrypted; of a silence zeros, in no ciphertext |
//!
//! Key `D`; nonce: the first 12 bytes; AAD: `H` ‖ `i` (8 bytes) ‖ the tag of the chunk before
//! (zeros for the first); text: the map and, of audio, the samples. The map has two bits for each
//! of the 50 ticks of 20 ms, lowest first: 0 audio, 1 paused, 2 lost, 3 behind the end. The
//! **chain head** starts as `H` and becomes SHA-256(head ‖ the chunk's bytes: all of audio, 44 of a
//! silence).
//!
//! **Trailer**, behind the last chunk, only of a closed file: `QTBOOKS\n`, a random nonce, the tag,
//! the text, the trailer's whole length (4 bytes), `QTREND\r\n`. Key:
//! SHA-256(`qingting-recording trailer key` ‖ `D`); AAD: `H` ‖ number of chunks (8 bytes) ‖ tag of
//! the last chunk. Text: flags (4 bytes: 1 finished, 2 recovered), number of marks (4 bytes),
//! samples, paused samples, lost samples (8 bytes each), marks left out for want of room (4 bytes),
//! 4 zeros, chain head (32 bytes), then each mark: kind (4 bytes: 1 paused, 2 lost), from, to (8
//! bytes each).
//!
//! A file without a trailer is unfinished: its tail may be cut off, and only who has kept its chain
//! head can tell. A closed file that lost its trailer reads as unfinished, never as finished.

mod chain;
mod chunk;
mod error;
mod export;
mod header;
mod keys;
mod marks;
mod reader;
mod recover;
mod trailer;
mod verify;
mod wav;
mod writer;

pub use chain::chain_head;
pub use error::{Error, Part};
pub use export::export_wav;
pub use header::{Channels, RecordingId, rewrap};
pub use keys::{KeyError, KeyId, MasterKeys};
pub use marks::{Mark, MarkKind, Marks};
pub use reader::{Reader, Samples, State};
pub use recover::{Recovery, recover};
pub use verify::Verified;
pub use wav::{WAV_HEADER_BYTES, wav_header};
pub use writer::{Summary, Voices, Writer};

use qingting_common::limits::TELEPHONE_RATE_HZ;

/// Samples per channel of one chunk: one second.
pub const CHUNK_SAMPLES: usize = TELEPHONE_RATE_HZ as usize;
/// Chunks of one recording: 24 hours, which end below the 4 GiB of a WAV file.
pub const CHUNKS_MAX: u64 = 24 * 3_600;

/// SHA-256 of a recording's chunks, one after the other: kept elsewhere, it tells later whether the
/// file is still the one that was made.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChainHead(pub [u8; 32]);

impl std::fmt::Display for ChainHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for ChainHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChainHead({self})")
    }
}
