//! Tickets are found by who may list them, imported ones among them, and the audit tells no citizen's number.

use crate::world::{START, World, bearer};
use qingting_common::{Pii, UnixMillis};
use qingting_nlu::draft::Field;
use qingting_nlu::history::PastTicket;
use qingting_store::{PastImport, Role, SeatRole};
use serde_json::{Value, json};

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn tickets(world: &World, query: &[(&str, &str)]) -> Value {
    let query: Vec<String> =
        query.iter().map(|(name, text)| format!("{name}={}", encoded(text))).collect();
    let answer = world.admin("GET", &format!("/api/v1/tickets?{}", query.join("&")), "").await;
    assert_eq!(answer.status, 200, "{query:?}");
    answer.json()
}

fn numbers(page: &Value) -> Vec<&str> {
    page["tickets"].as_array().unwrap().iter().map(|it| it["number"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn own_and_imported_tickets_are_found_page_by_page() {
    let world = World::new().await;
    let (call, ticket) = world.call().await;
    let edits = vec![(Field::Title, "路灯不亮".to_owned()), (Field::Place, "翠湖小区".to_owned())];
    world.store.edit_ticket(ticket, 0, edits, "1001").await.unwrap();
    let past = |n: i64| PastTicket {
        number: format!("GD{n}"),
        received_at: UnixMillis(START.0 - n * 60_000),
        closed_at: Some(START),
        fields: vec![
            (Field::Title, Pii::new("路灯坏了".into())),
            (Field::Phone, Pii::new("13912345678".into())),
        ],
    };
    let tickets_of_before = (1..=3).rev().map(past).collect();
    let import =
        PastImport { file: "p.csv".into(), by: "admin".into(), tickets: tickets_of_before };
    world.store.import_past_tickets(import, |_| {}).await.unwrap();

    let first = tickets(&world, &[("text", "路灯"), ("limit", "2")]).await;
    assert_eq!(numbers(&first), ["20260101-000001", "GD1"]);
    let next = first["next"].as_str().unwrap();
    let second = tickets(&world, &[("text", "路灯"), ("limit", "2"), ("before", next)]).await;
    assert_eq!(numbers(&second), ["GD2", "GD3"]);
    let own = &first["tickets"][0];
    assert_eq!((&own["call"], &own["status"]), (&json!(call.to_string()), &json!("draft")));
    let imported = &first["tickets"][1];
    assert_eq!(imported["call"], Value::Null);
    assert_eq!(imported["status"], "imported");
    assert_eq!(imported["created_at"], START.0 - 60_000);
    assert_eq!(imported["fields"]["phone"]["value"], "13912345678");
    let id = imported["id"].as_str().unwrap();
    let one = world.admin("GET", &format!("/api/v1/tickets/{id}"), "").await;
    assert_eq!((one.status, &one.json()), (200, imported));
    let edit = r#"{"revision":0,"fields":{"title":"x"}}"#;
    assert_eq!(world.admin("PATCH", &format!("/api/v1/tickets/{id}"), edit).await.status, 404);

    assert_eq!(numbers(&tickets(&world, &[("number", "GD2")]).await), ["GD2"]);
    assert_eq!(numbers(&tickets(&world, &[("place", "翠湖")]).await), ["20260101-000001"]);
    assert_eq!(numbers(&tickets(&world, &[("phone", "5678"), ("status", "draft")]).await).len(), 0);
    assert_eq!(numbers(&tickets(&world, &[("status", "imported")]).await).len(), 3);
    // Where nothing is looked for, the page is that of our own tickets.
    assert_eq!(numbers(&tickets(&world, &[("text", " ")]).await), ["20260101-000001"]);

    let reader = bearer(&world.store, Role::Reader).await;
    let found = world.ask("GET", "/api/v1/tickets?phone=5678", &reader, "").await;
    assert_eq!(numbers(&found.json()).len(), 3);
    let seat = world.seat("1001", SeatRole::Seat).await;
    assert_eq!(world.ask("GET", "/api/v1/tickets?phone=5678", &seat, "").await.status, 403);
    let path = format!("/api/v1/tickets/{id}");
    assert_eq!(world.ask("GET", &path, &seat, "").await.status, 404);
}

#[tokio::test]
async fn the_audit_has_what_was_looked_for_without_numbers_and_words() {
    let world = World::new().await;
    world.call().await;
    let looked =
        [("phone", "13800138000"), ("text", "王建国"), ("place", "翠湖小区"), ("number", "A1")];
    tickets(&world, &looked).await;
    tickets(&world, &[("phone", "13800138000")]).await;
    let audit = world.admin("GET", "/api/v1/audit?limit=2", "").await;
    let lines = audit.json();
    let subject = |n: usize| lines["lines"][n]["subject"].as_str().unwrap().to_owned();
    assert_eq!(lines["lines"][1]["action"], "ticket.search");
    assert_eq!(subject(1), "number …A1, phone …8000, text, place: nothing");
    assert!(subject(0).starts_with("phone …8000: ") && subject(0).contains(".."), "{}", subject(0));
    let text = String::from_utf8(audit.body).unwrap();
    assert!(!text.contains("13800138000") && !text.contains("王建国") && !text.contains("翠湖"));
}

#[tokio::test]
async fn what_cannot_be_looked_for_is_told_with_its_name() {
    let world = World::new().await;
    let long = "字".repeat(101);
    for (name, text) in [
        ("phone", "800"),
        ("phone", "13800x38000"),
        ("text", "灯"),
        ("text", "路灯 坏"),
        ("text", &long),
        ("place", "，"),
        ("number", &long),
        ("status", "closed"),
        ("before", "x"),
    ] {
        let path = format!("/api/v1/tickets?{name}={}", encoded(text));
        let refused = world.admin("GET", &path, "").await;
        assert_eq!((refused.status, refused.json()["field"].as_str()), (400, Some(name)), "{text}");
        let detail = refused.json()["detail"].to_string();
        assert!(!detail.contains("138") && !detail.contains('字'), "{detail}");
    }
}
