//! The calls that run now, and the way to each of them.

use crate::serve::cluster::{Cluster, SharedCall};
use qingting_api::CallNow;
use qingting_common::CallId;
use qingting_core::call::{By, Command, Hangup, QueueEvent, Refused};
use qingting_core::queue::{Offer, SeatId};
use qingting_sip::IncomingCall;
use qingting_sip::trace::CALLS_MAX;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Letters that wait for one call. A call reads at once; one that does not has a fault.
const LETTERS_WAITING_MAX: usize = 64;

/// Something for a running call.
pub enum Letter {
    /// End it.
    Hangup(Hangup),
    /// Ring this seat.
    Offer(Offer),
    /// Ring it no more.
    Withdraw(Offer),
    /// Something else from the queue.
    Queue(QueueEvent),
    /// A person wants something of it.
    Command {
        /// Who: a seat by its leg, or the console.
        by: Whose,
        /// What.
        command: Command,
        /// Whether it was taken.
        reply: oneshot::Sender<Result<(), Refused>>,
    },
    /// A supervisor leaves.
    Leave {
        /// Its telephone.
        seat: SeatId,
    },
    /// The seat's telephone calls somebody from its second line.
    SecondLine {
        /// The seat.
        seat: SeatId,
        /// The new dialog.
        incoming: Box<IncomingCall>,
    },
    /// An INVITE with Replaces for one of this call's dialogs.
    Replace {
        /// The new dialog.
        incoming: Box<IncomingCall>,
    },
}

/// Who gives a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The seat, whichever leg is its.
    Seat(SeatId),
    /// Somebody who speaks for the seat of the call.
    Console,
}

impl Whose {
    /// As the call machine says it.
    pub fn by(&self, leg_of: impl Fn(&SeatId) -> Option<qingting_core::call::LegId>) -> Option<By> {
        match self {
            Self::Console => Some(By::Console),
            Self::Seat(seat) => leg_of(seat).map(By::Leg),
        }
    }
}

/// Running calls, by id, by caller and by the dialogs they hold.
pub struct Calls {
    calls: Mutex<HashMap<CallId, Running>>,
    /// Call-IDs of the last calls, ended ones too.
    dialogs: Mutex<Dialogs>,
    /// Other servers see some of it.
    cluster: Arc<Cluster>,
}

/// Call-IDs by call, of as many calls as messages are kept of.
#[derive(Default)]
struct Dialogs {
    of: HashMap<CallId, HashSet<String>>,
    /// The oldest first.
    order: VecDeque<CallId>,
}

/// Dialogs that are known of a call: one that is handed on all day has more.
const DIALOGS_MAX: usize = 64;

impl Dialogs {
    fn add(&mut self, call: CallId, call_id: &str) {
        if !self.of.contains_key(&call) {
            if self.order.len() == CALLS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.of.remove(&oldest);
            }
            self.order.push_back(call);
        }
        let known = self.of.entry(call).or_default();
        if known.len() < DIALOGS_MAX {
            known.insert(call_id.to_owned());
        }
    }
}

struct Running {
    caller: String,
    letters: mpsc::Sender<Letter>,
    seats: HashSet<SeatId>,
    dialogs: HashSet<String>,
    now: Option<CallNow>,
}

impl Running {
    fn shared(&self) -> SharedCall {
        let seats = self.seats.iter().map(|seat| seat.as_str().to_owned()).collect();
        SharedCall { now: self.now.clone(), seats }
    }
}

impl Calls {
    /// None yet.
    pub fn new(cluster: Arc<Cluster>) -> Self {
        Self { calls: Mutex::default(), dialogs: Mutex::default(), cluster }
    }

    /// Tells other servers of all that run.
    pub fn tell_all(&self) {
        for (call, running) in &*self.lock() {
            self.cluster.tell_call(*call, || Some(running.shared()));
        }
    }

    /// Changes a call, and lets other servers see it.
    fn change(&self, call: CallId, change: impl FnOnce(&mut Running)) {
        if let Some(running) = self.lock().get_mut(&call) {
            change(running);
            self.cluster.tell_call(call, || Some(running.shared()));
        }
    }

    /// Adds a call unless its caller already has `per_caller_max` of them (0: no limit; callers
    /// without a number are not told apart). Gives what the call must read.
    pub fn admit(
        &self,
        id: CallId,
        caller: Option<&str>,
        per_caller_max: usize,
    ) -> Option<mpsc::Receiver<Letter>> {
        let mut calls = self.lock();
        if let Some(caller) = caller.filter(|_| per_caller_max > 0)
            && calls.values().filter(|running| running.caller == caller).count() >= per_caller_max
        {
            return None;
        }
        let (letters, read) = mpsc::channel(LETTERS_WAITING_MAX);
        let caller = caller.unwrap_or_default().to_owned();
        let (seats, dialogs) = (HashSet::new(), HashSet::new());
        calls.insert(id, Running { caller, letters, seats, dialogs, now: None });
        Some(read)
    }

    /// What people see of a call.
    pub fn show(&self, call: CallId, now: CallNow) {
        self.change(call, |running| running.now = Some(now));
    }

    /// What people see of all calls, other servers' included.
    pub fn now(&self) -> Vec<CallNow> {
        let mut now = self.cluster.others.now();
        now.extend(self.lock().values().filter_map(|running| running.now.clone()));
        now
    }

    /// Takes a call out.
    pub fn remove(&self, id: CallId) {
        if self.lock().remove(&id).is_some() {
            self.cluster.tell_call(id, || None);
        }
    }

