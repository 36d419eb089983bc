//! The city's profile on the page: seen, checked, replaced, taken back; what tickets name stays.

use crate::handling::{confirmed, step};
use crate::world::{Answer, UNIT, World};
use qingting_store::Role;
use serde_json::{Value, json};

const UNITS: &str = "/api/v1/profile/units/table";
const CATEGORIES: &str = "/api/v1/profile/categories/table";

async fn put(world: &World, path: &str, table: &str) -> Answer {
    world.admin("PUT", path, table).await
}

async fn revision(world: &World) -> i64 {
    world.admin("GET", "/api/v1/profile", "").await.json()["revision"].as_i64().unwrap()
}

async fn names(world: &World, of: &str) -> Vec<String> {
    let page = world.admin("GET", &format!("/api/v1/{of}?limit=500"), "").await.json();
    let field = if of == "units" { "name" } else { "path" };
    let all = page[of].as_array().unwrap();
    all.iter().map(|one| one[field].as_str().unwrap().to_owned()).collect()
}

fn mistakes(answer: &Answer) -> Vec<(u64, String)> {
    let errors = answer.json()["errors"].as_array().unwrap().clone();
    errors
        .iter()
        .map(|error| (error["line"].as_u64().unwrap(), error["field"].as_str().unwrap().to_owned()))
        .collect()
}

#[tokio::test]
async fn a_table_is_checked_then_saved_and_counts_when_the_answer_comes() {
    let world = World::new().await;
    let table =
        "编码,名称,别名,职责,辖区\n1,城管局,城管,路灯;市容,\n2,住建局,,房屋,\n3,水务局,,供水,\n";
    let before = revision(&world).await;
    let dry = put(&world, &format!("{UNITS}?dry_run=true"), table).await;
    assert_eq!(dry.status, 200, "{}", dry.json());
    let view = dry.json();
    assert_eq!(
        (&view["dry_run"], &view["added"], &view["changed"]),
        (&json!(true), &json!(1), &json!(0))
    );
    assert_eq!((revision(&world).await, names(&world, "units").await.len()), (before, 2));

    let saved = put(&world, UNITS, table).await.json();
    assert_eq!((&saved["rows"], &saved["removed"]), (&json!(3), &json!(0)));
    assert_eq!(names(&world, "units").await, ["城管局", "住建局", "水务局"]);
    let profile = world.admin("GET", "/api/v1/profile", "").await.json();
    let units = profile["tables"].as_array().unwrap().iter().find(|one| one["part"] == "units");
    let units = units.unwrap();
    assert_eq!((&units["source"], &units["saved_by"]), (&json!("saved"), &json!("a admin")));
    let rows = world.admin("GET", "/api/v1/profile/units?text=水&limit=1", "").await.json();
    assert_eq!((&rows["total"], &rows["rows"][0][1]), (&json!(1), &json!("水务局")));
    // Whoever saw it before somebody else changed it changes nothing.
    let stale = format!("{}If-Match: \"{before}\"\r\n", world.admin);
    assert_eq!(world.ask("PUT", UNITS, &stale, table).await.status, 412);
    let csv = world.admin("GET", UNITS, "").await;
    assert!(csv.head.contains("text/csv"), "{}", csv.head);
    assert!(String::from_utf8(csv.body).unwrap().contains("1,城管局,城管,路灯;市容,"));

    let back = world.admin("DELETE", UNITS, "").await;
    assert_eq!((back.status, &back.json()["removed"]), (200, &json!(1)));
    assert_eq!(names(&world, "units").await.len(), 2);
    let audit = world.admin("GET", "/api/v1/audit?subject=units", "").await.json();
    let actions: Vec<_> =
        audit["lines"].as_array().unwrap().iter().map(|line| &line["action"]).collect();
    assert_eq!(actions, ["profile.reset", "profile.save"]);
}

