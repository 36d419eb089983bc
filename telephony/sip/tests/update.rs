//! UPDATE (RFC 3311), requests that cross, and INFO, in simulated time.

mod world;

use qingting_sip::agent::Command;
use qingting_sip::{DialogEvent, Reply, Transport};
use world::{
    Solo, body, code, codes, from_tag, header, of_our_call, request, response, sdp, to_tag,
    with_sdp,
};

const TARGET: &str = "sip:1@192.0.2.9";

fn talking() -> (Solo, String) {
    let mut solo = Solo::new(Transport::Udp);
    let tag = solo.talking();
    (solo, tag)
}

fn offer(cseq: u32, tag: &str) -> String {
    with_sdp(&request("UPDATE", cseq, &format!("u{cseq}"), tag, ""), "v=0 hold")
}

fn respond(solo: &mut Solo, reply: Reply) -> Vec<String> {
    solo.command(Command::RespondUpdate { call: solo.call, reply })
}

fn update(solo: &mut Solo) -> Vec<String> {
    solo.command(Command::Update { call: solo.call, offer: sdp("v=0 ours") })
}

fn reinvite_failed(solo: &mut Solo, wanted: u16) -> bool {
    matches!(&solo.events()[..], [DialogEvent::Failed { code, .. }] if *code == wanted)
}

fn update_failed(solo: &mut Solo, wanted: u16) -> bool {
    matches!(&solo.events()[..], [DialogEvent::UpdateFailed { code, .. }] if *code == wanted)
}

#[test]
fn an_offer_is_the_owners_to_answer() {
    let (mut solo, tag) = talking();
    let moved = offer(2, &tag).replace("a@192.0.2.9", "a@192.0.2.77");
    assert!(solo.feed(&moved).is_empty() && solo.feed(&moved).is_empty());
    assert_eq!(solo.events(), [DialogEvent::Update { offer: sdp("v=0 hold") }]);
    let sent = respond(&mut solo, Reply::with_body(200, "v=0 held"));
    assert_eq!((codes(&sent), body(&sent[0])), (vec!["200".to_owned()], "v=0 held"));
    assert_eq!(solo.feed(&moved), sent, "the 200 was lost");
    assert!(respond(&mut solo, Reply::new(488)).is_empty(), "one answer");
    assert!(solo.bye()[0].starts_with("BYE sip:a@192.0.2.77 "), "the target is refreshed");
}

#[test]
fn an_offer_that_is_refused_changes_nothing_and_silence_is_504() {
    let (mut solo, tag) = talking();
    solo.feed(&offer(2, &tag).replace("a@192.0.2.9", "a@192.0.2.77"));
    assert_eq!(codes(&respond(&mut solo, Reply::new(488))), ["488"]);
    solo.feed(&offer(3, &tag));
    assert_eq!(solo.wait(10_000), [(10_000, "504".to_owned())]);
    assert!(solo.bye()[0].starts_with("BYE sip:a@192.0.2.9 "));
}

#[test]
fn without_an_offer_the_owner_hears_nothing() {
    let (mut solo, tag) = talking();
    let moved = request("UPDATE", 2, "u", &tag, "").replace("a@192.0.2.9", "a@192.0.2.77");
    assert_eq!((solo.codes(&moved), solo.events()), (vec!["200".to_owned()], vec![]));
    assert!(solo.bye()[0].starts_with("BYE sip:a@192.0.2.77 "));
    solo.wait(33_000);
    assert_eq!(solo.codes(&offer(9, &tag)), ["481"]);
}

#[test]
fn offers_that_cross_are_refused_as_rfc_3311_says() {
    // Theirs is not answered yet: 500 with a time.
    let (mut solo, tag) = talking();
    solo.feed(&offer(2, &tag));
    let second = solo.feed(&offer(3, &tag));
    assert_eq!(code(&second[0]), "500");
    assert!(header(&second[0], "Retry-After").parse::<u32>().unwrap() <= 10);
    assert_eq!(solo.codes(&request("INVITE", 4, "r", &tag, "")), ["500"]);
    solo.events();
    assert!(update(&mut solo).is_empty() && update_failed(&mut solo, 491));
    assert!(solo.reinvite().is_empty() && reinvite_failed(&mut solo, 491));
    // Ours is not answered yet: 491.
    let (mut solo, tag) = talking();
    assert_eq!(codes(&update(&mut solo)), ["UPDATE"]);
    assert_eq!(solo.codes(&offer(2, &tag)), ["491"]);
    assert_eq!(solo.codes(&request("INVITE", 3, "r", &tag, "")), ["491"]);
    assert_eq!(solo.codes(&request("UPDATE", 4, "u4", &tag, "")), ["200"], "no offer, no crossing");
    let (mut solo, tag) = talking();
    assert_eq!(codes(&solo.reinvite()), ["INVITE"]);
    assert_eq!(solo.codes(&offer(2, &tag)), ["491"]);
    // In an early dialog their offer in the INVITE waits for us.
    let mut solo = Solo::new(Transport::Udp);
    solo.feed(&with_sdp(&request("INVITE", 1, "c", "", ""), "v=0"));
    let tag = to_tag(&solo.respond(180)[0]);
    assert_eq!(solo.codes(&offer(2, &tag)), ["500"]);
}

