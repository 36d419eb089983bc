//! Secured audio in session descriptions: SDES, DTLS-SRTP with ICE, and the codecs of browsers.

use proptest::prelude::*;
use qingting_core::sdp::*;

const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
const FINGERPRINT: &str = "a=fingerprint:sha-256 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:\
                           19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF\n";

fn local() -> LocalMedia {
    LocalMedia {
        ip: "192.0.2.1".parse().expect("an address"),
        rtp_port: 30_000,
        rtcp_mux: false,
        session_id: 5,
        version: 1,
        codecs: Codec::WIDE.to_vec(),
        security: LocalSecurity {
            sdes: Some(MasterKey::new([7; 30])),
            dtls: Some(LocalDtls {
                fingerprint: Fingerprint([0xa5; 32]),
                ice: IceSecret::new([3; 24]),
                role: None,
            }),
            offer: Keying::Plain,
        },
    }
}

fn offering(offer: Keying) -> LocalMedia {
    LocalMedia { security: LocalSecurity { offer, ..local().security }, ..local() }
}

fn plain() -> LocalMedia {
    LocalMedia { security: LocalSecurity::default(), ..local() }
}

fn with(lines: &str) -> SessionDescription {
    let text = format!("v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\n{lines}");
    text.parse().expect("a description")
}

/// What Chromium offers for a call with audio, less what says nothing to us.
fn browser(ufrag: &str, setup: &str) -> SessionDescription {
    with(&format!(
        "a=group:BUNDLE 0 1\na=extmap-allow-mixed\na=msid-semantic: WMS\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\nc=IN IP4 0.0.0.0\n\
         a=rtcp:9 IN IP4 0.0.0.0\na=ice-ufrag:{ufrag}\na=ice-pwd:asd88fgpdd777uzjYhagZg12\n\
         a=ice-options:trickle\n{FINGERPRINT}a=setup:{setup}\na=mid:0\n\
         a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\na=sendrecv\na=msid:- 5d3a\n\
         a=rtcp-mux\na=rtcp-rsize\na=rtpmap:111 opus/48000/2\na=rtcp-fb:111 transport-cc\n\
         a=fmtp:111 minptime=10;useinbandfec=1\na=rtpmap:63 red/48000/2\na=fmtp:63 111/111\n\
         a=rtpmap:9 G722/8000\na=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\na=rtpmap:13 CN/8000\n\
         a=rtpmap:110 telephone-event/48000\na=rtpmap:126 telephone-event/8000\n\
         a=ssrc:1217 cname:Yj2\na=candidate:1 1 udp 2122260223 0f3e.local 52111 typ host\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:1\n"
    ))
}

#[test]
fn a_browser_gets_opus_over_dtls_and_ice() {
    let agreed = answer(&browser("EsAw", "actpass"), &local()).expect("an answer");
    assert_eq!(
        agreed.local.to_string(),
        "v=0\r\no=- 5 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\na=ice-lite\r\n\
         a=group:BUNDLE 0\r\nm=audio 30000 UDP/TLS/RTP/SAVPF 111 110\r\n\
         a=rtpmap:111 opus/48000/2\r\na=rtpmap:110 telephone-event/48000\r\n\
         a=fmtp:111 minptime=10;useinbandfec=1\r\na=fmtp:110 0-16\r\na=ptime:20\r\na=rtcp-mux\r\n\
         a=sendrecv\r\na=mid:0\r\na=msid:qingting audio\r\na=ice-ufrag:AwMDAwMD00\r\n\
         a=ice-pwd:AwMDAwMDAwMDAwMDAwMDAwMD00\r\na=fingerprint:sha-256 \
         A5:A5:A5:A5:A5:A5:A5:A5:A5:A5:A5:A5:A5:A5:A5:A5:A5:A5:A5:A5:A5:A5:A5:A5:A5:A5:A5:A5:A5:A5:\
         A5:A5\r\na=setup:passive\r\na=candidate:1 1 UDP 2130706431 192.0.2.1 30000 typ host\r\n\
         a=end-of-candidates\r\nm=video 0 UDP/TLS/RTP/SAVPF 96\r\n"
    );
    let remote = agreed.remote;
    assert_eq!((remote.codec, remote.payload_type), (Codec::Opus, 111));
    assert_eq!((remote.dtmf_payload_type, remote.rtcp_mux), (Some(110), true));
    assert_eq!(remote.direction, Direction::SendRecv, "0.0.0.0 over ICE is no hold");
    assert_eq!(remote.rtp.to_string(), "0.0.0.0:0");
    let RemoteSecurity::Dtls { fingerprint, role, ice } = remote.security else {
        panic!("{:?}", remote.security)
    };
    assert_eq!((fingerprint.0[0], fingerprint.0[31], role), (0x4a, 0xdf, DtlsRole::Server));
    assert_eq!((ice.ufrag().as_str(), ice.pwd().len()), ("AwMDAwMD00", 26));
}

