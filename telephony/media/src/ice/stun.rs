//! STUN messages (RFC 8489), as far as ICE checks need them: read in place, written into the
//! caller's buffer. **Nothing allocates.**
//!
//! Ours rather than the `rtc-stun` crate's, whose messages own vectors: a browser sends checks
//! throughout a call, to a thread that must not allocate.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::net::{IpAddr, SocketAddr};

/// Length of the header, in bytes.
pub const HEADER_BYTES: usize = 20;
/// Longest message that is written here, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 256;

/// A Binding request: method 1, class 0.
pub const BINDING_REQUEST: u16 = 0x0001;
/// Its success response.
pub const BINDING_SUCCESS: u16 = 0x0101;
/// Its error response.
pub const BINDING_ERROR: u16 = 0x0111;

/// `USERNAME`.
pub const USERNAME: u16 = 0x0006;
/// `ERROR-CODE`.
pub const ERROR_CODE: u16 = 0x0009;
/// `UNKNOWN-ATTRIBUTES`.
pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
/// `XOR-MAPPED-ADDRESS`.
pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// `PRIORITY` (RFC 8445 §16.1).
pub const PRIORITY: u16 = 0x0024;
/// `USE-CANDIDATE`: this pair is nominated.
pub const USE_CANDIDATE: u16 = 0x0025;
/// `ICE-CONTROLLED`.
pub const ICE_CONTROLLED: u16 = 0x8029;
/// `ICE-CONTROLLING`.
pub const ICE_CONTROLLING: u16 = 0x802a;

const MESSAGE_INTEGRITY: u16 = 0x0008;
const FINGERPRINT: u16 = 0x8028;
const MAGIC_COOKIE: u32 = 0x2112_A442;
const INTEGRITY_BYTES: usize = 20;
const FINGERPRINT_XOR: u32 = 0x5354_554e;

/// A message whose lengths agree, and whose fingerprint too if it has one.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    /// Where `MESSAGE-INTEGRITY` begins.
    integrity: Option<usize>,
}

impl<'a> Message<'a> {
    /// Reads a datagram; `None` for what is no whole STUN message.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.first_chunk::<HEADER_BYTES>()?;
        let length = usize::from(be_u16(header, 2)?);
        let ours = header[0] >> 6 == 0
            && header[4..8] == MAGIC_COOKIE.to_be_bytes()
            && length.is_multiple_of(4)
            && bytes.len() == HEADER_BYTES + length;
        if !ours {
            return None;
        }
        let mut message = Self { bytes, integrity: None };
        let mut at = HEADER_BYTES;
        while at < bytes.len() {
            let (kind, value) = attribute_at(bytes, at)?;
            match kind {
                MESSAGE_INTEGRITY if message.integrity.is_none() => {
                    message.integrity = Some(at).filter(|_| value.len() == INTEGRITY_BYTES);
                    message.integrity?;
                }
                FINGERPRINT => {
                    let last = at + 4 + value.len() == bytes.len();
                    let fits = value == fingerprint(&bytes[..at]).to_be_bytes();
                    return (last && fits).then_some(message);
                }
                _ => {}
            }
            at += 4 + value.len().next_multiple_of(4);
        }
        Some(message)
    }

    /// Method and class, such as [`BINDING_REQUEST`].
    pub fn kind(&self) -> u16 {
        u16::from_be_bytes([self.bytes[0], self.bytes[1]])
    }

    /// What ties a response to its request.
    pub fn transaction(&self) -> [u8; 12] {
        std::array::from_fn(|at| self.bytes[8 + at])
    }

    /// The attributes that are signed, or all of them in a message without a signature; what follows
    /// a signature means nothing (RFC 8489 §14.5).
    pub fn attributes(&self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let (bytes, end) = (self.bytes, self.integrity.unwrap_or(self.bytes.len()));
        let mut at = HEADER_BYTES;
        std::iter::from_fn(move || {
            let (kind, value) = attribute_at(bytes, at).filter(|_| at < end)?;
            at += 4 + value.len().next_multiple_of(4);
            (kind != FINGERPRINT).then_some((kind, value))
        })
    }

    /// The value of an attribute among [`Message::attributes`].
    pub fn attribute(&self, kind: u16) -> Option<&'a [u8]> {
        self.attributes().find(|(known, _)| *known == kind).map(|(_, value)| value)
    }

    /// Whether it is signed with `password` (short-term credentials, RFC 8489 §9.1).
    pub fn is_signed(&self, password: &[u8]) -> bool {
        let Some(at) = self.integrity else { return false };
        let Some((_, value)) = attribute_at(self.bytes, at) else { return false };
        // The signature counts the message as ending behind itself (RFC 8489 §14.5).
        let signed = length_up_to(at + 4 + INTEGRITY_BYTES);
        let mac = mac(password).chain_update(&self.bytes[..2]).chain_update(signed);
        mac.chain_update(&self.bytes[4..at]).verify_slice(value).is_ok()
    }

    /// The address in `XOR-MAPPED-ADDRESS`.
    pub fn mapped_address(&self) -> Option<SocketAddr> {
        let value = self.attribute(XOR_MAPPED_ADDRESS)?;
        let port = be_u16(value, 2)? ^ (MAGIC_COOKIE >> 16) as u16;
        let pad = address_pad(self.transaction());
        let ip = match (value[1], value.len()) {
            (1, 8) => IpAddr::from(std::array::from_fn::<u8, 4, _>(|at| value[4 + at] ^ pad[at])),
            (2, 20) => IpAddr::from(std::array::from_fn::<u8, 16, _>(|at| value[4 + at] ^ pad[at])),
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }
}

