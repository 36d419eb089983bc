//! Three servers that share their queues, over a network that delivers late, loses connections, and servers that die:
//! histories at random, then everything is delivered and must fit together.

mod seats;

use proptest::prelude::*;
use qingting_common::{CallId, Millis};
use qingting_core::queue::{
    Act, Enqueue, Input, Offer, OfferFailure, Output, Present, QueueLetter, SeatId, SeatState,
    SharedQueue,
};
use seats::{call, config, skills};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

const NAMES: [&str; 3] = ["x", "y", "z"];
const SEATS: [&str; 3] = ["a", "b", "c"];

/// What one call's driver knows.
#[derive(Clone, Debug, PartialEq)]
enum Driver {
    Waits(Option<Offer>),
    Talks(SeatId),
}

struct Server {
    queue: SharedQueue,
    calls: BTreeMap<CallId, Driver>,
    is_alive: bool,
    is_on_bus: bool,
    /// Letters of each other server that have not come.
    inbox: VecDeque<(usize, QueueLetter)>,
    /// Its clock differs from the others'.
    ahead: u64,
}

struct World {
    servers: Vec<Server>,
    now: u64,
    numbers: u32,
    term: u64,
    /// Who has the lock.
    keeper: Option<usize>,
    /// Calls that left the queue by its own word.
    sent_on: BTreeSet<CallId>,
}

#[derive(Clone, Debug)]
enum Step {
    Call(usize),
    HangUp(usize),
    Accept(usize),
    Decline(usize),
    EndTalk(usize),
    Break(usize, usize),
    Ready(usize, usize),
    Deliver(usize),
    Pass(u64),
    Kill(usize),
    Cut(usize),
    Heal(usize),
    /// Loses its connection and has it again before anybody misses it.
    Blink(usize),
}

fn present() -> Present {
    SEATS.iter().map(|seat| ((*seat).into(), skills(&[("talk", 1)]))).collect()
}

impl World {
    fn new() -> Self {
        let server = |number: u64| Server {
            queue: SharedQueue::new(config()).expect("they work"),
            calls: BTreeMap::new(),
            is_alive: true,
            is_on_bus: false,
            inbox: VecDeque::new(),
            ahead: number * 1_000_000,
        };
        let servers = (0..3).map(server).collect();
        let mut world = Self {
            servers,
            now: 1_000_000,
            numbers: 0,
            term: 0,
            keeper: None,
            sent_on: BTreeSet::new(),
        };
        (0..3).for_each(|at| world.heal(at));
        world.deliver_all();
        world
    }

    fn clock(&self, at: usize) -> Millis {
        Millis(self.now + self.servers[at].ahead)
    }

    /// A server hears the others again; whoever finds the lock free takes it.
    fn heal(&mut self, at: usize) {
        if !self.servers[at].is_alive || self.servers[at].is_on_bus {
            return;
        }
        self.servers[at].is_on_bus = true;
        self.servers[at].inbox.clear();
        self.elect();
    }

    fn elect(&mut self) {
        if self.keeper.is_none()
            && let Some(next) = self.servers.iter().position(|of| of.is_alive && of.is_on_bus)
        {
            self.term += 1;
            self.keeper = Some(next);
            let (now, term) = (self.clock(next), self.term);
            let was_keeper = self.servers[next].queue.keeps();
            self.servers[next].queue.keep(now, term, present());
            if was_keeper {
                self.look(next);
            }
            self.carry_out(next);
        }
        if let Some(keeper) = self.keeper {
            // It says so every second, and shows what it has.
            let now = self.clock(keeper);
            self.servers[keeper].queue.show(now);
            self.carry_out(keeper);
        }
    }

    /// The keeper's own look at the telephones.
    fn look(&mut self, at: usize) {
        for (seat, skills) in present() {
            self.feed(at, Input::Registered { seat: seat.clone() });
            self.feed(at, Input::SignIn { seat, skills });
        }
    }

