//! The head of a recording's chain, without any key.

use crate::ChainHead;
use crate::chunk::{self, AUDIO_AT, Kind};
use crate::error::{Error, Part};
use crate::header;
use crate::trailer::{self, TAIL_BYTES, TRAILER_BYTES_MAX};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The head of a closed recording's chain; none of a file that was not closed. Reads the whole file.
///
/// The same head as the one that was kept when the recording was made says that not a byte of its audio was
/// changed, cut off or put elsewhere. Whether a key opens it, and whether its marks are those that were made,
/// only [`crate::Reader::verify`] says.
pub fn chain_head(path: &Path) -> Result<Option<ChainHead>, Error> {
    let file = File::open(path)?;
    let (fixed, hash) = header::fixed(&file)?;
    let length = file.metadata()?.len();
    let mut tail = [0; TAIL_BYTES];
    let Some(tail_at) = length.checked_sub(TAIL_BYTES as u64) else { return Ok(None) };
    file.read_exact_at(&mut tail, tail_at)?;
    let trailer = trailer::length(&tail).filter(|trailer| *trailer <= TRAILER_BYTES_MAX);
    let start = trailer.and_then(|trailer| length.checked_sub(trailer as u64));
    let Some(chunks) = start.and_then(|start| fixed.chunks_before(start)) else { return Ok(None) };
    let mut head = ChainHead(hash);
    let mut slot = vec![0; fixed.chunk_bytes()];
    for index in 0..chunks {
        file.read_exact_at(&mut slot, fixed.offset(index))?;
        let kind = chunk::kind(&slot).ok_or(Error::Broken(Part::Chunk(index)))?;
        let (sealed, rest) = match kind {
            Kind::Audio => (&slot[..], &[][..]),
            Kind::Silence => slot.split_at(AUDIO_AT),
        };
        if rest.iter().any(|byte| *byte != 0) {
            return Err(Error::Broken(Part::Chunk(index)));
        }
        head = chunk::head_after(&head, sealed);
    }
    Ok(Some(head))
}
