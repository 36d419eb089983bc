//! People without a telephone: made, changed, signed in by password or provider, and what an expert reaches.

use crate::callbacks::now;
use crate::handling::{confirmed, step};
use crate::world::{PASSWORD, UNIT, World};
use qingting_api::{Asked, Begun, Kept, SignOn, SignOnError};
use qingting_common::Pii;
use qingting_nlu::draft::Field;
use qingting_store::Role;
use serde_json::{Value, json};
use std::sync::Arc;

/// A provider that vouches for whoever has the code `good`.
struct Vouching;

impl SignOn for Vouching {
    fn name(&self) -> &str {
        "统一身份认证"
    }

    fn is_encrypted(&self) -> bool {
        true
    }

    fn begin(&self) -> Asked<Begun> {
        let part = |text: &str| Pii::new(text.to_owned());
        let kept = Kept { state: part("s"), nonce: part("n"), verifier: part("v") };
        Box::pin(async { Ok(Begun { url: "https://login.example/?state=s".into(), kept }) })
    }

    fn finish(&self, code: Pii<String>, kept: Kept) -> Asked<String> {
        let kept = [kept.state, kept.nonce, kept.verifier].map(|part| part.expose().clone());
        Box::pin(async move {
            assert_eq!(kept, ["s", "n", "v"]);
            match code.expose().as_str() {
                "good" => Ok("subject of expert".to_owned()),
                "stranger" => Ok("nobody's".to_owned()),
                "away" => Err(SignOnError::Provider("it is away".into())),
                _ => Err(SignOnError::Word("it refuses the code".into())),
            }
        })
    }
}

#[tokio::test]
async fn people_are_made_changed_at_the_revision_that_was_seen_and_removed() {
    let world = World::new().await;
    let body = json!({ "login": "li.hua", "name": "李华", "role": "expert", "unit": UNIT, "password": PASSWORD });
    let made = world.admin("POST", "/api/v1/people", &body.to_string()).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let person = made.json();
    assert_eq!((&person["unit"], &person["has_password"]), (&json!(UNIT), &json!(true)));
    assert!(!String::from_utf8_lossy(&made.body).contains(PASSWORD));
    let again = world.admin("POST", "/api/v1/people", &body.to_string()).await;
    assert_eq!((again.status, &again.json()["field"]), (409, &json!("login")));
    for (field, value) in [
        ("login", json!("801")),
        ("role", json!("supervisor")),
        ("unit", Value::Null),
        ("password", json!("short")),
    ] {
        let mut wrong = body.clone();
        wrong["login"] = json!("other");
        wrong[field] = value;
        let refused = world.admin("POST", "/api/v1/people", &wrong.to_string()).await;
        assert_eq!((refused.status, &refused.json()["field"]), (422, &json!(field)));
    }
    let path = "/api/v1/people/li.hua";
    let edit = json!({ "revision": 1, "role": "auditor" }).to_string();
    let changed = world.admin("PATCH", path, &edit).await;
    assert_eq!((changed.status, &changed.json()["unit"]), (200, &Value::Null));
    assert_eq!(world.admin("PATCH", path, &edit).await.status, 409);
    let if_match = format!("{}If-Match: \"1\"\r\n", world.admin);
    assert_eq!(world.ask("DELETE", path, &if_match, "").await.status, 412);
    assert_eq!(world.admin("GET", path, "").await.json()["revision"], 2);
    assert_eq!(world.admin("DELETE", path, "").await.status, 204);
    assert_eq!(world.admin("GET", path, "").await.status, 404);
    assert_eq!(world.admin("GET", "/api/v1/people", "").await.json(), json!([]));
}

