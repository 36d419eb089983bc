//! Lines, prompts and what is kept: shown to administrators without secrets; a test call counts once and is in the audit.

use crate::world::{START, World};
use qingting_api::{
    ControlCode, ControlError, Disk, Installation, KEY_HEADER, Lines, ModelInfo, Models,
    PromptInfo, Recogniser, TestCall, TestCallEnd, TestCallRequest, TestCallState, TrunkLine,
};
use qingting_store::{AuditQuery, CallEnd, RecordingEnd, RecordingInfo, SeatRole};
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

/// One trunk, two prompts, and calls that never end by themselves.
#[derive(Default)]
struct House(Mutex<Vec<TestCall>>);

impl Installation for House {
    fn lines(&self) -> Lines {
        let trunk = TrunkLine { name: "ims".into(), up: true, calls: 3, ..TrunkLine::default() };
        Lines { trunks: vec![trunk], ..Lines::default() }
    }

    fn begin_test_call(&self, request: TestCallRequest) -> Result<TestCall, ControlError> {
        if request.to.expose() == "110" {
            let detail = "不能拨打紧急号码".to_owned();
            return Err(ControlError { code: ControlCode::NotAllowed, detail });
        }
        let to = request.to.expose()[7..].to_owned();
        let call = TestCall { id: Uuid::now_v7(), trunk: request.trunk, to, ..TestCall::default() };
        self.0.lock().unwrap().push(call.clone());
        Ok(call)
    }

    fn test_call(&self, id: Uuid) -> Option<TestCall> {
        self.0.lock().unwrap().iter().find(|call| call.id == id).cloned()
    }

    fn end_test_call(&self, id: Uuid) -> bool {
        let mut calls = self.0.lock().unwrap();
        let Some(call) = calls.iter_mut().find(|call| call.id == id) else { return false };
        (call.state, call.end) = (TestCallState::Ended, Some(TestCallEnd::Stopped));
        true
    }

    fn prompts(&self) -> Vec<PromptInfo> {
        let prompt = |id: &str, made: bool| PromptInfo {
            id: id.into(),
            used: "hotline.greeting".into(),
            text: "您好".into(),
            made,
            duration_ms: made.then_some(1),
        };
        vec![prompt("0", true), prompt("1", false)]
    }

    fn prompt(&self, id: &str) -> Option<Vec<i16>> {
        (id == "0").then(|| vec![1, -1, 256])
    }

    fn models(&self) -> Models {
        let recogniser = Recogniser { name: "local".into(), up: true, ..Recogniser::default() };
        let model = ModelInfo { name: "kokoro".into(), state: "installed", ..ModelInfo::default() };
        Models { models: vec![model], recognisers: vec![recogniser], level: "full" }
    }

    fn retention_days(&self) -> u32 {
        30
    }

    fn disk(&self) -> Option<Disk> {
        let (total_bytes, free_bytes) = (1_000, 400);
        Some(Disk { total_bytes, free_bytes, database_bytes: None, is_mounted: true })
    }
}

async fn house() -> World {
    World::with(|state| state.installation = Arc::new(House::default())).await
}

#[tokio::test]
async fn a_test_call_is_begun_once_followed_and_ended_and_the_audit_has_the_numbers_end() {
    let world = house().await;
    let path = "/api/v1/lines/test-calls";
    let lines = world.admin("GET", "/api/v1/lines", "").await.json();
    assert_eq!(
        (&lines["trunks"][0]["name"], &lines["trunks"][0]["calls"]),
        (&json!("ims"), &json!(3))
    );
    let body = json!({ "trunk": "ims", "to": "13800138000" }).to_string();
    let headers = format!("{}{KEY_HEADER}: k\r\n", world.admin);
    let begun = world.ask("POST", path, &headers, &body).await;
    assert_eq!((begun.status, &begun.json()["to"]), (201, &json!("8000")));
    let again = world.ask("POST", path, &headers, &body).await;
    assert_eq!(again.json(), begun.json(), "nobody is rung twice");
    let one = format!("{path}/{}", begun.json()["id"].as_str().unwrap());
    assert_eq!(world.admin("GET", &one, "").await.json()["state"], "dialling");
    assert_eq!(world.admin("DELETE", &one, "").await.status, 204);
    assert_eq!(world.admin("GET", &one, "").await.json()["end"], "stopped");
    let unknown = format!("{path}/{}", Uuid::nil());
    for (method, path, status) in
        [("GET", &unknown, 404), ("DELETE", &unknown, 404), ("GET", &format!("{path}/x"), 400)]
    {
        assert_eq!(world.admin(method, path, "").await.status, status, "{method} {path}");
    }
    for (trunk, to, status, field) in [
        ("other", "13800138000", 422, json!("trunk")),
        ("ims", "138x", 422, json!("to")),
        ("ims", "110", 403, json!(null)),
    ] {
        let body = json!({ "trunk": trunk, "to": to }).to_string();
        let refused = world.admin("POST", path, &body).await;
        assert_eq!((refused.status, &refused.json()["field"]), (status, &field), "{to}");
    }
    let query = AuditQuery { limit: 50, ..AuditQuery::default() };
    let lines = world.store.audit_lines(&query).await.unwrap();
    let calls: Vec<_> = lines.iter().filter(|line| line.action == "line.test_call").collect();
    assert_eq!(calls.len(), 2, "one that rang and one that was refused");
    assert!(calls.iter().any(|line| line.subject == "ims …8000"));
    assert!(lines.iter().all(|line| !line.subject.contains("13800138000")));
}

