//! The console in a real browser: a citizen's call from the ring to the submitted ticket.

mod city;
mod installation;
mod long_day;
mod network;
mod pages;
mod people;
mod quality;
mod tickets;
mod watched;

use qingting_tests::audio::{Wav, beeps};
use qingting_tests::clock::Deadline;
use qingting_tests::house::{BROWSER_PASSWORD, with_browser_seats};
use qingting_tests::peers::baresip::{Answer, Answering};
use qingting_tests::peers::browser::{Browser, ENTER, ESCAPE};
use qingting_tests::peers::talker::Talker;
use qingting_tests::server::{Server, ServerPlan, wait_until};
use qingting_tests::spoken;
use qingting_tests::ticket_system::TicketSystem;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const SEAT_HZ: f64 = 700.0;
const CITIZEN_HZ: f64 = 1_150.0;
const EXPERT_HZ: f64 = 1_900.0;
const EXPERT: &str = "13900139000";
/// From here on a tone is there, in dB.
const HEARD: f64 = -50.0;
/// Where `npm ci` in `console/` puts the accessibility checks; they are made where Node.js is.
const AXE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../console/node_modules/axe-core/axe.min.js");
/// What the seat page may cost before it can be used, over the wire.
const FIRST_LOAD_BYTES_MAX: f64 = 300_000.0;
/// What would run, or load, were it ever markup.
const MARKUP: &str = "<img src=x onerror=harmed=1>路灯";

fn server(plan: ServerPlan, seat_name: &str) -> Server {
    with_browser_seats(plan, &[("801", seat_name)])
}

/// The console of a seat that waits for calls, on the smallest screen that offices have.
fn seat_page(server: &Server) -> Browser {
    let page = signed_in(server, "801");
    shows(&page, "seat-state", "空闲");
    page
}

/// The console of who has that extension, whose telephone is registered.
fn signed_in(server: &Server, extension: &str) -> Browser {
    let microphone = server.home().join("microphone.wav");
    Wav::mono(beeps(SEAT_HZ, Duration::from_secs(12))).write(&microphone);
    let page = Browser::start(&microphone);
    page.resize(1366, 768);
    sign_in(&page, &server.http().to_string(), extension);
    page
}

/// Signs in at the console of that host.
fn sign_in(page: &Browser, host: &str, extension: &str) {
    page.open(&format!("http://{host}/console/"));
    appears(page, "extension");
    page.type_into("extension", extension);
    page.type_into("password", BROWSER_PASSWORD);
    page.press(ENTER);
    shows(page, "line", "话机已注册");
}

#[track_caller]
fn appears(page: &Browser, id: &str) {
    page.wait_until(
        &format!("#{id} is there"),
        &format!("return document.getElementById('{id}')?.id"),
    );
}

/// Waits until the element of that id shows this.
#[track_caller]
fn shows(page: &Browser, id: &str, text: &str) {
    let text = Value::from(text);
    let is_shown = format!("return document.getElementById('{id}')?.innerText.includes({text})");
    page.wait_until(&format!("#{id} shows {text}"), &is_shown);
}

/// Waits until the page shows this anywhere.
#[track_caller]
fn says(page: &Browser, text: &str) {
    let text = Value::from(text);
    let script = format!("return document.body.innerText.includes({text})");
    page.wait_until(&format!("the page says {text}"), &script);
}

/// Waits until the field of the draft has a value with this in it.
#[track_caller]
fn has(page: &Browser, field: &str, text: &str) {
    let text = Value::from(text);
    let has = format!("return document.getElementById('field-{field}')?.value.includes({text})");
    page.wait_until(&format!("{field} has {text}"), &has);
}

fn value(page: &Browser, field: &str) -> Value {
    page.run(&format!("return document.getElementById('field-{field}').value"))
}

/// Waits until the element of that id can be used, and clicks it.
#[track_caller]
fn click(page: &Browser, id: &str) {
    let can = format!("return document.getElementById('{id}')?.disabled === false");
    page.wait_until(&format!("#{id} can be clicked"), &can);
    page.click(id);
}

fn take(page: &Browser) {
    shows(page, "call-state", "来电");
    page.press(ENTER);
    shows(page, "call-state", "通话中");
}

/// Fails on what axe finds serious or worse, where it is installed.
#[track_caller]
fn is_accessible(page: &Browser) {
    let Ok(axe) = std::fs::read_to_string(Path::new(AXE)) else {
        println!("axe-core is not installed: `npm ci` in console/ does that");
        return;
    };
    // A button that was just chosen is between two colours.
    let stands = "return document.getAnimations().every((one) => !(one instanceof CSSTransition))";
    page.wait_until("colours stand", stands);
    let script = format!(
        "{axe}; const found = await axe.run(); \
         return found.violations.filter(({{ impact }}) => ['serious', 'critical'].includes(impact)) \
             .map(({{ id, nodes }}) => [id, nodes.map(({{ html }}) => html).join(' ')]);"
    );
    assert_eq!(page.run(&script), json!([]));
}

