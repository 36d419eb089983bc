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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rtc_rtcp::compound_packet::CompoundPacket;
    use rtc_rtcp::goodbye::Goodbye;
    use rtc_rtcp::packet::Packet;
    use rtc_rtcp::receiver_report::ReceiverReport;
    use rtc_rtcp::reception_report::ReceptionReport;
    use rtc_rtcp::sender_report::SenderReport;

    fn info() -> SenderInfo {
        SenderInfo {
            ntp: 0xda8b_d1fc_dddd_a05a,
            rtp_timestamp: 0xaaf4_edd5,
            packets: 1,
            bytes: 160,
        }
    }

    fn block() -> ReportBlock {
        ReportBlock {
            ssrc: 0xbc5e_9a40,
            fraction_lost: 64,
            cumulative_lost: -2,
            highest_sequence: 0x0001_46e1,
            jitter: 273,
            last_sr: 0x0009_f362,
            delay_since_last_sr: 0x0002_4a79,
        }
    }

    fn written(
        cname: &str,
        sender: Option<SenderInfo>,
        block: Option<ReportBlock>,
        bye: bool,
    ) -> Vec<u8> {
        let mut out = [0xee; RTCP_BYTES_MAX];
        let length = write_compound(&mut out, 0x902f_9e2e, cname, sender, block, bye);
        out[..length].to_vec()
    }

    fn items(bytes: &[u8]) -> Vec<Item> {
        parse(bytes).collect::<Result<_, _>>().unwrap()
    }

    /// The block as the library holds it, which keeps the 24 bits of the loss without their sign.
    fn theirs(block: &ReportBlock) -> ReceptionReport {
        ReceptionReport {
            ssrc: block.ssrc,
            fraction_lost: block.fraction_lost,
            total_lost: block.cumulative_lost as u32 & 0x00ff_ffff,
            last_sequence_number: block.highest_sequence,
            jitter: block.jitter,
            last_sender_report: block.last_sr,
            delay: block.delay_since_last_sr,
        }
    }

    /// Layout of RFC 3550 §6.4.1, §6.5 and §6.6, figure by figure.
    #[test]
    fn a_compound_has_the_layout_of_the_standard() {
        #[rustfmt::skip]
        let expected = [
            0x81, 200, 0, 12, 0x90, 0x2f, 0x9e, 0x2e, // one block, 13 words, our SSRC
            0xda, 0x8b, 0xd1, 0xfc, 0xdd, 0xdd, 0xa0, 0x5a, // NTP
            0xaa, 0xf4, 0xed, 0xd5, 0, 0, 0, 1, 0, 0, 0, 160, // RTP time, packets, bytes
            0xbc, 0x5e, 0x9a, 0x40, 64, 0xff, 0xff, 0xfe, // about whom; a quarter; 2 too many
            0, 1, 0x46, 0xe1, 0, 0, 1, 0x11, // highest, jitter
            0, 0x09, 0xf3, 0x62, 0, 0x02, 0x4a, 0x79, // last SR, delay since
            0x81, 202, 0, 3, 0x90, 0x2f, 0x9e, 0x2e, // one chunk, 4 words
            1, 3, b'a', b'@', b'b', 0, 0, 0, // CNAME; end of list
            0x81, 203, 0, 1, 0x90, 0x2f, 0x9e, 0x2e, // goodbye
        ];
        assert_eq!(written("a@b", Some(info()), Some(block()), true), expected);
        let report = written("a@b", None, None, false);
        assert_eq!(report[..8], [0x80, 201, 0, 1, 0x90, 0x2f, 0x9e, 0x2e]);
        assert_eq!(report.len(), 8 + 16);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let ssrc = 0x902f_9e2e;
        let block = block();
        assert_eq!(
            items(&written("a@b", Some(info()), Some(block), true)),
            [
                Item::SenderReport { ssrc, info: info() },
                Item::Block { reporter: ssrc, block },
                Item::Bye { ssrc }
            ]
        );
        assert_eq!(items(&written("", None, None, false)), [Item::ReceiverReport { ssrc }]);
    }

    #[test]
    fn loss_beyond_24_bits_is_told_as_the_most() {
        for (lost, told) in [(i32::MAX, 0x7f_ffff), (i32::MIN, -0x80_0000)] {
            let sent = ReportBlock { cumulative_lost: lost, ..block() };
            let Item::Block { block, .. } = items(&written("", None, Some(sent), false))[1] else {
                panic!("a block follows the report");
            };
            assert_eq!(block.cumulative_lost, told);
        }
    }

    #[test]
    fn a_cname_of_any_length_ends_at_a_character_and_the_longest_compound_fits() {
        for length in 0..100 {
            let cname = "倾".repeat(length);
            let bytes = written(&cname, Some(info()), Some(block()), true);
            let mut reader = &bytes[..];
            let compound = CompoundPacket(rtc_rtcp::packet::unmarshal(&mut reader).unwrap());
            compound.validate().unwrap();
            assert_eq!(compound.cname().unwrap(), "倾".repeat(length.min(85)).as_bytes());
        }
        let longest = written(&"a".repeat(300), Some(info()), Some(block()), true);
        assert_eq!(longest.len(), RTCP_BYTES_MAX);
    }

    #[test]
    fn another_writer_is_understood_with_several_blocks_and_a_reason() {
        let second = ReportBlock { ssrc: 7, cumulative_lost: 9, ..block() };
        let packets: Vec<Box<dyn Packet>> = vec![
            Box::new(ReceiverReport {
                ssrc: 5,
                reports: vec![theirs(&block()), theirs(&second)],
                profile_extensions: vec![1, 2, 3, 4].into(),
            }),
            Box::new(Goodbye { sources: vec![5, 6], reason: "hung up".into() }),
        ];
        let bytes = rtc_rtcp::packet::marshal(&packets).unwrap();
        assert_eq!(
            items(&bytes),
            [
                Item::ReceiverReport { ssrc: 5 },
                Item::Block { reporter: 5, block: block() },
                Item::Block { reporter: 5, block: second },
                Item::Bye { ssrc: 5 },
                Item::Bye { ssrc: 6 },
            ]
        );
    }

    #[test]
    fn padding_is_not_content_and_impossible_padding_is_an_error() {
        let mut bytes = written("a@b", None, None, true);
        let goodbye = bytes.len() - 8;
        bytes.extend([0, 0, 0, 4]);
        bytes[goodbye] |= 0x20;
        bytes[goodbye + 3] = 2;
        assert_eq!(items(&bytes).last(), Some(&Item::Bye { ssrc: 0x902f_9e2e }));
        for (padding, error) in [
            (0, RtcpError::Padding),
            (3, RtcpError::Padding),
            (12, RtcpError::Padding),
            (8, RtcpError::Short),
        ] {
            *bytes.last_mut().unwrap() = padding;
            assert_eq!(parse(&bytes).last(), Some(Err(error)), "{padding} bytes");
        }
    }

    #[test]
    fn what_comes_before_a_fault_is_kept_and_nothing_after_it_is_read() {
        let whole = written("a@b", Some(info()), Some(block()), true);
        let mut cut = parse(&whole[..whole.len() - 4]);
        assert_eq!(cut.by_ref().filter(Result::is_ok).count(), 2);
        assert_eq!(cut.next(), None);
        let mut claims_two = whole.clone();
        claims_two[0] = 0x82;
        assert_eq!(parse(&claims_two).collect::<Vec<_>>(), [Err(RtcpError::Short)]);
        let mut old = whole;
        old[0] = 0x41;
        assert_eq!(parse(&old).collect::<Vec<_>>(), [Err(RtcpError::Version)]);
    }

    /// Bytes that look like a compound more often than chance would have it.
    fn lookalike() -> impl Strategy<Value = Vec<u8>> {
        let head = (any::<u8>(), 199..205u8, 0..16u8);
        let packet = (head, prop::collection::vec(any::<u8>(), 0..64));
        prop::collection::vec(packet, 0..4).prop_map(|packets| {
            let bytes = packets.into_iter().flat_map(|((count, kind, words), body)| {
                [0x80 | count >> 2, kind, 0, words].into_iter().chain(body)
            });
            bytes.collect()
        })
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(
            noise in prop::collection::vec(any::<u8>(), 0..128),
            lookalike in lookalike(),
        ) {
            for bytes in [noise, lookalike] {
                prop_assert!(parse(&bytes).count() <= bytes.len() / 4 + 1);
            }
        }

        #[test]
        fn another_reader_understands_what_is_written(
            ntp: u64, words: [u32; 9], fraction_lost: u8, cumulative_lost in -0x80_0000..0x80_0000,
        ) {
            let [ssrc, rtp_timestamp, packets, bytes, about, highest_sequence, jitter, last_sr,
                delay_since_last_sr] = words;
            let info = SenderInfo { ntp, rtp_timestamp, packets, bytes };
            let block = ReportBlock { ssrc: about, fraction_lost, cumulative_lost,
                highest_sequence, jitter, last_sr, delay_since_last_sr };
            let mut out = [0; RTCP_BYTES_MAX];
            let length = write_compound(&mut out, ssrc, "a@b", Some(info), Some(block), false);
            let read = rtc_rtcp::packet::unmarshal(&mut &out[..length]).unwrap();
            let report = read[0].as_any().downcast_ref::<SenderReport>().unwrap();
            prop_assert_eq!(report, &SenderReport {
                ssrc, ntp_time: ntp, rtp_time: rtp_timestamp, packet_count: packets,
                octet_count: bytes, reports: vec![theirs(&block)], ..SenderReport::default()
            });
            prop_assert_eq!(items(&out[..length])[1], Item::Block { reporter: ssrc, block });
        }
    }
}
