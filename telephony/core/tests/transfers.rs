//! The call goes on to somebody else: by command, by REFER, by Replaces.

mod room;

use qingting_core::call::*;
use qingting_core::leg::{LegEvent, Replaces};
use room::*;

#[test]
fn the_seat_completes_a_transfer_or_takes_the_citizen_back() {
    let mut room = Room::consulted();
    assert_eq!(
        room.order(Command::CompleteTransfer),
        "store transferred 1>2 | ok | bye 1 16 | close 1 | seat ended 7 | music 0 off | route"
    );
    assert_eq!(room.heard(), "0:2 2:0");
    let mut back = Room::consulted();
    let dropped = back.order(Command::CancelConsult);
    assert_eq!(dropped, "ok | bye 2 16 | close 2 | music 0 off | route");
    assert_eq!(back.heard(), "0:1 1:0");
    let mut ringing = Room::consulting();
    let cancelled = ringing.order(Command::CancelConsult);
    assert_eq!(cancelled, "ok | cancel 2 | close 2 | music 0 off | ringback 1 off | route");
}

#[test]
fn a_blind_transfer_tries_one_after_another_and_comes_back() {
    let mut room = Room::talking();
    let transfer = Command::Transfer { targets: experts(&["801", "802"]), blind: true };
    assert_eq!(
        room.order(transfer),
        "store transferred 1>? blind | open 2 | ok | bye 1 16 | close 1 | seat ended 7 | route | ringback 0 on"
    );
    room.on(EXPERT, opened());
    assert_eq!(room.on(EXPERT, LegEvent::Failed { code: 486 }), "open 3 | close 2");
    room.on(LegId(3), opened());
    assert_eq!(
        room.wait(),
        "nobody came | ringback 0 off | play 0 PleaseWait | open 4 | cancel 3 | close 3"
    );
    assert_eq!(room.on(LegId(4), opened()), "dial 4 seat 7");
    let mut back = room.clone();
    assert_eq!(back.on(LegId(4), answered()), "connect 4 sendrecv | recognise 4 | route");
    assert_eq!(back.heard(), "0:4 4:0");
    assert_eq!(
        room.on(LegId(4), LegEvent::Failed { code: 480 }),
        "store queued 1 | enqueue 1 front | stop 0 | play 0 PleaseWait | close 4"
    );
}

#[test]
fn the_emergency_line_is_joined_and_the_seat_leaves() {
    let mut room = Room::talking();
    let join =
        Command::Join { targets: vec![number("110")], role: Role::Emergency, then_leave: true };
    assert_eq!(room.order(join), "open 2 | ok");
    assert_eq!(room.heard(), "0:1 1:0", "they talk on");
    assert_eq!(room.on(EXPERT, opened()), "dial 2 110");
    let mut gone = room.clone();
    room.on(EXPERT, answered());
    assert_eq!(room.heard(), "0:1 1:0");
    assert_eq!(
        room.done(CITIZEN),
        "store transferred 1>2 | stop 1 | bye 1 16 | close 1 | seat ended 7 | route"
    );
    assert_eq!(room.heard(), "0:2 2:0");
    assert_eq!(
        gone.on(SEAT, LegEvent::Bye),
        "close 1 | seat ended 7 | route | ringback 0 on",
        "110 is still wanted"
    );
}

