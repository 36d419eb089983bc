//! RTCP (RFC 3550 §6): reports written into a caller's buffer and read in place.
//!
//! Ours rather than the `rtc-rtcp` crate's: that one owns vectors and boxes per packet, and the
//! media thread must not allocate. The tests hold both against each other.

use std::ops::Range;

/// Longest CNAME, in bytes: its length is one octet (RFC 3550 §6.5). A longer one is cut.
pub const CNAME_BYTES_MAX: usize = 255;

/// Longest compound that [`write_compound`] makes, in bytes: sender report with one block,
/// source description, goodbye.
pub const RTCP_BYTES_MAX: usize =
    HEAD_BYTES + 4 + SENDER_INFO_BYTES + BLOCK_BYTES + SDES_BYTES_MAX + HEAD_BYTES + 4;

const HEAD_BYTES: usize = 4;
const SENDER_INFO_BYTES: usize = 20;
const BLOCK_BYTES: usize = 24;
/// Head, SSRC, item head, CNAME, end of list, filled up to a whole word.
const SDES_BYTES_MAX: usize = (HEAD_BYTES + 4 + 2 + CNAME_BYTES_MAX + 1).next_multiple_of(4);

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
const ITEM_CNAME: u8 = 1;
/// Packets lost are 24 bits with a sign; more is told as the most (RFC 3550 §A.3).
const CUMULATIVE_LOST: Range<i32> = -0x80_0000..0x80_0000;

/// Why a compound could not be read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtcpError {
    /// Shorter than its own length or count field says.
    #[error("RTCP packet is cut short")]
    Short,
    /// The two version bits are not 2.
    #[error("not RTCP version 2")]
    Version,
    /// The padding is empty, not whole words, or longer than the packet.
    #[error("RTCP padding is impossible")]
    Padding,
}

/// What a receiver tells about one source (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source reported about.
    pub ssrc: u32,
    /// Share of packets lost since the report before, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the start, 24 bits: negative when there were more duplicates than losses.
    pub cumulative_lost: i32,
    /// Highest sequence number; the upper 16 bits count its wraps.
    pub highest_sequence: u32,
    /// Interarrival jitter, in timestamp units.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report; 0 before the first.
    pub last_sr: u32,
    /// Time from that report's arrival to this block, in 1/65536 s; 0 before the first.
    pub delay_since_last_sr: u32,
}

/// What a sender tells about itself (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// Time of the report: seconds since 1900 in the upper half, 1/2^32 s in the lower.
    pub ntp: u64,
    /// The same moment on the clock of the RTP timestamps.
    pub rtp_timestamp: u32,
    /// RTP packets sent, modulo 2^32.
    pub packets: u32,
    /// Payload bytes sent, modulo 2^32.
    pub bytes: u32,
}

/// Writes a sender report, or a receiver report when `sender` is none, with at most one block,
/// then the CNAME, then a goodbye when `bye`. Returns the number of bytes written.
///
/// Every compound starts with a report and has a CNAME (RFC 3550 §6.1), so this is the only shape.
pub fn write_compound(
    out: &mut [u8; RTCP_BYTES_MAX],
    ssrc: u32,
    cname: &str,
    sender: Option<SenderInfo>,
    block: Option<ReportBlock>,
    bye: bool,
) -> usize {
    let mut writer = Writer { out, at: 0 };
    let kind = if sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
    writer.packet(u8::from(block.is_some()), kind, |body| {
        body.u32(ssrc);
        if let Some(sender) = sender {
            body.sender_info(&sender);
        }
        if let Some(block) = block {
            body.block(&block);
        }
    });
    writer.packet(1, SOURCE_DESCRIPTION, |body| {
        let cname = &cname[..cname.floor_char_boundary(CNAME_BYTES_MAX)];
        body.u32(ssrc);
        body.bytes(&[ITEM_CNAME, cname.len() as u8]);
        body.bytes(cname.as_bytes());
        // One to four zeros end the list of items and fill its last word (RFC 3550 §6.5).
        body.bytes(&[0; 4][body.at % 4..]);
    });
    if bye {
        writer.packet(1, GOODBYE, |body| body.u32(ssrc));
    }
    writer.at
}

