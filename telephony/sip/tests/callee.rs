//! The agent as callee, in simulated time.

mod world;

use qingting_sip::agent::{AgentConfig, Command};
use qingting_sip::{DialogEvent, Transport};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use world::{Solo, code, config, header, invite, request, to_tag};

fn udp() -> Solo {
    Solo::new(Transport::Udp)
}

const ACK: DialogEvent = DialogEvent::Ack { body: None };
const BYE: DialogEvent = DialogEvent::Bye { reason: None };

#[test]
fn a_new_call_is_told_100_and_its_retransmissions_the_last_response() {
    let mut solo = udp();
    assert_eq!(solo.codes(&invite("c")), ["100"]);
    assert_eq!(solo.codes(&invite("c")), ["100"]);
    assert_eq!(code(&solo.respond(180)[0]), "180");
    assert_eq!(solo.codes(&invite("c")), ["180"]);
    assert_eq!((solo.calls, solo.agent.stats().retransmissions_in), (1, 2));
}

#[test]
fn a_response_to_an_invite_says_who_we_are_and_by_which_way() {
    let mut solo = udp();
    let routes = "Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\n";
    solo.feed(&request("INVITE", 1, "c", "", routes));
    let (ringing, answer) = (solo.respond(180).remove(0), solo.respond(200).remove(0));
    for message in [&ringing, &answer] {
        assert_eq!(header(message, "Contact"), "<sip:10.0.0.1:5060>");
        assert_eq!(header(message, "Server"), "test");
        assert!(header(message, "Allow").contains("INVITE") && message.contains("Supported: "));
        assert_eq!(message.matches("Record-Route: ").count(), 2);
    }
    assert_eq!(to_tag(&ringing), to_tag(&answer));
    assert_eq!(header(&answer, "Content-Type"), "application/sdp");
}

#[test]
fn a_2xx_is_repeated_until_its_ack_over_streams_too() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut solo = Solo::new(transport);
        solo.feed(&invite("c"));
        let tag = to_tag(&solo.respond(200)[0]);
        let again: Vec<u64> = solo.wait(8_000).into_iter().map(|(at, _)| at).collect();
        assert_eq!(again, [500, 1_500, 3_500, 7_500]);
        assert_eq!(solo.codes(&invite("c")).len(), 0, "absorbed in Accepted");
        assert!(solo.feed(&request("ACK", 1, "ack", &tag, "")).is_empty());
        assert!(solo.feed(&request("ACK", 1, "ack", &tag, "")).is_empty());
        assert_eq!(solo.events(), [ACK]);
        assert!(solo.wait(60_000).is_empty());
        assert_eq!(solo.codes(&request("BYE", 2, "bye", &tag, "")), ["200"]);
        assert_eq!((solo.events(), solo.over), (vec![BYE], 1));
        solo.assert_nothing_left();
    }
}

#[test]
fn a_missing_ack_is_reported_after_32_s_and_the_bye_is_the_owners() {
    let mut solo = udp();
    solo.feed(&invite("c"));
    solo.respond(200);
    assert_eq!(solo.wait(31_999).len(), 10);
    assert_eq!(solo.events(), []);
    solo.wait(1);
    assert_eq!(solo.events(), [DialogEvent::AckTimeout]);
    let bye = solo.bye().remove(0);
    assert_eq!(code(&bye), "BYE");
    solo.feed(&world::response(&bye, 200, "t", ""));
    assert_eq!((solo.events(), solo.over), (vec![DialogEvent::ByeDone], 1));
    solo.assert_nothing_left();
}

#[test]
fn a_callees_bye_waits_for_the_ack() {
    let mut solo = udp();
    solo.feed(&invite("c"));
    let tag = to_tag(&solo.respond(200)[0]);
    assert!(solo.bye().is_empty());
    let sent = solo.codes(&request("ACK", 1, "ack", &tag, ""));
    assert_eq!((sent, solo.events()), (vec!["BYE".to_owned()], vec![ACK]));
}

#[test]
fn a_callees_bye_waits_for_an_ack_no_longer_than_32_s() {
    let mut solo = udp();
    solo.feed(&invite("c"));
    solo.respond(200);
    solo.command(Command::Abandon { call: solo.call });
    let sent = solo.wait(32_000);
    assert_eq!(sent.last().unwrap(), &(32_000, "BYE".to_owned()));
    solo.wait(32_000);
    assert_eq!(solo.events(), [DialogEvent::AckTimeout, DialogEvent::ByeDone]);
    solo.assert_nothing_left();
}

