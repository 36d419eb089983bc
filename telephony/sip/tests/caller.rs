//! The agent as caller, in simulated time.

mod world;

use qingting_sip::agent::Command;
use qingting_sip::{DialogEvent, Transport};
use world::{Solo, code, header, request, response};

const TARGET: &str = "sip:1@192.0.2.9";
fn progress(code: u16, body: Option<bytes::Bytes>, reliable: bool) -> DialogEvent {
    DialogEvent::Progress { code, body, reliable, tag: "t".to_owned() }
}

const ANSWERED: DialogEvent = DialogEvent::Answered { body: None };

fn calling() -> (Solo, String) {
    let mut solo = Solo::new(Transport::Udp);
    let invite = solo.invite(TARGET);
    (solo, invite)
}

fn talking() -> (Solo, String, String) {
    let (mut solo, invite) = calling();
    let ack = solo.feed(&response(&invite, 200, "t", "")).remove(0);
    assert_eq!((code(&ack).as_str(), solo.events()), ("ACK", vec![ANSWERED]));
    (solo, invite, ack)
}

fn failed(code: u16) -> impl Fn(&DialogEvent) -> bool {
    move |event| matches!(event, DialogEvent::Failed { code: c, .. } if *c == code)
}

fn codes(messages: &[String]) -> Vec<String> {
    messages.iter().map(|message| code(message)).collect()
}

#[test]
fn an_invite_has_what_it_must_have() {
    let (_, invite) = calling();
    assert!(invite.starts_with("INVITE sip:1@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5060"));
    assert_eq!(header(&invite, "Contact"), "<sip:10.0.0.1:5060>");
    assert_eq!(header(&invite, "Max-Forwards"), "70");
    assert_eq!(header(&invite, "CSeq"), "1 INVITE");
    assert!(header(&invite, "From").contains(";tag=") && invite.ends_with("v=0"));
}

#[test]
fn where_an_answer_comes_from_is_told_but_for_a_proxy_of_ours() {
    let (mut solo, invite) = calling();
    solo.flow.remote = "198.51.100.7:40000".parse().unwrap();
    solo.feed(&response(&invite, 100, "", ""));
    assert_eq!(solo.source, None, "a 100 is of the next hop");
    solo.feed(&response(&invite, 183, "t", ""));
    assert_eq!(solo.source, Some([198, 51, 100, 7].into()));
    solo.flow.remote = "[::ffff:198.51.100.8]:40000".parse().unwrap();
    solo.feed(&response(&invite, 200, "t", ""));
    assert_eq!(solo.source, Some([198, 51, 100, 8].into()));

    let proxies = vec!["192.0.2.9/32".parse().unwrap()];
    let edge = qingting_sip::EdgeConfig { proxies, ..Default::default() };
    let config = qingting_sip::agent::AgentConfig { edge, ..world::config() };
    let mut solo = Solo::with(Transport::Udp, config);
    let invite = solo.invite(TARGET);
    solo.feed(&response(&invite, 200, "t", ""));
    assert_eq!((solo.source, solo.events()), (None, vec![ANSWERED]));
}

#[test]
fn a_2xx_is_acknowledged_each_time_it_comes() {
    let (mut solo, invite, ack) = talking();
    assert_eq!(solo.feed(&response(&invite, 200, "t", "")), std::slice::from_ref(&ack));
    assert!(ack.starts_with("ACK sip:t@192.0.2.9 SIP/2.0"));
    assert_eq!(header(&ack, "CSeq"), "1 ACK");
    assert_ne!(header(&ack, "Via"), header(&invite, "Via"));
    assert_eq!(solo.events(), []);
    let bye = solo.bye().remove(0);
    assert_eq!(header(&bye, "CSeq"), "2 BYE");
    solo.feed(&response(&bye, 200, "t", ""));
    assert_eq!((solo.events(), solo.over), (vec![DialogEvent::ByeDone], 1));
    assert_eq!(solo.feed(&response(&invite, 200, "t", "")), [ack], "after the BYE too");
    solo.assert_nothing_left();
}

