//! Session timers (RFC 4028) in simulated time.

mod world;

use qingting_sip::agent::{AgentConfig, SessionConfig};
use qingting_sip::{DialogEvent, Transport};
use world::{
    Solo, body, codes, config, from_tag, header, of_our_call, request, response, to_tag, with_sdp,
};

const TARGET: &str = "sip:1@192.0.2.9";
const TIMER: &str = "Supported: timer\r\n";

fn called(extra: &str) -> (Solo, String) {
    let mut solo = Solo::new(Transport::Udp);
    solo.feed(&with_sdp(&request("INVITE", 1, "c", "", extra), "v=0 offer"));
    let answer = solo.respond(200).remove(0);
    solo.feed(&request("ACK", 1, "ack", &to_tag(&answer), ""));
    solo.events();
    (solo, answer)
}

fn calling(extra: &str) -> (Solo, String) {
    let mut solo = Solo::new(Transport::Udp);
    let invite = solo.invite(TARGET);
    solo.feed(&response(&invite, 200, "t", extra));
    solo.events();
    (solo, invite)
}

#[test]
fn who_refreshes_is_negotiated_as_table_2_says() {
    let cases = [
        ("", "1800;refresher=uas", ""),
        (TIMER, "1800;refresher=uac", "timer"),
        ("Supported: timer\r\nSession-Expires: 600\r\n", "600;refresher=uac", "timer"),
        ("Require: timer\r\nx: 600;refresher=uas\r\n", "600;refresher=uas", "timer"),
        ("Supported: timer\r\nSession-Expires: 9000\r\n", "1800;refresher=uac", "timer"),
        // A proxy asked for it and the peer knows nothing of it.
        ("Session-Expires: 600;refresher=uac\r\n", "600;refresher=uas", ""),
        ("Supported: timer\r\nSession-Expires: 90\r\nMin-SE: 90\r\n", "90;refresher=uac", "timer"),
        ("Supported: timer\r\nMin-SE: 3600\r\n", "3600;refresher=uac", "timer"),
    ];
    for (extra, expires, require) in cases {
        let (_, answer) = called(extra);
        assert_eq!(header(&answer, "Session-Expires"), expires, "{extra}");
        assert_eq!(header(&answer, "Require"), require, "{extra}");
    }
}

#[test]
fn too_small_an_interval_is_422_for_who_can_read_it() {
    let mut solo = Solo::new(Transport::Udp);
    let small = "Supported: timer\r\nSession-Expires: 60\r\n";
    let refused = solo.feed(&request("INVITE", 1, "c", "", small));
    assert_eq!((codes(&refused), header(&refused[0], "Min-SE")), (vec!["422".to_owned()], "90"));
    assert_eq!((solo.calls, solo.agent.stats().transactions), (0, 0));
    let (mut solo, answer) = called(TIMER);
    let tag = to_tag(&answer);
    assert_eq!(solo.codes(&request("UPDATE", 2, "u", &tag, small)), ["422"]);
    assert_eq!(solo.codes(&request("INVITE", 3, "r", &tag, small)), ["422"]);
    let (_, answer) = called("Session-Expires: 60\r\n");
    assert_eq!(header(&answer, "Session-Expires"), "90;refresher=uas");
}

#[test]
fn a_config_without_timers_asks_for_none() {
    let session = SessionConfig { expires_s: 0, min_se_s: 120 };
    let mut solo = Solo::with(Transport::Udp, AgentConfig { session, ..config() });
    let invite = solo.invite(TARGET);
    assert_eq!(header(&invite, "Session-Expires"), "");
    solo.feed(&request("INVITE", 1, "c", "", TIMER));
    assert_eq!(header(&solo.respond(200)[0], "Session-Expires"), "");
    let asked = "Supported: timer\r\nSession-Expires: 110\r\n";
    let other = request("INVITE", 1, "d", "", asked).replace("Call-ID: in", "Call-ID: in2");
    assert_eq!(header(&solo.feed(&other)[0], "Min-SE"), "120");
}

#[test]
fn a_peer_that_was_to_refresh_and_did_not_is_hung_up() {
    let (mut solo, _) = called("Supported: timer\r\nSession-Expires: 90\r\n");
    // A third of the interval early.
    assert!(solo.wait(59_999).is_empty());
    assert_eq!(solo.wait(1), [(1, "BYE".to_owned())]);
    assert_eq!(solo.events(), [DialogEvent::SessionExpired]);
    solo.wait(32_000);
    assert_eq!(solo.events(), [DialogEvent::ByeDone]);
    solo.assert_nothing_left();
}