#[test]
fn a_refusal_is_repeated_until_its_ack_and_the_call_is_over_at_once() {
    let mut solo = udp();
    solo.feed(&invite("c"));
    let refusal = solo.respond(486).remove(0);
    assert_eq!(solo.over, 1);
    assert_eq!(solo.wait(2_000), [(500, "486".to_owned()), (1_500, "486".to_owned())]);
    assert_eq!(solo.codes(&invite("c")), ["486"]);
    let tag = to_tag(&refusal);
    assert!(solo.feed(&request("ACK", 1, "c", &tag, "")).is_empty());
    assert!(solo.wait(4_000).is_empty());
    assert!(solo.feed(&invite("c")).is_empty(), "absorbed in Confirmed");
    assert_eq!(solo.events(), []);
    solo.assert_nothing_left();
}

#[test]
fn a_cancel_is_answered_and_the_owner_ends_the_invite() {
    let mut solo = udp();
    solo.feed(&invite("c"));
    let ok = solo.feed(&request("CANCEL", 1, "c", "", ""));
    assert_eq!(code(&ok[0]), "200");
    assert_eq!(solo.codes(&request("CANCEL", 1, "c", "", "")), ["200"]);
    assert_eq!(solo.events(), [DialogEvent::Cancel]);
    let end = solo.respond(487).remove(0);
    assert_eq!((code(&end).as_str(), to_tag(&end)), ("487", to_tag(&ok[0])));
    solo.assert_nothing_left();
}

#[test]
fn a_cancel_that_the_owner_overlooks_still_ends_in_487() {
    for command in [0, 1] {
        let mut solo = udp();
        solo.feed(&invite("c"));
        solo.feed(&request("CANCEL", 1, "c", "", ""));
        let sent = match command {
            0 => solo.respond(200),
            _ => solo.command(Command::Abandon { call: solo.call }),
        };
        assert_eq!((code(&sent[0]).as_str(), solo.over), ("487", 1));
        solo.assert_nothing_left();
    }
}

#[test]
fn whatever_the_owner_says_after_a_cancel_the_invite_ends_in_487() {
    for said in [200, 202, 302, 486, 487, 503, 600] {
        let mut solo = udp();
        solo.feed(&invite("c"));
        solo.feed(&request("CANCEL", 1, "c", "", ""));
        assert_eq!(code(&solo.respond(said)[0]), "487", "{said}");
        assert_eq!((solo.events(), solo.over), (vec![DialogEvent::Cancel], 1));
        solo.assert_nothing_left();
    }
}

/// What happens to one INVITE.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Invite,
    Cancel,
    Ring,
    Answer,
    Ack,
}

/// INVITE, CANCEL and our answer in any order that a network makes of them, some of them twice: an
/// owner is told Cancel exactly when the caller is told 487.
#[test]
fn a_cancel_is_an_event_if_and_only_if_the_invite_ends_in_487() {
    let mut outcomes = std::collections::BTreeMap::<(bool, bool), u32>::new();
    for seed in 0..500 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut order = vec![Happens::Invite, Happens::Cancel, Happens::Ring, Happens::Answer];
        order.extend([Happens::Ack, Happens::Cancel, Happens::Invite]);
        order[1..].shuffle(&mut rng);
        let (mut solo, mut tag, mut finals) = (udp(), String::new(), Vec::new());
        for happens in order {
            let sent = match happens {
                Happens::Invite => solo.feed(&invite("c")),
                Happens::Cancel => solo.feed(&request("CANCEL", 1, "c", "", "")),
                Happens::Ring => solo.respond(180),
                Happens::Answer => solo.respond(200),
                Happens::Ack => solo.feed(&request("ACK", 1, "ack", &tag, "")),
            };
            for message in sent.iter().filter(|message| message.contains("CSeq: 1 INVITE")) {
                tag = to_tag(message);
                finals.extend(Some(code(message)).filter(|code| code.as_str() >= "200"));
            }
            if rng.random() {
                let waited = solo.wait(rng.random_range(0..2_000)).into_iter();
                finals.extend(waited.map(|(_, code)| code).filter(|code| code.as_str() >= "200"));
            }
        }
        finals.dedup();
        assert_eq!(finals.len(), 1, "seed {seed}: {finals:?}");
        let told = solo.events().contains(&DialogEvent::Cancel);
        assert_eq!((told, finals[0] == "200"), (told, !told), "seed {seed}");
        *outcomes.entry((told, solo.over == 1)).or_default() += 1;
    }
    assert!(outcomes.len() == 2 && outcomes.values().all(|n| *n > 50), "{outcomes:?}");
}

