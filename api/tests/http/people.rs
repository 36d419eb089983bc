//! Seats and supervisors: log in, see what is theirs, command their calls, and nothing else.

use crate::world::{PASSWORD, START, World, bearer, listen, message};
use qingting_api::{CallPhase, ControlCode, Event};
use qingting_common::{CallId, Pii, UnixMillis};
use qingting_store::{AuditQuery, LegRole, MissedEnd, Role, SeatRole};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio_tungstenite::tungstenite::Message;

#[allow(clippy::disallowed_methods, reason = "what took part today depends on the true day")]
fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixMillis(i64::try_from(since.as_millis()).unwrap())
}

async fn actions(world: &World, subject: &str) -> Vec<(String, String)> {
    let query = AuditQuery { limit: 99, subject: Some(subject.into()), before: None };
    let lines = world.store.audit_lines(&query).await.unwrap();
    lines.into_iter().rev().map(|line| (line.by, line.action)).collect()
}

#[tokio::test]
async fn a_seat_logs_in_is_known_and_logs_out() {
    let world = World::new().await;
    let seat = world.seat("1001", SeatRole::Seat).await;
    let me = world.ask("GET", "/api/v1/me", &seat, "").await.json();
    assert_eq!((&me["role"], &me["extension"]), (&json!("seat"), &json!("1001")));
    assert_eq!((&me["person"], &me["skills"]["综合"]), (&json!("王芳"), &json!(1)));
    assert_eq!(world.admin("GET", "/api/v1/me", "").await.json()["name"], "a admin");

    let wrong = json!({ "extension": "1001", "password": "wrong horse" }).to_string();
    let refused = world.ask("POST", "/api/v1/session", "", &wrong).await;
    assert_eq!(refused.status, 401);
    assert!(refused.head.contains("application/problem+json"));
    let unknown = json!({ "extension": "10010010010", "password": PASSWORD }).to_string();
    assert_eq!(world.ask("POST", "/api/v1/session", "", &unknown).await.status, 401);
    let strange = json!({ "extension": "10\u{0}1", "password": PASSWORD }).to_string();
    assert_eq!(world.ask("POST", "/api/v1/session", "", &strange).await.status, 401);

    assert_eq!(world.ask("DELETE", "/api/v1/session", &seat, "").await.status, 204);
    assert_eq!(world.ask("GET", "/api/v1/me", &seat, "").await.status, 401);
    let chief = bearer(&world.store, Role::Supervisor).await;
    assert_eq!(world.ask("DELETE", "/api/v1/session", &chief, "").await.status, 409);
}

