//! What is somebody's own: the password, a unit's changes, a campaign's calls.

use crate::handling::{confirmed, step};
use crate::world::{DEADLINE, PASSWORD, UNIT, World, listen, message};
use qingting_common::{CallId, Pii};
use qingting_store::{CallerDialog, Direction, NewCall, Role, SeatRole};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinSet;

const NEW: &str = "staple battery";
const PATH: &str = "/api/v1/me/password";

fn wish(current: &str, new: &str) -> String {
    json!({ "current": current, "new": new }).to_string()
}

#[tokio::test]
async fn a_person_and_a_seat_change_their_own_password_and_end_all_other_sessions() {
    let world = World::new().await;
    let seat = world.seat("1001", SeatRole::Seat).await;
    let person = world.person("auditor", Role::Auditor).await;
    for (own, log_in, subject, action) in [
        (&seat, json!({ "extension": "1001" }), "1001", "seat.own_password"),
        (&person, json!({ "login": "auditor-1" }), "auditor-1", "person.own_password"),
    ] {
        let log_in = async |password: &str| {
            let mut body = log_in.clone();
            body["password"] = json!(password);
            world.ask("POST", "/api/v1/session", "", &body.to_string()).await
        };
        let other = log_in(PASSWORD).await.json()["token"].as_str().unwrap().to_owned();
        let other = format!("Authorization: Bearer {other}\r\n");
        for (body, field) in [
            (wish("wrong horse", NEW), "current"),
            (wish(PASSWORD, "short"), "password"),
            (wish(PASSWORD, PASSWORD), "new"),
        ] {
            let refused = world.ask("PUT", PATH, own, &body).await;
            assert_eq!((refused.status, &refused.json()["field"]), (422, &json!(field)));
        }
        assert_eq!(world.ask("PUT", PATH, own, &wish(PASSWORD, NEW)).await.status, 204);
        assert_eq!(world.ask("GET", "/api/v1/me", own, "").await.status, 200, "it stays");
        assert_eq!(world.ask("GET", "/api/v1/me", &other, "").await.status, 401);
        assert_eq!(log_in(PASSWORD).await.status, 401);
        assert_eq!(log_in(NEW).await.status, 201);
        let query = format!("/api/v1/audit?subject={subject}");
        let lines = world.admin("GET", &query, "").await.json();
        let lines = lines["lines"].as_array().unwrap().clone();
        let line = lines.iter().find(|line| line["action"] == action).unwrap();
        assert_eq!(line["by"], subject);
        assert!(!json!(lines).to_string().contains(NEW));
    }
    assert_eq!(world.admin("PUT", PATH, &wish(PASSWORD, NEW)).await.status, 409, "a key has none");
}

#[tokio::test]
async fn many_wrong_current_passwords_make_a_session_wait() {
    let world = World::new().await;
    let seat = world.seat("1001", SeatRole::Seat).await;
    for _ in 0..10 {
        assert_eq!(world.ask("PUT", PATH, &seat, &wish("wrong horse", NEW)).await.status, 422);
    }
    // As at the log-in: the next one is looked at late, so a right one takes a second.
    let right = wish(PASSWORD, NEW);
    let late = world.ask("PUT", PATH, &seat, &right);
    let soon = tokio::time::timeout(Duration::from_millis(900), late).await;
    assert!(soon.is_err(), "looked at at once");
}

#[tokio::test]
async fn who_the_provider_alone_lets_in_has_no_password_here() {
    let world = World::new().await;
    let body = json!({ "login": "shen.ji", "name": "李华", "role": "auditor", "subject": "s" });
    assert_eq!(world.admin("POST", "/api/v1/people", &body.to_string()).await.status, 201);
    let opened = world.store.open_subject_session("s").await.unwrap().unwrap();
    let header = format!("Authorization: Bearer {}\r\n", opened.token);
    assert_eq!(world.ask("PUT", PATH, &header, &wish("", NEW)).await.status, 409);
}

async fn call(world: &World, id: CallId) {
    let call = NewCall {
        id,
        direction: Direction::Outbound,
        caller: Pii::new("13800138000".into()),
        called: "12345".into(),
        number_name: None,
        enterprise: false,
        dialog: Some(CallerDialog { sip_call_id: "y".into(), remote: "udp:192.0.2.1:5060".into() }),
        started_at: crate::callbacks::now(),
    };
    world.store.begin_call(call).await.unwrap();
}

