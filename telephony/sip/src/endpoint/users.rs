//! Where users are, for others to read.

use crate::registrar::{Binding, RegistrationEvent};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::broadcast;

/// Events that a slow reader may be behind.
const EVENTS_MAX: usize = 1_024;

/// The driver's last word on every user.
#[derive(Debug)]
pub(super) struct Users {
    bindings: Mutex<HashMap<String, Vec<Binding>>>,
    events: broadcast::Sender<RegistrationEvent>,
}

impl Default for Users {
    fn default() -> Self {
        Self { bindings: Mutex::default(), events: broadcast::Sender::new(EVENTS_MAX) }
    }
}

impl Users {
    pub(super) fn bindings(&self, user: &str) -> Vec<Binding> {
        let bindings = self.bindings.lock().unwrap_or_else(PoisonError::into_inner);
        bindings.get(user).cloned().unwrap_or_default()
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<RegistrationEvent> {
        self.events.subscribe()
    }

    /// Notes a user's bindings, and says so.
    pub(super) fn set(&self, user: String, bindings: Vec<Binding>) {
        let registered = !bindings.is_empty();
        let before = {
            let mut all = self.bindings.lock().unwrap_or_else(PoisonError::into_inner);
            if registered { all.insert(user.clone(), bindings) } else { all.remove(&user) }
        };
        let is_refresh = before.is_some() == registered;
        // Nobody has to listen.
        let _ = self.events.send(RegistrationEvent { user, registered, is_refresh });
    }
}