    fn leave(&mut self, at: usize) {
        self.servers[at].is_on_bus = false;
        self.servers[at].inbox.clear();
        for other in 0..3 {
            // What it said last came, or was lost with its connection.
            self.servers[other].inbox.retain(|(from, _)| *from != at);
        }
        if self.keeper == Some(at) {
            self.keeper = None;
        }
        if self.servers[at].is_alive {
            let now = self.clock(at);
            let number = now.0;
            self.servers[at].queue.alone(now, number, present());
            self.carry_out(at);
        }
        self.elect();
        if let Some(keeper) = self.keeper {
            let now = self.clock(keeper);
            self.servers[keeper].queue.gone(now, NAMES[at]);
            self.carry_out(keeper);
        }
    }

    /// What was said to and by it is lost, and it greets the others; whoever keeps the queues is heard anew.
    fn blink(&mut self, at: usize) {
        self.servers[at].inbox.clear();
        for other in 0..3 {
            self.servers[other].inbox.retain(|(from, _)| *from != at);
        }
        let now = self.clock(at);
        self.servers[at].queue.alone(now, now.0, present());
        self.carry_out(at);
        if self.keeper == Some(at) {
            self.keeper = None;
        }
        for other in 0..3 {
            if other == at || !self.servers[other].is_on_bus {
                continue;
            }
            let now = self.clock(other);
            self.servers[other].queue.came_again(now, NAMES[at]);
            self.carry_out(other);
        }
        self.elect();
    }

    fn feed(&mut self, at: usize, input: Input) {
        let now = self.clock(at);
        self.servers[at].queue.handle_input(now, input);
        self.carry_out(at);
    }

    fn carry_out(&mut self, at: usize) {
        while let Some(act) = self.servers[at].queue.poll_act() {
            match act {
                Act::Here(output) => self.here(at, output),
                Act::Send { to, letter } => {
                    for (other, server) in self.servers.iter_mut().enumerate() {
                        let is_meant = to.as_ref().is_none_or(|to| to == NAMES[other]);
                        if other != at && is_meant && server.is_on_bus {
                            server.inbox.push_back((at, letter.clone()));
                        }
                    }
                }
            }
        }
    }

    /// What a call's driver makes of it.
    fn here(&mut self, at: usize, output: Output) {
        let server = &mut self.servers[at];
        match output {
            Output::Offer(offer) => {
                if let Some(driver) = server.calls.get_mut(&offer.call) {
                    assert_eq!(*driver, Driver::Waits(None), "{offer:?}");
                    *driver = Driver::Waits(Some(offer));
                }
            }
            Output::Withdraw(offer) => match server.calls.get_mut(&offer.call) {
                Some(Driver::Waits(rung)) if *rung == Some(offer.clone()) => *rung = None,
                // The answer crossed it: the caller is put back.
                Some(driver @ Driver::Talks(_)) if *driver == Driver::Talks(offer.seat.clone()) => {
                    // The queue has the caller still (`core/src/call/queueing.rs`, `withdrawn_late`).
                    *driver = Driver::Waits(None);
                }
                _ => {}
            },
            Output::Overflow { call, .. } | Output::Refused { call, .. } => {
                server.calls.remove(&call);
                self.sent_on.insert(call);
                self.feed(at, Input::Abandon { call });
            }
            _ => {}
        }
    }

    fn deliver(&mut self, at: usize) {
        if let Some((from, letter)) = self.servers[at].inbox.pop_front() {
            let now = self.clock(at);
            self.servers[at].queue.heard(now, NAMES[from], letter);
            self.carry_out(at);
        }
    }

