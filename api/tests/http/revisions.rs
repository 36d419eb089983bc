//! Nobody overwrites what somebody else has changed meanwhile, and nobody fetches what it has.

use crate::world::{Answer, World};
use qingting_store::SeatRole;
use serde_json::json;

fn tag(answer: &Answer) -> String {
    let line = answer.head.lines().find_map(|line| line.strip_prefix("etag: "));
    line.unwrap_or_else(|| panic!("no tag: {}", answer.head)).trim().to_owned()
}

async fn with(world: &World, header: &str, method: &str, path: &str, body: &str) -> Answer {
    world.ask(method, path, &format!("{}{header}\r\n", world.admin), body).await
}

#[tokio::test]
async fn of_two_who_edit_a_campaign_one_is_told() {
    let world = World::new().await;
    let made = world.admin("POST", "/api/v1/campaigns", r#"{"name":"march"}"#).await;
    let path = "/api/v1/campaigns/march";
    let seen = tag(&world.admin("GET", path, "").await);
    assert_eq!((tag(&made), seen.as_str()), (seen.clone(), "\"1\""));
    let if_match = format!("If-Match: {seen}");
    let body = r#"{"settings":{"attempts_max":2}}"#;
    let changed = with(&world, &if_match, "PATCH", path, body).await;
    assert_eq!((changed.status, tag(&changed).as_str()), (200, "\"2\""));
    let stale = with(&world, &if_match, "PATCH", path, body).await;
    assert_eq!((stale.status, &stale.json()["current_revision"]), (412, &json!(2)));
    let body = r#"{"revision":1,"state":"running"}"#;
    assert_eq!(world.admin("PATCH", path, body).await.status, 409);
    assert_eq!(with(&world, "If-Match: \"2\"", "PATCH", path, body).await.status, 400);
    assert_eq!(
        with(&world, "If-Match: *", "PATCH", path, r#"{"state":"running"}"#).await.status,
        200
    );
}

#[tokio::test]
async fn of_two_who_edit_a_seat_one_is_told() {
    let world = World::new().await;
    world.seat("1001", SeatRole::Seat).await;
    let path = "/api/v1/seats/1001";
    let seen = tag(&world.admin("GET", path, "").await);
    let listed = world.admin("GET", "/api/v1/seats", "").await.json();
    assert_eq!(format!("\"{}\"", listed[0]["revision"]), seen);
    let if_match = format!("If-Match: {seen}");
    let changed = with(&world, &if_match, "PATCH", path, r#"{"skills":{"综合":1,"企业":2}}"#).await;
    assert_eq!(changed.status, 200);
    let lost = r#"{"skills":{"综合":1,"医保":1}}"#;
    let stale = with(&world, &if_match, "PATCH", path, lost).await;
    assert_eq!((stale.status, &stale.json()["current_revision"]), (412, &json!(2)));
    let by_body = json!({ "revision": 1, "name": "李" }).to_string();
    assert_eq!(world.admin("PATCH", path, &by_body).await.status, 409);
    assert_eq!(with(&world, &if_match, "DELETE", path, "").await.status, 412);
    assert_eq!(
        with(&world, &format!("If-Match: {}", tag(&changed)), "DELETE", path, "").await.status,
        204
    );
    assert_eq!(world.admin("GET", path, "").await.status, 404);
}

#[tokio::test]
async fn of_two_who_replace_the_duty_list_one_is_told() {
    let world = World::new().await;
    let path = "/api/v1/duty-list";
    let table = world.admin("GET", path, "").await;
    let seen = tag(&table);
    let text = String::from_utf8(table.body).unwrap();
    let if_match = format!("If-Match: {seen}");
    let replaced = with(&world, &if_match, "PUT", path, &text).await;
    assert_eq!(replaced.status, 204);
    assert_eq!(with(&world, &if_match, "PUT", path, &text).await.status, 412);
    assert_eq!(tag(&world.admin("GET", path, "").await), tag(&replaced));
    assert_eq!(world.admin("PUT", path, &text).await.status, 204, "whoever knows what it does");
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let world = World::new().await;
    let (_, ticket) = world.call().await;
    for path in [
        format!("/api/v1/tickets/{ticket}"),
        "/api/v1/duty-list".into(),
        "/api/v1/openapi.json".into(),
    ] {
        let first = world.admin("GET", &path, "").await;
        let header = format!("If-None-Match: {}", tag(&first));
        let again = with(&world, &header, "GET", &path, "").await;
        assert_eq!((again.status, again.body.len(), tag(&again)), (304, 0, tag(&first)), "{path}");
        assert_eq!(with(&world, "If-None-Match: \"x\"", "GET", &path, "").await.status, 200);
    }
    let path = format!("/api/v1/tickets/{ticket}");
    let header = format!("If-None-Match: {}", tag(&world.admin("GET", &path, "").await));
    world.admin("PATCH", &path, r#"{"revision":0,"fields":{"place":"五栋"}}"#).await;
    assert_eq!(with(&world, &header, "GET", &path, "").await.status, 200);
}

#[tokio::test]
async fn who_types_only_the_address_is_led_on() {
    let world = World::new().await;
    let first = world.ask("GET", "/", "", "").await;
    assert_eq!(first.status, 307);
    assert!(first.head.contains("location: /console/"), "{}", first.head);
    assert_eq!(world.ask("GET", "/console/", "", "").await.status, 200);
    let root = world.ask("GET", "/api/v1", "", "").await.json();
    assert_eq!(
        (&root["openapi"], &root["console"]),
        (&json!("/api/v1/openapi.json"), &json!("/console/"))
    );
    let openapi = root["openapi"].as_str().unwrap();
    assert_eq!(world.admin("GET", openapi, "").await.json()["info"]["title"], "Qingting");
}
