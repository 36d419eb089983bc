//! What servers on one database tell each other.

use qingting_api::{CallNow, Event};
use qingting_common::CallId;
use qingting_core::queue::QueueLetter;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// One letter.
#[derive(Serialize, Deserialize)]
pub enum Letter {
    /// To all, every second: I am here, and this is where my HTTP interface is.
    Alive { http: SocketAddr },
    /// To all: I have just come, or lost what was said. Tell me what you have.
    Hello,
    /// To all: I stop.
    Bye,
    /// About the queues.
    Queue(QueueLetter),
    /// To all: where a seat's telephones are that registered with me; none when they are gone.
    Telephones { extension: String, telephones: Vec<SharedTelephone> },
    /// To all: where a seat's telephones are that registered with a server which has gone or begun anew since, as far as I know.
    TelephonesLeft { extension: String, telephones: Vec<SharedTelephone> },
    /// To all: what is seen of a call of mine; `None` when it is over.
    Call { call: CallId, state: Option<SharedCall> },
    /// To all: something happened.
    Event(Event),
    /// To all: these calls were erased; what is kept of them in memory is to be forgotten.
    Forgotten(BTreeSet<CallId>),
    /// To all: I wrote something that you keep a copy of.
    Changed(Copied),
}

/// What each server keeps a copy of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Copied {
    Seats,
    Duty,
    Credentials,
}

/// A telephone that is reached through proxies, so that every server can ring it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedTelephone {
    /// Its Contact.
    pub contact: String,
    /// The Route to it (RFC 3327).
    pub path: Vec<String>,
    /// Whether it is a browser.
    pub is_browser: bool,
    /// How long it holds if nobody refreshes it, in milliseconds: clocks differ.
    pub left_ms: u64,
}

/// What others see of a running call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SharedCall {
    /// As the API tells it.
    pub now: Option<CallNow>,
    /// Seats whose telephones are in it.
    pub seats: Vec<String>,
}
