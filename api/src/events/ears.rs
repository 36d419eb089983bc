//! Who hears which events: **a seat hears of the calls in which it takes part or took part while it
//! listened, of itself, of its queues, that a call was missed, and of incidents; an expert that a ticket changed which
//! its unit has or had; nothing else.**

use super::Event;
use crate::auth::Principal;
use crate::switchboard::Switchboard;
use crate::{ApiState, clock};
use qingting_common::CallId;
use qingting_store::{Store, china};
use std::collections::HashMap;
use std::sync::Arc;

/// Calls that one listener remembers; when full it forgets all, and those that still run come back
/// with their next event.
const CALLS_KNOWN_MAX: usize = 1_024;

/// What a listener hears.
pub(crate) enum Ears {
    /// All.
    Everything,
    /// What concerns one seat.
    OfSeat(Box<OfSeat>),
    /// That tickets of one unit (承办单位) changed.
    OfUnit(String),
}

pub(crate) struct OfSeat {
    extension: String,
    switchboard: Arc<dyn Switchboard>,
    store: Store,
    own: HashMap<CallId, bool>,
}

impl Ears {
    pub(crate) fn of(who: &Principal, state: &ApiState) -> Self {
        if let Some(unit) = who.unit_alone() {
            return Self::OfUnit(unit.to_owned());
        }
        let Some(extension) = who.seat_alone() else { return Self::Everything };
        Self::OfSeat(Box::new(OfSeat {
            extension: extension.to_owned(),
            switchboard: Arc::clone(&state.switchboard),
            store: state.store.clone(),
            own: HashMap::new(),
        }))
    }

    /// Whether an event of now is for this listener.
    pub(crate) fn hear(&mut self, event: &Event) -> bool {
        match self {
            Self::Everything => true,
            Self::OfSeat(seat) => seat.hears(event),
            Self::OfUnit(unit) => {
                matches!(event, Event::TicketChanged { units, .. } if units.contains(unit))
            }
        }
    }

    /// Whether an event of the past is: the call may be over, then the books are asked. What cannot
    /// be looked up is not heard.
    pub(crate) async fn hear_past(&mut self, event: &Event) -> bool {
        if let (Self::OfSeat(seat), Some(call)) = (&mut *self, event.call())
            && !seat.own.contains_key(&call)
        {
            let since = china::midnight_before(clock::now());
            let took_part = seat.store.took_part(&seat.extension, call, since).await;
            seat.remember(
                call,
                took_part.unwrap_or_else(|error| {
                    tracing::warn!(%error, "a listener's calls cannot be looked up");
                    false
                }),
            );
        }
        self.hear(event)
    }
}

impl OfSeat {
    fn hears(&mut self, event: &Event) -> bool {
        match event {
            Event::SeatState { extension, .. } => *extension == self.extension,
            Event::Queue { queue, .. } => self.switchboard.serves(&self.extension, queue),
            Event::Missed { .. } | Event::Recognition { .. } | Event::Incident { .. } => true,
            event => event.call().is_some_and(|call| self.is_own(call)),
        }
    }

    fn is_own(&mut self, call: CallId) -> bool {
        if self.own.get(&call) == Some(&true) {
            return true;
        }
        let own = self.switchboard.takes_part(&self.extension, call);
        if own {
            self.remember(call, true);
        }
        own
    }

    fn remember(&mut self, call: CallId, own: bool) {
        if self.own.len() >= CALLS_KNOWN_MAX {
            self.own.clear();
        }
        self.own.insert(call, own);
    }
}
