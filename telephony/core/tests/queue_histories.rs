//! Long random histories of two queues and five seats in virtual time.

mod seats;

use proptest::prelude::*;
use qingting_common::{CallId, Millis};
use qingting_core::queue::{
    Enqueue, Input, OfferFailure, Output, Overflow, QueueConfig, QueueName, QueueRules, SeatId,
    SeatState, Snapshot,
};
use seats::{SECOND, World, call, comes_to_rest, config, skills};
use std::collections::{BTreeMap, BTreeSet};

const SEATS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// A step of a history: what happens, with numbers that choose among what is there.
#[derive(Clone, Debug)]
enum Step {
    Pass(u16),
    Call { number: u32, other_queue: bool, priority: i32, sticky: Option<usize> },
    Gone(u32),
    CallBack(u32),
    SignIn { seat: usize, can: u8 },
    Seat { seat: usize, what: u8 },
    Offer { which: usize, what: u8 },
    End { seat: usize },
    Take { number: u32, seat: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let sticky = prop::option::weighted(0.2, 0..5_usize);
    prop_oneof![
        4 => (0..40_000_u16).prop_map(Step::Pass),
        4 => (0..12_u32, any::<bool>(), 0..3_i32, sticky).prop_map(
            |(number, other_queue, priority, sticky)| Step::Call {
                number, other_queue, priority, sticky
            }),
        1 => (0..12_u32).prop_map(Step::Gone),
        1 => (0..12_u32).prop_map(Step::CallBack),
        3 => (0..5_usize, 1..16_u8).prop_map(|(seat, can)| Step::SignIn { seat, can }),
        2 => (0..5_usize, 0..6_u8).prop_map(|(seat, what)| Step::Seat { seat, what }),
        5 => (0..20_usize, 0..4_u8).prop_map(|(which, what)| Step::Offer { which, what }),
        3 => (0..5_usize).prop_map(|seat| Step::End { seat }),
        1 => (0..12_u32, 0..5_usize).prop_map(|(number, seat)| Step::Take { number, seat }),
    ]
}

/// `main` overflows to `firm`, whose seats are helped by those of `main`.
fn two_queues() -> QueueConfig {
    let mut config = config();
    let main = config.queues.get_mut(&"main".into()).expect("main");
    main.overflow = Overflow::Queue("firm".into());
    let mut firm = QueueRules::new("firm".into());
    firm.widen_to = vec!["talk".into()];
    config.queues.insert("firm".into(), firm);
    config
}

/// The inputs that a step stands for; time has passed already.
fn inputs(world: &World, step: &Step) -> Vec<Input> {
    let seat = |at: usize| SeatId::new(SEATS[at]);
    match step {
        Step::Pass(_) => Vec::new(),
        Step::Call { number, other_queue, priority, sticky } => {
            let queue = if *other_queue { "firm" } else { "main" };
            let wants = Enqueue::new(call(*number), QueueName::new(queue));
            let sticky = sticky.map(seat);
            vec![Input::Enqueue(Enqueue { priority: *priority, sticky, ..wants })]
        }
        Step::Gone(number) => vec![Input::Abandon { call: call(*number) }],
        Step::CallBack(number) => vec![Input::CallbackRequested { call: call(*number) }],
        Step::SignIn { seat: at, can } => {
            let both = [("talk", can % 4), ("firm", can / 4)];
            let can: Vec<_> = both.into_iter().filter(|(_, level)| *level > 0).collect();
            let seat = seat(*at);
            let registered = Input::Registered { seat: seat.clone() };
            vec![registered, Input::SignIn { seat, skills: skills(&can) }]
        }
        Step::Seat { seat: at, what } => {
            let seat = seat(*at);
            vec![match what {
                0 => Input::SignOut { seat },
                1 => Input::SetBreak { seat, reason: "tea".into() },
                2 => Input::Unregistered { seat },
                3 => Input::Registered { seat },
                4 => Input::WrapUpDone { seat },
                _ => Input::SetReady { seat },
            }]
        }
        Step::Offer { which, what } => {
            let Some(offer) = world.offers.get(which % world.offers.len().max(1)) else {
                return Vec::new();
            };
            let offer = offer.clone();
            vec![match what {
                0 => Input::OfferRinging(offer),
                1 => Input::OfferFailed { offer, why: OfferFailure::NoAnswer },
                _ => Input::OfferAccepted(offer),
            }]
        }
        Step::End { seat: at } => match world.state(SEATS[*at]) {
            SeatState::Talking { calls } => {
                vec![Input::CallEnded { call: calls[0], seat: seat(*at) }]
            }
            _ => Vec::new(),
        },
        Step::Take { number, seat: at } => {
            vec![Input::Take { call: call(*number), seat: seat(*at) }]
        }
    }
}

/// Every input of a history with its time, as it comes when each deadline is kept.
fn play(world: &mut World, steps: &[Step], mut each: impl FnMut(&mut World, Input)) {
    for step in steps {
        if let Step::Pass(ms) = step {
            let end = Millis(world.now.0 + u64::from(*ms));
            while let Some(at) = world.queue.next_deadline().filter(|at| *at <= end) {
                world.now = at;
                each(world, Input::Timer);
            }
            world.now = end;
        }
        for input in inputs(world, step) {
            each(world, input);
        }
    }
}

/// What became of every call that was put into a queue: exactly one of these.
#[derive(Default)]
struct Fates {
    waits: BTreeSet<CallId>,
    connected: usize,
}

impl Fates {
    fn take(&mut self, outputs: &[Output]) {
        for output in outputs {
            let over = match output {
                Output::Connect { offer, .. } => {
                    self.connected += 1;
                    Some(offer.call)
                }
                Output::CallbackListed { call, .. } => Some(*call),
                Output::Overflow { call, to, .. } if !matches!(to, Overflow::Queue(_)) => {
                    Some(*call)
                }
                _ => None,
            };
            if let Some(call) = over {
                assert!(self.waits.remove(&call), "{call} did not wait");
            }
        }
    }

