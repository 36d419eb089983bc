//! The calls that run now.

use qingting_api::CallControl;
use qingting_common::CallId;
use qingting_core::call::Hangup;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Hang-ups that wait for one call; a second one changes nothing.
const HANGUPS_WAITING_MAX: usize = 2;

/// Running calls, by id and by caller.
#[derive(Default)]
pub struct Registry {
    calls: Mutex<HashMap<CallId, Entry>>,
}

struct Entry {
    caller: String,
    hangups: mpsc::Sender<Hangup>,
}

impl Registry {
    /// Adds a call unless its caller already has `per_caller_max` of them (0: no limit; callers
    /// without a number are not told apart). Gives what the call must listen to.
    pub fn admit(
        &self,
        id: CallId,
        caller: Option<&str>,
        per_caller_max: usize,
    ) -> Option<mpsc::Receiver<Hangup>> {
        let mut calls = self.lock();
        if let Some(caller) = caller.filter(|_| per_caller_max > 0)
            && calls.values().filter(|entry| entry.caller == caller).count() >= per_caller_max
        {
            return None;
        }
        let (hangups, heard) = mpsc::channel(HANGUPS_WAITING_MAX);
        calls.insert(id, Entry { caller: caller.unwrap_or_default().to_owned(), hangups });
        Some(heard)
    }

    /// Takes a call out.
    pub fn remove(&self, id: CallId) {
        self.lock().remove(&id);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Tells every call that the server shuts down.
    pub fn drain(&self) {
        for entry in self.lock().values() {
            // Full: it is being hung up already.
            let _ = entry.hangups.try_send(Hangup::Drain);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CallId, Entry>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallControl for Registry {
    fn hang_up(&self, call: CallId) -> bool {
        match self.lock().get(&call) {
            Some(entry) => {
                let _ = entry.hangups.try_send(Hangup::Operator);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn id(n: u128) -> CallId {
        CallId::new(Uuid::from_u128(n))
    }

    #[test]
    fn one_number_cannot_take_every_line_but_the_nameless_are_many() {
        let registry = Registry::default();
        assert!(registry.admit(id(1), Some("138"), 1).is_some());
        assert!(registry.admit(id(2), Some("138"), 1).is_none());
        assert!(registry.admit(id(3), Some("139"), 1).is_some());
        assert!(registry.admit(id(4), None, 1).is_some());
        assert!(registry.admit(id(5), None, 1).is_some());
        registry.remove(id(1));
        assert!(registry.admit(id(6), Some("138"), 1).is_some());
    }

    #[test]
    fn only_a_running_call_can_be_hung_up() {
        let registry = Registry::default();
        let mut heard = registry.admit(id(1), None, 0).unwrap();
        assert!(registry.hang_up(id(1)));
        assert_eq!(heard.try_recv(), Ok(Hangup::Operator));
        assert!(!registry.hang_up(id(2)));
    }
}
