//! Several servers on one PostgreSQL: one set of queues and seats, one stream of events.
//!
//! They talk by the database's own notifications (`store::bus`). A server that hears nobody, because the database is
//! away, goes on with its own calls and the telephones that it knows.

mod letter;
mod link;
mod others;
mod seal;

pub use letter::{Copied, Letter, SharedCall};
pub use link::{own_telephones, run, telephones};
pub use others::{Others, Telephone};
pub use seal::{Seal, secret};

use crate::serve::Hotline;
use qingting_api::Away;
use qingting_common::CallId;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Mutex, mpsc};

/// Letters that wait to be sent. A server that falls behind by so many loses its place and asks anew.
const LETTERS_WAITING_MAX: usize = 16_384;

/// A letter and whom it is for: everybody when `None`.
pub type Parcel = (Option<String>, Letter);

/// The way to the other servers, and what is known of them. Without a cluster nothing is sent and nobody is known.
pub struct Cluster {
    outgoing: Option<mpsc::Sender<Parcel>>,
    /// Taken by whoever sends.
    to_send: Mutex<Option<mpsc::Receiver<Parcel>>>,
    /// Something could not be said: others know less than they should.
    lost: AtomicBool,
    /// What is known of the others.
    pub others: Others,
}

/// The other servers as the interface sees them.
pub struct Elsewhere(pub Arc<Hotline>);

impl qingting_api::Elsewhere for Elsewhere {
    fn carrier(&self, call: CallId) -> Option<SocketAddr> {
        let switchboard = &self.0.switchboard;
        if switchboard.calls.has(call) { None } else { switchboard.cluster.others.carrier(call) }
    }

    fn server(&self, name: &str) -> Result<Option<SocketAddr>, Away> {
        let is_own = self.0.store.server_name().is_none_or(|own| own == name);
        if is_own || !self.0.switchboard.cluster.is_on() {
            return Ok(None);
        }
        self.0.switchboard.cluster.others.http(name).map(Some).ok_or(Away)
    }
}

impl Cluster {
    /// Of a server that is one of several, or not.
    pub fn new(is_on: bool) -> Arc<Self> {
        let (outgoing, to_send) = is_on.then(|| mpsc::channel(LETTERS_WAITING_MAX)).unzip();
        let (lost, others) = (AtomicBool::new(false), Others::default());
        Arc::new(Self { outgoing, to_send: Mutex::new(to_send), lost, others })
    }

    /// Whether there may be others.
    pub const fn is_on(&self) -> bool {
        self.outgoing.is_some()
    }

    /// Tells all others.
    pub fn tell(&self, letter: Letter) {
        self.send((None, letter));
    }

    /// Sends a letter. Never waits.
    pub fn send(&self, parcel: Parcel) {
        if let Some(outgoing) = &self.outgoing
            && outgoing.try_send(parcel).is_err()
        {
            self.lost.store(true, Ordering::Relaxed);
        }
    }

    /// What is seen of a call of this server has changed; `None` when it is over.
    pub fn tell_call(&self, call: CallId, state: impl FnOnce() -> Option<SharedCall>) {
        if self.is_on() {
            self.tell(Letter::Call { call, state: state() });
        }
    }

    fn take_lost(&self) -> bool {
        self.lost.swap(false, Ordering::Relaxed)
    }
}
