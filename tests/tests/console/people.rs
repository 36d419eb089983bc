//! People without a telephone at the console: let in by the administrator, by password or by the city's provider.

use super::{appears, click, is_accessible, pages::picture, says, shows};
use qingting_tests::audio::{Wav, beeps};
use qingting_tests::clock::unix_seconds;
use qingting_tests::house::{BROWSER_PASSWORD, with_browser_seats};
use qingting_tests::peers::browser::{Browser, ENTER, ESCAPE};
use qingting_tests::peers::talker::Talker;
use qingting_tests::provider::{CLIENT, Provider};
use qingting_tests::server::{HTTP, Server, ServerPlan};
use serde_json::{Value, json};
use std::time::Duration;

const PASSWORD: &str = "a-good-password";
const UNIT: &str = "市城市管理局";

fn page_at(server: &Server) -> Browser {
    let microphone = server.home().join("microphone.wav");
    Wav::mono(beeps(700.0, Duration::from_secs(1))).write(&microphone);
    let page = Browser::start(&microphone);
    page.resize(1366, 768);
    page.open(&format!("http://{}/console/", server.http()));
    appears(&page, "extension");
    page
}

fn sign_in(page: &Browser, name: &str, password: &str) {
    page.type_into("extension", name);
    page.type_into("password", password);
    page.press(ENTER);
}

fn let_in(server: &Server, login: &str, role: &str, more: &Value) {
    let mut person = json!({ "login": login, "name": "李华", "role": role });
    person.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (status, body) = server.request("POST", "/api/v1/people", Some(&person));
    assert_eq!(status, 201, "{body}");
}

