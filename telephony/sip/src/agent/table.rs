//! The transactions of an agent, by number and by key.

use super::call::CallKey;
use super::output::Outbound;
use super::retry::Retry;
use super::session::TimerAsk;
use crate::dialog::DialogState;
use crate::message::{Headers, SipUri};
use crate::transaction::{Client, Fired, InviteClient, InviteServer, Server};
use crate::transport::Flow;
use bytes::Bytes;
use qingting_common::Millis;
use std::collections::HashMap;

/// A transaction's number within its table; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct TxId(pub(super) u64);

/// Transactions of one side.
pub(super) struct Table<T> {
    entries: HashMap<TxId, Entry<T>>,
    by_key: HashMap<String, TxId>,
    last: u64,
    bytes: usize,
}

struct Entry<T> {
    key: String,
    value: T,
    /// What the entry keeps of messages as long as it lives, and of the last message sent.
    bytes: (usize, usize),
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { entries: HashMap::new(), by_key: HashMap::new(), last: 0, bytes: 0 }
    }
}

impl<T> Table<T> {
    /// Keeps a transaction that holds so many bytes beside its key.
    pub(super) fn insert(&mut self, key: String, value: T, bytes: usize) -> TxId {
        self.last += 1;
        let id = TxId(self.last);
        // The key stands in both maps.
        let bytes = bytes + 2 * key.len();
        self.bytes += bytes;
        self.by_key.insert(key.clone(), id);
        self.entries.insert(id, Entry { key, value, bytes: (bytes, 0) });
        id
    }

    pub(super) fn find(&self, key: &str) -> Option<TxId> {
        self.by_key.get(key).copied()
    }

    pub(super) fn peek(&self, id: TxId) -> Option<&T> {
        self.entries.get(&id).map(|entry| &entry.value)
    }

    pub(super) fn entry(&mut self, id: TxId) -> Option<&mut T> {
        self.entries.get_mut(&id).map(|entry| &mut entry.value)
    }

    /// Notes the length of the message that a transaction repeats from now on.
    pub(super) fn repeats(&mut self, id: TxId, bytes: usize) {
        if let Some(entry) = self.entries.get_mut(&id) {
            self.bytes = self.bytes - entry.bytes.1 + bytes;
            entry.bytes.1 = bytes;
        }
    }

    pub(super) fn remove(&mut self, id: TxId) -> Option<T> {
        let Entry { key, value, bytes } = self.entries.remove(&id)?;
        self.bytes -= bytes.0 + bytes.1;
        // The key may belong to a later transaction by now.
        if self.by_key.get(&key) == Some(&id) {
            self.by_key.remove(&key);
        }
        Some(value)
    }

    /// Bytes of messages and keys that all entries hold.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

/// A server transaction and what its responses are made of.
pub(super) struct ServerTx {
    pub(super) machine: ServerMachine,
    pub(super) flow: Flow,
    pub(super) call: Option<CallKey>,
    /// An INVITE outside a dialog.
    pub(super) initial: bool,
    pub(super) cseq: u32,
    /// Via, From, To with our tag, Call-ID and CSeq, for responses.
    pub(super) echo: Headers,
    pub(super) record_routes: Vec<String>,
    /// The target that a re-INVITE asks for; it counts when we accept (RFC 3261 §12.2.2).
    pub(super) contact: Option<SipUri>,
    pub(super) timer: TimerAsk,
    /// Its provisional responses must be reliable (RFC 3262).
    pub(super) reliable_only: bool,
    pub(super) merge: Option<String>,
    pub(super) scheduled: Option<Millis>,
}

impl ServerTx {
    /// Bytes that it keeps of its request.
    pub(super) fn bytes(&self) -> usize {
        let routes = self.record_routes.iter().map(|route| route.len() + size_of::<String>());
        // The merge key is also a key of the agent's.
        let merge = self.merge.as_ref().map_or(0, |merge| 2 * merge.len());
        size_of::<Self>() + self.echo.bytes() + routes.sum::<usize>() + merge
    }
}

pub(super) enum ServerMachine {
    Invite(InviteServer),
    Other(Server),
}

impl ServerMachine {
    pub(super) fn retransmitted(&self) -> Option<Bytes> {
        match self {
            Self::Invite(machine) => machine.retransmitted(),
            Self::Other(machine) => machine.retransmitted(),
        }
    }

    pub(super) fn deadline(&self) -> Option<Millis> {
        match self {
            Self::Invite(machine) => machine.deadline(),
            Self::Other(machine) => machine.deadline(),
        }
    }

    pub(super) fn fire(&mut self, now: Millis) -> Fired {
        match self {
            Self::Invite(machine) => machine.fire(now),
            Self::Other(machine) => machine.fire(now),
        }
    }

    pub(super) const fn is_over(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_over(),
            Self::Other(machine) => machine.is_over(),
        }
    }
}

/// A client transaction and what its ACK or CANCEL is made of.
pub(super) struct ClientTx {
    pub(super) machine: ClientMachine,
    pub(super) purpose: Purpose,
    pub(super) flow: Flow,
    pub(super) call: CallKey,
    pub(super) sent: Sent,
    /// The ACKs of each 2xx by its To tag, for when it comes again; `None` while it waits for the
    /// owner's answer.
    pub(super) acks: Vec<(String, Option<Outbound>)>,
    pub(super) scheduled: Option<Millis>,
    /// As of its call.
    pub(super) pinned: bool,
    pub(super) retry: Retry,
}

/// A request as it was sent.
pub(super) struct Sent {
    pub(super) uri: SipUri,
    pub(super) cseq: u32,
    pub(super) headers: Headers,
}

/// Why a request was sent. The dialog of a re-INVITE is kept, because its 2xx wants an ACK even
/// when the call has gone meanwhile.
pub(super) enum Purpose {
    Invite,
    Reinvite(Box<DialogState>),
    Bye,
    Update,
    Refer,
    Notify,
    /// Outside any call; the number is its owner's.
    Outside(u64),
    /// CANCEL, PRACK, INFO, and BYE for a branch of a fork that is not wanted: nobody waits for the
    /// answer.
    Quiet,
}

/// The same without what it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Other {
    Bye,
    Update,
    Refer,
    Notify,
    Outside(u64),
    Quiet,
}

impl Purpose {
    /// What a request that is no INVITE was sent for.
    pub(super) const fn kind(&self) -> Other {
        match self {
            Self::Bye => Other::Bye,
            Self::Update => Other::Update,
            Self::Refer => Other::Refer,
            Self::Notify => Other::Notify,
            Self::Outside(number) => Other::Outside(*number),
            Self::Quiet | Self::Invite | Self::Reinvite(_) => Other::Quiet,
        }
    }
}

pub(super) enum ClientMachine {
    Invite(InviteClient),
    Other(Client),
}

impl ClientMachine {
    pub(super) fn deadline(&self) -> Option<Millis> {
        match self {
            Self::Invite(machine) => machine.deadline(),
            Self::Other(machine) => machine.deadline(),
        }
    }

    pub(super) fn fire(&mut self, now: Millis) -> Fired {
        match self {
            Self::Invite(machine) => machine.fire(now),
            Self::Other(machine) => machine.fire(now),
        }
    }

    pub(super) const fn is_over(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_over(),
            Self::Other(machine) => machine.is_over(),
        }
    }
}
