//! Requests that count once, however often they come.

use crate::world::{Answer, DEADLINE, World, bearer};
use qingting_api::ControlCode;
use qingting_store::{KeyClaim, RequestKey, Role, SeatRole};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

const KEY: &str = "8e03978e-40d5-43e8-bc93-6894a57f9324";

async fn post(world: &World, who: &str, path: &str, key: &str, body: &str) -> Answer {
    world.ask("POST", path, &format!("{who}Idempotency-Key: {key}\r\n"), body).await
}

fn is_replayed(answer: &Answer) -> bool {
    answer.head.contains("idempotency-replayed: true")
}

#[tokio::test]
async fn a_call_that_is_asked_for_twice_is_dialled_once() {
    let world = World::new().await;
    let seat = world.seat("1001", SeatRole::Seat).await;
    let body = r#"{"to":"13800138000"}"#;
    let quoted = format!("\"{KEY}\"");
    let first = post(&world, &seat, "/api/v1/calls", KEY, body).await;
    let again = post(&world, &seat, "/api/v1/calls", &quoted, body).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.json()["call"], again.json()["call"]);
    assert!(!is_replayed(&first) && is_replayed(&again));
    assert!(again.head.contains("content-type: application/json"), "{}", again.head);
    assert_eq!(world.switchboard.asked(), ["1001@1001 dials 13800138000"]);

    let other = post(&world, &seat, "/api/v1/calls", KEY, r#"{"to":"13800138001"}"#).await;
    assert_eq!((other.status, &other.json()["field"]), (422, &json!("Idempotency-Key")));
    let chief = world.seat("1009", SeatRole::Supervisor).await;
    let others = post(&world, &chief, "/api/v1/calls", KEY, body).await;
    assert_eq!((others.status, is_replayed(&others)), (201, false), "another one's key");
    assert_eq!(world.ask("POST", "/api/v1/calls", &seat, body).await.status, 201);
    assert_eq!(world.switchboard.asked().len(), 2, "without a key each counts");
    for bad in ["", "a\tb", &"x".repeat(256)] {
        let refused = post(&world, &seat, "/api/v1/calls", bad, body).await;
        assert_eq!((refused.status, &refused.json()["field"]), (400, &json!("Idempotency-Key")));
    }
    assert!(world.switchboard.asked().is_empty());
}

#[tokio::test]
async fn a_request_goes_on_when_its_sender_hangs_up_and_others_wait_for_it() {
    let world = World::new().await;
    let seat = world.seat("1001", SeatRole::Seat).await;
    let body = r#"{"to":"13800138000"}"#;
    world.switchboard.hold.send_replace(true);
    let mut socket = TcpStream::connect(world.address).await.unwrap();
    let request = format!(
        "POST /api/v1/calls HTTP/1.1\r\nHost: test\r\n{seat}Idempotency-Key: {KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let is_dialling = async {
        while world.switchboard.asked.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, is_dialling).await.unwrap();
    drop(socket);
    for _ in 0..3 {
        let waits = post(&world, &seat, "/api/v1/calls", KEY, body).await;
        assert_eq!((waits.status, &waits.json()["field"]), (409, &json!("Idempotency-Key")));
        assert!(waits.head.contains("retry-after: 1"), "{}", waits.head);
    }
    world.switchboard.hold.send_replace(false);
    let answered = async {
        loop {
            let answer = post(&world, &seat, "/api/v1/calls", KEY, body).await;
            if answer.status != 409 {
                return answer;
            }
        }
    };
    let answer = timeout(DEADLINE, answered).await.unwrap();
    assert_eq!((answer.status, is_replayed(&answer)), (201, true));
    assert_eq!(world.switchboard.asked(), ["1001@1001 dials 13800138000"]);
}

