//! Requests within dialogs once more, and early dialogs of an INVITE that goes on elsewhere.

mod world;

use proptest::prelude::*;
use qingting_common::Pii;
use qingting_sip::agent::{CallKey, Command, SessionConfig};
use qingting_sip::auth::Credentials;
use qingting_sip::message::NameAddr;
use qingting_sip::{DialogEvent, Flow, OutgoingInvite, Transport};
use world::{
    Solo, body, codes, flow, from_tag, header, of_our_call, request, response, sdp, with_sdp,
};

const CHALLENGE: &str = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n";
const RELIABLE: &str = "Require: 100rel\r\nRSeq: 7\r\nAllow: UPDATE\r\n";

fn second() -> Flow {
    Flow { remote: "192.0.2.10:5060".parse().unwrap(), ..flow(Transport::Udp) }
}

/// A call with a password and an offer; its INVITE.
fn call(solo: &mut Solo, others: Vec<Flow>) -> String {
    solo.call = CallKey(1);
    let from = NameAddr::parse("<sip:us@10.0.0.1>").unwrap();
    let target = "sip:1@192.0.2.9".parse().unwrap();
    let invite = Box::new(OutgoingInvite {
        offer: Some(sdp("v=0")),
        credentials: Some(Credentials { user: "u".to_owned(), password: Pii::new("p".to_owned()) }),
        ..OutgoingInvite::new(target, Transport::Udp, from)
    });
    let (call, call_id, flow) = (solo.call, "out".to_owned(), Some(solo.flow));
    solo.command(Command::Invite { call, invite, call_id, flow, others }).remove(0)
}

/// A call that is answered.
fn talking() -> (Solo, String) {
    let mut solo = Solo::new(Transport::Udp);
    let invite = call(&mut solo, vec![]);
    solo.feed(&response(&invite, 200, "t", "Allow: UPDATE\r\n"));
    solo.events();
    (solo, invite)
}

