//! What a supervisor sees.

use super::seat::After;
use super::{Level, Queue, QueueName, SeatId, SeatState, Skill};
use qingting_common::{CallId, Millis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// All queues and seats at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// By name.
    pub queues: Vec<QueueView>,
    /// By id; seats that are signed out are among them while their telephone is registered.
    pub seats: Vec<SeatView>,
}

/// One queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueView {
    /// Its name.
    pub name: QueueName,
    /// Who waits, who is served first first.
    pub waiting: Vec<WaitingView>,
    /// Seats that take its calls or soon will.
    pub seats_at_work: usize,
    /// Moving average from a call's answer to the end of its wrap-up.
    pub handling: Duration,
    /// What a further caller would have to wait; `None` while no seat is at work.
    pub expected_wait: Option<Duration>,
}

/// One waiting call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingView {
    /// Which.
    pub call: CallId,
    /// Since when it waits.
    pub since: Millis,
    /// Its priority, bonuses included.
    pub priority: i32,
    /// From 1; `None` while a seat is rung for it.
    pub position: Option<u32>,
    /// The seat that is rung.
    pub offered_to: Option<SeatId>,
}

/// One seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatView {
    /// Which.
    pub seat: SeatId,
    /// What it does.
    pub state: SeatState,
    /// Since when.
    pub since: Millis,
    /// Whether its telephone can be reached.
    pub registered: bool,
    /// What it can do.
    pub skills: BTreeMap<Skill, Level>,
    /// The state that begins after its call.
    pub then: Option<SeatState>,
}

impl Snapshot {
    /// The same as another machine's clock says it: `then` there is `now` here.
    pub fn on_clock(mut self, then: Millis, now: Millis) -> Self {
        let moved = |at: &mut Millis| *at = (*at + (now - Millis(0))).before(then - Millis(0));
        for waiting in self.queues.iter_mut().flat_map(|queue| &mut queue.waiting) {
            moved(&mut waiting.since);
        }
        for seat in &mut self.seats {
            moved(&mut seat.since);
            if let Some(until) = seat.state.deadline_mut() {
                moved(until);
            }
        }
        self
    }
}

impl Queue {
    /// All queues and seats as they are.
    pub fn snapshot(&self) -> Snapshot {
        let seats = self.seats.iter().map(|(id, seat)| SeatView {
            seat: id.clone(),
            state: seat.state.clone(),
            since: seat.since,
            registered: seat.registered,
            skills: seat.skills.clone(),
            then: seat.after.as_ref().map(|after| match after {
                After::SignOut => SeatState::SignedOut,
                After::Break(reason) => SeatState::Break { reason: reason.clone() },
            }),
        });
        let queues = self.config.queues.keys().map(|name| self.view(name)).collect();
        Snapshot { queues, seats: seats.collect() }
    }

    fn view(&self, name: &QueueName) -> QueueView {
        let rules = &self.config.queues[name];
        let mut ahead = 0;
        let waiting = self.line.iter().filter(|waiting| waiting.queue == *name).map(|waiting| {
            ahead += u32::from(waiting.offer.is_none());
            WaitingView {
                call: waiting.call,
                since: waiting.arrived,
                priority: waiting.priority,
                position: waiting.offer.is_none().then_some(ahead),
                offered_to: waiting.offer.as_ref().map(|offer| offer.seat.clone()),
            }
        });
        let waiting = waiting.collect();
        let works =
            |seat: &&super::seat::Seat| seat.at_work() && seat.skills.contains_key(&rules.skill);
        QueueView {
            name: name.clone(),
            waiting,
            seats_at_work: self.seats.values().filter(works).count(),
            handling: self.handling[name].average(),
            expected_wait: self.expected_wait(name, &rules.skill, ahead + 1),
        }
    }
}
