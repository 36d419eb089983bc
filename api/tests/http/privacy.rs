//! Who sees what of a citizen: no number reaches a role without whole sight by any operation or event; a citizen's data
//! are given out and erased by the administrator alone.

use super::world::{START, World, bearer, listen, message};
use qingting_api::Event;
use qingting_common::ids::Party;
use qingting_common::{CallId, Pii, SegmentId, TicketId, UnixMillis};
use qingting_nlu::draft::{Evidence, Field, Tag};
use qingting_nlu::history::PastTicket;
use qingting_nlu::quality::{Finding, Kind};
use qingting_store::{
    AuditQuery, CallEnd, FinalSegment, LegRole, MissedEnd, PastImport, RecordingEnd, RecordingInfo,
    Role, SeatRole,
};
use serde_json::{Value, json};
use std::io::Read;
use uuid::Uuid;

const NUMBER: &str = "13800138000";
const SPOKEN: &str = "一三八零零一三八零零零";
const NAME: &str = "王建国";
const RECORDED: &[u8; 44] = b"RIFF....WAVEfmt ......................audio!";

/// Operations whose answer may hold the citizen's name for roles without whole sight, and why. None may hold the
/// number. This list may only shrink.
const NAMES: [(&str, &str); 2] =
    [("/api/v1/calls/{id}/transcript", SPOKEN_NAME), ("/api/v1/calls/{id}/vcon", SPOKEN_NAME)];
const SPOKEN_NAME: &str =
    "a name that is only spoken cannot be told from other words; analysts need the words";

/// Operations whose answer is not looked into, and why. This list may only shrink.
const UNREADABLE: [(&str, &str); 2] = [
    ("/api/v1/calls/{id}/recording", "a voice cannot be masked; who may hear it is in the audit"),
    ("/api/v1/events", "a WebSocket, which has a test of its own"),
];

struct Known {
    call: CallId,
    ticket: TicketId,
    follow_up: String,
}

