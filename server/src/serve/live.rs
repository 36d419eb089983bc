//! The calls that are going on, so that they can be ended from outside.

use qingting_api::CallControl;
use qingting_common::CallId;
use qingting_core::call::{Hangup, Input};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Registry of live calls. Clones share it.
#[derive(Clone, Default)]
pub struct LiveCalls {
    calls: Arc<Mutex<HashMap<CallId, mpsc::Sender<Input>>>>,
}

impl LiveCalls {
    /// Enters a call; it leaves when the guard is dropped.
    pub fn enter(&self, id: CallId, inbox: mpsc::Sender<Input>) -> Guard {
        self.lock().insert(id, inbox);
        Guard { id, live: self.clone() }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Ends every call with a farewell, because the server stops.
    pub fn drain(&self) {
        for inbox in self.lock().values() {
            // A full inbox belongs to a call that is busy ending; the drain deadline covers it.
            let _ = inbox.try_send(Input::Hangup(Hangup::Drain));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CallId, mpsc::Sender<Input>>> {
        // The map is valid after a panic elsewhere: each operation on it is one step.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallControl for LiveCalls {
    fn hang_up(&self, id: CallId) -> bool {
        self.lock()
            .get(&id)
            .is_some_and(|inbox| inbox.try_send(Input::Hangup(Hangup::Operator)).is_ok())
    }
}

/// A call's place in the registry.
pub struct Guard {
    id: CallId,
    live: LiveCalls,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.live.lock().remove(&self.id);
    }
}