#[test]
fn a_late_cancel_changes_nothing_and_a_stray_one_is_told_so() {
    let mut solo = udp();
    assert_eq!(solo.codes(&request("CANCEL", 1, "c", "", "")), ["481"]);
    solo.feed(&invite("c"));
    solo.respond(200);
    assert_eq!(solo.codes(&request("CANCEL", 1, "c", "", "")), ["200"]);
    assert_eq!(solo.events(), []);
}

#[test]
fn a_bye_in_an_early_dialog_leaves_the_invite_its_487() {
    for final_code in [487, 200] {
        let mut solo = udp();
        solo.feed(&invite("c"));
        let tag = to_tag(&solo.respond(180)[0]);
        assert_eq!(solo.codes(&request("BYE", 2, "bye", &tag, "")), ["200"]);
        assert_eq!(solo.events(), [BYE]);
        assert_eq!(code(&solo.respond(final_code)[0]), "487");
        assert_eq!(solo.over, 1);
        solo.assert_nothing_left();
    }
}

#[test]
fn a_bye_before_the_ack_stops_the_2xx() {
    let mut solo = udp();
    solo.feed(&invite("c"));
    let tag = to_tag(&solo.respond(200)[0]);
    let reason = "Reason: Q.850;cause=16\r\n";
    assert_eq!(solo.codes(&request("BYE", 2, "bye", &tag, reason)), ["200"]);
    assert_eq!(solo.codes(&request("BYE", 2, "bye", &tag, reason)), ["200"], "again");
    assert_eq!(solo.codes(&request("BYE", 3, "bye2", &tag, "")), ["481"]);
    let reason = Some("Q.850;cause=16".to_owned());
    assert_eq!(solo.events(), [DialogEvent::Bye { reason }]);
    solo.assert_nothing_left();
}

#[test]
fn crossing_byes_are_both_answered() {
    let mut solo = udp();
    let tag = solo.talking();
    let ours = solo.bye().remove(0);
    assert_eq!(solo.codes(&request("BYE", 2, "bye", &tag, "")), ["200"]);
    solo.feed(&world::response(&ours, 481, "t", ""));
    assert_eq!((solo.events(), solo.over), (vec![DialogEvent::ByeDone], 1));
    solo.assert_nothing_left();
}

#[test]
fn a_reinvite_refreshes_the_target_and_its_2xx_wants_an_ack() {
    let mut solo = udp();
    let tag = solo.talking();
    let moved = request("INVITE", 2, "r", &tag, "").replace("a@192.0.2.9", "a@192.0.2.77:5099");
    assert_eq!(solo.codes(&moved), ["100"]);
    assert_eq!(solo.events(), [DialogEvent::Reinvite { offer: None }]);
    assert_eq!(code(&solo.respond_reinvite(200)[0]), "200");
    assert!(solo.respond_reinvite(488).is_empty(), "only one final response");
    assert_eq!(solo.wait(600).len(), 1);
    solo.feed(&request("ACK", 2, "rack", &tag, ""));
    assert_eq!(solo.events(), [ACK]);
    assert!(solo.bye()[0].starts_with("BYE sip:a@192.0.2.77:5099 SIP/2.0"));
    assert_eq!(solo.last_flow.unwrap().remote, "192.0.2.77:5099".parse().unwrap());
}

#[test]
fn a_refused_reinvite_changes_nothing() {
    let mut solo = udp();
    let tag = solo.talking();
    let moved = request("INVITE", 2, "r", &tag, "").replace("a@192.0.2.9", "a@192.0.2.77:5099");
    solo.feed(&moved);
    assert_eq!(code(&solo.respond_reinvite(488)[0]), "488");
    assert_eq!((solo.wait(600).len(), solo.codes(&moved)), (1, vec!["488".to_owned()]));
    solo.feed(&request("ACK", 2, "r", &tag, ""));
    assert_eq!(solo.events(), [DialogEvent::Reinvite { offer: None }]);
    assert!(solo.bye()[0].starts_with("BYE sip:a@192.0.2.9 SIP/2.0"));
}

#[test]
fn a_missing_ack_of_a_reinvite_is_reported_too() {
    let mut solo = udp();
    let tag = solo.talking();
    solo.feed(&request("INVITE", 2, "r", &tag, ""));
    solo.respond_reinvite(200);
    solo.events();
    solo.wait(32_000);
    assert_eq!((solo.events(), solo.over), (vec![DialogEvent::AckTimeout], 0));
}

