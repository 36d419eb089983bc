//! Every page, in both languages, as it stands on the smallest screen: accessible, and nowhere wider than the screen.
//! `SHOTS=FOLDER` keeps pictures.

use super::{CITIZEN_HZ, appears, is_accessible, says, seat_page, server, shows, take};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use qingting_tests::peers::browser::Browser;
use qingting_tests::peers::talker::Talker;
use qingting_tests::server::{Server, ServerPlan, wait_until};
use serde_json::json;

/// Pages of the administrator, by their address, and what stands on them in Chinese and English.
const PAGES: [(&str, &str, &str); 3] = [
    ("supervisor", "15 秒接通率", "Within 15 s"),
    ("callbacks", "回访任务", "Campaigns"),
    ("admin", "启用", "Enable"),
];

pub(super) fn picture(page: &Browser, name: &str) {
    let Some(folder) = std::env::var_os("SHOTS") else { return };
    let png = STANDARD.decode(page.screenshot()).expect("a picture");
    std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), png)
        .expect("written");
}

/// Fails where something reaches beyond the screen or Chinese is left on an English page.
#[track_caller]
pub(super) fn fits(page: &Browser) {
    let beyond = page.run("return document.documentElement.scrollWidth - innerWidth");
    assert!(beyond.as_i64().is_some_and(|pixels| pixels <= 0), "{beyond} pixels beyond the screen");
}

/// The console of the administrator.
pub(super) fn administrator(server: &Server) -> Browser {
    let page = Browser::start(&server.home().join("no-microphone.wav"));
    page.resize(1366, 768);
    page.open(&format!("http://{}/console/", server.http()));
    appears(&page, "extension");
    page.type_into("extension", "admin");
    page.type_into("password", server.password());
    page.press(qingting_tests::peers::browser::ENTER);
    shows(&page, "who", "管理员");
    page
}

#[test]
fn every_page_is_accessible_and_fits_in_both_languages() {
    let server = server(ServerPlan::deaf(), "王芳");
    let page = administrator(&server);
    let campaign = json!({ "name": "九月", "queue": "综合" });
    let (status, body) = server.request("POST", "/api/v1/campaigns", Some(&campaign));
    assert!(status == 201 || status == 422, "{body}");
    for language in ["zh", "en"] {
        for (address, chinese, english) in PAGES {
            page.run(&format!("location.hash = '#/{address}'"));
            says(&page, if language == "zh" { chinese } else { english });
            fits(&page);
            is_accessible(&page);
            picture(&page, &format!("{address}-{language}"));
        }
        page.click("language");
    }
    says(&page, "管理");
}

#[test]
fn a_citizen_is_erased_only_after_the_number_was_typed_again() {
    let server = server(ServerPlan::deaf(), "王芳");
    let page = administrator(&server);
    let campaign = json!({ "name": "十月" });
    let (status, body) = server.request("POST", "/api/v1/campaigns", Some(&campaign));
    assert_eq!(status, 201, "{body}");
    let closed = json!([{ "event_id": "1", "ticket": "GD1", "title": "路灯不亮", "unit": "城管局",
        "closed_at": 1_767_196_800_000_i64, "citizen": "13800138000" }]);
    let path = "/api/v1/campaigns/%E5%8D%81%E6%9C%88/follow-ups";
    let (status, body) = server.request("POST", path, Some(&closed));
    assert_eq!(status, 200, "{body}");
    page.run("location.hash = '#/admin'");
    says(&page, "启用");
    page.run(
        "[...document.querySelectorAll('button')].find((b) => b.innerText === '隐私').click()",
    );
    appears(&page, "citizen-phone");
    page.type_into("citizen-phone", "13800138000");
    page.click("citizen-plan");
    appears(&page, "citizen-typed");
    says(&page, "将要删除");
    assert!(page.text("citizen-counts").contains("回访记录 1"), "{}", page.text("citizen-counts"));
    let is_off = "return document.querySelector('#citizen-erase').disabled";
    page.type_into("citizen-typed", "1380013800");
    assert_eq!(page.run(is_off), true, "a digit is missing");
    fits(&page);
    is_accessible(&page);
    picture(&page, "privacy-zh");
    page.click("language");
    says(&page, "Would be erased");
    fits(&page);
    is_accessible(&page);
    picture(&page, "privacy-en");
    page.click("language");
    page.type_into("citizen-typed", "0");
    page.click("citizen-erase");
    says(&page, "已删除");
    let left = server.api_get("/api/v1/follow-ups")["follow_ups"][0].clone();
    assert_eq!((&left["citizen"], &left["status"]), (&json!("已删除"), &json!("cancelled")));
    let lines = server.api_get("/api/v1/audit")["lines"].clone();
    let lines = lines.as_array().cloned().unwrap_or_default();
    let of_citizens = lines.iter().filter_map(|line| {
        let action = line["action"].as_str()?.strip_prefix("citizen.")?;
        Some((action, line["subject"].as_str()?))
    });
    let [("erased", "…8000"), (erased, subject), (looked, _)] = of_citizens.collect::<Vec<_>>()[..]
    else {
        panic!("{lines:?}");
    };
    assert_eq!((erased, looked), ("erase", "erase_preview"), "newest first");
    assert!(subject.starts_with("…8000 consent_withdrawn"), "{subject}");
    page.click("citizen-copy");
    page.wait_until("the copy is told of in the audit", "return !document.querySelector('.bad')");
    wait_until("a copy was asked for", || {
        let lines = server.api_get("/api/v1/audit")["lines"].clone();
        lines.as_array()?.iter().any(|line| line["action"] == "citizen.export").then_some(())
    });
}

#[test]
fn a_seat_works_in_english_too() {
    let server = server(ServerPlan::deaf(), "Wang Fang");
    let page = seat_page(&server);
    let citizen = Talker::call(server.sip(), CITIZEN_HZ);
    take(&page);
    page.click("language");
    shows(&page, "call-state", "In a call");
    fits(&page);
    is_accessible(&page);
    picture(&page, "seat-en");
    // What is stored stays in Chinese, and of the page's own words none does.
    let chinese = page.run(
        "const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); const left = []; \
         while (walk.nextNode()) { \
             const { data, parentElement } = walk.currentNode; \
             const isOurs = !parentElement.closest('option, #language, script, style'); \
             if (isOurs && /[\\u4e00-\\u9fff]/.test(data)) left.push(data.trim()); \
         } return left",
    );
    assert_eq!(chinese, json!([]));
    page.click("language");
    shows(&page, "call-state", "通话中");
    citizen.hang_up();
    shows(&page, "call-state", "对方已挂机");
}
