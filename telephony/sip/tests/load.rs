//! Work, counted: lost ACKs and strangers must not make any of it grow faster than their number.

mod world;

use proptest::prelude::*;
use qingting_sip::Transport;
use qingting_sip::agent::Command;
use world::{Solo, invite, reply, request};

fn numbered(number: usize) -> String {
    invite(&format!("c{number}")).replace("Call-ID: in", &format!("Call-ID: in{number}"))
}

/// Calls that are answered and never acknowledged, then hung up; the timer entries handled.
fn wakes_without_acks(calls: usize) -> u64 {
    let mut solo = Solo::new(Transport::Udp);
    for number in 0..calls {
        solo.feed(&numbered(number));
        solo.respond(200);
    }
    // Each waits for its ACK; each INVITE comes again meanwhile.
    for number in 0..calls {
        solo.feed(&numbered(number));
    }
    solo.wait(32_000);
    assert_eq!(solo.events().len(), calls, "an AckTimeout each");
    // The agent numbers incoming calls by twos.
    for number in 1..=calls as u64 {
        let call = qingting_sip::agent::CallKey(number * 2);
        solo.command(Command::Bye { call, reason: None });
    }
    solo.wait(70_000);
    let stats = solo.agent.stats();
    assert_eq!((stats.dialogs, stats.transactions), (0, 0));
    stats.wakes
}

#[test]
fn thousands_of_missing_acks_cost_a_bounded_number_of_timers_each() {
    let (few, many) = (wakes_without_acks(50), wakes_without_acks(5_000));
    assert_eq!(many, few * 100, "linear");
    // 10 repetitions of the 2xx and the end, 10 of the BYE and the end, timer L, stale entries.
    assert!(many / 5_000 <= 26, "{} for each call", many / 5_000);
}

#[test]
fn a_finished_call_leaves_few_timer_entries() {
    let mut solo = Solo::new(Transport::Udp);
    for number in 0..1_000 {
        solo.feed(&numbered(number));
        let tag = world::to_tag(&solo.respond(200)[0]);
        for (method, cseq) in [("ACK", 1), ("BYE", 2)] {
            let text = request(method, cseq, &format!("{method}{number}"), &tag, "");
            solo.feed(&text.replace("Call-ID: in", &format!("Call-ID: in{number}")));
        }
    }
    solo.assert_nothing_left();
    // The 2xx's, timer L, timer J.
    assert!(solo.agent.stats().wakes <= 3_000, "{}", solo.agent.stats().wakes);
}

#[test]
fn refused_strangers_leave_no_state() {
    let mut solo = Solo::new(Transport::Udp);
    solo.command(Command::Drain);
    for number in 0..1_000 {
        assert_eq!(solo.codes(&numbered(number)), ["503"]);
        assert_eq!(solo.codes(&request("OPTIONS", 1, &format!("o{number}"), "", "")), ["503"]);
        assert_eq!(solo.codes(&request("BYE", 1, &format!("b{number}"), "x", "")), ["481"]);
    }
    let stats = solo.agent.stats();
    assert_eq!((stats.dialogs, stats.transactions, solo.agent.next_deadline()), (0, 0, None));
}

fn reply_with_body(code: u16) -> qingting_sip::Reply {
    qingting_sip::Reply::with_body(code, "v=0")
}