    fn deliver_all(&mut self) {
        while let Some(at) = self.servers.iter().position(|server| !server.inbox.is_empty()) {
            self.deliver(at);
        }
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += 1_000;
            for at in 0..3 {
                if self.servers[at].is_alive {
                    self.feed(at, Input::Timer);
                }
            }
            self.elect();
        }
    }

    /// The `nth` call in this state, over all servers.
    fn nth(&self, nth: usize, is: impl Fn(&Driver) -> bool) -> Option<(usize, CallId, Driver)> {
        let living = self.servers.iter().enumerate().filter(|(_, server)| server.is_alive);
        let all: Vec<_> = living
            .flat_map(|(at, server)| {
                server.calls.iter().map(move |(call, driver)| (at, *call, driver.clone()))
            })
            .filter(|(_, _, driver)| is(driver))
            .collect();
        (!all.is_empty()).then(|| all[nth % all.len()].clone())
    }

    fn step(&mut self, step: Step) {
        let rings = |driver: &Driver| matches!(driver, Driver::Waits(Some(_)));
        let talks = |driver: &Driver| matches!(driver, Driver::Talks(_));
        match step {
            Step::Call(at) if self.servers[at].is_alive => {
                self.numbers += 1;
                let call = call(self.numbers);
                self.servers[at].calls.insert(call, Driver::Waits(None));
                self.feed(at, Input::Enqueue(Enqueue::new(call, "main".into())));
            }
            Step::HangUp(nth) => {
                if let Some((at, call, _)) = self.nth(nth, |_| true) {
                    self.servers[at].calls.remove(&call);
                    self.feed(at, Input::Abandon { call });
                }
            }
            Step::Accept(nth) => {
                if let Some((at, call, Driver::Waits(Some(offer)))) = self.nth(nth, rings) {
                    self.servers[at].calls.insert(call, Driver::Talks(offer.seat.clone()));
                    self.feed(at, Input::OfferAccepted(offer));
                }
            }
            Step::Decline(nth) => {
                if let Some((at, call, Driver::Waits(Some(offer)))) = self.nth(nth, rings) {
                    self.servers[at].calls.insert(call, Driver::Waits(None));
                    self.feed(at, Input::OfferFailed { offer, why: OfferFailure::Declined });
                }
            }
            Step::EndTalk(nth) => {
                if let Some((at, call, Driver::Talks(seat))) = self.nth(nth, talks) {
                    self.servers[at].calls.remove(&call);
                    self.feed(at, Input::CallEnded { call, seat });
                    self.feed(at, Input::Abandon { call });
                }
            }
            Step::Break(at, seat) if self.servers[at].is_alive => {
                let reason = "tea".into();
                self.feed(at, Input::SetBreak { seat: SEATS[seat].into(), reason });
            }
            Step::Ready(at, seat) if self.servers[at].is_alive => {
                self.feed(at, Input::SetReady { seat: SEATS[seat].into() });
            }
            Step::Deliver(at) => self.deliver(at),
            Step::Pass(seconds) => self.pass(seconds),
            Step::Kill(at) if self.servers.iter().filter(|server| server.is_alive).count() > 1 => {
                self.servers[at].is_alive = false;
                self.servers[at].calls.clear();
                self.leave(at);
            }
            Step::Cut(at) if self.servers[at].is_on_bus => self.leave(at),
            Step::Heal(at) => self.heal(at),
            Step::Blink(at) if self.servers[at].is_on_bus => self.blink(at),
            _ => {}
        }
    }

    /// All that live hear each other, and what was said has come.
    fn settle(&mut self) {
        (0..3).for_each(|at| self.heal(at));
        for _ in 0..4 {
            self.pass(1);
            self.deliver_all();
        }
    }

    fn fits_together(&self) {
        let keepers: Vec<usize> = (0..3)
            .filter(|at| self.servers[*at].is_alive && self.servers[*at].queue.keeps())
            .collect();
        assert_eq!(keepers, [self.keeper.expect("somebody lives")]);
        let snapshot = self.servers[keepers[0]].queue.snapshot();
        let waiting: BTreeMap<CallId, Option<SeatId>> = snapshot
            .queues
            .iter()
            .flat_map(|queue| &queue.waiting)
            .map(|waiting| (waiting.call, waiting.offered_to.clone()))
            .collect();
        let mut talking: BTreeSet<(CallId, SeatId)> = BTreeSet::new();
        for seat in &snapshot.seats {
            if let SeatState::Talking { calls } = &seat.state {
                talking.extend(calls.iter().map(|call| (*call, seat.seat.clone())));
            }
        }
        let (mut waits, mut talks) = (BTreeMap::new(), BTreeSet::new());
        for server in self.servers.iter().filter(|server| server.is_alive) {
            for (call, driver) in &server.calls {
                match driver {
                    Driver::Waits(offer) => {
                        waits.insert(*call, offer.as_ref().map(|offer| offer.seat.clone()));
                    }
                    Driver::Talks(seat) => {
                        talks.insert((*call, seat.clone()));
                    }
                }
            }
        }
        assert_eq!(waiting, waits, "who waits, and who is rung for whom");
        assert_eq!(talking, talks, "who talks");
        let rung: Vec<&SeatId> = waits.values().flatten().collect();
        let once: BTreeSet<&SeatId> = rung.iter().copied().collect();
        assert_eq!(rung.len(), once.len(), "a seat is rung for one call");
        let is_free =
            snapshot.seats.iter().any(|seat| seat.registered && seat.state == SeatState::Ready);
        assert!(
            !is_free || waits.values().all(Option::is_some),
            "a caller and a seat wait for each other"
        );
    }
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_usize).prop_map(Step::Call),
        1 => (0..9_usize).prop_map(Step::HangUp),
        4 => (0..9_usize).prop_map(Step::Accept),
        1 => (0..9_usize).prop_map(Step::Decline),
        2 => (0..9_usize).prop_map(Step::EndTalk),
        1 => (0..3_usize, 0..3_usize).prop_map(|(at, seat)| Step::Break(at, seat)),
        1 => (0..3_usize, 0..3_usize).prop_map(|(at, seat)| Step::Ready(at, seat)),
        12 => (0..3_usize).prop_map(Step::Deliver),
        2 => (0..9_u64).prop_map(Step::Pass),
        1 => (0..3_usize).prop_map(Step::Kill),
        1 => (0..3_usize).prop_map(Step::Cut),
        1 => (0..3_usize).prop_map(Step::Heal),
        1 => (0..3_usize).prop_map(Step::Blink),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_servers_agree_once_they_hear_each_other(
        history in prop::collection::vec(steps(), 0..60)
    ) {
        let mut world = World::new();
        for step in history {
            world.step(step);
        }
        world.settle();
        world.fits_together();
    }
}

