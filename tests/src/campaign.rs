//! A campaign of callbacks, run by the API.

use crate::clock::Deadline;
use crate::server::Server;
use serde_json::{Value, json};
use std::time::Duration;

/// Longest wait for a follow-up: its sentences may have to be spoken first.
const FOLLOW_UP_MAX: Duration = Duration::from_secs(600);
/// How often a follow-up is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const NAME: &str = "回访";
/// When every ticket was closed.
const CLOSED_AT: i64 = 1_767_060_000_000;

/// Makes a campaign that has not begun.
pub fn create(server: &Server, settings: &Value) {
    let body = json!({ "name": NAME, "settings": settings });
    asked(server, "POST", "/api/v1/campaigns", &body, 201);
}

/// Takes a closed ticket of the citizen with this number.
pub fn import(server: &Server, ticket: &str, citizen: &str) {
    import_all(server, [(ticket.to_owned(), citizen.to_owned())]);
}

/// Takes closed tickets: their numbers and the citizens'.
pub fn import_all(server: &Server, tickets: impl IntoIterator<Item = (String, String)>) {
    let closed = |(ticket, citizen): (String, String)| {
        json!({
            "event_id": format!("{ticket}-closed"), "ticket": ticket, "title": "路灯不亮",
            "unit": "城管局", "closed_at": CLOSED_AT, "citizen": citizen,
        })
    };
    let body: Value = tickets.into_iter().map(closed).collect();
    asked(server, "POST", &format!("/api/v1/campaigns/{NAME}/follow-ups"), &body, 200);
}

/// Begins to call.
pub fn start(server: &Server) {
    let body = json!({ "state": "running" });
    asked(server, "PATCH", &format!("/api/v1/campaigns/{NAME}"), &body, 200);
}

fn asked(server: &Server, method: &str, path: &str, body: &Value, wanted: u16) {
    let (status, said) = server.request(method, &escaped(path), Some(body));
    assert_eq!(status, wanted, "{method} {path}: {said}");
}

fn escaped(path: &str) -> String {
    let escape = |byte: u8| match byte {
        b if b.is_ascii() => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    };
    path.bytes().map(escape).collect()
}

/// All that is known of the follow-up of a ticket.
pub fn follow_up(server: &Server, ticket: &str) -> Value {
    let found = server.api_get(&format!("/api/v1/follow-ups?ticket={ticket}"));
    let id = found["follow_ups"][0]["id"].as_str().expect("it was imported").to_owned();
    server.api_get(&format!("/api/v1/follow-ups/{id}"))
}

/// The same when it has ended.
pub fn ended(server: &Server, ticket: &str) -> Value {
    let look = || {
        let follow_up = follow_up(server, ticket);
        let is_over = follow_up["follow_up"]["state"] == "ended";
        if !is_over {
            std::thread::sleep(LOOK_EVERY);
        }
        is_over.then_some(follow_up)
    };
    let found = Deadline::after(FOLLOW_UP_MAX).poll(look);
    found.unwrap_or_else(|| panic!("it goes on: {:#}", follow_up(server, ticket)))
}

/// Its status, and what became of each attempt.
pub fn outcomes(follow_up: &Value) -> (&str, Vec<&str>) {
    let attempts = follow_up["attempts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let outcomes = attempts.iter().map(|attempt| attempt["outcome"].as_str().unwrap_or("none"));
    (follow_up["follow_up"]["status"].as_str().unwrap_or("none"), outcomes.collect())
}

/// Its answers, in order: question and answer.
pub fn answers(follow_up: &Value) -> Vec<(&str, &str)> {
    let answers = follow_up["answers"].as_array().map(Vec::as_slice).unwrap_or_default();
    answers
        .iter()
        .map(|one| {
            let name = |key: &str| one[key].as_str().unwrap_or_default();
            (name("question"), name("answer"))
        })
        .collect()
}
