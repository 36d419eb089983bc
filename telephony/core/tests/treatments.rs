//! Where a citizen's call goes after the greeting.

mod room;

use qingting_core::call::*;
use qingting_core::leg::LegEvent;
use room::*;

fn plan(treatment: Treatment) -> Origin {
    Origin::Citizen(Plan { notice: true, greeting: Some(Prompt::Own(3)), treatment })
}

/// A citizen who has heard notice and greeting, and what the call asks for then.
fn welcomed(treatment: Treatment) -> (Room, String) {
    let mut room = Room::answered(plan(treatment));
    assert_eq!(room.done(CITIZEN), "play 0 Own(3)");
    let then = room.done(CITIZEN);
    (room, then)
}

#[test]
fn the_greeting_is_the_number_s_own_and_the_queue_comes_after_it() {
    let (_, then) = welcomed(Treatment::Queue { queue: QueueId(5) });
    assert_eq!(then, "store queued 5 | enqueue 5 | music 0 on");
}

#[test]
fn a_menu_gets_the_keys_and_says_where_the_call_goes() {
    let (mut room, then) = welcomed(Treatment::Menu);
    assert_eq!(then, "menu");
    assert_eq!(room.feed(Input::Dtmf { leg: CITIZEN, digit: '2' }), "menu 2");
    let mut slow = room.clone();
    let queue = Treatment::Queue { queue: QueueId(2) };
    assert_eq!(room.feed(Input::Menu(queue.clone())), "store queued 2 | enqueue 2 | music 0 on");
    assert_eq!(room.feed(Input::Menu(queue)), "", "it has the word no more");
    assert_eq!(slow.wait(), "play 0 Farewell");
}

#[test]
fn closed_and_busy_are_said_and_written_down_as_missed() {
    let (mut room, then) = welcomed(Treatment::Closed { prompt: Prompt::Closed });
    assert_eq!(then, "store missed closed | play 0 Closed");
    assert_eq!(room.on(CITIZEN, reinvite("sendonly")), "re-491 0", "nothing new is agreed on");
    assert_eq!(room.done(CITIZEN), "stop 0 | store ended closed | bye 0 16 | close 0 | finished");
    let (_, then) = welcomed(Treatment::Busy { prompt: Some(Prompt::Own(9)) });
    assert_eq!(then, "store missed busy | play 0 Own(9)");
    let mut refused = Room::new(plan(Treatment::Busy { prompt: None }));
    refused.feed(Input::Invite { offer: Some(sdp("sendrecv")) });
    refused.feed(Input::Persisted);
    let end = refused.on(CITIZEN, opened());
    assert_eq!(end, "store missed busy | store ended busy | 486 0 | close 0 | finished");
}

#[test]
fn targets_are_tried_in_turn_and_none_is_said() {
    let targets = vec![Target::Seat(SeatId(7)), extension("801")];
    let (mut room, then) = welcomed(Treatment::Dial { targets });
    assert_eq!(then, "open 1 | ringback 0 on");
    assert_eq!(room.on(SEAT, opened()), "dial 1 seat 7");
    assert_eq!(room.wait(), "open 2 | cancel 1 | close 1");
    assert_eq!(room.on(EXPERT, opened()), "dial 2 801");
    let mut answered_by = room.clone();
    assert_eq!(
        room.on(EXPERT, LegEvent::Failed { code: 503 }),
        "store missed nobody_answered | ringback 0 off | play 0 NobodyThere | close 2"
    );
    let up = answered_by.on(EXPERT, answered());
    assert_eq!(up, "connect 2 sendrecv | recognise 2 | ringback 0 off | route");
    assert_eq!(answered_by.heard(), "0:2 2:0");
}

#[test]
fn a_citizen_on_hold_hears_the_greeting_when_it_is_back() {
    let mut room = Room::answered(plan(Treatment::Queue { queue: QueueId(1) }));
    assert_eq!(room.on(CITIZEN, reinvite("inactive")), "connect 0 inactive | re-200 0 | stop 0");
    assert_eq!(
        room.on(CITIZEN, reinvite("sendrecv")),
        "connect 0 sendrecv | re-200 0 | play 0 Notice"
    );
}

#[test]
fn the_longest_call_and_the_drain_end_a_talk_for_everybody() {
    let mut room = Room::talking();
    let farewell = room.wait();
    assert_eq!(farewell, "play 0 Farewell | bye 1 16 | close 1 | seat ended 7 | route");
    assert_eq!(room.wait(), "stop 0 | store ended too_long | bye 0 16 | close 0 | finished");
    let end = Room::three().feed(Input::Hangup(Hangup::Drain));
    assert_eq!(
        end,
        "store ended draining | bye 0 41 | close 0 | bye 1 41 | close 1 | seat ended 7 | \
         bye 2 41 | close 2 | finished"
    );
}

#[test]
fn each_leg_s_end_has_its_own_cause() {
    let why = |room: &Room, leg: LegId| room.watch.seen(leg).and_then(|seen| seen.ended_for);
    let mut drained = Room::three();
    drained.feed(Input::Hangup(Hangup::Drain));
    for leg in [CITIZEN, SEAT, EXPERT] {
        assert_eq!(why(&drained, leg), Some(Cause::Draining));
    }
    let mut left = Room::three();
    left.on(CITIZEN, LegEvent::Bye);
    left.on(SEAT, LegEvent::Bye);
    assert_eq!(why(&left, CITIZEN), Some(Cause::CallerHungUp));
    assert_eq!(why(&left, SEAT), Some(Cause::SeatHungUp));
    assert_eq!(why(&left, EXPERT), Some(Cause::LeftAlone));
    let mut rings = Room::consulting();
    rings.on(CITIZEN, LegEvent::Bye);
    assert_eq!(why(&rings, EXPERT), Some(Cause::Withdrawn));
    let mut busy = Room::consulting();
    busy.on(EXPERT, LegEvent::Failed { code: 486 });
    assert_eq!(why(&busy, EXPERT), Some(Cause::Busy));
}