/// One thing that a received compound says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// The peer sends; its blocks follow as [`Item::Block`].
    SenderReport {
        /// Who sends.
        ssrc: u32,
        /// What it sent.
        info: SenderInfo,
    },
    /// The peer only receives; its blocks follow as [`Item::Block`].
    ReceiverReport {
        /// Who reports.
        ssrc: u32,
    },
    /// One block of the report before it.
    Block {
        /// Who reports.
        reporter: u32,
        /// What it reports; about us when [`ReportBlock::ssrc`] is ours.
        block: ReportBlock,
    },
    /// A source has left.
    Bye {
        /// Which one.
        ssrc: u32,
    },
}

/// Reads a received datagram. Source descriptions, feedback and unknown packets are skipped; the
/// first malformed packet ends the iteration with its error.
///
/// A datagram that does not start with a report is read too (RFC 5506): who may send here is the
/// source latch's business.
pub fn parse(bytes: &[u8]) -> Items<'_> {
    Items { rest: bytes, list: List::Empty }
}

/// Iterator over a compound's items; see [`parse`].
#[derive(Clone, Debug)]
pub struct Items<'a> {
    /// Packets not yet begun.
    rest: &'a [u8],
    /// What is left of the packet begun.
    list: List<'a>,
}

#[derive(Clone, Debug)]
enum List<'a> {
    Empty,
    Blocks { reporter: u32, blocks: &'a [[u8; BLOCK_BYTES]] },
    Byes { sources: &'a [[u8; 4]] },
}

impl Iterator for Items<'_> {
    type Item = Result<Item, RtcpError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.list.next() {
                return Some(Ok(item));
            }
            if self.rest.is_empty() {
                return None;
            }
            match self.begin_packet() {
                Ok(None) => {}
                Ok(Some(item)) => return Some(Ok(item)),
                Err(error) => {
                    self.rest = &[];
                    return Some(Err(error));
                }
            }
        }
    }
}

impl std::iter::FusedIterator for Items<'_> {}

impl Items<'_> {
    /// Reads the next packet's head and leaves its list in `self.list`.
    fn begin_packet(&mut self) -> Result<Option<Item>, RtcpError> {
        let (head, after) = self.rest.split_first_chunk::<HEAD_BYTES>().ok_or(RtcpError::Short)?;
        if head[0] >> 6 != 2 {
            return Err(RtcpError::Version);
        }
        let words = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let (body, rest) = after.split_at_checked(words * 4).ok_or(RtcpError::Short)?;
        let body = if head[0] & 0x20 == 0 { body } else { without_padding(body)? };
        let count = usize::from(head[0] & 0x1f);
        self.rest = rest;
        match head[1] {
            SENDER_REPORT => {
                let (ssrc, body) = read_u32(body)?;
                let (info, body) =
                    body.split_first_chunk::<SENDER_INFO_BYTES>().ok_or(RtcpError::Short)?;
                self.list = List::Blocks { reporter: ssrc, blocks: chunks(body, count)? };
                Ok(Some(Item::SenderReport { ssrc, info: SenderInfo::read(info) }))
            }
            RECEIVER_REPORT => {
                let (ssrc, body) = read_u32(body)?;
                self.list = List::Blocks { reporter: ssrc, blocks: chunks(body, count)? };
                Ok(Some(Item::ReceiverReport { ssrc }))
            }
            GOODBYE => {
                self.list = List::Byes { sources: chunks(body, count)? };
                Ok(None)
            }
            _ => Ok(None),
        }
    }
}