#[test]
fn one_invite_at_a_time() {
    let mut solo = udp();
    solo.feed(&invite("c"));
    let tag = to_tag(&solo.respond(180)[0]);
    let early = solo.feed(&request("INVITE", 2, "r1", &tag, ""));
    assert_eq!(code(&early[0]), "500");
    assert!(header(&early[0], "Retry-After").parse::<u32>().unwrap() <= 10);

    let mut solo = udp();
    let tag = solo.talking();
    solo.feed(&request("INVITE", 2, "r2", &tag, ""));
    assert_eq!(solo.codes(&request("INVITE", 3, "r3", &tag, "")), ["500"]);
    solo.respond_reinvite(200);
    solo.feed(&request("ACK", 2, "rack", &tag, ""));
    assert_eq!(solo.reinvite().len(), 1);
    assert_eq!(solo.codes(&request("INVITE", 4, "r4", &tag, "")), ["491"], "glare");
}

#[test]
fn a_cancelled_reinvite_is_ended_by_the_agent() {
    let mut solo = udp();
    let tag = solo.talking();
    solo.feed(&request("INVITE", 2, "r", &tag, ""));
    solo.events();
    assert_eq!(solo.codes(&request("CANCEL", 2, "r", &tag, "")), ["200", "487"]);
    assert_eq!(solo.events(), []);
    assert!(solo.respond_reinvite(200).is_empty());
}

#[test]
fn a_bye_ends_an_open_reinvite() {
    let mut solo = udp();
    let tag = solo.talking();
    solo.feed(&request("INVITE", 2, "r", &tag, ""));
    assert_eq!(solo.codes(&request("BYE", 3, "bye", &tag, "")), ["200", "487"]);
    solo.assert_nothing_left();
    let mut solo = udp();
    let tag = solo.talking();
    solo.feed(&request("INVITE", 2, "r", &tag, ""));
    let sent: Vec<String> = solo.bye().iter().map(|message| code(message)).collect();
    assert_eq!(sent, ["487", "BYE"]);
    solo.assert_nothing_left();
}

#[test]
fn requests_within_a_dialog_are_in_order_and_belong_to_it() {
    let mut solo = udp();
    let tag = solo.talking();
    assert_eq!(solo.codes(&request("INFO", 5, "i1", &tag, "")), ["200"]);
    assert_eq!(solo.codes(&request("INFO", 4, "i2", &tag, "")), ["500"]);
    assert_eq!(solo.codes(&request("OPTIONS", 6, "o", &tag, "")), ["200"]);
    assert_eq!(solo.codes(&request("INFO", 7, "i3", "other", "")), ["481"]);
    let stranger = request("BYE", 7, "b", &tag, "").replace("tag=f", "tag=g");
    assert_eq!(solo.codes(&stranger), ["481"]);
    assert_eq!(solo.codes(&request("INFO", 1, "i4", "", "")), ["481"]);
    assert_eq!(solo.events(), []);
}

#[test]
fn requests_that_are_not_for_us_are_refused() {
    let mut solo = udp();
    assert_eq!(solo.codes(&request("UPDATE", 1, "u", "", "")), ["481"]);
    assert_eq!(solo.codes(&request("SUBSCRIBE", 1, "s", "", "")), ["405"]);
    let refused = solo.feed(&request("REGISTER", 1, "g", "", ""));
    assert!(header(&refused[0], "Allow").contains("INVITE"));
    assert_eq!(solo.codes(&request("FETCH", 1, "n", "", "")), ["501"]);
    let extensions = "Require: timer, foo\r\nRequire: 100rel, bar\r\n";
    let refused = solo.feed(&request("INVITE", 1, "q", "", extensions));
    assert_eq!(
        (code(&refused[0]).as_str(), header(&refused[0], "Unsupported")),
        ("420", "foo, bar")
    );
    assert_eq!(solo.codes(&request("INVITE", 1, "t", "unknown", "")), ["481"]);
    assert_eq!(solo.codes(&invite("c").replace("INVITE sip:", "INVITE gopher:")), ["416"]);
    assert!(solo.feed(&request("ACK", 1, "a", "unknown", "")).is_empty());
    assert!(
        solo.feed(&request("ACK", 1, "a", "", "").replace("SIP/2.0\r\nV", "SIP/3\r\nV")).is_empty()
    );
    assert!(solo.feed("rubbish").is_empty() && solo.feed("\r\n\r\n").is_empty());
    let stats = solo.agent.stats();
    assert_eq!((stats.dialogs, stats.transactions, stats.garbage), (0, 0, 2));
}