/// What is sent after a challenge to a request, which is no INVITE.
fn challenged(solo: &mut Solo, asked: &str) -> String {
    let again = solo.feed(&response(asked, 401, "t", CHALLENGE));
    assert_eq!(again.len(), 1, "{asked}");
    assert!(header(&again[0], "Authorization").contains("response="), "{}", again[0]);
    let number = |message: &str| -> u32 {
        header(message, "CSeq").split(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(number(&again[0]), number(asked) + 1);
    for name in ["To", "From", "RAck", "Refer-To", "Event", "Contact", "Content-Type"] {
        assert_eq!(header(&again[0], name), header(asked, name), "{name}");
    }
    assert_eq!(body(&again[0]), body(asked));
    again[0].clone()
}

#[test]
fn an_update_is_challenged_and_comes_to_its_end() {
    let (mut solo, _) = talking();
    let update = solo.command(Command::Update { call: solo.call, offer: sdp("v=0 new") });
    let again = challenged(&mut solo, &update[0]);
    solo.feed(&with_sdp(&response(&again, 200, "t", ""), "v=0 yes"));
    assert_eq!(solo.events(), [DialogEvent::Updated { body: Some(sdp("v=0 yes")) }]);
    // A wrong password is no reason to hang up.
    let update = solo.command(Command::Update { call: solo.call, offer: sdp("v=0 new") });
    let again = challenged(&mut solo, &update[0]);
    assert!(solo.feed(&response(&again, 401, "t", CHALLENGE)).is_empty());
    assert!(matches!(solo.events()[..], [DialogEvent::UpdateFailed { code: 401, .. }]));
    assert_eq!((solo.over, codes(&solo.reinvite())), (0, vec!["INVITE".to_owned()]));
}

#[test]
fn a_challenged_refer_is_followed() {
    let (mut solo, invite) = talking();
    let target = Box::new("sip:801@10.0.0.5".parse().unwrap());
    let refer = solo.command(Command::Refer { call: solo.call, target, replaces: None });
    let again = challenged(&mut solo, &refer[0]);
    solo.feed(&response(&again, 202, "t", ""));
    let word = request(
        "NOTIFY",
        1,
        "n1",
        &from_tag(&invite),
        "Event: refer\r\nSubscription-State: terminated\r\nContent-Type: message/sipfrag\r\n",
    );
    let line = "SIP/2.0 200 OK\r\n";
    let length = format!("Content-Length: {}\r\n", line.len());
    let word = of_our_call(&word.replace("Content-Length: 0\r\n", &length)) + line;
    assert_eq!(solo.codes(&word), ["200"]);
    let done = DialogEvent::ReferProgress { code: 200, reason: "OK".to_owned(), is_final: true };
    assert_eq!(solo.events(), [done]);
}

#[test]
fn words_to_a_referrer_go_on_after_a_challenge() {
    let (mut solo, invite) = talking();
    let refer = request("REFER", 1, "f1", &from_tag(&invite), "Refer-To: <sip:801@10.0.0.5>\r\n");
    solo.feed(&of_our_call(&refer));
    let sent = solo.command(Command::AcceptRefer { call: solo.call });
    assert_eq!(codes(&sent), ["202", "NOTIFY"]);
    let last = Command::NotifyRefer {
        call: solo.call,
        code: 200,
        reason: "OK".to_owned(),
        is_final: true,
    };
    assert!(solo.command(last).is_empty(), "it waits for the answer to the one before");
    let again = challenged(&mut solo, &sent[1]);
    let last = solo.feed(&response(&again, 200, "t", ""));
    assert_eq!(body(&last[0]), "SIP/2.0 200 OK\r\n");
}

#[test]
fn a_prack_is_challenged_in_its_early_dialog() {
    let mut solo = Solo::new(Transport::Udp);
    let invite = call(&mut solo, vec![]);
    let prack = solo.feed(&with_sdp(&response(&invite, 183, "t", RELIABLE), "v=0 early"));
    assert_eq!(codes(&prack), ["PRACK"]);
    let again = challenged(&mut solo, &prack[0]);
    solo.feed(&response(&again, 200, "t", ""));
    let ack = solo.feed(&response(&invite, 200, "t", ""));
    assert_eq!(header(&ack[0], "CSeq"), "1 ACK");
    assert_eq!(header(&solo.bye()[0], "CSeq"), "4 BYE", "the numbers go on");
}

#[test]
fn a_reinvite_and_the_refresh_of_a_session_are_challenged_in_silence() {
    let mut solo = Solo::new(Transport::Udp);
    let invite = call(&mut solo, vec![]);
    let granted = "Require: timer\r\nSession-Expires: 600;refresher=uac\r\nAllow: UPDATE\r\n";
    solo.feed(&response(&invite, 200, "t", granted));
    solo.events();
    solo.keep = true;
    solo.wait(300_000);
    let update = solo.kept.remove(0);
    let again = challenged(&mut solo, &update);
    assert_eq!(header(&again, "Session-Expires"), "600;refresher=uac");
    solo.feed(&response(&again, 200, "t", granted));
    assert!(solo.wait(299_000).is_empty() && solo.events().is_empty());
}

#[test]
fn a_password_an_interval_and_a_further_address_for_one_invite() {
    let mut solo = Solo::new(Transport::Udp);
    let invite = call(&mut solo, vec![second()]);
    let next = |solo: &mut Solo, invite: &str, code: u16, extra: &str| {
        let sent = solo.feed(&response(invite, code, "t", extra));
        assert_eq!(codes(&sent), ["ACK", "INVITE"]);
        sent[1].clone()
    };
    let invite = next(&mut solo, &invite, 401, CHALLENGE);
    let invite = next(&mut solo, &invite, 422, "Min-SE: 3600\r\n");
    assert_eq!((header(&invite, "CSeq"), header(&invite, "Min-SE")), ("3 INVITE", "3600"));
    let invite = next(&mut solo, &invite, 401, CHALLENGE);
    assert!(header(&invite, "Authorization").contains("nc=00000002"), "{invite}");
    assert_eq!((header(&invite, "CSeq"), header(&invite, "Min-SE")), ("4 INVITE", "3600"));
    assert_eq!(solo.last_flow, Some(solo.flow));
    let invite = next(&mut solo, &invite, 503, "");
    assert_eq!((header(&invite, "CSeq"), solo.last_flow), ("4 INVITE", Some(second())));
    let invite = next(&mut solo, &invite, 422, "Min-SE: 7200\r\n");
    assert_eq!((header(&invite, "CSeq"), solo.last_flow), ("5 INVITE", Some(second())));
    solo.feed(&response(&invite, 200, "t", ""));
    assert_eq!(solo.events(), [DialogEvent::Answered { body: None }]);
}

#[test]
fn an_invite_that_goes_on_elsewhere_has_no_early_dialogs_any_more() {
    let mut solo = Solo::new(Transport::Udp);
    let invite = call(&mut solo, vec![second()]);
    let prack = solo.feed(&with_sdp(&response(&invite, 183, "t", RELIABLE), "v=0 early"));
    solo.feed(&response(&prack[0], 200, "t", ""));
    let update = solo.command(Command::Update { call: solo.call, offer: sdp("v=0 new") });
    let tag = from_tag(&invite);
    let theirs = of_our_call(&request("INFO", 5, "i", &tag, ""));
    assert_eq!(solo.codes(&theirs), ["200"]);
    solo.events();
    let sent = solo.feed(&response(&invite, 503, "t", ""));
    assert_eq!(codes(&sent), ["ACK", "INVITE"]);
    assert!(matches!(solo.events()[..], [DialogEvent::UpdateFailed { code: 481, .. }]));
    // Nothing that comes late from the old branch counts.
    assert!(solo.feed(&response(&update[0], 200, "t", "")).is_empty());
    assert_eq!(solo.codes(&of_our_call(&request("INFO", 6, "i2", &tag, ""))), ["481"]);
    // The offer is open again: the early answer of the new branch is acknowledged by itself.
    let early = with_sdp(&response(&sent[1], 183, "n", RELIABLE), "v=0 other");
    assert_eq!(codes(&solo.feed(&early)), ["PRACK"]);
    assert!(matches!(
        &solo.events()[..],
        [DialogEvent::Progress { code: 183, body: Some(_), reliable: true, .. }]
    ));
    solo.feed(&response(&sent[1], 200, "n", ""));
    assert_eq!(solo.events(), [DialogEvent::Answered { body: None }]);
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(300)
    })]

    #[test]
    fn any_refusals_in_any_order_end_in_nothing(
        timers in any::<bool>(),
        choices in proptest::collection::vec((0usize..12, 0u8..2, 1u32..4, 0u8..8, any::<usize>()), 1..25),
    ) {
        let answers = [180, 183, 200, 200, 202, 401, 401, 407, 422, 481, 491, 503];
        let expires_s = if timers { 1_800 } else { 0 };
        let session = SessionConfig { expires_s, ..SessionConfig::default() };
        let config = qingting_sip::agent::AgentConfig { session, ..world::config() };
        let mut solo = Solo::with(Transport::Udp, config);
        let mut sent = vec![call(&mut solo, vec![second(), second()])];
        solo.keep = true;
        for (answer, tag, rseq, wish, which) in choices {
            let code = answers[answer];
            let challenge = if code == 407 { CHALLENGE.replace("WWW", "Proxy") } else { CHALLENGE.to_owned() };
            let extra = format!(
                "Require: 100rel\r\nRSeq: {rseq}\r\nSession-Expires: 90;refresher=uac\r\n\
                 Min-SE: {rseq}00\r\nAllow: UPDATE\r\n{challenge}"
            );
            let asked = sent[which % sent.len()].clone();
            let mut text = response(&asked, code, ["t", "o"][usize::from(tag)], &extra);
            if rseq == 2 {
                text = with_sdp(&text, "v=0");
            }
            sent.extend(solo.feed(&text));
            let call = solo.call;
            let command = match wish {
                0 => Command::Prack { call, answer: sdp("v=0") },
                1 => Command::Update { call, offer: sdp("v=0") },
                2 => Command::Reinvite { call, offer: Some(sdp("v=0")) },
                3 => Command::Cancel { call },
                4 => Command::Refer { call, target: Box::new("sip:z@h".parse().unwrap()), replaces: None },
                5 => Command::Bye { call, reason: None },
                _ => {
                    solo.wait(u64::from(rseq) * 11_000);
                    Command::Info { call, content_type: "text/plain".to_owned(), body: sdp("x") }
                }
            };
            sent.extend(solo.command(command));
            sent.append(&mut solo.kept);
        }
        solo.command(Command::Abandon { call: solo.call });
        solo.wait(300_000);
        let stats = solo.agent.stats();
        prop_assert_eq!((stats.dialogs, stats.transactions, stats.unacked), (0, 0, 0));
        prop_assert_eq!(solo.over, 1);
    }
}
