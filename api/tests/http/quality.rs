//! Quality checks: sums that reconcile with the list, a person's word, a seat's own results, and the waveform.

use crate::world::{START, World, bearer};
use qingting_api::PlainWav;
use qingting_common::{CallId, Pii, UnixMillis};
use qingting_nlu::quality::{Checked, Finding, Kind, Measures};
use qingting_store::{
    AuditQuery, CallEnd, CheckedCall, Direction, LegRole, NewCall, RecordingEnd, RecordingInfo,
    RecordingKey, RecordingKind, Role, SeatRole,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

fn finding(kind: Kind, seat: &str, from_ms: u64, points: u32) -> Finding {
    Finding {
        kind,
        seat: seat.into(),
        when: from_ms..from_ms + 1_000,
        measured: 1_000,
        phrase: String::new(),
        quote: Pii::new("这个不归我们管".into()),
        confidence: 0.9,
        points,
    }
}

/// A call that the seat answered at that time, checked with these findings.
pub(crate) async fn checked(
    world: &World,
    seat: &str,
    at: UnixMillis,
    findings: Vec<Finding>,
) -> CallId {
    let call = CallId::new(Uuid::now_v7());
    let begins = NewCall {
        id: call,
        direction: Direction::Inbound,
        caller: Pii::new("13800138000".into()),
        called: "12345".into(),
        number_name: None,
        enterprise: false,
        dialog: None,
        started_at: at,
    };
    world.store.begin_call(begins).await.unwrap();
    world.store.answer_call(call, at, None).await.unwrap();
    world.leg(call, 1, LegRole::Seat, seat, at).await;
    let end = CallEnd {
        id: call,
        ended_at: UnixMillis(at.0 + 60_000),
        hung_up_by: "caller".into(),
        cause: "caller_hung_up".into(),
        sip_code: None,
        answered: true,
        recording: RecordingEnd::Nothing,
        quality: None,
        missed: None,
    };
    world.store.end_call(end).await.unwrap();
    world.store.captions_closed(call).await.unwrap();
    put(world, findings).await;
    call
}

/// What the check of all that waits comes to.
pub(crate) async fn put(world: &World, findings: Vec<Finding>) {
    let measures = Measures { heard: true, talk_ms: 60_000, ..Measures::default() };
    let checked = Checked { measures, findings };
    let claimed = world.store.claim_quality(9, Duration::from_secs(60)).await.unwrap();
    let all = claimed.into_iter().map(|of| CheckedCall { of, checked: checked.clone() });
    world.store.put_quality(all.collect()).await.unwrap();
}

async fn some(world: &World) -> [CallId; 3] {
    let rude = |seat| {
        vec![finding(Kind::Greeting, seat, 0, 10), finding(Kind::Forbidden, seat, 9_000, 20)]
    };
    [
        checked(world, "1001", START, rude("1001")).await,
        checked(world, "1002", START, rude("1002")).await,
        checked(world, "1002", START, Vec::new()).await,
    ]
}

#[tokio::test]
async fn sums_are_those_of_the_list_and_a_rejected_finding_costs_nothing() {
    let world = World::new().await;
    let [call, ..] = some(&world).await;
    let chief = world.seat("1012", SeatRole::Supervisor).await;
    let mut listed: Vec<Value> = Vec::new();
    let mut path = "/api/v1/quality?limit=3".to_owned();
    loop {
        let page = world.ask("GET", &path, &chief, "").await;
        assert_eq!(page.status, 200);
        let page = page.json();
        listed.extend(page["findings"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/quality?limit=3&before={next}");
    }
    assert_eq!(listed.len(), 4);
    let of_call = format!("/api/v1/calls/{call}/quality");
    let one = world.ask("GET", &of_call, &chief, "").await.json();
    assert_eq!((&one["score"], &one["measures"]["heard"]), (&json!(70), &json!(true)));
    assert_eq!(one["sums"][1]["points"], 20);
    let id = one["findings"][1]["id"].as_str().unwrap();
    assert_eq!(one["findings"][1]["quote"], "这个不归我们管");
    let review = format!("{of_call}/{id}/review");
    let body = json!({"verdict": "reject", "remark": "引用市民的话"}).to_string();
    let answer = world.ask("POST", &review, &format!("{chief}If-Match: \"0\"\r\n"), &body).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    assert!(answer.head.contains("etag: \"1\""), "{}", answer.head);
    assert_eq!(
        (&answer.json()["state"], &answer.json()["reviewed_by"]),
        (&json!("rejected"), &json!("1012"))
    );
    assert_eq!(world.ask("GET", &of_call, &chief, "").await.json()["score"], 90);
    // Who comes later is told so.
    let late = world.ask("POST", &review, &format!("{chief}If-Match: \"0\"\r\n"), &body).await;
    assert_eq!((late.status, late.json()["current_revision"].clone()), (412, json!(1)));
    let late = json!({"verdict": "confirm", "revision": 0}).to_string();
    assert_eq!(world.ask("POST", &review, &chief, &late).await.status, 409);

    for (query, count) in [
        ("", 4),
        ("?seat=1002", 2),
        ("?kind=forbidden", 2),
        ("?state=rejected", 1),
        ("?state=proposed&seat=1001", 1),
        (&format!("?to={}", START.0), 0),
    ] {
        let sums = world.ask("GET", &format!("/api/v1/quality/summary{query}"), &chief, "").await;
        let sums = sums.json();
        let list = world.ask("GET", &format!("/api/v1/quality{query}"), &chief, "").await.json();
        let list = list["findings"].as_array().unwrap();
        assert_eq!((list.len(), &sums["findings"]), (count, &json!(count)), "{query}");
        for groups in ["by_kind", "by_seat"] {
            for column in ["findings", "proposed", "confirmed", "rejected"] {
                let groups = sums[groups].as_array().unwrap();
                let sum: u64 = groups.iter().map(|group| group[column].as_u64().unwrap()).sum();
                assert_eq!(sums[column], sum, "{query} {column}");
            }
        }
    }
    let sums = world.ask("GET", "/api/v1/quality/summary", &chief, "").await.json();
    assert_eq!(
        (&sums["calls"], &sums["score"], &sums["waiting"]),
        (&json!(3), &json!(86.7), &json!(0))
    );
    let reviews = AuditQuery { limit: 50, ..AuditQuery::default() };
    let reviews = world.store.audit_lines(&reviews).await.unwrap();
    let summed = reviews.iter().filter(|line| line.action == "quality.summary");
    let summed: Vec<_> = summed.map(|line| (line.by.as_str(), line.subject.as_str())).collect();
    assert!(summed.contains(&("1012", "all")), "{summed:?}");
    assert!(summed.contains(&("1012", "seat=1001&state=proposed")), "{summed:?}");
    let review = reviews.iter().find(|line| line.action == "quality.review").unwrap();
    assert_eq!(
        (review.by.as_str(), review.subject.clone()),
        ("1012", format!("{call} {id} rejected"))
    );
}

#[tokio::test]
async fn a_seat_has_its_own_results_and_masked_roles_no_words() {
    let world = World::new().await;
    let seat = world.seat("1001", SeatRole::Seat).await;
    let old = checked(&world, "1001", START, vec![finding(Kind::Pace, "1001", 0, 5)]).await;
    let today = today();
    let call = checked(&world, "1001", today, Vec::new()).await;
    let shared = vec![finding(Kind::Pace, "1001", 0, 5), finding(Kind::Silence, "1002", 9_000, 5)];
    let shared = checked(&world, "1001", today, shared).await;
    let get = |path: String| world.ask("GET", path.leak(), &seat, "");
    assert_eq!(get(format!("/api/v1/calls/{old}/quality")).await.status, 403, "not of today");
    assert_eq!(get(format!("/api/v1/calls/{call}/quality")).await.json()["score"], 100);
    let own = get(format!("/api/v1/calls/{shared}/quality")).await.json();
    assert_eq!(own["findings"].as_array().unwrap().len(), 1, "another's is another's: {own}");
    let sums = get("/api/v1/quality/summary?seat=1002".into()).await.json();
    assert_eq!((&sums["by_seat"][0]["seat"], &sums["findings"]), (&json!("1001"), &json!(2)));
    let review = format!(
        "/api/v1/calls/{shared}/quality/{}/review",
        own["findings"][0]["id"].as_str().unwrap()
    );
    assert_eq!(world.ask("POST", &review, &seat, r#"{"verdict":"reject"}"#).await.status, 403);
    let list = get("/api/v1/quality?from=0".into()).await.json();
    let calls: Vec<_> = list["findings"].as_array().unwrap().iter().map(|of| &of["call"]).collect();
    assert_eq!(calls, [&json!(shared.to_string())], "of today, and its own");

    let reader = bearer(&world.store, Role::Reader).await;
    let masked = world.ask("GET", "/api/v1/quality", &reader, "").await.json();
    assert_eq!(masked["findings"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&masked["findings"][0]["quote"], &masked["findings"][0]["remark"]),
        (&Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn what_is_not_understood_is_refused() {
    let world = World::new().await;
    let [call, ..] = some(&world).await;
    let nil = Uuid::nil();
    for (path, status) in [
        ("quality?kind=rude".to_owned(), 400),
        ("quality?state=open".into(), 400),
        ("quality?before=x".into(), 400),
        ("quality?limit=0".into(), 400),
        (format!("quality?seat={}", "1".repeat(51)), 400),
        ("quality/summary?limit=5".into(), 400),
        ("quality?from=-9223372036854775808&to=9223372036854775807".into(), 200),
        (format!("quality?before={}.{nil}", i64::MAX), 200),
        (format!("calls/{nil}/quality"), 404),
        (format!("calls/{call}/peaks"), 404),
        (format!("calls/{call}/peaks?points=0"), 400),
        (format!("calls/{call}/peaks?points=4001"), 400),
    ] {
        let answer = world.admin("GET", &format!("/api/v1/{path}"), "").await;
        assert_eq!(answer.status, status, "{path}: {}", String::from_utf8_lossy(&answer.body));
    }
    let long = json!({"verdict": "confirm", "remark": "好".repeat(501)}).to_string();
    let one = world.admin("GET", &format!("/api/v1/calls/{call}/quality"), "").await.json();
    let id = one["findings"][0]["id"].as_str().unwrap().to_owned();
    for (finding, body, status) in [
        (nil.to_string(), r#"{"verdict":"confirm"}"#, 404),
        ("x".into(), r#"{"verdict":"confirm"}"#, 400),
        (id.clone(), r#"{"verdict":"maybe"}"#, 422),
        (id.clone(), r#"{"verdict":"confirm","by":"me"}"#, 422),
        (id.clone(), &long, 422),
        (id, "{\"verdict\":\"confirm\",\"remark\":\"\\u0000\"}", 422),
    ] {
        let path = format!("/api/v1/calls/{call}/quality/{finding}/review");
        let answer = world.admin("POST", &path, body).await;
        assert_eq!(answer.status, status, "{body}: {}", String::from_utf8_lossy(&answer.body));
    }
}

#[tokio::test]
async fn a_waveform_is_of_both_sides_and_is_audited() {
    let world = World::with(|state| state.audio = Arc::new(PlainWav)).await;
    let call = checked(&world, "1001", START, Vec::new()).await;
    let mut wav =
        b"RIFF....WAVEfmt \x10\0\0\0\x01\0\x02\0\x40\x1f\0\0\0\x7d\0\0\x04\0\x10\0data...."
            .to_vec();
    for n in 0..8_000_u16 {
        let citizen = if n < 4_000 { 16_384_i16 } else { 0 };
        wav.extend(citizen.to_le_bytes());
        wav.extend((-8_192_i16).to_le_bytes());
    }
    std::fs::write(world.dir.path().join("recordings/w.wav"), wav).unwrap();
    let info = RecordingInfo { file: "w.wav".into(), ..RecordingInfo::default() };
    let key = RecordingKey { call, kind: RecordingKind::Mix, slot: 0, seq: 0 };
    world.store.describe_recording(key, info).await.unwrap();
    let path = format!("/api/v1/calls/{call}/peaks?points=4");
    for _ in 0..2 {
        let answer = world.admin("GET", &path, "").await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        let expected = json!({"duration_ms": 1_000, "citizen": [500, 500, 0, 0],
            "others": [250, 250, 250, 250]});
        assert_eq!(answer.json(), expected);
    }
    let lines = AuditQuery { limit: 50, ..AuditQuery::default() };
    let lines = world.store.audit_lines(&lines).await.unwrap();
    let read = lines.iter().filter(|line| line.action == "recording.peaks");
    assert_eq!(
        read.map(|line| line.subject.clone()).collect::<Vec<_>>(),
        [call.to_string(), call.to_string()]
    );
    world.store.recording_deleted(key, "retention").await.unwrap();
    assert_eq!(world.admin("GET", &path, "").await.status, 410);
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "it measures")]
async fn the_waveform_of_an_hour_comes_in_time() {
    let world = World::with(|state| state.audio = Arc::new(PlainWav)).await;
    let call = checked(&world, "1001", START, Vec::new()).await;
    let path = world.dir.path().join("recordings/hour.wav");
    let head = b"RIFF....WAVEfmt \x10\0\0\0\x01\0\x02\0\x40\x1f\0\0\0\x7d\0\0\x04\0\x10\0data....";
    std::fs::write(&path, head).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(44 + 3_600 * 8_000 * 4).unwrap();
    let key = RecordingKey { call, kind: RecordingKind::Mix, slot: 0, seq: 0 };
    let info = RecordingInfo { file: "hour.wav".into(), ..RecordingInfo::default() };
    world.store.describe_recording(key, info).await.unwrap();
    let path = format!("/api/v1/calls/{call}/peaks?points=1000");
    let mut took = Vec::new();
    for _ in 0..2 {
        let began = std::time::Instant::now();
        // It has its deadline.
        let answer = world.admin("GET", &path, "").await;
        took.push(began.elapsed());
        assert_eq!(answer.json()["duration_ms"], 3_600_000);
        assert_eq!(answer.json()["citizen"].as_array().unwrap().len(), 1_000);
    }
    println!("the waveform of an hour: {:?}, and again {:?}", took[0], took[1]);
}

#[allow(clippy::disallowed_methods, reason = "a seat reads calls of today")]
fn today() -> UnixMillis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    UnixMillis(i64::try_from(since.as_millis()).unwrap())
}
