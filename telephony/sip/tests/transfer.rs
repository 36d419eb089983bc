//! Transfers: REFER, NOTIFY and Replaces (RFC 3515, 3891, 3892, 4488), in simulated time.

mod world;

use qingting_sip::agent::{CallKey, Command};
use qingting_sip::message::Replaces;
use qingting_sip::{DialogEvent, Transport};
use world::{
    Solo, body, code, codes, from_tag, header, invite, of_our_call, request, response, to_tag,
};

const TARGET: &str = "sip:1@192.0.2.9";
const TO_DESK: &str = "Refer-To: <sip:801@10.0.0.5>\r\nReferred-By: <sip:boss@10.0.0.5>\r\n";

fn refer(cseq: u32, tag: &str, extra: &str) -> String {
    request("REFER", cseq, &format!("f{cseq}"), tag, extra)
}

fn referred(extra: &str) -> (Solo, String) {
    let mut solo = Solo::new(Transport::Udp);
    let tag = solo.talking();
    assert!(solo.feed(&refer(2, &tag, extra)).is_empty());
    (solo, tag)
}

fn notify(solo: &mut Solo, code: u16, reason: &str, is_final: bool) -> Vec<String> {
    let (call, reason) = (solo.call, reason.to_owned());
    solo.command(Command::NotifyRefer { call, code, reason, is_final })
}

#[test]
fn a_refer_is_accepted_and_its_progress_told_in_order() {
    let (mut solo, tag) = referred(TO_DESK);
    let event = DialogEvent::Refer {
        target: Box::new("sip:801@10.0.0.5".parse().unwrap()),
        replaces: None,
        referred_by: Some(Box::new("sip:boss@10.0.0.5".parse().unwrap())),
    };
    assert_eq!(solo.events(), [event]);
    assert_eq!(solo.codes(&refer(3, &tag, TO_DESK)), ["500"], "one at a time");
    let sent = solo.command(Command::AcceptRefer { call: solo.call });
    assert_eq!(codes(&sent), ["202", "NOTIFY"]);
    assert_eq!(header(&sent[0], "Contact"), "<sip:10.0.0.1:5060>");
    assert_eq!(solo.feed(&refer(2, &tag, TO_DESK)), [sent[0].clone()], "the 202 was lost");
    let first = &sent[1];
    assert_eq!((header(first, "Event"), body(first)), ("refer", "SIP/2.0 100 Trying\r\n"));
    assert_eq!(header(first, "Subscription-State"), "active;expires=180");
    assert_eq!(header(first, "Content-Type"), "message/sipfrag;version=2.0");
    // The next ones wait for the answer; the last word comes last.
    assert!(notify(&mut solo, 180, "Ringing", false).is_empty());
    assert!(notify(&mut solo, 200, "OK", true).is_empty());
    assert!(notify(&mut solo, 486, "Busy", true).is_empty(), "after the last word");
    let ringing = solo.feed(&response(first, 200, "f", "")).remove(0);
    assert_eq!(body(&ringing), "SIP/2.0 180 Ringing\r\n");
    let last = solo.feed(&response(&ringing, 200, "f", "")).remove(0);
    assert_eq!(body(&last), "SIP/2.0 200 OK\r\n");
    assert_eq!(header(&last, "Subscription-State"), "terminated;reason=noresource");
    assert!(solo.feed(&response(&last, 200, "f", "")).is_empty());
    // A second subscription has an id.
    solo.feed(&refer(7, &tag, TO_DESK));
    let sent = solo.command(Command::AcceptRefer { call: solo.call });
    assert_eq!(header(&sent[1], "Event"), "refer;id=7");
}

#[test]
fn a_refer_is_refused_by_its_owner_or_for_a_silent_one() {
    let (mut solo, tag) = referred(TO_DESK);
    let sent = solo.command(Command::RejectRefer { call: solo.call, code: 403 });
    assert_eq!(
        (codes(&sent), notify(&mut solo, 200, "OK", true).len()),
        (vec!["403".to_owned()], 0)
    );
    solo.feed(&refer(3, &tag, TO_DESK));
    assert_eq!(solo.wait(10_000), [(10_000, "603".to_owned())]);
    assert!(solo.command(Command::AcceptRefer { call: solo.call }).is_empty());
}

