//! What is kept of calls: details, the table, the vCon, recordings, and the duty list.

use crate::world::{START, World, bearer};
use qingting_common::ids::Party;
use qingting_common::{CallId, Pii, SegmentId, UnixMillis};
use qingting_store::{
    AuditQuery, CallEnd, CallEvent, CallRoute, FinalSegment, LegEnd, LegRef, LegRole, MediaQuality,
    MissedEnd, RecordingEnd, RecordingInfo, RecordingKey, RecordingKind, Role, SeatRole,
};
use serde_json::{Value, json};
use uuid::Uuid;

/// A WAV header of that many channels, as far as anybody looks, and some audio.
fn wav(channels: u8) -> Vec<u8> {
    let mut bytes = b"RIFF....WAVEfmt ......................".to_vec();
    (bytes[22], bytes[23]) = (channels, 0);
    bytes.extend((0..200_000u32).map(|n| n as u8));
    bytes
}

/// A call with a seat, an expert, a timeline, words, a mix and an "encrypted" track, over.
async fn finished(world: &World) -> CallId {
    let (call, _) = world.call().await;
    let store = &world.store;
    let at = |ms: i64| UnixMillis(START.0 + ms);
    let route = CallRoute {
        queue: Some("综合".into()),
        queue_wait_ms: Some(7_500),
        enterprise: Some(true),
    };
    store.route_call(call, route).await.unwrap();
    store.answer_call(call, at(1_000), Some("mix.wav".into())).await.unwrap();
    world.leg(call, 1, LegRole::Seat, "1001", at(8_500)).await;
    world.leg(call, 2, LegRole::Expert, "88880001", at(20_000)).await;
    let event = CallEvent {
        at: at(2_000),
        kind: "queued".into(),
        detail: Pii::new(json!({ "queue": "综合" })),
    };
    store.call_event(call, event).await.unwrap();
    let said = FinalSegment {
        id: SegmentId::new(Uuid::now_v7()),
        party: Party::Caller,
        start_ms: 0,
        end_ms: 900,
        text: Pii::new("路灯不亮。".into()),
        raw: Pii::new("嗯路灯不亮".into()),
        confidence: 0.9,
    };
    store.record_final(call, said, &[]).await.unwrap();
    let folder = world.dir.path().join("recordings");
    std::fs::write(folder.join("mix.wav"), wav(2)).unwrap();
    let turned: Vec<u8> = wav(1).iter().map(|byte| !byte).collect();
    std::fs::write(folder.join("seat.qtr"), turned).unwrap();
    let track = RecordingInfo {
        file: "seat.qtr".into(),
        key_id: Some("k1".into()),
        chain_head: Some("00ff".into()),
        duration_ms: Some(50_000),
        bytes: Some(9),
        ..RecordingInfo::default()
    };
    let leg = LegEnd {
        leg: LegRef { call, slot: 1, seq: 0 },
        at: at(58_500),
        hung_up_by: "peer".into(),
        cause: "hung_up".into(),
        sip_code: None,
        quality: Some(MediaQuality { mos: Some(4.25), ..MediaQuality::default() }),
        track: Some(track),
    };
    store.leg_ended(leg).await.unwrap();
    let mix = RecordingInfo {
        file: "mix.wav".into(),
        duration_ms: Some(60_000),
        bytes: Some(1),
        ..RecordingInfo::default()
    };
    store
        .end_call(CallEnd {
            id: call,
            ended_at: at(61_000),
            hung_up_by: "caller".into(),
            cause: "caller_hung_up".into(),
            sip_code: None,
            answered: true,
            recording: RecordingEnd::Made(mix),
            quality: Some(MediaQuality { mos: Some(4.1), ..MediaQuality::default() }),
            missed: None,
        })
        .await
        .unwrap();
    call
}

async fn audited(world: &World, action: &str) -> Vec<(String, String)> {
    let query = AuditQuery { limit: 99, subject: None, before: None };
    let lines = world.store.audit_lines(&query).await.unwrap();
    let lines = lines.into_iter().filter(|line| line.action == action);
    lines.map(|line| (line.by, line.subject)).collect()
}

