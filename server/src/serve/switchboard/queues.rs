//! The queue machine and its clock: calls and seats tell it what happened, it tells calls which seat
//! to ring. No policy lives here.

use super::Fault;
use super::calls::{Calls, Letter};
use crate::clock::Clock;
use crate::config::{self, Config};
use anyhow::{Context, Result};
use qingting_api::{Event, EventBus};
use qingting_common::CallId;
use qingting_common::Pii;
use qingting_core::call::{Prompt, QueueEvent, Target, Treatment};
use qingting_core::queue::{
    ConfigError, Input, Output, Overflow, Queue, QueueConfig, QueueName, QueueRules, SeatState,
    Skill, Snapshot,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Time between the end of a seat's ringing and the queue's own idea of it.
const OFFER_MARGIN: Duration = Duration::from_secs(5);

/// All queues. Without any configured nothing ever waits.
pub struct Queues {
    machine: Option<Mutex<Queue>>,
    changed: Notify,
    /// The queues' numbers may have changed since they were last told.
    changed_queues: AtomicBool,
    clock: Clock,
    calls: Arc<Calls>,
    events: EventBus,
}

impl Queues {
    /// The queues of the configuration.
    pub fn new(config: &Config, clock: Clock, calls: Arc<Calls>, events: EventBus) -> Result<Self> {
        let machine = match config.queues.as_slice() {
            [] => None,
            queues => {
                let rules = rules(queues, config);
                Some(Mutex::new(Queue::new(rules).context("the queues cannot work ([[queues]])")?))
            }
        };
        Ok(Self {
            machine,
            changed: Notify::new(),
            changed_queues: AtomicBool::new(false),
            clock,
            calls,
            events,
        })
    }

    /// Tells the machine, and its wishes to those whom they are for.
    pub fn tell(&self, input: Input) {
        let Some(mut machine) = self.lock() else { return };
        machine.handle_input(self.clock.now(), input);
        self.carry_out(&mut machine);
        drop(machine);
        // Its deadline may have moved.
        self.changed.notify_one();
    }

    /// Wakes the machine at its deadlines, until it is aborted.
    pub async fn run(self: Arc<Self>) {
        loop {
            let deadline = self.lock().and_then(|machine| machine.next_deadline());
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

    /// Whether something happened since this was last asked.
    pub fn take_changed(&self) -> bool {
        self.changed_queues.swap(false, Ordering::Relaxed)
    }

    /// What a supervisor sees; empty without queues.
    pub fn snapshot(&self) -> Snapshot {
        let empty = || Snapshot { queues: Vec::new(), seats: Vec::new() };
        self.lock().map_or_else(empty, |machine| machine.snapshot())
    }

    fn carry_out(&self, machine: &mut Queue) {
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Offer(offer) => self.post(offer.call, Letter::Offer(offer)),
                Output::Withdraw(offer) => self.post(offer.call, Letter::Withdraw(offer)),
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
                Output::Connect { .. }
                | Output::CallbackListed { .. }
                | Output::TakeRefused { .. } => {}
            }
        }
        self.changed_queues.store(true, Ordering::Relaxed);
    }

    fn to_call(&self, call: CallId, event: QueueEvent) {
        self.post(call, Letter::Queue(event));
    }

    fn post(&self, call: CallId, letter: Letter) {
        // A call that has just ended says so to the queue by itself.
        let _ = self.calls.post(call, letter);
    }

    fn lock(&self) -> Option<MutexGuard<'_, Queue>> {
        let machine = self.machine.as_ref()?;
        Some(machine.lock().unwrap_or_else(PoisonError::into_inner))
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
    let error = Queue::new(rules(queues, config)).err()?;
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
