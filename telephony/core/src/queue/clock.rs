//! What time does to calls and seats.

use super::line::Waiting;
use super::seat::After;
use super::{OfferFailure, Output, Overflow, Queue, QueueName, SeatId, SeatState, Skill};
use qingting_common::{CallId, Millis};
use std::collections::{BTreeMap, BTreeSet};

impl Queue {
    /// When to feed [`Input::Timer`](super::Input::Timer); `None` when nothing is waited for.
    pub fn next_deadline(&self) -> Option<Millis> {
        let seats = self.seats.values().filter_map(|seat| seat.state.deadline());
        let calls = self.line.unoffered().flat_map(|waiting| self.deadlines(waiting));
        seats.chain(calls).min()
    }

    fn deadlines(&self, waiting: &Waiting) -> impl Iterator<Item = Millis> {
        let rules = self.config.queues.get(&waiting.queue);
        let over = rules.map(|rules| waiting.entered + rules.max_wait);
        let widen = rules.map(|rules| waiting.entered + rules.widen_after);
        let sticky = waiting.sticky.as_ref().map(|_| waiting.sticky_until);
        let passing = [widen, sticky].into_iter().flatten().filter(|at| *at > self.now);
        [over, waiting.announce_at, waiting.callback_at].into_iter().flatten().chain(passing)
    }

    /// Ends what has lasted long enough at the seats, and forgets those that are gone.
    pub(super) fn expire(&mut self) {
        let due = |state: &SeatState| state.deadline().is_some_and(|until| until <= self.now);
        let seats = self.seats.iter().filter(|(_, seat)| due(&seat.state));
        let seats: Vec<SeatId> = seats.map(|(id, _)| id.clone()).collect();
        for seat in seats {
            match self.state(&seat).offered() {
                Some(call) => {
                    self.withdraw(call);
                    self.miss(call, &seat, OfferFailure::NoAnswer);
                }
                None => self.rest(&seat),
            }
        }
        self.seats.retain(|_, seat| seat.signed_in() || seat.registered);
    }

    /// Does all that can be done now.
    pub(super) fn settle(&mut self) {
        loop {
            self.assign();
            // A call that came to another queue may find a seat there. Overflows end somewhere
            // (`QueueConfig::check`), so this ends too.
            if !self.overflow() {
                break;
            }
        }
        self.announce();
        self.ask_for_callback();
    }

    /// Sends on the calls that no seat took in time; true if one waits in another queue now.
    fn overflow(&mut self) -> bool {
        let staffed = self.staffed_skills();
        let over = |waiting: &&Waiting| {
            self.overdue(waiting)
                || self.config.queues.get(&waiting.queue).is_some_and(|rules| {
                    let mut could = rules.widen_to.iter().chain([&waiting.skill]);
                    rules.overflow_when_empty && !could.any(|skill| staffed.contains(skill))
                })
        };
        let over: Vec<CallId> = self.line.unoffered().filter(over).map(|w| w.call).collect();
        let mut moved = false;
        for call in over {
            moved |= self.send_on(call);
        }
        moved
    }

    /// Whether a call has waited in its queue as long as it may.
    pub(super) fn overdue(&self, waiting: &Waiting) -> bool {
        let rules = self.config.queues.get(&waiting.queue);
        rules.is_none_or(|rules| self.now >= waiting.entered + rules.max_wait)
    }

    fn send_on(&mut self, call: CallId) -> bool {
        let Some(waiting) = self.line.find(call) else { return false };
        let from = waiting.queue.clone();
        let rules = self.config.queues.get(&from);
        let to = rules.map_or(Overflow::Busy, |rules| rules.overflow.clone());
        let moved = match &to {
            Overflow::Queue(next) => self.config.queues.get(next).is_some_and(|rules| {
                waiting.move_to(self.now, next.clone(), rules);
                true
            }),
            Overflow::Number(_) | Overflow::Machine | Overflow::Busy => false,
        };
        if !moved {
            self.line.remove(call);
        }
        self.emit(Output::Overflow { call, from, to });
        moved
    }

    /// What somebody can do who is signed in and will go on working.
    fn staffed_skills(&self) -> BTreeSet<&Skill> {
        let stays = self
            .seats
            .values()
            .filter(|seat| seat.signed_in() && seat.after != Some(After::SignOut));
        stays.flat_map(|seat| seat.skills.keys()).collect()
    }

    fn announce(&mut self) {
        let now = self.now;
        let mut ahead: BTreeMap<QueueName, u32> = BTreeMap::new();
        let mut due = Vec::new();
        for waiting in self.line.iter_mut().filter(|waiting| waiting.offer.is_none()) {
            let position = ahead.entry(waiting.queue.clone()).or_default();
            *position += 1;
            if waiting.announce_at.is_some_and(|at| at <= now) {
                let rules = self.config.queues.get(&waiting.queue);
                let every = rules.and_then(|rules| rules.announce_every);
                waiting.announce_at = every.map(|every| now + every);
                due.push((waiting.call, waiting.queue.clone(), waiting.skill.clone(), *position));
            }
        }
        for (call, queue, skill, position) in due {
            let expected_wait = self.expected_wait(&queue, &skill, position);
            self.emit(Output::Position { call, position, expected_wait });
        }
    }

    pub(super) fn expected_wait(
        &self,
        queue: &QueueName,
        skill: &Skill,
        position: u32,
    ) -> Option<std::time::Duration> {
        let work = self.seats.values().filter(|s| s.at_work() && s.skills.contains_key(skill));
        self.handling.get(queue)?.wait(position, work.count())
    }

    fn ask_for_callback(&mut self) {
        let now = self.now;
        let mut asked = Vec::new();
        for waiting in self.line.iter_mut().filter(|waiting| waiting.offer.is_none()) {
            if waiting.callback_at.is_some_and(|at| at <= now) {
                waiting.callback_at = None;
                asked.push(waiting.call);
            }
        }
        for call in asked {
            self.emit(Output::OfferCallback { call });
        }
    }
}
