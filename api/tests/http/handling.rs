//! A ticket from its confirmation to the archive; what units have to do; what an outer system reports; two who edit.

use crate::callbacks::now;
use crate::world::{Answer, START, World, bearer};
use qingting_api::{City, HandlingRules};
use qingting_nlu::Gazetteer;
use qingting_nlu::draft::Field;
use qingting_nlu::profile::Part;
use qingting_nlu::table::Table;
use qingting_store::{LegRole, Role, SeatRole};
use qingting_tickets::signature::Secrets;
use serde_json::{Value, json};

const SECRET: &str = "ffeeddccbbaa99887766554433221100";
const HOUR_MS: i64 = 3_600_000;

/// A city with two units and a category of 24 hours.
pub(crate) fn city() -> City {
    let table = |part| {
        let text = match part {
            Part::Categories => "编码,上级编码,名称,办理时限（小时）\nA,,市容,\nA2,A,路灯,24\n",
            Part::Units => "编码,名称,别名,职责,辖区\n1,城管局,城管,路灯;市容,\n2,住建局,,房屋,\n",
            _ => return None,
        };
        let file = format!("{}.csv", part.stem());
        Some((part, Table::from_csv(&file, text.as_bytes()).unwrap()))
    };
    City::new(Part::ALL.into_iter().filter_map(table), Gazetteer::empty()).unwrap()
}

/// A ticket system of its own.
pub(crate) fn rules() -> HandlingRules {
    HandlingRules {
        campaign_of_closed: Some("九月".into()),
        reporter: Some(Secrets::parse(SECRET).unwrap()),
    }
}

/// A confirmed ticket about street lights: its path.
pub(crate) async fn confirmed(world: &World) -> String {
    let (_, ticket) = world.call().await;
    let edits = vec![
        (Field::Title, "路灯不亮".to_owned()),
        (Field::Category, "市容/路灯".to_owned()),
        (Field::Phone, "13900139000".to_owned()),
    ];
    world.store.edit_ticket(ticket, 0, edits, "1001").await.unwrap();
    world.store.confirm_ticket(ticket, 1, "1001").await.unwrap();
    format!("/api/v1/tickets/{ticket}")
}

pub(crate) async fn step(world: &World, path: &str, revision: i64, more: Value) -> Answer {
    let mut body = more;
    body["revision"] = json!(revision);
    world.admin("POST", &format!("{path}/steps"), &body.to_string()).await
}

