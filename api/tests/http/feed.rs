//! The log of changes as another machine reads it.

use crate::world::{World, bearer};
use qingting_api::Feed;
use qingting_common::UnixMillis;
use qingting_nlu::draft::Field;
use qingting_store::{CallEnd, RecordingEnd, Role};
use qingting_tickets::Secrets;
use qingting_tickets::signature::verify;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECRET: &str = "00112233445566778899aabbccddeeff";

async fn world() -> (World, String) {
    let secrets = Secrets::parse(SECRET).unwrap();
    let world = World::with(|state| state.feed = Feed::new("12345.hangzhou", Some(secrets))).await;
    let feed = bearer(&world.store, Role::Feed).await;
    (world, feed)
}

async fn ask(world: &World, who: &str, query: &str) -> Value {
    let answer = world.ask("GET", &format!("/api/v1/feed?{query}"), who, "").await;
    assert_eq!(answer.status, 200, "{query}: {}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

fn types(page: &Value) -> Vec<&str> {
    page["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

fn end(call: qingting_common::CallId) -> CallEnd {
    CallEnd {
        id: call,
        ended_at: UnixMillis(crate::world::START.0 + 60_000),
        hung_up_by: "caller".into(),
        cause: "caller_hung_up".into(),
        sip_code: None,
        answered: true,
        recording: RecordingEnd::Nothing,
        quality: None,
        missed: None,
    }
}

#[allow(clippy::disallowed_methods, reason = "a signature is of this moment")]
fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixMillis(i64::try_from(since.as_millis()).unwrap())
}

#[tokio::test]
async fn a_machine_reads_on_from_its_cursor_and_learns_nothing_of_the_citizen() {
    let (world, feed) = world().await;
    let (call, ticket) = world.call().await;
    let edit =
        vec![(Field::Phone, "13800138000".to_owned()), (Field::CallerName, "张三".to_owned())];
    world.store.edit_ticket(ticket, 0, edit, "seat").await.unwrap();
    world.store.answer_call(call, crate::world::START, None).await.unwrap();

    let first = ask(&world, &feed, "limit=2").await;
    assert_eq!(types(&first), ["qingting.call.began", "qingting.ticket.created"]);
    let next = first["next"].as_str().unwrap();
    let rest = ask(&world, &feed, &format!("after={next}")).await;
    assert_eq!(types(&rest), ["qingting.ticket.updated", "qingting.call.answered"]);
    let event = &rest["events"][0];
    for (name, value) in [
        ("specversion", json!("1.0")),
        ("id", json!(format!("{ticket}:1"))),
        ("source", json!("12345.hangzhou")),
        ("subject", json!(ticket)),
        ("datacontenttype", json!("application/json")),
    ] {
        assert_eq!(event[name], value, "{name}");
    }
    let data = json!({ "ticket": ticket, "call": call, "revision": 1,
        "changed": event["data"]["changed"] });
    assert_eq!(event["data"], data);
    let told = format!("{first}{rest}");
    assert!(!told.contains("138001") && !told.contains("张三"), "{told}");
    // At the end there is nothing, and the cursor stays.
    let end_of_log = rest["next"].as_str().unwrap().to_owned();
    let nothing = ask(&world, &feed, &format!("after={end_of_log}")).await;
    assert_eq!(nothing, json!({ "events": [], "next": end_of_log }));
    world.store.end_call(end(call)).await.unwrap();
    let more = ask(&world, &feed, &format!("after={end_of_log}")).await;
    assert_eq!(types(&more), ["qingting.call.ended"]);
    // An event's own place is a cursor, too.
    let place = event["sequence"].as_str().unwrap();
    let from_there = ask(&world, &feed, &format!("after={place}")).await;
    assert_eq!(types(&from_there), ["qingting.call.answered", "qingting.call.ended"]);
}

#[tokio::test]
async fn the_answer_is_signed() {
    let (world, feed) = world().await;
    world.call().await;
    let answer = world.ask("GET", "/api/v1/feed", &feed, "").await;
    let header = |name: &str| {
        let start = format!("{name}: ");
        let line = answer.head.lines().find_map(|line| line.strip_prefix(&start));
        line.expect("signed").trim().to_owned()
    };
    let (timestamp, signature) = (header("x-qingting-timestamp"), header("x-qingting-signature"));
    let secrets = Secrets::parse(SECRET).unwrap();
    verify(&secrets, &timestamp, &signature, &answer.body, now()).unwrap();
    let mut changed = answer.body.clone();
    changed[20] ^= 1;
    assert!(verify(&secrets, &timestamp, &signature, &changed, now()).is_err());
}

#[tokio::test]
async fn kinds_are_chosen_and_the_cursor_passes_what_is_not_wanted() {
    let (world, feed) = world().await;
    for _ in 0..30 {
        world.call().await;
    }
    let page = ask(&world, &feed, "kinds=call.*&limit=5").await;
    assert_eq!(types(&page), ["qingting.call.began"; 3]);
    let none = ask(&world, &feed, "kinds=callback.result,call.ended&limit=2").await;
    assert_eq!(types(&none), [""; 0]);
    assert!(none["next"].as_str().unwrap().parse::<i64>().unwrap() >= 40, "{none}");
}

#[tokio::test]
async fn who_waits_is_told_when_something_happens() {
    let (world, feed) = world().await;
    world.call().await;
    let next = ask(&world, &feed, "").await["next"].as_str().unwrap().to_owned();
    let query = format!("after={next}&wait=9&kinds=call.*");
    let (page, _) = tokio::join!(ask(&world, &feed, &query), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.call().await
    });
    assert_eq!(types(&page), ["qingting.call.began"]);
    let last = page["next"].as_str().unwrap();
    let query = format!("after={last}&wait=1&kinds=call.*");
    assert_eq!(types(&ask(&world, &feed, &query).await), [""; 0], "nothing came");
}

#[tokio::test]
async fn a_place_that_is_not_there_is_refused() {
    let (world, feed) = world().await;
    world.call().await;
    for (query, status, field) in [
        ("after=x", 400, "after"),
        ("after=-1", 400, "after"),
        ("limit=0", 400, "limit"),
        ("wait=26", 400, "wait"),
        ("shoe=1", 400, "shoe"),
        ("kinds=ticket.*,tickets", 400, "kinds"),
        ("kinds=", 400, "kinds"),
        ("after=999", 410, "after"),
    ] {
        let answer = world.ask("GET", &format!("/api/v1/feed?{query}"), &feed, "").await;
        assert_eq!((answer.status, &answer.json()["field"]), (status, &json!(field)), "{query}");
    }
}
