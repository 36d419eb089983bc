//! From the queue to a talk with a seat, and what comes between.

mod room;

use qingting_core::call::*;
use qingting_core::leg::LegEvent;
use room::*;
use std::time::Duration;

#[test]
fn a_citizen_waits_with_music_and_talks_to_the_seat_that_answers() {
    let mut room = Room::new(queue_plan());
    room.feed(Input::Invite { offer: Some(sdp("sendrecv")) });
    room.feed(Input::Persisted);
    assert_eq!(
        room.on(CITIZEN, opened()),
        "store answered | connect 0 recvonly | 200 0 | recognise 0"
    );
    assert_eq!(
        room.on(CITIZEN, ack()),
        "connect 0 sendrecv | store queued 1 | enqueue 1 | music 0 on"
    );
    assert_eq!(room.queue(QueueEvent::Offer { seat: SeatId(7) }), "open 1");
    assert_eq!(room.on(SEAT, opened()), "dial 1 seat 7");
    assert_eq!(room.on(SEAT, LegEvent::Progress { code: 180, body: None }), "");
    room.now = room.now + Duration::from_secs(4);
    assert_eq!(
        room.on(SEAT, answered()),
        "connect 1 sendrecv | recognise 1 | store seat 7 after 4 | accepted 7 | music 0 off | route"
    );
    assert_eq!(room.heard(), "0:1 1:0");
    assert_eq!(
        room.on(CITIZEN, LegEvent::Bye),
        "store ended caller_hung_up | close 0 | bye 1 16 | close 1 | seat ended 7 | finished"
    );
}

#[test]
fn a_seat_that_does_not_come_costs_the_citizen_nothing() {
    let fail = |event: LegEvent| Room::offered().on(SEAT, event);
    assert_eq!(fail(LegEvent::Failed { code: 486 }), "offer failed 7 Busy | close 1");
    assert_eq!(fail(LegEvent::Failed { code: 503 }), "offer failed 7 Unreachable | close 1");
    assert_eq!(fail(LegEvent::MediaFailed), "offer failed 7 NoMedia | cancel 1 | close 1");
    let mut room = Room::offered();
    assert_eq!(room.wait(), "offer failed 7 NoAnswer | cancel 1 | close 1");
    assert_eq!(room.on(SEAT, LegEvent::Failed { code: 487 }), "");
    assert_eq!(room.queue(QueueEvent::Offer { seat: SeatId(8) }), "open 2");
}

#[test]
fn an_answer_that_crosses_our_cancel_is_hung_up_on() {
    let mut room = Room::offered();
    room.wait();
    assert_eq!(room.on(SEAT, answered()), "bye 1 16");
    let mut withdrawn = Room::offered();
    let seat = SeatId(7);
    assert_eq!(withdrawn.queue(QueueEvent::Withdrawn { seat }), "cancel 1 | close 1");
    assert_eq!(withdrawn.on(SEAT, answered()), "bye 1 16");
}

#[test]
fn a_citizen_who_leaves_the_queue_is_missed_and_the_ringing_seat_let_go() {
    let mut room = Room::offered();
    assert_eq!(
        room.on(CITIZEN, LegEvent::Bye),
        "abandon | store missed abandoned | store ended caller_hung_up | close 0 | cancel 1 | close 1"
    );
    assert_eq!(room.on(SEAT, LegEvent::Failed { code: 487 }), "finished");
}

#[test]
fn positions_never_cut_each_other_and_a_seat_cuts_them() {
    let mut room = Room::queued();
    let position = || QueueEvent::Position { position: 3, wait: None };
    let said = room.queue(position());
    assert_eq!(said, "music 0 off | play 0 Position { position: 3, wait: None }");
    assert_eq!(room.queue(position()), "");
    assert_eq!(room.done(CITIZEN), "music 0 on");
    room.queue(position());
    room.queue(QueueEvent::Offer { seat: SeatId(7) });
    room.on(SEAT, opened());
    let up = room.on(SEAT, answered());
    assert!(up.ends_with("accepted 7 | stop 0 | route"), "{up}");
}

#[test]
fn key_1_asks_for_a_call_back_when_that_was_offered() {
    let mut room = Room::queued();
    let key = |room: &mut Room| room.feed(Input::Dtmf { leg: CITIZEN, digit: '1' });
    assert_eq!(key(&mut room), "");
    room.queue(QueueEvent::Position { position: 3, wait: None });
    assert_eq!(room.queue(QueueEvent::OfferCallback), "", "after the position");
    assert_eq!(room.done(CITIZEN), "play 0 OfferCallback");
    room.done(CITIZEN);
    assert_eq!(
        key(&mut room),
        "callback wanted | store missed callback_wanted | music 0 off | play 0 CallbackPromised"
    );
    assert_eq!(
        room.done(CITIZEN),
        "stop 0 | store ended callback_wanted | bye 0 16 | close 0 | finished"
    );
    let mut late = Room::queued();
    late.queue(QueueEvent::OfferCallback);
    late.done(CITIZEN);
    late.wait();
    assert_eq!(key(&mut late), "", "the question is over");
}

#[test]
fn an_overflow_goes_elsewhere_and_the_offer_is_settled() {
    let mut room = Room::offered();
    let closed = Treatment::Closed { prompt: Prompt::Closed };
    assert_eq!(
        room.queue(QueueEvent::Overflow(closed)),
        "offer failed 7 NotWaiting | store missed closed | music 0 off | play 0 Closed | cancel 1 | close 1"
    );
    let mut room = Room::queued();
    let dial = Treatment::Dial { targets: experts(&["800"]) };
    assert_eq!(room.queue(QueueEvent::Overflow(dial)), "open 1 | music 0 off | ringback 0 on");
}

#[test]
fn a_withdrawal_that_crosses_the_seat_s_answer_puts_the_citizen_back() {
    let mut room = Room::talking();
    let withdrawn = room.queue(QueueEvent::Withdrawn { seat: SeatId(7) });
    assert_eq!(withdrawn, "bye 1 16 | close 1 | route | music 0 on");
    assert_eq!(room.queue(QueueEvent::Offer { seat: SeatId(8) }), "open 2");
    let mut later = Room::consulting();
    assert_eq!(later.queue(QueueEvent::Withdrawn { seat: SeatId(7) }), "abandon");
    assert_eq!(later.heard(), "");
}

#[test]
fn an_offer_to_a_call_that_does_not_wait_is_turned_down() {
    let offer = QueueEvent::Offer { seat: SeatId(9) };
    assert_eq!(Room::talking().queue(offer), "offer failed 9 NotWaiting");
}

#[test]
fn a_session_that_was_not_refreshed_or_an_answer_never_acknowledged_ends_its_leg_alone() {
    let expired = Room::three().on(EXPERT, LegEvent::SessionExpired);
    assert_eq!(expired, "bye 2 27 | close 2 | route");
    let mut room = Room::talking();
    room.on(SEAT, LegEvent::Reinvite { offer: None });
    let lost = room.on(SEAT, LegEvent::AckTimeout);
    assert!(lost.starts_with("store queued 1 | enqueue 1 front | play 0 PleaseWait"), "{lost}");
    assert!(lost.contains("bye 1 102"), "{lost}");
}

#[test]
fn a_late_offer_within_a_talk_holds_and_resumes_too() {
    let mut room = Room::talking();
    assert_eq!(room.on(SEAT, LegEvent::Reinvite { offer: None }), "re-200 1");
    let held = room.on(SEAT, LegEvent::Ack { answer: Some(sdp("sendonly")) });
    assert_eq!(held, "connect 1 recvonly | route | music 0 on");
}