#[tokio::test]
async fn every_mistake_is_told_by_row_and_nothing_is_changed() {
    let world = World::new().await;
    let before = revision(&world).await;
    let table = "编码,名称,别名,职责,辖区,停用\n1,城管局,,,,也许\n1,住建局,,,,\n3,,,,,\n";
    for query in ["", "?dry_run=true"] {
        let refused = put(&world, &format!("{UNITS}{query}"), table).await;
        assert_eq!(refused.status, 422);
        let expected = [(2, "停用"), (3, "编码"), (4, "名称")];
        assert_eq!(mistakes(&refused), expected.map(|(row, column)| (row, column.to_owned())));
    }
    for (table, status) in
        [("编码\n1\n", 422), ("", 422), ("编码,名称,别名,职责,辖区\n1,a\u{0},,,\n", 422)]
    {
        assert_eq!(put(&world, UNITS, table).await.status, status, "{table:?}");
    }
    let circle = "编码,上级编码,名称\nA,B,甲\nB,A,乙\n";
    assert_eq!(mistakes(&put(&world, CATEGORIES, circle).await).len(), 1);
    assert_eq!(put(&world, "/api/v1/profile/nothing/table", table).await.status, 404);
    assert_eq!(revision(&world).await, before);
    assert_eq!(names(&world, "units").await, ["城管局", "住建局"]);
}

#[tokio::test]
async fn what_tickets_name_is_retired_and_never_removed() {
    let world = World::new().await;
    let path = confirmed(&world).await;
    let dispatch = json!({ "step": "dispatch", "unit": "城管局" });
    assert_eq!(step(&world, &path, 2, dispatch).await.status, 200);
    let head = "编码,名称,别名,职责,辖区,停用\n";
    let other = "2,住建局,,房屋,,\n";
    let refused = put(&world, UNITS, &format!("{head}{other}")).await;
    assert_eq!((refused.status, mistakes(&refused)), (409, vec![(0, "城管局".to_owned())]));
    let renamed = format!("{head}1,城市管理局,,,,\n{other}");
    assert_eq!(put(&world, &format!("{UNITS}?dry_run=true"), &renamed).await.status, 409);
    assert_eq!(put(&world, UNITS, &renamed).await.status, 409, "an open ticket names it");
    let retired = format!("{head}1,城管局,,,,是\n{other}");
    let saved = put(&world, UNITS, &retired).await;
    assert_eq!((saved.status, &saved.json()["changed"]), (200, &json!(1)));
    assert_eq!(names(&world, "units").await, ["住建局"], "it is offered no more");
    // Closed, it may be called otherwise, and still not be gone.
    for (revision, body) in
        [(3, json!({ "step": "sign" })), (4, json!({ "step": "close", "note": "已修复" }))]
    {
        assert_eq!(step(&world, &path, revision, body).await.status, 200);
    }
    assert_eq!(put(&world, UNITS, &format!("{head}{other}")).await.status, 409);
    assert_eq!(put(&world, UNITS, &renamed).await.status, 200);

    // A category is its path: what lies above is part of it.
    let categories = "编码,上级编码,名称,办理时限（小时）,停用\nB,,公用,,\n";
    assert_eq!(mistakes(&put(&world, CATEGORIES, categories).await), [(0, "市容/路灯".to_owned())]);
    let retired = format!("{categories}A,,市容,,是\nA2,A,路灯,24,\n");
    assert_eq!(put(&world, CATEGORIES, &retired).await.status, 200);
    assert_eq!(names(&world, "categories").await, ["公用"], "nor what is below");
}

#[tokio::test]
async fn a_unit_of_an_expert_keeps_its_name() {
    let world = World::new().await;
    let table = format!("编码,名称,别名,职责,辖区\n1,城管局,,,\n2,住建局,,,\n3,{UNIT},,,\n");
    assert_eq!(put(&world, UNITS, &table).await.status, 200);
    world.person("expert", Role::Expert).await;
    let renamed = table.replace(UNIT, "市综合执法局");
    let refused = put(&world, UNITS, &renamed).await;
    assert_eq!(refused.status, 409);
    let detail = refused.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("1 位经办人"), "{detail}");
    let gone: Value =
        put(&world, UNITS, "编码,名称,别名,职责,辖区\n1,城管局,,,\n2,住建局,,,\n").await.json();
    assert_eq!(gone["status"], 409);
}
