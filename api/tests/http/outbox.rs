//! What the ticket system refused is seen, tried again or given up by an administrator.

use super::world::World;
use qingting_common::{TicketId, UnixMillis};
use qingting_nlu::draft::Field;
use qingting_store::{OutboxClaim, OutboxFailure, SeatRole};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

const NOW: UnixMillis = UnixMillis(2);

/// A ticket of three revisions, the message of the first parked.
async fn refused(world: &World) -> (TicketId, Value) {
    let (_, ticket) = world.call().await;
    for (revision, title) in ["路灯", "路灯不亮", "路灯不亮很久"].iter().enumerate() {
        let edits = vec![(Field::Title, (*title).to_owned())];
        world.store.edit_ticket(ticket, revision as i64, edits, "li").await.unwrap();
    }
    park(world).await;
    let path = format!("/api/v1/outbox?state=parked&stream={ticket}");
    (ticket, world.admin("GET", &path, "").await.json())
}

async fn park(world: &World) {
    let claim = OutboxClaim {
        owner: "x".into(),
        kinds: vec!["ticket.*".into()],
        limit: 9,
        lease: Duration::from_secs(9),
        fresh_first: false,
    };
    for row in world.store.claim_outbox(claim, NOW).await.unwrap() {
        let why = "the ticket system answered 422: no such category";
        world.store.outbox_failed(row.id, "x", why, OutboxFailure::Park, NOW).await.unwrap();
    }
}

#[tokio::test]
async fn a_parked_message_is_seen_with_its_reason_and_decided_by_an_administrator() {
    let world = World::new().await;
    let (ticket, page) = refused(&world).await;
    let messages = page["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 1);
    let message = &messages[0];
    assert_eq!(message["key"], format!("{ticket}:1"));
    assert_eq!((&message["tries"], &message["parked_at"]), (&json!(1), &json!(2)));
    assert!(message["last_error"].as_str().unwrap().contains("no such category"));
    let of = |verb: &str| format!("/api/v1/outbox/{}/{verb}", message["id"]);
    assert_eq!(world.admin("POST", &of("retry"), "").await.status, 204);
    assert_eq!(world.admin("POST", &of("discard"), "").await.status, 409, "it is not parked");
    park(&world).await;
    let retried = world.admin("POST", "/api/v1/outbox/retry", "").await.json();
    assert_eq!(retried, json!({ "retried": 1 }));
    park(&world).await;
    assert_eq!(world.admin("POST", &of("discard"), "").await.status, 204);
    assert_eq!(world.admin("POST", &of("retry"), "").await.status, 409, "it is discarded");

    let audit = world.admin("GET", "/api/v1/audit?limit=4", "").await.json();
    let actions: Vec<_> =
        audit["lines"].as_array().unwrap().iter().map(|it| &it["action"]).collect();
    assert_eq!(actions, ["outbox.discard", "outbox.retry", "outbox.retry", "outbox.list"]);
    let metrics = String::from_utf8(world.admin("GET", "/metrics", "").await.body).unwrap();
    assert!(metrics.contains("qingting_outbox_pending 2\n"), "{metrics}");
    assert!(metrics.contains("qingting_outbox_parked 0\n"), "{metrics}");
}

#[tokio::test]
async fn a_seat_sees_what_became_of_its_own_tickets_alone() {
    let world = World::new().await;
    let (ticket, _) = refused(&world).await;
    let path = format!("/api/v1/tickets/{ticket}/messages");
    let stranger = world.seat("801", SeatRole::Seat).await;
    assert_eq!(world.ask("GET", &path, &stranger, "").await.status, 403);
    let lead = world.seat("802", SeatRole::Supervisor).await;
    let messages = world.ask("GET", &path, &lead, "").await.json();
    let states: Vec<_> =
        messages["messages"].as_array().unwrap().iter().map(|it| &it["state"]).collect();
    assert_eq!(states, ["pending", "pending", "parked"], "the newest first");
    let unknown = format!("/api/v1/tickets/{}/messages", Uuid::now_v7());
    assert_eq!(world.ask("GET", &unknown, &lead, "").await.status, 404);
}

#[tokio::test]
async fn messages_come_in_pages_and_wrong_questions_are_named() {
    let world = World::new().await;
    let (ticket, _) = refused(&world).await;
    let page = |query: &str| format!("/api/v1/outbox?stream={ticket}&{query}");
    let first = world.admin("GET", &page("limit=2"), "").await.json();
    let keys = |page: &Value| -> Vec<String> {
        let messages = page["messages"].as_array().unwrap();
        messages.iter().map(|message| message["key"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(&first), [format!("{ticket}:1"), format!("{ticket}:2")]);
    let next = format!("limit=2&after={}", first["next"]);
    let second = world.admin("GET", &page(&next), "").await.json();
    assert_eq!((keys(&second), &second["next"]), (vec![format!("{ticket}:3")], &Value::Null));
    for (method, path, status, field) in [
        ("GET", "/api/v1/outbox?state=lost", 400, Some("state")),
        ("GET", "/api/v1/outbox?after=x", 400, Some("after")),
        ("POST", "/api/v1/outbox/x/retry", 400, Some("id")),
        ("POST", "/api/v1/outbox/99/retry", 404, None),
        ("POST", "/api/v1/outbox/99/discard", 404, None),
    ] {
        let answer = world.admin(method, path, "").await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.json()["field"].as_str(), field, "{method} {path}");
    }
}
