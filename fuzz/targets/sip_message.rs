//! SIP messages: what is read is written and read the same, by datagram and by stream; what refuses them is a message.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use qingting_common::limits::SIP_MESSAGE_BYTES_MAX;
use qingting_sip::message::{
    Fault, Framing, HeaderName, Message, Response, VALUE_BYTES_MAX, parse, response_headers,
    screen, stream_message_len,
};

fuzz_target!(|data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    for framing in [Framing::Datagram, Framing::Stream] {
        match parse(&bytes, framing) {
            Ok(message) => whole(&message),
            Err(Fault::Refused { head, code, .. }) => {
                assert!((400..600).contains(&code), "{code}");
                let _ = response_headers(&head.headers, &head.via, Some("t"));
            }
            Err(Fault::Garbage(_)) => {}
        }
    }
    if let Ok(Some(len)) = stream_message_len(data) {
        assert!((1..=SIP_MESSAGE_BYTES_MAX).contains(&len));
        // A message's end does not depend on what comes behind it.
        if let Some(first) = data.get(..len) {
            assert_eq!(stream_message_len(first), Ok(Some(len)));
        }
    }
});

/// As the parser has it.
const HEADER_FIELDS_MAX: usize = 256;
/// Our tag in an answer.
const TAG: &str = "ours";

fn whole(message: &Message) {
    let once = written(message);
    // Values of a list are written in a field each.
    let headers = match message {
        Message::Request(request) => &request.headers,
        Message::Response(response) => &response.headers,
    };
    if headers.iter().count() > HEADER_FIELDS_MAX {
        return;
    }
    // Two readers agree about where it ends and what it says.
    for framing in [Framing::Datagram, Framing::Stream] {
        let again = parse(&once, framing).expect("what we write we read");
        assert_eq!(written(&again), once);
        same(message, &again);
    }
    if once.len() <= SIP_MESSAGE_BYTES_MAX {
        assert_eq!(stream_message_len(&once), Ok(Some(once.len())));
    }
    match message {
        Message::Request(request) => {
            let _ = (request.contact(), request.sdp(), screen(request));
            let to = request.headers.first(&HeaderName::To).unwrap_or_default();
            if to.len() + ";tag=".len() + TAG.len() > VALUE_BYTES_MAX {
                return;
            }
            let headers = response_headers(&request.headers, &request.via, Some(TAG));
            let answer = Message::Response(Box::new(Response {
                code: 400,
                reason: "No".to_owned(),
                via: request.via.clone(),
                from: request.from.clone(),
                to: request.to.clone(),
                call_id: request.call_id.clone(),
                cseq: request.cseq.clone(),
                headers,
                body: Bytes::new(),
            }));
            let answer =
                parse(&written(&answer), Framing::Stream).expect("our answer is a message");
            let Message::Response(answer) = answer else { panic!("our answer is a response") };
            assert_eq!((&answer.call_id, &answer.cseq), (&request.call_id, &request.cseq));
            assert_eq!(answer.from, request.from);
            assert!(answer.to.tag().is_some());
        }
        Message::Response(response) => {
            let _ = (response.contact(), response.sdp(), response.retry_after_s());
        }
    }
}

fn written(message: &Message) -> Bytes {
    match message {
        Message::Request(request) => request.to_bytes(),
        Message::Response(response) => response.to_bytes(),
    }
}

fn same(one: &Message, other: &Message) {
    match (one, other) {
        (Message::Request(one), Message::Request(other)) => {
            assert_eq!(
                (&one.method, &one.uri, &one.cseq),
                (&other.method, &other.uri, &other.cseq)
            );
            assert_eq!((&one.from, &one.to, &one.via), (&other.from, &other.to, &other.via));
            assert_eq!((&one.call_id, &one.body), (&other.call_id, &other.body));
            assert_eq!(one.headers, other.headers);
        }
        (Message::Response(one), Message::Response(other)) => {
            assert_eq!((one.code, &one.cseq, &one.body), (other.code, &other.cseq, &other.body));
            assert_eq!((&one.from, &one.to, &one.via), (&other.from, &other.to, &other.via));
            assert_eq!((&one.call_id, &one.headers), (&other.call_id, &other.headers));
        }
        _ => panic!("a request became a response"),
    }
}
