//! Campaigns, follow-ups and what people make of them; closed tickets that come in signed.

use super::world::{World, bearer};
use qingting_callbacks::attempt::Outcome;
use qingting_callbacks::campaign::Settings;
use qingting_callbacks::dialogue::{Answered, By};
use qingting_callbacks::rates::{Formula, defaults};
use qingting_callbacks::schedule::Rules;
use qingting_callbacks::script::AnswerName;
use qingting_common::{CallId, FollowUpId, Pii, UnixMillis};
use qingting_nlu::answers::Question;
use qingting_store::{AttemptEnd, BeginAttempt, Begun, Ended, Role};
use qingting_tickets::signature::Secrets;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

const SECRET: &str = "00112233445566778899aabbccddeeff";

/// The server's side: a campaign may call at any hour, and one secret is known.
pub(crate) struct Office(BTreeMap<String, Formula>, Secrets);

impl Office {
    pub(crate) fn new() -> Self {
        Self(defaults(), Secrets::parse(SECRET).unwrap())
    }
}

impl qingting_api::Callbacks for Office {
    fn faults(&self, settings: &Settings) -> Vec<String> {
        settings.faults()
    }

    fn rules(&self, settings: &Settings) -> Result<Rules, String> {
        Ok(settings.rules(qingting_core::hours::OpeningHours::always()))
    }

    fn rates(&self) -> &BTreeMap<String, Formula> {
        &self.0
    }

    fn webhook(&self) -> Option<(&Secrets, &str)> {
        Some((&self.1, "九月"))
    }
}

fn ticket(number: u32) -> Value {
    json!({ "event_id": format!("e{number}"), "ticket": format!("T{number}"), "title": "路灯不亮",
        "unit": "城管局", "closed_at": 1_767_196_800_000_i64, "citizen": "13800138000" })
}

