//! Long random sequences over calls of many parties, against the rules of [`Watch`].

mod room;

use proptest::prelude::*;
use qingting_core::call::{Hangup, Input, Origin, SeatId};
use qingting_core::leg::LegEvent;
use room::steps::{calm, harsh};
use room::*;

/// Takes one of what could happen for each number; one in eight breaks something.
fn play(room: &mut Room, choices: &[u16]) {
    for choice in choices {
        if room.call.is_over() {
            return;
        }
        let (is_harsh, which) = (choice % 8 == 0, usize::from(choice / 8));
        let inputs = if is_harsh { harsh(room) } else { calm(room) };
        if let Some(input) = inputs.get(which % inputs.len().max(1)) {
            room.feed_at_its_time(input.clone());
        }
    }
    let mut hung_up = room.clone();
    hung_up.feed(Input::Hangup(Hangup::Drain));
    hung_up.runs_out();
    // Left to itself every call ends.
    let mut quiet = room.clone();
    quiet.runs_out();
}

fn seat_calls(citizen: bool) -> Room {
    let targets = vec![number("13800138000"), number("13900139000")];
    let mut room = Room::new(Origin::Seat { seat: SeatId(7), targets, citizen });
    room.feed(Input::Invite { offer: Some(sdp("sendrecv")) });
    room.feed(Input::Persisted);
    room
}

fn click() -> Room {
    let target = number("13800138000");
    let mut room = Room::new(Origin::ClickToDial { seat: SeatId(7), target });
    room.feed(Input::Start);
    room.feed(Input::Persisted);
    room
}

fn choices() -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(any::<u16>(), 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn from_the_queue(choices in choices()) {
        play(&mut Room::queued(), &choices);
    }

    #[test]
    fn from_a_talk(choices in choices()) {
        play(&mut Room::talking(), &choices);
    }

    #[test]
    fn from_a_consultation(choices in choices()) {
        play(&mut Room::consulted(), &choices);
    }

    #[test]
    fn from_three_who_talk(choices in choices()) {
        play(&mut Room::three(), &choices);
    }

    #[test]
    fn from_a_seat_s_own_call(choices in choices(), citizen in any::<bool>()) {
        play(&mut seat_calls(citizen), &choices);
    }

    #[test]
    fn from_a_click(choices in choices()) {
        play(&mut click(), &choices);
    }
}

#[test]
fn a_call_that_nobody_touches_ends() {
    let mut room = Room::talking();
    room.on(CITIZEN, LegEvent::Ack { answer: None });
    room.runs_out();
}
