//! Properties of the parser, and each way of refusing a message.

use bytes::Bytes;
use proptest::prelude::*;
use qingting_sip::message::{Fault, Framing, Message, parse, stream_message_len};

fn invite(change: impl Fn(String) -> String) -> Vec<u8> {
    let text = "INVITE sip:12345@127.0.0.1 SIP/2.0\r\n\
        Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK1\r\n\
        From: \"a\" <sip:a@b>;tag=1\r\nTo: <sip:12345@127.0.0.1>\r\nCall-ID: c1\r\n\
        CSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContent-Length: 4\r\n\r\nv=0\n";
    change(text.to_owned()).into_bytes()
}

fn status(bytes: Vec<u8>) -> u16 {
    match parse(&bytes.into(), Framing::Datagram) {
        Ok(_) => 200,
        Err(Fault::Refused { code, .. }) => code,
        Err(Fault::Garbage(_)) => 0,
    }
}

fn bytes_of(message: &Message) -> Bytes {
    match message {
        Message::Request(request) => request.to_bytes(),
        Message::Response(response) => response.to_bytes(),
    }
}

#[test]
fn each_fault_has_its_status() {
    let cases: [(&str, &str, u16); 13] = [
        ("Max-", "Max-", 200),
        ("Content-Length: 4", "Content-Length: -4", 400),
        ("Content-Length: 4", "Content-Length: 4\r\nl: 3", 400),
        ("Content-Length: 4", "Content-Length: 400", 400),
        ("CSeq: 1 INVITE", "CSeq: 1 BYE", 400),
        ("CSeq: 1 INVITE", "CSeq: 4294967296 INVITE", 400),
        ("SIP/2.0\r\nVia", "SIP/7.0\r\nVia", 505),
        ("INVITE sip:", "INVITE gopher:", 416),
        ("Call-ID: c1", "Call-ID: c1\r\ni: c2", 400),
        ("Via: SIP/2.0/UDP", "Via: nonsense", 0),
        ("<sip:12345@127.0.0.1>", "<sip:12345@127.0.0.1>;tag", 400),
        ("tag=1", "tag=1;Tag=2", 400),
        ("tag=1", "tagged;tag=1", 200),
    ];
    for (from, to, expected) in cases {
        assert_eq!(status(invite(|text| text.replacen(from, to, 1))), expected, "{to}");
    }
}

#[test]
fn a_folded_compact_message_reads_like_a_plain_one() {
    let bytes = invite(|text| {
        text.replace("Via: ", "v :\r\n ")
            .replace("From: ", "f:")
            .replace("Call-ID", "i")
            .replace("Content-Length", "L")
    });
    let Ok(Message::Request(request)) = parse(&bytes.into(), Framing::Datagram) else { panic!() };
    assert_eq!((request.call_id.as_str(), request.from.tag()), ("c1", Some("1")));
    assert_eq!(&request.body[..], b"v=0\n");
}

#[test]
fn a_stream_is_cut_where_content_length_says() {
    let bytes = invite(|text| text);
    assert_eq!(stream_message_len(&bytes), Ok(Some(bytes.len())));
    assert_eq!(stream_message_len(&bytes[..40]), Ok(None));
    assert!(stream_message_len(&invite(|t| t.replace(": 4", ": 99999999999999999999"))).is_err());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = stream_message_len(&bytes);
        let _ = parse(&bytes.into(), Framing::Datagram);
    }

    #[test]
    fn a_damaged_invite_never_panics_and_what_parses_is_stable(
        cuts in proptest::collection::vec((0usize..330, any::<u8>()), 0..6),
    ) {
        let mut bytes = invite(|text| text);
        for (at, byte) in cuts {
            let len = bytes.len();
            bytes[at % len] = byte;
        }
        if let Ok(message) = parse(&bytes.into(), Framing::Datagram) {
            let once = bytes_of(&message);
            let again = parse(&once, Framing::Datagram).expect("what we write we read");
            prop_assert_eq!(bytes_of(&again), once);
        }
    }
}