#[test]
fn a_timestamp_comes_back_in_the_100_alone() {
    let mut solo = udp();
    let trying = solo.feed(&request("INVITE", 1, "c", "", "timestamp: 54.21\r\n"));
    assert_eq!(header(&trying[0], "Timestamp"), "54.21");
    assert_eq!(header(&solo.respond(200)[0], "Timestamp"), "");
}

/// A request with a body of two parts; the second is a session description.
fn with_isup(method: &str, cseq: u32, tag: &str, handling: &str) -> String {
    let body = format!(
        "--b\r\nContent-Type: application/isup\r\n\
         Content-Disposition: signal;handling={handling}\r\n\r\n\x01\r\n\
         --b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b--\r\n"
    );
    let kind = "Content-Type: multipart/mixed;boundary=b\r\n";
    let head = request(method, cseq, method, tag, kind);
    head.replace("Content-Length: 0", &format!("Content-Length: {}", body.len())) + &body
}

#[test]
fn a_session_description_beside_isup_is_taken() {
    let sdp = || Some(bytes::Bytes::from_static(b"v=0\r\n"));
    let mut solo = udp();
    let refused = solo.feed(&with_isup("INVITE", 1, "", "required"));
    assert_eq!((code(&refused[0]).as_str(), solo.calls), ("415", 0));
    assert_eq!(header(&refused[0], "Accept"), "application/sdp, multipart/mixed");
    assert_eq!(solo.codes(&with_isup("INVITE", 1, "", "optional")), ["100"]);
    let tag = to_tag(&solo.respond(200)[0]);
    solo.feed(&with_isup("ACK", 1, &tag, "optional"));
    solo.feed(&with_isup("INVITE", 2, &tag, "optional").replace("z9hG4bKINVITE", "z9hG4bKre"));
    let expected = [DialogEvent::Ack { body: sdp() }, DialogEvent::Reinvite { offer: sdp() }];
    assert_eq!(solo.events(), expected);
}

#[test]
fn an_ack_with_another_body_brings_no_answer() {
    let mut solo = udp();
    solo.feed(&invite("c"));
    let tag = to_tag(&solo.respond(200)[0]);
    let text = request("ACK", 1, "ack", &tag, "Content-Type: text/plain\r\n");
    solo.feed(&(text.replace("Length: 0", "Length: 2") + "hi"));
    assert_eq!(solo.events(), [ACK]);
}

#[test]
fn a_merged_invite_is_a_loop() {
    let mut solo = udp();
    solo.feed(&invite("one"));
    assert_eq!(solo.codes(&invite("two")), ["482"]);
    solo.respond(486);
    solo.wait(33_000);
    assert_eq!(solo.codes(&invite("three")), ["100"]);
}

#[test]
fn without_the_magic_cookie_a_retransmission_is_still_known() {
    let mut solo = udp();
    let old = invite("c").replace("z9hG4bKc", "1");
    assert_eq!(solo.codes(&old), ["100"]);
    assert_eq!((solo.codes(&old), solo.calls), (vec!["100".to_owned()], 1));
    let refusal = solo.respond(486).remove(0);
    let ack = request("ACK", 1, "c", &to_tag(&refusal), "").replace("z9hG4bKc", "1");
    solo.feed(&ack);
    assert!(solo.wait(4_000).is_empty());
}

#[test]
fn options_say_what_we_do_and_tags_of_stateless_answers_are_stable() {
    let mut solo = udp();
    let first = solo.feed(&request("OPTIONS", 1, "o", "", ""));
    assert_eq!(code(&first[0]), "200");
    assert_eq!(header(&first[0], "Accept"), "application/sdp, multipart/mixed");
    assert_eq!(solo.feed(&request("OPTIONS", 1, "o", "", "")), first);
    solo.command(Command::Drain);
    assert_eq!(solo.codes(&request("OPTIONS", 1, "o2", "", "")), ["503"]);
    let mut solo = udp();
    let tag = solo.talking();
    solo.command(Command::Drain);
    let kept = solo.codes(&request("OPTIONS", 2, "o", &tag, ""));
    assert_eq!(kept, ["200"], "a running call is not disturbed");
}

