//! A request of ours once more, in simulated time: with a password, by the next address, by UDP.

mod world;

use qingting_common::Pii;
use qingting_sip::agent::{CallKey, Command, Output, UDP_REQUEST_BYTES_MAX};
use qingting_sip::auth::Credentials;
use qingting_sip::message::{HeaderName, Method, NameAddr};
use qingting_sip::{DialogEvent, Flow, OutgoingInvite, OutgoingRequest, RequestError, Transport};
use world::{Solo, code, flow, header, response};

const CHALLENGE: &str = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n";

fn us() -> NameAddr {
    NameAddr::parse("<sip:us@10.0.0.1>").unwrap()
}

fn secret() -> Option<Credentials> {
    Some(Credentials { user: "u".to_owned(), password: Pii::new("p".to_owned()) })
}

fn second() -> Flow {
    Flow { remote: "192.0.2.10:5060".parse().unwrap(), ..flow(Transport::Udp) }
}

fn invite() -> OutgoingInvite {
    OutgoingInvite {
        offer: Some("v=0".into()),
        credentials: secret(),
        ..OutgoingInvite::new("sip:1@192.0.2.9".parse().unwrap(), Transport::Udp, us())
    }
}

fn call(solo: &mut Solo, invite: OutgoingInvite, others: Vec<Flow>) -> String {
    solo.call = CallKey(1);
    let flow = Some(solo.flow);
    let (call, invite, call_id) = (solo.call, Box::new(invite), "out".to_owned());
    solo.command(Command::Invite { call, invite, call_id, flow, others }).remove(0)
}

/// The last message after a refusal, which is acknowledged before it.
fn after(sent: Vec<String>, wanted: &[&str]) -> String {
    let codes: Vec<String> = sent.iter().map(|message| code(message)).collect();
    assert_eq!(codes, wanted);
    sent.last().unwrap().clone()
}

fn branch(message: &str) -> &str {
    header(message, "Via").split("branch=").nth(1).unwrap()
}

#[test]
fn a_challenged_invite_is_acknowledged_and_sent_again_with_a_password() {
    let mut solo = Solo::new(Transport::Udp);
    let first = call(&mut solo, invite(), vec![]);
    let sent = solo.feed(&response(&first, 401, "t", CHALLENGE));
    let second = after(sent, &["ACK", "INVITE"]);
    assert!(header(&second, "Authorization").contains("nc=00000001"));
    assert_eq!(header(&second, "CSeq"), "2 INVITE");
    for name in ["Call-ID", "From", "To", "Contact", "Content-Type"] {
        assert_eq!(header(&second, name), header(&first, name), "{name}");
    }
    assert!(branch(&second) != branch(&first) && second.ends_with("v=0"));
    // The refusal again is acknowledged again.
    after(solo.feed(&response(&first, 401, "t", CHALLENGE)), &["ACK"]);
    let ack = after(solo.feed(&response(&second, 200, "t", "")), &["ACK"]);
    assert_eq!(header(&ack, "CSeq"), "2 ACK");
    // Every later request may be challenged too.
    let reinvite = solo.reinvite().remove(0);
    assert_eq!(header(&reinvite, "CSeq"), "3 INVITE");
    let again = after(solo.feed(&response(&reinvite, 401, "", CHALLENGE)), &["ACK", "INVITE"]);
    assert_eq!(header(&again, "CSeq"), "4 INVITE");
    assert!(header(&again, "Authorization").contains("nc=00000002"), "the nonce came before");
    after(solo.feed(&response(&again, 200, "", "")), &["ACK"]);
    let bye = solo.bye().remove(0);
    let again =
        after(solo.feed(&response(&bye, 407, "", &CHALLENGE.replace("WWW", "Proxy"))), &["BYE"]);
    assert!(header(&again, "Proxy-Authorization").contains("response="), "{again}");
    assert_eq!(header(&again, "CSeq"), "6 BYE");
    solo.feed(&response(&again, 200, "", ""));
    assert_eq!((solo.events().pop(), solo.over), (Some(DialogEvent::ByeDone), 1));
    solo.assert_nothing_left();
}

#[test]
fn a_wrong_password_is_given_once_and_nobody_is_asked_to_guess() {
    let mut solo = Solo::new(Transport::Udp);
    let first = call(&mut solo, invite(), vec![]);
    let second = after(solo.feed(&response(&first, 401, "t", CHALLENGE)), &["ACK", "INVITE"]);
    after(solo.feed(&response(&second, 401, "t", CHALLENGE)), &["ACK"]);
    assert!(matches!(solo.events()[..], [DialogEvent::Failed { code: 401, .. }]));
    solo.assert_nothing_left();
    let mut solo = Solo::new(Transport::Udp);
    let first = call(&mut solo, OutgoingInvite { credentials: None, ..invite() }, vec![]);
    after(solo.feed(&response(&first, 401, "t", CHALLENGE)), &["ACK"]);
    assert!(matches!(solo.events()[..], [DialogEvent::Failed { code: 401, .. }]));
}

#[test]
fn who_gave_up_before_the_challenge_does_not_call_after_it() {
    let mut solo = Solo::new(Transport::Udp);
    let first = call(&mut solo, invite(), vec![]);
    let call = solo.call;
    assert!(solo.command(Command::Cancel { call }).is_empty());
    after(solo.feed(&response(&first, 401, "t", CHALLENGE)), &["ACK"]);
    assert!(matches!(solo.events()[..], [DialogEvent::Failed { code: 401, .. }]));
    solo.assert_nothing_left();
}

