//! What an owner can ask for within a dialog, beside the INVITE and its end.

use crate::agent::Command;
use crate::handle::{Dialog, Reply};
use crate::message::{Replaces, SipUri};
use bytes::Bytes;

impl Dialog {
    /// Sends an UPDATE (RFC 3311), which a dialog knows before the answer too; comes back as
    /// [`DialogEvent::Updated`](crate::DialogEvent::Updated) or
    /// [`DialogEvent::UpdateFailed`](crate::DialogEvent::UpdateFailed), with 491 at once while
    /// another offer is open.
    pub fn update(&self, offer: Bytes) {
        self.send(Command::Update { call: self.key(), offer });
    }

    /// Answers the UPDATE that is open; ignored when none is.
    pub fn respond_update(&self, reply: Reply) {
        self.send(Command::RespondUpdate { call: self.key(), reply });
    }

    /// Answers the offer of the PRACK that is open; ignored when none is.
    pub fn respond_prack(&self, reply: Reply) {
        self.send(Command::RespondPrack { call: self.key(), reply });
    }

    /// Sends the PRACK of a reliable response that brought an offer, with our answer.
    pub fn prack(&self, answer: Bytes) {
        self.send(Command::Prack { call: self.key(), answer });
    }

    /// Sends the ACK of a 2xx that brought an offer, with our answer.
    pub fn ack(&self, answer: Bytes) {
        self.send(Command::Ack { call: self.key(), answer });
    }

    /// Accepts the REFER that is open (202) and tells the peer 100 Trying; go on with
    /// [`Dialog::notify_refer`].
    pub fn accept_refer(&self) {
        self.send(Command::AcceptRefer { call: self.key() });
    }

    /// Refuses the REFER that is open; a code that is no refusal becomes 603.
    pub fn reject_refer(&self, code: u16) {
        self.send(Command::RejectRefer { call: self.key(), code });
    }

    /// Tells the peer how the call goes that it referred us to. After the final word nothing more
    /// is told; a peer that has hung up meanwhile is told nothing either.
    pub fn notify_refer(&self, code: u16, reason: &str, is_final: bool) {
        let reason = reason.to_owned();
        self.send(Command::NotifyRefer { call: self.key(), code, reason, is_final });
    }

    /// Asks the peer to call somebody else, taking over a dialog with
    /// [`Dialog::replaces_value`]; comes back as
    /// [`DialogEvent::ReferProgress`](crate::DialogEvent::ReferProgress).
    pub fn refer(&self, target: SipUri, replaces: Option<Replaces>) {
        self.send(Command::Refer { call: self.key(), target: Box::new(target), replaces });
    }

    /// Sends an INFO; what becomes of it is not told.
    pub fn info(&self, content_type: &str, body: Bytes) {
        let content_type = content_type.to_owned();
        self.send(Command::Info { call: self.key(), content_type, body });
    }
}