/// A ticket that the unit has: its id.
fn dispatched(server: &Server, unit: &str) -> String {
    let citizen = Talker::call(server.sip(), 1_150.0);
    let before = server.calls();
    citizen.hang_up();
    let id = before[0]["ticket"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/tickets/{id}");
    let fields = json!({ "title": "路灯不亮", "description": "路灯三天没有亮" });
    for (method, of, body) in [
        ("PATCH", "", json!({ "revision": 0, "fields": fields })),
        ("POST", "/confirm", json!({ "revision": 1 })),
        ("POST", "/steps", json!({ "revision": 2, "step": "dispatch", "unit": unit })),
    ] {
        let (status, answer) = server.request(method, &format!("{path}{of}"), Some(&body));
        assert_eq!(status, 200, "{answer}");
    }
    id
}

#[test]
fn the_administrator_lets_in_an_expert_who_handles_the_tickets_of_its_unit() {
    let server = with_browser_seats(ServerPlan::deaf(), &[]);
    let (own, other) = (dispatched(&server, UNIT), dispatched(&server, "市水务局"));
    let page = page_at(&server);
    sign_in(&page, "admin", server.password());
    shows(&page, "who", "管理员");
    page.run("location.hash = '#/admin'");
    page.wait_until("views are there", "return [...document.querySelectorAll('.admin button')].some((b) => b.innerText === '人员')");
    page.run("[...document.querySelectorAll('.admin button')].find((b) => b.innerText === '人员').click()");
    appears(&page, "person-login");
    page.type_into("person-login", "li.hua");
    page.type_into("person-name", "李华");
    page.type_into("person-unit", UNIT);
    page.type_into("person-password", PASSWORD);
    click(&page, "save-person");
    page.wait_until("the person is there", "return document.body.innerText.includes('li.hua')");
    is_accessible(&page);
    picture(&page, "people");
    click(&page, "sign-out");

    appears(&page, "extension");
    sign_in(&page, "li.hua", "wrong-password");
    shows(&page, "sign-in-error", "分机号、登录名或密码不对");
    page.run("document.getElementById('password').select()");
    page.type_into("password", PASSWORD);
    page.press(ENTER);
    shows(&page, "who", "李华");
    appears(&page, &format!("ticket-{own}"));
    let lists_other = format!("return document.getElementById('ticket-{other}') !== null");
    assert_eq!(page.run(&lists_other), false);
    click(&page, &format!("ticket-{own}"));
    shows(&page, "detail-stage", "转办");
    let steps = "return [...document.querySelectorAll('.steps button')].map((b) => b.innerText)";
    assert_eq!(page.run(steps), json!(["签收", "退回"]));
    // What was typed for one step is still there after another was looked at.
    click(&page, "step-return");
    appears(&page, "step-note");
    page.type_into("step-note", "不属于本单位职责");
    click(&page, "step-sign");
    click(&page, "step-return");
    appears(&page, "step-note");
    assert_eq!(page.run("return document.getElementById('step-note').value"), "不属于本单位职责");
    click(&page, "step-sign");
    click(&page, "step-take");
    shows(&page, "detail-stage", "承办");
    is_accessible(&page);
    picture(&page, "expert");
    let history = server.api_get(&format!("/api/v1/tickets/{own}/history"));
    assert_eq!(history["steps"][1]["by"], "li.hua");
    click(&page, "sign-out");
    appears(&page, "extension");
}

#[test]
fn the_citys_provider_lets_in_whom_the_administrator_knows_and_nobody_else() {
    let provider = Provider::start("sub-7", unix_seconds() + 300);
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(secret.path(), provider.secret()).expect("writable");
    let plan = ServerPlan::deaf()
        .with("sign_on.issuer", format!("\"{}\"", provider.issuer()))
        .with("sign_on.client_id", format!("\"{CLIENT}\""))
        .with("sign_on.secret_file", format!("\"{}\"", secret.path().display()))
        .with("sign_on.redirect_url", format!("\"http://{HTTP}/console/\""));
    let server = with_browser_seats(plan, &[]);
    let page = page_at(&server);
    shows(&page, "provider", "用统一身份认证签入");
    is_accessible(&page);
    picture(&page, "sign-in");
    click(&page, "provider");
    shows(&page, "sign-in-error", "还没有在本系统登记");
    let_in(&server, "shen.ji", "auditor", &json!({ "subject": "sub-7" }));
    click(&page, "provider");
    shows(&page, "who", "李华");
    // Neither code nor state stays in the address, which is kept by the browser.
    assert_eq!(page.run("return location.search"), "");
    page.wait_until("the audit is there", "return document.body.innerText.includes('会话 · 打开')");
    let log = server.log();
    assert!(!log.contains("code-") && !log.contains("sub-7"), "{log}");
}

#[test]
fn a_seat_and_a_person_change_their_own_password() {
    let server = with_browser_seats(ServerPlan::deaf(), &[("801", "王芳")]);
    let_in(&server, "hui.fang", "operator", &json!({ "password": PASSWORD }));
    for (name, password) in [("801", BROWSER_PASSWORD), ("hui.fang", PASSWORD)] {
        let page = page_at(&server);
        sign_in(&page, name, password);
        shows(&page, "who", if name == "801" { "王芳" } else { "李华" });
        click(&page, "who");
        appears(&page, "own-current");
        page.type_into("own-current", "another-password");
        page.type_into("own-new", "staple battery");
        page.type_into("own-again", "staple batterx");
        click(&page, "own-change");
        shows(&page, "own-problem", "两次输入的新密码不一样");
        page.run("document.getElementById('own-again').select()");
        page.type_into("own-again", "staple battery");
        click(&page, "own-change");
        shows(&page, "own-problem", "当前密码不对");
        is_accessible(&page);
        picture(&page, &format!("own-password-{name}"));
        page.run("document.getElementById('own-current').select()");
        page.type_into("own-current", password);
        click(&page, "own-change");
        shows(&page, "own-done", "密码已修改");
        if name == "801" {
            // The telephone registers with the new one.
            shows(&page, "line", "话机已注册");
        } else {
            // Its pages are those of campaigns.
            assert_eq!(
                page.run("return document.querySelector('nav[aria-label=页面]') === null"),
                true
            );
            says(&page, "回访任务");
        }
        page.press(ESCAPE);
        click(&page, "sign-out");
        appears(&page, "extension");
        sign_in(&page, name, password);
        shows(&page, "sign-in-error", "分机号、登录名或密码不对");
        page.run("document.getElementById('password').select()");
        page.type_into("password", "staple battery");
        page.press(ENTER);
        appears(&page, "who");
        if name == "801" {
            shows(&page, "line", "话机已注册");
        }
    }
}