#[tokio::test]
async fn a_person_signs_in_is_known_and_signs_out() {
    let world = World::new().await;
    let auditor = world.person("auditor", Role::Auditor).await;
    let me = world.ask("GET", "/api/v1/me", &auditor, "").await.json();
    assert_eq!(
        (&me["role"], &me["name"], &me["extension"]),
        (&json!("auditor"), &json!("auditor-1"), &Value::Null)
    );
    let lines = world.ask("GET", "/api/v1/audit", &auditor, "").await;
    assert_eq!(lines.status, 200);
    for body in [
        json!({ "login": "auditor-1", "password": "wrong horse" }),
        json!({ "login": "nobody", "password": PASSWORD }),
        json!({ "extension": "auditor-1", "password": PASSWORD }),
    ] {
        let refused = world.ask("POST", "/api/v1/session", "", &body.to_string()).await;
        assert_eq!(refused.status, 401, "{body}");
    }
    let both = json!({ "login": "auditor-1", "extension": "1", "password": PASSWORD }).to_string();
    assert_eq!(world.ask("POST", "/api/v1/session", "", &both).await.status, 422);
    assert_eq!(world.ask("DELETE", "/api/v1/session", &auditor, "").await.status, 204);
    assert_eq!(world.ask("GET", "/api/v1/me", &auditor, "").await.status, 401);
}

