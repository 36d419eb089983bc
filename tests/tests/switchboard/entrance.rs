//! Before anybody talks: menus, waiting, closed hours, nobody at work.

use qingting_tests::house::{House, NUMBER};
use qingting_tests::peers::desk::{Desk, Manner};
use qingting_tests::server::{ServerPlan, wait_until};
use qingting_tests::tone;
use serde_json::{Value, json};
use std::time::Duration;

const MENU: &str = "[[numbers]]\nnumber = \"12345\"\nname = \"热线\"\nqueue = \"综合\"\nmenu = \"主\"\n\
    [[menus]]\nname = \"主\"\nsay = \"您好，请讲。\"\nkeys = { 1 = \"queue:企业\" }\n\
    otherwise = \"hangup\"\nwait_s = 20\n\
    [[queues]]\nname = \"企业\"\nskill = \"企业\"\n";
/// Nobody works on any day.
const CLOSED: &str = "[[numbers]]\nnumber = \"12345\"\nname = \"热线\"\nqueue = \"综合\"\n\
    hours = \"无\"\nclosed = \"您好，请讲。\"\n\
    [[hours]]\nname = \"无\"\nweekly = { }\n";

fn queue_of(house: &House, call: &str) -> Value {
    house.detail(call)["queue"].clone()
}

#[test]
fn a_key_of_the_menu_and_0_lead_to_their_queues() {
    let house = House::of(ServerPlan::deaf(), MENU, "");
    for (key, queue) in [('1', "企业"), ('0', "综合")] {
        let mut citizen = house.citizen();
        citizen.wait_until_talking();
        let call = house.running();
        wait_until("the key is taken", || {
            citizen.press(key);
            std::thread::sleep(Duration::from_millis(300));
            (queue_of(&house, &call) == queue).then_some(())
        });
        citizen.hang_up();
        house.ended(&call);
    }
}

#[test]
fn a_caller_outside_the_hours_is_told_so_and_listed() {
    let house = House::of(ServerPlan::deaf(), CLOSED, "");
    let mut seat = house.seat("801", tone::FIRST, Manner::Answers);
    let mut citizen = house.citizen();
    citizen.wait_until_talking();
    let call = house.running();
    citizen.wait_until_over();
    let ended = house.ended(&call);
    assert_eq!(
        (&ended["cause"], &ended["missed"]),
        (&"closed".into(), &"closed".into()),
        "{ended}"
    );
    assert!(!seat.has_rung());
}

#[test]
fn a_caller_speaks_to_the_machine_when_nobody_is_signed_in_or_takes_the_call() {
    let house = House::of(ServerPlan::deaf(), NUMBER, "wait_s_max = 5\ncall_back_s = 0");
    let mut citizen = house.citizen();
    let call = house.running();
    citizen.wait_until_talking();
    wait_until("nobody is waited for", || {
        let was_queued = house.timeline(&call).contains(&"queued".to_owned());
        (was_queued && house.detail(&call)["now"]["queue"].is_null()).then_some(())
    });
    citizen.hears(&[]);
    end_without_a_person(&house, &mut citizen, &call);

    let _seat = house.away("801");
    let mut citizen = house.citizen();
    citizen.hears(&[tone::MUSIC]);
    let call = house.running();
    // The machine listens: it says nothing, and no music plays.
    citizen.hears(&[]);
    end_without_a_person(&house, &mut citizen, &call);
}

fn end_without_a_person(house: &House, citizen: &mut Desk, call: &str) {
    citizen.hang_up();
    let ended = house.ended(call);
    assert_eq!(ended["cause"], "caller_hung_up", "{ended}");
    assert!(ended["ticket"].is_string() && ended["seat"].is_null(), "{ended}");
}

#[test]
fn a_caller_who_waits_is_told_its_position() {
    let house = House::of(ServerPlan::deaf(), NUMBER, "announce_s = 5\ncall_back_s = 0");
    let mut seat = house.away("801");
    let mut citizen = house.citizen();
    citizen.hears(&[tone::MUSIC]);
    let call = house.running();
    wait_until("its position is known", || {
        (house.detail(&call)["now"]["position"] == 1).then_some(())
    });
    // The announcement comes in place of the music, which goes on afterwards.
    wait_until("something else than music is heard", || {
        (citizen.hears_now().as_deref() != Some(&[tone::MUSIC])).then_some(())
    });
    citizen.hears(&[tone::MUSIC]);
    assert!(!seat.has_rung());
    house.command_state("801", &json!({ "state": "ready" }));
    citizen.hears(&[tone::FIRST]);
}
