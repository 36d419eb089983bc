//! What helps a seat besides the draft: likely repeats, incidents, knowledge.

use crate::world::{START, World, bearer};
use qingting_api::{EntryView, Event, IncidentView, RepeatView};
use qingting_common::ids::Party;
use qingting_common::{CallId, Pii, SegmentId, UnixMillis};
use qingting_nlu::draft::{Field, Tag};
use qingting_nlu::incidents::Report;
use qingting_nlu::knowledge::{Import, Index};
use qingting_nlu::table::Table;
use qingting_store::{AuditQuery, FinalSegment, LegRole, Role, SeatRole};
use serde_json::Value;
use uuid::Uuid;

const TABLE: &str = "编号,标题,问法,答案,来源,生效日期,失效日期\n\
    K1,社会保障卡补办,社保卡丢了怎么办,带身份证到网点。,市人社局,2025-01-01,\n\
    K2,社会保障卡激活,社保卡怎么激活,到银行。,市人社局,2020-01-01,2020-12-31\n";

fn knowledge() -> Index {
    let mut import = Import::default();
    import.table(&Table::from_csv("k.csv", TABLE.as_bytes()).unwrap());
    Index::new(import.finish().unwrap())
}

/// A call whose ticket says this.
async fn told(world: &World, fields: &[(Field, &str)]) -> CallId {
    let (call, _) = world.call().await;
    let segment = FinalSegment {
        id: SegmentId::new(Uuid::now_v7()),
        party: Party::Caller,
        start_ms: 0,
        end_ms: 900,
        text: Pii::new("说过".into()),
        raw: Pii::new("说过".into()),
        confidence: 0.9,
    };
    let tag = |(field, value): &(Field, &str)| Tag {
        field: *field,
        value: (*value).into(),
        confidence: 0.9,
        evidence: Vec::new(),
    };
    let tags: Vec<Tag> = fields.iter().map(tag).collect();
    world.store.record_final(call, segment, &tags).await.unwrap();
    call
}

#[tokio::test]
async fn a_question_finds_valid_entries_with_source_and_date() {
    let world = World::new().await;
    let search = |q: &'static str| {
        let path = format!("/api/v1/knowledge?q={q}");
        let world = &world;
        async move { world.admin("GET", &path, "").await }
    };
    // 社保卡丢了怎么补办, 社保卡怎么激活
    let lost = "%E7%A4%BE%E4%BF%9D%E5%8D%A1%E4%B8%A2%E4%BA%86%E6%80%8E%E4%B9%88%E8%A1%A5%E5%8A%9E";
    let activate = "%E7%A4%BE%E4%BF%9D%E5%8D%A1%E6%80%8E%E4%B9%88%E6%BF%80%E6%B4%BB";
    let entries = |answer: Value| answer["entries"].as_array().unwrap().clone();
    assert!(entries(search(lost).await.json()).is_empty(), "there is no knowledge yet");
    world.knowledge.replace(knowledge());
    let found = entries(search(lost).await.json());
    assert_eq!(found[0]["id"], "K1");
    assert_eq!(found[0]["source"], "市人社局");
    assert_eq!(found[0]["valid_from"], "2025-01-01");
    assert_eq!(found[0]["valid_to"], Value::Null);
    let expired = entries(search(activate).await.json());
    assert!(expired.iter().all(|entry| entry["id"] != "K2"), "{expired:?}");
    assert_eq!(search("%20").await.status, 400);
    let many = world.admin("GET", "/api/v1/knowledge?q=a&limit=21", "").await;
    assert_eq!((many.status, many.json()["field"].as_str()), (400, Some("limit")));
    let metrics = bearer(&world.store, Role::Metrics).await;
    assert_eq!(world.ask("GET", "/api/v1/knowledge?q=a", &metrics, "").await.status, 403);
}

#[tokio::test]
async fn repeats_come_with_reasons_to_those_who_may_read_the_call() {
    let world = World::new().await;
    let smoke = [(Field::Place, "阳光花园小区三栋"), (Field::Title, "楼下饭店油烟很大")];
    let before = told(&world, &smoke).await;
    let now = told(&world, &smoke).await;
    let path = format!("/api/v1/calls/{now}/repeats");
    let found = world.admin("GET", &path, "").await.json();
    assert_eq!(found["incident"], Value::Null);
    let repeats = found["repeats"].as_array().unwrap();
    assert_eq!(repeats.len(), 1);
    assert_eq!(repeats[0]["call"], before.to_string());
    assert_eq!(repeats[0]["reasons"][0], "同一来电号码");
    assert_eq!(repeats[0]["title"], "楼下饭店油烟很大");
    let audit =
        world.store.audit_lines(&AuditQuery { limit: 9, ..Default::default() }).await.unwrap();
    assert!(audit.iter().any(|entry| entry.action == "repeats.read"));

    let stranger = world.seat("1001", SeatRole::Seat).await;
    assert_eq!(world.ask("GET", &path, &stranger, "").await.status, 403);
    world.leg(now, 1, LegRole::Seat, "1001", UnixMillis(unix_now())).await;
    assert_eq!(world.ask("GET", &path, &stranger, "").await.status, 200);
    let unknown = format!("/api/v1/calls/{}/repeats", Uuid::now_v7());
    assert_eq!(world.admin("GET", &unknown, "").await.status, 404);
}

