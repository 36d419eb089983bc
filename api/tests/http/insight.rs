//! Counts that reconcile with the lists, and sheets that reconcile with the counts.

use crate::world::{START, World, bearer};
use qingting_common::ids::Party;
use qingting_common::{CallId, Pii, SegmentId, UnixMillis};
use qingting_nlu::draft::{Field, Tag};
use qingting_store::{AuditQuery, Direction, LegRole, NewCall, Role, SeatRole};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use uuid::Uuid;

const DAY_MS: i64 = 86_400_000;

/// A call at that time whose ticket says this.
async fn told(world: &World, at: i64, tags: &[(Field, &str)]) -> CallId {
    let id = CallId::new(Uuid::now_v7());
    let call = NewCall {
        id,
        direction: Direction::Inbound,
        caller: Pii::new("13800138000".into()),
        called: "12345".into(),
        number_name: None,
        enterprise: false,
        dialog: None,
        started_at: UnixMillis(at),
    };
    world.store.begin_call(call).await.unwrap();
    let said = FinalOf("停水了");
    let tag = |(field, value): &(Field, &str)| Tag {
        field: *field,
        value: (*value).to_owned(),
        confidence: 0.9,
        evidence: Vec::new(),
    };
    let tags: Vec<Tag> = tags.iter().map(tag).collect();
    world.store.record_final(id, said.segment(), &tags).await.unwrap();
    id
}

