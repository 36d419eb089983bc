//! What others do to a page: a supervisor who listens, a server that goes away, a session that ends.

use super::pages::picture;
use super::{
    CITIZEN_HZ, appears, click, is_accessible, says, seat_page, server, shows, signed_in, take,
};
use qingting_tests::house::BROWSER_PASSWORD;
use qingting_tests::peers::browser::{Browser, ENTER, ESCAPE};
use qingting_tests::peers::talker::Talker;
use qingting_tests::server::{Server, ServerPlan};
use serde_json::json;

fn with_supervisor() -> Server {
    let server = server(ServerPlan::deaf(), "王芳");
    let chief = json!({ "extension": "809", "name": "李静", "role": "supervisor", "skills": {},
        "password": BROWSER_PASSWORD });
    assert_eq!(server.request("POST", "/api/v1/seats", Some(&chief)).0, 201);
    server
}

fn press(page: &Browser, label: &str) {
    let script = format!(
        "const one = document.querySelector('[aria-label=\"{label}\"]'); \
         if (!one || one.disabled) return false; one.click(); return true"
    );
    page.wait_until(label, &script);
}

/// The seat talks to the citizen alone, as far as it can see.
#[track_caller]
fn is_undisturbed(seat: &Browser) {
    shows(seat, "call-state", "通话中");
    let script = "return document.getElementById('legs').innerText.includes('班长') \
        || document.getElementById('hold').disabled \
        || [...document.querySelectorAll('.service')].some((one) => one.disabled)";
    assert_eq!(seat.run(script), false, "{}", seat.text("legs"));
}

#[test]
fn a_seat_sees_nothing_of_who_listens_and_the_supervisor_sees_what_it_does() {
    let server = with_supervisor();
    let seat = seat_page(&server);
    let chief = signed_in(&server, "809");
    let citizen = Talker::call(server.sip(), CITIZEN_HZ);
    take(&seat);
    chief.run("location.hash = '#/supervisor'");
    press(&chief, "监听 801");
    shows(&chief, "call-state", "监听 801：接听后开始");
    is_undisturbed(&seat);
    picture(&seat, "listened-ringing-seat");
    picture(&chief, "listened-ringing-chief");
    // Nobody answers: the seat is told nothing.
    chief.press(ESCAPE);
    shows(&chief, "call-state", "已拒接");
    is_undisturbed(&seat);
    let notice = "return document.getElementById('notice') === null";
    assert_eq!(seat.run(notice), true);
    chief.run("location.hash = '#/supervisor'");
    press(&chief, "耳语 801");
    shows(&chief, "call-state", "耳语 801：接听后开始");
    chief.press(ENTER);
    shows(&chief, "call-state", "正在耳语 801");
    assert_eq!(chief.run(notice), true, "what failed before is over");
    is_undisturbed(&seat);
    is_accessible(&chief);
    picture(&chief, "listened-chief");
    picture(&seat, "listened-seat");
    citizen.hang_up();
    shows(&seat, "call-state", "对方已挂机");
}

#[test]
fn a_page_says_when_the_server_is_gone_and_is_new_when_it_is_back() {
    let mut server = with_supervisor();
    let seat = seat_page(&server);
    let chief = signed_in(&server, "809");
    chief.run("location.hash = '#/supervisor'");
    says(&chief, "15 秒接通率");
    server.kill();
    shows(&chief, "gone", "服务器没有回应");
    is_accessible(&chief);
    let fits = "return document.documentElement.scrollWidth <= innerWidth \
        && document.querySelector('header').offsetHeight < 60";
    assert_eq!(chief.run(fits), true);
    picture(&chief, "gone-chief");
    says(&seat, "正在重连");
    assert_eq!(seat.run(fits), true);
    click(&seat, "break");
    says(&seat, "服务器没有回应，请检查网络");
    picture(&seat, "gone-seat");
    server.start_again();
    chief.wait_until("it is back", "return document.getElementById('gone') === null");
    shows(&seat, "line", "话机已注册");
    let quiet = "return !document.body.innerText.includes('服务器没有回应')";
    seat.wait_until("nothing is wrong any more", quiet);
}

#[test]
fn a_session_that_ended_leaves_nothing_on_the_screen() {
    let server = with_supervisor();
    let chief = signed_in(&server, "809");
    chief.run("location.hash = '#/supervisor'");
    says(&chief, "15 秒接通率");
    let change = json!({ "password": "another-password" });
    assert_eq!(server.request("PATCH", "/api/v1/seats/809", Some(&change)).0, 200);
    shows(&chief, "ended", "登录已失效，请重新签入");
    appears(&chief, "extension");
    let is_gone = "return !document.body.innerText.includes('15 秒接通率')";
    assert_eq!(chief.run(is_gone), true);
    is_accessible(&chief);
    picture(&chief, "session-ended");
}