#[test]
fn telephone_event_follows_the_clock_of_the_codec_or_has_that_of_the_telephone() {
    let narrow = LocalMedia { codecs: Codec::ALL.to_vec(), ..local() };
    let agreed = answer(&browser("EsAw", "actpass"), &narrow).expect("an answer");
    assert_eq!((agreed.remote.codec, agreed.remote.dtmf_payload_type), (Codec::Pcma, Some(126)));
    let opus_alone = with(
        "m=audio 4000 RTP/AVP 96 101\na=rtpmap:96 OPUS/48000/2\n\
         a=rtpmap:101 telephone-event/8000\n",
    );
    let agreed = answer(&opus_alone, &local()).expect("an answer");
    assert_eq!((agreed.remote.payload_type, agreed.remote.dtmf_payload_type), (96, Some(101)));
    assert!(agreed.local.to_string().contains("a=rtpmap:101 telephone-event/8000\r\n"));
}

#[test]
fn a_browser_is_offered_keys_at_one_clock_the_one_that_it_would_use() {
    let mut local = local();
    local.security.offer = Keying::Dtls;
    assert_eq!(offer(&local).media[0].formats, ["111", "9", "8", "0", "101"]);
}

#[test]
fn a_later_offer_may_give_events_another_number() {
    let mut session = Session::new(local());
    let mut event = |number: u8| {
        let lines = format!(
            "m=audio 4000 RTP/AVP 8 {number} 13\na=rtpmap:{number} telephone-event/8000\n\
             a=rtpmap:13 CN/8000\n"
        );
        let agreed = session.answer(&with(&lines)).expect("an answer");
        assert_eq!(agreed.local.media[0].formats, ["8".to_owned(), number.to_string()]);
        agreed.remote.dtmf_payload_type
    };
    assert_eq!((event(101), event(97)), (Some(101), Some(97)));
}

#[test]
fn a_wide_offer_of_ours_has_an_event_for_each_clock() {
    let media = &offer(&local()).media[0];
    assert_eq!(media.formats, ["111", "9", "8", "0", "110", "101"]);
    let desk = with("m=audio 4000 RTP/AVP 9 101\na=rtpmap:101 telephone-event/8000\n");
    let agreed = accept_answer(&offer(&local()), &desk, &local()).expect("agreement");
    assert_eq!((agreed.remote.codec, agreed.remote.dtmf_payload_type), (Codec::G722, Some(101)));
}

#[test]
fn a_later_offer_of_ours_keeps_every_number_that_means_something() {
    let mut session = Session::new(local());
    let lines = "m=audio 4000 RTP/AVP 110 111\na=rtpmap:110 opus/48000/2\n\
                 a=rtpmap:111 telephone-event/48000\n";
    session.answer(&with(lines)).expect("an answer");
    assert_eq!(session.offer().media[0].formats, ["110", "9", "8", "0", "111", "101"]);
}

#[test]
fn sdes_keys_cross() {
    let lines = format!(
        "m=audio 4000 RTP/SAVP 8\na=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:{KEY}\n\
         a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4\n\
         a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^31 UNENCRYPTED_SRTP\n\
         a=crypto:4 AES_CM_128_HMAC_SHA1_32 inline:{KEY}|2^31 WSH=128\n\
         a=crypto:5 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\n"
    );
    let agreed = answer(&with(&lines), &local()).expect("an answer");
    let answered = &agreed.local.media[0];
    assert_eq!((answered.proto.as_str(), answered.port), ("RTP/SAVP", 30_000));
    let crypto = "a=crypto:4 AES_CM_128_HMAC_SHA1_32 \
                  inline:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\r\n";
    assert!(agreed.local.to_string().contains(crypto), "the first that can be honoured");
    let RemoteSecurity::Sdes { suite, send, receive } = agreed.remote.security else {
        panic!("{:?}", agreed.remote.security)
    };
    assert_eq!((suite, send), (Suite::AesCm32, MasterKey::new([7; 30])));
    assert_eq!(receive.bytes()[..8], *b"YS___sem");
    assert_eq!(agreed.remote.rtp.to_string(), "192.0.2.9:4000");
}