#[tokio::test]
async fn an_ambiguous_place_is_shown_with_all_that_it_may_be() {
    let world = World::new().await;
    let location = async |place: &str| {
        let call = told(&world, &[(Field::Place, place)]).await;
        world.admin("GET", &format!("/api/v1/calls/{call}/location"), "").await.json()
    };
    let open = location("朝阳区翠湖小区三栋").await;
    assert_eq!(open["place"], "朝阳区翠湖小区三栋");
    let codes: Vec<&Value> =
        open["divisions"].as_array().unwrap().iter().map(|one| &one["code"]).collect();
    assert_eq!(codes, ["110105", "220104"]);
    let levels: Vec<&Value> =
        open["parts"].as_array().unwrap().iter().map(|part| &part["level"]).collect();
    assert_eq!(levels, ["district", "estate", "building"]);
    assert_eq!((&open["parts"][2]["start"], &open["parts"][2]["end"]), (&7.into(), &9.into()));
    let certain = location("长春市朝阳区翠湖小区").await;
    assert_eq!(certain["divisions"].as_array().unwrap().len(), 1);
    assert_eq!(certain["divisions"][0]["names"][2], "朝阳区");
    let (call, _) = world.call().await;
    let none = world.admin("GET", &format!("/api/v1/calls/{call}/location"), "").await.json();
    assert_eq!((&none["place"], none["divisions"].as_array().unwrap().len()), (&Value::Null, 0));
}

#[allow(clippy::disallowed_methods, reason = "a seat reads calls of today")]
fn unix_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_millis() as i64
}

#[tokio::test]
async fn an_incident_is_told_of_each_of_its_calls() {
    let world = World::new().await;
    let at = UnixMillis(unix_now());
    let mut calls = Vec::new();
    for caller in ["1", "2", "3", "4", "5"] {
        let call = world.call().await.0;
        let report = Report {
            call,
            caller: Some(caller),
            place: "幸福里小区",
            category: None,
            words: "停水了什么时候来水",
            at,
        };
        let incident = world.recent_calls.observe(&report);
        assert_eq!(incident.is_some(), caller == "5");
        calls.push(call);
    }
    let list = world.admin("GET", "/api/v1/incidents", "").await.json();
    assert_eq!(list["incidents"][0]["place"], "幸福里小区");
    assert_eq!(list["incidents"][0]["callers"], 5);
    let of_call =
        world.admin("GET", &format!("/api/v1/calls/{}/repeats", calls[0]), "").await.json();
    assert_eq!(of_call["incident"]["callers"], 5);
    let other = world.call().await.0;
    let of_other = world.admin("GET", &format!("/api/v1/calls/{other}/repeats"), "").await.json();
    assert_eq!(of_other["incident"], Value::Null);
}

#[test]
fn events_carry_what_a_seat_reads() {
    let call = CallId::new(Uuid::nil());
    let entry = EntryView {
        id: "K1".into(),
        title: "社会保障卡补办".into(),
        answer: "带身份证到网点。".into(),
        source: "市人社局".into(),
        valid_from: "2025-01-01".into(),
        valid_to: None,
        unit: None,
        score: 0.9,
    };
    let repeat = RepeatView {
        ticket: "t".into(),
        number: "20260101-000001".into(),
        call: "c".into(),
        status: "draft".into(),
        confidential: false,
        title: None,
        place: None,
        created_at: START.0,
        score: 0.8,
        reasons: vec!["同一来电号码".into()],
    };
    let incident = IncidentView {
        place: "幸福里小区".into(),
        words: vec!["停水".into()],
        callers: 5,
        usual: 0.1,
        since: START.0,
        last: START.0,
    };
    let json = |event: &Event| serde_json::to_value(event).unwrap();
    let knowledge = json(&Event::Knowledge { call, entries: vec![entry] });
    assert_eq!(
        (&knowledge["type"], &knowledge["entries"][0]["source"]),
        (&"knowledge".into(), &"市人社局".into())
    );
    let repeats = json(&Event::Repeats { call, repeats: vec![repeat] });
    assert_eq!(repeats["repeats"][0]["reasons"][0], "同一来电号码");
    let incident = json(&Event::Incident { incident });
    assert_eq!(
        (&incident["type"], &incident["incident"]["callers"]),
        (&"incident".into(), &5.into())
    );
}