async fn known(world: &World, is_confidential: bool) -> Known {
    let (call, ticket) = world.call().await;
    let store = &world.store;
    store.answer_call(call, START, Some("a.wav".into())).await.unwrap();
    world.leg(call, 1, LegRole::Seat, "1001", START).await;
    world.leg(call, 2, LegRole::Other, NUMBER, START).await;
    let words = format!("我叫{NAME}，电话是{NUMBER}");
    let said = FinalSegment {
        id: SegmentId::new(Uuid::now_v7()),
        party: Party::Caller,
        start_ms: 0,
        end_ms: 900,
        text: Pii::new(words.clone()),
        raw: Pii::new(format!("我叫{NAME}电话是{SPOKEN}")),
        confidence: 0.9,
    };
    let quoted = |field, value: &str, quote: &str| Tag {
        field,
        value: value.into(),
        confidence: 0.9,
        evidence: vec![Evidence {
            segment: said.id,
            start: 0,
            end: 3,
            quote: Pii::new(quote.into()),
        }],
    };
    let mut tags = vec![
        quoted(Field::Title, &format!("{NAME}反映路灯不亮"), &words),
        quoted(Field::Description, &format!("{NAME}（{NUMBER}）反映路灯不亮"), &words),
        quoted(Field::CallerName, NAME, NAME),
        quoted(Field::Phone, NUMBER, NUMBER),
        quoted(Field::Place, "翠湖小区", "翠湖小区"),
    ];
    if is_confidential {
        tags.push(quoted(Field::Confidential, "true", "不要说是我"));
    }
    store.record_final(call, said.clone(), &tags).await.unwrap();
    let recordings = world.dir.path().join("recordings");
    std::fs::write(recordings.join("a.wav"), RECORDED).unwrap();
    let end = CallEnd {
        id: call,
        ended_at: UnixMillis(START.0 + 9_000),
        hung_up_by: "caller".into(),
        cause: "caller_hung_up".into(),
        sip_code: None,
        answered: true,
        recording: RecordingEnd::Made(RecordingInfo { file: "a.wav".into(), ..Default::default() }),
        quality: None,
        missed: Some(MissedEnd { why: "abandoned".into(), wanted: true }),
    };
    store.end_call(end).await.unwrap();
    store.captions_closed(call).await.unwrap();
    let finding = Finding {
        kind: Kind::Forbidden,
        seat: "1001".into(),
        when: 0..900,
        measured: 0,
        phrase: "不归我们管".into(),
        quote: Pii::new(format!("{NAME}，这个不归我们管")),
        confidence: 0.9,
        points: 20,
    };
    super::quality::put(world, vec![finding]).await;
    let past = PastTicket {
        number: format!("GD{is_confidential}"),
        received_at: START,
        closed_at: None,
        fields: vec![
            (Field::Phone, Pii::new(NUMBER.into())),
            (Field::CallerName, Pii::new(NAME.into())),
        ],
    };
    let import = PastImport { file: "p.csv".into(), by: "admin".into(), tickets: vec![past] };
    store.import_past_tickets(import, |_| ()).await.unwrap();
    if !is_confidential {
        world.admin("POST", "/api/v1/campaigns", r#"{"name":"c"}"#).await;
    }
    let closed = json!([{ "event_id": format!("e{is_confidential}"), "ticket": "T1", "title": "路灯",
        "unit": "城管局", "closed_at": START.0, "citizen": NUMBER, "confidential": is_confidential }]);
    let taken = world.admin("POST", "/api/v1/campaigns/c/follow-ups", &closed.to_string()).await;
    assert_eq!(taken.status, 200);
    let numbers = format!(r#"{{"numbers":["{NUMBER}"]}}"#);
    assert_eq!(world.admin("POST", "/api/v1/do-not-call", &numbers).await.status, 204);
    let page = world.admin("GET", "/api/v1/follow-ups", "").await.json();
    let follow_up = page["follow_ups"][0]["id"].as_str().unwrap().to_owned();
    Known { call, ticket, follow_up }
}

/// Every way to read, of things that are there.
fn reads(known: &Known) -> Vec<(String, String)> {
    let description = std::fs::read_to_string(super::permissions::DESCRIPTION).unwrap();
    let description: Value = serde_json::from_str(&description).unwrap();
    let paths = description["paths"].as_object().unwrap();
    let reads = paths.iter().filter(|(_, methods)| methods.get("get").is_some());
    let mut all = Vec::new();
    for (path, _) in reads {
        let id = match path.split('/').nth(3).unwrap_or_default() {
            "calls" | "missed-calls" => known.call.to_string(),
            "tickets" => known.ticket.to_string(),
            "campaigns" => "c".to_owned(),
            "follow-ups" => known.follow_up.clone(),
            "lines" => Uuid::nil().to_string(),
            "prompts" => "0".to_owned(),
            _ => String::new(),
        };
        let real =
            path.replace("{id}", &id).replace("{extension}", "1001").replace("{span}", "day");
        let real = real.replace("{login}", "nobody").replace("{part}", "units");
        assert!(!real.contains('{'), "{path}: give its parameter a value");
        let real = match path.as_str() {
            "/api/v1/knowledge" => format!("{real}?q=%E8%B7%AF%E7%81%AF"),
            _ => real,
        };
        all.push((path.clone(), real));
        if path == "/api/v1/tickets" {
            for query in [format!("?phone={NUMBER}"), "?status=imported".into()] {
                all.push((path.clone(), format!("{path}{query}")));
            }
        }
    }
    all
}

fn holds(body: &[u8], words: &[&str]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    words.iter().find(|word| text.contains(**word)).map(|word| (*word).to_owned())
}

#[tokio::test]
async fn no_number_reaches_a_role_that_sees_none_whole_by_any_operation() {
    let world = World::new().await;
    world.seat("1001", SeatRole::Seat).await;
    let known = known(&world, false).await;
    let mut named = Vec::new();
    for role in [Role::Reader, Role::Operator] {
        let header = bearer(&world.store, role).await;
        for (path, real) in reads(&known) {
            if UNREADABLE.iter().any(|(known, _)| *known == path) {
                continue;
            }
            let answer = world.ask("GET", &real, &header, "").await;
            let whole = world.admin("GET", &real, "").await;
            if answer.status == 403 {
                continue;
            }
            assert_eq!(answer.status, whole.status, "{real}");
            let found = holds(&answer.body, &[NUMBER, SPOKEN]);
            assert_eq!(found, None, "GET {real} by {}", role.as_str());
            if holds(&answer.body, &[NAME]).is_some() {
                assert!(NAMES.iter().any(|(known, _)| *known == path), "{NAME} in GET {real}");
                named.push(path.clone());
            }
            if holds(&whole.body, &[NUMBER]).is_some() {
                assert!(holds(&answer.body, &["138****8000"]).is_some(), "GET {real} is masked");
            }
        }
    }
    for (path, why) in NAMES {
        assert!(
            named.iter().any(|known| known == path) && why.len() > 20,
            "{path} is no exception"
        );
    }
    // Who talks to citizens sees them whole.
    let chief = world.seat("1012", SeatRole::Supervisor).await;
    for path in ["/api/v1/calls", "/api/v1/tickets", "/api/v1/missed-calls"] {
        let answer = world.ask("GET", path, &chief, "").await;
        assert!(holds(&answer.body, &[NUMBER]).is_some(), "{path}");
    }
    // A mask is not written over what it masks.
    let key = world.store.create_key("another", Role::Operator, "admin").await.unwrap();
    let header = format!("Authorization: Bearer {}\r\n", key.secret);
    let path = format!("/api/v1/tickets/{}", known.ticket);
    for (field, mask) in [
        ("caller_name", "王**"),
        ("caller_name", "保密"),
        ("phone", "138****8000"),
        ("title", "王**反映路灯不亮，请速办"),
        ("description", "市民电话138****8000"),
        ("place", "翠湖小区（王**家）"),
    ] {
        let edit = json!({ "revision": 1, "fields": { field: mask } }).to_string();
        let answer = world.ask("PATCH", &path, &header, &edit).await;
        assert_eq!(
            (answer.status, answer.json()["field"].clone()),
            (422, json!(format!("fields.{field}")))
        );
        assert!(!answer.json()["detail"].to_string().contains("王建国"));
    }
    let whole = json!({ "revision": 1, "fields": { "title": "路灯不亮，5*5 米内全黑" } });
    assert_eq!(world.ask("PATCH", &path, &header, &whole.to_string()).await.status, 200);
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn longer_and_longer_ends_or_names_tell_nothing_of_what_is_masked() {
    let world = World::new().await;
    known(&world, false).await;
    let header = bearer(&world.store, Role::Reader).await;
    let found = async |query: String| {
        let path = format!("/api/v1/tickets?{query}");
        let answer = world.ask("GET", &path, &header, "").await;
        let count = answer.json()["tickets"].as_array().map(Vec::len);
        (answer.status, count, answer.json()["next"].clone())
    };
    let whole = format!("phone={NUMBER}&status=draft");
    assert_eq!(found(whole.clone()).await, (200, Some(1), Value::Null));
    assert_eq!(found("phone=8000&status=draft".into()).await.1, Some(1));
    for end in ["38000", "138000"] {
        let path = format!("/api/v1/tickets?phone={end}");
        let refused = world.ask("GET", &path, &header, "").await;
        assert_eq!((refused.status, refused.json()["field"].clone()), (400, json!("phone")));
    }
    // Ends that could be numbers of their own find themselves alone.
    for end in ["0138000", "00138000", "800138000", "3800138000"] {
        assert_eq!(found(format!("phone={end}")).await, (200, Some(0), Value::Null), "{end}");
    }
    let text = |words: &str| format!("text={}&limit=1", encoded(words));
    for shown in ["路灯不亮", "反映路灯", "8000"] {
        assert_eq!(found(text(shown)).await.1, Some(1), "{shown}");
    }
    for hidden in [NAME, "建国", "王建", "1380013", "01380", "建国反映", NUMBER] {
        assert_eq!(found(text(hidden)).await, (200, Some(0), Value::Null), "{hidden}");
        let whole = world.admin("GET", &format!("/api/v1/tickets?{}", text(hidden)), "").await;
        assert_eq!(whole.json()["tickets"].as_array().map(Vec::len), Some(1), "{hidden}");
    }
    // A name that is tried for every citizen is as slow as a number.
    let mut status = 200;
    for _ in 0..61 {
        status = found(whole.clone()).await.0;
    }
    assert_eq!(status, 429);
    assert_eq!(found("phone=8000".into()).await.0, 200, "the last four go on");
}

#[tokio::test]
async fn a_confidential_ticket_is_not_found_by_who_sees_masks() {
    let world = World::new().await;
    world.admin("POST", "/api/v1/campaigns", r#"{"name":"c"}"#).await;
    let Known { call, .. } = known(&world, true).await;
    let header = bearer(&world.store, Role::Reader).await;
    for query in [
        "phone=8000&status=draft".into(),
        format!("phone={NUMBER}&status=draft"),
        format!("text={}", encoded("路灯")),
    ] {
        let path = format!("/api/v1/tickets?{query}");
        let found = async |header: &str| {
            let answer = world.ask("GET", &path, header, "").await.json();
            answer["tickets"].as_array().unwrap().len()
        };
        assert_eq!((found(&header).await, found(&world.admin).await), (0, 1), "{query}");
    }
    // What is listed has 保密 in the place of the mask.
    let call = call.to_string();
    for (path, list) in [("/api/v1/missed-calls", "missed"), ("/api/v1/calls", "calls")] {
        let page = world.ask("GET", path, &header, "").await.json();
        let row = page[list].as_array().unwrap().iter().find(|row| row["id"] == call).unwrap();
        assert_eq!(
            (&row["caller"], &row["confidential"]),
            (&json!("保密"), &json!(true)),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_file_is_gone_only_where_its_disk_is_mounted() {
    let world = World::new().await;
    known(&world, false).await;
    let folder = world.dir.path().join("recordings");
    let away = world.dir.path().join("away");
    // Where the disk was is an empty folder, or none.
    std::fs::rename(&folder, &away).unwrap();
    let body = json!({ "phone": NUMBER, "reason": "other_law" }).to_string();
    let erased = world.admin("POST", "/api/v1/citizens/erase", &body).await.json();
    assert_eq!(erased["recordings_left"], 1);
    std::fs::create_dir(&folder).unwrap();
    assert_eq!(qingting_api::erase_files(&world.store, &folder).await.unwrap(), 1);
    assert!(!qingting_api::is_recordings_folder(&world.store, &folder).await.unwrap());
    // It is mounted again.
    std::fs::remove_dir(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    assert_eq!(qingting_api::erase_files(&world.store, &folder).await.unwrap(), 0);
    assert!(!folder.join("a.wav").exists());
    assert!(world.store.recordings_to_erase(None).await.unwrap().is_empty());
    assert!(qingting_api::is_recordings_folder(&world.store, &folder).await.unwrap(), "marked");
}

#[tokio::test]
async fn a_file_that_somebody_deleted_by_hand_counts_as_gone_where_the_folder_is_proved() {
    let world = World::new().await;
    let folder = world.dir.path().join("recordings");
    assert!(qingting_api::is_recordings_folder(&world.store, &folder).await.unwrap(), "new");
    known(&world, false).await;
    std::fs::remove_file(folder.join("a.wav")).unwrap();
    let body = json!({ "phone": NUMBER, "reason": "other_law" }).to_string();
    let erased = world.admin("POST", "/api/v1/citizens/erase", &body).await.json();
    assert_eq!(erased["recordings_left"], 0);
}

#[tokio::test]
async fn who_looks_at_what_rises_all_day_has_one_line_of_the_audit_an_hour() {
    let world = World::new().await;
    let chief = world.seat("1012", SeatRole::Supervisor).await;
    for _ in 0..3 {
        for window in ["hour", "day"] {
            let path = format!("/api/v1/insight/rising?window={window}");
            assert_eq!(world.ask("GET", &path, &chief, "").await.status, 200);
        }
    }
    assert_eq!(world.admin("GET", "/api/v1/insight/rising", "").await.status, 200);
    let lines = world.store.audit_lines(&AuditQuery { limit: 50, ..AuditQuery::default() }).await;
    let lines = lines.unwrap();
    let who: Vec<_> = lines.iter().filter(|line| line.action == "rising.read").collect();
    assert_eq!(who.iter().map(|line| line.by.as_str()).collect::<Vec<_>>(), ["a admin", "1012"]);
}

#[tokio::test]
async fn no_number_reaches_a_role_that_sees_none_whole_by_an_event() {
    let world = World::new().await;
    let (call, ticket) = world.call().await;
    let key = world.store.create_key("r", Role::Reader, "admin").await.unwrap().secret;
    let mut socket = listen(&world, &key).await;
    let draft = {
        let edits = vec![(Field::Phone, NUMBER.to_owned()), (Field::CallerName, NAME.to_owned())];
        world.store.edit_ticket(ticket, 0, edits, "admin").await.unwrap().draft
    };
    let changed = vec![Field::Phone, Field::CallerName];
    let caller = Pii::new(NUMBER.to_owned());
    for event in [
        Event::CallStarted { call, ticket, caller, called: "12345".into() },
        Event::ticket_updated(ticket, call, 1, changed, &draft),
        Event::Caption {
            call,
            segment: SegmentId::new(Uuid::now_v7()),
            party: Party::Caller,
            start_ms: 0,
            end_ms: 1,
            text: Pii::new(format!("电话{NUMBER}")),
            raw: Pii::new(SPOKEN.into()),
            r#final: true,
            confidence: 0.9,
        },
    ] {
        world.events.publish(event);
        let told = message(&mut socket).await.into_text().unwrap();
        assert_eq!(holds(told.as_bytes(), &[NUMBER, SPOKEN, NAME]), None, "{told}");
        assert!(told.contains("138****8000") && told.contains("\"seq\""), "{told}");
    }
}

#[tokio::test]
async fn exports_tell_neither_name_nor_number_of_a_confidential_citizen() {
    let world = World::new().await;
    world.seat("1001", SeatRole::Seat).await;
    let Known { call, ticket, .. } = known(&world, false).await;
    let edit = json!({ "revision": 1, "fields": { "confidential": "true" } }).to_string();
    let path = format!("/api/v1/tickets/{ticket}");
    assert_eq!(world.admin("PATCH", &path, &edit).await.status, 200);
    let table = world.admin("GET", "/api/v1/calls.csv?numbers=true", "").await;
    assert_eq!(holds(&table.body, &[NUMBER, "138****8000", NAME]), None);
    assert!(holds(&table.body, &["保密"]).is_some());
    let vcon = world.admin("GET", &format!("/api/v1/calls/{call}/vcon"), "").await;
    assert_eq!(vcon.json()["parties"][0]["tel"], "保密");
    assert_eq!(holds(&vcon.body, &[NUMBER, SPOKEN, "138****8000"]), None);
    let header = bearer(&world.store, Role::Reader).await;
    // Who knows the number learns not even that there is such a ticket.
    let found = world
        .ask("GET", &format!("/api/v1/tickets?phone={NUMBER}&status=draft"), &header, "")
        .await;
    assert_eq!((found.status, &found.json()["tickets"]), (200, &json!([])));
    for path in [
        "/api/v1/tickets?status=draft".to_owned(),
        path.clone(),
        format!("{path}/history"),
        format!("/api/v1/calls/{call}"),
    ] {
        let answer = world.ask("GET", &path, &header, "").await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(holds(&answer.body, &[NUMBER, "138****8000", NAME, "王*"]), None, "{path}");
        assert!(holds(&answer.body, &["保密"]).is_some(), "{path}");
    }
    let whole = world.admin("GET", &path, "").await.json();
    assert_eq!(whole["fields"]["phone"]["value"], NUMBER, "who may call back sees it");
}

#[tokio::test]
async fn every_playback_has_a_line_that_says_which_part_who_got() {
    let world = World::new().await;
    let Known { call, .. } = known(&world, false).await;
    let path = format!("/api/v1/calls/{call}/recording");
    let whole = world.admin("GET", &path, "").await;
    let headers = format!("{}Range: bytes=40-\r\n", world.admin);
    let part = world.ask("GET", &path, &headers, "").await;
    assert_eq!(part.body, b"dio!");
    let line = |head: &str| {
        let at = head.find("x-qingting-playback: ").expect(head) + "x-qingting-playback: ".len();
        head[at..].lines().next().unwrap().parse::<i64>().unwrap()
    };
    let (first, second) = (line(&whole.head), line(&part.head));
    let asked = format!("/api/v1/audit?subject={call}");
    let lines = world.admin("GET", &asked, "").await.json()["lines"].clone();
    let of =
        |id: i64| lines.as_array().unwrap().iter().find(|line| line["id"] == id).unwrap().clone();
    assert_eq!(of(first)["subject"], format!("{call} bytes 0-43/44"));
    assert_eq!(of(second)["subject"], format!("{call} bytes 40-43/44"));
    assert_eq!(of(second)["action"], "recording.read");
    assert!(whole.body == RECORDED, "the bytes are as they are signed in other records");
}

#[tokio::test]
async fn a_citizen_gets_a_copy_with_the_recordings_and_is_erased_with_them() {
    let world = World::new().await;
    let Known { call, ticket, .. } = known(&world, false).await;
    let file = world.dir.path().join("recordings/a.wav");
    for phone in ["8000", "", "已删除", "anonymous"] {
        for path in ["export", "erase"] {
            let reason = if path == "erase" { r#","reason":"unlawful""# } else { "" };
            let body = format!(r#"{{"phone":"{phone}"{reason}}}"#);
            let refused = world.admin("POST", &format!("/api/v1/citizens/{path}"), &body).await;
            assert_eq!((refused.status, refused.json()["field"].clone()), (422, json!("phone")));
        }
    }
    let body = format!(r#"{{"phone":"+86 {NUMBER}"}}"#);
    let copy = world.admin("POST", "/api/v1/citizens/export", &body).await;
    assert_eq!(copy.status, 200);
    assert!(copy.head.contains("content-type: application/zip"), "{}", copy.head);
    let bytes = unchunked(&copy.body);
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut read = |name: &str| {
        let mut bytes = Vec::new();
        zip.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    assert_eq!(read(&format!("recordings/{call}-mix.wav")), RECORDED);
    let data: Value = serde_json::from_slice(&read("data.json")).unwrap();
    assert_eq!((&data["missing"], &data["more"]), (&json!([]), &json!(false)));
    assert_eq!(data["tickets"][0]["draft"]["caller_name"]["value"], NAME);
    assert!(data["transcripts"][0]["text"].as_str().unwrap().contains(NAME));
    assert!(String::from_utf8(read("说明.txt")).unwrap().contains("第四十五条"));

    world.events.publish(Event::CallAnswered { call });
    let ask = |dry_run: bool| {
        json!({ "phone": NUMBER, "reason": "consent_withdrawn", "dry_run": dry_run }).to_string()
    };
    let planned = world.admin("POST", "/api/v1/citizens/erase", &ask(true)).await.json();
    assert_eq!((&planned["dry_run"], &planned["calls"]), (&json!(true), &json!(1)));
    assert!(file.exists());
    let mut erased = world.admin("POST", "/api/v1/citizens/erase", &ask(false)).await.json();
    assert_eq!(erased["dry_run"], false);
    erased["dry_run"] = true.into();
    assert_eq!(erased, planned);
    assert!(!file.exists(), "the recording is gone");
    assert_eq!(
        world.admin("GET", &format!("/api/v1/calls/{call}/recording"), "").await.status,
        410
    );
    let view = world.admin("GET", &format!("/api/v1/tickets/{ticket}"), "").await;
    assert_eq!(holds(&view.body, &[NUMBER, NAME, "路灯"]), None);
    let admin = world.store.create_key("late", Role::Admin, "admin").await.unwrap().secret;
    let mut socket = listen(&world, &admin).await;
    world.events.publish(Event::Missed {
        missed: call,
        state: qingting_store::MissedState::Failed,
        wanted: false,
    });
    let first = message(&mut socket).await.into_text().unwrap();
    assert!(first.contains("\"missed\""), "what was told of the call is forgotten: {first}");
    let query = AuditQuery { limit: 50, ..AuditQuery::default() };
    let lines = world.store.audit_lines(&query).await.unwrap();
    assert!(lines.iter().all(|line| !line.subject.contains(NUMBER)), "{lines:?}");
    for action in ["citizen.export", "citizen.erase_preview", "citizen.erase", "recording.delete"] {
        assert!(lines.iter().any(|line| line.action == action), "{action}");
    }
}

/// The body of `Transfer-Encoding: chunked` (RFC 9112 §7.1).
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return whole;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 2 + length + 2..];
    }
}
