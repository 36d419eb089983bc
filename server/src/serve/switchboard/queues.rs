//! The queues and their clock: calls and seats tell them what happened, they tell calls which seat
//! to ring, and other servers what is theirs. No policy lives here.

use super::Fault;
use super::calls::{Calls, Letter as CallLetter};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::serve::cluster::{Cluster, Letter};
use anyhow::{Context, Result};
use qingting_api::{Event, EventBus};
use qingting_common::{CallId, Millis, Pii};
use qingting_core::call::{Prompt, QueueEvent, Target, Treatment};
use qingting_core::queue::{
    Act, ConfigError, Input, Output, Overflow, Present, QueueConfig, QueueLetter, QueueName,
    QueueRules, SeatId, SeatState, SharedQueue, Skill, Snapshot,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Time between the end of a seat's ringing and the queue's own idea of it.
const OFFER_MARGIN: Duration = Duration::from_secs(5);

/// All queues. Without any configured nothing ever waits.
pub struct Queues {
    queues: Option<Mutex<SharedQueue>>,
    changed: Notify,
    /// The queues' numbers may have changed since they were last told.
    changed_queues: AtomicBool,
    clock: Clock,
    calls: Arc<Calls>,
    events: EventBus,
    cluster: Arc<Cluster>,
}

impl Queues {
    /// The queues of the configuration.
    pub fn new(
        config: &Config,
        clock: Clock,
        calls: Arc<Calls>,
        events: EventBus,
        cluster: Arc<Cluster>,
    ) -> Result<Self> {
        let queues = match config.queues.as_slice() {
            [] => None,
            queues => {
                let shared = SharedQueue::new(rules(queues, config));
                Some(Mutex::new(shared.context("the queues cannot work ([[queues]])")?))
            }
        };
        let (changed, changed_queues) = (Notify::new(), AtomicBool::new(false));
        Ok(Self { queues, changed, changed_queues, clock, calls, events, cluster })
    }

    /// Tells the queues, and their wishes to those whom they are for.
    pub fn tell(&self, input: Input) {
        self.change(|queues, now| queues.handle_input(now, input));
    }

    /// Whether the queues are kept here.
    pub fn keeps(&self) -> bool {
        self.lock().is_some_and(|queues| queues.keeps())
    }

    /// This server keeps the queues of all from now on.
    pub fn keep(&self, term: u64, present: Present) {
        self.change(|queues, now| queues.keep(now, term, present));
    }

    /// The others cannot be heard.
    pub fn alone(&self, number: u64, present: Present) {
        self.change(|queues, now| queues.alone(now, number, present));
    }

    /// Another server is gone.
    pub fn gone(&self, server: &str) {
        self.change(|queues, now| queues.gone(now, server));
    }

    /// Another server has come again.
    pub fn came_again(&self, server: &str) {
        self.change(|queues, now| queues.came_again(now, server));
    }

    /// Another server says something of the queues.
    pub fn heard(&self, from: &str, letter: QueueLetter) {
        self.change(|queues, now| queues.heard(now, from, letter));
    }

    /// Tells the others who keeps the queues, and what they look like.
    pub fn show(&self) {
        self.with(|queues, now| queues.show(now));
    }

    /// The same without what they look like.
    pub fn say_so(&self) {
        self.with(|queues, _| queues.say_so());
    }

    /// Wakes the machine at its deadlines, until it is aborted.
    pub async fn run(self: Arc<Self>) {
        loop {
            let deadline = self.lock().and_then(|queues| queues.next_deadline());
            let timer = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(self.clock.instant(at)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = timer => self.tell(Input::Timer),
                () = self.changed.notified() => {}
            }
        }
    }

    /// Whether something happened since this was last asked, where the queues are kept.
    pub fn take_changed(&self) -> bool {
        self.changed_queues.swap(false, Ordering::Relaxed) && self.keeps()
    }

    /// What a supervisor sees; empty without queues.
    pub fn snapshot(&self) -> Snapshot {
        let empty = || Snapshot { queues: Vec::new(), seats: Vec::new() };
        self.lock().map_or_else(empty, |queues| queues.snapshot())
    }

    /// Whether the queues think that a seat's telephone can be reached.
    pub fn is_registered(&self, extension: &str) -> bool {
        let seat = SeatId::new(extension);
        self.lock().and_then(|queues| queues.is_registered(&seat)).unwrap_or(false)
    }

    /// Does something after which the queues' numbers may be others.
    fn change(&self, act: impl FnOnce(&mut SharedQueue, Millis)) {
        self.with(act);
        self.changed_queues.store(true, Ordering::Relaxed);
    }

    fn with(&self, act: impl FnOnce(&mut SharedQueue, Millis)) {
        let Some(mut queues) = self.lock() else { return };
        act(&mut queues, self.clock.now());
        while let Some(act) = queues.poll_act() {
            match act {
                Act::Here(output) => self.carry_out(output),
                Act::Send { to, letter } => self.cluster.send((to, Letter::Queue(letter))),
            }
        }
        drop(queues);
        // Its deadline may have moved.
        self.changed.notify_one();
    }

    fn carry_out(&self, output: Output) {
        match output {
            Output::Offer(offer) => self.post(offer.call, CallLetter::Offer(offer)),
            Output::Withdraw(offer) => self.post(offer.call, CallLetter::Withdraw(offer)),
            Output::Position { call, position, expected_wait } => {
                self.to_call(call, QueueEvent::Position { position, wait: expected_wait });
            }
            Output::OfferCallback { call } => self.to_call(call, QueueEvent::OfferCallback),
            Output::Overflow { call, to, .. } => {
                if let Some(treatment) = overflow(to) {
                    self.to_call(call, QueueEvent::Overflow(treatment));
                }
            }
            Output::Refused { call, why } => {
                tracing::warn!(call = %call, ?why, "a call was not taken into its queue");
                self.to_call(call, QueueEvent::Overflow(nobody()));
            }
            Output::SeatState { seat, state, registered } => {
                self.events.publish(Event::SeatState {
                    extension: seat.as_str().to_owned(),
                    state: state.as_str().to_owned(),
                    reason: super::control::reason(&state),
                    seat_call: match &state {
                        SeatState::Talking { calls } => calls.first().copied(),
                        state => state.offered(),
                    },
                    registered,
                });
            }
            Output::SeatRefused { seat } => {
                tracing::error!(
                    seat = seat.as_str(),
                    "a seat cannot sign in: too many seats or skills"
                );
            }
            // The call has joined them already; it is told of a seat that it must not keep.
            Output::Connect { .. } | Output::CallbackListed { .. } | Output::TakeRefused { .. } => {
            }
        }
    }

    fn to_call(&self, call: CallId, event: QueueEvent) {
        self.post(call, CallLetter::Queue(event));
    }

    fn post(&self, call: CallId, letter: CallLetter) {
        // A call that has just ended says so to the queue by itself.
        let _ = self.calls.post(call, letter);
    }

    fn lock(&self) -> Option<MutexGuard<'_, SharedQueue>> {
        let queues = self.queues.as_ref()?;
        Some(queues.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The first rule of the queues that cannot be kept.
pub(super) fn fault(config: &Config) -> Option<Fault> {
    let queues = config.queues.as_slice();
    let has = |name: &String| queues.iter().any(|queue| queue.name == *name);
    let lost =
        |queue: &config::Queue| matches!(&queue.overflow, config::Overflow::Queue(to) if !has(to));
    if queues.is_empty() || queues.iter().any(lost) {
        return None;
    }
    let error = SharedQueue::new(rules(queues, config)).err()?;
    let named = match &error {
        ConfigError::UnknownOverflow { queue, .. } | ConfigError::Circle { queue } => Some(queue),
        ConfigError::NoQueue | ConfigError::TooShort { .. } => None,
    };
    let place = named.and_then(|of| queues.iter().position(|queue| queue.name == of.as_str()));
    Some(("queues", place.unwrap_or(0), error.to_string()))
}

/// Where a call goes that no seat took; `None` when it waits on in another queue.
fn overflow(to: Overflow) -> Option<Treatment> {
    match to {
        Overflow::Queue(_) => None,
        Overflow::Machine => Some(Treatment::Machine),
        Overflow::Number(number) => {
            Some(Treatment::Dial { targets: vec![Target::Number(Pii::new(number))] })
        }
        Overflow::Busy => Some(nobody()),
    }
}

fn nobody() -> Treatment {
    Treatment::Busy { prompt: Some(Prompt::NobodyThere) }
}

fn rules(queues: &[config::Queue], config: &Config) -> QueueConfig {
    let seats = &config.seats;
    let rules = queues.iter().map(|queue| {
        let skill = Skill::new(&queue.skill);
        let rules = QueueRules {
            widen_after: Duration::from_secs(queue.widen_s),
            widen_to: some(&queue.widen_to).map(Skill::new).into_iter().collect(),
            max_wait: Duration::from_secs(queue.wait_s_max),
            overflow: match &queue.overflow {
                config::Overflow::Machine => Overflow::Machine,
                config::Overflow::Busy => Overflow::Busy,
                config::Overflow::Queue(name) => Overflow::Queue(QueueName::new(name)),
                config::Overflow::Transfer(number) => Overflow::Number(number.clone()),
            },
            announce_every: seconds(queue.announce_s),
            offer_callback_after: seconds(queue.call_back_s),
            ..QueueRules::new(skill)
        };
        (QueueName::new(&queue.name), rules)
    });
    QueueConfig {
        queues: rules.collect(),
        offer_max: Duration::from_secs(seats.ring_s) + OFFER_MARGIN,
        no_answer_pause: Duration::from_secs(seats.no_answer_pause_s.max(1)),
        wrap_up: Duration::from_secs(seats.wrap_up_s),
        sticky_max: Duration::from_secs(
            queues.iter().map(|queue| queue.sticky_s).max().unwrap_or(0),
        ),
        ..QueueConfig::default()
    }
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn seconds(count: u64) -> Option<Duration> {
    (count > 0).then(|| Duration::from_secs(count))
}
