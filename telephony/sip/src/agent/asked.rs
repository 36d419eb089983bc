//! Requests within a dialog that the owner of the call answers: UPDATE and PRACK with an offer,
//! REFER. An INVITE has machinery of its own.

use super::Agent;
use super::call::{CallKey, Offer};
use super::output::Origin;
use super::session::TimerAsk;
use super::table::{ServerMachine, ServerTx, TxId};
use crate::handle::Reply;
use crate::message::{HeaderName, Request, response_headers};
use crate::transaction::Server;
use crate::transport::Flow;
use qingting_common::Millis;
use std::time::Duration;

/// How long an owner may think; then the request is refused on its behalf. A client gives a request
/// up after 32 s (RFC 3261 §17.1.2.2).
pub(super) const OWNER_ANSWERS_MAX: Duration = Duration::from_secs(10);

/// A request that waits for its owner.
pub(super) struct Asked {
    pub(super) id: TxId,
    pub(super) kind: AskedKind,
    pub(super) until: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AskedKind {
    Update,
    Prack,
    Refer,
}

impl AskedKind {
    /// What is said for an owner who says nothing (RFC 3311 §5.2, RFC 3515 §2.4.2).
    const fn silence(self) -> u16 {
        match self {
            Self::Update => 504,
            Self::Prack => 500,
            Self::Refer => 603,
        }
    }
}

impl Agent {
    /// Opens the transaction of a request that is no INVITE and leaves it to the owner.
    pub(super) fn ask(
        &mut self,
        now: Millis,
        (flow, key): (Flow, String),
        request: &Request,
        call_key: CallKey,
        kind: AskedKind,
    ) {
        let id = self.open_other(flow, key, request, call_key);
        if let Some(call) = self.calls.get_mut(&call_key) {
            call.asked.push(Asked { id, kind, until: now + OWNER_ANSWERS_MAX });
        }
        self.arm_call(call_key);
    }

    /// Answers a request at once with fields of a dialog, and remembers the answer.
    pub(super) fn answer_within(
        &mut self,
        now: Millis,
        (flow, key): (Flow, String),
        request: &Request,
        call_key: CallKey,
        reply: &Reply,
    ) {
        let id = self.open_other(flow, key, request, call_key);
        self.respond_other(now, id, reply);
    }

    fn open_other(&mut self, flow: Flow, key: String, request: &Request, call: CallKey) -> TxId {
        let tag = request.to.tag().unwrap_or_default();
        let tx = ServerTx {
            machine: ServerMachine::Other(Server::trying()),
            flow: super::receive::reply_flow(&request.via, flow),
            call: Some(call),
            initial: false,
            cseq: request.cseq.number,
            echo: response_headers(&request.headers, &request.via, Some(tag)),
            record_routes: Vec::new(),
            contact: request.contact(),
            timer: TimerAsk::of(&request.headers),
            reliable_only: false,
            merge: None,
            scheduled: None,
        };
        let bytes = tx.bytes();
        self.servers.insert(key, tx, bytes)
    }

    /// Sends the final response of such a request.
    fn respond_other(&mut self, now: Millis, id: TxId, reply: &Reply) {
        let Some(tx) = self.servers.peek(id) else { return };
        let bytes = self.invite_response(tx, reply);
        let Some(tx) = self.servers.entry(id) else { return };
        let (flow, reliable) = (tx.flow, tx.flow.transport.is_reliable());
        let ServerMachine::Other(machine) = &mut tx.machine else { return };
        if !machine.respond(now, reliable, &bytes) {
            return;
        }
        self.servers.repeats(id, bytes.len());
        self.arm_server(id);
        self.send(flow, bytes, Origin::Nobody, false);
    }

    /// The owner's final response to a request that waits for it; `None` when none does.
    pub(super) fn take_asked(&mut self, key: CallKey, kind: AskedKind) -> Option<TxId> {
        let call = self.calls.get_mut(&key)?;
        let at = call.asked.iter().position(|asked| asked.kind == kind)?;
        if kind != AskedKind::Refer {
            call.offer = Offer::None;
        }
        Some(call.asked.remove(at).id)
    }

    /// Answers what [`Agent::take_asked`] took.
    pub(super) fn respond_asked(&mut self, now: Millis, id: TxId, reply: &Reply) {
        self.respond_other(now, id, reply);
    }

    /// Refuses for owners who have been silent too long.
    pub(super) fn fire_asked(&mut self, now: Millis, key: CallKey) {
        while let Some(call) = self.calls.get(&key) {
            let due = call.asked.iter().find(|asked| now >= asked.until);
            let Some(kind) = due.map(|asked| asked.kind) else { return };
            let reply = Reply::new(kind.silence());
            match kind {
                AskedKind::Update => self.respond_update(now, key, &reply),
                AskedKind::Prack => self.respond_prack(now, key, &reply),
                AskedKind::Refer => self.reject_refer(now, key, kind.silence()),
            }
        }
    }

    /// The call ends: what waits is answered 487 (RFC 3261 §15.1.2).
    pub(super) fn end_asked(&mut self, now: Millis, asked: Vec<Asked>) {
        for asked in asked {
            self.respond_other(now, asked.id, &Reply::new(487));
        }
    }

    /// 500 with a time after which to try again (RFC 3261 §14.2, RFC 3311 §5.2).
    pub(super) fn refuse_for_now(&mut self, flow: Flow, request: &Request) {
        let after = self.ids.jitter_s(0, 10);
        let extra = vec![(HeaderName::RetryAfter, after.to_string())];
        self.refuse(flow, request, 500, extra);
    }
}
