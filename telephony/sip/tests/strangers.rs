//! What strangers can make the agent keep and send: never more than a named amount.

mod world;

use proptest::prelude::*;
use qingting_sip::Transport;
use qingting_sip::agent::{AgentConfig, TRANSACTION_BYTES_MAX};
use qingting_sip::message::{
    BRANCH_BYTES_MAX, CALL_ID_BYTES_MAX, LIST_VALUES_MAX, TAG_BYTES_MAX, VALUE_BYTES_MAX,
};
use world::{Solo, code, config, invite, request};

/// What a stateless refusal may be longer than its request.
const REFUSAL_EXTRA_BYTES_MAX: usize = 512;

fn udp() -> Solo {
    Solo::new(Transport::Udp)
}

fn status_line(messages: &[String]) -> &str {
    messages[0].lines().next().unwrap()
}

#[test]
fn a_field_over_its_cap_is_refused_by_name_before_any_state() {
    let long = |len| "x".repeat(len);
    let record = |count| format!("Record-Route: {}\r\n", ["<sip:p;lr>"].repeat(count).join(","));
    let uri = |len: usize| format!("<sip:{}@h>", long(len - 8));
    let of = |name: &str, value: String| format!("{name}: {value}\r\n");
    let plain = invite("c");
    let with = |extra: &str| request("INVITE", 1, "c", "", extra);
    let cases = [
        ("Call-ID", plain.replace("Call-ID: in", &of("Call-ID", long(CALL_ID_BYTES_MAX + 1)))),
        ("From Tag", plain.replace("tag=f", &format!("tag={}", long(TAG_BYTES_MAX + 1)))),
        ("To Tag", request("INVITE", 1, "c", &long(TAG_BYTES_MAX + 1), "")),
        ("Branch", invite(&long(BRANCH_BYTES_MAX))),
        ("From", plain.replace("<sip:a@b>;", &format!("{};", uri(VALUE_BYTES_MAX)))),
        ("To", plain.replace("<sip:12345@h>", &uri(VALUE_BYTES_MAX + 1))),
        ("Via", plain.replace("192.0.2.9;", &format!("192.0.2.9;a={};", long(VALUE_BYTES_MAX)))),
        ("Contact", plain.replace("<sip:a@192.0.2.9>", &uri(VALUE_BYTES_MAX + 1))),
        ("Record-Route", with(&of("Record-Route", uri(VALUE_BYTES_MAX + 1)))),
        ("Record-Route", with(&record(LIST_VALUES_MAX + 1))),
        ("Route", with(&of("Route", uri(VALUE_BYTES_MAX + 1)))),
        ("CSeq", plain.replace("CSeq: 1 ", &format!("CSeq: 1{}", " ".repeat(100)))),
        ("Request-URI", plain.replace("INVITE sip:", &format!("INVITE sip:{}@", long(1_100)))),
    ];
    let mut solo = udp();
    for (field, text) in cases {
        let refused = solo.feed(&text);
        let line = status_line(&refused);
        let named = line.starts_with("SIP/2.0 400 ") && line.contains(field);
        assert!(named && line.contains("Too "), "{field}: {line}");
        assert!(refused[0].len() < 6_000 && refused[0].contains("192.0.2.9"), "{field}");
    }
    let stats = solo.agent.stats();
    assert_eq!((stats.dialogs, stats.transactions, stats.transaction_bytes), (0, 0, 0));
    assert_eq!(solo.codes(&with(&record(LIST_VALUES_MAX))), ["100"], "just fits");
}

#[test]
fn thousands_of_invites_with_a_huge_call_id_cost_nothing() {
    let mut solo = udp();
    for number in 0..3_000 {
        let id = format!("Call-ID: {number}{}", "x".repeat(60_000));
        let refused = solo.feed(&invite(&number.to_string()).replace("Call-ID: in", &id));
        assert_eq!(status_line(&refused), "SIP/2.0 400 Call-ID Too Long");
    }
    assert_eq!(solo.agent.stats().transaction_bytes, 0);
}

/// The largest INVITE that every cap lets through.
fn largest(number: usize) -> String {
    let value = |kind: &str| format!("<sip:{}@h;lr>", kind.repeat(VALUE_BYTES_MAX - 12));
    let records = format!("Record-Route: {}\r\n", value("r")).repeat(LIST_VALUES_MAX);
    let via = format!("Via: SIP/2.0/UDP h;a={}\r\n", "v".repeat(VALUE_BYTES_MAX - 16));
    let extra = records + &via.repeat(LIST_VALUES_MAX - 1);
    let id = format!("Call-ID: {number}{}", "x".repeat(CALL_ID_BYTES_MAX - 8));
    request("INVITE", 1, &number.to_string(), "", &extra).replace("Call-ID: in", &id)
}

