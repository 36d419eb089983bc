//! Session descriptions: what is read is written and read the same; what we answer is a description that fits its offer.
//!
//! The input is the peer's offer, NUL, the peer's answer to an offer of ours.
#![no_main]

use libfuzzer_sys::fuzz_target;
use qingting_core::sdp::{
    Codec, Fingerprint, IceSecret, Keying, LocalDtls, LocalMedia, LocalSecurity, MasterKey,
    SDP_ATTRIBUTES_MAX, SDP_BYTES_MAX, SDP_MEDIA_LINES_MAX, Session, SessionDescription,
};

/// What an answer is longer than its offer, at most: our keys, codecs and candidates.
const ANSWER_EXTRA_BYTES_MAX: usize = 2_048;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let (offer, answer) = text.split_once('\0').unwrap_or((&text, ""));
    let offer = description(offer);
    let answer = description(answer);
    for keying in [Keying::Plain, Keying::Sdes, Keying::Dtls] {
        if let Some(offer) = &offer {
            answered(&mut Session::new(local(keying)), offer);
        }
        let mut session = Session::new(local(keying));
        let ours = session.offer();
        round_trip(&ours);
        if let Some(Ok(agreed)) = answer.as_ref().map(|answer| session.accept(answer)) {
            assert_eq!(agreed.local, ours);
            assert!(!session.awaits_answer());
        }
        // The session goes on whatever came of that.
        if let Some(offer) = &offer {
            answered(&mut session, offer);
        }
        round_trip(&session.offer());
    }
});

fn description(text: &str) -> Option<SessionDescription> {
    let read: SessionDescription = text.parse().ok()?;
    assert!(text.len() <= SDP_BYTES_MAX && read.media.len() <= SDP_MEDIA_LINES_MAX);
    if let Some(again) = round_trip(&read) {
        assert_eq!(again, read);
    }
    Some(read)
}

/// What is read of what is written, where that is within the bounds of what is read.
fn round_trip(description: &SessionDescription) -> Option<SessionDescription> {
    let text = description.to_string();
    // `a=end-of-candidates` is written besides what was read.
    if text.len() > SDP_BYTES_MAX || text.matches("\na=").count() >= SDP_ATTRIBUTES_MAX {
        return None;
    }
    let again: SessionDescription = text.parse().expect("what we write we read");
    assert_eq!(again.to_string(), text);
    Some(again)
}

fn answered(session: &mut Session, offer: &SessionDescription) {
    let before = session.clone();
    match session.answer(offer) {
        Ok(agreed) => {
            assert_eq!(agreed.local.media.len(), offer.media.len(), "RFC 3264 section 6");
            let length = agreed.local.to_string().len();
            assert!(length <= offer.to_string().len() + ANSWER_EXTRA_BYTES_MAX, "{length}");
            round_trip(&agreed.local);
            let open = agreed.local.media.iter().filter(|media| media.port != 0);
            assert_eq!(open.count(), 1, "one stream is taken");
            // The same offer again changes nothing.
            let again = session.answer(offer).expect("it was taken once");
            assert_eq!(again.local, agreed.local);
        }
        Err(_) => assert_eq!(*session, before, "a refused offer changes nothing"),
    }
}

fn local(offer: Keying) -> LocalMedia {
    let dtls =
        LocalDtls { fingerprint: Fingerprint([9; 32]), ice: IceSecret::new([3; 24]), role: None };
    LocalMedia {
        ip: [10, 0, 0, 1].into(),
        rtp_port: 10_000,
        rtcp_mux: true,
        session_id: 1,
        version: 1,
        codecs: vec![Codec::Opus, Codec::G722, Codec::Pcma, Codec::Pcmu],
        security: LocalSecurity { sdes: Some(MasterKey::new([5; 30])), dtls: Some(dtls), offer },
    }
}