#[tokio::test]
async fn an_expert_has_the_tickets_of_its_unit_and_no_others() {
    let world = World::new().await;
    let expert = world.person("expert", Role::Expert).await;
    let (own, other) = (confirmed(&world).await, confirmed(&world).await);
    let dispatch = |unit: &str| json!({ "step": "dispatch", "unit": unit });
    assert_eq!(step(&world, &own, 2, dispatch(UNIT)).await.status, 200);
    assert_eq!(step(&world, &other, 2, dispatch("住建局")).await.status, 200);

    for query in
        ["", "?unit=住建局", "?stage=dispatched", "?text=路灯", "?status=imported&text=路灯"]
    {
        let list = world.ask("GET", &format!("/api/v1/tickets{query}"), &expert, "").await;
        assert_eq!(list.status, 200);
        for ticket in list.json()["tickets"].as_array().unwrap() {
            assert_eq!(ticket["handling"]["unit"], json!(UNIT), "{query}");
        }
    }
    let list = world.ask("GET", "/api/v1/tickets", &expert, "").await.json();
    assert_eq!(list["tickets"].as_array().unwrap().len(), 1);
    for of in ["", "/history"] {
        assert_eq!(world.ask("GET", &format!("{own}{of}"), &expert, "").await.status, 200);
        assert_eq!(world.ask("GET", &format!("{other}{of}"), &expert, "").await.status, 403);
    }
    let take = async |path: &str, body: Value| {
        world.ask("POST", &format!("{path}/steps"), &expert, &body.to_string()).await
    };
    assert_eq!(take(&other, json!({ "revision": 3, "step": "sign" })).await.status, 403);
    for step in ["extend", "supervise", "dispatch", "redo", "archive"] {
        let body = json!({ "revision": 3, "step": step, "note": "x", "unit": UNIT });
        assert_eq!(take(&own, body).await.status, 403, "{step}");
    }
    assert_eq!(take(&own, json!({ "revision": 3, "step": "sign" })).await.status, 200);
    let closed = take(&own, json!({ "revision": 4, "step": "close", "note": "已修复" })).await;
    assert_eq!((closed.status, &closed.json()["handling"]["stage"]), (200, &json!("closed")));
    let steps = world.admin("GET", &format!("{own}/history"), "").await.json();
    assert_eq!(steps["steps"][2]["by"], "expert-1");
    // Calls, recordings, and who else there is are not an expert's.
    for path in ["/api/v1/calls", "/api/v1/seats", "/api/v1/people", "/api/v1/audit"] {
        assert_eq!(world.ask("GET", path, &expert, "").await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn a_provider_lets_in_whom_the_administrator_has_let_in_and_whose_browser_began() {
    let world = World::with(|state| state.sign_on = Some(Arc::new(Vouching))).await;
    world.person("expert", Role::Expert).await;
    assert_eq!(world.ask("GET", "/api/v1", "", "").await.json()["sign_on"], "统一身份认证");
    let ask = async |cookie: &str, provider: Value| {
        let headers =
            if cookie.is_empty() { String::new() } else { format!("Cookie: {cookie}\r\n") };
        let body = json!({ "provider": provider }).to_string();
        world.ask("POST", "/api/v1/session", &headers, &body).await
    };
    let begun = ask("", json!({})).await;
    assert_eq!(
        (begun.status, &begun.json()["url"]),
        (200, &json!("https://login.example/?state=s"))
    );
    let cookie = begun.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    for part in ["HttpOnly", "SameSite=Lax", "Secure", "__Host-", "Path=/;", "Max-Age=600"] {
        assert!(cookie.to_lowercase().contains(&part.to_lowercase()), "{part}: {cookie}");
    }
    // The head was read in small letters.
    let cookie = cookie.split(';').next().unwrap().replace("__host-", "__Host-");
    let cookie = cookie.as_str();
    let answer = |code: &str| json!({ "code": code, "state": "s" });
    // Somebody else's answer, and one that came too late.
    for (cookie, provider) in
        [("", answer("good")), (cookie, json!({ "code": "good", "state": "t" }))]
    {
        assert_eq!(ask(cookie, provider).await.status, 422);
    }
    assert_eq!(ask(cookie, json!({ "code": "good" })).await.status, 422);
    assert_eq!(ask(cookie, answer("bad")).await.status, 422);
    assert_eq!(ask(cookie, answer("away")).await.status, 502);
    assert_eq!(ask(cookie, answer("stranger")).await.status, 403);
    let opened = ask(cookie, answer("good")).await;
    assert_eq!(opened.status, 201);
    assert!(opened.head.contains("Max-Age=0") || opened.head.contains("max-age=0"));
    let header = format!("Authorization: Bearer {}\r\n", opened.json()["token"].as_str().unwrap());
    let me = world.ask("GET", "/api/v1/me", &header, "").await.json();
    assert_eq!((&me["name"], &me["unit"]), (&json!("expert-1"), &json!(UNIT)));
    let world = World::new().await;
    let none = world.ask("POST", "/api/v1/session", "", r#"{"provider":{}}"#).await;
    assert_eq!(none.status, 404);
    assert_eq!(world.ask("GET", "/api/v1", "", "").await.json()["sign_on"], Value::Null);
}

#[tokio::test]
async fn a_unit_sees_whom_to_call_back_and_not_who_wants_to_stay_unknown() {
    let world = World::new().await;
    let expert = world.person("expert", Role::Expert).await;
    let open = confirmed(&world).await;
    let (_, ticket) = world.call().await;
    let edits = vec![
        (Field::Title, "张三反映噪音".to_owned()),
        (Field::CallerName, "张三".to_owned()),
        (Field::Phone, "13900139001".to_owned()),
        (Field::Confidential, "true".to_owned()),
    ];
    world.store.edit_ticket(ticket, 0, edits, "1001").await.unwrap();
    world.store.confirm_ticket(ticket, 1, "1001").await.unwrap();
    let hidden = format!("/api/v1/tickets/{ticket}");
    for path in [&open, &hidden] {
        let dispatch = json!({ "step": "dispatch", "unit": UNIT, "deadline": now().0 + 3_600_000 });
        assert_eq!(step(&world, path, 2, dispatch).await.status, 200);
    }
    let shown = world.ask("GET", &open, &expert, "").await.json();
    assert_eq!(shown["fields"]["phone"]["value"], "13900139000");
    for path in [hidden.clone(), format!("{hidden}/history"), "/api/v1/tickets".to_owned()] {
        let answer = world.ask("GET", &path, &expert, "").await;
        assert_eq!(answer.status, 200, "{path}");
        let text = String::from_utf8(answer.body).unwrap();
        for word in ["张三", "13900139001", "139****9001"] {
            assert!(!text.contains(word), "{word} in {path}");
        }
        assert!(text.contains("保密"), "{path}");
    }
    // Nor is it found by what it does not show.
    for query in ["phone=9001", "phone=13900139001", "text=张三"] {
        let list = world.ask("GET", &format!("/api/v1/tickets?{query}"), &expert, "").await;
        assert_eq!((list.status, &list.json()["tickets"]), (200, &json!([])), "{query}");
    }
    let end = world.ask("GET", "/api/v1/tickets?phone=39001", &expert, "").await;
    assert_eq!(end.status, 400, "more than the last four digits");
    let found = world.ask("GET", "/api/v1/tickets?phone=9000", &expert, "").await.json();
    assert_eq!(found["tickets"][0]["fields"]["phone"]["value"], "13900139000");
}