#[test]
fn who_wants_no_word_gets_none() {
    let (mut solo, _) = referred(&format!("{TO_DESK}Refer-Sub: false\r\n"));
    let sent = solo.command(Command::AcceptRefer { call: solo.call });
    assert_eq!((codes(&sent), header(&sent[0], "Refer-Sub")), (vec!["202".to_owned()], "false"));
    assert!(notify(&mut solo, 200, "OK", true).is_empty());
    // And who refuses a word gets no more.
    let (mut solo, _) = referred(TO_DESK);
    let sent = solo.command(Command::AcceptRefer { call: solo.call });
    notify(&mut solo, 180, "Ringing", false);
    assert!(solo.feed(&response(&sent[1], 481, "f", "")).is_empty());
    assert!(notify(&mut solo, 200, "OK", true).is_empty());
}

#[test]
fn a_refer_that_cannot_be_read_is_400() {
    let mut solo = Solo::new(Transport::Udp);
    let tag = solo.talking();
    let bad = [
        "",
        "Refer-To: nonsense\r\n",
        "Refer-To: <sip:a@b>, <sip:c@d>\r\n",
        "Refer-To: <sip:a@b>\r\nRefer-To: <sip:c@d>\r\n",
        "Refer-To: <sip:a@b?Replaces=x>\r\n",
        "Refer-To: <sip:a@b?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2&Replaces=y>\r\n",
    ];
    for (number, extra) in bad.iter().enumerate() {
        assert_eq!(solo.codes(&refer(2 + number as u32, &tag, extra)), ["400"], "{extra}");
    }
    assert_eq!(solo.events(), []);
}

#[test]
fn an_attended_transfer_names_the_dialog_to_replace() {
    let attended = "Refer-To: <sip:801@h?Replaces=x%40y%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\n";
    let (mut solo, _) = referred(attended);
    let events = solo.events();
    let [DialogEvent::Refer { target, replaces: Some(replaces), referred_by: None }] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(target.to_string(), "sip:801@h");
    assert_eq!(replaces.to_string(), "x@y;to-tag=1;from-tag=2");
}

fn of_dialog(method: &str, cseq: u32, invite: &str, extra: &str, text: &str) -> String {
    let message = request(method, cseq, &format!("n{cseq}"), &from_tag(invite), extra);
    of_our_call(&message.replace("Content-Length: 0", &format!("Content-Length: {}", text.len())))
        + text
}

fn word(cseq: u32, invite: &str, state: &str, text: &str) -> String {
    let extra = format!(
        "Event: refer\r\nSubscription-State: {state}\r\nContent-Type: message/sipfrag;version=2.0\r\n"
    );
    of_dialog("NOTIFY", cseq, invite, &extra, text)
}

fn told(code: u16, reason: &str, is_final: bool) -> DialogEvent {
    DialogEvent::ReferProgress { code, reason: reason.to_owned(), is_final }
}

/// A call of ours that is answered, and our REFER in it.
fn referring() -> (Solo, String, String) {
    let mut solo = Solo::new(Transport::Udp);
    let invite = solo.invite(TARGET);
    solo.feed(&response(&invite, 200, "t", ""));
    solo.events();
    let target = Box::new("sip:801@10.0.0.5".parse().unwrap());
    let replaces = Replaces::parse("x@y;to-tag=1;from-tag=2");
    let refer = solo.command(Command::Refer { call: solo.call, target, replaces }).remove(0);
    (solo, invite, refer)
}

#[test]
fn our_refer_is_followed_to_its_end() {
    let (mut solo, invite, refer) = referring();
    let refer_to = "<sip:801@10.0.0.5?Replaces=x%40y%3Bto-tag%3D1%3Bfrom-tag%3D2>";
    assert_eq!((code(&refer).as_str(), header(&refer, "Refer-To")), ("REFER", refer_to));
    assert_eq!(header(&refer, "Referred-By"), "<sip:us@10.0.0.1>");
    solo.feed(&response(&refer, 202, "t", ""));
    let trying = word(1, &invite, "active;expires=60", "SIP/2.0 100 Trying\r\n");
    assert_eq!(
        (solo.codes(&trying), solo.codes(&trying)),
        (vec!["200".to_owned()], vec!["200".to_owned()])
    );
    let ok = word(2, &invite, "terminated;reason=noresource", "SIP/2.0 200 OK\r\n");
    assert_eq!(solo.codes(&ok), ["200"]);
    assert_eq!(solo.events(), [told(100, "Trying", false), told(200, "OK", true)]);
    assert_eq!(solo.codes(&word(3, &invite, "active", "SIP/2.0 200 OK\r\n")), ["481"]);
}

