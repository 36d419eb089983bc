//! Provisional responses that are acknowledged (RFC 3262), by both sides, in simulated time.

mod world;

use qingting_sip::agent::Command;
use qingting_sip::{DialogEvent, Reply, Transport};
use world::{Solo, body, code, codes, from_tag, header, request, response, sdp, to_tag, with_sdp};

const SUPPORTED: &str = "Supported: 100rel\r\n";
const REQUIRED: &str = "Require: 100rel\r\n";
const TARGET: &str = "sip:1@192.0.2.9";

/// A call whose peer offers and knows 100rel.
fn called(extra: &str) -> Solo {
    let mut solo = Solo::new(Transport::Udp);
    solo.feed(&with_sdp(&request("INVITE", 1, "c", "", extra), "v=0 offer"));
    solo
}

fn early_media(solo: &mut Solo) -> String {
    let reply = Reply::with_body(183, "v=0 early");
    solo.command(Command::Respond { call: solo.call, reply }).remove(0)
}

fn prack(cseq: u32, of: &str) -> String {
    let rack = format!("RAck: {} 1 INVITE\r\n", header(of, "RSeq"));
    request("PRACK", cseq, &format!("p{cseq}"), &to_tag(of), &rack)
}

#[test]
fn early_media_is_repeated_until_its_prack() {
    let mut solo = called(SUPPORTED);
    let early = early_media(&mut solo);
    assert_eq!((header(&early, "Require"), body(&early)), ("100rel", "v=0 early"));
    let rseq: u32 = header(&early, "RSeq").parse().unwrap();
    assert!((1..1 << 31).contains(&rseq));
    let again: Vec<u64> = solo.wait(4_000).into_iter().map(|(at, _)| at).collect();
    assert_eq!(again, [500, 1_500, 3_500]);
    assert_eq!(solo.codes(&prack(2, &early)), ["200"]);
    assert!(solo.wait(30_000).is_empty());
    // The 200 was lost.
    assert_eq!(solo.codes(&prack(2, &early)), ["200"]);
    assert_eq!(solo.codes(&prack(3, &early)), ["481"], "nothing waits any more");
    assert_eq!(solo.events(), []);
    let answer = solo.respond(200).remove(0);
    assert_eq!(code(&answer), "200");
}

#[test]
fn ringing_is_reliable_only_for_who_requires_it() {
    for (extra, reliable) in [("", false), (SUPPORTED, false), (REQUIRED, true)] {
        let mut solo = called(extra);
        let ringing = solo.respond(180).remove(0);
        assert_eq!(!header(&ringing, "RSeq").is_empty(), reliable, "{extra}");
    }
    let mut solo = called("");
    assert_eq!(header(&early_media(&mut solo), "RSeq"), "", "a peer without 100rel");
}

#[test]
fn without_a_prack_the_invite_is_refused_with_504() {
    let mut solo = called(SUPPORTED);
    early_media(&mut solo);
    let sent = solo.wait(32_000);
    assert_eq!(sent.iter().filter(|(_, code)| code == "183").count(), 6);
    assert_eq!(sent.last().unwrap(), &(32_000, "504".to_owned()));
    assert_eq!((solo.events(), solo.over), (vec![DialogEvent::PrackTimeout], 1));
    solo.assert_nothing_left();
}

#[test]
fn a_wrong_rack_is_481_and_an_unreadable_one_400() {
    let mut solo = called(SUPPORTED);
    let early = early_media(&mut solo);
    let rseq: u32 = header(&early, "RSeq").parse().unwrap();
    let with = |cseq: u32, rack: String| {
        request("PRACK", cseq, &format!("w{cseq}"), &to_tag(&early), &rack)
    };
    assert_eq!(solo.codes(&with(2, format!("RAck: {} 1 INVITE\r\n", rseq + 1))), ["481"]);
    assert_eq!(solo.codes(&with(3, format!("RAck: {rseq} 2 INVITE\r\n"))), ["481"]);
    assert_eq!(solo.codes(&with(4, format!("RAck: {rseq} 1 UPDATE\r\n"))), ["400"]);
    assert_eq!(solo.codes(&with(5, String::new())), ["400"]);
    assert_eq!(solo.codes(&prack(6, &early)), ["200"]);
}

