//! Past tickets through the page: checked, imported in the background, found, known the second time.

use crate::world::{Answer, DEADLINE, World};
use serde_json::{Value, json};
use std::time::Duration;

const IMPORTS: &str = "/api/v1/past-tickets/imports";

async fn begin(world: &World, query: &str, table: &str) -> Answer {
    world.admin("POST", &format!("{IMPORTS}?file=past.csv{query}"), table).await
}

/// What it came to.
async fn over(world: &World, begun: &Answer) -> Value {
    assert_eq!(begun.status, 202, "{}", begun.json());
    let path = format!("{IMPORTS}/{}", begun.json()["id"].as_str().unwrap());
    let looked = async {
        loop {
            let now = world.admin("GET", &path, "").await.json();
            if !now["ended_at"].is_null() {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, looked).await.unwrap()
}

async fn found(world: &World, number: &str) -> usize {
    let page = world.admin("GET", &format!("/api/v1/tickets?number={number}"), "").await.json();
    page["tickets"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_file_is_checked_imported_and_known_the_second_time() {
    let world = World::new().await;
    let rows: String =
        (0..1_200).map(|n| format!("P{n},2025-03-02 09:00,路灯不亮,13800138000\n")).collect();
    let table = format!("编号,受理时间,标题,联系电话\n{rows}");
    let without = over(&world, &begin(&world, "", &table).await).await;
    assert_eq!(
        (&without["state"], &without["mistakes"][0]["field"]),
        (&json!("refused"), &json!("工单编号"))
    );
    let map = "&map=number=%E7%BC%96%E5%8F%B7";
    let checked = over(&world, &begin(&world, &format!("{map}&dry_run=true"), &table).await).await;
    assert_eq!(
        (&checked["state"], &checked["new"], &checked["known"]),
        (&json!("done"), &json!(1_200), &json!(0))
    );
    assert_eq!(found(&world, "P7").await, 0, "nothing was written");

    let done = over(&world, &begin(&world, map, &table).await).await;
    assert_eq!(
        (&done["state"], &done["done"], &done["new"]),
        (&json!("done"), &json!(1_200), &json!(1_200))
    );
    assert_eq!(found(&world, "P7").await, 1);
    let again = over(&world, &begin(&world, map, &table).await).await;
    assert_eq!((&again["new"], &again["known"]), (&json!(0), &json!(1_200)));
    let listed = world.admin("GET", IMPORTS, "").await.json();
    assert_eq!(listed.as_array().unwrap().len(), 4);
    let audit = world.admin("GET", "/api/v1/audit?limit=50", "").await.json();
    let lines = audit["lines"].as_array().unwrap().clone();
    let imports: Vec<_> = lines.iter().filter(|line| line["action"] == "ticket.import").collect();
    assert_eq!((imports.len(), &imports[1]["by"]), (2, &json!("a admin")));
}

#[tokio::test]
async fn every_bad_row_is_told_and_nothing_is_imported() {
    let world = World::new().await;
    let table =
        "工单编号,受理时间,标题\nA,2025-03-02,路灯\nA,2025-03-02,井盖\n,2025-03-02,x\nB,何时,x\n";
    let refused = over(&world, &begin(&world, "", table).await).await;
    assert_eq!(refused["state"], "refused");
    let told: Vec<_> =
        refused["mistakes"].as_array().unwrap().iter().map(|it| &it["line"]).collect();
    assert_eq!(told, [3, 4, 5]);
    assert!(!refused.to_string().contains("井盖"), "no cell is told");
    assert_eq!(found(&world, "A").await, 0);
    for (query, field) in
        [("&map=x", "map"), ("&map=nothing=%E7%BC%96%E5%8F%B7", "map"), ("&dry_run=2", "")]
    {
        let answer = begin(&world, query, table).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(field.is_empty() || answer.json()["field"] == field, "{query}");
    }
    let nameless = world.admin("POST", &format!("{IMPORTS}?file="), table).await;
    assert_eq!((nameless.status, &nameless.json()["field"]), (400, &json!("file")));
}
