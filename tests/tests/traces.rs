//! Each call is one OpenTelemetry trace, with nobody in it; and a collector that is away costs calls nothing.

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use qingting_tests::audio::{Wav, samples_in};
use qingting_tests::campaign;
use qingting_tests::citizens::Citizens;
use qingting_tests::clock::Deadline;
use qingting_tests::collector::{Collector, attribute, text};
use qingting_tests::discretion::{Known, indiscretions};
use qingting_tests::house::{CITIZEN, House, NUMBER, QUEUE};
use qingting_tests::peers::desk::Manner;
use qingting_tests::server::{Server, ServerPlan, wait_until};
use qingting_tests::{call, spoken};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

const CITIZEN_SAYS: &str = "您好，我要投诉，楼下的烧烤店噪音特别大。";
const SEAT_SAYS: &str = "您好，我要投诉，小区门口的路灯坏了三天了，一直没有人来修。";

fn plan(plan: ServerPlan, collector: &Collector) -> ServerPlan {
    plan.with("traces.otlp_url", format!("{:?}", collector.url()))
}

/// A sentence and silence after it, so that its end is heard before the call is over.
fn said(words: &str) -> Vec<i16> {
    let mut said = Wav::read(&spoken(words, "jf_nezumi")).channels.remove(0);
    said.resize(said.len() + samples_in(Duration::from_secs(20)), 0);
    said
}