#[test]
fn a_second_one_waits_for_the_first_and_numbers_go_up_by_one() {
    let mut solo = called(REQUIRED);
    let ringing = solo.respond(180).remove(0);
    assert!(solo.respond(181).is_empty() && early_media_waits(&mut solo));
    let sent = solo.feed(&prack(2, &ringing));
    assert_eq!(codes(&sent), ["200", "181"]);
    let sent = solo.feed(&prack(3, &sent[1]));
    assert_eq!(codes(&sent), ["200", "183"]);
    let number = |message: &str| header(message, "RSeq").parse::<u32>().unwrap();
    assert_eq!(number(&sent[1]), number(&ringing) + 2);
}

fn early_media_waits(solo: &mut Solo) -> bool {
    let reply = Reply::with_body(183, "v=0 early");
    solo.command(Command::Respond { call: solo.call, reply }).is_empty()
}

#[test]
fn a_2xx_waits_for_the_prack_of_a_session_description_alone() {
    let mut solo = called(REQUIRED);
    let ringing = solo.respond(180).remove(0);
    assert_eq!(codes(&solo.respond(200)), ["200"], "no description, no wait");
    assert!(solo.wait(400).is_empty());
    assert_eq!(solo.codes(&prack(2, &ringing)), ["200"], "a late PRACK is answered");

    let mut solo = called(SUPPORTED);
    let early = early_media(&mut solo);
    assert!(solo.respond(200).is_empty());
    assert_eq!(codes(&solo.feed(&prack(2, &early))), ["200", "200"]);
    let tag = to_tag(&early);
    solo.feed(&request("ACK", 1, "ack", &tag, ""));
    assert_eq!(solo.codes(&request("BYE", 3, "b", &tag, "")), ["200"]);
    solo.assert_nothing_left();
}

#[test]
fn a_refusal_does_not_wait() {
    let mut solo = called(SUPPORTED);
    let early = early_media(&mut solo);
    assert_eq!(codes(&solo.respond(486)), ["486"]);
    assert!(solo.wait(400).is_empty());
    assert_eq!(solo.codes(&prack(2, &early)), ["481"], "its dialog is gone");
    solo.assert_nothing_left();
}

#[test]
fn a_cancel_ends_a_2xx_that_waits() {
    let mut solo = called(SUPPORTED);
    early_media(&mut solo);
    assert!(solo.respond(200).is_empty());
    assert_eq!(solo.codes(&request("CANCEL", 1, "c", "", "")), ["200", "487"]);
    assert_eq!((solo.events(), solo.over), (vec![DialogEvent::Cancel], 1));
    solo.assert_nothing_left();
}

#[test]
fn an_offer_in_a_prack_is_the_owners_to_answer_and_the_2xx_waits() {
    let mut solo = called(SUPPORTED);
    let early = early_media(&mut solo);
    let text = with_sdp(&prack(2, &early), "v=0 other");
    assert!(solo.feed(&text).is_empty() && solo.feed(&text).is_empty());
    assert_eq!(solo.events(), [DialogEvent::Prack { offer: sdp("v=0 other") }]);
    assert!(solo.respond(200).is_empty());
    let reply = Reply::with_body(200, "v=0 other answer");
    let sent = solo.command(Command::RespondPrack { call: solo.call, reply });
    assert_eq!(codes(&sent), ["200", "200"]);
    assert_eq!((header(&sent[0], "CSeq"), body(&sent[0])), ("2 PRACK", "v=0 other answer"));
    assert_eq!(solo.feed(&text), [sent[0].clone()]);
}

#[test]
fn an_offer_in_a_prack_that_nobody_answers_is_refused() {
    let mut solo = called(SUPPORTED);
    let early = early_media(&mut solo);
    solo.feed(&with_sdp(&prack(2, &early), "v=0 other"));
    assert_eq!(solo.wait(10_000), [(10_000, "500".to_owned())]);
    assert_eq!(codes(&solo.respond(200)), ["200"]);
}

#[test]
fn without_an_offer_the_reliable_response_makes_it_and_the_prack_answers() {
    let mut solo = Solo::new(Transport::Udp);
    solo.feed(&request("INVITE", 1, "c", "", SUPPORTED));
    let early = early_media(&mut solo);
    assert_eq!(solo.codes(&with_sdp(&prack(2, &early), "v=0 theirs")), ["200"]);
    assert_eq!(solo.events(), [DialogEvent::PrackAnswer { body: sdp("v=0 theirs") }]);
    assert_eq!(
        codes(&solo.command(Command::Respond { call: solo.call, reply: Reply::new(200) })),
        ["200"]
    );
}

