//! Walks a recording's chain.

use crate::chunk::{self, AUDIO_AT, Kind, TAG_AT, Tag};
use crate::error::{Error, Part};
use crate::marks::Marks;
use crate::reader::{Reader, State};
use crate::{CHUNK_SAMPLES, ChainHead};

/// What the walk along a whole chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How the recording ended. Of an incomplete one, only who knows its head can say whether its
    /// tail was cut off.
    pub state: State,
    /// Seconds in the file, the last one perhaps not full.
    pub chunks: u64,
    /// Length in samples per channel.
    pub samples: u64,
    /// Silent stretches.
    pub marks: Marks,
    /// The chain's head, to be compared with the one that was kept when it was made.
    pub head: ChainHead,
}

impl Reader {
    /// Reads the whole file and says where its chain breaks first, if it does.
    pub fn verify(&mut self) -> Result<Verified, Error> {
        let mut before = Tag::default();
        let mut head = ChainHead(self.sealer.header_hash);
        let mut marks = Marks::default();
        let mut samples = 0;
        for index in 0..self.chunks {
            let broken = Error::Broken(Part::Chunk(index));
            let slot = self.read_slot(index)?;
            let kind = chunk::kind(slot).ok_or(broken)?;
            let (sealed, rest) =
                if kind == Kind::Audio { (slot, &[][..]) } else { slot.split_at(AUDIO_AT) };
            if rest.iter().any(|byte| *byte != 0) {
                return Err(Error::Broken(Part::Chunk(index)));
            }
            head = chunk::head_after(&head, sealed);
            let tag = slot[TAG_AT..].first_chunk().copied();
            let (_, open) = self.open_slot(index, &before)?;
            samples = index * CHUNK_SAMPLES as u64 + marks.add(index, &chunk::map(open));
            before = tag.ok_or(Error::Broken(Part::Chunk(index)))?;
        }
        match &self.trailer {
            _ if self.trailer_broken => Err(Error::Broken(Part::Trailer)),
            Some(trailer) if trailer.head != head || !trailer.marks.agrees(&marks) => {
                Err(Error::Broken(Part::Trailer))
            }
            trailer => Ok(Verified {
                state: self.state(),
                chunks: self.chunks,
                samples: trailer.as_ref().map_or(samples, |trailer| trailer.samples),
                marks,
                head,
            }),
        }
    }
}