#[test]
fn a_refusal_is_acknowledged_by_its_hop_and_ends_the_call() {
    let (mut solo, invite) = calling();
    let refusal = response(
        &invite,
        503,
        "t",
        "Retry-After: 7 (busy)\r\nWarning: 399 h \"x\"\r\nReason: SIP ;cause=503, q.850 ; cause = 34\r\n",
    );
    let ack = solo.feed(&refusal).remove(0);
    assert_eq!(header(&ack, "Via"), header(&invite, "Via"));
    assert!(header(&ack, "To").ends_with(";tag=t") && ack.starts_with("ACK sip:1@192.0.2.9 "));
    let event = DialogEvent::Failed {
        code: 503,
        reason: "Whatever".to_owned(),
        retry_after_s: Some(7),
        warning: Some("399 h \"x\"".to_owned()),
        q850: Some(34),
    };
    assert_eq!((solo.events(), solo.over), (vec![event], 1));
    assert_eq!(solo.feed(&refusal), [ack]);
    solo.assert_nothing_left();
}

#[test]
fn progress_is_told_and_silence_is_408() {
    let (mut solo, invite) = calling();
    solo.feed(&response(&invite, 100, "", ""));
    solo.feed(&response(&invite, 183, "t", ""));
    assert_eq!(solo.events(), [progress(183, None, false)]);
    let (mut solo, _) = calling();
    assert_eq!(solo.wait(32_000).len(), 6);
    assert!(matches!(&solo.events()[..], [event] if failed(408)(event)));
    solo.assert_nothing_left();
}

#[test]
fn a_cancel_waits_for_a_provisional_response() {
    let (mut solo, invite) = calling();
    assert!(solo.command(Command::Cancel { call: solo.call }).is_empty());
    let cancel = solo.feed(&response(&invite, 100, "", "")).remove(0);
    assert_eq!((code(&cancel).as_str(), header(&cancel, "CSeq")), ("CANCEL", "1 CANCEL"));
    assert_eq!(header(&cancel, "Via"), header(&invite, "Via"));
    assert_eq!(header(&cancel, "To"), header(&invite, "To"));
    assert!(solo.feed(&response(&cancel, 200, "t", "")).is_empty());
    assert_eq!(codes(&solo.feed(&response(&invite, 487, "t", ""))), ["ACK"]);
    assert!(matches!(&solo.events()[..], [event] if failed(487)(event)));
    solo.assert_nothing_left();
}

#[test]
fn a_2xx_that_crosses_the_cancel_is_acknowledged_and_hung_up() {
    let (mut solo, invite) = calling();
    solo.feed(&response(&invite, 180, "t", ""));
    solo.events();
    solo.command(Command::Abandon { call: solo.call });
    let sent = solo.feed(&response(&invite, 200, "t", ""));
    assert_eq!(codes(&sent), ["ACK", "BYE"]);
    solo.feed(&response(&sent[1], 200, "t", ""));
    assert_eq!((solo.events(), solo.over), (vec![DialogEvent::ByeDone], 1));
    solo.assert_nothing_left();
}

#[test]
fn a_cancelled_invite_without_a_final_response_is_given_up() {
    let (mut solo, invite) = calling();
    solo.feed(&response(&invite, 100, "", ""));
    let cancel = solo.command(Command::Cancel { call: solo.call }).remove(0);
    solo.feed(&response(&cancel, 200, "t", ""));
    solo.wait(32_000);
    assert!(matches!(&solo.events()[..], [event] if failed(408)(event)));
    solo.assert_nothing_left();
}

#[test]
fn a_second_branch_of_a_fork_is_acknowledged_and_hung_up() {
    let (mut solo, invite, _) = talking();
    let sent = solo.feed(&response(&invite, 200, "other", ""));
    assert_eq!(codes(&sent), ["ACK", "BYE"]);
    assert!(sent.iter().all(|message| header(message, "To").ends_with("tag=other")));
    assert_eq!(codes(&solo.feed(&response(&invite, 200, "other", ""))), ["ACK"]);
    solo.feed(&response(&sent[1], 200, "other", ""));
    assert_eq!((solo.events(), solo.over), (vec![], 0));
    assert_eq!(header(&solo.bye()[0], "To"), "<sip:1@192.0.2.9>;tag=t");
}

#[test]
fn the_record_route_is_reversed_and_the_ack_follows_it() {
    let (mut solo, invite) = calling();
    let routes = "Record-Route: <sip:192.0.2.1;lr>, <sip:192.0.2.2:5070;lr>\r\n";
    let ack = solo.feed(&response(&invite, 200, "t", routes)).remove(0);
    assert_eq!(header(&ack, "Route"), "<sip:192.0.2.2:5070;lr>");
    assert_eq!(solo.last_flow.unwrap().remote, "192.0.2.2:5070".parse().unwrap());
}