/// Waits until the citizen has said one more sentence: the machine has read the whole call again.
#[track_caller]
fn another_sentence(page: &Browser) {
    let finals = "document.querySelectorAll('#captions li.caller:not(.partial)').length";
    let before = page.run(&format!("return {finals}"));
    page.wait_until("the citizen says more", &format!("return {finals} > {before}"));
}

fn ticket(server: &Server) -> Value {
    server.ticket_of(&server.calls()[0])
}

#[test]
fn a_citizens_words_become_a_draft_that_the_seat_edits_and_submits() {
    let system = TicketSystem::start();
    let tone = beeps(EXPERT_HZ, Duration::from_secs(120));
    let expert = Answering::start_as(EXPERT, Answer::AtOnce, tone);
    let plan = ServerPlan::hearing()
        .and(&format!("[[trunks]]\nname = \"市话\"\nuri = \"sip:{}\"\n", expert.sip()))
        .with("ticket_system.url", format!("{:?}", system.url()))
        .with("ticket_system.secret_file", format!("{:?}", system.secret_file()));
    let server = server(plan, "王芳");
    let page = seat_page(&server);
    is_accessible(&page);
    let words = spoken("您好，我要投诉，楼下的烧烤店噪音特别大。", "jf_nezumi");
    let mut words = Wav::read(&words).channels.remove(0);
    words.resize(words.len() / 160 * 160 + 160 * 100, 0);
    let citizen = Talker::call_saying(server.sip(), words);
    shows(&page, "peer", "13800138000");
    take(&page);

    shows(&page, "captions", "投诉");
    has(&page, "appeal_kind", "投诉");
    shows(&page, "field-appeal_kind-state", "%");

    // What is typed stays while the machine goes on, stored or not.
    page.type_into("field-place", "幸福小区3号楼");
    another_sentence(&page);
    assert_eq!(value(&page, "place"), "幸福小区3号楼");
    page.press(ENTER);
    shows(&page, "field-place-state", "已确认");
    let place = &ticket(&server)["fields"]["place"];
    assert_eq!((&place["value"], &place["source"]), (&json!("幸福小区3号楼"), &json!("person")));
    another_sentence(&page);
    assert_eq!(value(&page, "place"), "幸福小区3号楼");

    // The words that a field rests on are marked, and heard from the recording.
    page.click("field-appeal_kind");
    let marked = "return document.querySelector('#captions mark')?.innerText.includes('投诉')";
    page.wait_until("the evidence is marked", marked);
    is_accessible(&page);
    page.run("document.querySelector('#captions li.marked .when').click()");
    wait_until("the recording is played", || {
        let lines = server.api_get("/api/v1/audit")["lines"].clone();
        lines.as_array()?.iter().any(|line| line["action"] == "recording.read").then_some(())
    });

    // One key accepts what the machine is sure of.
    page.press(ESCAPE);
    click(&page, "accept-all");
    shows(&page, "field-appeal_kind-state", "已确认");

    // An expert is asked while the citizen waits, then all three talk.
    page.type_into("target", EXPERT);
    click(&page, "consult");
    shows(&page, "call-state", "咨询中");
    click(&page, "three");
    shows(&page, "call-state", "三方通话");
    let both = Deadline::after(Duration::from_secs(60)).poll(|| {
        let to_citizen = citizen.level(EXPERT_HZ, Duration::from_secs(1));
        (to_citizen > HEARD && page.levels(&[EXPERT_HZ])[0] > HEARD).then_some(())
    });
    assert!(both.is_some(), "the expert is not heard by both");

    // Seat and expert go on without the citizen until the seat ends it.
    citizen.hang_up();
    page.wait_until(
        "the citizen has left",
        "return !document.getElementById('legs')?.innerText.includes('市民')",
    );
    page.press(ESCAPE);
    shows(&page, "call-state", "已挂机");
    shows(&page, "seat-state", "话后处理");
    let submitted = Deadline::after(Duration::from_secs(30)).poll(|| {
        // The last sentence may come in between; the page then asks for another look.
        page.run("document.getElementById('submit')?.click()");
        (ticket(&server)["status"] == "confirmed").then_some(())
    });
    assert!(submitted.is_some(), "{}", page.console());
    shows(&page, "delivery", "已送达工单系统");
    is_accessible(&page);
    let booked = system.booked();
    let confirmed = booked.iter().find(|event| {
        event.event["type"].as_str().is_some_and(|kind| kind.ends_with("ticket.confirmed"))
    });
    assert!(confirmed.is_some(), "{booked:?}");
    click(&page, "done");
    shows(&page, "seat-state", "空闲");
    let console = page.console();
    assert!(!console.contains("Content Security Policy"), "{console}");
}