    /// Whether this server carries the call.
    pub fn has(&self, id: CallId) -> bool {
        self.lock().contains_key(&id)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Tells every call that the server shuts down.
    pub fn drain(&self) {
        for running in self.lock().values() {
            // Full: it is told again.
            let _ = running.letters.try_send(Letter::Hangup(Hangup::Drain));
        }
    }

    /// Sends a letter; gives it back when there is no such call or it does not read.
    pub fn post(&self, call: CallId, letter: Letter) -> Result<(), Box<Letter>> {
        let Some(letters) = self.lock().get(&call).map(|running| running.letters.clone()) else {
            return Err(Box::new(letter));
        };
        letters.try_send(letter).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(letter) => {
                tracing::error!(call = %call, "a call does not read what it is told");
                Box::new(letter)
            }
            mpsc::error::TrySendError::Closed(letter) => Box::new(letter),
        })
    }

    /// A seat's telephone is in the call.
    pub fn seat_came(&self, call: CallId, seat: &SeatId) {
        self.change(call, |running| {
            running.seats.insert(seat.clone());
        });
    }

    /// It is no more.
    pub fn seat_left(&self, call: CallId, seat: &SeatId) {
        self.change(call, |running| {
            running.seats.remove(seat);
        });
    }

    /// Whether a seat's telephone is in a call, of whichever server.
    pub fn has_seat(&self, seat: &SeatId) -> bool {
        self.of_seat(seat).is_some() || self.cluster.others.call_of_seat(seat.as_str()).is_some()
    }

    /// The call of this server that a seat's telephone is in.
    pub fn of_seat(&self, seat: &SeatId) -> Option<CallId> {
        self.lock().iter().find(|(_, running)| running.seats.contains(seat)).map(|(id, _)| *id)
    }

    /// Whether a seat's telephone is in this call, of whichever server.
    pub fn takes_part(&self, call: CallId, seat: &SeatId) -> bool {
        let is_here = self.lock().get(&call).map(|running| running.seats.contains(seat));
        is_here.unwrap_or_else(|| self.cluster.others.takes_part(call, seat.as_str()))
    }

    /// The call holds a dialog of this Call-ID.
    pub fn dialog_came(&self, call: CallId, call_id: &str) {
        if let Some(running) = self.lock().get_mut(&call) {
            running.dialogs.insert(call_id.to_owned());
        }
        self.dialogs.lock().unwrap_or_else(PoisonError::into_inner).add(call, call_id);
    }

    /// The Call-IDs of a call that runs, or of one of the last.
    pub fn dialogs_of(&self, call: CallId) -> HashSet<String> {
        let dialogs = self.dialogs.lock().unwrap_or_else(PoisonError::into_inner);
        dialogs.of.get(&call).cloned().unwrap_or_default()
    }

    /// The call that holds a dialog of this Call-ID.
    pub fn of_dialog(&self, call_id: &str) -> Option<CallId> {
        self.lock().iter().find(|(_, running)| running.dialogs.contains(call_id)).map(|(id, _)| *id)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CallId, Running>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialogs_of_the_last_calls_stay_known_and_no_more() {
        let mut dialogs = Dialogs::default();
        let calls: Vec<CallId> =
            (0..=CALLS_MAX).map(|_| CallId::new(uuid::Uuid::now_v7())).collect();
        for call in &calls {
            dialogs.add(*call, "citizen");
            dialogs.add(*call, "seat");
        }
        assert_eq!((dialogs.of.len(), dialogs.order.len()), (CALLS_MAX, CALLS_MAX));
        assert!(!dialogs.of.contains_key(&calls[0]));
        assert_eq!(dialogs.of[&calls[1]].len(), 2);
    }
    use uuid::Uuid;

    fn id(n: u128) -> CallId {
        CallId::new(Uuid::from_u128(n))
    }

    #[test]
    fn one_number_cannot_take_every_line_but_the_nameless_are_many() {
        let calls = Calls::new(Cluster::new(false));
        assert!(calls.admit(id(1), Some("138"), 1).is_some());
        assert!(calls.admit(id(2), Some("138"), 1).is_none());
        assert!(calls.admit(id(3), Some("139"), 1).is_some());
        assert!(calls.admit(id(4), None, 1).is_some());
        assert!(calls.admit(id(5), None, 1).is_some());
        calls.remove(id(1));
        assert!(calls.admit(id(6), Some("138"), 1).is_some());
    }

    #[test]
    fn only_a_running_call_gets_letters() {
        let calls = Calls::new(Cluster::new(false));
        let mut read = calls.admit(id(1), None, 0).unwrap();
        assert!(calls.post(id(1), Letter::Hangup(Hangup::Operator)).is_ok());
        assert!(matches!(read.try_recv(), Ok(Letter::Hangup(Hangup::Operator))));
        assert!(calls.post(id(2), Letter::Hangup(Hangup::Operator)).is_err());
    }

    #[test]
    fn a_seat_is_in_the_call_until_it_leaves() {
        let calls = Calls::new(Cluster::new(false));
        let _read = calls.admit(id(1), None, 0).unwrap();
        let seat = SeatId::new("801");
        assert_eq!(calls.of_seat(&seat), None);
        calls.seat_came(id(1), &seat);
        assert_eq!(calls.of_seat(&seat), Some(id(1)));
        calls.seat_left(id(1), &seat);
        assert_eq!(calls.of_seat(&seat), None);
    }
}
