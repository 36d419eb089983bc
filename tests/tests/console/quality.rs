//! The page of quality checks: a finding of a real call is looked at in its waveform, heard, and confirmed by a key.

use super::pages::{administrator, fits, picture};
use super::{appears, is_accessible, says, shows};
use qingting_tests::clock::Deadline;
use qingting_tests::house::House;
use qingting_tests::peers::desk::Manner;
use qingting_tests::server::{ServerPlan, wait_until};
use qingting_tests::tone;
use serde_json::{Value, json};
use std::time::Duration;

const NUMBER: &str = "[[numbers]]\nnumber = \"12345\"\nname = \"热线\"\nqueue = \"综合\"\n";
/// The citizen is not to wait longer than five seconds.
const RULES: &str = "项目,限值,扣分,最多扣分,用语\n等待,5,5,15,\n服务禁语,,20,40,不归我们管\n";
const WAITS: Duration = Duration::from_millis(6_500);

/// Presses Alt and a key, wherever the focus is.
fn alt(page: &qingting_tests::peers::browser::Browser, key: char) {
    page.run(&format!(
        "document.dispatchEvent(new KeyboardEvent('keydown', {{ code: 'Key{key}', altKey: true, bubbles: true }}))"
    ));
}

#[test]
fn a_finding_is_seen_in_its_call_heard_and_confirmed() {
    let profile = tempfile::tempdir().expect("a folder");
    std::fs::write(profile.path().join("quality.csv"), RULES).expect("written");
    let plan = ServerPlan::deaf().with("nlu.profile", format!("{:?}", profile.path()));
    let house = House::of(plan, NUMBER, "");
    let mut seat = house.seat("801", tone::FIRST, Manner::Answers);
    let (mut citizen, call) = house.talk(&mut seat);
    house.command(&call, &json!({ "command": "hold" }));
    // What is checked is that this lasts.
    assert!(Deadline::after(WAITS).poll(|| None::<()>).is_none());
    house.command(&call, &json!({ "command": "resume" }));
    citizen.hears(&[tone::FIRST]);
    citizen.hang_up();
    let server = &house.server;
    let of_call = format!("/api/v1/calls/{call}/quality");
    let found = wait_until("the call is checked", || {
        let quality = server.api_get(&of_call);
        (quality["checked_at"] != Value::Null).then_some(quality)
    });
    let findings = found["findings"].as_array().expect("findings");
    assert_eq!((findings.len(), &findings[0]["kind"]), (1, &json!("hold")), "{found}");
    assert!(findings[0]["measured"].as_u64().is_some_and(|ms| ms > 5_000), "{found}");
    assert_eq!(found["score"], Value::Null, "nothing was transcribed");
    let id = findings[0]["id"].as_str().expect("an id").to_owned();

    let page = administrator(server);
    page.run("location.hash = '#/quality'");
    shows(&page, "quality-totals", "已质检通话");
    appears(&page, &format!("finding-{id}"));
    fits(&page);
    is_accessible(&page);
    picture(&page, "quality-list");
    page.run(&format!("document.getElementById('finding-{id}').focus()"));
    page.press(qingting_tests::peers::browser::ENTER);
    shows(&page, "chosen", "等待过久");
    appears(&page, "waveform");
    let drawn =
        "return document.querySelector('#waveform .citizen')?.getAttribute('d')?.length > 1000";
    page.wait_until("the citizen's side is drawn", drawn);
    fits(&page);
    is_accessible(&page);
    picture(&page, "quality-zh");
    page.click("language");
    says(&page, "Left waiting");
    fits(&page);
    is_accessible(&page);
    picture(&page, "quality-en");
    page.click("language");

    // The waveform is a slider.
    let place = "return Number(document.getElementById('waveform').getAttribute('aria-valuenow'))";
    let before = page.run(place).as_i64().expect("seconds");
    page.run("document.getElementById('waveform').focus()");
    page.press('\u{e014}');
    assert_eq!(page.run(place), json!(before + 5));
    page.press('\u{e011}');
    assert_eq!(page.run(place), json!(0));
    alt(&page, 'P');
    page.wait_until("it plays", &format!("{place} > 0"));
    let lines = server.api_get("/api/v1/audit")["lines"].clone();
    let actions: Vec<_> =
        lines.as_array().into_iter().flatten().filter_map(|line| line["action"].as_str()).collect();
    assert!(
        actions.contains(&"recording.peaks") && actions.contains(&"recording.read"),
        "{actions:?}"
    );
    alt(&page, 'P');

    page.type_into("remark", "等待中未回访市民");
    alt(&page, 'Y');
    shows(&page, "quality-totals", "确认 1");
    let confirmed = server.api_get(&of_call)["findings"][0].clone();
    assert_eq!(
        (&confirmed["state"], &confirmed["remark"], &confirmed["reviewed_by"]),
        (&json!("confirmed"), &json!("等待中未回访市民"), &json!("admin"))
    );
    let console = page.console();
    assert!(!console.contains("Content Security Policy"), "{console}");
}