#[test]
fn a_telephone_transfers_with_its_second_line() {
    let second_line = |room: &mut Room| {
        let (targets, offer) = (experts(&["801"]), Some(sdp("sendrecv")));
        room.on(SEAT, reinvite("sendonly"));
        room.feed(Input::SecondLine { leg: EXPERT, first: SEAT, targets, offer })
    };
    let (second, expert) = (EXPERT, LegId(3));
    let mut room = Room::talking();
    assert_eq!(second_line(&mut room), "open 2 | open 3");
    assert_eq!(room.on(second, opened()), "180 2");
    assert_eq!(room.on(expert, opened()), "dial 3 801");
    let mut early = room.clone();
    assert_eq!(
        room.on(expert, answered()),
        "connect 3 sendrecv | recognise 3 | connect 2 recvonly | 200 2"
    );
    assert_eq!(room.on(second, ack()), "connect 2 sendrecv | route");
    assert_eq!(room.heard(), "2:3 3:2");
    let refer = LegEvent::Refer { target: extension("801"), replaces: Some(Replaces::Leg(second)) };
    assert_eq!(
        room.on(SEAT, refer.clone()),
        "refer-202 1 | notify 1 200 final | store transferred 1>3 | bye 1 16 | close 1 | seat ended 7 | bye 2 16 | close 2 | music 0 off | route"
    );
    assert_eq!(room.heard(), "0:3 3:0");
    // While the expert still rings, the citizen waits for it.
    let rings = early.on(SEAT, refer);
    assert!(rings.starts_with("refer-202 1 | notify 1 100"), "{rings}");
    assert_eq!(
        early.on(expert, answered()),
        "connect 3 sendrecv | recognise 3 | notify 1 200 final | store transferred 1>3 blind | bye 1 16 | close 1 | seat ended 7 | music 0 off | route"
    );
    assert_eq!(early.heard(), "0:3 3:0");
}

#[test]
fn a_refer_without_replaces_is_a_blind_transfer_that_may_fail() {
    let refer = |replaces| LegEvent::Refer { target: extension("801"), replaces };
    let mut room = Room::talking();
    assert_eq!(
        room.on(SEAT, refer(None)),
        "refer-202 1 | notify 1 100 | store transferred 1>? blind | open 2"
    );
    room.on(EXPERT, opened());
    let mut left = room.clone();
    assert_eq!(
        room.on(EXPERT, LegEvent::Failed { code: 486 }),
        "nobody came | notify 1 486 final | close 2"
    );
    assert_eq!(room.heard(), "0:1 1:0");
    assert_eq!(left.on(SEAT, LegEvent::Bye), "close 1 | seat ended 7 | route | ringback 0 on");
    let failed = left.on(EXPERT, LegEvent::Failed { code: 486 });
    assert_eq!(failed, "nobody came | ringback 0 off | play 0 PleaseWait | open 3 | close 2");
    let mut taken = Room::talking();
    taken.on(SEAT, refer(None));
    taken.on(EXPERT, opened());
    assert_eq!(
        taken.on(EXPERT, answered()),
        "connect 2 sendrecv | recognise 2 | notify 1 200 final | store transferred 1>2 blind | bye 1 16 | close 1 | seat ended 7 | route"
    );
    assert_eq!(Room::talking().on(SEAT, refer(Some(Replaces::Elsewhere))), "refer-481 1");
    assert_eq!(Room::talking().on(CITIZEN, refer(None)), "refer-603 0");
}

#[test]
fn an_invite_with_replaces_takes_a_leg_s_place() {
    let mut room = Room::talking();
    let offer = Some(sdp("sendrecv"));
    assert_eq!(room.feed(Input::Replace { leg: EXPERT, replaces: SEAT, offer }), "open 2");
    assert_eq!(room.on(EXPERT, opened()), "connect 2 recvonly | 200 2");
    assert_eq!(
        room.on(EXPERT, ack()),
        "connect 2 sendrecv | recognise 2 | store transferred 1>2 | bye 1 16 | close 1 | route"
    );
    assert_eq!(room.heard(), "0:2 2:0");
    let end = room.on(CITIZEN, LegEvent::Bye);
    assert!(end.ends_with("seat ended 7 | finished"), "{end}");
}

#[test]
fn a_citizen_whose_leg_is_replaced_is_the_citizen_still() {
    let mut room = Room::talking();
    let offer = Some(sdp("sendrecv"));
    room.feed(Input::Replace { leg: EXPERT, replaces: CITIZEN, offer });
    room.on(EXPERT, opened());
    room.on(EXPERT, ack());
    assert_eq!(room.heard(), "1:2 2:1");
    assert_eq!(room.order(Command::Hold), "ok | route | music 2 on");
    assert_eq!(
        room.on(EXPERT, LegEvent::Bye),
        "store ended caller_hung_up | bye 1 16 | close 1 | seat ended 7 | close 2 | finished"
    );
}

