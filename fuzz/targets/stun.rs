//! STUN and the lite agent of ICE: attributes lie within the message; who has no password gets no answer; an answer is
//! short and signed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qingting_media::ice::stun::{self, HEADER_BYTES, MESSAGE_BYTES_MAX, Message, Writer};
use qingting_media::ice::{Credentials, LiteAgent};
use std::net::SocketAddr;

const UFRAG: &str = "ours";
const PWD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
/// Signature and fingerprint.
const END_BYTES: usize = 24 + 8;

fuzz_target!(|data: &[u8]| {
    let from: SocketAddr = "198.51.100.9:4000".parse().expect("an address");
    let mut agent = LiteAgent::new(Credentials::new(UFRAG, PWD).expect("credentials"));
    let mut out = [0; MESSAGE_BYTES_MAX];
    inside(data);
    let mut bare = data.to_vec();
    frame(&mut bare);
    inside(&bare);
    assert_eq!(agent.handle(1, from, &bare, &mut out), None, "nobody signed it");
    assert_eq!((agent.destination(), agent.has_consent(1)), (None, false));

    let request = signed(data);
    inside(&request);
    let Some(length) = agent.handle(2, from, &request, &mut out) else { return };
    let answer = Message::parse(&out[..length]).expect("our answer is a message");
    assert!(answer.is_signed(PWD.as_bytes()));
    assert_eq!(answer.transaction(), Message::parse(&request).expect("read").transaction());
    match answer.kind() {
        stun::BINDING_SUCCESS => {
            assert_eq!(answer.mapped_address(), Some(from));
            assert!(agent.destination() == Some(from) && agent.is_peer(2, from));
        }
        kind => {
            assert_eq!(kind, stun::BINDING_ERROR);
            assert_eq!(agent.destination(), None, "who is refused has proved nothing");
        }
    }
});

fn inside(bytes: &[u8]) {
    let Some(message) = Message::parse(bytes) else { return };
    let within = bytes.as_ptr_range();
    let mut total = HEADER_BYTES;
    for (_, value) in message.attributes() {
        let value_range = value.as_ptr_range();
        assert!(within.start <= value_range.start && value_range.end <= within.end);
        total += 4 + value.len();
    }
    assert!(total <= bytes.len());
    let _ = (message.mapped_address(), message.is_signed(b"wrong"));
}

/// Makes a message of the bytes: cookie and length are right.
fn frame(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().max(HEADER_BYTES).next_multiple_of(4), 0);
    let length = (bytes.len() - HEADER_BYTES) as u16;
    bytes[0] &= 0x3f;
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    bytes[4..8].copy_from_slice(&0x2112_A442_u32.to_be_bytes());
}

/// A check of the peer's with any attributes: kind, length, value, as long as there is room.
fn signed(data: &[u8]) -> Vec<u8> {
    let mut bytes = [0; MESSAGE_BYTES_MAX];
    let mut writer = Writer::new(&mut bytes, stun::BINDING_REQUEST, [5; 12])
        .attribute(stun::USERNAME, b"ours:theirs");
    let mut room = MESSAGE_BYTES_MAX - HEADER_BYTES - 16 - END_BYTES;
    let mut rest = data;
    while let [high, low, length, after @ ..] = rest {
        let (value, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        let Some(left) = room.checked_sub(4 + value.len().next_multiple_of(4)) else { break };
        room = left;
        writer = writer.attribute(u16::from_be_bytes([*high, *low]), value);
    }
    let length = writer.finish(PWD.as_bytes());
    bytes[..length].to_vec()
}
