//! Reading, writing and negotiating session descriptions.

use proptest::prelude::*;
use qingting_core::sdp::*;

fn local() -> LocalMedia {
    LocalMedia {
        ip: "192.0.2.1".parse().expect("an address"),
        rtp_port: 30_000,
        rtcp_mux: false,
        session_id: 5,
        version: 1,
        codecs: Codec::ALL.to_vec(),
        security: LocalSecurity::default(),
    }
}

fn read(text: &str) -> SessionDescription {
    text.parse().expect("a description")
}

/// A description with these lines behind the session's own.
fn with(lines: &str) -> SessionDescription {
    read(&format!("v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\n{lines}"))
}

fn problem(text: &str) -> (usize, Problem) {
    let error = text.parse::<SessionDescription>().expect_err("an error");
    (error.line, error.problem)
}

#[test]
fn an_answer_keeps_the_offers_order_and_numbers_and_refuses_the_rest() {
    let offer = with(
        "m=video 5000 RTP/AVP 96\na=rtpmap:nonsense\n\
         m=audio 40000 RTP/AVP 18 0 8 110\na=rtpmap:110 telephone-event/8000\na=ptime:30\n",
    );
    let agreed = answer(&offer, &local()).expect("an answer");
    assert_eq!(
        agreed.local.to_string(),
        "v=0\r\no=- 5 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=video 0 RTP/AVP 96\r\nm=audio 30000 RTP/AVP 8 110\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:110 telephone-event/8000\r\na=fmtp:110 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    );
    let remote = agreed.remote;
    assert_eq!((remote.codec, remote.payload_type), (Codec::Pcma, 8));
    assert_eq!(remote.dtmf_payload_type, Some(110));
    assert_eq!(remote.rtp.to_string(), "192.0.2.9:40000");
    assert_eq!(remote.rtcp.to_string(), "192.0.2.9:40001");
}

#[test]
fn hold_is_understood_in_every_spelling() {
    let cases = [
        ("m=audio 4000 RTP/AVP 8\na=sendonly\n", Direction::RecvOnly),
        ("a=inactive\nm=audio 4000 RTP/AVP 8\n", Direction::Inactive),
        ("m=audio 4000 RTP/AVP 8\nc=IN IP4 0.0.0.0\n", Direction::RecvOnly),
        ("m=audio 4000 RTP/AVP 8\na=recvonly\n", Direction::SendOnly),
    ];
    for (lines, direction) in cases {
        let agreed = answer(&with(lines), &local()).expect("an answer");
        assert_eq!(agreed.remote.direction, direction, "{lines}");
        assert_eq!(agreed.local.media[0].direction, Some(direction), "{lines}");
    }
}

#[test]
fn a_refusal_says_what_to_offer() {
    let refused = |lines: &str| answer(&with(lines), &local()).expect_err("a refusal").warning();
    let no_codec = refused("m=audio 4000 RTP/AVP 18 4\n");
    assert_eq!(no_codec.code, 305);
    assert_eq!(no_codec.text, "no common codec in 18 4; offer PCMA/8000 or PCMU/8000");
    assert_eq!(refused("m=audio 4000 RTP/SAVP 8\n").code, 302);
    assert_eq!(refused("m=audio 0 RTP/AVP 8\n").code, 304);
    assert_eq!(refused("m=audio 4000 RTP/AVP 8\nc=IN IP6 2001:db8::1\n").code, 301);
    assert_eq!(refused("m=audio 4000 RTP/AVP 8\nc=IN IP4 pbx.example\n").code, 301);
    // A G.722 under PCMA's own number is not PCMA.
    assert_eq!(refused("m=audio 4000 RTP/AVP 8\na=rtpmap:8 G722/8000\n").code, 305);
}

#[test]
fn media_is_sent_to_one_host_alone() {
    let answered = |ours: &str, family: &str, theirs: &str, rtcp: &str| {
        let local = LocalMedia { ip: ours.parse().expect("an address"), ..local() };
        let lines = format!("m=audio 4000 RTP/AVP 8\nc=IN {family} {theirs}\n{rtcp}");
        answer(&with(&lines), &local).map(|agreed| agreed.remote)
    };
    let refused = |ours, family, theirs| match answered(ours, family, theirs, "") {
        Err(error @ NegotiationError::NotAHost { kind }) => (kind, error.warning().code),
        other => panic!("{theirs}: {other:?}"),
    };
    assert_eq!(refused("192.0.2.1", "IP4", "224.2.1.1/127"), ("multicast", 330));
    assert_eq!(refused("192.0.2.1", "IP4", "255.255.255.255"), ("broadcast", 399));
    assert_eq!(refused("192.0.2.1", "IP4", "0.0.0.1"), ("unspecified", 399));
    assert_eq!(refused("192.0.2.1", "IP4", "127.0.0.1"), ("loopback", 399));
    assert_eq!(refused("2001:db8::1", "IP6", "::1"), ("loopback", 399));
    assert_eq!(refused("2001:db8::1", "IP6", "ff02::1"), ("multicast", 330));
    assert_eq!(refused("2001:db8::1", "IP6", "::ffff:127.0.0.1"), ("loopback", 399));
    assert!(answered("127.0.0.1", "IP4", "127.0.0.1", "").is_ok(), "on one machine");
    assert!(answered("::1", "IP6", "::1", "").is_ok());
    let elsewhere = answered("192.0.2.1", "IP4", "192.0.2.9", "a=rtcp:53 IN IP4 255.255.255.255\n");
    assert_eq!(elsewhere, Err(NegotiationError::NotAHost { kind: "broadcast" }));
    let nowhere = answered("192.0.2.1", "IP4", "192.0.2.9", "a=rtcp:53 IN IP4 0.0.0.0\n");
    assert_eq!(nowhere.expect("an answer").rtcp.to_string(), "192.0.2.9:53");
}

#[test]
fn rtcp_goes_where_the_peer_says() {
    let rtcp = |lines: &str, mux| {
        let local = LocalMedia { rtcp_mux: mux, ..local() };
        answer(&with(lines), &local).expect("an answer").remote.rtcp.to_string()
    };
    assert_eq!(rtcp("m=audio 65535 RTP/AVP 8\n", false), "192.0.2.9:65535");
    assert_eq!(
        rtcp("m=audio 4000 RTP/AVP 8\na=rtcp:4100 IN IP4 192.0.2.8\n", false),
        "192.0.2.8:4100"
    );
    let mux = "m=audio 4000 RTP/AVP 8\na=rtcp-mux\n";
    assert_eq!(rtcp(mux, true), "192.0.2.9:4000");
    assert_eq!(rtcp(mux, false), "192.0.2.9:4001");
}

#[test]
fn ipv6_is_answered_in_ipv6() {
    let local = LocalMedia { ip: "2001:db8::1".parse().expect("an address"), ..local() };
    let offer = with("m=audio 4000 RTP/AVP 0\nc=IN IP6 2001:db8::2\n");
    let agreed = answer(&offer, &local).expect("an answer");
    assert_eq!(agreed.remote.rtp.to_string(), "[2001:db8::2]:4000");
    assert!(agreed.local.to_string().contains("c=IN IP6 2001:db8::1\r\n"));
}

#[test]
fn an_offer_of_ours_is_answered_by_ourselves() {
    let ours = offer(&local());
    let theirs = answer(&ours, &LocalMedia { rtp_port: 6_000, ..local() }).expect("an answer");
    let agreed = accept_answer(&ours, &theirs.local, &local()).expect("agreement");
    assert_eq!(agreed.remote.rtp.port(), 6_000);
    assert_eq!(agreed.remote.dtmf_payload_type, Some(DTMF_PAYLOAD_TYPE));
    let refusal = with("m=audio 0 RTP/AVP 8\n");
    assert_eq!(accept_answer(&ours, &refusal, &local()), Err(NegotiationError::Refused));
    let short = with("");
    let error = NegotiationError::MediaCount { offered: 1, answered: 0 };
    assert_eq!(accept_answer(&ours, &short, &local()), Err(error));
}

#[test]
fn the_version_rises_only_with_a_change_and_a_refused_offer_changes_nothing() {
    let mut session = Session::new(local());
    let mut version =
        |lines: &str| session.answer(&with(lines)).map(|agreed| agreed.local.origin.version).ok();
    let first = "m=audio 4000 RTP/AVP 8\n";
    assert_eq!(version(first).as_deref(), Some("1"));
    assert_eq!(version("m=audio 4002 RTP/AVP 8\n").as_deref(), Some("1"), "their port, not ours");
    assert_eq!(version("m=audio 4000 RTP/AVP 18\n"), None);
    assert_eq!(version("m=audio 4000 RTP/AVP 0\n").as_deref(), Some("2"), "another codec");
    assert_eq!(version(first).as_deref(), Some("3"));
}

#[test]
fn a_later_offer_of_ours_keeps_the_refused_lines_and_the_event_number() {
    let mut session = Session::new(local());
    let lines = "m=video 5000 RTP/AVP 96\nm=audio 4000 RTP/AVP 8 99\n\
                 a=rtpmap:99 telephone-event/8000\n";
    session.answer(&with(lines)).expect("an answer");
    let offer = session.offer();
    assert_eq!(offer.media[0].port, 0);
    assert_eq!(offer.media[1].formats, ["8", "0", "99"]);
    assert!(session.awaits_answer());
}

#[test]
fn an_error_names_the_line_and_the_remedy() {
    let head = "v=0\no=- 1 1 IN IP4 192.0.2.9\n";
    assert_eq!(problem(""), (1, Problem::Version));
    assert_eq!(problem("v=0\no=- 1 1\n"), (2, Problem::Origin));
    assert_eq!(problem("v=0\ns=-\n"), (2, Problem::OriginMissing));
    assert_eq!(problem(&format!("{head}nonsense\n")), (3, Problem::NotALine));
    assert_eq!(problem(&format!("{head}c=IN IP4\n")), (3, Problem::Connection));
    assert_eq!(problem(&format!("{head}m=audio 99999 RTP/AVP 8\n")), (3, Problem::Media));
    let rtpmap = format!("{head}m=audio 9 RTP/AVP 8\na=rtpmap:200 PCMA/8000\n");
    assert_eq!(problem(&rtpmap), (4, Problem::RtpMap));
    let error = rtpmap.parse::<SessionDescription>().expect_err("an error");
    assert!(error.to_string().starts_with("SDP line 4: rtpmap cannot be read; write a=rtpmap:8"));
}

#[test]
fn sizes_are_held_to_their_limits() {
    let head = "v=0\no=- 1 1 IN IP4 192.0.2.9\n";
    let long = format!("{head}s={}\n", "x".repeat(SDP_BYTES_MAX));
    assert!(matches!(problem(&long), (1, Problem::TooLong { .. })));
    let many = format!("{head}{}", "m=audio 9 RTP/AVP 8\n".repeat(SDP_MEDIA_LINES_MAX + 1));
    assert_eq!(problem(&many), (SDP_MEDIA_LINES_MAX + 3, Problem::TooManyMedia));
    let wide = format!("{head}m=audio 9 RTP/AVP{}\n", " 8".repeat(SDP_FORMATS_MAX + 1));
    assert_eq!(problem(&wide), (3, Problem::TooManyFormats));
    let deep = "a=x\n".repeat(SDP_ATTRIBUTES_MAX + 1);
    let deep = problem(&format!("{head}m=audio 9 RTP/AVP 8\n{deep}"));
    assert_eq!(deep.1, Problem::TooManyAttributes);
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]=[ -~]{0,24}",
        "a=(rtpmap|fmtp|rtcp|ptime):[0-9]{1,3}( [A-Za-z-]{1,9}(/[0-9]{1,5}){0,2})?",
        "m=(audio|video) [0-9]{1,5} RTP/AVP( [0-9]{1,3}){1,4}",
        "c=IN IP[46] [0-9a-f.:/]{1,12}",
        "a=(sendonly|inactive|rtcp-mux)",
    ]
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _ = text.parse::<SessionDescription>();
        let _ = format!("v=0\no=- 1 1 IN IP4 h\n{text}").parse::<SessionDescription>();
    }

    #[test]
    fn what_is_read_is_written_and_read_the_same(lines in prop::collection::vec(line(), 0..12)) {
        let text = format!("v=0\r\no=- 1 1 IN IP4 h\r\n{}", lines.join("\r\n"));
        if let Ok(read) = text.parse::<SessionDescription>() {
            prop_assert_eq!(read.to_string().parse(), Ok(read.clone()));
            let _ = answer(&read, &local());
            let _ = accept_answer(&offer(&local()), &read, &local());
        }
    }
}
