//! Who may do what, tried: each operation of docs/openapi.json with each way of not being let in. What it should
//! come to is read off the one policy table.

use crate::world::{Answer, PASSWORD, World, bearer};
use qingting_api::auth::POLICY;
use qingting_api::{Rate, Rates};
use qingting_common::Pii;
use qingting_store::{LogIn, Role, SeatRole};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Operations that are open to everyone, and why.
const OPEN: [(&str, &str, &str); 6] = [
    (
        "GET",
        "/healthz",
        "what restarts a server asks before anybody can sign in; it tells nothing else",
    ),
    ("GET", "/readyz", "what spreads the load asks, and learns only whether calls are taken"),
    (
        "GET",
        "/api/v1",
        "leads to the description and the console, both of which are public software",
    ),
    (
        "POST",
        "/api/v1/session",
        "logs somebody in: name and password are in the body, or the provider's answer",
    ),
    ("POST", "/api/v1/follow-ups/events", SIGNED),
    ("POST", "/api/v1/tickets/events", SIGNED),
];
const SIGNED: &str = "the ticket system signs the body instead";

pub(crate) const DESCRIPTION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

/// Somebody who tries.
struct Somebody {
    /// In words.
    name: &'static str,
    header: String,
}

impl Somebody {
    fn new(name: &'static str, header: impl Into<String>) -> Self {
        Self { name, header: header.into() }
    }
}

/// Method, path and what the description says, of each operation.
fn operations() -> Vec<(String, String, Value)> {
    let description = std::fs::read_to_string(DESCRIPTION).unwrap();
    let description: Value = serde_json::from_str(&description).unwrap();
    let paths = description["paths"].as_object().unwrap().clone();
    let methods = paths.into_iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().clone();
        methods.into_iter().map(move |(method, it)| (method.to_uppercase(), path.clone(), it))
    });
    methods.collect()
}

fn roles(method: &str, path: &str) -> &'static [Role] {
    let entry = POLICY.iter().find(|(m, p, _)| (*m, *p) == (method, path));
    entry.unwrap_or_else(|| panic!("{method} {path} is not in the policy table")).2
}

/// An address of that form, of nothing that exists.
fn real(path: &str) -> String {
    let path = path.replace("{id}", &Uuid::nil().to_string()).replace("{extension}", "1999");
    let path = path.replace("{login}", "nobody").replace("{finding}", &Uuid::nil().to_string());
    let path = path.replace("{span}", "day").replace("{part}", "units");
    assert!(!path.contains('{'), "{path}: give its parameter a value");
    path
}

/// Requests that are refused must not be too many.
async fn patient_world() -> World {
    let rate = Rate { per_second: 100_000, at_once: 100_000 };
    World::with(|state| state.rates = Rates::new(rate, rate)).await
}

