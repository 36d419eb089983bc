//! Queues and seats in which time moves only when it is told to, and what must always hold.

#![allow(dead_code, reason = "each test file uses its own part of the world")]

use qingting_common::{CallId, Millis};
use qingting_core::queue::{
    Enqueue, Input, Level, Offer, Output, Queue, QueueConfig, QueueRules, SeatId, SeatState, Skill,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// The call with this number.
pub(crate) fn call(number: u32) -> CallId {
    format!("00000000-0000-0000-0000-{number:012}").parse().expect("an id")
}

pub(crate) fn skills(skills: &[(&str, u8)]) -> BTreeMap<Skill, Level> {
    let level = |level| Level::new(level).expect("1 to 9");
    skills.iter().map(|(skill, at)| (Skill::new(skill), level(*at))).collect()
}

/// One queue, `main`, that needs `talk`; offers last 20 s, pauses 10 s, wrap-ups 5 s, waits 300 s.
pub(crate) fn config() -> QueueConfig {
    let rules = QueueRules { offer_callback_after: None, ..QueueRules::new("talk".into()) };
    QueueConfig {
        queues: BTreeMap::from([("main".into(), rules)]),
        offer_max: 20 * SECOND,
        no_answer_pause: 10 * SECOND,
        wrap_up: 5 * SECOND,
        ..QueueConfig::default()
    }
}

/// The queues, the time, and the newest offer of each call and seat.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) queue: Queue,
    pub(crate) now: Millis,
    pub(crate) offers: Vec<Offer>,
}

impl World {
    pub(crate) fn new(config: QueueConfig) -> Self {
        let queue = Queue::new(config).expect("rules that can be kept");
        Self { queue, now: Millis(1_000), offers: Vec::new() }
    }

    /// Queues with these seats signed in, ready and registered, best at `talk`.
    pub(crate) fn with_seats(config: QueueConfig, seats: &[&str]) -> Self {
        let mut world = Self::new(config);
        for seat in seats {
            world.sign_in(seat, &[("talk", 1)]);
        }
        world
    }

    /// Feeds an input and gives what is asked for.
    pub(crate) fn outputs(&mut self, input: Input) -> Vec<Output> {
        let before = talked_to(&self.queue);
        let joins = matches!(input, Input::CallBegan { .. });
        self.queue.handle_input(self.now, input);
        for (call, seats) in talked_to(&self.queue) {
            let had = before.get(&call).copied().unwrap_or(0);
            assert!(joins || seats <= had.max(1), "two seats took {call}");
        }
        let outputs: Vec<Output> = std::iter::from_fn(|| self.queue.poll_output()).collect();
        for output in &outputs {
            if let Output::Offer(offer) = output {
                self.offers.retain(|old| old.call != offer.call || old.seat != offer.seat);
                self.offers.push(offer.clone());
            }
        }
        holds(&self.queue, self.now);
        outputs
    }

    /// The same in one line; changes of seats are left out.
    pub(crate) fn feed(&mut self, input: Input) -> String {
        let outputs = self.outputs(input);
        let told: Vec<String> = outputs.iter().filter_map(tell).collect();
        told.join(" | ")
    }

    pub(crate) fn sign_in(&mut self, seat: &str, can: &[(&str, u8)]) -> String {
        self.feed(Input::Registered { seat: seat.into() });
        self.feed(Input::SignIn { seat: seat.into(), skills: skills(can) })
    }

    pub(crate) fn enqueue(&mut self, number: u32) -> String {
        self.feed(Input::Enqueue(Enqueue::new(call(number), "main".into())))
    }

    pub(crate) fn offer(&self, number: u32, seat: &str) -> Offer {
        let made = |offer: &&Offer| offer.call == call(number) && offer.seat.as_str() == seat;
        self.offers.iter().find(made).expect("an offer").clone()
    }

    pub(crate) fn accept(&mut self, number: u32, seat: &str) -> String {
        self.feed(Input::OfferAccepted(self.offer(number, seat)))
    }

    /// The seat answers its offer, talks for a second and ends the wrap-up at once.
    pub(crate) fn handle(&mut self, number: u32, seat: &str) -> String {
        self.accept(number, seat);
        self.after(1);
        self.feed(Input::CallEnded { call: call(number), seat: seat.into() });
        self.feed(Input::WrapUpDone { seat: seat.into() })
    }

    /// So many seconds pass.
    pub(crate) fn after(&mut self, seconds: u32) -> String {
        let end = self.now + seconds * SECOND;
        let mut told = Vec::new();
        while let Some(at) = self.queue.next_deadline().filter(|at| *at <= end) {
            self.now = at;
            told.push(self.feed(Input::Timer));
        }
        self.now = end;
        told.retain(|line| !line.is_empty());
        told.join(" | ")
    }