#[test]
fn keys_beside_plain_rtp_are_used_or_left() {
    let lines =
        format!("m=audio 4000 RTP/AVP 8\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\n");
    let secured = answer(&with(&lines), &local()).expect("an answer");
    assert!(matches!(secured.remote.security, RemoteSecurity::Sdes { .. }));
    assert_eq!(secured.local.media[0].proto, "RTP/AVP");
    let left = answer(&with(&lines), &plain()).expect("an answer");
    assert_eq!(left.remote.security, RemoteSecurity::Plain);
    assert!(left.local.media[0].cryptos.is_empty());
}

#[test]
fn of_two_audio_lines_the_one_with_keys_that_we_have_is_taken() {
    let both = format!(
        "m=audio 4000 RTP/SAVP 8\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\n\
         m=audio 4002 RTP/AVP 8\n"
    );
    let ports = |local: &LocalMedia| {
        let agreed = answer(&with(&both), local).expect("an answer");
        agreed.local.media.iter().map(|media| media.port).collect::<Vec<_>>()
    };
    assert_eq!(ports(&local()), [30_000, 0]);
    assert_eq!(ports(&plain()), [0, 30_000]);
}

#[test]
fn a_secured_offer_without_what_it_needs_is_told_what() {
    let refused = |lines: &str, local: &LocalMedia| {
        let warning = answer(&with(lines), local).expect_err("a refusal").warning();
        (warning.code, warning.text)
    };
    let (code, text) = refused("m=audio 4000 RTP/SAVP 8\n", &local());
    assert_eq!(code, 399);
    assert!(text.ends_with("add a=crypto with AES_CM_128_HMAC_SHA1_80 and one inline key"));
    let over_dtls = "m=audio 9 UDP/TLS/RTP/SAVPF 8\n";
    assert!(refused(over_dtls, &local()).1.ends_with("add a=fingerprint:sha-256"));
    let no_ice = format!("{over_dtls}{FINGERPRINT}");
    assert!(refused(&no_ice, &local()).1.ends_with("add a=ice-ufrag and a=ice-pwd"));
    let ice = "a=ice-ufrag:EsAw\na=ice-pwd:asd88fgpdd777uzjYhagZg12\n";
    assert!(refused(&format!("{no_ice}{ice}"), &local()).1.ends_with("add a=rtcp-mux"));
    let whole = format!("{no_ice}{ice}a=rtcp-mux\n");
    assert!(answer(&with(&whole), &local()).is_ok());
    assert_eq!(refused(&whole, &plain()).0, 302);
    let check = Session::check(&with(&whole), &Codec::ALL, &plain().security);
    assert!(matches!(check, Err(NegotiationError::Transport { .. })));
}