/// Feeds bytes at every stage of a call, with the owner answering all that it hears of.
fn feed_all(texts: &[String]) {
    let mut solo = Solo::new(Transport::Udp);
    for text in texts {
        solo.feed(text);
        let (call, code) = (solo.call, if text.len() % 3 == 0 { 486 } else { 200 });
        solo.command(Command::Respond { call, reply: reply(code) });
        solo.command(Command::RespondReinvite { call, reply: reply(code) });
        solo.wait(700);
    }
    solo.command(Command::Abandon { call: solo.call });
    solo.wait(100_000);
    let mut last = solo.call.0;
    while last > 0 {
        solo.command(Command::Abandon { call: qingting_sip::agent::CallKey(last) });
        last -= 2;
    }
    solo.wait(100_000);
    let stats = solo.agent.stats();
    assert_eq!((stats.dialogs, stats.transactions), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_requests_in_any_order_end_in_nothing(
        choices in proptest::collection::vec((0usize..10, 1u32..6, 0u8..3, any::<bool>()), 1..25),
    ) {
        let methods = [
            "INVITE", "ACK", "BYE", "CANCEL", "INFO", "OPTIONS", "UPDATE", "PRACK", "REFER", "NOTIFY",
        ];
        let mut solo = Solo::new(Transport::Udp);
        let (mut tag, mut rseq) = (String::new(), "1".to_owned());
        for (method, cseq, branch, tagged) in choices {
            let to = if tagged { tag.as_str() } else { "" };
            let extra = format!("Supported: 100rel, timer\r\nRefer-To: <sip:a@b>\r\nRAck: {rseq} 1 INVITE\r\n");
            let mut text = request(methods[method], cseq, &branch.to_string(), to, &extra);
            if branch == 2 {
                text = world::with_sdp(&text, "v=0");
            }
            for message in solo.feed(&text) {
                tag = world::to_tag(&message);
            }
            let call = solo.call;
            let early = reply_with_body(183);
            match cseq {
                4 => for message in solo.command(Command::Respond { call, reply: early }) {
                    rseq = world::header(&message, "RSeq").to_owned();
                },
                5 => {
                    solo.command(Command::RespondUpdate { call, reply: reply(200) });
                    solo.command(Command::RespondPrack { call, reply: reply(200) });
                    solo.command(Command::AcceptRefer { call });
                    solo.command(Command::Update { call, offer: "v=0".into() });
                }
                1 => { solo.respond(200); }
                2 => { solo.respond_reinvite(200); }
                _ => { solo.wait(900); }
            }
        }
        for number in 1..=solo.calls as u64 {
            let call = qingting_sip::agent::CallKey(number * 2);
            solo.command(Command::Abandon { call });
        }
        solo.wait(140_000);
        let stats = solo.agent.stats();
        prop_assert_eq!((stats.dialogs, stats.transactions, stats.unacked), (0, 0, 0));
    }

    #[test]
    fn any_responses_in_any_order_end_in_nothing(
        offered in any::<bool>(),
        choices in proptest::collection::vec((0usize..12, 0u8..2, 1u32..4, 0u8..10, any::<usize>()), 1..25),
    ) {
        let answers = [100, 180, 183, 200, 200, 200, 202, 404, 422, 481, 491, 501];
        let mut solo = Solo::new(Transport::Udp);
        let mut sent = vec![solo.invite_with("sip:1@192.0.2.9", offered.then(|| "v=0".into()))];
        solo.keep = true;
        for (answer, tag, rseq, wish, which) in choices {
            let extra = format!(
                "Require: 100rel\r\nRSeq: {rseq}\r\nSession-Expires: 90;refresher=uac\r\n\
                 Min-SE: {rseq}00\r\nAllow: UPDATE\r\n"
            );
            let request = sent[which % sent.len()].clone();
            let mut text = world::response(&request, answers[answer], ["t", "o"][usize::from(tag)], &extra);
            if rseq == 2 {
                text = world::with_sdp(&text, "v=0");
            }
            sent.extend(solo.feed(&text));
            let (call, sdp) = (solo.call, bytes::Bytes::from_static(b"v=0"));
            let command = match wish {
                0 => Command::Prack { call, answer: sdp },
                1 => Command::Ack { call, answer: sdp },
                2 => Command::Update { call, offer: sdp },
                3 => Command::Reinvite { call, offer: Some(sdp) },
                4 => Command::Reinvite { call, offer: None },
                5 => Command::Cancel { call },
                6 => Command::Refer { call, target: Box::new("sip:z@h".parse().unwrap()), replaces: None },
                7 => Command::Bye { call, reason: None },
                _ => {
                    solo.wait(u64::from(rseq) * 9_000);
                    Command::Info { call, content_type: "text/plain".to_owned(), body: sdp }
                }
            };
            sent.extend(solo.command(command));
            sent.append(&mut solo.kept);
        }
        solo.command(Command::Abandon { call: solo.call });
        solo.wait(200_000);
        let stats = solo.agent.stats();
        prop_assert_eq!((stats.dialogs, stats.transactions, stats.unacked), (0, 0, 0));
    }

    #[test]
    fn damaged_messages_never_panic(
        cuts in proptest::collection::vec((0usize..300, 32u8..127), 0..4),
    ) {
        let damaged: Vec<String> = ["INVITE", "INVITE", "BYE", "CANCEL", "ACK"]
            .iter()
            .map(|method| {
                let mut bytes = request(method, 1, "c", "", "").into_bytes();
                for (at, byte) in &cuts {
                    let len = bytes.len();
                    bytes[at % len] = *byte;
                }
                String::from_utf8(bytes).unwrap()
            })
            .collect();
        feed_all(&damaged);
    }
}