#[tokio::test]
async fn prompts_are_listened_to_where_they_are_made() {
    let world = house().await;
    let chief = world.seat("1012", SeatRole::Supervisor).await;
    let list = world.ask("GET", "/api/v1/prompts", &chief, "").await.json();
    assert_eq!(
        (&list["prompts"][0]["made"], &list["prompts"][1]["made"]),
        (&json!(true), &json!(false))
    );
    let sound = world.ask("GET", "/api/v1/prompts/0/audio", &chief, "").await;
    assert_eq!((sound.status, sound.body.len()), (200, 50));
    assert!(sound.head.contains("content-type: audio/wav"), "{}", sound.head);
    for missing in ["1", "x", "99999999999999999999"] {
        let path = format!("/api/v1/prompts/{missing}/audio");
        assert_eq!(world.ask("GET", &path, &chief, "").await.status, 404, "{missing}");
    }
}

#[tokio::test]
async fn models_are_told_with_who_recognises() {
    let world = house().await;
    let told = world.admin("GET", "/api/v1/models", "").await.json();
    assert_eq!((&told["level"], &told["recognisers"][0]["up"]), (&json!("full"), &json!(true)));
    assert_eq!(told["models"][0]["state"], "installed");
}

#[tokio::test]
async fn what_is_kept_due_and_deleted_is_told_with_the_disk() {
    let world = house().await;
    std::fs::write(world.dir.path().join("recordings/a.wav"), "x").unwrap();
    for (n, bytes) in [(0, 100), (1, 20)] {
        let (call, _) = world.call().await;
        let file = if n == 0 { "a.wav" } else { "b.wav" };
        world.store.answer_call(call, START, Some(file.into())).await.unwrap();
        let info = RecordingInfo { file: file.into(), bytes: Some(bytes), ..Default::default() };
        let end = CallEnd {
            id: call,
            // The first one long ago, the other today.
            ended_at: if n == 0 { START } else { super::callbacks::now() },
            hung_up_by: "caller".into(),
            cause: "caller_hung_up".into(),
            sip_code: None,
            answered: true,
            recording: RecordingEnd::Made(info),
            quality: None,
            missed: None,
        };
        world.store.end_call(end).await.unwrap();
    }
    let day = Duration::from_secs(86_400);
    world.store.retain_recordings(Some(day)).await.unwrap();
    let told = world.admin("GET", "/api/v1/retention", "").await.json();
    let of = |name: &str| told[name].as_i64().unwrap_or(-1);
    assert_eq!((of("days"), of("kept"), of("kept_bytes")), (30, 2, 120));
    assert_eq!((of("due"), of("due_bytes"), of("deleted"), of("to_erase")), (1, 100, 0, 0));
    assert_eq!(of("oldest_at"), START.0);
    assert!(of("next_due_at") > START.0);
    assert_eq!(
        told["disk"],
        json!({ "total_bytes": 1_000, "free_bytes": 400,
        "database_bytes": null, "is_mounted": true })
    );
    let due = world.store.recordings_due(super::callbacks::now(), None, 9).await.unwrap();
    world.store.recording_deleted(due[0].row.key, "retention").await.unwrap();
    std::fs::remove_dir_all(world.dir.path().join("recordings")).unwrap();
    let told = world.admin("GET", "/api/v1/retention", "").await.json();
    assert_eq!((told["due"].clone(), told["deleted"].clone()), (json!(0), json!(1)));
    assert!(told["last_deleted_at"].as_i64().is_some());
    assert_eq!(told["disk"]["is_mounted"], false);
}