#[test]
fn what_transactions_keep_has_a_budget_beyond_which_calls_get_503() {
    let limits = AgentConfig { calls_max: 100_000, ..config() };
    let mut solo = Solo::with(Transport::Udp, limits);
    let mut admitted = 0;
    while solo.codes(&largest(admitted))[0] == "100" {
        // The owner refuses each call, as for want of a codec.
        solo.respond(488);
        admitted += 1;
        let bytes = solo.agent.stats().transaction_bytes;
        assert!(bytes < TRANSACTION_BYTES_MAX + 256 * 1_024, "{bytes}");
    }
    assert!((500..5_000).contains(&admitted), "{admitted}");
    assert_eq!(solo.codes(&largest(admitted)), ["503"]);
    assert_eq!(solo.codes(&request("OPTIONS", 1, "o", "", "")), ["200"]);
    assert!(solo.agent.stats().refused_admission >= 2);
    solo.assert_nothing_left();
    assert_eq!(solo.agent.stats().transaction_bytes, 0);
    assert_eq!(solo.codes(&largest(admitted)), ["100"], "room again");
}

/// What a transaction of ordinary length keeps, at most.
const ORDINARY_BYTES_MAX: usize = 2_048;

#[test]
fn ordinary_calls_keep_within_the_budget_by_far() {
    let mut solo = udp();
    solo.feed(&invite("c"));
    solo.respond(200);
    assert!(solo.agent.stats().transaction_bytes < ORDINARY_BYTES_MAX);
    // A thousand calls a second, each an INVITE and a BYE that are kept for 32 s.
    const { assert!(ORDINARY_BYTES_MAX * 2 * 32_000 < TRANSACTION_BYTES_MAX) };
}

#[test]
fn empty_members_of_a_list_are_not_echoed() {
    let mut solo = udp();
    let commas = ",".repeat(30_000);
    let refused = solo.feed(&request("BYE", 1, "b", "x", &format!("Via: {commas}\r\n")));
    assert_eq!((code(&refused[0]).as_str(), refused[0].matches("Via:").count()), ("481", 1));
    let only = request("BYE", 1, "b", "x", "").replace("Via: SIP", &format!("Via: {commas}SIP"));
    assert_eq!(solo.feed(&only), refused);
    let none = invite("c").replace("Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKc", "Via: ,,,,");
    assert!(solo.feed(&none).is_empty(), "nobody to answer");
}

#[test]
fn a_broken_request_is_answered_with_one_of_each_field() {
    let mut solo = udp();
    let more = "From: <sip:a@b>;tag=g\r\n".repeat(100) + &"Via: SIP/2.0/UDP h\r\n".repeat(100);
    let refused = solo.feed(&request("INVITE", 1, "c", "", &more));
    assert_eq!(status_line(&refused), "SIP/2.0 400 Repeated Header Field");
    for name in ["Via:", "From:", "To:", "Call-ID:", "CSeq:"] {
        assert_eq!(refused[0].matches(&format!("\r\n{name}")).count(), 1, "{name}");
    }
}

fn extra_line() -> impl Strategy<Value = String> {
    prop_oneof![
        (1usize..60).prop_map(|n| format!("v:{}", ["SIP/2.0/U h"].repeat(n).join(","))),
        (1usize..3_000).prop_map(|n| format!("v:{}", ",".repeat(n))),
        (1usize..3_000).prop_map(|n| format!("Require:{}", "a,".repeat(n))),
        (1usize..3_000).prop_map(|n| format!("Proxy-Require:{}", "x".repeat(n))),
        (1usize..60).prop_map(|n| format!("Record-Route:{}", ["<sip:p>"].repeat(n).join(","))),
        Just("f:<sip:a@b>".to_owned()),
        Just("i:x".to_owned()),
        Just("t:\u{F780}<sip:a@b".to_owned()),
        Just("nonsense".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_refusal_without_state_is_hardly_longer_than_its_request(
        method in prop::sample::select(vec!["INVITE", "BYE", "CANCEL", "OPTIONS", "FETCH", "REFER"]),
        extra in prop::collection::vec(extra_line(), 0..8),
        version in prop::sample::select(vec!["SIP/2.0", "SIP/7.0"]),
        tag in prop::sample::select(vec!["", ";tag=x"]),
        rport in prop::sample::select(vec!["", ";rport"]),
    ) {
        let mut solo = udp();
        // Nothing is admitted: every answer is without state.
        solo.command(qingting_sip::agent::Command::Drain);
        let lines: String = extra.iter().map(|line| format!("{line}\n")).collect();
        let text = format!(
            "{method} sip:h {version}\nv:SIP/2.0/U h{rport}\nf:<sip:a@b>\nt:<sip:c@d>{tag}\ni:c\n\
             CSeq:1 {method}\n{lines}\n"
        );
        for message in solo.feed(&text) {
            prop_assert!(
                message.len() <= text.len() + REFUSAL_EXTRA_BYTES_MAX,
                "{} for {}:\n{message}", message.len(), text.len()
            );
        }
        prop_assert_eq!(solo.agent.stats().transactions, 0);
    }
}
