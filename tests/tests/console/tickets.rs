//! The page of tickets: found, dispatched, signed for, closed; and who comes second.

use super::pages::picture;
use super::{appears, click, is_accessible, says, shows};
use qingting_tests::audio::{Wav, beeps};
use qingting_tests::house::{BROWSER_PASSWORD, with_browser_seats};
use qingting_tests::peers::browser::{Browser, ENTER};
use qingting_tests::peers::talker::Talker;
use qingting_tests::server::{Server, ServerPlan};
use serde_json::{Value, json};
use std::time::Duration;

/// A ticket of a call, confirmed: its id.
fn confirmed(server: &Server, title: &str, emergency: &str) -> String {
    let citizen = Talker::call(server.sip(), 1_150.0);
    let before = server.calls();
    citizen.hang_up();
    let id = before[0]["ticket"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/tickets/{id}");
    let fields = json!({ "title": title, "description": "小区门口的路灯三天没有亮，晚上看不见路。",
        "place": "幸福小区3号楼", "caller_name": "张", "emergency": emergency,
        "handling_unit": "市城市管理局", "category": "市容环卫/占道经营" });
    let (status, body) =
        server.request("PATCH", &path, Some(&json!({ "revision": 0, "fields": fields })));
    assert_eq!(status, 200, "{body}");
    let confirm = format!("{path}/confirm");
    let (status, body) = server.request("POST", &confirm, Some(&json!({ "revision": 1 })));
    assert_eq!(status, 200, "{body}");
    id
}

fn revision(server: &Server, id: &str) -> Value {
    server.api_get(&format!("/api/v1/tickets/{id}"))["revision"].clone()
}

/// The administrator's page of tickets.
fn tickets_page(server: &Server) -> Browser {
    let page = page_of(server, "admin", server.password());
    shows(&page, "who", "管理员");
    page.run("location.hash = '#/tickets'");
    appears(&page, "search-text");
    page
}

/// The console, signed in.
fn page_of(server: &Server, name: &str, password: &str) -> Browser {
    let microphone = server.home().join("microphone.wav");
    Wav::mono(beeps(700.0, Duration::from_secs(1))).write(&microphone);
    let page = Browser::start(&microphone);
    page.resize(1366, 768);
    page.open(&format!("http://{}/console/", server.http()));
    appears(&page, "extension");
    page.type_into("extension", name);
    page.type_into("password", password);
    page.press(ENTER);
    page
}

#[test]
fn a_seat_dispatches_what_it_has_submitted() {
    let server = with_browser_seats(ServerPlan::deaf(), &[("801", "王芳")]);
    let page = page_of(&server, "801", BROWSER_PASSWORD);
    shows(&page, "seat-state", "空闲");
    let citizen = Talker::call(server.sip(), 1_150.0);
    shows(&page, "call-state", "来电");
    page.press(ENTER);
    shows(&page, "call-state", "通话中");
    page.type_into("field-title", "路灯不亮");
    page.press(ENTER);
    // The city's units are suggested, by what they answer for, too.
    page.type_into("field-handling_unit", "户外广告");
    let suggested = "return document.querySelector('#field-handling_unit-names option')?.value";
    assert_eq!(page.wait_until("units are suggested", suggested), "市城市管理局");
    page.run("document.getElementById('field-handling_unit').select()");
    page.type_into("field-handling_unit", "市城市管理局");
    page.press(ENTER);
    shows(&page, "field-handling_unit-state", "已确认");
    citizen.hang_up();
    shows(&page, "call-state", "对方已挂机");
    click(&page, "submit");
    click(&page, "dispatch");
    appears(&page, "step-unit");
    click(&page, "step-take");
    shows(&page, "dispatched", "已转办 市城市管理局");
    let ticket = server.ticket_of(&server.calls()[0]);
    assert_eq!(ticket["handling"]["stage"], "dispatched");
}

#[test]
fn a_ticket_is_found_dispatched_signed_for_and_closed() {
    let server = with_browser_seats(ServerPlan::deaf(), &[]);
    let other = confirmed(&server, "噪音扰民", "");
    let id = confirmed(&server, "路灯不亮", "120");
    let page = tickets_page(&server);
    appears(&page, &format!("ticket-{other}"));

    // Only what was looked for, and by the keyboard.
    page.type_into("search-text", "路灯不亮");
    page.press(ENTER);
    let gone = format!("return document.getElementById('ticket-{other}') === null");
    page.wait_until("the other one is gone", &gone);
    page.run(&format!("document.getElementById('ticket-{id}').focus()"));
    page.press(ENTER);
    shows(&page, "detail-stage", "受理");
    is_accessible(&page);

    // To the unit that the draft names; it is urgent, so its time is short.
    click(&page, "step-dispatch");
    appears(&page, "step-unit");
    let unit = page.run("return document.getElementById('step-unit').value");
    assert_eq!(unit, "市城市管理局");
    let suggested = "return [...document.querySelectorAll('#step-units option')].some(({ value }) => value === '市公安局')";
    page.wait_until("units are suggested", suggested);
    click(&page, "step-take");
    shows(&page, "detail-stage", "转办");
    shows(&page, "detail-left", "还剩 1 小时 59 分");
    shows(&page, "history", "市城市管理局");
    click(&page, "step-sign");
    click(&page, "step-take");
    shows(&page, "detail-stage", "承办");

    // Somebody else is first: it is said, what was typed stays, and counts when it is sent again.
    click(&page, "step-supervise");
    appears(&page, "step-note");
    page.type_into("step-note", "人大代表关注");
    let steps = format!("/api/v1/tickets/{id}/steps");
    let now = revision(&server, &id);
    let extend = json!({ "revision": now, "step": "extend", "note": "等配件",
        "deadline": server.api_get(&format!("/api/v1/tickets/{id}"))["handling"]["deadline"].as_i64().expect("one") + 86_400_000 });
    let (status, body) = server.request("POST", &steps, Some(&extend));
    assert_eq!(status, 200, "{body}");
    click(&page, "step-take");
    says(&page, "工单刚被他人办理过");
    let note = page.run("return document.getElementById('step-note').value");
    assert_eq!(note, "人大代表关注");
    shows(&page, "history", "等配件");
    is_accessible(&page);
    click(&page, "step-take");
    shows(&page, "history", "人大代表关注");

    click(&page, "step-close");
    appears(&page, "step-note");
    let too_early = page.run("return document.getElementById('step-take').disabled");
    assert_eq!(too_early, true, "a result is needed");
    page.type_into("step-note", "已更换灯泡，现场照明恢复。");
    click(&page, "step-take");
    shows(&page, "detail-stage", "办结");
    for step in ["受理", "转办", "签收", "延期", "督办", "办结"] {
        shows(&page, "history", step);
    }
    let history = server.api_get(&format!("/api/v1/tickets/{id}/history"));
    let steps: Vec<_> =
        history["steps"].as_array().expect("steps").iter().map(|it| &it["step"]).collect();
    assert_eq!(steps, ["dispatch", "sign", "extend", "supervise", "close"]);
    // The list says the same, and the totals count what is left.
    page.run("document.getElementById('search-text').value = ''");
    shows(&page, "totals", "在办 1 件");
}

#[test]
fn a_page_that_is_open_shows_what_another_did_and_keeps_what_is_typed() {
    let server = with_browser_seats(ServerPlan::deaf(), &[]);
    let id = confirmed(&server, "路灯不亮", "");
    let chief = json!({ "extension": "809", "name": "赵敏", "role": "supervisor", "password": BROWSER_PASSWORD });
    let (status, body) = server.request("POST", "/api/v1/seats", Some(&chief));
    assert_eq!(status, 201, "{body}");
    // Once by the stream of events, once by the administrator's page, which has none.
    for (name, password) in [("809", BROWSER_PASSWORD), ("admin", server.password())] {
        let page = page_of(&server, name, password);
        shows(&page, "who", if name == "admin" { "管理员" } else { "赵敏" });
        page.run("location.hash = '#/tickets'");
        click(&page, &format!("ticket-{id}"));
        appears(&page, "step-supervise");
        click(&page, "step-supervise");
        appears(&page, "step-note");
        page.type_into("step-note", "人大代表关注");
        let now = revision(&server, &id);
        let note = if name == "admin" { "市长热线转来" } else { "媒体关注" };
        let step = json!({ "revision": now, "step": "supervise", "note": note });
        let path = format!("/api/v1/tickets/{id}/steps");
        let (status, body) = server.request("POST", &path, Some(&step));
        assert_eq!(status, 200, "{body}");
        shows(&page, "history", note);
        if name == "809" {
            shows(&page, "detail-news", "现在显示的是最新内容");
        }
        shows(&page, "step-kept", "您填写的内容没有变动");
        let note = page.run("return document.getElementById('step-note').value");
        assert_eq!(note, "人大代表关注");
        is_accessible(&page);
        picture(&page, &format!("ticket-live-{name}"));
        // What was seen is what counts: it is taken at the new revision.
        click(&page, "step-take");
        shows(&page, "history", "人大代表关注");
        let news = page.run("return document.getElementById('detail-news') === null");
        assert_eq!(news, true, "what the page did itself is no news");
    }
}

#[test]
fn a_draft_is_completed_and_confirmed_and_a_unit_of_no_list_is_asked_about() {
    let server = with_browser_seats(ServerPlan::deaf(), &[]);
    let citizen = Talker::call(server.sip(), 1_150.0);
    let call = server.calls()[0].clone();
    citizen.hang_up();
    let id = call["ticket"].as_str().expect("an id").to_owned();
    let page = tickets_page(&server);
    click(&page, &format!("ticket-{id}"));
    appears(&page, "field-title");
    shows(&page, "detail-caller", call["caller"].as_str().expect("a number"));
    page.type_into("field-title", "路灯不亮");
    page.press(ENTER);
    shows(&page, "field-title-state", "已确认");
    // What is no date, and what is no number, is said where it was typed.
    page.type_into("field-occurred_at", "2026-13-45");
    page.press(ENTER);
    shows(&page, "field-occurred_at-refused", "发生时间应为日期或时刻");
    page.type_into("field-phone", "abc");
    page.press(ENTER);
    shows(&page, "field-phone-refused", "联系电话应为 3 至 20 位数字");
    is_accessible(&page);
    picture(&page, "draft-refused");
    for field in ["occurred_at", "phone"] {
        page.run(&format!("document.getElementById('field-{field}').select()"));
    }
    page.run("document.getElementById('field-occurred_at').select()");
    page.type_into("field-occurred_at", "昨天傍晚");
    page.press(ENTER);
    shows(&page, "field-occurred_at-state", "已确认");
    page.run("document.getElementById('field-phone').select()");
    page.type_into("field-phone", "13900139000");
    page.press(ENTER);
    shows(&page, "field-phone-state", "已确认");
    picture(&page, "draft-form");
    click(&page, "draft-submit");
    shows(&page, "detail-stage", "受理");

    click(&page, "step-dispatch");
    appears(&page, "step-unit");
    page.type_into("step-unit", "没有这个局");
    click(&page, "step-take");
    shows(&page, "unit-unknown", "仍要转办");
    is_accessible(&page);
    picture(&page, "unit-unknown");
    let stage = server.api_get(&format!("/api/v1/tickets/{id}"))["handling"]["stage"].clone();
    assert_eq!(stage, "accepted");
    // What is typed takes the place of what was there.
    page.run("document.getElementById('step-note')?.focus(); document.getElementById('step-deadline').focus()");
    page.run("document.getElementById('step-unit').focus()");
    page.type_into("step-unit", "市城市管理局");
    let unit = page.run("return document.getElementById('step-unit').value");
    assert_eq!(unit, "市城市管理局");
    click(&page, "step-take");
    shows(&page, "detail-stage", "转办");
}