async fn list(world: &World, query: &str) -> usize {
    let page = world.admin("GET", &format!("/api/v1/tickets?{query}"), "").await;
    assert_eq!(page.status, 200, "{query}");
    page.json()["tickets"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_ticket_goes_from_its_confirmation_to_the_archive_and_keeps_who_did_what() {
    let world = World::new().await;
    let path = confirmed(&world).await;
    let accepted = world.admin("GET", &path, "").await.json();
    assert_eq!(accepted["handling"]["stage"], "accepted");
    assert_eq!(accepted["handling"]["steps"], json!(["dispatch", "supervise", "close"]));

    let (before, unit) = (now().0, json!({ "step": "dispatch", "unit": "城管局" }));
    let dispatched = step(&world, &path, 2, unit).await;
    assert_eq!(dispatched.status, 200);
    assert!(dispatched.head.contains("etag: \"3\""), "{}", dispatched.head);
    let is = &dispatched.json()["handling"];
    let due = is["deadline"].as_i64().unwrap() - 24 * HOUR_MS;
    assert!((before..=now().0).contains(&due), "24 hours after the dispatch: {due}");
    assert_eq!((&is["unit"], &is["overdue"]), (&json!("城管局"), &json!(false)));

    // Somebody else was first; what is not of this stage; what is missing.
    assert_eq!(step(&world, &path, 2, json!({ "step": "sign" })).await.status, 409);
    let if_match = format!("{}If-Match: \"2\"\r\n", world.admin);
    let stale = world.ask("POST", &format!("{path}/steps"), &if_match, r#"{"step":"sign"}"#).await;
    assert_eq!((stale.status, &stale.json()["current_revision"]), (412, &json!(3)));
    let early = step(&world, &path, 3, json!({ "step": "archive" })).await;
    assert_eq!((early.status, &early.json()["field"]), (409, &json!("step")));
    for (body, field) in [
        (json!({ "step": "return" }), "note"),
        (json!({ "step": "extend", "note": "等材料" }), "deadline"),
        (json!({ "step": "extend", "note": "等材料", "deadline": 1 }), "deadline"),
        (json!({ "step": "satisfied" }), "step"),
        (json!({ "step": "supervise", "note": "长".repeat(2_001) }), "note"),
    ] {
        let refused = step(&world, &path, 3, body.clone()).await;
        assert_eq!((refused.status, &refused.json()["field"]), (422, &json!(field)), "{body}");
    }
    let unmarked = world.admin("POST", &format!("{path}/steps"), r#"{"step":"sign"}"#).await;
    assert_eq!(unmarked.status, 428);

    let supervised =
        step(&world, &path, 3, json!({ "step": "supervise", "note": "领导批示" })).await;
    assert_eq!(supervised.json()["handling"]["supervised"], true);
    assert_eq!(step(&world, &path, 4, json!({ "step": "sign" })).await.status, 200);
    let close = json!({ "step": "close", "note": "已更换灯泡" });
    let closed = step(&world, &path, 5, close).await.json();
    // There is no such campaign: nobody is asked, and a person archives it.
    assert_eq!(closed["handling"]["stage"], "closed");
    assert!(closed["closed_at"].as_i64().is_some());
    assert_eq!(step(&world, &path, 6, json!({ "step": "archive" })).await.status, 200);

    let history = world.admin("GET", &format!("{path}/history"), "").await.json();
    let steps: Vec<_> = history["steps"].as_array().unwrap().iter().collect();
    let told: Vec<_> = steps.iter().map(|it| it["step"].as_str().unwrap()).collect();
    assert_eq!(told, ["dispatch", "supervise", "sign", "close", "archive"]);
    assert_eq!((&steps[3]["note"], &steps[3]["by"]), (&json!("已更换灯泡"), &json!("a admin")));
    let revisions = history["revisions"].as_array().unwrap();
    assert_eq!(revisions[1]["changes"]["title"], "路灯不亮");
    assert_eq!((&revisions[1]["by"], &revisions[2]["revision"]), (&json!("1001"), &json!(2)));

    // Whoever confirmed it and lost the answer hears the same again.
    let again = world.admin("POST", &format!("{path}/confirm"), r#"{"revision":1}"#).await;
    assert_eq!(again.status, 200);
}

#[tokio::test]
async fn tickets_are_listed_by_where_they_are_and_counted_by_unit() {
    let world = World::new().await;
    let (first, second) = (confirmed(&world).await, confirmed(&world).await);
    world.call().await;
    let unit = |unit: &str| json!({ "step": "dispatch", "unit": unit });
    step(&world, &first, 2, unit("城管局")).await;
    step(&world, &first, 3, json!({ "step": "supervise", "note": "批示" })).await;
    assert_eq!(list(&world, "stage=dispatched").await, 1);
    assert_eq!(list(&world, "stage=accepted").await, 1, "a draft is not accepted");
    assert_eq!(list(&world, "unit=%E5%9F%8E%E7%AE%A1%E5%B1%80&supervised=true").await, 1);
    assert_eq!(list(&world, "supervised=false").await, 1);
    assert_eq!(list(&world, "overdue=true").await, 0);
    assert_eq!(list(&world, &format!("due_before={}", i64::MAX)).await, 1);
    // Together with words.
    assert_eq!(list(&world, "text=%E8%B7%AF%E7%81%AF&stage=dispatched").await, 1);
    assert_eq!(list(&world, "text=%E8%B7%AF%E7%81%AF&stage=closed").await, 0);
    step(&world, &second, 2, unit("住建局")).await;
    let units = world.admin("GET", "/api/v1/tickets/open-by-unit", "").await.json();
    let of = |name: &str| {
        let all = units["units"].as_array().unwrap();
        all.iter().find(|it| it["unit"] == name).cloned().unwrap_or_default()
    };
    let first = json!({ "unit": "城管局", "open": 1, "overdue": 0, "supervised": 1 });
    assert_eq!((of("城管局"), &of("住建局")["open"]), (first, &json!(1)));
    for (query, field) in [("stage=draft", "stage"), ("overdue=x", "overdue")] {
        let refused = world.admin("GET", &format!("/api/v1/tickets?{query}"), "").await;
        assert_eq!((refused.status, &refused.json()["field"]), (400, &json!(field)));
    }
}

#[tokio::test]
async fn units_and_categories_of_the_profile_are_suggested() {
    let world = World::new().await;
    let units = world.admin("GET", "/api/v1/units?text=%E8%B7%AF%E7%81%AF", "").await.json();
    assert_eq!(units["units"].as_array().unwrap().len(), 1);
    assert_eq!(units["units"][0]["name"], "城管局");
    let path = "/api/v1/categories?text=%E8%B7%AF%E7%81%AF";
    let categories = world.admin("GET", path, "").await.json();
    let expected = json!({ "code": "A2", "path": "市容/路灯", "deadline_hours": 24 });
    assert_eq!(categories["categories"], json!([expected]));
    assert_eq!(world.admin("GET", "/api/v1/units?limit=501", "").await.status, 400);
    let long = format!("/api/v1/units?text={}", "a".repeat(101));
    assert_eq!(world.admin("GET", &long, "").await.status, 400);
}

#[tokio::test]
async fn a_seat_dispatches_its_own_ticket_and_does_no_more() {
    let world = World::new().await;
    let path = confirmed(&world).await;
    let ticket = world.admin("GET", &path, "").await.json();
    let call = ticket["call"].as_str().unwrap().parse().unwrap();
    let seat = world.seat("1001", SeatRole::Seat).await;
    let dispatch = json!({ "step": "dispatch", "unit": "城管局", "revision": 2 }).to_string();
    let steps = format!("{path}/steps");
    assert_eq!(world.ask("POST", &steps, &seat, &dispatch).await.status, 403, "another's");
    world.leg(call, 1, LegRole::Seat, "1001", now()).await;
    assert_eq!(world.ask("POST", &steps, &seat, &dispatch).await.status, 200);
    let sign = json!({ "step": "sign", "revision": 3 }).to_string();
    assert_eq!(world.ask("POST", &steps, &seat, &sign).await.status, 403);
    let operator = bearer(&world.store, Role::Operator).await;
    assert_eq!(world.ask("POST", &steps, &operator, &sign).await.status, 200);
    let history = world.ask("GET", &format!("{path}/history"), &seat, "").await.json();
    assert_eq!(history["steps"][0]["by"], "1001");
}

async fn report(world: &World, events: &Value) -> Answer {
    let body = events.to_string();
    let secrets = Secrets::parse(SECRET).unwrap();
    let signed = secrets.sign(body.as_bytes(), now());
    let headers = format!(
        "X-Qingting-Timestamp: {}\r\nX-Qingting-Signature: {}\r\n",
        signed.timestamp, signed.signature
    );
    world.ask("POST", "/api/v1/tickets/events", &headers, &body).await
}

#[tokio::test]
async fn an_outer_ticket_system_reports_steps_and_each_counts_once() {
    let world = World::new().await;
    let path = confirmed(&world).await;
    let number = world.admin("GET", &path, "").await.json()["number"].clone();
    let event = |id: &str, step: &str| {
        json!({ "event_id": id, "ticket": number, "step": step, "unit": "城管局",
            "at": START.0, "note": "已处理" })
    };
    let unknown = json!({ "event_id": "e9", "ticket": "X", "step": "sign", "at": 1 });
    let events =
        json!([event("e1", "dispatch"), event("e3", "close"), event("e2", "sign"), unknown]);
    let came = report(&world, &events).await.json();
    assert_eq!((&came["taken"], &came["known"]), (&json!(2), &json!(0)));
    let refused: Vec<_> =
        came["refused"].as_array().unwrap().iter().map(|it| it["event_id"].clone()).collect();
    assert_eq!(refused, ["e3", "e9"]);
    // What came too early comes again, with what was lost on the way.
    let came = report(&world, &events).await.json();
    assert_eq!((&came["taken"], &came["known"]), (&json!(1), &json!(2)));
    let is = world.admin("GET", &path, "").await.json();
    assert_eq!((&is["handling"]["stage"], &is["closed_at"]), (&json!("closed"), &json!(START.0)));
    let history = world.admin("GET", &format!("{path}/history"), "").await.json();
    assert_eq!(history["steps"][2]["by"], "ticket-system");
    // It is not told what it has said.
    let messages = world.admin("GET", "/api/v1/outbox?limit=500", "").await.json();
    let told = messages["messages"].as_array().unwrap().iter();
    assert_eq!(told.filter(|it| it["kind"] == "ticket.handling").count(), 0);

    let many = json!(vec![event("e", "sign"); 501]);
    assert_eq!(report(&world, &many).await.status, 422);
    // What is wrong is told by place and field, and keeps no other from counting.
    let mut late = event("e6", "archive");
    late["at"] = json!(now().0 + 2 * 86_400_000);
    let mut dated = event("e7", "archive");
    dated["at"] = json!("2026-01-01");
    let mixed = json!([
        event("e5", "satisfied"),
        event("e51", "finish"),
        late,
        dated,
        event("", "sign"),
        5,
        json!({ "event_id": "e8", "step": "sign", "at": 1 }),
        event("e10", "archive"),
    ]);
    let came = report(&world, &mixed).await;
    assert_eq!((came.status, &came.json()["taken"]), (200, &json!(1)), "{}", came.json());
    let told: Vec<_> = came.json()["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["place"].as_u64().unwrap(), it["field"].as_str().unwrap().to_owned()))
        .collect();
    let fields = ["step", "step", "at", "at", "event_id", "", ""];
    let expected: Vec<_> = (0..).zip(fields.map(str::to_owned)).collect();
    assert_eq!(told, expected);
    let came = came.json();
    assert!(came["refused"][1]["detail"].as_str().unwrap().contains("dispatch, sign, return"));
    assert!(came["refused"][6]["detail"].as_str().unwrap().contains("`ticket`"));
}

/// Of two seats that have the same ticket open.
#[tokio::test]
async fn two_who_edit_one_ticket_lose_nothing() {
    let world = World::new().await;
    let (_, ticket) = world.call().await;
    let path = format!("/api/v1/tickets/{ticket}");
    let edit = |fields: Value| json!({ "revision": 0, "fields": fields }).to_string();
    // Other fields: both stay, though both saw the ticket as it was before either.
    let first = world.admin("PATCH", &path, &edit(json!({ "place": "翠湖小区" }))).await;
    let second = world.admin("PATCH", &path, &edit(json!({ "title": "路灯不亮" }))).await;
    assert_eq!((first.status, second.status), (200, 200));
    // The same field: the second is told, and nothing of what it sent is written.
    let both = json!({ "place": "幸福小区", "respondent": "物业" });
    let conflict = world.admin("PATCH", &path, &edit(both.clone())).await;
    assert_eq!((conflict.status, &conflict.json()["current_revision"]), (409, &json!(2)));
    let is = world.admin("GET", &path, "").await.json();
    assert_eq!(is["fields"]["place"]["value"], "翠湖小区");
    assert_eq!(is["fields"]["title"]["value"], "路灯不亮");
    assert!(is["fields"].get("respondent").is_none(), "{is}");
    // Having looked, it decides: then its words count.
    let decided = json!({ "revision": 2, "fields": both }).to_string();
    let decided = world.admin("PATCH", &path, &decided).await.json();
    assert_eq!(decided["fields"]["place"]["value"], "幸福小区");
    assert_eq!(decided["fields"]["title"]["value"], "路灯不亮");
    // Both values and who wrote them are in the history.
    let history = world.admin("GET", &format!("{path}/history"), "").await.json();
    let places: Vec<_> = history["revisions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["changes"]["place"].as_str())
        .collect();
    assert_eq!(places, ["翠湖小区", "幸福小区"]);
}

#[tokio::test]
async fn a_ticket_tells_the_number_that_called_to_who_may_see_it() {
    let world = World::new().await;
    let path = confirmed(&world).await;
    let ticket = world.admin("GET", &path, "").await.json();
    let call = ticket["call"].as_str().unwrap().to_owned();
    let caller =
        world.admin("GET", &format!("/api/v1/calls/{call}"), "").await.json()["caller"].clone();
    assert_eq!(ticket["caller"], caller);
    let is_whole =
        caller.as_str().is_some_and(|number| !number.is_empty() && !number.contains('*'));
    assert!(is_whole, "{caller}");
    let after =
        step(&world, &path, 2, json!({ "step": "dispatch", "unit": "城管局" })).await.json();
    assert_eq!(after["caller"], caller);
    let reader = bearer(&world.store, Role::Reader).await;
    let masked = world.ask("GET", &path, &reader, "").await.json();
    assert!(masked["caller"].as_str().unwrap().contains('*'), "{}", masked["caller"]);
    let listed = world.admin("GET", "/api/v1/tickets", "").await.json();
    assert_eq!(listed["tickets"][0]["caller"], Value::Null);
}

#[tokio::test]
async fn a_unit_is_known_by_its_whole_name_from_the_profile_people_and_tickets() {
    let world = World::with(|state| state.city = std::sync::Arc::new(city())).await;
    let known = async |name: &str| {
        let path = format!("/api/v1/units?text={name}&limit=1");
        world.admin("GET", &path, "").await.json()["known"].clone()
    };
    let (office, alias, water) =
        ("%E5%9F%8E%E7%AE%A1%E5%B1%80", "%E5%9F%8E%E7%AE%A1", "%E6%B0%B4%E5%8A%A1");
    assert_eq!(known(office).await, true);
    assert_eq!((known(alias).await, known("").await), (json!(false), json!(false)));
    assert_eq!(known(water).await, false);
    let path = confirmed(&world).await;
    assert_eq!(
        step(&world, &path, 2, json!({ "step": "dispatch", "unit": "水务" })).await.status,
        200
    );
    assert_eq!(known(water).await, true);
}
