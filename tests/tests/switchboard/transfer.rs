//! The call goes on to somebody else.

use qingting_tests::house::{House, leg};
use qingting_tests::peers::desk::{Desk, Manner};
use qingting_tests::tone;
use serde_json::json;

/// The second seat has the citizen, the first has left.
fn is_handed_on(
    house: &House,
    call: &str,
    first: &mut Desk,
    second: &mut Desk,
    citizen: &mut Desk,
) {
    second.wait_until_talking();
    first.wait_until_over();
    citizen.hears(&[tone::SECOND]);
    second.hears(&[tone::CITIZEN]);
    citizen.hang_up();
    second.wait_until_over();
    let ended = house.ended(call);
    assert_eq!(ended["seat"], "801", "{ended}");
    assert_eq!(leg(&ended, "seat")["cause"], "transferred", "{ended}");
    assert!(house.timeline(call).contains(&"transfer".to_owned()), "{ended}");
    house.wait_until_ready("801");
    house.wait_until_ready("802");
}

#[test]
fn a_blind_transfer_by_the_page_and_by_the_telephone_reaches_another_seat() {
    let house = House::open();
    let mut first = house.seat("801", tone::FIRST, Manner::Answers);
    let (mut citizen, call) = house.talk(&mut first);
    let mut second = house.seat("802", tone::SECOND, Manner::Answers);
    house.command(&call, &json!({ "command": "transfer", "to": "802", "blind": true }));
    is_handed_on(&house, &call, &mut first, &mut second, &mut citizen);

    house.command_state("802", &json!({ "state": "break", "reason": "小休" }));
    let (mut citizen, call) = house.talk(&mut first);
    first.transfer(&format!("sip:802@{}", house.server.sip()));
    second.wait_until_talking();
    first.wait_until_over();
    citizen.hears(&[tone::SECOND]);
    second.hears(&[tone::CITIZEN]);
    citizen.hang_up();
    let ended = house.ended(&call);
    assert_eq!(leg(&ended, "seat")["cause"], "transferred", "{ended}");
}

#[test]
fn a_transfer_that_nobody_takes_comes_back_to_the_seat() {
    let house = House::of(
        qingting_tests::server::ServerPlan::deaf().with("seats.expert_ring_s", 5),
        qingting_tests::house::NUMBER,
        "",
    );
    let mut first = house.seat("801", tone::FIRST, Manner::Answers);
    let (mut citizen, call) = house.talk(&mut first);
    let mut second = house.seat("802", tone::SECOND, Manner::Waits);
    house.command(&call, &json!({ "command": "transfer", "to": "802", "blind": true }));
    second.wait_until_ringing();
    first.wait_until_over();
    second.hang_up();
    first.wait_until_talking();
    citizen.hears(&[tone::FIRST]);
    first.hears(&[tone::CITIZEN]);
}

#[test]
fn a_call_goes_out_by_the_trunk() {
    let house = House::open();
    let mut outside = house.outside(&["13900139000"], Manner::Answers);
    let mut first = house.seat("801", tone::FIRST, Manner::Answers);
    let (mut citizen, call) = house.talk(&mut first);
    house.command(&call, &json!({ "command": "transfer", "to": "13900139000", "blind": true }));
    outside.wait_until_talking();
    citizen.hears(&[tone::OUTSIDE]);
    outside.hears(&[tone::CITIZEN]);
    outside.hang_up();
    citizen.wait_until_over();
    let ended = house.ended(&call);
    assert_eq!(leg(&ended, "other")["target"], "13900139000", "{ended}");
}

#[test]
fn a_call_goes_back_to_a_queue() {
    let house = House::open();
    let mut first = house.seat("801", tone::FIRST, Manner::Answers);
    let (mut citizen, call) = house.talk(&mut first);
    let mut second = house.seat("802", tone::SECOND, Manner::Answers);
    house.command_state("801", &json!({ "state": "break", "reason": "小休" }));
    house.command(&call, &json!({ "command": "to_queue", "queue": "综合" }));
    second.wait_until_talking();
    first.wait_until_over();
    citizen.hears(&[tone::SECOND]);
}