impl List<'_> {
    fn next(&mut self) -> Option<Item> {
        match self {
            Self::Empty => None,
            Self::Blocks { reporter, blocks } => {
                let (first, rest) = blocks.split_first()?;
                *blocks = rest;
                Some(Item::Block { reporter: *reporter, block: ReportBlock::read(first) })
            }
            Self::Byes { sources } => {
                let (first, rest) = sources.split_first()?;
                *sources = rest;
                Some(Item::Bye { ssrc: u32::from_be_bytes(*first) })
            }
        }
    }
}

impl SenderInfo {
    fn read(bytes: &[u8; SENDER_INFO_BYTES]) -> Self {
        Self {
            ntp: u64::from(word(bytes, 0)) << 32 | u64::from(word(bytes, 1)),
            rtp_timestamp: word(bytes, 2),
            packets: word(bytes, 3),
            bytes: word(bytes, 4),
        }
    }
}

impl ReportBlock {
    fn read(bytes: &[u8; BLOCK_BYTES]) -> Self {
        Self {
            ssrc: word(bytes, 0),
            fraction_lost: bytes[4],
            // Up and down again, so that the sign of 24 bits becomes the sign of 32.
            cumulative_lost: (word(bytes, 1) << 8) as i32 >> 8,
            highest_sequence: word(bytes, 2),
            jitter: word(bytes, 3),
            last_sr: word(bytes, 4),
            delay_since_last_sr: word(bytes, 5),
        }
    }
}

fn word(bytes: &[u8], index: usize) -> u32 {
    let at = index * 4;
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn read_u32(bytes: &[u8]) -> Result<(u32, &[u8]), RtcpError> {
    let (value, rest) = bytes.split_first_chunk::<4>().ok_or(RtcpError::Short)?;
    Ok((u32::from_be_bytes(*value), rest))
}

/// The first `count` entries of a list. What follows is a profile's extension or a goodbye's
/// reason, neither of which is used.
fn chunks<const N: usize>(bytes: &[u8], count: usize) -> Result<&[[u8; N]], RtcpError> {
    bytes.as_chunks::<N>().0.get(..count).ok_or(RtcpError::Short)
}

fn without_padding(body: &[u8]) -> Result<&[u8], RtcpError> {
    let padding = usize::from(*body.last().ok_or(RtcpError::Padding)?);
    let kept = body.len().checked_sub(padding).ok_or(RtcpError::Padding)?;
    if padding == 0 || padding % 4 != 0 { Err(RtcpError::Padding) } else { Ok(&body[..kept]) }
}

/// Everything stays within [`RTCP_BYTES_MAX`]: each part is written at most once, at its longest
/// as that sum counts it.
struct Writer<'a> {
    out: &'a mut [u8; RTCP_BYTES_MAX],
    at: usize,
}

impl Writer<'_> {
    /// One packet of a compound; every packet is whole words, so `at` is a multiple of 4 around it.
    fn packet(&mut self, count: u8, kind: u8, body: impl FnOnce(&mut Self)) {
        let start = self.at;
        self.bytes(&[2 << 6 | count, kind, 0, 0]);
        body(self);
        let words = ((self.at - start) / 4 - 1) as u16;
        self.out[start + 2..start + HEAD_BYTES].copy_from_slice(&words.to_be_bytes());
    }

    fn sender_info(&mut self, info: &SenderInfo) {
        self.bytes(&info.ntp.to_be_bytes());
        self.u32(info.rtp_timestamp);
        self.u32(info.packets);
        self.u32(info.bytes);
    }

    fn block(&mut self, block: &ReportBlock) {
        let lost = block.cumulative_lost.clamp(CUMULATIVE_LOST.start, CUMULATIVE_LOST.end - 1);
        self.u32(block.ssrc);
        self.u32(u32::from(block.fraction_lost) << 24 | lost as u32 & 0x00ff_ffff);
        self.u32(block.highest_sequence);
        self.u32(block.jitter);
        self.u32(block.last_sr);
        self.u32(block.delay_since_last_sr);
    }

    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.out[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }
}
