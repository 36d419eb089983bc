//! The books at the end of a closed recording.

use crate::chunk::{Sealer, Tag};
use crate::error::Error;
use crate::keys;
use crate::marks::{MARKS_MAX, Mark, MarkKind, Marks};
use crate::{CHUNK_SAMPLES, ChainHead};

/// Length and magic, the last bytes of the file.
pub(crate) const TAIL_BYTES: usize = 12;
/// Longest trailer.
pub(crate) const TRAILER_BYTES_MAX: usize = TEXT_AT + TEXT_FIXED + MARKS_MAX * MARK + TAIL_BYTES;

const MAGIC: &[u8; 8] = b"QTBOOKS\n";
/// Another than the first, or a trailer cut off behind that would pass for one.
const END_MAGIC: &[u8; 8] = b"QTREND\r\n";
const NONCE_AT: usize = 8;
const TAG_AT: usize = 20;
const TEXT_AT: usize = 36;
/// Text before the marks.
const TEXT_FIXED: usize = 72;
/// Text of one mark.
const MARK: usize = 20;
const FINISHED: u32 = 1;
const RECOVERED: u32 = 2;

/// What a closed recording says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trailer {
    /// Closed by its writer, not after a crash.
    pub(crate) finished: bool,
    pub(crate) samples: u64,
    pub(crate) marks: Marks,
    pub(crate) head: ChainHead,
}

impl Trailer {
    /// The trailer's bytes behind `chunks` chunks.
    pub(crate) fn seal(
        &self,
        sealer: &Sealer,
        chunks: u64,
        before: &Tag,
    ) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(TEXT_AT + TEXT_FIXED + self.marks.list.len() * MARK);
        out.extend_from_slice(MAGIC);
        out.resize(TEXT_AT, 0);
        getrandom::fill(&mut out[NONCE_AT..TAG_AT]).map_err(Error::Random)?;
        let flags = if self.finished { FINISHED } else { RECOVERED };
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&(self.marks.list.len() as u32).to_le_bytes());
        for count in [self.samples, self.marks.paused_samples, self.marks.lost_samples] {
            out.extend_from_slice(&count.to_le_bytes());
        }
        out.extend_from_slice(&self.marks.left_out.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.head.0);
        debug_assert_eq!(out.len(), TEXT_AT + TEXT_FIXED);
        for mark in &self.marks.list {
            out.extend_from_slice(&(mark.kind as u32).to_le_bytes());
            out.extend_from_slice(&mark.from.to_le_bytes());
            out.extend_from_slice(&mark.to.to_le_bytes());
        }
        let (head, text) = out.split_at_mut(TEXT_AT);
        let aad = sealer.aad(chunks, before);
        let tag = keys::seal(&sealer.trailer, &head[NONCE_AT..TAG_AT], &aad, text);
        head[TAG_AT..].copy_from_slice(&tag);
        out.extend_from_slice(&((out.len() + TAIL_BYTES) as u32).to_le_bytes());
        out.extend_from_slice(END_MAGIC);
        Ok(out)
    }

    /// Opens the bytes of a trailer; `None` when they are not what was sealed for this place.
    pub(crate) fn open(
        mut bytes: Vec<u8>,
        sealer: &Sealer,
        chunks: u64,
        before: &Tag,
    ) -> Option<Self> {
        let end = bytes.len().checked_sub(TAIL_BYTES).filter(|end| *end >= TEXT_AT + TEXT_FIXED)?;
        if !bytes.starts_with(MAGIC) {
            return None;
        }
        let (head, text) = bytes[..end].split_at_mut(TEXT_AT);
        let aad = sealer.aad(chunks, before);
        if !keys::open(&sealer.trailer, &head[NONCE_AT..TAG_AT], &aad, text, &head[TAG_AT..]) {
            return None;
        }
        let (fixed, marks) = text.split_at(TEXT_FIXED);
        let u32_at = |at: usize| fixed[at..].first_chunk().copied().map(u32::from_le_bytes);
        let u64_at = |at: usize| fixed[at..].first_chunk().copied().map(u64::from_le_bytes);
        let samples = u64_at(8)?;
        // Sealed by us: these are checks of ourselves.
        if samples.div_ceil(CHUNK_SAMPLES as u64) != chunks
            || u32_at(4)? as usize * MARK != marks.len()
        {
            return None;
        }
        let list = marks.chunks_exact(MARK).map(mark).collect::<Option<_>>()?;
        let mut chain_head = [0; 32];
        chain_head.copy_from_slice(&fixed[40..72]);
        Some(Self {
            finished: u32_at(0)? == FINISHED,
            samples,
            marks: Marks::restored(list, u32_at(32)?, u64_at(16)?, u64_at(24)?),
            head: ChainHead(chain_head),
        })
    }
}

fn mark(bytes: &[u8]) -> Option<Mark> {
    let kind = match bytes.first_chunk().copied().map(u32::from_le_bytes)? {
        1 => MarkKind::Paused,
        2 => MarkKind::Lost,
        _ => return None,
    };
    let from = u64::from_le_bytes(*bytes.get(4..)?.first_chunk()?);
    let to = u64::from_le_bytes(*bytes.get(12..)?.first_chunk()?);
    Some(Mark { kind, from, to })
}

/// The length of the trailer that a file's last bytes belong to, when they are one's.
pub(crate) fn length(tail: &[u8; TAIL_BYTES]) -> Option<usize> {
    let (length, magic) = tail.split_first_chunk()?;
    (magic == END_MAGIC).then_some(u32::from_le_bytes(*length) as usize)
}
