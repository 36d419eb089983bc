//! Every sequence of inputs up to a length, from the queue and from a talk with a seat, against the
//! rules of [`Watch`]. States that were seen are not walked again.

mod room;

use qingting_core::call::*;
use qingting_core::leg::LegEvent;
use room::steps::{calm, harsh};
use room::*;
use std::collections::HashSet;

const LENGTH: usize = 6;

/// What can happen to a citizen and the seat that is there or coming.
#[derive(Clone, Copy, Debug)]
enum Step {
    CitizenLeaves,
    CitizenHolds(bool),
    Opened,
    Answers,
    Fails,
    SeatLeaves,
    SeatHolds(bool),
    SeatLost,
    Offer,
    Withdrawn,
    Callback,
    Key,
    Overflow,
    Hold(bool),
    Said,
    Deadline,
    Drain,
}

const ALPHABET: [Step; 20] = [
    Step::CitizenLeaves,
    Step::CitizenHolds(true),
    Step::CitizenHolds(false),
    Step::Opened,
    Step::Answers,
    Step::Fails,
    Step::SeatLeaves,
    Step::SeatHolds(true),
    Step::SeatHolds(false),
    Step::SeatLost,
    Step::Offer,
    Step::Withdrawn,
    Step::Callback,
    Step::Key,
    Step::Overflow,
    Step::Hold(true),
    Step::Hold(false),
    Step::Said,
    Step::Deadline,
    Step::Drain,
];

/// The leg that began last and of which the driver may still speak.
fn seat_of(room: &Room) -> Option<LegId> {
    let alive = |leg: &LegId| room.watch.seen(*leg).is_some_and(|seen| seen.is_alive());
    (1..8).map(LegId).rev().find(alive)
}

/// The room after this step; `None` when it cannot happen.
fn step(room: &Room, step: Step) -> Option<Room> {
    let mut next = room.clone();
    let citizen = room.watch.seen(CITIZEN).is_some_and(|seen| seen.is_alive());
    let on_citizen = |event| citizen.then_some(Input::Leg { leg: CITIZEN, event });
    let on_seat = |event| seat_of(room).map(|leg| Input::Leg { leg, event });
    let offered = room.watch.open_offer;
    let direction = |holds| if holds { "sendonly" } else { "sendrecv" };
    let command = |command| Input::Command { id: CommandId(1), by: By::Console, command };
    let input = match step {
        Step::CitizenLeaves => on_citizen(LegEvent::Bye)?,
        Step::CitizenHolds(holds) => on_citizen(reinvite(direction(holds)))?,
        Step::Opened => on_seat(opened())?,
        Step::Answers => on_seat(answered())?,
        Step::Fails => on_seat(LegEvent::Failed { code: 486 })?,
        Step::SeatLeaves => on_seat(LegEvent::Bye)?,
        Step::SeatHolds(holds) => on_seat(reinvite(direction(holds)))?,
        Step::SeatLost => on_seat(LegEvent::MediaInactive)?,
        Step::Offer if offered.is_none() => Input::Queue(QueueEvent::Offer { seat: SeatId(7) }),
        Step::Offer => return None,
        Step::Withdrawn => Input::Queue(QueueEvent::Withdrawn { seat: offered? }),
        Step::Callback => Input::Queue(QueueEvent::OfferCallback),
        Step::Key => Input::Dtmf { leg: CITIZEN, digit: '1' },
        Step::Overflow if !room.watch.queued => return None,
        Step::Overflow => {
            let treatment = Treatment::Closed { prompt: Prompt::Closed };
            Input::Queue(QueueEvent::Overflow(treatment))
        }
        Step::Hold(true) => command(Command::Hold),
        Step::Hold(false) => command(Command::Resume),
        Step::Said => {
            let id = room.watch.seen(CITIZEN)?.playing?;
            Input::PromptDone { leg: CITIZEN, id }
        }
        Step::Deadline => {
            next.now = next.call.next_deadline()?;
            Input::Timer
        }
        Step::Drain => Input::Hangup(Hangup::Drain),
    };
    next.feed(input);
    Some(next)
}

/// Whatever has happened, a hang-up and the passing of time end the call.
fn ends(room: &Room) {
    let mut room = room.clone();
    room.feed(Input::Hangup(Hangup::Drain));
    room.runs_out();
}

fn walk(start: Room, length: usize, next: impl Fn(&Room) -> Vec<Room>) -> usize {
    let mut known = HashSet::from([start.clone()]);
    let mut edge = vec![start];
    for _ in 0..length {
        let mut next_edge = Vec::new();
        for room in edge.iter().filter(|room| !room.call.is_over()) {
            for next in next(room) {
                if known.insert(next.clone()) {
                    ends(&next);
                    next_edge.push(next);
                }
            }
        }
        edge = next_edge;
    }
    known.len()
}

fn of_two(room: &Room) -> Vec<Room> {
    ALPHABET.iter().filter_map(|it| step(room, *it)).collect()
}

/// Everything that a driver, a queue and people could do now.
fn of_all(room: &Room) -> Vec<Room> {
    let mut inputs = calm(room);
    inputs.extend(harsh(room));
    let fed = |input: Input| {
        let mut next = room.clone();
        next.feed_at_its_time(input);
        next
    };
    inputs.into_iter().map(fed).collect()
}

#[test]
fn every_short_wait_keeps_the_rules_and_can_be_ended() {
    let states = walk(Room::queued(), LENGTH, of_two);
    assert!(states > 2_000, "{states} states");
}

#[test]
fn every_short_talk_keeps_the_rules_and_can_be_ended() {
    let states = walk(Room::talking(), LENGTH, of_two);
    assert!(states > 2_000, "{states} states");
}

#[test]
fn every_few_steps_from_anywhere_keep_the_rules() {
    let starts = [
        Room::queued(),
        Room::offered(),
        Room::talking(),
        Room::consulting(),
        Room::consulted(),
        Room::three(),
    ];
    for start in starts {
        walk(start, 2, of_all);
    }
}
