//! Citizens wait, seats are rung, the two talk.

use qingting_tests::house::{CITIZEN, House, leg};
use qingting_tests::peers::desk::Manner;
use qingting_tests::server::wait_until;
use qingting_tests::tone;
use serde_json::{Value, json};
use std::time::Duration;

/// A hang-up comes through within this.
const HANG_UP_MAX: Duration = Duration::from_secs(10);

fn missed(house: &House) -> Vec<Value> {
    let page = house.server.api_get("/api/v1/missed-calls");
    page["missed"].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_citizen_reaches_a_seat_each_hears_the_other_and_either_ends_it() {
    let house = House::open();
    let mut seat = house.seat("801", tone::FIRST, Manner::Answers);
    let (mut citizen, call) = house.talk(&mut seat);
    house.wait_for_state("801", "talking");
    citizen.hang_up();
    seat.over_within(HANG_UP_MAX);
    let ended = house.ended(&call);
    assert_eq!(ended["cause"], "caller_hung_up", "{ended}");
    assert_eq!(ended["hung_up_by"], "caller", "{ended}");
    assert_eq!((&ended["queue"], &ended["seat"]), (&json!("综合"), &json!("801")), "{ended}");
    assert!(ended["queue_wait_ms"].as_u64().is_some_and(|ms| ms < 60_000), "{ended}");
    assert_eq!(ended["legs"].as_array().map(Vec::len), Some(2), "{ended}");
    for role in ["citizen", "seat"] {
        let leg = leg(&ended, role);
        assert!(leg["answered_at"].is_u64() && leg["ended_at"].is_u64(), "{leg}");
        assert!(leg["quality"]["mos"].as_f64().is_some_and(|mos| mos > 2.5), "{leg}");
        assert!(leg["cause"].is_string(), "{leg}");
    }
    assert_eq!(leg(&ended, "citizen")["target"], CITIZEN);
    assert_eq!(leg(&ended, "seat")["target"], "801");

    // And the other way round.
    house.wait_until_ready("801");
    let (mut citizen, call) = house.talk(&mut seat);
    seat.hang_up();
    citizen.over_within(HANG_UP_MAX + FAREWELL);
    let ended = house.ended(&call);
    assert_eq!(ended["cause"], "seat_hung_up", "{ended}");
    assert_eq!(ended["hung_up_by"], "operator", "{ended}");
    house.server.wait_until_idle();
}

/// What a citizen hears whose seat has hung up.
const FAREWELL: Duration = Duration::from_secs(5);

#[test]
fn a_seat_that_does_not_answer_loses_the_call_to_the_next() {
    let house = House::open();
    let mut first = house.seat("801", tone::FIRST, Manner::Waits);
    let mut citizen = house.citizen();
    first.wait_until_ringing();
    let mut second = house.seat("802", tone::SECOND, Manner::Answers);
    first.wait_until_over();
    second.wait_until_talking();
    citizen.hears(&[tone::SECOND]);
    second.hears(&[tone::CITIZEN]);
    house.wait_for_state("801", "paused");
    let call = house.running();
    citizen.hang_up();
    let ended = house.ended(&call);
    assert_eq!(ended["seat"], "802", "{ended}");
    let legs = ended["legs"].as_array().expect("legs");
    let missed = legs.iter().find(|leg| leg["target"] == "801").expect("the seat that was rung");
    assert_eq!((&missed["cause"], missed["answered_at"].is_null()), (&json!("no_answer"), true));
}

#[test]
fn a_caller_who_hangs_up_while_it_rings_is_called_back_once() {
    let house = House::open();
    let mut outside = house.outside(&[CITIZEN], Manner::Answers);
    let mut seat = house.seat("801", tone::FIRST, Manner::Waits);
    let mut citizen = house.citizen();
    seat.wait_until_ringing();
    let call = house.running();
    citizen.hang_up();
    seat.over_within(HANG_UP_MAX);
    let ended = house.ended(&call);
    assert_eq!(ended["missed"], "abandoned", "{ended}");
    let listed = wait_until("the missed call is listed", || missed(&house).pop());
    assert_eq!((&listed["state"], &listed["caller"]), (&json!("open"), &json!(CITIZEN)));

    house.wait_until_ready("801");
    let path = format!("/api/v1/missed-calls/{}/call-back", listed["id"].as_str().expect("an id"));
    let at = json!({ "extension": "801" });
    let (status, body) = house.server.request("POST", &path, Some(&at));
    assert_eq!(status, 201, "{body}");
    let (status, body) = house.server.request("POST", &path, Some(&at));
    assert_eq!(status, 409, "{body}");
    seat.answer();
    outside.wait_until_talking();
    seat.hears(&[tone::OUTSIDE]);
    outside.hears(&[tone::FIRST]);
    let call = house.running();
    seat.hang_up();
    outside.wait_until_over();
    assert_eq!(house.ended(&call)["direction"], "callback");
    wait_until("the citizen was reached", || {
        (missed(&house).pop()?["state"] == "reached").then_some(())
    });
}

#[test]
fn a_citizen_on_hold_hears_music_whoever_holds() {
    let house = House::open();
    let mut seat = house.seat("801", tone::FIRST, Manner::Answers);
    let (mut citizen, call) = house.talk(&mut seat);
    house.command(&call, &json!({ "command": "hold" }));
    citizen.hears(&[tone::MUSIC]);
    seat.hears(&[]);
    let (status, body) = house.try_command(&call, &json!({ "command": "hold" }));
    assert_eq!(status, 409, "{body}");
    house.command(&call, &json!({ "command": "resume" }));
    citizen.hears(&[tone::FIRST]);
    seat.hears(&[tone::CITIZEN]);
    seat.hold();
    citizen.hears(&[tone::MUSIC]);
    seat.resume();
    citizen.hears(&[tone::FIRST]);
    seat.hears(&[tone::CITIZEN]);
    let timeline = house.timeline(&call);
    let held: Vec<&String> =
        timeline.iter().filter(|kind| ["hold", "resume"].contains(&kind.as_str())).collect();
    assert_eq!(held, ["hold", "resume", "hold", "resume"], "{timeline:?}");
}

#[test]
fn a_citizen_hears_music_in_place_of_a_muted_seat_which_hears_on() {
    let house = House::open();
    let mut seat = house.seat("801", tone::FIRST, Manner::Answers);
    let (mut citizen, call) = house.talk(&mut seat);
    let slot = leg(&house.detail(&call), "seat")["leg"].clone();
    house.command(&call, &json!({ "command": "mute", "leg": slot, "on": true }));
    citizen.hears(&[tone::MUSIC]);
    seat.hears(&[tone::CITIZEN]);
    house.command(&call, &json!({ "command": "mute", "leg": slot, "on": false }));
    citizen.hears(&[tone::FIRST]);
}

/// What tests of faults measure holes with sees one.
#[test]
fn a_telephone_that_is_listened_to_tells_how_long_nothing_came() {
    let house = House::open();
    let mut seat = house.seat("801", tone::FIRST, Manner::Answers);
    let (mut citizen, _) = house.talk(&mut seat);
    citizen.hears(&[tone::FIRST]);
    let listening = citizen.listens();
    house.server.signal("-STOP");
    std::thread::sleep(Duration::from_millis(1_500));
    house.server.signal("-CONT");
    citizen.hears(&[tone::FIRST]);
    let hole = citizen.longest_hole(listening);
    assert!(hole > Duration::from_secs(1), "{hole:?}");
    citizen.hang_up();
}