#[test]
fn a_reinvite_is_answered_acknowledged_and_can_fail() {
    let (mut solo, ..) = talking();
    let invite = solo.reinvite().remove(0);
    assert_eq!(header(&invite, "CSeq"), "2 INVITE");
    solo.reinvite();
    assert!(matches!(&solo.events()[..], [event] if failed(491)(event)));
    let ack = solo.feed(&response(&invite, 200, "moved", "")).remove(0);
    assert_eq!((header(&ack, "CSeq"), solo.events()), ("2 ACK", vec![ANSWERED]));
    assert!(ack.starts_with("ACK sip:moved@"));
    assert_eq!(codes(&solo.feed(&response(&invite, 200, "moved", ""))), ["ACK"]);
    let invite = solo.reinvite().remove(0);
    assert_eq!(codes(&solo.feed(&response(&invite, 488, "t", ""))), ["ACK"]);
    assert!(matches!(&solo.events()[..], [event] if failed(488)(event)));
    let invite = solo.reinvite().remove(0);
    assert!(invite.starts_with("INVITE sip:moved@"), "the target of the last 2xx");
    assert_eq!(codes(&solo.feed(&response(&invite, 481, "t", ""))), ["ACK", "BYE"]);
}

#[test]
fn the_answer_to_a_reinvite_that_crosses_our_bye_is_acknowledged() {
    for offer in [Some("v=0".into()), None] {
        let (mut solo, ..) = talking();
        let invite = solo.command(Command::Reinvite { call: solo.call, offer }).remove(0);
        let bye = solo.bye().remove(0);
        let answer = world::with_sdp(&response(&invite, 200, "t", ""), "v=0");
        assert_eq!(codes(&solo.feed(&answer)), ["ACK"]);
        assert_eq!(solo.events(), []);
        solo.feed(&response(&bye, 200, "t", ""));
        assert_eq!(solo.events(), [DialogEvent::ByeDone]);
        solo.assert_nothing_left();
    }
}

#[test]
fn a_bye_that_nobody_answers_ends_after_32_s() {
    let (mut solo, ..) = talking();
    solo.bye();
    assert_eq!(solo.wait(32_000).len(), 10);
    assert_eq!((solo.events(), solo.over), (vec![DialogEvent::ByeDone], 1));
    solo.assert_nothing_left();
}

#[test]
fn the_peers_requests_reach_the_dialog() {
    let (mut solo, invite, _) = talking();
    let ours = header(&invite, "From").split("tag=").nth(1).unwrap().to_owned();
    let of_dialog = |text: String| {
        text.replace("Call-ID: in", "Call-ID: out").replace("<sip:a@b>;tag=f", "<sip:1@h>;tag=t")
    };
    assert_eq!(codes(&solo.feed(&of_dialog(request("INVITE", 9, "r", &ours, "")))), ["100"]);
    assert_eq!(solo.events(), [DialogEvent::Reinvite { offer: None }]);
    assert_eq!(code(&solo.respond_reinvite(200)[0]), "200");
    solo.feed(&of_dialog(request("ACK", 9, "rack", &ours, "")));
    assert_eq!(codes(&solo.feed(&of_dialog(request("BYE", 10, "b", &ours, "")))), ["200"]);
    let end = DialogEvent::Bye { reason: None };
    assert_eq!(solo.events(), [DialogEvent::Ack { body: None }, end]);
    solo.assert_nothing_left();
}

#[test]
fn an_invite_that_cannot_be_sent_is_a_lost_transport() {
    let (mut solo, _) = calling();
    solo.send_failed();
    assert_eq!((solo.events(), solo.over), (vec![DialogEvent::TransportLost], 1));
    solo.assert_nothing_left();
}

#[test]
fn responses_that_are_not_ours_are_dropped() {
    let (mut solo, invite) = calling();
    let foreign = response(&invite, 200, "t", "").replace("z9hG4bK", "z9hG4bKx");
    let double = response(&invite, 200, "t", "Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\n");
    assert!(solo.feed(&foreign).is_empty() && solo.feed(&double).is_empty());
    assert_eq!(solo.agent.stats().stray, 2);
}
