//! One queue, two calls, two seats: every sequence of inputs up to a length, against what must
//! always hold, and then left alone until nothing is waited for. States that were seen are not
//! walked again.

mod seats;

use qingting_core::queue::{Enqueue, Input, OfferFailure, SeatState};
use seats::{World, call, comes_to_rest, config, skills};
use std::collections::HashSet;
use std::time::Duration;

/// How long call 2 waits for its own seat.
const STICKY_MAX: Duration = Duration::from_secs(15);

/// From nothing, and from two seats that are ready.
const LENGTHS: [usize; 2] = [6, 5];

fn steps(world: &World) -> Vec<Input> {
    let seat = |name: &str| name.into();
    let mut steps = vec![Input::Timer];
    for number in [1, 2] {
        let call = call(number);
        let wants = Enqueue::new(call, "main".into());
        steps.push(Input::Enqueue(Enqueue { sticky: (number == 2).then(|| seat("b")), ..wants }));
        steps.push(Input::Abandon { call });
        steps.push(Input::CallEnded { call, seat: seat("a") });
    }
    steps.extend([
        Input::CallbackRequested { call: call(2) },
        Input::Take { call: call(1), seat: seat("b") },
        Input::CallBegan { call: call(2), seat: seat("a") },
        Input::CallEnded { call: call(2), seat: seat("b") },
        Input::WrapUpDone { seat: seat("a") },
    ]);
    for name in ["a", "b"] {
        steps.extend([
            Input::SignIn { seat: seat(name), skills: skills(&[("talk", 1)]) },
            Input::SignOut { seat: seat(name) },
            Input::SetReady { seat: seat(name) },
            Input::SetBreak { seat: seat(name), reason: "tea".into() },
            Input::Registered { seat: seat(name) },
            Input::Unregistered { seat: seat(name) },
        ]);
    }
    // Old offers are among them: reports may come late.
    for offer in &world.offers {
        steps.push(Input::OfferRinging(offer.clone()));
        steps.push(Input::OfferAccepted(offer.clone()));
        steps.push(Input::OfferFailed { offer: offer.clone(), why: OfferFailure::Declined });
    }
    steps
}

fn walk(start: World, length: usize) -> usize {
    let mut known = HashSet::from([start.clone()]);
    let mut edge = vec![start];
    for _ in 0..length {
        let mut next = Vec::new();
        for world in edge {
            for step in steps(&world) {
                let mut after = world.clone();
                if step == Input::Timer {
                    after.now = after.queue.next_deadline().unwrap_or(after.now);
                }
                after.outputs(step);
                if known.insert(after.clone()) {
                    nobody_is_kept_waiting(&after);
                    comes_to_rest(after.clone());
                    next.push(after);
                }
            }
        }
        edge = next;
    }
    known.len()
}

/// A seat that could take a call and a call that could take it are never left side by side.
fn nobody_is_kept_waiting(world: &World) {
    let snapshot = world.queue.snapshot();
    let ready = |seat: &str| {
        let is = |view: &&qingting_core::queue::SeatView| {
            view.seat.as_str() == seat && view.registered && view.state == SeatState::Ready
        };
        snapshot.seats.iter().find(is).is_some()
    };
    for view in snapshot.queues[0].waiting.iter().filter(|view| view.offered_to.is_none()) {
        // Call 2 may wait for its own seat, b.
        let held = view.call == call(2) && world.now < view.since + STICKY_MAX;
        assert!(!ready("b") && (held || !ready("a")), "{snapshot:?}");
    }
}

#[test]
fn after_every_short_sequence_the_rules_hold_and_all_comes_to_rest() {
    let mut config = config();
    config.sticky_max = STICKY_MAX;
    config.queues.get_mut(&"main".into()).expect("main").max_wait = Duration::from_secs(60);
    let nothing = World::new(config.clone());
    let staffed = World::with_seats(config, &["a", "b"]);
    let [from_nothing, from_ready] = LENGTHS;
    let seen = walk(nothing, from_nothing) + walk(staffed, from_ready);
    println!("{seen} states");
    assert!(seen > 20_000, "{seen} states");
}