#[test]
fn a_caller_keeps_its_place_and_is_served_by_any_seat_when_the_keeper_dies() {
    let mut world = World::new();
    // The seats are busy with the first three; then one waits at each server that will live.
    for at in [0, 1, 2] {
        world.step(Step::Call(at));
        world.deliver_all();
        world.step(Step::Accept(0));
        world.deliver_all();
    }
    for at in [2, 1] {
        world.step(Step::Call(at));
        world.deliver_all();
        world.step(Step::Pass(3));
        world.deliver_all();
    }
    world.step(Step::Kill(0));
    world.deliver_all();
    world.settle();
    world.fits_together();
    // The seat of the dead server's call is free again, and has the caller that waited longest.
    let rung: Vec<CallId> = world.servers[2]
        .calls
        .iter()
        .filter(|(_, driver)| matches!(driver, Driver::Waits(Some(_))))
        .map(|(call, _)| *call)
        .collect();
    world.step(Step::Pass(Duration::from_secs(40).as_secs()));
    world.deliver_all();
    let served = rung == [call(4)]
        || world.servers[2]
            .calls
            .get(&call(4))
            .is_some_and(|driver| *driver != Driver::Waits(None));
    assert!(served, "{:?}", world.servers[2].calls);
}

#[test]
fn an_answer_that_crossed_a_withdrawal_does_not_undo_the_next_answer() {
    let mut world = World::new();
    world.step(Step::Call(1));
    for at in [0, 1] {
        world.step(Step::Deliver(at));
    }
    // The seat goes on a break as it answers; the next seat is rung, and answers before the first answer was refused.
    world.step(Step::Break(0, 0));
    for step in [Step::Accept(0), Step::Deliver(1), Step::Deliver(1), Step::Deliver(0)] {
        world.step(step);
    }
    world.step(Step::Accept(0));
    world.step(Step::Deliver(1));
    // The next keeper hears of the talk, not of a caller who waits.
    world.step(Step::Kill(0));
    world.settle();
    world.fits_together();
    assert!(matches!(world.servers[1].calls[&call(1)], Driver::Talks(_)));
}

#[test]
fn what_was_said_to_a_keeper_of_another_term_does_not_outlive_its_call() {
    let mut world = World::new();
    // The second server keeps the queues, then the first; the third calls the second before it hears of that.
    for step in [Step::Cut(0), Step::Deliver(2), Step::Heal(0), Step::Blink(1)] {
        world.step(step);
    }
    world.step(Step::Call(2));
    world.step(Step::Deliver(2));
    world.step(Step::HangUp(0));
    world.step(Step::Kill(0));
    world.settle();
    world.fits_together();
}