#[test]
fn a_seat_that_is_lost_while_somebody_is_called_in_leaves_the_citizen_to_its_queue() {
    let mut room = Room::talking();
    let join = Command::Join { targets: experts(&["801"]), role: Role::Expert, then_leave: false };
    room.order(join);
    room.on(EXPERT, opened());
    assert_eq!(
        room.on(SEAT, LegEvent::Bye),
        "store queued 1 | enqueue 1 front | play 0 PleaseWait | close 1 | seat ended 7 | \
         cancel 2 | close 2 | route"
    );
}

#[test]
fn a_queue_may_take_the_citizen_from_the_seat() {
    let mut room = Room::talking();
    assert_eq!(
        room.order(Command::ToQueue { queue: QueueId(4) }),
        "store transferred 1>? blind | store queued 4 | enqueue 4 | ok | bye 1 16 | close 1 | \
         seat ended 7 | route | music 0 on"
    );
}

/// The seat's telephone holds and opens a second line, whose target rings on leg 3.
fn second_line() -> Room {
    let mut room = Room::talking();
    room.on(SEAT, reinvite("sendonly"));
    let (targets, offer) = (experts(&["801"]), Some(sdp("sendrecv")));
    room.feed(Input::SecondLine { leg: EXPERT, first: SEAT, targets, offer });
    room.on(EXPERT, opened());
    room.on(LegId(3), opened());
    room
}

#[test]
fn a_second_line_that_comes_to_nothing_leaves_the_talk_as_it_was() {
    let mut busy = second_line();
    assert_eq!(
        busy.on(LegId(3), LegEvent::Failed { code: 486 }),
        "nobody came | 486 2 | close 2 | close 3"
    );
    let mut given_up = second_line();
    assert_eq!(given_up.on(EXPERT, LegEvent::Cancel), "487 2 | close 2 | cancel 3 | close 3");
    let mut no_ack = second_line();
    no_ack.on(LegId(3), answered());
    let lost = no_ack.on(EXPERT, LegEvent::AckTimeout);
    assert_eq!(lost, "bye 2 102 | close 2 | bye 3 102 | close 3");
    for mut room in [busy, given_up, no_ack] {
        room.on(SEAT, reinvite("sendrecv"));
        assert_eq!(room.heard(), "0:1 1:0");
    }
}

#[test]
fn a_second_line_that_is_not_possible_is_refused() {
    let (targets, offer) = (experts(&["801"]), Some(sdp("sendrecv")));
    let line =
        |leg, first, offer| Input::SecondLine { leg, first, targets: targets.clone(), offer };
    let mut room = Room::consulting();
    assert_eq!(room.feed(line(LegId(3), SEAT, offer.clone())), "486 3", "somebody is asked");
    let mut room = Room::talking();
    assert_eq!(room.feed(line(EXPERT, CITIZEN, offer)), "486 2", "not the seat");
    assert_eq!(room.feed(line(EXPERT, SEAT, Some("nonsense".into()))), "400 2");
    assert_eq!(room.heard(), "0:1 1:0");
}

#[test]
fn a_first_line_that_hangs_up_leaves_the_citizen_to_whom_the_second_asked() {
    let mut room = second_line();
    room.on(LegId(3), answered());
    room.on(EXPERT, ack());
    assert_eq!(
        room.on(SEAT, LegEvent::Bye),
        "store transferred 1>3 | close 1 | seat ended 7 | bye 2 16 | close 2 | music 0 off | route"
    );
    assert_eq!(room.heard(), "0:3 3:0");
}

#[test]
fn three_talk_after_a_second_line_when_the_console_says_so() {
    let mut room = second_line();
    room.on(LegId(3), answered());
    room.on(EXPERT, ack());
    let joined = room.order(Command::JoinConsulted);
    assert!(joined.starts_with("reoffer 1"), "the telephone is asked to listen again: {joined}");
    room.on(SEAT, answered());
    room.done(CITIZEN);
    assert_eq!(room.heard(), "0:13 1:03 3:01");
}
