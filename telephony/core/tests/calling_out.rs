//! Calls that a seat begins, from its telephone or its page.

mod room;

use qingting_core::call::*;
use qingting_core::leg::LegEvent;
use room::*;

const FROM: LegId = LegId(0);
const TO: LegId = LegId(1);

fn seat_calls(citizen: bool) -> Room {
    let targets = vec![number("13800138000")];
    let mut room = Room::new(Origin::Seat { seat: SeatId(7), targets, citizen });
    assert_eq!(room.feed(Input::Invite { offer: Some(sdp("sendrecv")) }), "store begin | open 0");
    assert_eq!(room.feed(Input::Persisted), "");
    assert_eq!(room.on(FROM, opened()), "open 1");
    assert_eq!(room.on(TO, opened()), "dial 1 13800138000");
    room
}

#[test]
fn a_seat_calls_a_citizen_who_hears_the_notice_before_they_talk() {
    let mut room = seat_calls(true);
    assert_eq!(room.on(TO, LegEvent::Progress { code: 180, body: None }), "180 0");
    assert_eq!(
        room.on(TO, answered()),
        "connect 1 sendrecv | recognise 1 | store answered | connect 0 recvonly | 200 0 | recognise 0 | play 1 Notice"
    );
    assert_eq!(room.on(FROM, ack()), "connect 0 sendrecv");
    assert_eq!(room.done(TO), "route");
    assert_eq!(room.heard(), "0:1 1:0");
}

#[test]
fn a_seat_hears_what_the_network_says() {
    let mut room = seat_calls(false);
    let early = || LegEvent::Progress { code: 183, body: Some(sdp("sendrecv")) };
    assert_eq!(room.on(TO, early()), "connect 1 recvonly | connect 0 sendrecv | 183 0 | route");
    assert_eq!(room.heard(), "0:1");
    assert_eq!(
        room.on(TO, LegEvent::Failed { code: 404 }),
        "store ended unreachable | 480 0 | close 0 | close 1 | finished"
    );
    let busy = seat_calls(false).on(TO, LegEvent::Failed { code: 486 });
    assert_eq!(busy, "store ended busy | 486 0 | close 0 | close 1 | finished");
}

#[test]
fn a_seat_that_gives_up_cancels_its_call() {
    let mut room = seat_calls(true);
    assert_eq!(
        room.on(FROM, LegEvent::Cancel),
        "store ended seat_hung_up | 487 0 | close 0 | cancel 1 | close 1"
    );
    assert_eq!(room.on(TO, answered()), "bye 1 16 | finished");
}

#[test]
fn click_to_dial_rings_the_seat_first() {
    let target = number("13800138000");
    let mut room = Room::new(Origin::ClickToDial { seat: SeatId(7), target });
    assert_eq!(room.feed(Input::Start), "store begin");
    assert_eq!(room.feed(Input::Persisted), "open 0");
    assert_eq!(room.on(FROM, opened()), "dial 0 seat 7");
    let mut unanswered = room.clone();
    assert_eq!(
        room.on(FROM, answered()),
        "connect 0 sendrecv | recognise 0 | store answered | open 1 | ringback 0 on"
    );
    room.on(TO, opened());
    assert_eq!(
        room.on(TO, answered()),
        "connect 1 sendrecv | recognise 1 | play 1 Notice | ringback 0 off"
    );
    assert_eq!(room.done(TO), "route");
    assert_eq!(unanswered.wait(), "store ended no_answer | cancel 0 | close 0");
}

#[test]
fn a_dial_without_an_offer_is_answered_in_the_ack() {
    let config = CallConfig { late_offers: true, ..CallConfig::default() };
    let target = number("13800138000");
    let mut room = Room::with(config, Origin::ClickToDial { seat: SeatId(7), target });
    room.feed(Input::Start);
    room.feed(Input::Persisted);
    assert_eq!(room.on(FROM, opened()), "dial 0 seat 7 late");
    let up = room.on(FROM, answered());
    assert!(up.starts_with("ack 0 | connect 0 sendrecv"), "{up}");
}

fn machine_calls() -> Room {
    let mut room = Room::new(Origin::Machine { target: number("13800138000") });
    assert_eq!(room.feed(Input::Start), "store begin");
    assert_eq!(room.feed(Input::Persisted), "open 0");
    assert_eq!(room.on(FROM, opened()), "dial 0 13800138000");
    room
}

#[test]
fn a_machine_talks_to_the_citizen_from_the_answer_on() {
    let mut room = machine_calls();
    assert_eq!(
        room.on(FROM, answered()),
        "connect 0 sendrecv | recognise 0 | store answered | menu"
    );
    let mut finished = room.clone();
    assert_eq!(
        finished.feed(Input::Menu(Treatment::Finish)),
        "store ended finished | bye 0 16 | close 0 | finished"
    );
    let queue = QueueId(0);
    room.feed(Input::Menu(Treatment::Queue { queue }));
    assert_eq!(
        room.on(FROM, LegEvent::Bye),
        "abandon | store missed abandoned | store ended caller_hung_up | close 0 | finished"
    );
}

#[test]
fn nobody_who_was_called_by_a_machine_is_a_missed_call() {
    let busy = machine_calls().on(FROM, LegEvent::Failed { code: 486 });
    assert_eq!(busy, "store ended busy | close 0 | finished");
    let mut unanswered = machine_calls();
    assert_eq!(unanswered.wait(), "store ended no_answer | cancel 0 | close 0");
    assert_eq!(unanswered.on(FROM, answered()), "bye 0 16 | finished");
}