/// Credentials that prove nothing any more, or never did.
async fn invalid(world: &World) -> Vec<Somebody> {
    let header = |secret: &str| format!("Authorization: Bearer {secret}\r\n");
    let password = Pii::new(PASSWORD.to_owned());
    let key = world.store.create_key("revoked", Role::Admin, "admin").await.unwrap();
    world.store.revoke_key(key.info.id, "admin").await.unwrap();
    let live = world.store.create_key("live", Role::Admin, "admin").await.unwrap().secret;
    let open = world.token("1001", SeatRole::Supervisor).await;
    let closed = world.token("1002", SeatRole::Supervisor).await;
    let closed_header = header(&closed);
    assert_eq!(world.ask("DELETE", "/api/v1/session", &closed_header, "").await.status, 204);
    let disabled = world.token("1003", SeatRole::Supervisor).await;
    let disable = world.admin("PATCH", "/api/v1/seats/1003", r#"{"disabled":true}"#).await;
    assert_eq!(disable.status, 200);
    // Last: whoever logs in makes the server forget sessions that are over.
    let expired = match world.store.open_session_for("1001", &password, None, -1).await.unwrap() {
        LogIn::Opened(session) => session.token,
        other => panic!("{other:?}"),
    };
    let tampered = |secret: &str| {
        let (rest, last) = secret.split_at(secret.len() - 1);
        format!("{rest}{}", if last == "0" { "1" } else { "0" })
    };
    vec![
        Somebody::new("nobody", ""),
        Somebody::new("a revoked key", header(&key.secret)),
        Somebody::new("a tampered key", header(&tampered(&live))),
        Somebody::new("a key that is cut off", header(&live[..live.len() - 1])),
        Somebody::new("a key of another scheme", format!("Authorization: Digest {live}\r\n")),
        Somebody::new("an expired session", header(&expired)),
        Somebody::new("a closed session", header(&closed)),
        Somebody::new("a disabled seat's session", header(&disabled)),
        Somebody::new("a tampered session", header(&tampered(&open))),
        Somebody::new("a session as a key", header(&open.replace("qts_", "qt_"))),
        // Wrong passwords have a test of their own: they are answered later and later.
    ]
}

/// Everybody who is let in, by role.
async fn valid(world: &World) -> Vec<(Role, Somebody)> {
    let mut all = Vec::new();
    for role in Role::OF_KEYS {
        let header = match role {
            Role::Admin => world.admin.clone(),
            role => bearer(&world.store, role).await,
        };
        all.push((role, Somebody::new(role.as_str(), header)));
    }
    let seat = world.seat("1011", SeatRole::Seat).await;
    let chief = world.seat("1012", SeatRole::Supervisor).await;
    all.push((Role::Seat, Somebody::new("a seat", seat)));
    all.push((Role::Supervisor, Somebody::new("a supervisor's session", chief)));
    for role in Role::OF_PEOPLE {
        let name = format!("a {} in person", role.as_str());
        let header = world.person(role.as_str(), role).await;
        all.push((role, Somebody::new(name.leak(), header)));
    }
    all
}

/// An error that says what it is, in the form of all errors.
fn check_problem(answer: &Answer, status: u16, what: &str) {
    assert_eq!(answer.status, status, "{what}");
    assert!(answer.head.contains("content-type: application/problem+json"), "{what}");
    let problem = answer.json();
    assert_eq!((&problem["type"], &problem["status"]), (&json!("about:blank"), &json!(status)));
    for text in ["title", "detail"] {
        assert!(problem[text].as_str().is_some_and(|text| !text.is_empty()), "{what}: {problem}");
    }
    // RFC 9110 §11.6.1; Basic would make browsers remember the password.
    let challenges = answer.head.contains("www-authenticate: bearer");
    assert_eq!(challenges, status == 401, "{what}: {}", answer.head);
}

#[tokio::test]
async fn every_operation_refuses_who_has_not_proved_who_it_is() {
    let world = patient_world().await;
    let invalid = invalid(&world).await;
    let mut tried = 0;
    for (method, path, _) in operations() {
        if roles(&method, &path).is_empty() {
            continue;
        }
        for who in &invalid {
            let answer = world.ask(&method, &real(&path), &who.header, "").await;
            check_problem(&answer, 401, &format!("{method} {path} by {}", who.name));
            tried += 1;
        }
        if method == "GET" {
            assert_eq!(world.ask("HEAD", &real(&path), "", "").await.status, 401, "HEAD {path}");
        }
    }
    assert_eq!(tried, invalid.len() * (operations().len() - OPEN.len()));
}

#[tokio::test]
async fn every_operation_refuses_each_role_that_lacks_it() {
    let world = patient_world().await;
    let valid = valid(&world).await;
    let known: BTreeSet<_> = valid.iter().map(|(role, _)| role.as_str()).collect();
    assert_eq!(known, Role::ALL.iter().map(|role| role.as_str()).collect(), "every role is tried");
    let mut refused = BTreeMap::<_, usize>::new();
    for (method, path, _) in operations() {
        let allowed = roles(&method, &path);
        for (role, who) in &valid {
            let what = format!("{method} {path} by {}", who.name);
            if allowed.contains(role) {
                // What is only read may be tried: nobody is refused too much. A seat, an expert
                // and an interviewer with calls have what is their own.
                let is_own = *role == Role::Interviewer && path.starts_with("/api/v1/calls/")
                    || matches!(role, Role::Seat | Role::Expert);
                if method == "GET" && !is_own {
                    let status = world.ask(&method, &real(&path), &who.header, "").await.status;
                    assert!(status != 401 && status != 403, "{what}: {status}");
                }
            } else if !allowed.is_empty() {
                let answer = world.ask(&method, &real(&path), &who.header, "").await;
                check_problem(&answer, 403, &what);
                *refused.entry(role.as_str()).or_default() += 1;
            }
        }
    }
    // The administrator lacks nothing.
    assert_eq!(refused.len(), Role::ALL.len() - 1, "{refused:?}");
}

#[tokio::test]
async fn what_is_open_to_everyone_is_open_for_a_reason() {
    let world = patient_world().await;
    let listed: BTreeSet<_> = OPEN.iter().map(|(method, path, _)| (*method, *path)).collect();
    let open = POLICY.iter().filter(|(_, _, roles)| roles.is_empty());
    let open: BTreeSet<_> = open.map(|(method, path, _)| (*method, *path)).collect();
    assert_eq!(listed, open, "an exception is missing or no longer needed");
    for (method, path, why) in OPEN {
        assert!(why.len() > 20, "{path}: {why}");
        let answer = world.ask(method, &real(path), "", "").await;
        if why == SIGNED {
            check_signature_is_needed(&world, method, path).await;
        } else {
            assert!(answer.status != 401 && answer.status != 403, "{method} {path}");
        }
    }
}

/// Neither nobody nor the administrator gets past a signature.
async fn check_signature_is_needed(world: &World, method: &str, path: &str) {
    for header in ["", &world.admin] {
        let answer = world.ask(method, path, header, "[]").await;
        assert_eq!(answer.status, 401, "{method} {path}");
        assert!(answer.head.contains("application/problem+json"));
        assert!(answer.json()["detail"].as_str().unwrap().contains("X-Qingting-Timestamp"));
    }
}

#[test]
fn the_description_and_the_policy_table_are_of_the_same_operations_and_roles() {
    let described = operations();
    for (method, path, operation) in &described {
        let roles = roles(method, path);
        let names: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
        assert_eq!(operation["x-roles"], json!(names), "{method} {path}");
        let is_open = operation["security"] == json!([{}]);
        assert_eq!(is_open, roles.is_empty(), "{method} {path}");
    }
    let mut seen = BTreeSet::new();
    for (method, path, _) in POLICY {
        let is_described =
            described.iter().any(|(m, p, _)| (m, p) == (&method.to_string(), &path.to_string()));
        assert!(is_described, "{method} {path} is in the table and not in the description");
        assert!(seen.insert((method, path)), "{method} {path} is there twice");
    }
}

#[tokio::test]
async fn who_watches_sees_metrics_while_the_database_is_away_until_the_key_is_revoked() {
    let world = World::new().await;
    let header = bearer(&world.store, Role::Metrics).await;
    let other = bearer(&world.store, Role::Feed).await;
    assert_eq!(world.ask("GET", "/metrics", &header, "").await.status, 200);
    assert_eq!(world.ask("GET", "/api/v1/feed", &other, "").await.status, 200);
    let revoked = world.store.create_key("another", Role::Metrics, "admin").await.unwrap();
    let revoked_header = format!("Authorization: Bearer {}\r\n", revoked.secret);
    assert_eq!(world.ask("GET", "/metrics", &revoked_header, "").await.status, 200);
    world.store.revoke_key(revoked.info.id, "admin").await.unwrap();
    assert_eq!(world.ask("GET", "/metrics", &header, "").await.status, 200);
    world.store.clone().close().await;
    let page = world.ask("GET", "/metrics", &header, "").await;
    assert_eq!(page.status, 200);
    let text = String::from_utf8(page.body).unwrap();
    assert!(text.contains("calls_total") && !text.contains("outbox"), "{text}");
    for (path, header) in [("/metrics", &revoked_header), ("/api/v1/feed", &other)] {
        let status = world.ask("GET", path, header, "").await.status;
        assert!(status >= 500, "{path}: {status}");
    }
}
