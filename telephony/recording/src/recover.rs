//! Closes what a crash left open.

use crate::error::{Error, Part};
use crate::header::{self, HEADER_BYTES};
use crate::keys::MasterKeys;
use crate::reader::{Reader, State};
use crate::trailer::Trailer;
use crate::verify::Verified;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What became of a recording at the start after a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// It was closed already.
    Whole,
    /// It was closed now, as [`State::Recovered`].
    Closed(Verified),
    /// It ends within its header: nothing was recorded.
    Empty,
}

/// Closes a recording whose writer is gone: its unwritten tail is cut off and its books are written
/// from its chunks. Done again, or cut short and done again, it changes nothing more. A file that
/// is broken elsewhere than at its end, or that a living writer has, is left as it is.
pub fn recover(path: &Path, keys: &MasterKeys) -> Result<Recovery, Error> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    header::lock(&file)?;
    if file.metadata()?.len() < HEADER_BYTES as u64 {
        return Ok(Recovery::Empty);
    }
    let mut reader = Reader::of(file, keys)?;
    if reader.state() != State::Incomplete {
        return Ok(Recovery::Whole);
    }
    if reader.trailer_broken {
        return Err(Error::Broken(Part::Trailer));
    }
    let found = reader.verify()?;
    let Verified { chunks, samples, marks, head, .. } = found.clone();
    let trailer = Trailer { finished: false, samples, marks, head };
    let bytes = trailer.seal(&reader.sealer, chunks, &reader.tag_before(chunks)?)?;
    let end = reader.fixed.offset(chunks);
    reader.file.set_len(end)?;
    reader.file.write_all_at(&bytes, end)?;
    reader.file.sync_data()?;
    Ok(Recovery::Closed(Verified { state: State::Recovered, ..found }))
}