#[test]
fn a_refer_of_ours_can_fail_in_each_way() {
    let (mut solo, invite, refer) = referring();
    let target = Box::new(TARGET.parse().unwrap());
    let again = Command::Refer { call: solo.call, target, replaces: None };
    assert!(solo.command(again).is_empty());
    assert_eq!(solo.events(), [told(491, "Request Pending", true)]);
    solo.feed(&response(&refer, 603, "t", ""));
    assert_eq!(solo.events(), [told(603, "Whatever", true)]);
    assert_eq!(solo.codes(&word(1, &invite, "active", "SIP/2.0 100 Trying\r\n")), ["481"]);

    let (mut solo, ..) = referring();
    solo.wait(32_000);
    assert_eq!(solo.events(), [told(408, "Request Timeout", true)]);

    let (mut solo, invite, refer) = referring();
    solo.feed(&response(&refer, 202, "t", ""));
    assert_eq!(solo.codes(&word(1, &invite, "active", "nonsense")), ["400"]);
    let foreign = "Event: presence\r\nSubscription-State: active\r\n";
    assert_eq!(solo.codes(&of_dialog("NOTIFY", 2, &invite, foreign, "")), ["489"]);
    solo.wait(180_000);
    assert_eq!(solo.events(), [told(408, "Request Timeout", true)], "no word for 3 minutes");

    let (mut solo, invite, _) = referring();
    assert_eq!(solo.codes(&word(1, &invite, "terminated;reason=giveup", "")), ["200"]);
    assert_eq!(solo.events(), [told(500, "Subscription Terminated", true)]);
}

/// An INVITE of a third party that replaces a dialog.
fn replacing(value: &str) -> String {
    request("INVITE", 1, "third", "", &format!("Replaces: {value}\r\n"))
        .replace("Call-ID: in", "Call-ID: third")
}

#[test]
fn an_invite_replaces_an_answered_call() {
    let mut solo = Solo::new(Transport::Udp);
    let tag = solo.talking();
    let old = solo.call;
    let named = solo.name.clone().unwrap();
    assert_eq!(named.to_string(), format!("in;to-tag=f;from-tag={tag}"), "as its peer sees it");
    let value = format!("in;to-tag={tag};from-tag=f");
    assert_eq!(solo.codes(&replacing(&value)), ["100"]);
    let replaced = solo.replaces.clone().unwrap();
    assert_eq!((replaced.call, replaced.replaces.to_string()), (old, value));
    assert_ne!(solo.call, old);
    assert_eq!(codes(&solo.respond(200)), ["200"]);
    assert_eq!(codes(&solo.command(Command::Bye { call: old, reason: None })), ["BYE"]);
}

#[test]
fn a_replaces_that_names_no_suitable_dialog_is_refused() {
    let mut solo = Solo::new(Transport::Udp);
    assert_eq!(solo.codes(&replacing("in;to-tag=x;from-tag=f")), ["481"]);
    // Early, and not ours to have replaced.
    solo.feed(&invite("c"));
    let tag = to_tag(&solo.respond(180)[0]);
    let value = format!("in;to-tag={tag};from-tag=f");
    assert_eq!(solo.codes(&replacing(&value)), ["481"]);
    solo.respond(200);
    solo.feed(&request("ACK", 1, "ack", &tag, ""));
    assert_eq!(solo.codes(&replacing(&format!("{value};early-only"))), ["486"]);
    assert_eq!(solo.codes(&replacing(&format!("in;to-tag={tag};from-tag=g"))), ["481"]);
    assert_eq!(solo.codes(&replacing("in;to-tag=x")), ["400"]);
    assert_eq!(solo.codes(&replacing(&format!("{value}, {value}"))), ["400"]);
    assert_eq!(solo.codes(&replacing(&format!("{value}\r\nReplaces: {value}"))), ["400"]);
    let wrong = request("BYE", 5, "b5", &tag, &format!("Replaces: {value}\r\n"));
    assert_eq!(solo.codes(&wrong), ["400"], "in an INVITE alone");
    assert_eq!(solo.calls, 1);
    // Our BYE is under way, then the dialog is over, then it is forgotten.
    let bye = solo.bye().remove(0);
    assert_eq!(solo.codes(&replacing(&value)), ["603"]);
    solo.feed(&response(&bye, 200, "f", ""));
    assert_eq!(solo.codes(&replacing(&value)), ["603"]);
    solo.wait(33_000);
    assert_eq!(solo.codes(&replacing(&value)), ["481"]);
}

#[test]
fn a_call_of_ours_may_be_replaced_while_it_rings() {
    let mut solo = Solo::new(Transport::Udp);
    let ours = solo.invite(TARGET);
    solo.feed(&response(&ours, 180, "t", ""));
    let value = format!("out;to-tag={};from-tag=t;early-only", from_tag(&ours));
    assert_eq!(solo.codes(&replacing(&value)), ["100"]);
    assert_eq!(solo.replaces.clone().unwrap().call, CallKey(1));
}