#[test]
fn an_early_dialog_is_updated_once_its_first_offer_is_answered() {
    let mut solo = Solo::new(Transport::Udp);
    solo.feed(&with_sdp(&request("INVITE", 1, "c", "", "Supported: 100rel\r\n"), "v=0"));
    let reply = Reply::with_body(183, "v=0 early");
    let early = solo.command(Command::Respond { call: solo.call, reply }).remove(0);
    let tag = to_tag(&early);
    let rack = format!("RAck: {} 1 INVITE\r\n", header(&early, "RSeq"));
    solo.feed(&request("PRACK", 2, "p", &tag, &rack));
    assert!(solo.feed(&offer(3, &tag)).is_empty());
    assert_eq!(codes(&respond(&mut solo, Reply::with_body(200, "v=0 held"))), ["200"]);
    let ours = update(&mut solo);
    solo.events();
    solo.feed(&with_sdp(&response(&ours[0], 200, "f", ""), "v=0 yes"));
    assert_eq!(solo.events(), [DialogEvent::Updated { body: Some(sdp("v=0 yes")) }]);
    assert_eq!(codes(&solo.respond(200)), ["200"]);
}

#[test]
fn the_caller_is_updated_in_an_early_dialog_too() {
    let mut solo = Solo::new(Transport::Udp);
    let invite = solo.invite(TARGET);
    let early =
        with_sdp(&response(&invite, 183, "t", "Require: 100rel\r\nRSeq: 1\r\n"), "v=0 early");
    let prack = solo.feed(&early).remove(0);
    solo.feed(&response(&prack, 200, "t", ""));
    solo.events();
    let tag = from_tag(&invite);
    assert!(solo.feed(&of_our_call(&offer(5, &tag))).is_empty());
    assert_eq!(solo.events(), [DialogEvent::Update { offer: sdp("v=0 hold") }]);
    assert_eq!(codes(&respond(&mut solo, Reply::with_body(200, "v=0 held"))), ["200"]);
    assert_eq!(solo.codes(&of_our_call(&request("BYE", 6, "b", &tag, ""))), ["481"]);
    let ours = update(&mut solo).remove(0);
    assert_eq!((code(&ours).as_str(), to_tag(&ours).as_str()), ("UPDATE", "t"));
    assert_eq!(header(&ours, "CSeq"), "3 UPDATE");
}

#[test]
fn an_early_update_that_is_refused_leaves_the_invite_alone() {
    for refusal in [422, 491, 488] {
        let mut solo = Solo::new(Transport::Udp);
        let invite = solo.invite_with(TARGET, None);
        let ringing = response(&invite, 180, "t", "Require: 100rel\r\nRSeq: 1\r\n");
        solo.feed(&ringing);
        let ours = update(&mut solo).remove(0);
        solo.feed(&response(&ours, refusal, "t", "Min-SE: 2000\r\n"));
        assert_eq!(codes(&solo.command(Command::Cancel { call: solo.call })), ["CANCEL"]);
        assert_eq!(codes(&solo.feed(&response(&invite, 487, "t", ""))), ["ACK"]);
        assert_eq!(solo.over, 1);
        solo.wait(33_000);
        solo.assert_nothing_left();
    }
}

#[test]
fn our_update_is_answered_refused_or_lost() {
    let (mut solo, _) = talking();
    let ours = update(&mut solo).remove(0);
    assert_eq!((body(&ours), header(&ours, "Contact")), ("v=0 ours", "<sip:10.0.0.1:5060>"));
    solo.feed(&with_sdp(&response(&ours, 200, "f", ""), "v=0 yes"));
    assert_eq!(solo.events(), [DialogEvent::Updated { body: Some(sdp("v=0 yes")) }]);
    let ours = update(&mut solo).remove(0);
    assert!(solo.feed(&response(&ours, 488, "f", "")).is_empty());
    assert!(update_failed(&mut solo, 488));
    let ours = update(&mut solo).remove(0);
    assert_eq!(codes(&solo.feed(&response(&ours, 481, "f", ""))), ["BYE"]);
    let (mut solo, _) = talking();
    update(&mut solo);
    assert_eq!(solo.wait(32_000).last().unwrap(), &(32_000, "BYE".to_owned()));
    solo.wait(33_000);
    solo.assert_nothing_left();
}

/// Answers 491 to all that we send of a method; the times between.
fn glares(solo: &mut Solo, first: String, tag: &str) -> Vec<u64> {
    let (mut waits, mut ours) = (Vec::new(), first);
    loop {
        solo.feed(&response(&ours, 491, tag, ""));
        let begin = solo.now;
        solo.keep = true;
        while solo.kept.is_empty() && solo.now.0 < begin.0 + 5_000 {
            solo.wait(10);
        }
        solo.keep = false;
        let Some(next) = solo.kept.pop() else { return waits };
        waits.push(solo.now.0 - begin.0);
        ours = next;
    }
}

