//! How often somebody may ask, and what is not held against others.

use crate::world::{World, bearer};
use qingting_api::{Rate, Rates};
use qingting_store::Role;

/// So slow that nothing is earned back while a test runs.
const SLOW: u32 = 1;

async fn world(known: u32, strangers: u32) -> World {
    let rate = |at_once| Rate { per_second: SLOW, at_once };
    World::with(|state| state.rates = Rates::new(rate(known), rate(strangers))).await
}

#[tokio::test]
async fn a_key_that_asks_too_often_waits_and_others_do_not() {
    let world = world(20, 100).await;
    let reader = bearer(&world.store, Role::Reader).await;
    let mut refused = None;
    for _ in 0..40 {
        let answer = world.ask("GET", "/api/v1/me", &reader, "").await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("one key may not ask for ever");
    assert_eq!(refused.status, 429);
    assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
    assert!(refused.head.contains("application/problem+json"));
    assert_eq!(refused.json()["status"], 429);
    assert_eq!(world.admin("GET", "/api/v1/me", "").await.status, 200, "another key");
    assert_eq!(world.ask("GET", "/healthz", "", "").await.status, 200, "the same address");
}

#[tokio::test]
async fn an_address_without_credentials_waits_and_who_has_a_key_does_not() {
    let world = world(100, 10).await;
    let forged = "Authorization: Bearer qt_00\r\n";
    let log_in = r#"{"extension":"1001","password":"wrong horse"}"#;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(world.ask("GET", "/api/v1", "", "").await.status);
        statuses.push(world.ask("GET", "/api/v1/calls", forged, "").await.status);
    }
    assert_eq!(statuses, [200, 401].repeat(5));
    // A second of a slow machine may have earned some back.
    let mut last = Vec::new();
    for _ in 0..20 {
        last = vec![
            world.ask("GET", "/api/v1", "", "").await.status,
            world.ask("GET", "/api/v1/calls", forged, "").await.status,
            world.ask("POST", "/api/v1/session", "", log_in).await.status,
        ];
        if last == [429; 3] {
            break;
        }
    }
    assert_eq!(last, [429; 3], "open, refused and log-in alike");
    assert_eq!(world.ask("GET", "/healthz", "", "").await.status, 200, "a probe has no budget");
    assert_eq!(world.admin("GET", "/api/v1/calls", "").await.status, 200);
    assert_eq!(world.ask("GET", "/softphone", "", "").await.status, 200, "pages are no requests");
}

/// Asks of a stranger who says that it came through a proxy from there, until one is refused.
async fn refused_after(world: &World, from: &str) -> usize {
    let head = format!("X-Forwarded-For: 198.51.100.9, {from}\r\n");
    for asked in 0..40 {
        if world.ask("GET", "/api/v1", &head, "").await.status == 429 {
            return asked;
        }
    }
    40
}

#[tokio::test]
async fn who_comes_through_a_trusted_proxy_has_a_budget_of_its_own() {
    let rate = |at_once| Rate { per_second: SLOW, at_once };
    let behind = World::with(|state| {
        state.rates = Rates::new(rate(100), rate(10));
        state.trusted_proxies = vec!["127.0.0.1".parse().expect("an address")].into();
    })
    .await;
    let first = refused_after(&behind, "203.0.113.1").await;
    assert!((10..40).contains(&first), "{first}");
    let second = refused_after(&behind, "203.0.113.2").await;
    assert!((10..40).contains(&second), "another client: {second}");

    let before = world(100, 10).await;
    let first = refused_after(&before, "203.0.113.1").await;
    assert!((10..40).contains(&first), "{first}");
    let second = refused_after(&before, "203.0.113.2").await;
    assert!(second < 10, "nobody trusts that one: {second}");
}
