//! What happens in the hotline stands in the city's ticket system: once, in the order of each ticket,
//! whatever the ticket system and the server suffer.

use qingting_tests::server::{Server, ServerPlan, wait_until};
use qingting_tests::ticket_system::{Booked, Fault, TicketSystem};
use qingting_tests::{call, qingting};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::{Command, Output};
use std::time::Duration;

/// Nothing of it may be in a log.
const TITLE: &str = "幸福小区路灯不亮";

fn plan(system: &TicketSystem) -> ServerPlan {
    ServerPlan::deaf()
        .with("ticket_system.url", format!("{:?}", system.url()))
        .with("ticket_system.secret_file", format!("{:?}", system.secret_file()))
        .with("ticket_system.kinds", "[\"ticket.*\", \"call.ended\"]")
        .with("ticket_system.answer_within_s", 1)
        .with("ticket_system.retry_first_ms", 200)
        .with("ticket_system.retry_max_s", 1)
}

/// Calls that are over; their ids and those of their tickets.
fn calls(server: &Server, count: usize) -> Vec<(String, String)> {
    let before = server.calls().len();
    std::thread::scope(|scope| {
        for _ in 0..count {
            let uri = server.uri();
            scope.spawn(move || assert_eq!(call(&uri, &["--linger", "0.2"]).code, 0));
        }
    });
    let id = |call: &Value, name: &str| call[name].as_str().expect("an id").to_owned();
    let calls = server.ended_calls(before + count);
    calls.iter().take(count).map(|call| (id(call, "id"), id(call, "ticket"))).collect()
}

/// Edits a ticket twice and confirms it: revisions 1 to 3. Gives the keys of its events.
fn work_on(server: &Server, ticket: &str) -> Vec<String> {
    let path = format!("/api/v1/tickets/{ticket}");
    for (revision, field) in ["title", "place"].iter().enumerate() {
        let edit = json!({ "revision": revision, "fields": { *field: TITLE } });
        assert_eq!(server.request("PATCH", &path, Some(&edit)).0, 200);
    }
    let confirmed = json!({ "revision": 2 });
    assert_eq!(server.request("POST", &format!("{path}/confirm"), Some(&confirmed)).0, 200);
    (1..=3).map(|revision| format!("{ticket}:{revision}")).collect()
}

fn wait_for(system: &TicketSystem, keys: &[String]) -> Vec<Booked> {
    wait_until("everything is booked", || {
        let booked = system.booked();
        let known: BTreeSet<_> = booked.iter().map(|event| event.key.as_str()).collect();
        keys.iter().all(|key| known.contains(key.as_str())).then_some(booked)
    })
}

#[test]
fn a_step_of_handling_is_told_with_who_has_the_ticket_and_why() {
    let system = TicketSystem::start();
    let server = Server::start(&plan(&system));
    let (_, ticket) = calls(&server, 1).remove(0);
    work_on(&server, &ticket);
    let path = format!("/api/v1/tickets/{ticket}/steps");
    for (revision, step) in [(3, "dispatch"), (4, "return")] {
        let step = json!({ "revision": revision, "step": step, "unit": "城管局", "note": TITLE });
        let (status, body) = server.request("POST", &path, Some(&step));
        assert_eq!(status, 200, "{body}");
    }
    let booked = wait_for(&system, &[format!("{ticket}:4"), format!("{ticket}:5")]);
    let told: Vec<_> =
        booked.iter().filter(|it| it.event["type"] == "qingting.ticket.handling").collect();
    let steps: Vec<_> = told.iter().map(|it| &it.event["data"]["step"]["step"]).collect();
    assert_eq!(steps, ["dispatch", "return"]);
    let step = &told[1].event["data"]["step"];
    assert_eq!((&step["unit"], &step["note"]), (&json!("城管局"), &json!(TITLE)));
    assert_eq!(told[1].event["data"]["ticket"]["fields"]["title"], TITLE);
    assert!(!server.log().contains(TITLE));
}

fn wait_until_nothing_waits(server: &Server) {
    wait_until("nothing waits to be sent", || {
        (server.metric("qingting_outbox_pending") == 0.0).then_some(())
    });
}

/// The revisions of a ticket as they were booked.
fn revisions(booked: &[Booked], ticket: &str) -> Vec<i64> {
    let of_ticket = booked.iter().filter(|event| event.event["subject"] == *ticket);
    of_ticket.map(|event| event.event["data"]["revision"].as_i64().expect("a number")).collect()
}

fn outbox(server: &Server, arguments: &[&str]) -> Output {
    let config = server.home().join("config.toml");
    let mut command = Command::new(qingting());
    command.args(arguments).arg("--config").arg(config).output().expect("qingting runs")
}