fn reliable(invite: &str, code: u16, tag: &str, rseq: u32) -> String {
    response(invite, code, tag, &format!("Require: 100rel\r\nRSeq: {rseq}\r\n"))
}

#[test]
fn reliable_responses_are_acknowledged_in_order_and_told_once() {
    let mut solo = Solo::new(Transport::Udp);
    let invite = solo.invite(TARGET);
    assert!(header(&invite, "Supported").contains("100rel"));
    let sent = solo.feed(&with_sdp(&reliable(&invite, 183, "t", 7), "v=0 early"));
    assert_eq!((codes(&sent), header(&sent[0], "RAck")), (vec!["PRACK".to_owned()], "7 1 INVITE"));
    assert_eq!((header(&sent[0], "CSeq"), to_tag(&sent[0]).as_str()), ("2 PRACK", "t"));
    assert!(sent[0].starts_with("PRACK sip:t@192.0.2.9 SIP/2.0"));
    let early = solo.events();
    assert!(matches!(&early[..], [DialogEvent::Progress { code: 183, reliable: true, .. }]));
    // It comes again while our PRACK is lost, and one comes too early.
    assert!(solo.feed(&with_sdp(&reliable(&invite, 183, "t", 7), "v=0 early")).is_empty());
    assert!(solo.feed(&reliable(&invite, 180, "t", 9)).is_empty());
    assert_eq!(solo.wait(600), [(500, "PRACK".to_owned())]);
    assert_eq!(solo.events(), []);
    solo.feed(&response(&sent[0], 200, "t", ""));
    assert!(solo.wait(10_000).is_empty());
    let next = solo.feed(&reliable(&invite, 180, "t", 8));
    assert_eq!(header(&next[0], "RAck"), "8 1 INVITE");
    solo.feed(&response(&next[0], 200, "t", ""));
    // The 2xx has no description any more, its dialog goes on with the numbers of the early one.
    assert_eq!(codes(&solo.feed(&response(&invite, 200, "t", ""))), ["ACK"]);
    assert_eq!(header(&solo.bye()[0], "CSeq"), "4 BYE");
    assert_eq!(solo.events().len(), 2);
}

#[test]
fn each_branch_of_a_fork_has_its_own_numbers() {
    let mut solo = Solo::new(Transport::Udp);
    let invite = solo.invite(TARGET);
    for tag in ["a", "b"] {
        let sent = solo.feed(&reliable(&invite, 180, tag, 5));
        assert_eq!((codes(&sent), to_tag(&sent[0]).as_str()), (vec!["PRACK".to_owned()], tag));
    }
    let told = solo.events();
    let tags: Vec<&str> = told
        .iter()
        .map(|event| match event {
            DialogEvent::Progress { tag, .. } => tag.as_str(),
            _ => "",
        })
        .collect();
    assert_eq!(tags, ["a", "b"]);
    // The first 2xx wins; the other is acknowledged and hung up, each with its own numbers.
    assert_eq!(codes(&solo.feed(&response(&invite, 200, "b", ""))), ["ACK"]);
    let other = solo.feed(&response(&invite, 200, "a", ""));
    assert_eq!(codes(&other), ["ACK", "BYE"]);
    assert_eq!((header(&other[1], "CSeq"), to_tag(&other[1]).as_str()), ("3 BYE", "a"));
    assert_eq!((header(&solo.bye()[0], "CSeq"), solo.events().len()), ("3 BYE", 1));
}

#[test]
fn a_late_offer_is_answered_in_the_prack() {
    let mut solo = Solo::new(Transport::Udp);
    let invite = solo.invite_with(TARGET, None);
    let offer = with_sdp(&reliable(&invite, 183, "t", 1), "v=0 theirs");
    assert!(solo.feed(&offer).is_empty(), "the PRACK waits for the owner");
    assert_eq!(solo.events().len(), 1);
    let sent = solo.command(Command::Prack { call: solo.call, answer: sdp("v=0 ours") });
    assert_eq!((codes(&sent), body(&sent[0])), (vec!["PRACK".to_owned()], "v=0 ours"));
    solo.feed(&response(&sent[0], 200, "t", ""));
    let ack = solo.feed(&with_sdp(&response(&invite, 200, "t", ""), "v=0 theirs"));
    assert_eq!((codes(&ack), body(&ack[0])), (vec!["ACK".to_owned()], ""), "all is agreed");
}