/// Writes one message. Attributes beyond [`MESSAGE_BYTES_MAX`] are our fault and panic.
#[derive(Debug)]
pub struct Writer<'a> {
    bytes: &'a mut [u8; MESSAGE_BYTES_MAX],
    length: usize,
}

impl<'a> Writer<'a> {
    /// Begins a message.
    pub fn new(bytes: &'a mut [u8; MESSAGE_BYTES_MAX], kind: u16, transaction: [u8; 12]) -> Self {
        bytes[..2].copy_from_slice(&kind.to_be_bytes());
        bytes[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
        bytes[8..HEADER_BYTES].copy_from_slice(&transaction);
        Self { bytes, length: HEADER_BYTES }
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let at = self.length;
        let padded = value.len().next_multiple_of(4);
        self.bytes[at..at + 2].copy_from_slice(&kind.to_be_bytes());
        self.bytes[at + 2..at + 4].copy_from_slice(&short(value.len()));
        self.bytes[at + 4..at + 4 + padded].fill(0);
        self.bytes[at + 4..at + 4 + value.len()].copy_from_slice(value);
        self.length = at + 4 + padded;
        let length = length_up_to(self.length);
        self.bytes[2..4].copy_from_slice(&length);
        self
    }

    /// Adds `XOR-MAPPED-ADDRESS`.
    #[must_use]
    pub fn mapped_address(self, address: SocketAddr) -> Self {
        let mut transaction = [0; 12];
        transaction.copy_from_slice(&self.bytes[8..HEADER_BYTES]);
        let pad = address_pad(transaction);
        let mut value = [0; 20];
        let port = address.port() ^ (MAGIC_COOKIE >> 16) as u16;
        value[2..4].copy_from_slice(&port.to_be_bytes());
        let length = match address.ip() {
            IpAddr::V4(ip) => {
                value[1] = 1;
                value[4..8].copy_from_slice(&ip.octets());
                8
            }
            IpAddr::V6(ip) => {
                value[1] = 2;
                value[4..].copy_from_slice(&ip.octets());
                20
            }
        };
        value[4..].iter_mut().zip(pad).for_each(|(byte, pad)| *byte ^= pad);
        self.attribute(XOR_MAPPED_ADDRESS, &value[..length])
    }

    /// Signs it with `password` and ends it with its fingerprint; the message's length.
    pub fn finish(self, password: &[u8]) -> usize {
        let at = self.length;
        // The length that is signed counts the signature.
        let writer = self.attribute(MESSAGE_INTEGRITY, &[0; INTEGRITY_BYTES]);
        let signature = mac(password).chain_update(&writer.bytes[..at]).finalize().into_bytes();
        writer.bytes[at + 4..at + 4 + INTEGRITY_BYTES].copy_from_slice(&signature);
        let at = writer.length;
        let writer = writer.attribute(FINGERPRINT, &[0; 4]);
        let crc = fingerprint(&writer.bytes[..at]).to_be_bytes();
        writer.bytes[at + 4..at + 8].copy_from_slice(&crc);
        writer.length
    }
}

fn mac(password: &[u8]) -> Hmac<Sha1> {
    Hmac::new_from_slice(password).expect("HMAC takes any length")
}

/// CRC-32 of all before the attribute, whose length field counts it already (RFC 8489 §14.7).
fn fingerprint(before: &[u8]) -> u32 {
    crc32fast::hash(before) ^ FINGERPRINT_XOR
}

/// What addresses are hidden with: the cookie and the transaction (RFC 8489 §14.2).
fn address_pad(transaction: [u8; 12]) -> [u8; 16] {
    let mut pad = [0; 16];
    pad[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    pad[4..].copy_from_slice(&transaction);
    pad
}

/// The length field of a message that ends at `end`.
fn length_up_to(end: usize) -> [u8; 2] {
    short(end - HEADER_BYTES)
}

fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("messages are shorter than 64 KiB").to_be_bytes()
}

fn attribute_at(bytes: &[u8], at: usize) -> Option<(u16, &[u8])> {
    let kind = be_u16(bytes, at)?;
    let length = usize::from(be_u16(bytes, at + 2)?);
    Some((kind, bytes.get(at + 4..at + 4 + length)?))
}

fn be_u16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|two| u16::from_be_bytes(*two))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(pair).collect()
    }

    /// RFC 5769 §2.1.
    fn sample_request() -> Vec<u8> {
        bytes(
            "00010058 2112a442 b7e7a701 bc34d686 fa87dfae 80220010 5354554e 20746573 7420636c \
             69656e74 00240004 6e0001ff 80290008 932ff9b1 51263b36 00060009 6576746a 3a683676 \
             59202020 00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2 80280004 e57a3bcf",
        )
    }

    #[test]
    fn the_sample_request_is_read() {
        let sample = sample_request();
        let message = Message::parse(&sample).unwrap();
        assert_eq!(message.kind(), BINDING_REQUEST);
        assert_eq!(message.attribute(USERNAME), Some(&b"evtj:h6vY"[..]));
        assert_eq!(message.attribute(PRIORITY), Some(&0x6e00_01ff_u32.to_be_bytes()[..]));
        assert!(message.is_signed(PASSWORD) && !message.is_signed(b"another"));
    }

    #[test]
    fn no_signed_bit_of_the_sample_request_can_be_changed() {
        let sample = sample_request();
        // The fingerprint stands behind the signature.
        for bit in 0..(sample.len() - 8) * 8 {
            let mut changed = sample.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let signed = Message::parse(&changed).is_some_and(|m| m.is_signed(PASSWORD));
            assert!(!signed, "bit {bit}");
        }
    }

    /// RFC 5769 §2.2 and §2.3.
    #[test]
    fn the_sample_responses_are_read() {
        let ipv4 = bytes(
            "0101003c 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220 \
             00200008 0001a147 e112a643 00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7 \
             80280004 c07d4c96",
        );
        let ipv6 = bytes(
            "01010048 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220 \
             00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9 00080014 a382954e 4be67bf1 \
             1784c97c 8292c275 bfe3ed41 80280004 c8fb0b4c",
        );
        for (sample, address) in
            [(ipv4, "192.0.2.1:32853"), (ipv6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")]
        {
            let message = Message::parse(&sample).unwrap();
            assert_eq!(message.kind(), BINDING_SUCCESS);
            assert!(message.is_signed(PASSWORD));
            assert_eq!(message.mapped_address(), Some(address.parse().unwrap()));
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for address in ["192.0.2.1:32853", "[2001:db8::7]:1"] {
            let mut out = [0xff; MESSAGE_BYTES_MAX];
            let writer = Writer::new(&mut out, BINDING_SUCCESS, *b"transaction!");
            let length = writer
                .attribute(USERNAME, b"abc")
                .mapped_address(address.parse().unwrap())
                .finish(PASSWORD);
            let message = Message::parse(&out[..length]).unwrap();
            assert!(message.is_signed(PASSWORD));
            assert_eq!(message.transaction(), *b"transaction!");
            assert_eq!(message.mapped_address(), Some(address.parse().unwrap()));
            assert_eq!(message.attribute(USERNAME), Some(&b"abc"[..]));
        }
    }

    #[test]
    fn what_follows_the_signature_means_nothing() {
        let mut sample = sample_request();
        sample.truncate(sample.len() - 8);
        sample.extend([0, 0x25, 0, 0]);
        let length = (sample.len() - HEADER_BYTES) as u16;
        sample[2..4].copy_from_slice(&length.to_be_bytes());
        let message = Message::parse(&sample).unwrap();
        assert!(message.is_signed(PASSWORD));
        assert_eq!(message.attribute(USE_CANDIDATE), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(
            tail in proptest::collection::vec(any::<u8>(), 0..64),
            length in any::<u16>(),
        ) {
            let mut datagram = sample_request()[..HEADER_BYTES].to_vec();
            datagram.extend(&tail);
            let length = if length % 2 == 0 { tail.len() as u16 } else { length };
            datagram[2..4].copy_from_slice(&length.to_be_bytes());
            if let Some(message) = Message::parse(&datagram) {
                let _ = message.attributes().count();
                let _ = (message.is_signed(PASSWORD), message.mapped_address());
            }
            let _ = Message::parse(&tail);
        }
    }
}