#[test]
fn every_event_is_booked_once_and_in_the_order_of_its_ticket() {
    let system = TicketSystem::start();
    let server = Server::start(&plan(&system));
    system.will([
        Fault::Refuse(500, "out of order"),
        Fault::BookAndClose,
        Fault::AnswerTwice,
        Fault::BookAndHang,
        Fault::Overloaded(1),
        Fault::Hang,
        Fault::Slow(Duration::from_millis(600)),
        Fault::Refuse(408, ""),
        Fault::AnswerTwice,
    ]);
    let calls = calls(&server, 3);
    let mut keys: Vec<_> = calls.iter().map(|(call, _)| format!("{call}:ended")).collect();
    keys.extend(calls.iter().flat_map(|(_, ticket)| work_on(&server, ticket)));
    let booked = wait_for(&system, &keys);
    wait_until_nothing_waits(&server);
    assert_eq!((booked.len(), system.booked().len()), (keys.len(), keys.len()));
    for (_, ticket) in &calls {
        assert_eq!(revisions(&booked, ticket), [1, 2, 3], "{ticket}");
    }
    let asked: u32 = keys.iter().map(|key| system.asked(key)).sum();
    assert!(asked as usize >= keys.len() + 6, "{asked} requests for {} events", keys.len());
    assert_eq!(system.strangers(), 0);
    let confirmed = booked.iter().find(|event| event.event["type"] == "qingting.ticket.confirmed");
    let confirmed = &confirmed.expect("a confirmed ticket").event;
    assert_eq!(confirmed["specversion"], "1.0");
    assert_eq!(confirmed["data"]["ticket"]["fields"]["place"], TITLE);
    assert_eq!(confirmed["data"]["call"]["caller"], "13800138000");
    let duration = &confirmed["data"]["call"]["recording"]["duration_ms"];
    assert!(duration.as_u64().is_some_and(|ms| ms > 0), "{confirmed}");
    assert!(!server.log().contains(TITLE) && !server.log().contains("13800138000"));
}

#[test]
fn a_ticket_system_that_is_away_misses_nothing() {
    let mut system = TicketSystem::start();
    let server = Server::start(&plan(&system));
    system.go_away();
    let calls = calls(&server, 2);
    let keys: Vec<_> = calls.iter().flat_map(|(_, ticket)| work_on(&server, ticket)).collect();
    wait_until("it is known to be away", || {
        (server.metric("qingting_relay_up") == 0.0).then_some(())
    });
    assert!(server.metric("qingting_outbox_pending") >= 8.0);
    system.come_back();
    let booked = wait_for(&system, &keys);
    wait_until_nothing_waits(&server);
    assert_eq!(server.metric("qingting_relay_up"), 1.0);
    for (_, ticket) in &calls {
        assert_eq!(revisions(&booked, ticket), [1, 2, 3]);
    }
    let told = server.log().matches("the ticket system takes nothing now").count();
    assert_eq!(told, 1, "{}", server.log());
}