#[test]
fn a_change_that_meets_491_is_tried_three_times_more_then_told() {
    // Whose Call-ID it is waits for 2.1 to 4 s.
    for update_ours in [false, true] {
        let mut solo = Solo::new(Transport::Udp);
        let invite = solo.invite(TARGET);
        solo.feed(&response(&invite, 200, "t", ""));
        solo.events();
        let first = if update_ours { update(&mut solo) } else { solo.reinvite() }.remove(0);
        let waits = glares(&mut solo, first, "t");
        assert!(waits.len() == 3 && waits.iter().all(|w| (2_100..=4_010).contains(w)), "{waits:?}");
        assert!(if update_ours {
            update_failed(&mut solo, 491)
        } else {
            reinvite_failed(&mut solo, 491)
        });
        assert_eq!(codes(&solo.reinvite()), ["INVITE"], "the call goes on");
    }
    let (mut solo, _) = talking();
    let first = solo.reinvite().remove(0);
    let waits = glares(&mut solo, first, "f");
    assert!(waits.len() == 3 && waits.iter().all(|w| *w <= 2_010), "{waits:?}");
    assert!(reinvite_failed(&mut solo, 491));
}

#[test]
fn after_a_glare_the_peers_goes_first_and_ours_follows() {
    let (mut solo, tag) = talking();
    let first = solo.reinvite().remove(0);
    assert_eq!(codes(&solo.feed(&response(&first, 491, "f", ""))), ["ACK"]);
    assert!(solo.reinvite().is_empty() && reinvite_failed(&mut solo, 491), "one at a time");
    assert_eq!(solo.codes(&with_sdp(&request("INVITE", 2, "r", &tag, ""), "v=0")), ["100"]);
    solo.respond_reinvite(200);
    solo.feed(&request("ACK", 2, "ra", &tag, ""));
    solo.keep = true;
    solo.wait(8_000);
    let again = solo.kept.first().unwrap().clone();
    assert!(again.starts_with("INVITE") && body(&again) == "v=0");
    assert_eq!(codes(&solo.feed(&response(&again, 200, "f", ""))), ["ACK"]);
    assert!(matches!(solo.events().last(), Some(DialogEvent::Answered { .. })));
}

#[test]
fn a_change_that_waits_ends_with_its_call() {
    let (mut solo, tag) = talking();
    let first = solo.reinvite().remove(0);
    solo.feed(&response(&first, 491, "f", ""));
    solo.feed(&request("BYE", 2, "b", &tag, ""));
    solo.assert_nothing_left();
    let (mut solo, tag) = talking();
    solo.feed(&offer(2, &tag));
    assert_eq!(solo.codes(&request("BYE", 3, "b", &tag, "")), ["200", "487"]);
    solo.assert_nothing_left();
}

fn info(cseq: u32, tag: &str, extra: &str, body: &str) -> String {
    let text = request("INFO", cseq, &format!("i{cseq}"), tag, extra);
    text.replace("Content-Length: 0", &format!("Content-Length: {}", body.len())) + body
}

#[test]
fn keys_come_by_info() {
    let (mut solo, tag) = talking();
    let relay = "Content-Type: application/dtmf-relay\r\n";
    let text = info(2, &tag, relay, "Signal=5\r\nDuration=160\r\n");
    assert_eq!(solo.codes(&text), ["200"]);
    assert_eq!(solo.codes(&text), ["200"], "again, and told once");
    assert_eq!(solo.codes(&info(3, &tag, "Content-Type: application/dtmf\r\n", "#")), ["200"]);
    let told = [
        DialogEvent::InfoDtmf { digit: '5', duration_ms: Some(160) },
        DialogEvent::InfoDtmf { digit: '#', duration_ms: None },
    ];
    assert_eq!(solo.events(), told);
    assert_eq!(solo.codes(&info(4, &tag, relay, "Signal=flash\r\n")), ["400"]);
    let other = solo.feed(&info(5, &tag, "Content-Type: text/plain\r\n", "x"));
    assert_eq!(code(&other[0]), "415");
    assert_eq!(header(&other[0], "Accept"), "application/dtmf-relay, application/dtmf");
    assert_eq!(solo.codes(&info(6, &tag, "Info-Package: foo\r\n", "")), ["469"]);
    assert_eq!(solo.codes(&info(7, &tag, "", "")), ["200"]);
    assert_eq!(solo.events(), []);
    let (call, content_type) = (solo.call, "application/dtmf-relay".to_owned());
    let ours = solo.command(Command::Info { call, content_type, body: sdp("Signal=1\r\n") });
    assert_eq!((codes(&ours), body(&ours[0])), (vec!["INFO".to_owned()], "Signal=1\r\n"));
    assert_eq!(header(&ours[0], "Content-Type"), "application/dtmf-relay");
}
