//! The interface over a real socket: every operation refuses strangers, errors name their field,
//! a recording is read in parts, events arrive.

mod accounts;
mod aids;
mod board;
mod callbacks;
mod city;
mod feed;
mod handling;
mod insight;
mod installation;
mod once;
mod outbox;
mod own;
mod past;
mod people;
mod permissions;
mod privacy;
mod quality;
mod rates;
mod records;
mod revisions;
mod search;
mod world;

use qingting_api::{Event, openapi_json};
use qingting_common::ids::Party;
use qingting_common::{Pii, SegmentId, UnixMillis};
use qingting_nlu::draft::{Field, Tag};
use qingting_store::{AuditQuery, FinalSegment, Role};
use serde_json::{Value, json};
use std::collections::HashSet;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;
use world::{DEADLINE, World, exchange, listen, message};

#[tokio::test]
async fn many_wrong_passwords_make_the_administrator_wait_but_lock_nobody_out() {
    let world = World::new().await;
    world.store.set_admin_password("hunter2").await.unwrap();
    // admin:hunter2 and admin:wrong
    let right = "Authorization: Basic YWRtaW46aHVudGVyMg==\r\n";
    let wrong = "Authorization: Basic YWRtaW46d3Jvbmc=\r\n";
    assert_eq!(world.ask("GET", "/api/v1/api-keys", right, "").await.status, 200);
    for _ in 0..10 {
        assert_eq!(world.ask("GET", "/api/v1/calls", wrong, "").await.status, 401);
    }
    // From here on a password is looked at late, and the right one is still right.
    assert_eq!(world.ask("GET", "/api/v1/calls", right, "").await.status, 200);
    let mut tries = JoinSet::new();
    for _ in 0..9 {
        tries.spawn(exchange(world.address, "GET", "/api/v1/calls", wrong, ""));
    }
    let first = tokio::time::timeout(DEADLINE, tries.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(first.status, 429);
    assert!(first.head.contains("retry-after: 5"), "{}", first.head);
    assert_eq!(world.admin("GET", "/api/v1/calls", "").await.status, 200);
}

#[tokio::test]
async fn every_error_is_a_problem_that_names_what_is_wrong() {
    let world = World::new().await;
    let (_, ticket) = world.call().await;
    let ticket = format!("/api/v1/tickets/{ticket}");
    let long = format!("{{\"fields\":{{\"title\":\"{}\"}}}}", "x".repeat(1 << 20));
    let missed = format!("/api/v1/missed-calls/{}/reopen", Uuid::nil());
    let wide = format!("/api/v1/calls?queue={}", "x".repeat(51));
    let cases: [(&str, &str, &str, u16, Option<&str>); 28] = [
        ("GET", "/api/v1/audit?subject=%00", "", 400, None),
        ("GET", "/api/v1/seats/8%0001", "", 400, None),
        ("POST", "/api/v1/campaigns", r#"{"name":"a\u0000b"}"#, 422, Some("name")),
        ("GET", &wide, "", 400, Some("queue")),
        ("GET", "/api/v1/missed-calls?state=x", "", 400, Some("state")),
        ("POST", &missed, "", 404, None),
        ("POST", "/api/v1/calls/7/commands", r#"{"command":"hold"}"#, 400, Some("id")),
        ("POST", "/api/v1/session", r#"{"extension":"1"}"#, 422, Some("password")),
        ("GET", "/api/v1/calls.csv?from=x", "", 400, Some("from")),
        ("GET", "/nothing", "", 404, None),
        ("PUT", "/api/v1/calls", "", 405, None),
        ("GET", "/api/v1/calls/7", "", 400, Some("id")),
        ("GET", "/api/v1/calls?limit=0", "", 400, Some("limit")),
        ("GET", "/api/v1/calls?limit=x", "", 400, Some("limit")),
        ("GET", "/api/v1/calls?shoe=1", "", 400, Some("shoe")),
        ("GET", "/api/v1/audit?before=x", "", 400, Some("before")),
        ("PATCH", &ticket, r#"{"revision":"x","fields":{}}"#, 422, Some("revision")),
        ("PATCH", &ticket, r#"{"revision":0,"fields":{"title":7}}"#, 422, Some("fields.title")),
        ("PATCH", &ticket, r#"{"revision":0}"#, 422, Some("fields")),
        ("PATCH", &ticket, r#"{"shoe":0,"fields":{}}"#, 422, Some("shoe")),
        ("GET", "/api/v1/calls?state=x", "", 400, Some("state")),
        ("PATCH", &ticket, "{", 400, Some("body")),
        ("PATCH", &ticket, "", 415, Some("body")),
        ("PATCH", &ticket, &long, 413, Some("body")),
        ("PATCH", &ticket, r#"{"fields":{}}"#, 428, Some("revision")),
        ("PATCH", &ticket, r#"{"revision":0,"fields":{"phone":"x"}}"#, 422, Some("phone")),
        (
            "PATCH",
            &ticket,
            r#"{"revision":0,"fields":{"occurred_at":"2026-13-45"}}"#,
            422,
            Some("occurred_at"),
        ),
        ("PATCH", &ticket, r#"{"revision":0,"fields":{"shoe":"x"}}"#, 422, Some("shoe")),
    ];
    for (method, path, body, status, field) in cases {
        let answer = world.admin(method, path, body).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(answer.head.contains("application/problem+json"), "{method} {path}");
        assert!(answer.head.contains("x-content-type-options: nosniff"));
        assert_eq!(answer.json()["field"].as_str(), field, "{method} {path} {body:.80}");
    }
    let body = r#"{"revision":0,"fields":13800138000}"#;
    let answer = world.admin("PATCH", &ticket, body).await.json();
    let detail = answer["detail"].as_str().unwrap();
    assert!(detail.contains("expected a map") && !detail.contains("138"), "{detail}");
}

#[tokio::test]
async fn a_ticket_is_edited_and_confirmed_at_the_revision_that_was_seen() {
    let world = World::new().await;
    let (call, ticket) = world.call().await;
    let path = format!("/api/v1/tickets/{ticket}");
    assert!(world.admin("GET", &path, "").await.head.contains("etag: \"0\""));
    let body = json!({ "revision": 0, "fields": { "place": "五栋" } }).to_string();
    let edited = world.admin("PATCH", &path, &body).await.json();
    assert_eq!(edited["fields"]["place"]["source"], "person");
    let stale = world.admin("PATCH", &path, &body).await;
    assert_eq!((stale.status, stale.json()["current_revision"].as_i64()), (409, Some(1)));
    let headers = format!("{}If-Match: \"0\"\r\n", world.admin);
    let body = r#"{"fields":{"place":""}}"#;
    assert_eq!(world.ask("PATCH", &path, &headers, body).await.status, 412);
    let confirm = format!("{path}/confirm");
    let confirmed = world.admin("POST", &confirm, r#"{"revision":1}"#).await.json();
    assert_eq!((&confirmed["status"], &confirmed["revision"]), (&json!("confirmed"), &json!(2)));
    let listener = world.events.publish(Event::CaptionsEnded { call });
    assert_eq!(world.admin("POST", &confirm, r#"{"revision":1}"#).await.status, 200);
    // The second confirmation was nobody's news.
    assert_eq!(world.events.publish(Event::CaptionsEnded { call }), listener + 1);
}

#[tokio::test]
async fn a_seat_does_not_collide_with_the_machine_in_another_field() {
    let world = World::new().await;
    let (call, ticket) = world.call().await;
    let path = format!("/api/v1/tickets/{ticket}");
    for words in ["路灯不亮", "路灯不亮很久"] {
        let evidence = Vec::new();
        let tag = Tag { field: Field::Title, value: words.into(), confidence: 0.9, evidence };
        let said = FinalSegment {
            id: SegmentId::new(Uuid::now_v7()),
            party: Party::Caller,
            start_ms: 0,
            end_ms: 1,
            text: Pii::new(words.into()),
            raw: Pii::new(words.into()),
            confidence: 0.9,
        };
        world.store.record_final(call, said, &[tag]).await.unwrap();
    }
    let headers = format!("{}If-Match: \"1\"\r\n", world.admin);
    let place = r#"{"fields":{"place":"五栋"}}"#;
    let edited = world.ask("PATCH", &path, &headers, place).await;
    assert_eq!((edited.status, edited.json()["revision"].as_i64()), (200, Some(3)));
    let title = r#"{"fields":{"title":"灯"}}"#;
    assert_eq!(world.ask("PATCH", &path, &headers, title).await.status, 412);
}

#[tokio::test]
async fn a_key_has_a_name_of_its_own() {
    let world = World::new().await;
    let body = |name: &str| json!({ "name": name, "role": "reader" }).to_string();
    let mut answers = Vec::new();
    for name in ["seat", "seat", "machine", "admin", "a\nb"] {
        let answer = world.admin("POST", "/api/v1/api-keys", &body(name)).await;
        answers.push((answer.status, answer.json()["field"].as_str().map(str::to_owned)));
    }
    let name = || Some("name".to_owned());
    assert_eq!(answers[0], (201, None));
    assert_eq!(answers[1..], [(409, name()), (422, name()), (422, name()), (422, name())]);
}

#[tokio::test]
async fn who_read_what_is_in_the_audit() {
    let world = World::new().await;
    let (call, ticket) = world.call().await;
    for path in [
        format!("/api/v1/calls/{call}/transcript"),
        format!("/api/v1/tickets/{ticket}"),
        "/api/v1/tickets".to_owned(),
        // Nothing is on this page.
        format!("/api/v1/tickets?before={}", Uuid::nil()),
    ] {
        assert_eq!(world.admin("GET", &path, "").await.status, 200);
    }
    let audit = |query: &str| format!("/api/v1/audit?{query}");
    let lines = world.admin("GET", &audit("limit=3"), "").await.json();
    let actions: Vec<_> = lines["lines"].as_array().unwrap().iter().collect();
    let expected = [
        ("ticket.list", format!("{ticket}..{ticket}")),
        ("ticket.read", ticket.to_string()),
        ("transcript.read", call.to_string()),
    ];
    for (line, (action, subject)) in actions.iter().zip(&expected) {
        assert_eq!((&line["action"], &line["subject"]), (&json!(action), &json!(subject)));
        assert_eq!(line["by"], "a admin");
    }
    let next = audit(&format!("before={}", lines["next"]));
    let rest = world.admin("GET", &next, "").await.json();
    assert_eq!(rest["lines"][0]["action"], "key.create");
    let of_call = world.admin("GET", &audit(&format!("subject={call}")), "").await.json();
    assert_eq!(of_call["lines"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_recording_is_read_in_parts_and_never_from_outside_its_folder() {
    let world = World::new().await;
    let (call, _) = world.call().await;
    let path = format!("/api/v1/calls/{call}/recording");
    assert_eq!(world.admin("GET", &path, "").await.status, 404);
    std::fs::write(world.dir.path().join("recordings/a.wav"), b"0123456789").unwrap();
    world.store.answer_call(call, UnixMillis(2), Some("a.wav".into())).await.unwrap();
    let whole = world.admin("GET", &path, "").await;
    assert_eq!((whole.status, whole.body.as_slice()), (200, &b"0123456789"[..]));
    let headers = format!("{}Range: bytes=2-4\r\n", world.admin);
    let part = world.ask("GET", &path, &headers, "").await;
    assert_eq!((part.status, part.body.as_slice()), (206, &b"234"[..]));
    assert!(part.head.contains("content-range: bytes 2-4/10"));
    let headers = format!("{}Range: bytes=10-\r\n", world.admin);
    let outside = world.ask("GET", &path, &headers, "").await;
    assert_eq!(outside.status, 416);
    assert!(outside.head.contains("content-range: bytes */10"));
    let head = world.admin("HEAD", &path, "").await;
    assert!(head.body.is_empty() && head.head.contains("content-length: 10"), "{}", head.head);
    let reads = AuditQuery { limit: 9, subject: Some(call.to_string()), before: None };
    assert_eq!(world.store.audit_lines(&reads).await.unwrap().len(), 2);
    world.store.answer_call(call, UnixMillis(2), Some("../q.db".into())).await.unwrap();
    assert_eq!(world.admin("GET", &path, "").await.status, 404);
}

#[tokio::test]
async fn events_reach_a_browser_that_gives_its_key_as_a_protocol() {
    let world = World::new().await;
    let (call, _) = world.call().await;
    world.events.publish(Event::CallAnswered { call });
    let key = world.store.create_key("console", Role::Reader, "admin").await.unwrap();
    let mut socket = listen(&world, &key.secret).await;
    world.events.publish(Event::CaptionGap { call, party: Party::Caller, from_ms: 1, to_ms: 2 });
    for (seq, kind) in [(1, "call_answered"), (2, "caption_gap")] {
        let Message::Text(text) = message(&mut socket).await else { panic!("the stream is over") };
        let event: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&event["seq"], &event["type"]), (&json!(seq), &json!(kind)));
        assert_eq!(event["call"], json!(call));
    }
}

#[tokio::test]
async fn a_revoked_key_hears_nothing_more() {
    let world = World::new().await;
    let (call, _) = world.call().await;
    let key = world.store.create_key("console", Role::Reader, "admin").await.unwrap();
    let mut socket = listen(&world, &key.secret).await;
    world.events.publish(Event::CallAnswered { call });
    assert!(message(&mut socket).await.is_text());
    let path = format!("/api/v1/api-keys/{}", key.info.id);
    assert_eq!(world.admin("DELETE", &path, "").await.status, 204);
    world.events.publish(Event::CaptionsEnded { call });
    let Message::Close(Some(close)) = message(&mut socket).await else { panic!("still open") };
    assert_eq!(u16::from(close.code), 1008);
}

#[tokio::test]
async fn the_server_stops_while_somebody_listens() {
    let mut world = World::new().await;
    let key = world.store.create_key("console", Role::Reader, "admin").await.unwrap();
    let mut socket = listen(&world, &key.secret).await;
    world.stop.take().unwrap().send(()).unwrap();
    let Message::Close(Some(close)) = message(&mut socket).await else { panic!("still open") };
    assert_eq!(u16::from(close.code), 1001);
    let ended = tokio::time::timeout(DEADLINE, world.server.join_next()).await;
    ended.unwrap().unwrap().unwrap();
}

#[test]
fn the_description_says_how_to_sign_in_and_what_refuses() {
    let description: Value = serde_json::from_str(&openapi_json()).unwrap();
    assert_eq!(description["security"], json!([{ "key": [] }, { "password": [] }]));
    let schemes = &description["components"]["securitySchemes"];
    assert_eq!(
        (&schemes["key"]["scheme"], &schemes["password"]["scheme"]),
        (&json!("bearer"), &json!("basic"))
    );
    let mut ids = HashSet::new();
    let mut operations = 0;
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations += 1;
            assert!(ids.insert(operation["operationId"].as_str()), "{method} {path}");
            for (status, response) in operation["responses"].as_object().unwrap() {
                let is_error = status.starts_with(['4', '5']) && response.get("$ref").is_none();
                if let Some(content) = response["content"].as_object().filter(|_| is_error) {
                    let kinds: Vec<_> = content.keys().collect();
                    assert_eq!(kinds, ["application/problem+json"], "{method} {path} {status}");
                }
            }
            // A call without credentials is refused with 401 by what reads the body.
            let refuses_itself =
                ["/api/v1/session", "/api/v1/follow-ups/events"].contains(&path.as_str());
            let is_open = operation["security"] == json!([{}]);
            for (status, name) in
                [("401", "Unauthorized"), ("403", "Forbidden"), ("429", "TooManyRequests")]
            {
                let shared = operation["responses"][status]["$ref"].as_str();
                let wanted = format!("#/components/responses/{name}");
                let is_wanted = !is_open || status == "429";
                let expected = is_wanted.then_some(wanted.as_str());
                if !refuses_itself || !is_open {
                    assert_eq!(shared, expected, "{method} {path} {status}");
                }
                assert!(description["components"]["responses"][name].is_object());
            }
        }
    }
    assert_eq!(operations, 110);
}

#[test]
fn the_description_in_docs_is_the_one_that_is_served() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(path, openapi_json()).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap_or_default() == openapi_json(),
        "docs/openapi.json is old: UPDATE_OPENAPI=1 cargo test --release -p qingting-api"
    );
}