    /// Time goes on to the next deadline, if there is one.
    pub(crate) fn wait(&mut self) -> String {
        self.now = self.queue.next_deadline().unwrap_or(self.now);
        self.feed(Input::Timer)
    }

    pub(crate) fn state(&self, seat: &str) -> SeatState {
        let seats = self.queue.snapshot().seats;
        let found = seats.into_iter().find(|view| view.seat.as_str() == seat);
        found.map_or(SeatState::SignedOut, |view| view.state)
    }
}

/// What no input may break.
pub(crate) fn holds(queue: &Queue, now: Millis) {
    let snapshot = queue.snapshot();
    let mut with_seat: BTreeMap<CallId, &SeatId> = BTreeMap::new();
    for view in &snapshot.seats {
        if let Some(call) = view.state.offered() {
            assert_eq!(with_seat.insert(call, &view.seat), None, "two seats ring for a call");
            assert!(view.registered, "an unreachable seat is offered a call");
        }
        if let SeatState::Talking { calls } = &view.state {
            let different: BTreeSet<&CallId> = calls.iter().collect();
            assert_eq!(different.len(), calls.len(), "a call twice at one seat");
        }
    }
    let talked = talked_to(queue);
    let mut waiting = BTreeSet::new();
    for queue in &snapshot.queues {
        let mut position = 0;
        for view in &queue.waiting {
            assert!(waiting.insert(view.call), "a call waits twice");
            assert!(!talked.contains_key(&view.call), "a call waits while a seat talks to it");
            assert_eq!(with_seat.get(&view.call).copied(), view.offered_to.as_ref());
            position += u32::from(view.offered_to.is_none());
            assert_eq!(view.position, view.offered_to.is_none().then_some(position));
        }
    }
    for view in &snapshot.seats {
        if let Some(call) = view.state.offered() {
            assert!(waiting.contains(&call), "{:?} rings for nobody", view.seat);
        }
    }
    assert!(queue.next_deadline().is_none_or(|at| at > now), "a deadline in the past");
}

/// With how many seats each call talks.
fn talked_to(queue: &Queue) -> BTreeMap<CallId, usize> {
    let mut seats = BTreeMap::new();
    for view in queue.snapshot().seats {
        let SeatState::Talking { calls } = view.state else { continue };
        calls.into_iter().for_each(|call| *seats.entry(call).or_default() += 1);
    }
    seats
}

/// Lets all deadlines pass while nobody does anything: then nobody waits and no seat is between
/// two states.
pub(crate) fn comes_to_rest(mut world: World) {
    for _ in 0..500 {
        if world.queue.next_deadline().is_none() {
            break;
        }
        world.wait();
    }
    let snapshot = world.queue.snapshot();
    assert_eq!(world.queue.next_deadline(), None, "this never ends: {snapshot:?}");
    assert!(snapshot.queues.iter().all(|queue| queue.waiting.is_empty()), "{snapshot:?}");
    for view in &snapshot.seats {
        assert!(view.state.deadline().is_none() && view.state.offered().is_none(), "{view:?}");
    }
}

fn tell(output: &Output) -> Option<String> {
    let number = |call: &CallId| call.to_string().trim_start_matches(['0', '-']).to_owned();
    Some(match output {
        Output::Offer(offer) => format!("offer {} {}", number(&offer.call), offer.seat),
        Output::Withdraw(offer) => format!("withdraw {} {}", number(&offer.call), offer.seat),
        Output::Connect { offer, waited } => {
            format!("connect {} {} after {}", number(&offer.call), offer.seat, waited.as_secs())
        }
        Output::Position { call, position, expected_wait } => {
            let wait = expected_wait.map_or("?".into(), |wait| wait.as_secs().to_string());
            format!("position {} {position} wait {wait}", number(call))
        }
        Output::OfferCallback { call } => format!("callback? {}", number(call)),
        Output::CallbackListed { call, queue, waited } => {
            format!("listed {} {queue} after {}", number(call), waited.as_secs())
        }
        Output::Overflow { call, from, to } => format!("overflow {} {from} {to:?}", number(call)),
        Output::Refused { call, why } => format!("refused {} {why:?}", number(call)),
        Output::TakeRefused { call, seat, why } => {
            format!("not taken {} {seat} {why:?}", number(call))
        }
        Output::SeatRefused { seat } => format!("refused {seat}"),
        Output::SeatState { .. } => return None,
    })
}