#[test]
fn a_peer_that_refreshes_keeps_its_call() {
    let (mut solo, answer) = called("Supported: timer\r\nSession-Expires: 90\r\n");
    let tag = to_tag(&answer);
    for cseq in 2..9 {
        assert!(solo.wait(45_000).is_empty());
        let extra = "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n";
        let sent = solo.feed(&request("UPDATE", cseq, &format!("u{cseq}"), &tag, extra));
        assert_eq!(header(&sent[0], "Session-Expires"), "90;refresher=uac");
        assert_eq!(header(&sent[0], "Contact"), "<sip:10.0.0.1:5060>");
    }
    assert_eq!(solo.events(), []);
    solo.wait(60_000);
    assert_eq!(solo.events(), [DialogEvent::SessionExpired]);
}

#[test]
fn we_refresh_by_update_where_it_is_allowed() {
    let granted = "Require: timer\r\nSession-Expires: 600;refresher=uac\r\nAllow: UPDATE, BYE\r\n";
    let (mut solo, invite) = calling(granted);
    assert_eq!(header(&invite, "Session-Expires"), "1800");
    assert!(header(&invite, "Supported").contains("timer"));
    assert!(solo.wait(299_999).is_empty());
    for _ in 0..3 {
        let update = next(&mut solo, "UPDATE");
        assert_eq!(header(&update, "Session-Expires"), "600;refresher=uac");
        assert_eq!((body(&update), header(&update, "Contact")), ("", "<sip:10.0.0.1:5060>"));
        assert!(solo.feed(&response(&update, 200, "t", granted)).is_empty());
        assert!(solo.wait(299_000).is_empty());
    }
    assert_eq!(solo.events(), []);
}

/// The next request of ours within 5 s.
fn next(solo: &mut Solo, method: &str) -> String {
    solo.keep = true;
    solo.wait(5_000);
    solo.keep = false;
    let sent = std::mem::take(&mut solo.kept);
    sent.into_iter().find(|message| message.starts_with(method)).unwrap()
}

#[test]
fn we_refresh_by_reinvite_with_the_last_description_elsewhere() {
    let (mut solo, _) = called("");
    solo.wait(899_000);
    let invite = next(&mut solo, "INVITE");
    assert_eq!((header(&invite, "Session-Expires"), body(&invite)), ("1800;refresher=uac", "v=0"));
    let answer = with_sdp(&response(&invite, 200, "f", ""), "v=0 offer");
    assert_eq!(codes(&solo.feed(&answer)), ["ACK"]);
    let body = Some("v=0 offer".into());
    assert_eq!(solo.events(), [DialogEvent::Refreshed { body }]);
    // A peer without timers need not like it: any answer shows that it lives.
    solo.wait(896_000);
    let invite = next(&mut solo, "INVITE");
    solo.feed(&response(&invite, 488, "f", ""));
    assert_eq!((solo.wait(880_000), solo.events()), (vec![], vec![]));
    // But none at all ends the call.
    solo.wait(100_000);
    assert_eq!(solo.events(), [DialogEvent::SessionExpired, DialogEvent::ByeDone]);
    assert_eq!(solo.over, 1);
    solo.assert_nothing_left();
}

#[test]
fn an_update_that_is_not_known_after_all_becomes_a_reinvite() {
    let granted = "Require: timer\r\nSession-Expires: 600;refresher=uac\r\nAllow: UPDATE\r\n";
    let (mut solo, _) = calling(granted);
    solo.wait(299_000);
    let update = next(&mut solo, "UPDATE");
    let sent = solo.feed(&response(&update, 501, "t", ""));
    assert_eq!((codes(&sent), body(&sent[0])), (vec!["INVITE".to_owned()], "v=0"));
}

#[test]
fn what_the_owner_wants_during_a_refresh_follows_it() {
    for refused in [false, true] {
        let (mut solo, _) = called("");
        solo.wait(899_000);
        let refresh = next(&mut solo, "INVITE");
        assert!(solo.reinvite().is_empty());
        assert_eq!(solo.events(), []);
        let code = if refused { 488 } else { 200 };
        let sent = solo.feed(&response(&refresh, code, "f", ""));
        assert_eq!(codes(&sent), ["ACK", "INVITE"]);
        solo.feed(&response(&sent[1], 200, "f", ""));
        assert_eq!(solo.events(), [DialogEvent::Answered { body: None }]);
    }
}