#[test]
fn a_server_that_is_to_stop_refuses_a_new_call_and_looks_at_one_that_takes_another_over() {
    let mut solo = udp();
    solo.talking();
    solo.command(Command::Drain);
    assert_eq!(solo.codes(&invite("n").replace("Call-ID: ", "Call-ID: new-")), ["503"]);
    let takes_over =
        invite("r").replace("Call-ID: ", "Replaces: x;to-tag=a;from-tag=b\r\nCall-ID: new-");
    assert_eq!(
        solo.codes(&takes_over),
        ["481"],
        "there is no such call, and that is all that is wrong"
    );
}

#[test]
fn calls_beyond_the_limits_leave_no_trace() {
    let limits = [(1, 9), (9, 1)];
    for (calls_max, calls_unacked_max) in limits {
        let config = AgentConfig { calls_max, calls_unacked_max, ..config() };
        let mut solo = Solo::with(Transport::Udp, config);
        solo.feed(&invite("c"));
        let tag = to_tag(&solo.respond(200)[0]);
        let before = solo.agent.stats().transactions;
        let second = invite("d").replace("Call-ID: in", "Call-ID: other");
        let refused = solo.feed(&second);
        assert_eq!(code(&refused[0]), "503");
        let after: u32 = header(&refused[0], "Retry-After").parse().unwrap();
        assert!((5..=15).contains(&after));
        assert_eq!(solo.agent.stats().transactions, before);
        let stats = solo.agent.stats();
        assert_eq!((stats.refused_admission, stats.refused_full), (1, 1));
        solo.feed(&request("ACK", 1, "ack", &tag, ""));
        solo.feed(&request("BYE", 2, "bye", &tag, ""));
        assert_eq!(solo.codes(&second), ["100"]);
    }
}

#[test]
fn calls_that_we_make_take_no_place_of_those_that_come() {
    let mut solo = Solo::with(Transport::Udp, AgentConfig { calls_max: 1, ..config() });
    solo.invite("sip:801@10.0.0.2");
    assert_eq!(solo.agent.stats().dialogs, 1);
    assert_eq!(solo.codes(&invite("c")), ["100"]);
    let second = invite("d").replace("Call-ID: in", "Call-ID: other");
    assert_eq!(solo.codes(&second), ["503"]);
}

#[test]
fn the_route_set_is_followed_from_the_first_route_on() {
    let mut solo = udp();
    let routes = "Record-Route: <sip:192.0.2.1:5070;lr>, <sip:192.0.2.2;lr>\r\n";
    solo.feed(&request("INVITE", 1, "c", "", routes));
    let tag = to_tag(&solo.respond(200)[0]);
    solo.feed(&request("ACK", 1, "ack", &tag, ""));
    let bye = solo.bye().remove(0);
    assert!(bye.starts_with("BYE sip:a@192.0.2.9 SIP/2.0"));
    assert_eq!(header(&bye, "Route"), "<sip:192.0.2.1:5070;lr>");
    assert_eq!(solo.last_flow.unwrap().remote, "192.0.2.1:5070".parse().unwrap());
}

#[test]
fn what_cannot_be_sent_is_a_lost_transport() {
    let mut solo = Solo::new(Transport::Tcp);
    solo.feed(&invite("c"));
    solo.respond(180);
    solo.send_failed();
    assert_eq!((solo.events(), solo.over), (vec![DialogEvent::TransportLost], 1));
    solo.assert_nothing_left();
    let mut solo = Solo::new(Transport::Tcp);
    solo.talking();
    solo.bye();
    solo.send_failed();
    assert_eq!((solo.events(), solo.over), (vec![DialogEvent::TransportLost], 1));
    solo.assert_nothing_left();
}

#[test]
fn an_abandoned_call_is_refused_or_hung_up() {
    let mut solo = udp();
    solo.feed(&invite("c"));
    assert_eq!(code(&solo.command(Command::Abandon { call: solo.call })[0]), "480");
    let mut solo = udp();
    solo.talking();
    assert_eq!(code(&solo.command(Command::Abandon { call: solo.call })[0]), "BYE");
    assert!(solo.command(Command::Abandon { call: solo.call }).is_empty());
}

#[test]
fn headers_in_a_contact_are_in_no_request_uri() {
    let mut solo = udp();
    solo.feed(&invite("c").replace("<sip:a@192.0.2.9>", "<sip:a@192.0.2.9?Subject=x>"));
    let answer = solo.respond(200).remove(0);
    solo.feed(&request("ACK", 1, "ack", &to_tag(&answer), ""));
    let bye = solo.bye().remove(0);
    assert!(bye.starts_with("BYE sip:a@192.0.2.9 SIP/2.0\r\n"), "{bye}");
}