#[test]
fn secured_offers_of_ours_are_answered_by_ourselves() {
    for keying in [Keying::Sdes, Keying::Dtls] {
        let mut ours = Session::new(offering(keying));
        let them = LocalSecurity { sdes: Some(MasterKey::new([9; 30])), ..local().security };
        let mut theirs = Session::new(LocalMedia { rtp_port: 6_000, security: them, ..local() });
        for round in 0..2 {
            let offer = ours.offer();
            // One side of a call has to send the checks.
            let full =
                |said: &SessionDescription| SessionDescription { ice_lite: false, ..said.clone() };
            assert_eq!(theirs.answer(&offer).is_ok(), keying == Keying::Sdes);
            let answer = theirs.answer(&full(&offer)).expect("an answer");
            let agreed = ours.accept(&full(&answer.local)).expect("agreement");
            match (agreed.remote.security, answer.remote.security) {
                (
                    RemoteSecurity::Sdes { suite, send, receive },
                    RemoteSecurity::Sdes { send: sent, receive: received, .. },
                ) => {
                    assert_eq!(suite, Suite::AesCm80);
                    assert_eq!((send, receive), (received, sent));
                    assert_ne!(send, receive);
                }
                (RemoteSecurity::Dtls { role, .. }, RemoteSecurity::Dtls { role: other, .. }) => {
                    assert_eq!((role, other), (DtlsRole::Client, DtlsRole::Server), "{round}");
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(offer.origin.version, "1", "the same keys again");
        }
    }
}

#[test]
fn an_answer_cannot_leave_the_keys_out() {
    let ours = offer(&offering(Keying::Sdes));
    for lines in [
        "m=audio 4000 RTP/AVP 8\n".to_owned(),
        format!("m=audio 4000 RTP/SAVP 8\na=crypto:9 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\n"),
    ] {
        let refused = accept_answer(&ours, &with(&lines), &local());
        assert!(matches!(refused, Err(NegotiationError::Keys { .. })), "{refused:?}");
    }
    let refused =
        accept_answer(&offer(&offering(Keying::Dtls)), &browser("EsAw", "actpass"), &local());
    assert!(refused.is_err(), "an answer chooses a role");
}

#[test]
fn ice_restarts_with_the_peer_and_dtls_keeps_its_roles() {
    let mut session = Session::new(local());
    let mut agreed = |ufrag: &str, setup: &str| {
        let agreed = session.answer(&browser(ufrag, setup)).expect("an answer");
        let RemoteSecurity::Dtls { role, ice, .. } = agreed.remote.security else { panic!("DTLS") };
        (role, ice.ufrag(), agreed.local.origin.version)
    };
    let first = (DtlsRole::Client, "AwMDAwMD00".to_owned(), "1".to_owned());
    assert_eq!(agreed("EsAw", "passive"), first);
    assert_eq!(agreed("EsAw", "actpass").0, DtlsRole::Client, "as agreed before");
    let restarted = (DtlsRole::Client, "AwMDAwMD01".to_owned(), "2".to_owned());
    assert_eq!(agreed("Other", "actpass"), restarted);
    assert_eq!(agreed("Other", "actpass"), restarted);
}

#[test]
fn secrets_do_not_print_themselves() {
    let lines =
        format!("m=audio 4000 RTP/SAVP 8\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\n");
    let agreed = answer(&with(&lines), &local()).expect("an answer");
    let printed = format!("{:?} {:?}", agreed.remote, local());
    assert!(!printed.contains("[7,") && !printed.contains("[3,"), "{printed}");
    assert!(printed.contains("<redacted>"));
    let agreed = answer(&browser("EsAw", "actpass"), &local()).expect("an answer");
    let text = agreed.local.to_string();
    let pwd = text.lines().find_map(|line| line.strip_prefix("a=ice-pwd:")).expect("ours");
    let printed = format!("{agreed:?} {:?}", browser("EsAw", "actpass"));
    assert!(!printed.contains(pwd) && !printed.contains("ice_pwd"), "{printed}");
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "m=(audio|video) [0-9]{1,5} (RTP/S?AVPF?|UDP/TLS/RTP/SAVPF?)( (0|8|9|96|111)){1,4}",
        "a=rtpmap:(96|111) (opus/48000/2|telephone-event/(8000|48000))",
        Just(format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")),
        "a=crypto:[0-9]{1,3} A[A-Z0-9_]{3,20} inline:[A-Za-z0-9+/|:;=]{0,48}( [A-Z=0-9]{1,9})?",
        Just(FINGERPRINT.trim().to_owned()),
        "a=fingerprint:sha-256 [0-9A-F:+]{0,12}",
        "a=ice-(ufrag|pwd):[A-Za-z0-9+/]{2,30}",
        "a=setup:(active|passive|actpass|holdconn)",
        "a=candidate:1 [12] (udp|TCP) [0-9]{1,9} [0-9.:a-f]{3,15} [0-9]{1,5} typ host",
        "a=(rtcp-mux|ice-lite|sendonly|mid:[a-z0-9]{1,3}|group:BUNDLE( [a-z0-9]{1,3}){0,3})",
        "a=msid:[!-~]{1,6} [!-~]{1,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn an_answer_follows_the_lines_of_its_offer(lines in prop::collection::vec(line(), 0..24)) {
        let text = format!("v=0\r\no=- 1 1 IN IP4 h\r\nc=IN IP4 192.0.2.9\r\n{}", lines.join("\r\n"));
        let Ok(offer) = text.parse::<SessionDescription>() else { return Ok(()) };
        prop_assert_eq!(offer.to_string().parse(), Ok(offer.clone()));
        let check = Session::check(&offer, &Codec::WIDE, &local().security);
        let answered = answer(&offer, &local());
        prop_assert!(check.is_ok() || answered.is_err());
        let Ok(agreed) = answered else { return Ok(()) };
        let ours = &agreed.local;
        prop_assert_eq!(ours.to_string().parse(), Ok(ours.clone()));
        prop_assert_eq!(ours.media.len(), offer.media.len());
        prop_assert_eq!(ours.media.iter().filter(|media| media.port != 0).count(), 1);
        for (offered, answered) in offer.media.iter().zip(&ours.media) {
            prop_assert_eq!((&offered.kind, &offered.proto), (&answered.kind, &answered.proto));
            prop_assert!(answered.formats.iter().all(|format| offered.formats.contains(format)));
            let secured = offered.proto.contains("SAVP") && answered.port != 0;
            prop_assert!(!secured || agreed.remote.security != RemoteSecurity::Plain);
        }
    }
}