#[test]
fn after_503_silence_or_a_lost_way_the_next_address_is_called() {
    let finish = |solo: &mut Solo, invite: &str| {
        assert_eq!(solo.last_flow, Some(second()));
        after(solo.feed(&response(invite, 200, "t", "")), &["ACK"]);
        assert_eq!(solo.events(), [DialogEvent::Answered { body: None }], "one dialog");
    };
    let mut solo = Solo::new(Transport::Udp);
    let first = call(&mut solo, invite(), vec![second()]);
    let sent = solo.feed(&response(&first, 503, "t", ""));
    let next = after(sent, &["ACK", "INVITE"]);
    assert!(branch(&next) != branch(&first) && header(&next, "CSeq") == header(&first, "CSeq"));
    finish(&mut solo, &next);

    let mut solo = Solo::new(Transport::Udp);
    call(&mut solo, invite(), vec![second()]);
    solo.wait(31_999);
    solo.now.0 += 1;
    solo.agent.fire(solo.now);
    let mut sent = Vec::new();
    while let Some(output) = solo.agent.poll_output() {
        if let Output::Send(outbound) = output {
            solo.last_flow = Some(outbound.flow);
            sent.push(String::from_utf8(outbound.bytes.to_vec()).unwrap());
        }
    }
    finish(&mut solo, &sent[0]);

    let mut solo = Solo::new(Transport::Udp);
    let first = call(&mut solo, invite(), vec![]);
    after(solo.feed(&response(&first, 503, "t", "")), &["ACK"]);
    assert!(matches!(solo.events()[..], [DialogEvent::Failed { code: 503, .. }]));
}

#[test]
fn a_long_request_goes_by_tcp_and_back_to_udp_for_good_when_nobody_takes_it() {
    let mut solo = Solo::new(Transport::Udp);
    let subject = (HeaderName::Subject, "x".repeat(UDP_REQUEST_BYTES_MAX));
    let long = || OutgoingInvite { headers: vec![subject.clone()], ..invite() };
    let first = call(&mut solo, long(), vec![]);
    assert!(header(&first, "Via").starts_with("SIP/2.0/TCP "));
    assert_eq!(header(&first, "Contact"), "<sip:10.0.0.1:5060>", "the way that it was to be");
    assert_eq!(solo.last_flow.map(|flow| flow.transport), Some(Transport::Tcp));
    let origin = solo.last_origin;
    solo.agent.send_failed(solo.now, origin);
    let Some(Output::Send(outbound)) = solo.agent.poll_output() else { panic!("nothing sent") };
    assert_eq!(outbound.flow, solo.flow);
    let second = String::from_utf8(outbound.bytes.to_vec()).unwrap();
    assert!(header(&second, "Via").starts_with("SIP/2.0/UDP ") && solo.events().is_empty());
    after(solo.feed(&response(&second, 200, "t", "")), &["ACK"]);
    assert_eq!(solo.last_flow, Some(solo.flow));
    solo.call = CallKey(3);
    let command = Command::Invite {
        call: solo.call,
        invite: Box::new(long()),
        call_id: "other".to_owned(),
        flow: Some(solo.flow),
        others: vec![],
    };
    assert!(header(&solo.command(command)[0], "Via").starts_with("SIP/2.0/UDP "));
    assert_eq!(solo.agent.stats().switched_to_tcp, 1);
}

#[test]
fn a_request_outside_calls_has_one_end() {
    let mut solo = Solo::new(Transport::Udp);
    let mut ask = |ways: Vec<Flow>| {
        let target = "sip:192.0.2.9".parse().unwrap();
        let request = OutgoingRequest {
            contact_user: Some("me".to_owned()),
            credentials: secret(),
            ..OutgoingRequest::new(Method::Register, target, Transport::Udp, us())
        };
        let command = Command::Request { number: 7, request: Box::new(request), ways };
        solo.agent.command(solo.now, command);
        let (mut sent, mut ends) = (Vec::new(), Vec::new());
        let mut answered = false;
        loop {
            while let Some(output) = solo.agent.poll_output() {
                match output {
                    Output::Send(outbound) => {
                        sent.push(String::from_utf8(outbound.bytes.to_vec()).unwrap());
                    }
                    Output::Responded { number, result } => ends.push((number, result)),
                    _ => {}
                }
            }
            if !answered && sent.len() == 1 {
                answered = true;
                let text = response(&sent[0], 401, "t", CHALLENGE);
                solo.agent.receive(solo.now, solo.flow, &text.into());
                continue;
            }
            let Some(at) = solo.agent.next_deadline() else { break };
            solo.now = at.max(solo.now);
            solo.agent.fire(solo.now);
        }
        (sent, ends)
    };
    let (sent, ends) = ask(vec![flow(Transport::Udp)]);
    assert_eq!(header(&sent[0], "Contact"), "<sip:me@10.0.0.1:5060>");
    assert!(header(&sent[1], "Authorization").contains("username=\"u\""));
    assert_eq!(header(&sent[1], "CSeq"), "2 REGISTER");
    let results: Vec<_> = ends.iter().map(|(number, end)| (*number, end.as_ref().err())).collect();
    assert_eq!(results, [(7, Some(&RequestError::Timeout))]);
    let (sent, ends) = ask(vec![]);
    assert_eq!((sent.len(), ends.len()), (0, 1));
    assert_eq!(ends[0].1.as_ref().err(), Some(&RequestError::NoAddress));
}
