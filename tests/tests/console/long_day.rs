//! A page that is open for a working day.

use super::{CITIZEN_HZ, seat_page, server};
use qingting_tests::peers::browser::{Browser, ENTER, Held};
use qingting_tests::peers::talker::Talker;
use qingting_tests::server::{Server, ServerPlan};
use serde_json::{Value, json};

/// Calls after which everything that is made once has been made.
const WARM_UP_CALLS: u64 = 4;
/// Calls that are looked at: one every eight minutes makes sixty in eight hours.
const CALLS: u64 = 6;
/// A row of today's calls, of which the page shows thirty: its nodes, and its button's listener.
const ROW_NODES: u64 = 18;
const ROW_LISTENERS: u64 = 1;
/// What each call may leave behind: its row, about 20 kB, and code that the browser compiles late. A call whose
/// captions and ticket were kept would leave 600 kB.
const BYTES_PER_CALL_MAX: u64 = 150_000;

/// Waits in the page until that is so. The driver keeps every answer in the page for good, so that it is asked once.
#[track_caller]
fn until(page: &Browser, what: &str) {
    let script = format!(
        "const shows = (id, text) => document.getElementById(id)?.innerText.includes(text); \
         const click = (id) => {{ \
             const it = document.getElementById(id); \
             if (!it || it.disabled) return false; it.click(); return true; }}; \
         for (let look = 0; look < 400; look += 1) {{ \
             if ({what}) return true; \
             await new Promise((done) => setTimeout(done, 50)); }} \
         return document.body.innerText;"
    );
    assert_eq!(page.run(&script), json!(true), "waited in vain for {what}");
}

fn one_call(server: &Server, page: &Browser) {
    let citizen = Talker::call(server.sip(), CITIZEN_HZ);
    until(page, "shows('call-state', '来电')");
    page.press(ENTER);
    until(page, "shows('call-state', '通话中')");
    until(
        page,
        "(document.getElementById('field-title')?.focus(), document.activeElement.id === 'field-title')",
    );
    "路灯不亮".chars().for_each(|key| page.press(key));
    page.press(ENTER);
    until(page, "shows('field-title-state', '已确认')");
    citizen.hang_up();
    until(page, "shows('call-state', '对方已挂机')");
    until(page, "click('submit')");
    until(page, "shows('delivery', '已提交')");
    until(page, "click('done')");
    until(page, "click('todays-calls')");
    until(page, "shows('seat-state', '空闲') && document.querySelector('table')");
}

#[test]
fn a_seat_page_does_not_grow_with_its_calls() {
    let server = server(ServerPlan::deaf(), "王芳");
    let page = seat_page(&server);
    for _ in 0..WARM_UP_CALLS {
        one_call(&server, &page);
    }
    let before = page.held();
    for _ in 0..CALLS {
        one_call(&server, &page);
    }
    let after = page.held();
    println!("after {WARM_UP_CALLS} calls {before:?}, after {CALLS} more {after:?}");
    let rows = page.run("return document.querySelectorAll('tbody tr').length");
    assert_eq!(rows, Value::from(WARM_UP_CALLS + CALLS));
    let grown = |of: fn(&Held) -> u64| of(&after).saturating_sub(of(&before));
    assert!(grown(|held| held.listeners) <= CALLS * ROW_LISTENERS, "{before:?} {after:?}");
    assert!(grown(|held| held.nodes) <= CALLS * ROW_NODES, "{before:?} {after:?}");
    assert!(grown(|held| held.bytes) <= CALLS * BYTES_PER_CALL_MAX, "{before:?} {after:?}");
}
