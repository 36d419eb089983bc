//! The fixed RTP header (RFC 3550 §5.1), read in place and written into a caller's buffer.
//!
//! Ours rather than the `rtc-rtp` crate's: that header owns vectors for contributing sources and
//! extensions and its payload is a reference-counted buffer, so that every packet would allocate
//! on a thread that must not.

/// Length of a header without contributing sources, in bytes.
pub const HEADER_BYTES: usize = 12;

/// Static payload type of comfort noise (RFC 3389 §5).
pub const PAYLOAD_COMFORT_NOISE: u8 = 13;

/// Why a datagram is not an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtpError {
    /// Shorter than its own header, extension or padding says.
    #[error("RTP packet is cut short")]
    Short,
    /// The two version bits are not 2 (STUN, DTLS or noise).
    #[error("not RTP version 2")]
    Version,
}

/// The fields of the fixed header that telephony uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// First packet of a talkspurt or of a telephone event.
    pub marker: bool,
    /// 0..=127.
    pub payload_type: u8,
    /// Counts packets, modulo 2^16.
    pub sequence: u16,
    /// Counts samples (8 kHz), modulo 2^32.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

impl Header {
    /// Writes the header over the first [`HEADER_BYTES`] bytes.
    pub fn write(&self, out: &mut [u8; HEADER_BYTES]) {
        out[0] = 0x80;
        out[1] = u8::from(self.marker) << 7 | (self.payload_type & 0x7f);
        out[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        out[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        out[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
    }
}

/// A received packet, borrowed from the receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The fixed header.
    pub header: Header,
    /// Payload without contributing sources, extension and padding.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a datagram. Contributing sources and header extensions are skipped.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtpError> {
        let (fixed, rest) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(RtpError::Short)?;
        if fixed[0] >> 6 != 2 {
            return Err(RtpError::Version);
        }
        let mut payload = rest.get(usize::from(fixed[0] & 0x0f) * 4..).ok_or(RtpError::Short)?;
        if fixed[0] & 0x10 != 0 {
            let (head, after) = payload.split_first_chunk::<4>().ok_or(RtpError::Short)?;
            let words = usize::from(u16::from_be_bytes([head[2], head[3]]));
            payload = after.get(words * 4..).ok_or(RtpError::Short)?;
        }
        if fixed[0] & 0x20 != 0 {
            let padding = usize::from(*payload.last().ok_or(RtpError::Short)?);
            let kept = payload.len().checked_sub(padding).ok_or(RtpError::Short)?;
            payload = &payload[..kept];
        }
        let header = Header {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        };
        Ok(Self { header, payload })
    }
}

/// Whether a datagram on a shared port is RTCP rather than RTP (RFC 5761 §4).
pub fn is_rtcp(bytes: &[u8]) -> bool {
    bytes.len() >= 8 && bytes[0] >> 6 == 2 && (192..=223).contains(&bytes[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header() -> Header {
        Header { marker: true, payload_type: 8, sequence: 65_535, timestamp: 7, ssrc: 0xdead_beef }
    }

    #[test]
    fn csrc_extension_and_padding_are_not_payload() {
        let mut bytes = vec![0; HEADER_BYTES];
        header().write((&mut bytes[..]).try_into().unwrap());
        bytes[0] |= 0x20 | 0x10 | 1;
        bytes.extend([1, 2, 3, 4]); // one contributing source
        bytes.extend([0xbe, 0xde, 0, 1, 9, 9, 9, 9]); // extension of one word
        bytes.extend([0xd5; 5]);
        bytes.extend([0, 0, 3]); // three bytes of padding
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.header, header());
        assert_eq!(packet.payload, [0xd5; 5]);
    }

    #[test]
    fn rtcp_is_told_from_rtp() {
        assert!(is_rtcp(&[0x80, 200, 0, 6, 0, 0, 0, 1]));
        assert!(!is_rtcp(&[0x80, 8 | 0x80, 0, 6, 0, 0, 0, 1]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(packet) = Packet::parse(&bytes) {
                prop_assert!(packet.payload.len() + HEADER_BYTES <= bytes.len());
            }
        }
    }
}