struct FinalOf(&'static str);

impl FinalOf {
    fn segment(&self) -> qingting_store::FinalSegment {
        qingting_store::FinalSegment {
            id: SegmentId::new(Uuid::now_v7()),
            party: Party::Caller,
            start_ms: 0,
            end_ms: 900,
            text: Pii::new(self.0.into()),
            raw: Pii::new(self.0.into()),
            confidence: 0.9,
        }
    }
}

/// Eight quiet weeks and a day on which water is out in one district.
async fn a_city() -> World {
    let world = World::new().await;
    let water = [(Field::Category, "供水/停水"), (Field::Place, "北京市朝阳区三里屯")];
    // Weeks that are not whole in the database are not compared with.
    told(&world, START.0 - DAY_MS, &water).await;
    for week in 1..=8 {
        told(&world, START.0 + (8 - week) * 7 * DAY_MS + 9 * 3_600_000, &water).await;
    }
    let day = START.0 + 56 * DAY_MS;
    for n in 0..7 {
        told(&world, day + 9 * 3_600_000 + n * 1_000, &water).await;
    }
    let seat = told(&world, day + 10 * 3_600_000, &[(Field::Category, "=1+1")]).await;
    world.store.answer_call(seat, UnixMillis(day + 10 * 3_600_000), None).await.unwrap();
    world.leg(seat, 1, LegRole::Seat, "1001", UnixMillis(day + 10 * 3_600_000)).await;
    // The last millisecond of the day, and the first of the next.
    told(&world, day + DAY_MS - 1, &[(Field::Place, "朝阳区")]).await;
    told(&world, day + DAY_MS, &[]).await;
    world
}

fn sum(groups: &Value, column: &str) -> u64 {
    groups.as_array().unwrap().iter().map(|group| group[column].as_u64().unwrap()).sum()
}

#[tokio::test]
async fn all_breakdowns_have_the_sum_that_the_lists_have() {
    let world = a_city().await;
    let answer = world.admin("GET", "/api/v1/insight?from=2026-02-26", "").await;
    assert_eq!(answer.status, 200);
    let insight = answer.json();
    let (from, to) = (insight["from"].as_i64().unwrap(), insight["to"].as_i64().unwrap());
    assert_eq!((from, to), (START.0 + 56 * DAY_MS, START.0 + 57 * DAY_MS));
    let listed = world.admin("GET", &format!("/api/v1/calls?from={from}&to={to}"), "").await.json();
    let calls = listed["calls"].as_array().unwrap().len() as u64;
    let listed = world.admin("GET", "/api/v1/tickets?limit=500", "").await.json();
    let is_inside = |ticket: &&Value| (from..to).contains(&ticket["created_at"].as_i64().unwrap());
    let tickets = listed["tickets"].as_array().unwrap().iter().filter(is_inside).count() as u64;
    assert_eq!((calls, tickets), (9, 9));
    assert_eq!(insight["calls"]["calls"], calls);
    for column in ["calls", "inbound", "taken", "missed", "other", "queued", "in_time"] {
        assert_eq!(sum(&insight["calls_by_hour"], column), insight["calls"][column]);
        assert_eq!(sum(&insight["calls_by_day"], column), insight["calls"][column]);
    }
    assert_eq!(insight["calls"]["taken"], 1);
    assert_eq!(insight["tickets"]["tickets"], tickets);
    let levels = insight["by_category"].as_array().unwrap();
    let breakdowns = ["by_district", "by_unit", "by_kind"].map(|name| &insight[name]);
    for groups in breakdowns.into_iter().chain(levels) {
        for column in ["tickets", "confirmed", "drafts"] {
            assert_eq!(sum(groups, column), insight["tickets"][column], "{groups}");
        }
    }
    // One 朝阳区 is in 北京, the other may be in 长春: that is not certain.
    let districts = &insight["by_district"];
    assert_eq!((&districts[0]["name"], &districts[0]["tickets"]), (&"朝阳区".into(), &7.into()));
    assert_eq!((&districts[1]["name"], &districts[1]["tickets"]), (&Value::Null, &2.into()));
}

#[tokio::test]
async fn a_topic_that_rises_has_its_tickets_behind_it() {
    let world = a_city().await;
    let at = START.0 + 57 * DAY_MS - 1;
    let path = format!("/api/v1/insight/rising?window=day&at={at}");
    let rising = world.admin("GET", &path, "").await.json();
    assert_eq!(rising["weeks"], 8, "{rising}");
    let topics = rising["topics"].as_array().unwrap();
    assert_eq!(topics.len(), 1, "{rising}");
    assert_eq!(topics[0]["category"], "供水/停水");
    assert_eq!(topics[0]["district"], "朝阳区");
    assert_eq!((&topics[0]["tickets"], &topics[0]["expected"]), (&7.into(), &1.0.into()));
    let behind = topics[0]["behind"].as_array().unwrap();
    assert_eq!(behind.len(), 7);
    let ticket = behind[0]["ticket"].as_str().unwrap();
    let ticket = world.admin("GET", &format!("/api/v1/tickets/{ticket}"), "").await.json();
    assert_eq!(ticket["fields"]["category"]["value"], "供水/停水");
    // In the hour around nine of the week before there was the usual one.
    let at = START.0 + 49 * DAY_MS + 34_200_000;
    let path = format!("/api/v1/insight/rising?window=hour&at={at}");
    assert_eq!(world.admin("GET", &path, "").await.json()["topics"], Value::Array(Vec::new()));
    let audit = AuditQuery { limit: 10, ..AuditQuery::default() };
    let lines = world.store.audit_lines(&audit).await.unwrap();
    assert_eq!(lines.iter().filter(|line| line.action == "rising.read").count(), 2);
}

#[tokio::test]
async fn sheets_have_the_counts_and_no_formula() {
    let world = a_city().await;
    let csv = world.admin("GET", "/api/v1/reports/day?date=2026-02-26&format=csv", "").await;
    assert_eq!(csv.status, 200);
    assert!(csv.head.contains("filename=\"day-2026-02-26.csv\""), "{}", csv.head);
    let text = String::from_utf8(csv.body).unwrap();
    let mut sections = text.split("\r\n\"\"\r\n");
    assert!(sections.next().unwrap().contains("2026-02-26"));
    let mut tables = 0;
    for section in sections {
        let rows: Vec<Vec<&str>> =
            section.trim_end().split("\r\n").map(|row| row.split(',').collect()).collect();
        let Some(total) = rows.last().filter(|row| row[0] == "合计") else { continue };
        for column in 1..4 {
            let counts =
                rows[2..rows.len() - 1].iter().map(|row| row[column].parse::<u64>().unwrap());
            assert_eq!(counts.sum::<u64>(), total[column].parse::<u64>().unwrap(), "{section}");
        }
        assert_eq!(total[1], "9", "{section}");
        tables += 1;
    }
    // Hours, districts, three levels of categories, units, kinds.
    assert_eq!(tables, 7, "{text}");
    assert!(text.contains("\r\n'=1+1,1,"), "{text}");
    assert!(text.contains("供水/停水,朝阳区,未填,7,1.00,"), "{text}");

    for (path, begin) in [("week?format=xlsx", b"PK\x03\x04"), ("month?format=pdf", b"%PDF")] {
        let sheet =
            world.admin("GET", &format!("/api/v1/reports/{path}&date=2026-02-26"), "").await;
        assert_eq!(sheet.status, 200, "{path}");
        assert!(sheet.body.starts_with(begin), "{path}");
    }
    let audit = AuditQuery { limit: 10, ..AuditQuery::default() };
    let lines = world.store.audit_lines(&audit).await.unwrap();
    let exported: Vec<_> = lines.iter().filter(|line| line.action == "report.export").collect();
    assert_eq!(exported.len(), 3);
    assert_eq!(exported[0].subject, "month-2026-02-01.pdf");
}

#[tokio::test]
async fn what_is_no_day_is_refused_and_a_missing_font_is_named() {
    let world = World::with(|state| {
        state.report_fonts = Arc::from([PathBuf::from("/nowhere.ttf")]);
    })
    .await;
    for (path, status) in [
        ("insight?from=2026-02-30", 400),
        ("insight?from=2026-2-03", 400),
        ("insight?from=2026-03-02&to=2026-03-01", 400),
        ("insight?from=2020-01-01&to=2026-01-01", 400),
        ("insight?until=2026-01-01", 400),
        ("insight/rising?at=-5", 400),
        ("insight/rising?at=9223372036854775807", 400),
        ("insight/rising?window=year", 400),
        ("reports/year", 404),
        ("reports/day?format=doc", 400),
        ("reports/day?date=today", 400),
        ("reports/day?format=pdf", 409),
        ("insight?from=9999-12-31", 200),
        ("insight/rising?at=0", 200),
        ("reports/month?date=1970-01-01&format=csv", 200),
        ("reports/week?date=9999-12-31&format=csv", 400),
    ] {
        let answer = world.admin("GET", &format!("/api/v1/{path}"), "").await;
        assert_eq!(answer.status, status, "{path}: {}", String::from_utf8_lossy(&answer.body));
        if status == 409 {
            assert!(answer.json()["detail"].as_str().unwrap().contains("fonts-noto-cjk"));
        }
    }
    // Whoever reads may count; a sheet leaves the house.
    let reader = bearer(&world.store, Role::Reader).await;
    let seat = world.seat("1001", SeatRole::Seat).await;
    assert_eq!(world.ask("GET", "/api/v1/insight", &reader, "").await.status, 200);
    assert_eq!(world.ask("GET", "/api/v1/reports/day", &reader, "").await.status, 403);
    assert_eq!(world.ask("GET", "/api/v1/insight", &seat, "").await.status, 403);
}