#[test]
fn a_refused_event_is_parked_and_seen_and_holds_back_its_ticket_alone() {
    let system = TicketSystem::start();
    let server = Server::start(&plan(&system));
    let calls = calls(&server, 2);
    let (refused, other) = (&calls[0].1, &calls[1].1);
    system.will_for(&format!("{refused}:1"), Fault::Refuse(422, "幸福小区 is no place"));
    work_on(&server, refused);
    wait_for(&system, &work_on(&server, other));
    let parked = wait_until("it is parked", || {
        let page = server.api_get("/api/v1/outbox?state=parked");
        page["messages"].as_array().filter(|all| all.len() == 1).cloned()
    });
    assert_eq!(parked[0]["key"], format!("{refused}:1"));
    let why = parked[0]["last_error"].as_str().expect("a reason");
    assert!(why.contains("422") && why.contains("is no place"), "{why}");
    assert_eq!(server.metric("qingting_outbox_parked"), 1.0);
    assert!(revisions(&system.booked(), refused).is_empty());
    wait_until("all else is sent", || {
        (server.metric("qingting_outbox_pending") == 2.0).then_some(())
    });
    let listed = outbox(&server, &["outbox", "list", "--state", "parked"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("2 wait, 1 are parked") && listed.contains("is no place"), "{listed}");

    let retry = format!("/api/v1/outbox/{}/retry", parked[0]["id"]);
    assert_eq!(server.request("POST", &retry, None).0, 204);
    wait_for(&system, &[format!("{refused}:3")]);
    assert_eq!(revisions(&system.booked(), refused), [1, 2, 3]);
    assert!(!server.log().contains("幸福小区"), "{}", server.log());
}

#[test]
fn kill_9_around_the_write_back_leaves_one_effect() {
    let mut system = TicketSystem::start();
    let mut server = Server::start(&plan(&system));
    let calls = calls(&server, 3);
    let ended: Vec<_> = calls.iter().map(|(call, _)| format!("{call}:ended")).collect();
    wait_for(&system, &ended);
    wait_until_nothing_waits(&server);

    // Committed and not sent.
    system.go_away();
    let keys = work_on(&server, &calls[0].1);
    server.kill();
    system.come_back();
    server.start_again();
    wait_for(&system, &keys);

    // Booked and not answered.
    wait_until_nothing_waits(&server);
    system.will([Fault::BookAndHang]);
    let keys = work_on(&server, &calls[1].1);
    wait_for(&system, &keys[..1]);
    server.kill();
    server.start_again();
    wait_for(&system, &keys);
    assert!(system.asked(&keys[0]) >= 2);

    // Answered and not noted.
    wait_until_nothing_waits(&server);
    let answered = system.answered();
    system.go_away();
    let edit = json!({ "revision": 0, "fields": { "title": TITLE } });
    let path = format!("/api/v1/tickets/{}", calls[2].1);
    assert_eq!(server.request("PATCH", &path, Some(&edit)).0, 200);
    system.will([Fault::AnswerStopped(server.pid())]);
    system.come_back();
    wait_until("it is answered", || (system.answered() > answered).then_some(()));
    server.kill();
    server.start_again();
    let key = format!("{}:1", calls[2].1);
    wait_until("it is sent again", || (system.asked(&key) >= 2).then_some(()));
    wait_until_nothing_waits(&server);

    let booked = system.booked();
    assert_eq!(booked.len(), 3 + 3 + 3 + 1);
    for (of, expected) in [(0, &[1, 2, 3][..]), (1, &[1, 2, 3]), (2, &[1])] {
        assert_eq!(revisions(&booked, &calls[of].1), expected);
    }
}

#[test]
fn a_mapping_file_makes_events_theirs_and_a_dry_run_shows_it() {
    let system = TicketSystem::start();
    let folder = tempfile::tempdir().expect("a folder");
    let mapping = folder.path().join("mapping.toml");
    std::fs::write(&mapping, MAPPING).expect("writable");
    let plan = plan(&system)
        .with("ticket_system.mapping_file", format!("{:?}", mapping.display().to_string()))
        .with("ticket_system.kinds", "[\"ticket.confirmed\"]");
    let server = Server::start(&plan);
    let (_, ticket) = calls(&server, 1).remove(0);
    let number = server.api_get(&format!("/api/v1/tickets/{ticket}"))["number"].clone();
    let key = work_on(&server, &ticket).remove(2);
    let booked = wait_for(&system, std::slice::from_ref(&key));
    wait_until_nothing_waits(&server);
    assert_eq!(system.booked().len(), 1, "other kinds are not sent");
    assert_eq!((booked[0].key.as_str(), booked[0].path.as_str()), (&*key, "/hotline/case/add"));
    let case = &booked[0].event["case"];
    assert_eq!((&case["no"], &case["type"], &case["title"]), (&number, &json!("9"), &json!(TITLE)));
    let day = case["day"].as_str().expect("a day");
    assert!(
        day.len() == 10 && number.as_str().is_some_and(|no| no.starts_with(&day.replace('-', "")))
    );

    let shown = outbox(&server, &["tickets", "dry-run"]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.status.success(), "{text}");
    for part in [format!("POST {}/case/add", system.url()), key, TITLE.to_owned()] {
        assert!(text.contains(&part), "{part} in\n{text}");
    }
    assert_eq!(system.booked().len(), 1);
    std::fs::write(&mapping, MAPPING.replace("\"*\" = \"9\"", "\"投诉\" = \"3\""))
        .expect("writable");
    let shown = outbox(&server, &["tickets", "dry-run"]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(!shown.status.success() && text.contains("case.type"), "{text}");
}

const MAPPING: &str = r#"
envelope = "none"

[kinds."ticket.confirmed"]
path = "/case/add"

[kinds."ticket.confirmed".fields]
"case.no" = { from = "ticket.number", required = true }
"case.title" = { from = "ticket.fields.title" }
"case.type" = { from = "ticket.status", table = "kinds" }
"case.day" = { from = "ticket.created_at", date = "%Y-%m-%d" }

[tables.kinds]
"*" = "9"
"#;