#[test]
fn an_owner_who_does_not_answer_a_late_offer_loses_the_call() {
    let mut solo = Solo::new(Transport::Udp);
    let invite = solo.invite_with(TARGET, None);
    solo.feed(&with_sdp(&reliable(&invite, 183, "t", 1), "v=0 theirs"));
    let sent = solo.wait(10_000);
    assert_eq!(sent, [(10_000, "PRACK".to_owned()), (10_000, "CANCEL".to_owned())]);
}

#[test]
fn the_2xx_of_an_invite_without_offer_waits_for_the_owners_answer() {
    let mut solo = Solo::new(Transport::Udp);
    let invite = solo.invite_with(TARGET, None);
    let answer = with_sdp(&response(&invite, 200, "t", ""), "v=0 theirs");
    assert!(solo.feed(&answer).is_empty() && solo.feed(&answer).is_empty());
    assert_eq!(solo.events(), [DialogEvent::Answered { body: Some(sdp("v=0 theirs")) }]);
    let ack = solo.command(Command::Ack { call: solo.call, answer: sdp("v=0 ours") });
    assert_eq!((codes(&ack), body(&ack[0])), (vec!["ACK".to_owned()], "v=0 ours"));
    assert_eq!(solo.feed(&answer), ack, "the same ACK again");
    assert!(solo.command(Command::Ack { call: solo.call, answer: sdp("v=0") }).is_empty());
    // The same for a re-INVITE.
    let again = solo.command(Command::Reinvite { call: solo.call, offer: None }).remove(0);
    let answer = with_sdp(&response(&again, 200, "t", ""), "v=0 moved");
    assert!(solo.feed(&answer).is_empty());
    let ack = solo.command(Command::Ack { call: solo.call, answer: sdp("v=0 ours 2") });
    assert_eq!((header(&ack[0], "CSeq"), body(&ack[0])), ("2 ACK", "v=0 ours 2"));
    assert_eq!(from_tag(&ack[0]), from_tag(&invite));
}

#[test]
fn early_media_does_not_answer_the_offer_of_a_later_2xx() {
    let mut solo = Solo::new(Transport::Udp);
    let invite = solo.invite(TARGET);
    let prack = solo.feed(&with_sdp(&reliable(&invite, 183, "t", 1), "v=0 early")).remove(0);
    solo.feed(&response(&prack, 200, "t", ""));
    assert_eq!(codes(&solo.feed(&response(&invite, 200, "t", ""))), ["ACK"]);
    let again = solo.command(Command::Reinvite { call: solo.call, offer: None }).remove(0);
    assert!(!header(&again, "Supported").contains("100rel"), "nobody would send its PRACKs");
    assert!(solo.feed(&with_sdp(&response(&again, 200, "t", ""), "v=0 theirs")).is_empty());
    assert_eq!(codes(&solo.command(Command::Ack { call: solo.call, answer: sdp("v=0") })), ["ACK"]);
    assert_eq!(codes(&solo.reinvite()), ["INVITE"]);
}

#[test]
fn an_owner_who_does_not_answer_the_2xx_loses_the_call() {
    let mut solo = Solo::new(Transport::Udp);
    let invite = solo.invite_with(TARGET, None);
    let answer = with_sdp(&response(&invite, 200, "t", ""), "v=0 theirs");
    solo.feed(&answer);
    assert_eq!(solo.wait(10_000), [(10_000, "ACK".to_owned()), (10_000, "BYE".to_owned())]);
    assert_eq!(codes(&solo.feed(&answer)), ["ACK"]);
    solo.wait(32_000);
    solo.assert_nothing_left();

    // Who hangs up before answering acknowledges first.
    let mut solo = Solo::new(Transport::Udp);
    let invite = solo.invite_with(TARGET, None);
    solo.feed(&with_sdp(&response(&invite, 200, "t", ""), "v=0 theirs"));
    assert_eq!(codes(&solo.bye()), ["ACK", "BYE"]);
}
