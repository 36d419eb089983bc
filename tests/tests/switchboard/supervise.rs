//! Supervisors: who hears whom, and what is written of it.

use qingting_tests::house::{House, leg};
use qingting_tests::peers::desk::Manner;
use qingting_tests::tone;
use serde_json::json;

#[test]
fn a_supervisor_listens_whispers_and_barges_in() {
    let house = House::open();
    let mut chief = house.chief("900");
    let mut seat = house.seat("801", tone::FIRST, Manner::Answers);
    let (mut citizen, call) = house.talk(&mut seat);
    let supervise =
        |mode: &str| json!({ "command": "supervise", "mode": mode, "extension": "900" });
    house.command(&call, &supervise("listen"));
    chief.wait_until_talking();
    chief.hears(&[tone::CITIZEN, tone::FIRST]);
    citizen.hears(&[tone::FIRST]);
    seat.hears(&[tone::CITIZEN]);

    house.command(&call, &supervise("whisper"));
    seat.hears(&[tone::CITIZEN, tone::CHIEF]);
    citizen.hears(&[tone::FIRST]);
    chief.hears(&[tone::CITIZEN, tone::FIRST]);

    house.command(&call, &supervise("barge"));
    citizen.hears(&[tone::FIRST, tone::CHIEF]);
    seat.hears(&[tone::CITIZEN, tone::CHIEF]);
    chief.hears(&[tone::CITIZEN, tone::FIRST]);

    house.command(&call, &supervise("end"));
    chief.wait_until_over();
    citizen.hears(&[tone::FIRST]);
    seat.hears(&[tone::CITIZEN]);
    citizen.hang_up();
    let ended = house.ended(&call);
    assert_eq!(leg(&ended, "supervisor")["target"], "900", "{ended}");
    let timeline = house.timeline(&call);
    for kind in ["supervise_listen", "supervise_whisper", "supervise_barge"] {
        assert!(timeline.iter().any(|of| of == kind), "{kind}: {timeline:?}");
    }
    let lines = house.server.api_get(&format!("/api/v1/audit?subject={call}"));
    let lines = lines["lines"].as_array().expect("lines");
    let asked = lines.iter().filter(|line| line["action"] == "call.supervise").count();
    assert_eq!(asked, 4, "{lines:?}");
    // What the supervisor said to the seat alone is nothing that the citizen's call keeps.
    let kept = ended["recordings"].as_array().expect("recordings");
    assert_eq!(kept.iter().filter(|of| of["kind"] == "track").count(), 2, "{ended}");
}