/// A trace's id as calls have theirs.
fn call_of(span: &Span) -> String {
    let hex = hex::encode(&span.trace_id);
    assert_eq!(hex.len(), 32, "{span:?}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// The spans of a call, once it is told as a whole.
fn trace(collector: &Collector, call: &str) -> Vec<Span> {
    wait_until("the call is told", || {
        let mut spans = collector.spans();
        spans.retain(|span| call_of(span) == call);
        spans.iter().any(|span| span.name == "call").then_some(spans)
    })
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn of(span: &Span, key: &str) -> String {
    attribute(&span.attributes, &format!("qingting.{key}"))
}

#[track_caller]
fn number(span: &Span, key: &str) -> f64 {
    of(span, key).parse().unwrap_or_else(|_| panic!("no {key} in {span:?}"))
}

fn events(span: &Span) -> Vec<&str> {
    span.events.iter().map(|event| event.name.as_str()).collect()
}

#[test]
fn a_call_is_one_trace_across_signalling_media_recognition_language_and_store_with_nobody_in_it() {
    let collector = Collector::start();
    let house = House::of(plan(ServerPlan::hearing(), &collector), NUMBER, "call_back_s = 0");
    let mut seat = house.seat_saying("801", said(SEAT_SAYS), Manner::Answers);
    let mut citizen = house.citizen_saying(said(CITIZEN_SAYS));
    seat.wait_until_talking();
    let id = house.running();
    let of_party = |party: &str| {
        let transcript = house.server.api_get(&format!("/api/v1/calls/{id}/transcript"));
        let segments = transcript["segments"].as_array().cloned().unwrap_or_default();
        segments.iter().filter(|segment| segment["party"] == party).count()
    };
    wait_until("both are captioned", || {
        (of_party("caller") > 0 && of_party("seat") > 0).then_some(())
    });
    house.command(&id, &json!({ "command": "hold" }));
    wait_until("the citizen waits", || house.timeline(&id).contains(&"hold".into()).then_some(()));
    house.command(&id, &json!({ "command": "resume" }));
    wait_until("they talk", || house.timeline(&id).contains(&"resume".into()).then_some(()));
    citizen.hang_up();
    house.ended(&id);

    let spans = trace(&collector, &id);
    let parts: BTreeSet<&str> =
        spans.iter().filter_map(|span| span.name.split('.').next()).collect();
    let expected = ["call", "language", "media", "queue", "recognition", "signalling", "store"];
    assert_eq!(parts, BTreeSet::from(expected));
    is_whole(&spans);
    says_what_happened(&spans);
    has_nobody_in_it(&spans);
    assert_eq!(attribute(&collector.resources(), "service.name"), "qingting");
    assert!(!attribute(&collector.resources(), "service.instance.id").is_empty());
    assert!(collector.spans().iter().all(|span| call_of(span) == id), "there was one call");
}

/// One root, which is the call's, and every other span within its parent's time.
fn is_whole(spans: &[Span]) {
    let by_id: BTreeMap<&[u8], &Span> =
        spans.iter().map(|span| (span.span_id.as_slice(), span)).collect();
    assert_eq!(by_id.len(), spans.len(), "each has an id of its own");
    for span in spans {
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{span:?}");
        if span.name == "call" {
            assert!(span.parent_span_id.is_empty(), "{span:?}");
            assert_eq!(span.span_id, span.trace_id[8..], "its id is the second half of the call's");
            assert_eq!(span.kind(), SpanKind::Server);
            continue;
        }
        let parent = by_id.get(span.parent_span_id.as_slice()).expect("a parent that is told, too");
        let is_within = parent.start_time_unix_nano <= span.start_time_unix_nano
            && span.end_time_unix_nano <= parent.end_time_unix_nano;
        assert!(is_within, "{span:?} is not within {parent:?}");
        for event in &span.events {
            let times = span.start_time_unix_nano..=span.end_time_unix_nano;
            assert!(times.contains(&event.time_unix_nano), "{event:?} in {span:?}");
        }
    }
}

fn says_what_happened(spans: &[Span]) {
    let [whole] = named(spans, "call")[..] else { panic!("{spans:?}") };
    assert_eq!(
        (
            of(whole, "direction"),
            of(whole, "cause"),
            of(whole, "hung_up_by"),
            of(whole, "answered")
        ),
        ("inbound".into(), "caller_hung_up".into(), "caller".into(), "true".into())
    );
    let told = events(whole);
    for event in ["queued", "seat_answered", "hold", "resume", "ended"] {
        assert!(told.contains(&event), "{event} is not among {told:?}");
    }
    for part in ["signalling.leg", "media.leg"] {
        let roles: BTreeSet<String> =
            named(spans, part).into_iter().map(|leg| of(leg, "role")).collect();
        assert_eq!(roles, ["citizen", "seat"].map(str::to_owned).into(), "{part}");
    }
    for leg in named(spans, "signalling.leg") {
        assert_eq!(of(leg, "sip_status"), "200");
        assert!(number(leg, "answered_after_ms") < 30_000.0, "{leg:?}");
        assert!(events(leg).contains(&"answered"), "{leg:?}");
    }
    for leg in named(spans, "media.leg") {
        assert!(number(leg, "packets_received") > 100.0 && number(leg, "mos") > 1.0, "{leg:?}");
        assert!(number(leg, "packets_lost") >= 0.0 && number(leg, "jitter_ms") >= 0.0);
    }
    let [wait] = named(spans, "queue.wait")[..] else { panic!("{spans:?}") };
    assert_eq!((of(wait, "queue"), of(wait, "outcome")), (QUEUE.to_owned(), "answered".into()));
    let [offer] = named(spans, "queue.offer")[..] else { panic!("{spans:?}") };
    assert_eq!(offer.parent_span_id, wait.span_id);
    let sentences = named(spans, "recognition.sentence");
    let heard: BTreeSet<String> = sentences.iter().map(|span| of(span, "party")).collect();
    assert_eq!(heard, ["caller", "seat"].map(str::to_owned).into());
    for sentence in &sentences {
        assert_eq!(of(sentence, "worker"), "local");
        assert!(number(sentence, "decode_ms") > 0.0, "{sentence:?}");
    }
    assert_eq!(named(spans, "language.draft").len(), sentences.len(), "each is read");
    assert_eq!(named(spans, "store.record_final").len(), sentences.len(), "each is stored");
    for write in ["store.begin_call", "store.answer_call", "store.end_call"] {
        assert_eq!(named(spans, write).len(), 1, "{write}");
    }
    assert_eq!(named(spans, "store.leg_ended").len(), 2);
    assert!(spans.iter().all(|span| span.status.is_none()), "nothing failed");
}

fn has_nobody_in_it(spans: &[Span]) {
    let names = BTreeSet::from(["测试".to_owned()]);
    let told: Vec<String> = spans.iter().map(|span| format!("{span:?}")).collect();
    let found = indiscretions(&told.join("\n"), &Known { open: QUEUE.to_owned(), names });
    assert!(found.is_empty(), "{found:?}");
    // Neither who called, nor whom, nor a seat's extension: words are the program's, or the configuration's.
    let is_word = |text: &str| {
        let mut chars = text.chars();
        chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.- ".contains(c))
    };
    for span in spans {
        for value in span.attributes.iter().map(text) {
            assert!(is_word(&value) || value == QUEUE, "{value:?} in {span:?}");
            assert!(![CITIZEN, "12345", "801"].contains(&value.as_str()), "{span:?}");
        }
        for name in span.events.iter().map(|event| event.name.as_str()).chain([&*span.name]) {
            assert!(is_word(name), "{name:?}");
        }
    }
}

fn sent(server: &Server) -> f64 {
    server.metric("qingting_trace_spans_sent_total")
}

fn dropped(server: &Server) -> f64 {
    server.metric("qingting_trace_spans_dropped_total")
}

/// A call to its end; its id.
fn one_call(server: &Server) -> String {
    let before = server.calls().len();
    assert_eq!(call(&server.uri(), &["--linger", "0.2"]).code, 0);
    let calls = server.ended_calls(before + 1);
    assert_eq!(calls[0]["cause"], "caller_hung_up");
    calls[0]["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_collector_that_is_away_costs_calls_nothing_and_gets_their_spans_later() {
    let collector = Collector::start();
    collector.refuses_with(503);
    let server = Server::start(&plan(ServerPlan::deaf(), &collector));
    let mut calls = vec![one_call(&server)];
    wait_until("it was asked in vain", || (collector.asked() > 0).then_some(()));
    calls.push(one_call(&server));
    assert_eq!((sent(&server), dropped(&server)), (0.0, 0.0), "they wait");
    collector.refuses_with(0);
    for id in &calls {
        let spans = trace(&collector, id);
        is_whole(&spans);
        assert_eq!(named(&spans, "signalling.leg").len(), 1);
        assert_eq!(named(&spans, "store.end_call").len(), 1);
    }
    let came = collector.spans().len() as f64;
    // The server counts what was answered, the collector what has come.
    wait_until("all of them are counted", || (sent(&server) == came).then_some(()));
    assert_eq!(dropped(&server), 0.0);

    // What it does not want at all is dropped and counted, and calls go on.
    collector.refuses_with(400);
    let unwanted = one_call(&server);
    let mut before = 0.0;
    let is_all = Deadline::after(Duration::from_secs(180)).poll(|| {
        let now = dropped(&server);
        let is_all = now > 5.0 && now == before;
        before = now;
        std::thread::sleep(Duration::from_secs(2));
        is_all.then_some(())
    });
    assert!(is_all.is_some(), "its spans are dropped, and no more come: {before}");
    collector.refuses_with(0);
    trace(&collector, &one_call(&server));
    assert!(collector.spans().iter().all(|span| call_of(span) != unwanted));
    server.wait_until_idle();
}

#[test]
fn a_server_that_stops_sends_what_is_left() {
    let collector = Collector::start();
    let mut server = Server::start(&plan(ServerPlan::deaf(), &collector));
    let id = one_call(&server);
    server.stop();
    let has_root = |span: &Span| span.name == "call" && call_of(span) == id;
    assert!(collector.spans().iter().any(has_root), "it is told before the server is gone");
}

#[test]
fn a_callback_is_a_trace_with_its_attempt_and_the_status_that_the_telephone_gave() {
    const BUSY: &str = "13800000002";
    let citizens = Citizens::start(&format!(
        "[[citizens]]\nnumber = \"{BUSY}\"\nring_s = 0.2\ncalls = [\"busy\"]\n"
    ));
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let weekly = days.map(|day| format!("{day} = [\"00:00-24:00\"]")).join(", ");
    let collector = Collector::start();
    let calling = plan(ServerPlan::deaf(), &collector)
        .with("callbacks.scripts", format!("{:?}", scripts.display().to_string()))
        .and(&citizens.trunk())
        .and(&format!("[[hours]]\nname = \"总是\"\nweekly = {{ {weekly} }}\n"));
    let server = Server::start(&calling);
    let settings = json!({
        "script": "short", "hours": "总是", "attempts_max": 1, "days_min": 1, "per_second_max": 5.0,
        "ring_s": 10,
    });
    campaign::create(&server, &settings);
    campaign::import(&server, "T1", BUSY);
    campaign::start(&server);
    campaign::ended(&server, "T1");
    let id = server.ended_calls(1)[0]["id"].as_str().expect("an id").to_owned();
    let spans = trace(&collector, &id);
    is_whole(&spans);
    has_nobody_in_it(&spans);
    let [attempt] = named(&spans, "callback.attempt")[..] else { panic!("{spans:?}") };
    assert_eq!(
        (of(attempt, "outcome"), of(attempt, "attempt"), of(attempt, "sip_status")),
        ("line_busy".into(), "1".into(), "486".into())
    );
    let [leg] = named(&spans, "signalling.leg")[..] else { panic!("{spans:?}") };
    assert_eq!((of(leg, "role"), of(leg, "sip_status")), ("citizen".into(), "486".into()));
    let [whole] = named(&spans, "call")[..] else { panic!("{spans:?}") };
    assert_eq!(of(whole, "answered"), "false");
}
