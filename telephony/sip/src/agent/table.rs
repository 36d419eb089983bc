//! The transactions of an agent, by number and by key.

use super::call::CallKey;
use super::output::Outbound;
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
    entries: HashMap<TxId, (String, T)>,
    by_key: HashMap<String, TxId>,
    last: u64,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { entries: HashMap::new(), by_key: HashMap::new(), last: 0 }
    }
}

impl<T> Table<T> {
    pub(super) fn insert(&mut self, key: String, entry: T) -> TxId {
        self.last += 1;
        let id = TxId(self.last);
        self.by_key.insert(key.clone(), id);
        self.entries.insert(id, (key, entry));
        id
    }

    pub(super) fn find(&self, key: &str) -> Option<TxId> {
        self.by_key.get(key).copied()
    }

    pub(super) fn peek(&self, id: TxId) -> Option<&T> {
        self.entries.get(&id).map(|(_, entry)| entry)
    }

    pub(super) fn entry(&mut self, id: TxId) -> Option<&mut T> {
        self.entries.get_mut(&id).map(|(_, entry)| entry)
    }

    pub(super) fn remove(&mut self, id: TxId) -> Option<T> {
        let (key, entry) = self.entries.remove(&id)?;
        // The key may belong to a later transaction by now.
        if self.by_key.get(&key) == Some(&id) {
            self.by_key.remove(&key);
        }
        Some(entry)
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
    pub(super) merge: Option<String>,
    pub(super) scheduled: Option<Millis>,
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
    /// The ACKs of each 2xx by its To tag, for when it comes again.
    pub(super) acks: Vec<(String, Outbound)>,
    pub(super) scheduled: Option<Millis>,
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
    /// CANCEL, and BYE for a branch of a fork that is not wanted: nobody waits for the answer.
    Quiet,
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