#[tokio::test]
async fn a_call_shows_its_legs_its_timeline_and_its_recordings() {
    let world = World::new().await;
    let call = finished(&world).await;
    let view = world.admin("GET", &format!("/api/v1/calls/{call}"), "").await.json();
    assert_eq!((&view["seat"], &view["queue_wait_ms"]), (&json!("1001"), &json!(7_500)));
    assert_eq!((&view["quality"]["mos"], &view["direction"]), (&json!(4.1), &json!("inbound")));
    let legs = view["legs"].as_array().unwrap();
    let roles: Vec<_> = legs.iter().map(|leg| leg["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["citizen", "seat", "expert"]);
    assert_eq!(legs[1]["quality"]["mos"], 4.25);
    assert_eq!(view["events"][0]["detail"], json!({ "queue": "综合" }));
    let recordings = view["recordings"].as_array().unwrap();
    assert_eq!((&recordings[0]["kind"], &recordings[1]["track"]), (&json!("mix"), &json!("1.0")));
    assert_eq!(
        (&recordings[1]["encrypted"], &recordings[1]["chain_head"]),
        (&json!(true), &json!("00ff"))
    );
    assert!(!view.to_string().contains("seat.qtr"));

    world.admin("GET", "/api/v1/calls?from=1&queue=%E7%BB%BC%E5%90%88&seat=1001", "").await;
    world.admin("GET", "/api/v1/calls", "").await;
    let lines: Vec<_> = audited(&world, "call.list").await.into_iter().map(|line| line.1).collect();
    assert_eq!(lines, ["all", "from=1&queue=综合&seat=1001"]);
}

#[tokio::test]
async fn a_seats_list_is_of_its_own_calls_of_today() {
    let world = World::new().await;
    finished(&world).await;
    let seat = world.seat("1001", SeatRole::Seat).await;
    let list = world.ask("GET", "/api/v1/calls?from=1", &seat, "").await.json();
    assert_eq!(list["calls"], json!([]));
    let all = world.admin("GET", "/api/v1/calls?seat=1001", "").await.json();
    assert_eq!(all["calls"].as_array().unwrap().len(), 1);
    assert_eq!(world.admin("GET", "/api/v1/calls?seat=1002", "").await.json()["calls"], json!([]));
}

#[tokio::test]
async fn the_table_opens_in_a_spreadsheet_and_hides_numbers() {
    let world = World::new().await;
    let call = finished(&world).await;
    let chief = bearer(&world.store, Role::Supervisor).await;
    let path = format!("/api/v1/calls.csv?from={}&to={}", START.0, START.0 + 1);
    let answer = world.ask("GET", &path, &chief, "").await;
    assert!(answer.head.contains("content-type: text/csv; charset=utf-8"), "{}", answer.head);
    assert!(answer.head.contains("attachment; filename=\"calls.csv\""));
    let text = dechunked(&answer.body);
    let lines: Vec<_> = text.split("\r\n").collect();
    assert!(lines[0].starts_with("\u{feff}工单编号,通话编号,方向,市民号码"));
    assert_eq!(
        lines[1],
        format!(
            "20260101-000001,{call},呼入,138****8000,12345,,是,2026-01-01 00:00:00,\
             2026-01-01 00:00:01,2026-01-01 00:01:01,综合,7,60,1001,,caller,caller_hung_up,,60,,4.10"
        )
    );
    assert_eq!(lines.len(), 3);
    let numbers = format!("{path}&numbers=true");
    assert_eq!(world.ask("GET", &numbers, &chief, "").await.status, 403);
    let whole = world.admin("GET", &numbers, "").await;
    assert!(dechunked(&whole.body).contains("13800138000"));
    let later = world.admin("GET", &format!("/api/v1/calls.csv?from={}", START.0 + 1), "").await;
    assert_eq!(dechunked(&later.body).split("\r\n").count(), 2);
    let lines = audited(&world, "call.export").await;
    assert_eq!(lines.len(), 3);
    assert!(lines[1].1.starts_with("numbers&from="));
}

#[tokio::test]
async fn a_long_table_comes_in_one_piece() {
    let world = World::new().await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..1_201 {
        let store = world.store.clone();
        calls.spawn(async move {
            let call = qingting_store::NewCall {
                id: CallId::new(Uuid::now_v7()),
                direction: qingting_store::Direction::Inbound,
                caller: Pii::new("=cmd|x".into()),
                called: "12345".into(),
                number_name: None,
                enterprise: false,
                dialog: None,
                started_at: START,
            };
            store.begin_call(call).await.unwrap();
        });
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
    let answer = world.admin("GET", "/api/v1/calls.csv?numbers=true", "").await;
    let text = dechunked(&answer.body);
    let mut rows: Vec<_> = text.split("\r\n").skip(1).filter(|row| !row.is_empty()).collect();
    assert!(rows.iter().all(|row| row.contains(",'=cmd|x,")));
    rows.sort_unstable();
    rows.dedup();
    assert_eq!(rows.len(), 1_201);
}

#[tokio::test]
async fn a_finished_call_is_a_vcon() {
    let world = World::new().await;
    let seat = world.seat("1001", SeatRole::Seat).await;
    let call = finished(&world).await;
    let path = format!("/api/v1/calls/{call}/vcon");
    assert_eq!(world.ask("GET", &path, &seat, "").await.status, 403);
    let answer = world.admin("GET", &path, "").await;
    assert!(answer.head.contains("content-type: application/vcon"), "{}", answer.head);
    let vcon = answer.json();
    assert_eq!((&vcon["vcon"], &vcon["uuid"]), (&json!("0.4.0"), &json!(call)));
    assert_eq!(vcon["created_at"], "2026-01-01T00:00:00.000+08:00");
    let parties = json!([
        { "tel": "13800138000", "role": "customer" },
        { "tel": "1001", "role": "agent", "name": "王芳" },
        { "tel": "88880001", "role": "sme" },
    ]);
    assert_eq!(vcon["parties"], parties);
    let [mix, track] = [&vcon["dialog"][0], &vcon["dialog"][1]];
    assert_eq!((&mix["type"], &mix["parties"]), (&json!("recording"), &json!([[0], [1, 2]])));
    assert_eq!(
        (&mix["start"], &mix["duration"]),
        (&json!("2026-01-01T00:00:01.000+08:00"), &json!(60.0))
    );
    assert_eq!(mix["url"], format!("https://hotline.example/api/v1/calls/{call}/recording"));
    assert_eq!(mix["content_hash"], hash(&wav(2)));
    let first = json!({ "party": 0, "time": "2026-01-01T00:00:01.000+08:00", "event": "join" });
    assert_eq!(mix["party_history"][0], first);
    assert_eq!((&track["parties"], &track["content_hash"]), (&json!(1), &json!(hash(&wav(1)))));
    assert!(track["url"].as_str().unwrap().ends_with("/recording?track=1.0"));
    let body: Value = serde_json::from_str(vcon["analysis"][0]["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["segments"][0]["text"], "路灯不亮。");
    assert_eq!(body["segments"][0]["raw"], "嗯路灯不亮");
    assert_eq!(vcon["analysis"][0]["type"], "transcript");
    let events = &vcon["attachments"][0];
    assert_eq!((&events["purpose"], &events["encoding"]), (&json!("events"), &json!("json")));
    assert!(events["body"].as_str().unwrap().contains("queued"));

    // What its URL gives is what was hashed.
    let audio = world.admin("GET", &format!("/api/v1/calls/{call}/recording?track=1.0"), "").await;
    assert_eq!(audio.body, wav(1));
    assert_eq!(audited(&world, "call.vcon").await.len(), 1);
}

#[tokio::test]
async fn a_call_without_audio_is_a_vcon_too_and_a_running_one_is_none() {
    let world = World::new().await;
    let (call, _) = world.call().await;
    let path = format!("/api/v1/calls/{call}/vcon");
    assert_eq!(world.admin("GET", &path, "").await.status, 409);
    let end = CallEnd {
        id: call,
        ended_at: UnixMillis(START.0 + 9),
        hung_up_by: "caller".into(),
        cause: "caller_cancelled".into(),
        sip_code: Some(487),
        answered: false,
        recording: RecordingEnd::Nothing,
        quality: None,
        missed: Some(MissedEnd { why: "abandoned".into(), wanted: false }),
    };
    world.store.end_call(end).await.unwrap();
    let vcon = world.admin("GET", &path, "").await.json();
    let dialog = &vcon["dialog"][0];
    assert_eq!(
        (&dialog["type"], &dialog["disposition"]),
        (&json!("incomplete"), &json!("hung-up"))
    );
    assert_eq!((&dialog["parties"], &vcon["analysis"]), (&json!([0]), &json!([])));
    let view = world.admin("GET", &format!("/api/v1/calls/{call}"), "").await.json();
    assert_eq!(view["missed"], "abandoned");
}

#[tokio::test]
async fn an_encrypted_track_is_played_in_parts_with_its_key_alone() {
    let world = World::new().await;
    let call = finished(&world).await;
    let path = |track: &str| format!("/api/v1/calls/{call}/recording?track={track}");
    let headers = format!("{}Range: bytes=65530-131080\r\n", world.admin);
    let part = world.ask("GET", &path("1"), &headers, "").await;
    assert_eq!((part.status, part.body.as_slice()), (206, &wav(1)[65_530..=131_080]));
    assert!(part.head.contains("content-range: bytes 65530-131080/200038"), "{}", part.head);
    for (track, status) in [("2", 404), ("1.1", 404), ("x", 400), ("300", 400)] {
        assert_eq!(world.admin("GET", &path(track), "").await.status, status, "{track}");
    }
    assert_eq!(audited(&world, "recording.read_track").await.len(), 1);

    // Of a key that is not here.
    let leg = LegRef { call, slot: 2, seq: 0 };
    let lost = RecordingInfo {
        file: "seat.qtr".into(),
        key_id: Some("k9".into()),
        ..RecordingInfo::default()
    };
    let end = LegEnd {
        leg,
        at: START,
        hung_up_by: "peer".into(),
        cause: "hung_up".into(),
        sip_code: None,
        quality: None,
        track: Some(lost),
    };
    world.store.leg_ended(end).await.unwrap();
    assert_eq!(world.admin("GET", &path("2"), "").await.status, 503);

    let key = RecordingKey { call, kind: RecordingKind::Track, slot: 1, seq: 0 };
    world.store.recording_deleted(key, "retention").await.unwrap();
    assert_eq!(world.admin("GET", &path("1"), "").await.status, 410);
}

#[tokio::test]
async fn the_duty_list_goes_in_and_comes_out_as_a_table() {
    const HEAD: &str =
        "部门代码,部门名称,别名,专家,电话,方式,星期,起始日期,结束日期,上班,下班,顺序";
    let world = World::new().await;
    let chief = bearer(&world.store, Role::Supervisor).await;
    let path = "/api/v1/duty-list";
    let good = format!(
        "\u{feff}{HEAD}\r\nSCJG,市场监管局,工商,王工,'+8688880001;88880002,外线,1;2;3;4;5,2026-10-01,,09:00,24:00,2\r\n"
    );
    assert_eq!(world.ask("PUT", path, &chief, &good).await.status, 204);
    assert_eq!(world.switchboard.asked(), ["duty changed"]);
    let DutyTargets(targets) = targets(&world).await;
    assert_eq!(targets, ["+8688880001", "88880002"]);
    let answer = world.ask("GET", path, &chief, "").await;
    assert_eq!(dechunked(&answer.body), good);

    // What is wrong is told line by line, and the list stays.
    let bad = format!("{HEAD}\nA,甲,,张,,,,,,,,\nB,乙,,李,8001,,,,,,,\nC,丙,,赵,,,,,,,,\n");
    let refused = world.ask("PUT", path, &chief, &bad).await;
    let problem = refused.json();
    assert_eq!((refused.status, &problem["field"]), (422, &json!("电话")));
    let expected = json!([
        { "line": 2, "field": "电话", "detail": "is empty" },
        { "line": 4, "field": "电话", "detail": "is empty" },
    ]);
    assert_eq!(problem["errors"], expected);
    assert_eq!(dechunked(&world.ask("GET", path, &chief, "").await.body), good);

    // What is no table is told, too.
    let empty = world.ask("PUT", path, &chief, "\n").await;
    assert_eq!((empty.status, &empty.json()["field"]), (422, &json!("body")));

    let seat = world.seat("1001", SeatRole::Seat).await;
    assert_eq!(world.ask("PUT", path, &seat, &good).await.status, 403);
    let now = world.ask("GET", "/api/v1/duty-list/now?department=SCJG", &seat, "").await.json();
    assert_eq!((&now[0]["department"], &now[0]["numbers"]), (&json!("SCJG"), &json!(["88880001"])));
    assert_eq!(world.ask("GET", "/api/v1/duty-list/now?shoe=1", &seat, "").await.status, 400);
    let lines = audited(&world, "duty.read").await;
    assert_eq!(lines[0], ("1001".to_owned(), "SCJG".to_owned()));
}

struct DutyTargets(Vec<String>);

async fn targets(world: &World) -> DutyTargets {
    let list = world.store.duty().await.unwrap();
    let numbers = list.experts[0].targets.iter().map(|target| match target {
        qingting_store::DutyTarget::Number(number) => number.expose().clone(),
        qingting_store::DutyTarget::Extension(extension) => extension.clone(),
    });
    DutyTargets(numbers.collect())
}

fn hash(bytes: &[u8]) -> String {
    use base64::Engine;
    use sha2::Digest;
    let hash = sha2::Sha512::digest(bytes);
    format!("sha512-{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash))
}

/// The text of a body that may have come in chunks (RFC 9112 §7.1).
fn dechunked(body: &[u8]) -> String {
    let mut rest = body;
    let mut whole = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).ok();
        let Some(size) = size.and_then(|size| usize::from_str_radix(size, 16).ok()) else { break };
        whole.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 2 + size + 2..];
        if size == 0 {
            return String::from_utf8(whole).unwrap();
        }
    }
    String::from_utf8(body.to_vec()).unwrap()
}
