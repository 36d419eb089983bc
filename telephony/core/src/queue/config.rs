//! The rules of the queues.

use super::{QueueName, Skill};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Shortest time that an offer, a pause or the gap between announcements may have: shorter ones
/// would let driver and machine chase each other.
const STEP_MIN: Duration = Duration::from_secs(1);

/// Settings of all queues, read once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueueConfig {
    /// The queues.
    pub queues: BTreeMap<QueueName, QueueRules>,
    /// Longest time from an offer to its acceptance: the ring time and a margin for the driver.
    pub offer_max: Duration,
    /// Pause of a seat that did not take an offered call.
    pub no_answer_pause: Duration,
    /// Time after a call in which the seat writes it up (话后处理); zero for none.
    pub wrap_up: Duration,
    /// Longest time a call waits for its own seat while that seat is busy.
    pub sticky_max: Duration,
    /// Added to the priority of who calls again about the same matter.
    pub repeat_bonus: i32,
    /// Added to the priority of a call that a seat gave back.
    pub returned_bonus: i32,
    /// Handling time of a call until one has been measured.
    pub handling_assumed: Duration,
    /// Most calls that wait, all queues together; further ones are refused.
    pub waiting_calls_max: usize,
    /// Most seats that are known at a time; further ones are refused.
    pub seats_max: usize,
    /// Most skills of one seat.
    pub seat_skills_max: usize,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            queues: BTreeMap::new(),
            offer_max: Duration::from_secs(25),
            no_answer_pause: Duration::from_secs(30),
            wrap_up: Duration::from_secs(30),
            sticky_max: Duration::from_secs(20),
            repeat_bonus: 10,
            returned_bonus: 100,
            handling_assumed: Duration::from_secs(180),
            waiting_calls_max: 2_000,
            seats_max: 2_000,
            seat_skills_max: 64,
        }
    }
}

/// Rules of one queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueueRules {
    /// The skill that its calls need unless they say otherwise.
    pub skill: Skill,
    /// Base of its calls' priority; higher is served first, over all queues.
    pub priority: i32,
    /// After this time in the queue, seats with a skill of [`QueueRules::widen_to`] may help.
    pub widen_after: Duration,
    /// Skills of the helpers.
    pub widen_to: Vec<Skill>,
    /// Longest time in the queue.
    pub max_wait: Duration,
    /// Where a call goes after [`QueueRules::max_wait`].
    pub overflow: Overflow,
    /// A call goes there at once while no seat that could take it is signed in.
    pub overflow_when_empty: bool,
    /// Time between two announcements of the position; `None` for the first one only.
    pub announce_every: Option<Duration>,
    /// After this time the caller is asked once whether to be called back.
    pub offer_callback_after: Option<Duration>,
    /// Most calls that wait here.
    pub waiting_calls_max: usize,
}

impl QueueRules {
    /// Rules with the usual times for calls that need this skill.
    pub fn new(skill: Skill) -> Self {
        Self {
            skill,
            priority: 0,
            widen_after: Duration::from_secs(30),
            widen_to: Vec::new(),
            max_wait: Duration::from_secs(300),
            overflow: Overflow::Machine,
            overflow_when_empty: true,
            announce_every: Some(Duration::from_secs(30)),
            offer_callback_after: Some(Duration::from_secs(60)),
            waiting_calls_max: 1_000,
        }
    }
}

/// Where a call goes that no seat took in time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Overflow {
    /// To another queue, with the arrival time that it has.
    Queue(QueueName),
    /// To a number, through the trunk.
    Number(String),
    /// To the machine, which takes down the matter by itself.
    Machine,
    /// It is told that all seats are busy, and ended.
    Busy,
}

/// Rules under which a call could be lost or go round for ever.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No queue at all.
    #[error("there is no queue: name at least one")]
    NoQueue,
    /// An overflow to a queue that does not exist.
    #[error("queue {queue}: overflows to {to}, which does not exist: name a queue that does")]
    UnknownOverflow {
        /// The queue with the rule.
        queue: QueueName,
        /// What it names.
        to: QueueName,
    },
    /// Overflows that lead back.
    #[error(
        "queue {queue}: its overflows lead back to it: let one end in a number, machine or busy"
    )]
    Circle {
        /// A queue on the circle or before it.
        queue: QueueName,
    },
    /// A time that must not be so short.
    #[error("{what} is below one second: the machine would ring and stop without a pause")]
    TooShort {
        /// The setting.
        what: String,
    },
}

impl QueueConfig {
    /// The first rule that cannot be kept.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.queues.is_empty() {
            return Err(ConfigError::NoQueue);
        }
        at_least_a_step("offer_max", self.offer_max)?;
        at_least_a_step("no_answer_pause", self.no_answer_pause)?;
        for (name, rules) in &self.queues {
            if let Some(every) = rules.announce_every {
                at_least_a_step(&format!("announce_every of queue {name}"), every)?;
            }
            self.check_overflow(name, rules)?;
        }
        Ok(())
    }

    /// Follows the overflows of a queue; more steps than queues is a circle.
    fn check_overflow(&self, name: &QueueName, rules: &QueueRules) -> Result<(), ConfigError> {
        let mut rules = rules;
        let mut from = name;
        for _ in 0..self.queues.len() {
            let Overflow::Queue(to) = &rules.overflow else { return Ok(()) };
            rules = self.queues.get(to).ok_or_else(|| ConfigError::UnknownOverflow {
                queue: from.clone(),
                to: to.clone(),
            })?;
            from = to;
        }
        Err(ConfigError::Circle { queue: name.clone() })
    }
}

fn at_least_a_step(what: &str, time: Duration) -> Result<(), ConfigError> {
    if time < STEP_MIN { Err(ConfigError::TooShort { what: what.into() }) } else { Ok(()) }
}