#[tokio::test]
async fn an_operator_in_person_has_the_calls_of_follow_ups_and_no_others() {
    let world = World::new().await;
    let person = world.person("operator", Role::Interviewer).await;
    let me = world.ask("GET", "/api/v1/me", &person, "").await.json();
    assert_eq!(me["role"], "operator");
    let of_campaign = crate::callbacks::dialled(&world).await;
    call(&world, of_campaign).await;
    let (ordinary, ticket) = world.call().await;
    for what in ["", "/transcript", "/recording", "/peaks"] {
        let own = format!("/api/v1/calls/{of_campaign}{what}");
        let status = world.ask("GET", &own, &person, "").await.status;
        assert!(status == 200 || status == 404, "{own}: {status}");
        let other = format!("/api/v1/calls/{ordinary}{what}");
        assert_eq!(world.ask("GET", &other, &person, "").await.status, 403, "{other}");
    }
    let hold = r#"{"command":"hold"}"#;
    for (method, path, body) in [
        ("POST", format!("/api/v1/calls/{of_campaign}/hangup"), ""),
        ("POST", format!("/api/v1/calls/{ordinary}/commands"), hold),
        ("POST", "/api/v1/calls".to_owned(), r#"{"to":"801"}"#),
        ("GET", "/api/v1/calls".to_owned(), ""),
        ("GET", format!("/api/v1/tickets/{ticket}"), ""),
        ("GET", "/api/v1/tickets".to_owned(), ""),
        ("GET", "/api/v1/events".to_owned(), ""),
        ("POST", "/api/v1/seats/1001/state".to_owned(), ""),
    ] {
        assert_eq!(world.ask(method, &path, &person, body).await.status, 403, "{method} {path}");
    }
    for path in ["/api/v1/campaigns", "/api/v1/follow-ups?campaign=%E4%B9%9D%E6%9C%88"] {
        assert_eq!(world.ask("GET", path, &person, "").await.status, 200, "{path}");
    }
    let made = world.ask("POST", "/api/v1/campaigns", &person, r#"{"name":"十月"}"#).await;
    assert_eq!(made.status, 201);
}

#[tokio::test]
async fn an_expert_hears_that_tickets_of_its_unit_changed_and_of_no_others() {
    let world = World::new().await;
    let mut follower = JoinSet::new();
    follower.spawn(qingting_api::events::follow(world.store.clone(), world.events.clone()));
    let expert = world.person("expert", Role::Expert).await;
    let secret = expert.trim_start_matches("Authorization: Bearer ").trim().to_owned();
    let (own, other) = (confirmed(&world).await, confirmed(&world).await);
    let mut socket = listen(&world, &secret).await;
    let unit = |name: &str| json!({ "step": "dispatch", "unit": name });
    assert_eq!(step(&world, &other, 2, unit("住建局")).await.status, 200);
    assert_eq!(step(&world, &own, 2, unit(UNIT)).await.status, 200);
    // The follower begins at the end of the log: one that changes again is told for certain.
    let heard = async |socket: &mut crate::world::Socket| -> Value {
        let text = message(socket).await.into_text().unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let mut revision = 3;
    let first = loop {
        let supervised = json!({ "step": "supervise", "note": "催" });
        assert_eq!(step(&world, &own, revision, supervised).await.status, 200);
        revision += 1;
        let next = heard(&mut socket);
        match tokio::time::timeout(Duration::from_secs(2), next).await {
            Ok(event) => break event,
            Err(_) if revision < 8 => {}
            Err(_) => panic!("nothing is heard"),
        }
    };
    assert_eq!(first["type"], "ticket_changed");
    assert!(own.ends_with(first["ticket"].as_str().unwrap()), "{first}");
    assert!(first["units"].is_null() && first["draft"].is_null(), "ids alone: {first}");
    // A unit that loses a ticket hears of that, too, and is shown nothing any more.
    let back = world
        .ask(
            "POST",
            &format!("{own}/steps"),
            &expert,
            &json!({ "revision": revision, "step": "return", "note": "不属于" }).to_string(),
        )
        .await;
    assert_eq!(back.status, 200);
    let told = async {
        loop {
            let event = heard(&mut socket).await;
            if event["revision"] == json!(revision + 1) {
                break event;
            }
        }
    };
    let event = tokio::time::timeout(DEADLINE, told).await.unwrap();
    assert_eq!(event["type"], "ticket_changed");
    assert_eq!(world.ask("GET", &own, &expert, "").await.status, 403);
}