#[test]
fn a_seat_and_a_citizen_hear_each_other_and_the_keys_work() {
    let server = server(ServerPlan::deaf(), "王芳");
    let page = seat_page(&server);
    let loaded = page.run(
        "const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]; \
         const own = all.filter(({ name }) => name.includes('/console/')); \
         return own.reduce((sum, { transferSize }) => sum + transferSize, 0)",
    );
    let painted =
        page.run("return performance.getEntriesByName('first-contentful-paint')[0]?.startTime");
    println!("first load: {loaded} bytes, to be used after {painted} ms");
    assert!(loaded.as_f64().is_some_and(|bytes| (1.0..FIRST_LOAD_BYTES_MAX).contains(&bytes)));

    let citizen = Talker::call(server.sip(), CITIZEN_HZ);
    take(&page);
    let heard = Deadline::after(Duration::from_secs(60)).poll(|| {
        let to_citizen = citizen.level(SEAT_HZ, Duration::from_millis(500));
        (to_citizen > HEARD && page.levels(&[CITIZEN_HZ])[0] > HEARD).then_some(())
    });
    assert!(heard.is_some(), "they do not hear each other");
    page.press('5');
    wait_until("a key reaches the citizen", || (citizen.keys() == "5").then_some(()));
    click(&page, "hold");
    shows(&page, "call-state", "保持中");
    click(&page, "hold");
    shows(&page, "call-state", "通话中");
    page.run("document.activeElement.blur()");
    page.press(ESCAPE);
    citizen.wait_for_hang_up(Deadline::after(Duration::from_secs(10)));
    shows(&page, "call-state", "已挂机");
}

#[test]
fn markup_in_names_tickets_and_knowledge_is_text() {
    let server = server(ServerPlan::deaf(), MARKUP);
    let page = seat_page(&server);
    shows(&page, "who", MARKUP);
    let citizen = Talker::call(server.sip(), CITIZEN_HZ);
    take(&page);
    let path = format!("/api/v1/tickets/{}", server.calls()[0]["ticket"].as_str().expect("an id"));
    let fields = ["title", "caller_name", "description", "place"];
    let edit: Value = fields.iter().map(|field| (*field, MARKUP)).collect();
    let edit = json!({ "revision": 0, "fields": edit });
    let (status, body) = server.request("PATCH", &path, Some(&edit));
    assert_eq!(status, 200, "{body}");
    for field in fields {
        has(&page, field, MARKUP);
    }
    let harmed = page.run(
        "await new Promise(done => setTimeout(done, 300)); \
         return [window.harmed ?? null, document.querySelectorAll('#app img, #app script').length]",
    );
    assert_eq!(harmed, json!([null, 0]));
    citizen.hang_up();
    shows(&page, "call-state", "对方已挂机");
}

#[test]
fn a_supervisor_reads_counts_that_are_those_of_the_lists() {
    let server = server(ServerPlan::deaf(), "王芳");
    let supervisor = json!({ "extension": "809", "name": "李静", "role": "supervisor",
        "skills": {}, "password": BROWSER_PASSWORD });
    assert_eq!(server.request("POST", "/api/v1/seats", Some(&supervisor)).0, 201);
    let page = seat_page(&server);
    let citizen = Talker::call(server.sip(), CITIZEN_HZ);
    take(&page);
    let path = format!("/api/v1/tickets/{}", server.calls()[0]["ticket"].as_str().expect("an id"));
    let edit = json!({ "revision": 0, "fields": { "category": "供水/停水", "handling_unit": "水务集团" } });
    let (status, body) = server.request("PATCH", &path, Some(&edit));
    assert_eq!(status, 200, "{body}");
    citizen.hang_up();
    shows(&page, "call-state", "对方已挂机");
    drop(page);

    let page = signed_in(&server, "809");
    page.run("location.hash = '#/insight'; return null");
    shows(&page, "tickets", "1");
    shows(&page, "totals", "来电\n1");
    shows(&page, "rising", "历史不足三周");
    let table = "return document.querySelector('section[aria-label=\"工单按分类\"]')?.innerText";
    page.wait_until("the category is counted", &format!("{table}.includes('供水')"));
    let sums = "return [...document.querySelectorAll('tfoot td:nth-child(2)')].map(cell => cell.innerText)";
    assert_eq!(page.run(sums), json!(["1", "1", "1", "1"]));
    is_accessible(&page);
    // What the page offers to save is there.
    let (status, sheet) = server.request("GET", "/api/v1/reports/day?format=csv", None);
    assert!(status == 200 && sheet.contains("供水/停水,1,0,1,100.0%"), "{sheet}");
}
