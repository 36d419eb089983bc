//! Experts are asked and join, and so are 110 and the seat's second line.

use qingting_tests::house::{House, NUMBER, leg};
use qingting_tests::peers::desk::{Desk, Manner};
use qingting_tests::server::ServerPlan;
use qingting_tests::tone::{self, Hz};
use serde_json::json;

const EXPERT: &str = "13900139001";
const BUSY_EXPERT: &str = "13900139000";
/// The first expert of the department is not to be had.
const DUTY: &str = "部门代码,部门名称,别名,专家,电话,方式,星期,起始日期,结束日期,上班,下班,顺序\n\
    310,城管局,城管,甲,13900139000,外线,每天,,,00:00,24:00,1\n\
    310,城管局,城管,乙,13900139001,外线,每天,,,00:00,24:00,2\n";
const CONSULT: &str = r#"{ "command": "expert", "department": "城管", "mode": "consult" }"#;

/// Each hears all others, and not itself.
fn all_talk(parties: &mut [(&mut Desk, Hz)]) {
    for index in 0..parties.len() {
        let own = parties[index].1;
        let others: Vec<Hz> = parties.iter().map(|of| of.1).filter(|&hz| hz != own).collect();
        parties[index].0.hears(&others);
    }
}

struct Consulting {
    house: House,
    seat: Desk,
    citizen: Desk,
    expert: Desk,
    call: String,
}

/// The second expert on duty is asked, because the first is busy; the citizen hears music.
fn consulting() -> Consulting {
    let house = House::open();
    let (status, body) = house.server.request_of("PUT", "/api/v1/duty-list", "text/csv", DUTY);
    assert_eq!(status, 204, "{body}");
    let on_duty = house.server.api_get("/api/v1/duty-list/now?department=310");
    assert_eq!(on_duty.as_array().map(Vec::len), Some(2), "{on_duty}");
    let mut expert = house.outside(&[BUSY_EXPERT, EXPERT], Manner::Waits);
    let mut seat = house.seat("801", tone::FIRST, Manner::Answers);
    let (mut citizen, call) = house.talk(&mut seat);
    house.command(&call, &serde_json::from_str(CONSULT).expect("JSON"));
    citizen.hears(&[tone::MUSIC]);
    expert.wait_until_ringing();
    expert.hang_up();
    expert.answer();
    expert.hears(&[tone::FIRST]);
    seat.hears(&[tone::OUTSIDE]);
    citizen.hears(&[tone::MUSIC]);
    Consulting { house, seat, citizen, expert, call }
}

/// And then all three talk.
fn three() -> Consulting {
    let mut all = consulting();
    all.house.command(&all.call, &json!({ "command": "join_consulted" }));
    all_talk(&mut [
        (&mut all.citizen, tone::CITIZEN),
        (&mut all.seat, tone::FIRST),
        (&mut all.expert, tone::OUTSIDE),
    ]);
    all
}

#[test]
fn three_talk_until_the_expert_leaves() {
    let Consulting { house, mut seat, mut citizen, mut expert, call } = three();
    expert.hang_up();
    all_talk(&mut [(&mut citizen, tone::CITIZEN), (&mut seat, tone::FIRST)]);
    seat.hang_up();
    citizen.wait_until_over();
    let ended = house.ended(&call);
    let legs = ended["legs"].as_array().expect("legs");
    let experts: Vec<_> = legs.iter().filter(|leg| leg["role"] == "expert").collect();
    assert_eq!(experts.len(), 2, "{ended}");
    assert_eq!(
        (&experts[0]["target"], &experts[0]["cause"]),
        (&json!(BUSY_EXPERT), &json!("busy"))
    );
    assert_eq!(experts[1]["target"], EXPERT, "{ended}");
}

#[test]
fn three_talk_until_the_seat_leaves() {
    let Consulting { house, mut seat, mut citizen, mut expert, call } = three();
    seat.hang_up();
    all_talk(&mut [(&mut citizen, tone::CITIZEN), (&mut expert, tone::OUTSIDE)]);
    citizen.hang_up();
    expert.wait_until_over();
    assert_eq!(house.ended(&call)["cause"], "caller_hung_up");
}

#[test]
fn three_talk_until_the_citizen_leaves() {
    let Consulting { house, mut seat, mut citizen, mut expert, call } = three();
    citizen.hang_up();
    all_talk(&mut [(&mut seat, tone::FIRST), (&mut expert, tone::OUTSIDE)]);
    seat.hang_up();
    expert.wait_until_over();
    house.ended(&call);
}

#[test]
fn the_expert_takes_the_citizen_over() {
    let Consulting { house, mut seat, mut citizen, mut expert, call } = consulting();
    house.command(&call, &json!({ "command": "complete_transfer" }));
    seat.wait_until_over();
    all_talk(&mut [(&mut citizen, tone::CITIZEN), (&mut expert, tone::OUTSIDE)]);
    expert.hang_up();
    citizen.wait_until_over();
    let ended = house.ended(&call);
    assert_eq!(leg(&ended, "seat")["cause"], "transferred", "{ended}");
}

#[test]
fn a_consultation_that_is_ended_gives_the_citizen_back() {
    let Consulting { house, mut seat, mut citizen, mut expert, call } = consulting();
    house.command(&call, &json!({ "command": "cancel_consult" }));
    expert.wait_until_over();
    all_talk(&mut [(&mut citizen, tone::CITIZEN), (&mut seat, tone::FIRST)]);
}

#[test]
fn one_key_brings_110_and_the_seat_stays_or_leaves() {
    let house = House::of(ServerPlan::deaf(), NUMBER, "");
    let mut police = house.outside(&["110"], Manner::Answers);
    let mut seat = house.seat("801", tone::FIRST, Manner::Answers);
    let (mut citizen, call) = house.talk(&mut seat);
    let emergency = |mode: &str| json!({ "command": "emergency", "service": "110", "mode": mode });
    house.command(&call, &emergency("three_party"));
    police.wait_until_talking();
    all_talk(&mut [
        (&mut citizen, tone::CITIZEN),
        (&mut seat, tone::FIRST),
        (&mut police, tone::OUTSIDE),
    ]);
    citizen.hang_up();
    police.hang_up();
    seat.hang_up();
    let ended = house.ended(&call);
    assert_eq!(leg(&ended, "emergency")["target"], "110", "{ended}");

    house.wait_until_ready("801");
    let (mut citizen, call) = house.talk(&mut seat);
    house.command(&call, &emergency("transfer"));
    police.wait_until_talking();
    seat.wait_until_over();
    all_talk(&mut [(&mut citizen, tone::CITIZEN), (&mut police, tone::OUTSIDE)]);
    citizen.hang_up();
    let ended = house.ended(&call);
    assert_eq!(leg(&ended, "seat")["cause"], "transferred", "{ended}");
}

#[test]
fn a_seats_second_line_asks_and_then_all_three_talk() {
    let house = House::open();
    let mut outside = house.outside(&[EXPERT], Manner::Answers);
    let mut seat = house.seat("801", tone::FIRST, Manner::Answers);
    let (mut citizen, call) = house.talk(&mut seat);
    seat.hold();
    citizen.hears(&[tone::MUSIC]);
    seat.dial(EXPERT);
    outside.wait_until_talking();
    outside.hears(&[tone::FIRST]);
    citizen.hears(&[tone::MUSIC]);
    house.command(&call, &json!({ "command": "join_consulted" }));
    outside.hears(&[tone::CITIZEN, tone::FIRST]);
    citizen.hears(&[tone::FIRST, tone::OUTSIDE]);
}