    fn before(&mut self, input: &Input) {
        match input {
            Input::Enqueue(wants) => {
                self.waits.insert(wants.call);
            }
            Input::Abandon { call } => {
                self.waits.remove(call);
            }
            _ => {}
        }
    }
}

fn unoffered(snapshot: &Snapshot, queue: &str) -> Vec<CallId> {
    let view = snapshot.queues.iter().find(|view| view.name.as_str() == queue).expect("a queue");
    view.waiting.iter().filter(|v| v.offered_to.is_none()).map(|v| v.call).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_call_has_one_fate_and_every_seat_comes_to_rest(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new(two_queues());
        let mut fates = Fates::default();
        play(&mut world, &steps, |world, input| {
            fates.before(&input);
            let outputs = world.outputs(input);
            fates.take(&outputs);
            let snapshot = world.queue.snapshot();
            let waits: BTreeSet<CallId> =
                snapshot.queues.iter().flat_map(|q| q.waiting.iter().map(|w| w.call)).collect();
            assert_eq!(waits, fates.waits);
        });
        comes_to_rest(world);
    }

    #[test]
    fn equal_inputs_give_equal_outputs(steps in prop::collection::vec(step(), 1..60)) {
        let mut once = Vec::new();
        play(&mut World::new(two_queues()), &steps, |world, input| once.push(world.outputs(input)));
        let mut twice = Vec::new();
        play(&mut World::new(two_queues()), &steps, |world, input| twice.push(world.outputs(input)));
        prop_assert_eq!(once, twice);
    }

    /// Without own seats and with one skill, nobody is offered a call while an earlier one waits,
    /// and no seat is ready while anybody waits.
    #[test]
    fn the_order_is_kept(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new(config());
        play(&mut world, &steps, |world, input| {
            let input = match input {
                Input::Enqueue(wants) => Input::Enqueue(Enqueue {
                    queue: "main".into(), sticky: None, ..wants
                }),
                Input::SignIn { seat, .. } => Input::SignIn { seat, skills: skills(&[("talk", 1)]) },
                // Whoever takes a call by hand jumps the queue: that is what it is for.
                Input::Take { .. } => Input::Timer,
                input => input,
            };
            let outputs = world.outputs(input);
            let snapshot = world.queue.snapshot();
            let waiting = unoffered(&snapshot, "main");
            let ready = snapshot.seats.iter().filter(|v| v.registered && v.state == SeatState::Ready);
            assert!(waiting.is_empty() || ready.count() == 0, "{snapshot:?}");
            let all: Vec<CallId> = snapshot.queues[0].waiting.iter().map(|w| w.call).collect();
            let place = |call: &CallId| all.iter().position(|other| other == call);
            let offered = outputs.iter().filter_map(|output| match output {
                Output::Offer(offer) => place(&offer.call),
                _ => None,
            });
            let last = offered.max();
            assert!(last.is_none_or(|last| waiting.iter().filter_map(place).all(|at| at > last)));
        });
    }

    /// Among equals the seat that has been idle longest is rung, so that over a day each gets its
    /// share.
    #[test]
    fn equals_take_turns(gaps in prop::collection::vec((0..30_u32, 1..30_u32), 50..51)) {
        let mut config = config();
        config.wrap_up = SECOND;
        let mut world = World::with_seats(config, &SEATS);
        let mut shares: BTreeMap<SeatId, u32> = BTreeMap::new();
        for (number, (gap, talk)) in gaps.into_iter().enumerate() {
            world.after(gap);
            let before = world.queue.snapshot();
            let idle = before.seats.iter().filter(|v| v.state == SeatState::Ready);
            let longest = idle.map(|view| view.since).min();
            world.enqueue(u32::try_from(number).expect("few"));
            let offer = world.offers.last().expect("one offer").clone();
            let chosen = before.seats.iter().find(|view| view.seat == offer.seat);
            prop_assert_eq!(chosen.map(|view| view.since), longest);
            *shares.entry(offer.seat.clone()).or_default() += 1;
            world.feed(Input::OfferAccepted(offer.clone()));
            world.after(talk);
            world.feed(Input::CallEnded { call: offer.call, seat: offer.seat });
        }
        prop_assert!(shares.values().all(|share| (9..=11).contains(share)), "{:?}", shares);
    }
}
