//! What can be wrong with a recording.

use crate::keys::KeyId;
use std::fmt;
use std::io;

/// Why a recording cannot be made, read or trusted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is something else, or ends within its header.
    #[error("this is not an encrypted recording (.qtr)")]
    NotARecording,
    /// The header asks for what this program does not know.
    #[error("this recording has format {0}, which is newer than this program: update it")]
    NewerFormat(u16),
    /// None of the master keys that made it is loaded.
    #[error(
        "this recording was made with the master key {wanted}, which is not among the loaded ones ({loaded}). \
         Add the old key below the newest one in the key file"
    )]
    UnknownKey {
        /// The key that would open it.
        wanted: KeyId,
        /// The keys that are loaded.
        loaded: String,
    },
    /// Part of the file was changed, damaged or taken out of its place.
    #[error("this recording was changed or damaged: {0} cannot be trusted")]
    Broken(Part),
    /// Somebody else writes the file.
    #[error("this recording is being written: try again when its call is over")]
    InUse,
    /// Recordings end after [`crate::CHUNKS_MAX`] seconds.
    #[error("a recording ends after 24 hours")]
    TooLong,
    /// The writer was told to finish and has.
    #[error("this recording is already finished")]
    Finished,
    /// The system gave no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

/// Where a recording is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The header, or its wrapped key.
    Header,
    /// A chunk, which is a second of the call.
    Chunk(u64),
    /// The books at the end.
    Trailer,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("the header"),
            Self::Chunk(index) => {
                let (minutes, seconds) = (index / 60, index % 60);
                write!(f, "chunk {index}, which is the second at {minutes}:{seconds:02},")
            }
            Self::Trailer => f.write_str("the trailer"),
        }
    }
}
