//! Another machine follows what happens in the hotline: whole and in order, whatever it and the server suffer, and
//! it learns of no citizen.

use qingting_tests::call;
use qingting_tests::server::{Server, ServerPlan, wait_until};
use qingting_tests::ticket_system::{Booked, Fault, TicketSystem};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const TITLE: &str = "幸福小区路灯不亮";

fn plan(receiver: &TicketSystem) -> ServerPlan {
    let receivers = format!(
        "[{{ name = \"region\", url = {:?}, secret_file = {:?}, kinds = [\"call.*\", \"ticket.*\"] }}]",
        receiver.url(),
        receiver.secret_file()
    );
    ServerPlan::deaf().with("feed.receivers", receivers)
}

/// Calls at the same time, each to its end.
fn calls(server: &Server, count: usize) -> Vec<String> {
    let before = server.calls().len();
    std::thread::scope(|scope| {
        for _ in 0..count {
            let uri = server.uri();
            scope.spawn(move || assert_eq!(call(&uri, &["--linger", "0.2"]).code, 0));
        }
    });
    let calls = server.ended_calls(before + count);
    calls.iter().take(count).map(|call| call["id"].as_str().expect("an id").to_owned()).collect()
}

/// The log from its beginning, in small parts.
fn log(server: &Server) -> Vec<Value> {
    let (mut events, mut after) = (Vec::new(), None);
    loop {
        let after_that = after.map_or_else(String::new, |after: String| format!("&after={after}"));
        let page = server.api_get(&format!("/api/v1/feed?limit=7{after_that}"));
        let part = page["events"].as_array().expect("events").clone();
        if part.is_empty() {
            return events;
        }
        events.extend(part);
        after = Some(page["next"].as_str().expect("a place").to_owned());
    }
}

fn sequence(event: &Value) -> i64 {
    event["sequence"].as_str().expect("a place").parse().expect("a number")
}

/// What came by POST, each event once and in the order of its first coming.
fn told(booked: &[Booked]) -> Vec<Value> {
    let mut told = Vec::<Value>::new();
    for event in booked.iter().flat_map(|batch| batch.event.as_array().expect("a batch").clone()) {
        if told.iter().all(|known| known["id"] != event["id"]) {
            told.push(event);
        }
    }
    told
}

fn wait_for(receiver: &TicketSystem, last: &Value) -> Vec<Value> {
    wait_until("everything is told", || {
        let told = told(&receiver.booked());
        told.iter().any(|event| event["id"] == last["id"]).then_some(told)
    })
}

#[test]
fn a_receiver_misses_nothing_through_outages_and_a_killed_server() {
    let mut receiver = TicketSystem::start();
    let mut server = Server::start(&plan(&receiver));
    receiver.will([Fault::Refuse(500, "out of order"), Fault::BookAndClose]);
    let mut ids = calls(&server, 3);
    // It is away, and the server dies meanwhile.
    receiver.go_away();
    ids.extend(calls(&server, 2));
    server.kill();
    server.start_again();
    ids.extend(calls(&server, 2));
    receiver.come_back();
    let log = log(&server);
    let told = wait_for(&receiver, log.last().expect("a log"));
    assert_eq!(told, log, "the log as it is read, and as it was told");
    assert!(log.windows(2).all(|pair| sequence(&pair[0]) < sequence(&pair[1])));
    let mut of_call = BTreeMap::<_, Vec<_>>::new();
    for event in log.iter().filter(|event| event["data"]["call"].is_string()) {
        let kind = event["type"].as_str().expect("a type").to_owned();
        of_call.entry(event["data"]["call"].as_str().unwrap_or_default()).or_default().push(kind);
    }
    for id in &ids {
        let steps = ["call.began", "ticket.created", "call.answered", "call.ended"];
        assert_eq!(of_call[id.as_str()], steps.map(|step| format!("qingting.{step}")), "{id}");
    }
    assert_eq!(receiver.strangers(), 0, "each batch is signed");
}

#[test]
fn a_machine_with_a_key_of_its_own_follows_and_learns_of_no_citizen() {
    let receiver = TicketSystem::start();
    let server = Server::start(&plan(&receiver));
    let made = json!({ "name": "region", "role": "feed" });
    assert_eq!(server.request("POST", "/api/v1/api-keys", Some(&made)).0, 201);
    calls(&server, 1);
    let ticket = server.calls()[0]["ticket"].as_str().expect("a ticket").to_owned();
    let edit = json!({ "revision": 0, "fields": { "title": TITLE, "phone": "13800138000" } });
    assert_eq!(server.request("PATCH", &format!("/api/v1/tickets/{ticket}"), Some(&edit)).0, 200);
    let all = log(&server);
    let last = all.last().expect("a log");
    assert_eq!(
        (&last["type"], &last["data"]["revision"]),
        (&json!("qingting.ticket.updated"), &json!(1))
    );
    let told = wait_for(&receiver, last);
    for text in [format!("{all:?}"), format!("{told:?}")] {
        assert!(!text.contains("13800138000") && !text.contains(TITLE), "{text}");
    }
}