#[tokio::test]
async fn a_second_factor_is_offered_shown_and_then_wanted() {
    let world = World::new().await;
    let seat = world.seat("1001", SeatRole::Seat).await;
    let other = world.seat("1002", SeatRole::Supervisor).await;
    let (path, confirm) = ("/api/v1/seats/1001/totp", "/api/v1/seats/1001/totp/confirm");
    assert_eq!(world.ask("POST", path, &other, "").await.status, 403, "another's");
    // Who has stolen the session has no password.
    let with = |password: &str| json!({ "password": password }).to_string();
    for body in [String::new(), with("wrong horse")] {
        let refused = world.ask("POST", path, &seat, &body).await;
        assert_eq!((refused.status, &refused.json()["field"]), (422, &json!("password")));
    }
    let offered = world.ask("POST", path, &seat, &with(PASSWORD)).await;
    assert_eq!(offered.status, 201);
    let offered = offered.json();
    let secret = offered["secret"].as_str().unwrap();
    assert_eq!(offered["uri"], format!("otpauth://totp/12345:1001?secret={secret}&issuer=12345"));
    let code = |steps: i64| {
        let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
        let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
        totp.generate((now().0 / 1_000 + 30 * steps) as u64).to_string()
    };
    let refused = world.ask("POST", confirm, &seat, r#"{"code":"12"}"#).await;
    assert_eq!((refused.status, &refused.json()["field"]), (422, &json!("code")));
    let shown = json!({ "code": code(0) }).to_string();
    assert_eq!(world.ask("POST", confirm, &seat, &shown).await.status, 204);
    assert_eq!(world.ask("GET", "/api/v1/me", &seat, "").await.status, 401, "sessions end");

    let log_in = async |code: Option<String>| {
        let body = json!({ "extension": "1001", "password": PASSWORD, "code": code }).to_string();
        world.ask("POST", "/api/v1/session", "", &body).await
    };
    let wanted = log_in(None).await;
    assert_eq!((wanted.status, &wanted.json()["field"]), (401, &json!("code")));
    let opened = log_in(Some(code(1))).await;
    assert_eq!(opened.status, 201);
    assert_eq!(log_in(Some(code(1))).await.status, 401, "a code counts once");
    let token = opened.json()["token"].as_str().unwrap().to_owned();
    let seat = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(
        world.ask("POST", path, &seat, &with(PASSWORD)).await.status,
        403,
        "another is the administrator's"
    );
    assert_eq!(world.ask("DELETE", path, &seat, "").await.status, 403);
    assert_eq!(world.admin("GET", "/api/v1/seats/1001", "").await.json()["has_totp"], true);
    let password = Pii::new(PASSWORD.to_owned());
    for _ in 0..9 {
        world.store.open_session("1001", &password, Some("000000")).await.unwrap();
    }
    let locked = log_in(Some(code(1))).await;
    assert_eq!((locked.status, &locked.json()["field"]), (429, &json!("code")));
    assert!(locked.head.contains("retry-after: "), "{}", locked.head);
    let view = world.admin("GET", "/api/v1/seats/1001", "").await.json();
    assert!(view["totp_locked_until"].as_i64().unwrap() > now().0, "{view}");
    let lock = format!("{path}/lock");
    assert_eq!(world.ask("DELETE", &lock, &other, "").await.status, 403);
    assert_eq!(world.admin("DELETE", &lock, "").await.status, 204);
    assert_eq!(log_in(None).await.status, 401, "it wants a code again");
    assert_eq!(world.admin("DELETE", path, "").await.status, 204);
    assert_eq!(log_in(None).await.status, 201);
    let of_totp: Vec<_> = actions(&world, "1001").await;
    for (by, action) in [
        ("1001", "seat.totp_offer"),
        ("1001", "seat.totp_confirm"),
        ("a admin", "seat.totp_remove"),
    ] {
        assert!(of_totp.contains(&(by.into(), action.into())), "{of_totp:?}");
    }
}

#[tokio::test]
async fn many_wrong_passwords_make_a_seat_wait_but_lock_it_out_of_nothing() {
    let world = World::new().await;
    world.seat("1001", SeatRole::Seat).await;
    let body = |password: &str| json!({ "extension": "1001", "password": password }).to_string();
    for _ in 0..10 {
        let refused = world.ask("POST", "/api/v1/session", "", &body("wrong horse")).await;
        assert_eq!(refused.status, 401);
    }
    let before = now();
    let opened = world.ask("POST", "/api/v1/session", "", &body(PASSWORD)).await;
    assert_eq!(opened.status, 201);
    assert!(now().0 - before.0 >= 990, "looked at at once");
}

#[tokio::test]
async fn a_seat_reaches_none_of_what_is_for_others() {
    let world = World::new().await;
    let (call, _) = world.call().await;
    let seat = world.seat("1001", SeatRole::Seat).await;
    let chief = world.seat("1009", SeatRole::Supervisor).await;
    let vcon = format!("/api/v1/calls/{call}/vcon");
    let reopen = format!("/api/v1/missed-calls/{call}/reopen");
    let for_leaders = [
        ("GET", "/api/v1/calls.csv"),
        ("GET", "/api/v1/duty-list"),
        ("GET", "/api/v1/tickets"),
        ("GET", vcon.as_str()),
        ("POST", reopen.as_str()),
    ];
    for (method, path) in for_leaders {
        assert_eq!(world.ask(method, path, &seat, "").await.status, 403, "{method} {path}");
        assert_ne!(world.ask(method, path, &chief, "").await.status, 403, "{method} {path}");
    }
    for (method, path) in [
        ("GET", "/metrics"),
        ("GET", "/api/v1/audit"),
        ("GET", "/api/v1/api-keys"),
        ("POST", "/api/v1/seats"),
        ("PATCH", "/api/v1/seats/1001"),
        ("DELETE", "/api/v1/seats/1001"),
    ] {
        for who in [&seat, &chief] {
            assert_eq!(world.ask(method, path, who, "").await.status, 403, "{method} {path}");
        }
    }
    // No key is ever a seat's.
    let key = json!({ "name": "x", "role": "seat" }).to_string();
    assert_eq!(world.admin("POST", "/api/v1/api-keys", &key).await.status, 422);
}

#[tokio::test]
async fn a_seat_reads_its_calls_of_today_and_commands_those_that_it_is_in() {
    let world = World::new().await;
    let seat = world.seat("1001", SeatRole::Seat).await;
    let chief = world.seat("1009", SeatRole::Supervisor).await;
    let ((own, ticket), (others, other_ticket), (old, _)) =
        (world.call().await, world.call().await, world.call().await);
    world.leg(own, 1, LegRole::Seat, "1001", now()).await;
    world.leg(old, 1, LegRole::Seat, "1001", START).await;
    world.leg(others, 1, LegRole::Seat, "1002", now()).await;
    for (call, status) in [(own, 200), (old, 403), (others, 403)] {
        for what in ["", "/transcript"] {
            let path = format!("/api/v1/calls/{call}{what}");
            assert_eq!(world.ask("GET", &path, &seat, "").await.status, status, "{path}");
            assert_eq!(world.ask("GET", &path, &chief, "").await.status, 200, "{path}");
        }
        let path = format!("/api/v1/calls/{call}/recording");
        let status = if status == 200 { 404 } else { status };
        assert_eq!(world.ask("GET", &path, &seat, "").await.status, status, "{path}");
    }
    let edit = r#"{"revision":0,"fields":{"place":"五栋"}}"#;
    for (ticket, status) in [(ticket, 200), (other_ticket, 403)] {
        let path = format!("/api/v1/tickets/{ticket}");
        assert_eq!(world.ask("GET", &path, &seat, "").await.status, status);
        assert_eq!(world.ask("PATCH", &path, &seat, edit).await.status, status);
        let confirm = format!("{path}/confirm");
        let confirmed = world.ask("POST", &confirm, &seat, r#"{"revision":1}"#).await;
        assert_eq!(confirmed.status, status);
    }

    let hold = r#"{"command":"hold"}"#;
    let commands = format!("/api/v1/calls/{own}/commands");
    assert_eq!(world.ask("POST", &commands, &seat, hold).await.status, 403);
    world.switchboard.joins("1001", own);
    assert_eq!(world.ask("POST", &commands, &seat, hold).await.status, 202);
    world.switchboard.leaves("1001", own);
    let hang_up = format!("/api/v1/calls/{own}/hangup");
    assert_eq!(world.ask("POST", &hang_up, &seat, "").await.status, 403);
    assert_eq!(world.ask("POST", &hang_up, &chief, "").await.status, 202);
    assert_eq!(world.switchboard.asked(), ["1001@1001 hold", "1009@1009 hang_up"]);
    let expected = [
        ("1001", "call.read"),
        ("1009", "call.read"),
        ("1001", "transcript.read"),
        ("1009", "transcript.read"),
        ("1001", "call.hold"),
        ("1009", "call.hang_up"),
    ];
    let mut lines = actions(&world, &own.to_string()).await;
    lines.sort();
    let mut expected: Vec<_> =
        expected.iter().map(|(by, what)| ((*by).to_owned(), (*what).to_owned())).collect();
    expected.sort();
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn every_command_arrives_and_a_wrong_one_names_its_field() {
    let world = World::new().await;
    let (call, _) = world.call().await;
    let chief = world.seat("1009", SeatRole::Supervisor).await;
    let path = format!("/api/v1/calls/{call}/commands");
    let good = [
        json!({ "command": "hold" }),
        json!({ "command": "resume" }),
        json!({ "command": "mute", "leg": 1, "on": true }),
        json!({ "command": "transfer", "to": "+8613800138000", "blind": true }),
        json!({ "command": "consult", "to": "1002" }),
        json!({ "command": "join", "to": "1002" }),
        json!({ "command": "expert", "department": "SCJG", "mode": "consult" }),
        json!({ "command": "emergency", "service": "120", "mode": "three_party" }),
        json!({ "command": "join_consulted" }),
        json!({ "command": "complete_transfer" }),
        json!({ "command": "cancel_consult" }),
        json!({ "command": "to_queue", "queue": "企业" }),
        json!({ "command": "drop", "leg": 2 }),
        json!({ "command": "supervise", "mode": "whisper" }),
        json!({ "command": "supervise", "mode": "end" }),
        json!({ "command": "pause_recording" }),
        json!({ "command": "resume_recording" }),
        json!({ "command": "hang_up" }),
    ];
    for command in &good {
        let answer = world.ask("POST", &path, &chief, &command.to_string()).await;
        assert_eq!(answer.status, 202, "{command}");
        let name = command["command"].as_str().unwrap();
        assert_eq!(world.switchboard.asked(), [format!("1009@1009 {name}")]);
    }
    let bad = [
        (json!({ "command": "transfer", "to": "1;x=y", "blind": true }), "to"),
        (json!({ "command": "transfer", "to": "sip:a@b", "blind": true }), "to"),
        (json!({ "command": "transfer", "to": "1".repeat(25), "blind": true }), "to"),
        (json!({ "command": "transfer", "to": "1002" }), "blind"),
        (json!({ "command": "consult", "to": "" }), "to"),
        (json!({ "command": "to_queue", "queue": "" }), "queue"),
        (json!({ "command": "expert", "department": "a\nb", "mode": "join" }), "department"),
        (json!({ "command": "hold", "shoe": 1 }), "shoe"),
        (json!({ "command": "supervise", "mode": "listen", "extension": "x" }), "extension"),
    ];
    for (command, field) in bad {
        let answer = world.ask("POST", &path, &chief, &command.to_string()).await;
        assert_eq!(
            (answer.status, answer.json()["field"].as_str()),
            (422, Some(field)),
            "{command}"
        );
    }
    for command in [
        json!({ "command": "emergency", "service": "911", "mode": "transfer" }),
        json!({ "command": "jump" }),
    ] {
        assert_eq!(world.ask("POST", &path, &chief, &command.to_string()).await.status, 422);
    }
    // A key has no telephone to listen with.
    let listen = r#"{"command":"supervise","mode":"listen"}"#;
    assert_eq!(world.admin("POST", &path, listen).await.json()["field"], "extension");
    assert!(world.switchboard.asked().is_empty());
    let seat = world.seat("1001", SeatRole::Seat).await;
    world.switchboard.joins("1001", call);
    assert_eq!(world.ask("POST", &path, &seat, listen).await.status, 403);

    for (code, status, name) in [
        (ControlCode::NotRunning, 409, "not_running"),
        (ControlCode::WrongState, 409, "wrong_state"),
        (ControlCode::Busy, 409, "busy"),
        (ControlCode::NotAllowed, 403, "not_allowed"),
        (ControlCode::NoTarget, 422, "no_target"),
        (ControlCode::Unavailable, 503, "unavailable"),
    ] {
        world.switchboard.refuses(code);
        let answer = world.ask("POST", &path, &chief, r#"{"command":"hold"}"#).await;
        assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(name)));
    }
}

#[tokio::test]
async fn a_seat_dials_with_its_own_telephone_and_changes_its_own_state() {
    let world = World::new().await;
    let seat = world.seat("1001", SeatRole::Seat).await;
    let chief = world.seat("1009", SeatRole::Supervisor).await;
    let dial = |extension: Option<&str>| {
        json!({ "to": "13800138000", "extension": extension }).to_string()
    };
    let made = world.ask("POST", "/api/v1/calls", &seat, &dial(None)).await;
    assert_eq!((made.status, made.json()["call"].is_string()), (201, true));
    assert_eq!(world.ask("POST", "/api/v1/calls", &seat, &dial(Some("1002"))).await.status, 403);
    assert_eq!(world.ask("POST", "/api/v1/calls", &chief, &dial(Some("1001"))).await.status, 201);
    assert_eq!(world.admin("POST", "/api/v1/calls", &dial(None)).await.status, 422);
    assert_eq!(world.admin("POST", "/api/v1/calls", &dial(Some("x;y"))).await.status, 422);
    let nowhere = json!({ "to": "x" }).to_string();
    assert_eq!(world.ask("POST", "/api/v1/calls", &seat, &nowhere).await.json()["field"], "to");
    let asked = world.switchboard.asked();
    assert_eq!(asked, ["1001@1001 dials 13800138000", "1009@1001 dials 13800138000"]);

    let state = |extension: &str| format!("/api/v1/seats/{extension}/state");
    for body in [
        r#"{"state":"sign_in"}"#,
        r#"{"state":"ready"}"#,
        r#"{"state":"break","reason":"午餐"}"#,
        r#"{"state":"wrap_up_done"}"#,
        r#"{"state":"sign_out"}"#,
    ] {
        assert_eq!(world.ask("POST", &state("1001"), &seat, body).await.status, 202, "{body}");
    }
    assert_eq!(world.switchboard.asked().len(), 5);
    let out = r#"{"state":"sign_out"}"#;
    assert_eq!(world.ask("POST", &state("1009"), &seat, out).await.status, 403);
    assert_eq!(world.ask("POST", &state("1001"), &chief, out).await.status, 202);
    assert_eq!(world.ask("POST", &state("1007"), &chief, out).await.status, 404);
    let long = json!({ "state": "break", "reason": "长".repeat(21) }).to_string();
    assert_eq!(world.ask("POST", &state("1001"), &seat, &long).await.json()["field"], "reason");
    assert_eq!(actions(&world, "1001").await.last().unwrap().1, "seat.state");
}

#[tokio::test]
async fn seats_are_made_changed_and_removed_by_the_administrator() {
    let world = World::new().await;
    let chief = world.seat("1009", SeatRole::Supervisor).await;
    let body = json!({ "extension": "1001", "name": "李娜", "skills": { "企业": 2 }, "password": PASSWORD });
    let made = world.admin("POST", "/api/v1/seats", &body.to_string()).await;
    assert_eq!((made.status, &made.json()["role"]), (201, &json!("seat")));
    assert!(!String::from_utf8(made.body).unwrap().contains("password"));
    assert_eq!(world.admin("POST", "/api/v1/seats", &body.to_string()).await.status, 409);
    let short = json!({ "extension": "1002", "name": "赵", "password": "short" }).to_string();
    let refused = world.admin("POST", "/api/v1/seats", &short).await;
    assert_eq!((refused.status, &refused.json()["field"]), (422, &json!("password")));

    let list = world.ask("GET", "/api/v1/seats", &chief, "").await.json();
    assert_eq!(
        (&list[0]["extension"], &list[0]["now"]["state"]),
        (&json!("1001"), &json!("talking"))
    );
    assert_eq!(list[0]["now"]["calls"].as_array().unwrap().len(), 1);
    assert_eq!(list[1]["now"], Value::Null);
    // Seats see of each other whether they are free.
    let seat = world.seat("1002", SeatRole::Seat).await;
    let list = world.ask("GET", "/api/v1/seats", &seat, "").await.json();
    assert_eq!((&list[0]["skills"], &list[0]["now"]["calls"]), (&json!({}), &json!([])));
    assert_eq!(list[1]["skills"]["综合"], 1);
    world.switchboard.queues.lock().unwrap().insert(("1002".into(), "企业".into()));
    let queues = world.ask("GET", "/api/v1/queues", &seat, "").await.json();
    assert_eq!((queues.as_array().unwrap().len(), &queues[0]["queue"]), (1, &json!("企业")));
    assert_eq!(queues[0]["calls"], json!([]));
    let queues = world.ask("GET", "/api/v1/queues", &chief, "").await.json();
    assert_eq!((queues.as_array().unwrap().len(), &queues[0]["waiting"]), (2, &json!(1)));
    assert_eq!(queues[0]["calls"][0]["waited_ms"], 5_000);

    let path = "/api/v1/seats/1002";
    let edited = world.admin("PATCH", path, r#"{"name":"赵敏","role":"supervisor"}"#).await.json();
    assert_eq!((&edited["name"], &edited["role"]), (&json!("赵敏"), &json!("supervisor")));
    // Its session was of another role.
    assert_eq!(world.ask("GET", "/api/v1/me", &seat, "").await.status, 401);
    assert_eq!(world.admin("DELETE", path, "").await.status, 204);
    assert_eq!(world.admin("DELETE", path, "").await.status, 404);
    assert_eq!(world.switchboard.asked(), ["seats changed"; 3]);
}

#[tokio::test]
async fn a_missed_call_is_called_back_once() {
    let world = World::new().await;
    let seat = world.seat("1001", SeatRole::Seat).await;
    let chief = world.seat("1009", SeatRole::Supervisor).await;
    let (call, _) = world.call().await;
    let missed = MissedEnd { why: "abandoned".into(), wanted: true };
    world.store.missed_call(call, missed).await.unwrap();
    let list = world.ask("GET", "/api/v1/missed-calls?state=open", &seat, "").await.json();
    assert_eq!(
        (&list["missed"][0]["id"], &list["missed"][0]["wanted"]),
        (&json!(call), &json!(true))
    );
    assert_eq!(actions(&world, "open").await, [("1001".to_owned(), "missed.list".to_owned())]);

    let path = format!("/api/v1/missed-calls/{call}/call-back");
    assert_eq!(world.admin("POST", &path, "").await.json()["field"], "extension");
    world.switchboard.refuses(ControlCode::Unavailable);
    assert_eq!(world.ask("POST", &path, &seat, "").await.status, 503);
    let (first, second) =
        tokio::join!(world.ask("POST", &path, &seat, ""), world.ask("POST", &path, &chief, ""));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    let asked = world.switchboard.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|asked| asked.ends_with("calls back 13800138000")));
    let list = world.ask("GET", "/api/v1/missed-calls", &chief, "").await.json();
    assert_eq!(list["missed"][0]["state"], "calling");
    assert!(list["missed"][0]["callback_call"].is_string());

    let reopen = format!("/api/v1/missed-calls/{call}/reopen");
    assert_eq!(world.ask("POST", &reopen, &seat, "").await.status, 403);
    assert_eq!(world.ask("POST", &reopen, &chief, "").await.status, 204);
    assert_eq!(world.ask("POST", &reopen, &chief, "").await.status, 409);
    let body = r#"{"extension":"1009"}"#;
    assert_eq!(world.ask("POST", &path, &seat, body).await.status, 403);
    assert_eq!(world.admin("POST", &path, body).await.status, 201);
    let nobody = "/api/v1/missed-calls/00000000-0000-0000-0000-000000000001/call-back";
    assert_eq!(world.ask("POST", nobody, &seat, "").await.status, 404);
}

#[tokio::test]
async fn a_seats_stream_holds_its_own_calls_and_its_queues_alone() {
    let world = World::new().await;
    let token = world.token("1001", SeatRole::Seat).await;
    let ((before, _), (own, _), (others, _)) =
        (world.call().await, world.call().await, world.call().await);
    world.leg(before, 1, LegRole::Seat, "1001", now()).await;
    // What the stream has missed: a call that is over, and one of another seat.
    world.events.publish(Event::CallAnswered { call: before });
    world.events.publish(Event::CallAnswered { call: others });
    let mut socket = listen(&world, &token).await;
    assert_eq!(next(&mut socket).await["call"], json!(before));

    world.switchboard.queues.lock().unwrap().insert(("1001".into(), "企业".into()));
    let queue = |queue: &str| Event::Queue {
        queue: queue.into(),
        waiting: 3,
        longest_wait_ms: 9,
        seats_ready: 0,
        seats_at_work: 2,
    };
    let state = |call: CallId| Event::CallState {
        call,
        phase: CallPhase::Talking,
        queue: None,
        position: None,
        expected_wait_ms: None,
        recording_paused: false,
    };
    let seat_state = |extension: &str| Event::SeatState {
        extension: extension.into(),
        state: "ringing".into(),
        reason: None,
        seat_call: None,
        registered: true,
    };
    world.switchboard.joins("1001", own);
    for event in [
        queue("综合"),
        state(others),
        seat_state("1002"),
        queue("企业"),
        seat_state("1001"),
        state(own),
    ] {
        world.events.publish(event);
    }
    for (kind, key, value) in [
        ("queue", "queue", json!("企业")),
        ("seat_state", "extension", json!("1001")),
        ("call_state", "call", json!(own)),
    ] {
        let event = next(&mut socket).await;
        assert_eq!((&event["type"], &event[key]), (&json!(kind), &value));
    }
    // It has left, and hears how its call ends.
    world.switchboard.leaves("1001", own);
    world.events.publish(Event::CaptionsEnded { call: others });
    world.events.publish(Event::CaptionsEnded { call: own });
    assert_eq!(next(&mut socket).await["call"], json!(own));
    // The session is closed.
    let header = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(world.ask("DELETE", "/api/v1/session", &header, "").await.status, 204);
    let Message::Close(Some(close)) = message(&mut socket).await else { panic!("still open") };
    assert_eq!(u16::from(close.code), 1008);
}

async fn next(socket: &mut crate::world::Socket) -> Value {
    let Message::Text(text) = message(socket).await else { panic!("the stream is over") };
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn a_page_is_open_and_may_load_nothing_of_others() {
    let world = World::new().await;
    for (path, kind, body) in [
        ("/softphone", "text/html", "<!doctype html>"),
        ("/softphone/app.js", "text/javascript", "start()"),
    ] {
        let answer = world.ask("GET", path, "", "").await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, body.as_bytes()));
        assert!(answer.head.contains(&format!("content-type: {kind}")), "{}", answer.head);
        let policy = answer.head.lines().find(|line| line.starts_with("content-security-policy"));
        let policy = policy.unwrap();
        assert!(policy.contains("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && policy.contains("connect-src 'self' ws: wss:"));
        assert!(answer.head.contains("x-content-type-options: nosniff"));
    }
    let api = world.admin("GET", "/api/v1/me", "").await.head;
    assert!(api.contains("default-src 'none'; frame-ancestors 'none'"));
    assert_eq!(world.ask("POST", "/softphone", "", "").await.status, 405);
    assert_eq!(world.ask("GET", "/softphone/other.js", "", "").await.status, 404);
}

#[tokio::test]
async fn a_file_with_a_hashed_name_is_kept_and_comes_pressed_to_whoever_takes_that() {
    let world = World::new().await;
    for (accepts, body) in [
        ("Accept-Encoding: br;q=1.0, gzip;q=0.8\r\n", "pressed"),
        ("Accept-Encoding: deflate, gzip\r\n", "pressed"),
        ("Accept-Encoding: gzip;q=0\r\n", "run()"),
        ("", "run()"),
    ] {
        let answer = world.ask("GET", "/console/app-1.js", accepts, "").await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, body.as_bytes()), "{accepts}");
        assert!(answer.head.contains("cache-control: public, max-age=31536000, immutable"));
        assert!(answer.head.contains("vary: accept-encoding"));
        assert_eq!(answer.head.contains("content-encoding: gzip"), body == "pressed");
    }
    let page = world.ask("GET", "/softphone", "", "").await;
    assert!(page.head.contains("cache-control: no-store"), "{}", page.head);
}