#[test]
fn a_refresh_that_meets_491_is_repeated_in_silence() {
    let (mut solo, _) = called("");
    solo.wait(899_000);
    let refresh = next(&mut solo, "INVITE");
    assert_eq!(codes(&solo.feed(&response(&refresh, 491, "f", ""))), ["ACK"]);
    let refresh = next(&mut solo, "INVITE");
    assert_eq!(codes(&solo.feed(&response(&refresh, 200, "f", ""))), ["ACK"]);
    assert_eq!(solo.events(), []);
}

#[test]
fn a_peer_that_does_not_grant_a_timer_has_none() {
    let (mut solo, _) = calling("");
    assert!(solo.wait(3_600_000).is_empty());
    assert_eq!(solo.events(), []);
}

#[test]
fn a_422_is_followed_by_the_interval_that_it_wants() {
    let mut solo = Solo::new(Transport::Udp);
    let first = solo.invite(TARGET);
    let sent = solo.feed(&response(&first, 422, "t", "Min-SE: 3600\r\n"));
    assert_eq!(codes(&sent), ["ACK", "INVITE"]);
    let second = &sent[1];
    assert_eq!(header(second, "Session-Expires"), "3600");
    assert_eq!((header(second, "Min-SE"), header(second, "CSeq")), ("3600", "2 INVITE"));
    assert_eq!((from_tag(second), to_tag(second).as_str()), (from_tag(&first), ""));
    assert_eq!((body(second), solo.events().len(), solo.over), ("v=0", 0, 0));
    let granted = "Require: timer\r\nSession-Expires: 3600;refresher=uas\r\n";
    let ack = solo.feed(&response(second, 200, "t", granted));
    assert_eq!((codes(&ack), header(&ack[0], "CSeq")), (vec!["ACK".to_owned()], "2 ACK"));
    assert_eq!(solo.events().len(), 1);
    // A peer that is never content is left.
    let mut solo = Solo::new(Transport::Udp);
    let mut invite = solo.invite(TARGET);
    for min in [3_600, 7_200, 9_000] {
        let refused = response(&invite, 422, "t", &format!("Min-SE: {min}\r\n"));
        invite = solo.feed(&refused).pop().unwrap();
    }
    assert!(invite.starts_with("ACK") && solo.over == 1);
}

#[test]
fn a_refresh_of_the_peer_in_a_call_of_ours_starts_the_timer_anew() {
    let granted = "Require: timer\r\nSession-Expires: 90;refresher=uas\r\n";
    let (mut solo, invite) = calling(granted);
    let tag = from_tag(&invite);
    solo.wait(50_000);
    let extra = "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n";
    assert_eq!(solo.codes(&of_our_call(&request("UPDATE", 5, "u", &tag, extra))), ["200"]);
    assert!(solo.wait(50_000).is_empty());
    assert_eq!(solo.wait(10_000), [(10_000, "BYE".to_owned())]);
}

#[test]
fn an_early_dialog_has_no_timer() {
    let mut solo = Solo::new(Transport::Udp);
    solo.feed(&request("INVITE", 1, "c", "", TIMER));
    let tag = to_tag(&solo.respond(180)[0]);
    let extra = "Supported: timer\r\nSession-Expires: 90\r\n";
    let updated = solo.feed(&request("UPDATE", 2, "u", &tag, extra));
    assert_eq!(
        (codes(&updated), header(&updated[0], "Session-Expires")),
        (vec!["200".to_owned()], "")
    );
    let repeated = solo.wait(200_000);
    assert!(repeated.iter().all(|(_, code)| code == "180") && solo.over == 0);
}

#[test]
fn ended_calls_leave_no_timers_behind() {
    let mut solo = Solo::new(Transport::Udp);
    for number in 0..5_000 {
        let id = format!("Call-ID: in{number}");
        let of = |text: String| text.replace("Call-ID: in", &id);
        solo.feed(&of(request("INVITE", 1, &format!("i{number}"), "", TIMER)));
        let tag = to_tag(&solo.respond(200)[0]);
        solo.feed(&of(request("ACK", 1, &format!("a{number}"), &tag, "")));
        solo.feed(&of(request("BYE", 2, &format!("b{number}"), &tag, "")));
        solo.wait(10);
    }
    solo.wait(40_000);
    assert!(solo.agent.stats().timers < 2_000, "{}", solo.agent.stats().timers);
}
