//! The administrator's pages of lines, prompts and retention, with a trunk that answers.

use super::pages::{administrator, fits, picture};
use super::{appears, is_accessible, says, server, shows};
use qingting_tests::audio::speech_like;
use qingting_tests::clock::Deadline;
use qingting_tests::peers::browser::Browser;
use qingting_tests::rtp::RtpEnd;
use qingting_tests::server::{ServerPlan, wait_until};
use qingting_tests::trunk::{OnInvite, TrunkEnd, TrunkPlan};
use serde_json::json;
use std::time::Duration;

/// Opens one of the administrator's contents by its button.
pub(super) fn open(page: &Browser, name: &str) {
    page.run("location.hash = '#/admin'");
    let script = format!(
        "const one = [...document.querySelectorAll('.admin > [role=group] button')]\
         .find((button) => button.innerText === '{name}'); one?.click(); return one !== undefined"
    );
    page.wait_until("the button is there", &script);
}

/// As it is in both languages.
pub(super) fn is_good(page: &Browser, name: &str, chinese: &str, english: &str) {
    for (language, text) in [("zh", chinese), ("en", english)] {
        says(page, text);
        fits(page);
        is_accessible(page);
        picture(page, &format!("{name}-{language}"));
        page.click("language");
    }
}

#[test]
fn a_trunk_is_tried_by_a_call_of_which_only_the_audit_knows() {
    let media = RtpEnd::bind();
    let trunk = TrunkEnd::start(TrunkPlan::new(OnInvite::Answer { rtp_port: media.port() }));
    let plan = ServerPlan::deaf().and(&format!(
        "[[trunks]]\nname = \"移动\"\nuri = \"sip:{}\"\npeers = [\"127.0.0.2\"]\n\
         caller_id = \"01012345\"\nuser = \"hotline\"\npassword = \"trunk-secret\"\n",
        trunk.address()
    ));
    let server = server(plan, "王芳");
    let page = administrator(&server);
    open(&page, "号码与线路");
    appears(&page, "trunks");
    wait_until("the trunk is up", || {
        let lines = server.api_get("/api/v1/lines");
        assert!(!lines.to_string().contains("trunk-secret"), "{lines}");
        (lines["trunks"][0]["up"] == true).then_some(())
    });
    page.wait_until(
        "the page says so",
        "return document.querySelector('#trunks').innerText.includes('可用')",
    );
    is_good(&page, "lines", "服务号码", "Test call");

    // Neither the police nor abroad.
    page.type_into("test-number", "110");
    page.click("test-begin");
    says(&page, "不能拨打紧急");
    assert!(trunk.requests("INVITE").is_empty());
    page.run("document.getElementById('test-number').select()");
    page.type_into("test-number", "13912345678");
    page.click("test-begin");
    shows(&page, "test-call", "尾号 5678");
    let invite = trunk.request("INVITE", 1);
    assert!(invite.starts_with("INVITE sip:13912345678@"), "{invite}");
    shows(&page, "test-call", "编码 PCMA");
    let far_end = media.first_sender(Deadline::after(Duration::from_secs(10))).expect("the tone");
    assert_eq!(server.api_get("/api/v1/lines")["trunks"][0]["calls"], 1);
    media.speak(far_end, &speech_like(7, Duration::from_secs(2)), 1);
    shows(&page, "test-call", "收到对方声音");
    picture(&page, "test-call-zh");
    page.click("test-end");
    trunk.request("BYE", 1);
    shows(&page, "test-call", "已手动结束");
    shows(&page, "test-call", "音质 MOS");
    fits(&page);
    is_accessible(&page);
    let heard = media.heard();
    assert!(heard.iter().any(|sample| sample.unsigned_abs() > 2_000), "the tone is heard");
    picture(&page, "test-call-ended-zh");
    let lines = server.api_get("/api/v1/audit")["lines"].clone();
    let lines = lines.as_array().cloned().unwrap_or_default();
    let tested: Vec<_> = lines.iter().filter(|line| line["action"] == "line.test_call").collect();
    assert_eq!(tested[0]["subject"], "移动 …5678");
    assert_eq!(server.api_get("/api/v1/calls")["calls"], json!([]), "it is no call");
    assert_eq!(server.api_get("/api/v1/lines")["trunks"][0]["calls"], 0);
    assert!(!server.log().contains("13912345678"));
}

#[test]
fn a_trunk_that_refuses_says_with_which_code() {
    let refusing = OnInvite::Refuse { code: 503, fields: "" };
    let trunk = TrunkEnd::start(TrunkPlan::new(refusing));
    let plan = ServerPlan::deaf().and(&format!(
        "[[trunks]]\nname = \"联通\"\nuri = \"sip:{}\"\npeers = [\"127.0.0.2\"]\n",
        trunk.address()
    ));
    let server = server(plan, "王芳");
    let page = administrator(&server);
    open(&page, "号码与线路");
    appears(&page, "test-number");
    page.type_into("test-number", "057188886666");
    page.click("test-begin");
    shows(&page, "test-call", "没有接通，SIP 码 503");
}

#[test]
fn prompts_are_heard_and_what_is_kept_is_seen() {
    let server = server(ServerPlan::deaf(), "王芳");
    let page = administrator(&server);
    open(&page, "提示音");
    shows(&page, "prompts-made", "条提示音");
    shows(&page, "prompts", "您好，请讲。");
    page.run("document.querySelector('#prompts .link').click()");
    page.wait_until(
        "the first one is played",
        "return document.querySelector('#prompts .link').innerText.includes('停止')",
    );
    is_good(&page, "prompts", "提示音", "Ringing tone");
    open(&page, "模型");
    appears(&page, "models");
    is_good(&page, "models", "没有开启识别", "Models on disk");
    open(&page, "保存期限");
    shows(&page, "retention-days", "没有设置保存期限");
    shows(&page, "disk", "可用");
    is_good(&page, "retention", "现存录音", "Recordings");
}
