//! The waiting calls, in the order in which they are served.

use super::{Enqueue, Offer, QueueConfig, QueueName, QueueRules, SeatId, Skill};
use qingting_common::{CallId, Millis};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Where a call stands among all: by priority, then arrival. **It keeps its place until it leaves.**
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    priority: Reverse<i32>,
    arrived: Millis,
    number: u64,
}

/// A call that waits, or is being offered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Waiting {
    pub(super) call: CallId,
    pub(super) queue: QueueName,
    pub(super) skill: Skill,
    pub(super) priority: i32,
    /// Since when it waits at all, and since when in this queue.
    pub(super) arrived: Millis,
    pub(super) entered: Millis,
    /// Its own seat, and until when it waits for that one.
    pub(super) sticky: Option<SeatId>,
    pub(super) sticky_until: Millis,
    pub(super) offer: Option<Offer>,
    /// Seats that did not take it.
    pub(super) tried: BTreeSet<SeatId>,
    pub(super) announce_at: Option<Millis>,
    pub(super) callback_at: Option<Millis>,
}

impl Waiting {
    pub(super) fn new(
        now: Millis,
        wants: Enqueue,
        rules: &QueueRules,
        config: &QueueConfig,
    ) -> Self {
        let repeat = if wants.repeat { config.repeat_bonus } else { 0 };
        let returned = if wants.returned { config.returned_bonus } else { 0 };
        let arrived = now.before(wants.waited);
        let is_new = wants.waited.is_zero();
        let ask_at = rules.offer_callback_after.map(|after| arrived + after);
        let parts = [rules.priority, wants.priority, repeat, returned];
        Self {
            call: wants.call,
            queue: wants.queue,
            skill: wants.skill.unwrap_or_else(|| rules.skill.clone()),
            priority: parts.into_iter().fold(0, i32::saturating_add),
            arrived,
            entered: now.before(wants.queued),
            sticky: wants.sticky,
            sticky_until: arrived + config.sticky_max,
            offer: None,
            tried: BTreeSet::new(),
            announce_at: if is_new {
                Some(now)
            } else {
                rules.announce_every.map(|every| now + every)
            },
            callback_at: ask_at.filter(|at| is_new || *at > now),
        }
    }

    /// The call goes on to another queue; what was asked of the caller is not asked again.
    pub(super) fn move_to(&mut self, now: Millis, queue: QueueName, rules: &QueueRules) {
        self.queue = queue;
        self.skill = rules.skill.clone();
        self.entered = now;
        self.announce_at = Some(now);
    }
}

/// All waiting calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Line {
    calls: BTreeMap<Place, Waiting>,
    places: BTreeMap<CallId, Place>,
    arrivals: u64,
}

impl Line {
    pub(super) fn insert(&mut self, waiting: Waiting) {
        let place = Place {
            priority: Reverse(waiting.priority),
            arrived: waiting.arrived,
            number: self.arrivals,
        };
        self.arrivals += 1;
        self.places.insert(waiting.call, place);
        self.calls.insert(place, waiting);
    }

    pub(super) fn remove(&mut self, call: CallId) -> Option<Waiting> {
        let place = self.places.remove(&call)?;
        self.calls.remove(&place)
    }

    pub(super) fn find(&mut self, call: CallId) -> Option<&mut Waiting> {
        let place = self.places.get(&call)?;
        self.calls.get_mut(place)
    }

    pub(super) fn contains(&self, call: CallId) -> bool {
        self.places.contains_key(&call)
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn len_of(&self, queue: &QueueName) -> usize {
        self.calls.values().filter(|waiting| waiting.queue == *queue).count()
    }

    /// All of them, who is served first first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.calls.values()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Waiting> {
        self.calls.values_mut()
    }

    /// Those that no seat is being rung for.
    pub(super) fn unoffered(&self) -> impl Iterator<Item = &Waiting> {
        self.iter().filter(|waiting| waiting.offer.is_none())
    }
}