#[tokio::test]
async fn what_was_refused_may_be_tried_again_with_its_key() {
    let world = World::new().await;
    let seat = world.seat("1001", SeatRole::Seat).await;
    let body = r#"{"to":"13800138000"}"#;
    world.switchboard.refuses(ControlCode::Unavailable);
    assert_eq!(post(&world, &seat, "/api/v1/calls", KEY, body).await.status, 503);
    let wrong = post(&world, &seat, "/api/v1/calls", KEY, r#"{"to":"x"}"#).await;
    assert_eq!((wrong.status, &wrong.json()["field"]), (422, &json!("to")));
    world.switchboard.asked();
    assert_eq!(post(&world, &seat, "/api/v1/calls", KEY, body).await.status, 201);
    assert_eq!(world.switchboard.asked().len(), 1);
}

#[tokio::test]
async fn of_many_at_once_one_makes_the_campaign() {
    let world = World::new().await;
    let body = r#"{"name":"九月"}"#;
    let asked = (0..8).map(|_| post(&world, &world.admin, "/api/v1/campaigns", KEY, body));
    let answers = futures_util::future::join_all(asked).await;
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert!(!made.is_empty());
    assert_eq!(made.iter().filter(|answer| !is_replayed(answer)).count(), 1);
    for answer in &answers {
        match answer.status {
            201 => assert_eq!(answer.json(), made[0].json()),
            // The first one still ran.
            status => {
                assert_eq!(status, 409);
                assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
            }
        }
    }
    let again = post(&world, &world.admin, "/api/v1/campaigns", KEY, body).await;
    assert_eq!((again.status, again.json()), (201, made[0].json()));
    assert_eq!(world.store.campaigns().await.unwrap().len(), 1);
}

#[tokio::test]
async fn seats_and_imports_are_answered_as_the_first_time() {
    let world = World::new().await;
    let seat = json!({ "extension": "1001", "name": "李娜", "password": "correct horse" });
    let seat = seat.to_string();
    let admin = &world.admin;
    let made = post(&world, admin, "/api/v1/seats", KEY, &seat).await;
    let again = post(&world, admin, "/api/v1/seats", KEY, &seat).await;
    assert_eq!((made.status, again.status, is_replayed(&again)), (201, 201, true));
    assert_eq!(made.json(), again.json());
    assert_eq!(post(&world, admin, "/api/v1/seats", "other", &seat).await.status, 409);

    world.admin("POST", "/api/v1/campaigns", r#"{"name":"十月"}"#).await;
    let path = "/api/v1/campaigns/%E5%8D%81%E6%9C%88/follow-ups";
    let tickets = json!([{ "event_id": "e1", "ticket": "T1", "title": "路灯不亮", "unit": "城管局",
        "closed_at": 1_767_196_800_000_i64, "citizen": "13800138000" }]);
    let tickets = tickets.to_string();
    let expected = json!({ "new": 1, "released": 0, "known": 0 });
    for _ in 0..2 {
        let answer = post(&world, admin, path, KEY, &tickets).await;
        // The key had another request.
        assert_eq!(answer.status, 422);
        let answer = post(&world, admin, path, "import-1", &tickets).await;
        assert_eq!((answer.status, answer.json()), (200, expected.clone()));
    }
    let without = world.admin("POST", path, &tickets).await.json();
    assert_eq!(without, json!({ "new": 0, "released": 0, "known": 1 }));
}

#[tokio::test]
async fn a_key_where_none_is_taken_changes_nothing_and_a_secret_is_never_kept() {
    let world = World::new().await;
    let admin = &world.admin;
    let body = json!({ "name": "x", "role": "reader" }).to_string();
    assert_eq!(post(&world, admin, "/api/v1/api-keys", KEY, &body).await.status, 201);
    let again = post(&world, admin, "/api/v1/api-keys", KEY, &body).await;
    assert_eq!((again.status, &again.json()["field"]), (409, &json!("name")));
    let header = format!("{admin}Idempotency-Key: {KEY}\r\n");
    assert_eq!(world.ask("GET", "/api/v1/calls", &header, "").await.status, 200);
    let reader = bearer(&world.store, Role::Reader).await;
    assert_eq!(post(&world, &reader, "/api/v1/seats", KEY, "{}").await.status, 403);
    // Nobody has claimed the key.
    let key = RequestKey { who: "a admin".into(), key: KEY.into(), request: "r".into() };
    let claim = world.store.claim_request(key, false).await.unwrap();
    assert!(matches!(claim, KeyClaim::New(_)));
}