async fn with_campaign() -> World {
    let world = World::new().await;
    let made = world.admin("POST", "/api/v1/campaigns", r#"{"name":"九月"}"#).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.json()["settings"]["attempts_max"], 3);
    world
}

async fn import(world: &World, tickets: &Value) -> super::world::Answer {
    let path = "/api/v1/campaigns/%E4%B9%9D%E6%9C%88/follow-ups";
    world.admin("POST", path, &tickets.to_string()).await
}

/// Dials the next one and lets it end so.
async fn attempt(
    world: &World,
    answers: &[(Question, AnswerName)],
    outcome: Outcome,
) -> FollowUpId {
    let campaign = world.store.campaign("九月").await.unwrap().unwrap();
    let ask = BeginAttempt {
        campaign: campaign.id,
        server: "s".into(),
        lease: Duration::from_secs(30),
        call: CallId::new(Uuid::now_v7()),
        lines_free: None,
        now: now(),
    };
    let Begun::Dial(follow_up, number) = world.store.begin_attempt(ask).await.unwrap() else {
        panic!("nobody is due")
    };
    for (question, answer) in answers {
        let answered = Answered {
            question: *question,
            answer: *answer,
            cause: None,
            text: Pii::new("原话".into()),
            confidence: 0.9,
            by: By::Speech,
            confirmed: false,
            clip_ms: Some((1_000, 2_000)),
        };
        world.store.put_answer(follow_up.id, number, answered, now()).await.unwrap();
    }
    let end = AttemptEnd {
        follow_up: follow_up.id,
        number,
        outcome,
        sip_code: None,
        wish: None,
        rules: campaign.settings.rules(Rules::default_hours()),
        only_expired: false,
        now: now(),
    };
    assert!(matches!(world.store.end_attempt(end).await.unwrap(), Ended::Finished(_)));
    follow_up.id
}

/// A campaign's call that runs.
pub(crate) async fn dialled(world: &World) -> CallId {
    let made = world.admin("POST", "/api/v1/campaigns", r#"{"name":"九月"}"#).await;
    assert_eq!(made.status, 201);
    import(world, &json!([ticket(1)])).await;
    let campaign = world.store.campaign("九月").await.unwrap().unwrap();
    let call = CallId::new(Uuid::now_v7());
    let lease = Duration::from_secs(30);
    let server = "s".to_owned();
    let running = r#"{"state":"running"}"#;
    let path = "/api/v1/campaigns/%E4%B9%9D%E6%9C%88";
    assert_eq!(world.admin("PATCH", path, running).await.status, 200);
    let ask =
        BeginAttempt { campaign: campaign.id, server, lease, call, lines_free: None, now: now() };
    assert!(matches!(world.store.begin_attempt(ask).await.unwrap(), Begun::Dial(..)));
    call
}

#[allow(clippy::disallowed_methods, reason = "a signature is of this moment")]
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixMillis(since.as_millis() as i64)
}

#[tokio::test]
async fn a_campaign_is_filled_previewed_started_and_stopped() {
    let world = with_campaign().await;
    let again = world.admin("POST", "/api/v1/campaigns", r#"{"name":"九月"}"#).await;
    assert_eq!(again.status, 409);
    let imported = import(&world, &json!([ticket(1), ticket(2)])).await;
    assert_eq!(imported.json(), json!({ "new": 2, "released": 0, "known": 0 }));
    let id = world.store.campaign("九月").await.unwrap().unwrap().id;
    let path = format!("/api/v1/campaigns/{id}");
    let preview = world.admin("GET", &format!("{path}/preview"), "").await.json();
    assert_eq!(preview["planned"].as_array().unwrap().len(), 2);
    assert_eq!(preview["planned"][0]["citizen"], "8000", "a number is not shown whole");
    let start = |revision: u64| json!({ "state": "running", "revision": revision }).to_string();
    assert_eq!(world.admin("PATCH", &path, &start(7)).await.status, 409);
    assert_eq!(world.admin("PATCH", &path, &start(1)).await.json()["state"], "running");
    let bad = r#"{"settings":{"attempts_max":99}}"#;
    let refused = world.admin("PATCH", &path, bad).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.json()["detail"].as_str().unwrap().contains("attempts_max is 99: it is 1 to 10")
    );
    assert_eq!(world.admin("PATCH", &path, r#"{"state":"stopped"}"#).await.status, 200);
    assert_eq!(world.admin("PATCH", &path, r#"{"state":"running"}"#).await.status, 409);
}

#[tokio::test]
async fn one_wrong_ticket_and_nothing_is_taken_in() {
    let world = with_campaign().await;
    let mut wrong = ticket(2);
    wrong["citizen"] = json!("12");
    let refused = import(&world, &json!([ticket(1), wrong])).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.json()["field"], "/1/citizen");
    let page = world.admin("GET", "/api/v1/follow-ups?campaign=%E4%B9%9D%E6%9C%88", "").await;
    assert_eq!(page.json()["follow_ups"], json!([]));
}

#[tokio::test]
async fn a_correction_counts_is_audited_and_told_to_the_ticket_system() {
    let world = with_campaign().await;
    import(&world, &json!([ticket(1)])).await;
    let id = world.store.campaign("九月").await.unwrap().unwrap().id;
    world.admin("PATCH", &format!("/api/v1/campaigns/{id}"), r#"{"state":"running"}"#).await;
    let answers =
        [(Question::Resolved, AnswerName::Yes), (Question::Satisfied, AnswerName::Satisfied)];
    let follow_up = attempt(&world, &answers, Outcome::Completed).await;
    let path = format!("/api/v1/follow-ups/{follow_up}");
    let detail = world.admin("GET", &path, "").await.json();
    assert_eq!(detail["verdict"]["satisfied"], "satisfied");
    assert_eq!(detail["answers"][0]["clip_from_ms"], 1_000);
    let wrong = json!({ "question": "satisfied", "answer": "partly", "note": "听录音" });
    let path = format!("{path}/corrections");
    assert_eq!(world.admin("POST", &path, &wrong.to_string()).await.status, 422);
    let right = json!({ "question": "satisfied", "answer": "dissatisfied", "note": "听录音" });
    let corrected = world.admin("POST", &path, &right.to_string()).await.json();
    assert_eq!(corrected["verdict"]["satisfied"], "dissatisfied");
    assert_eq!(corrected["verdict"]["redo"], true);
    let results = world.admin("GET", &format!("/api/v1/campaigns/{id}/results"), "").await.json();
    assert_eq!(results["rates"]["satisfied"]["value"], 0.0);
    assert_eq!(results["rates"]["resolved"]["value"], 1.0);
    assert_eq!((&results["next"], results["results"].as_array().unwrap().len()), (&Value::Null, 1));
    let page = |query: String| format!("/api/v1/campaigns/{id}/results?{query}");
    let first = world.admin("GET", &page("limit=1".into()), "").await.json();
    assert_eq!((&first["next"], &first["rates"]), (&json!(follow_up), &results["rates"]));
    let next = page(format!("limit=1&after={follow_up}"));
    let second = world.admin("GET", &next, "").await.json();
    assert_eq!(second, json!({ "rates": {}, "results": [], "next": null }));
    for wrong in ["limit=0", "limit=501", "after=x", "before=x"] {
        assert_eq!(world.admin("GET", &page(wrong.into()), "").await.status, 400, "{wrong}");
    }
    let messages = world.admin("GET", "/api/v1/outbox?stream=ticket:T1", "").await.json();
    let keys: Vec<&str> = messages["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["key"].as_str())
        .collect();
    assert_eq!(keys, [format!("follow-up:{follow_up}:1"), format!("follow-up:{follow_up}:2")]);
    // The redo's follow-up waits until the ticket comes again.
    let waiting = world.admin("GET", "/api/v1/follow-ups?state=awaiting_redo", "").await.json();
    assert_eq!(waiting["follow_ups"][0]["round"], 2);
    let mut closed = ticket(9);
    (closed["ticket"], closed["after_redo"]) = (json!("T1"), json!(true));
    assert_eq!(import(&world, &json!([closed])).await.json()["released"], 1);
}

#[tokio::test]
async fn closed_tickets_are_taken_from_who_knows_the_secret_once() {
    let world = with_campaign().await;
    let body = json!([ticket(1)]).to_string();
    let path = "/api/v1/follow-ups/events";
    assert_eq!(world.ask("POST", path, "", &body).await.status, 401);
    let signed = Secrets::parse(SECRET).unwrap().sign(body.as_bytes(), now());
    let headers = format!(
        "X-Qingting-Timestamp: {}\r\nX-Qingting-Signature: {}\r\n",
        signed.timestamp, signed.signature
    );
    let ask = || world.ask("POST", path, &headers, &body);
    assert_eq!(ask().await.json(), json!({ "new": 1, "released": 0, "known": 0 }));
    assert_eq!(ask().await.json(), json!({ "new": 0, "released": 0, "known": 1 }));
    let other = json!([ticket(2)]).to_string();
    assert_eq!(world.ask("POST", path, &headers, &other).await.status, 401, "another body");
}

#[tokio::test]
async fn numbers_on_the_list_are_kept_there_by_those_who_lead() {
    let world = World::new().await;
    let operator = bearer(&world.store, Role::Operator).await;
    let numbers = r#"{"numbers":["138 0013 8000"]}"#;
    let path = "/api/v1/do-not-call";
    assert_eq!(world.ask("POST", path, &operator, numbers).await.status, 204);
    let listed = world.admin("GET", path, "").await.json();
    assert_eq!(listed["numbers"][0]["number"], "13800138000");
    assert_eq!(world.ask("DELETE", path, &operator, numbers).await.status, 403);
    assert_eq!(world.admin("DELETE", path, numbers).await.status, 204);
    assert_eq!(world.admin("DELETE", path, numbers).await.status, 404);
}

#[tokio::test]
async fn closed_tickets_come_in_from_a_table_all_or_none() {
    let world = with_campaign().await;
    let path = "/api/v1/campaigns/%E4%B9%9D%E6%9C%88/follow-ups/table?file=closed.csv";
    let send = async |path: &str, text: &str| {
        let headers = format!("{}Content-Type: text/csv\r\n", world.admin);
        world.ask("POST", path, &headers, text).await
    };
    let wrong = "工单编号,联系电话,办结时间\nA1,13800138000,2026-09-12\nA2,12,2026-09-12\nA3,13800138001,\n";
    let refused = send(path, wrong).await;
    assert_eq!(refused.status, 422);
    let errors = refused.json()["errors"].as_array().unwrap().clone();
    let places: Vec<_> = errors.iter().map(|error| error["line"].as_u64().unwrap()).collect();
    assert_eq!(places, [3, 4], "{errors:?}");
    let good = "单号,电话,办结时间\nA1,13800138000,2026-09-12\nA2,13800138001,2026-09-12\n";
    assert_eq!(send(path, good).await.status, 200, "usual names");
    let again = send(path, good).await.json();
    assert_eq!((&again["new"], &again["known"]), (&json!(0), &json!(2)));
    let mapped = format!("{path}&map=ticket=N,citizen=T,closed_at=D");
    let taken = send(&mapped, "N,T,D\nB1,13800138000,2026-09-12\n").await;
    assert_eq!((taken.status, &taken.json()["new"]), (200, &json!(1)));
    for (path, text, status) in [
        (&*format!("{path}&map=shoe=N"), good, 400),
        ("/api/v1/campaigns/none/follow-ups/table?file=a.csv", good, 404),
        ("/api/v1/campaigns/%E4%B9%9D%E6%9C%88/follow-ups/table?file=", good, 400),
        (path, "工单编号,联系电话,办结时间\n", 422),
        (&*path.replace("closed.csv", "closed.xlsx"), "PK no workbook", 422),
    ] {
        assert_eq!(send(path, text).await.status, status, "{path}");
    }
}
