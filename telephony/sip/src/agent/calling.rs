//! Our own INVITEs.

use super::Agent;
use super::build::{cancel, hop_ack, via, with_via};
use super::call::{Call, CallKey, Cancel, Phase, flow_to};
use super::output::{Origin, Outbound};
use super::receive::dialog_index;
use super::retry::Retry;
use super::table::{ClientMachine, ClientTx, Purpose, Sent, TxId};
use crate::dialog::{DialogState, Outgoing};
use crate::handle::{DialogEvent, OutgoingInvite};
use crate::message::{HeaderName, Headers, Method, Response, SipUri, write_request};
use crate::transaction::{Client, InviteClient, TIMEOUT, key_of_branch};
use crate::transport::Flow;
use bytes::Bytes;
use qingting_common::Millis;
use std::sync::Arc;

/// Branches of a fork that are answered, at most.
const FORKS_MAX: usize = 8;

/// CSeq of a call's first request.
const FIRST_CSEQ: u32 = 1;

impl Agent {
    /// Makes a call.
    pub(super) fn invite(
        &mut self,
        now: Millis,
        key: CallKey,
        invite: &OutgoingInvite,
        call_id: String,
        flow: Option<Flow>,
        mut others: Vec<Flow>,
    ) {
        let Some(flow) = flow else {
            self.tell(key, DialogEvent::TransportLost);
            self.outputs.push_back(super::Output::Over { call: key });
            return;
        };
        let tag = self.ids.tag();
        let index = dialog_index(&call_id, &tag);
        let outgoing = first_request(invite, &call_id, &tag);
        let mut call = Call::new(index.clone(), Phase::Calling, flow);
        call.pinned = invite.flow.is_some();
        call.credentials = invite.credentials.clone().map(Arc::new);
        others.reverse();
        let retry = Retry { credentials: call.credentials.clone(), others, ..Retry::default() };
        self.calls.insert(key, call);
        self.dialogs.insert(index, key);
        let offer = invite.offer.as_ref();
        let (purpose, extra) = (Purpose::Invite, &invite.headers);
        let id = self.start_with(now, key, flow, outgoing, purpose, extra, offer, retry);
        if let Some(call) = self.calls.get_mut(&key) {
            call.invite_out = Some(id);
        }
    }

    /// Sends a re-INVITE, unless one is open in either direction (RFC 3261 §14.1).
    pub(super) fn reinvite(&mut self, now: Millis, key: CallKey, offer: Option<Bytes>) {
        let Some(call) = self.calls.get_mut(&key).filter(|call| call.phase == Phase::Talking)
        else {
            return;
        };
        let busy = call.invite_in.is_some() || call.invite_out.is_some();
        if busy || call.awaits_first_ack() {
            let reason = "Request Pending".to_owned();
            let (retry_after_s, warning) = (None, None);
            return self
                .tell(key, DialogEvent::Failed { code: 491, reason, retry_after_s, warning });
        }
        let Some(dialog) = &mut call.dialog else { return };
        let outgoing = dialog.request(Method::Invite);
        let purpose = Purpose::Reinvite(Box::new(dialog.clone()));
        let flow = call.flow_to(&outgoing.next_hop);
        let id = self.start(now, key, flow, outgoing, purpose, &[], offer.as_ref());
        if let Some(call) = self.calls.get_mut(&key) {
            call.invite_out = Some(id);
        }
    }

    /// Sends a request by a transaction of its own.
    #[allow(clippy::too_many_arguments, reason = "each is a part of one message")]
    pub(super) fn start(
        &mut self,
        now: Millis,
        call: CallKey,
        flow: Flow,
        outgoing: Outgoing,
        purpose: Purpose,
        extra: &[(HeaderName, String)],
        body: Option<&Bytes>,
    ) -> TxId {
        let of_call = |call: &Call| Retry {
            credentials: call.credentials.clone(),
            answerer: call.answerer.for_next(),
            ..Retry::default()
        };
        let retry = self.calls.get(&call).map(of_call).unwrap_or_default();
        self.start_with(now, call, flow, outgoing, purpose, extra, body, retry)
    }

    /// The same, with what it takes to send it once more.
    #[allow(clippy::too_many_arguments, reason = "each is a part of one message")]
    pub(super) fn start_with(
        &mut self,
        now: Millis,
        call: CallKey,
        mut flow: Flow,
        outgoing: Outgoing,
        purpose: Purpose,
        extra: &[(HeaderName, String)],
        body: Option<&Bytes>,
        mut retry: Retry,
    ) -> TxId {
        let branch = self.ids.branch();
        let (mut headers, mut bytes) = self.finish_request(&outgoing, flow, &branch, extra, body);
        let Outgoing { method, uri, cseq, .. } = outgoing;
        retry.body = body.cloned();
        let pinned = self.calls.get(&call).is_some_and(|call| call.pinned);
        if let Some(tcp) = self.way_of(flow, pinned || retry.fixed, bytes.len()) {
            retry.datagram = Some(std::mem::replace(&mut flow, tcp));
            headers = with_via(&headers, via(flow, &branch));
            bytes = write_request(&method, &uri, &headers, body.map_or(&[], |body| &body[..]));
        }
        let (key, sent) = (key_of_branch(&branch, &method), Sent { uri, cseq, headers });
        self.start_sent(now, call, flow, &method, sent, purpose, key, bytes, retry)
    }

    #[allow(clippy::too_many_arguments, reason = "each is a part of one message")]
    pub(super) fn start_sent(
        &mut self,
        now: Millis,
        call: CallKey,
        flow: Flow,
        method: &Method,
        sent: Sent,
        purpose: Purpose,
        key: String,
        bytes: Bytes,
        retry: Retry,
    ) -> TxId {
        let reliable = flow.transport.is_reliable();
        let machine = if *method == Method::Invite {
            ClientMachine::Invite(InviteClient::new(now, reliable, bytes.clone()))
        } else {
            ClientMachine::Other(Client::new(now, reliable, bytes.clone()))
        };
        let acks = Vec::new();
        let pinned = self.calls.get(&call).is_some_and(|call| call.pinned);
        let tx =
            ClientTx { machine, purpose, flow, call, sent, acks, scheduled: None, pinned, retry };
        let body = tx.retry.body.as_ref().map_or(0, Bytes::len);
        let kept = size_of::<ClientTx>() + tx.sent.headers.bytes() + bytes.len() + body;
        let id = self.clients.insert(key, tx, kept);
        self.arm_client(id);
        self.send(flow, bytes, Origin::Client(id.0), true);
        id
    }

    /// Gives up a call that is not answered yet.
    pub(super) fn cancel(&mut self, now: Millis, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        if call.phase == Phase::Calling && call.cancel == Cancel::No {
            call.cancel = Cancel::Wanted;
            self.cancel_when_allowed(now, key);
        }
    }

    /// Sends the CANCEL that is wanted, once a provisional response came (§9.1).
    pub(super) fn cancel_when_allowed(&mut self, now: Millis, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(id) = call.invite_out.filter(|_| call.cancel == Cancel::Wanted) else { return };
        let Some(tx) = self.clients.entry(id) else { return };
        if !matches!(&tx.machine, ClientMachine::Invite(machine) if machine.may_cancel()) {
            return;
        }
        let (headers, bytes) = cancel(&tx.sent);
        let sent = Sent { uri: tx.sent.uri.clone(), cseq: tx.sent.cseq, headers };
        let flow = tx.flow;
        call.cancel = Cancel::Sent { until: now + TIMEOUT };
        let branch = sent.headers.first(&HeaderName::Via).and_then(branch_of).unwrap_or_default();
        let tx_key = key_of_branch(&branch, &Method::Cancel);
        let (method, retry) = (Method::Cancel, Retry::default());
        self.start_sent(now, key, flow, &method, sent, Purpose::Quiet, tx_key, bytes, retry);
        self.arm_call(key);
    }

    /// A refusal: acknowledged hop by hop, whatever has become of the call.
    pub(super) fn acknowledge_refusal(&mut self, id: TxId, response: &Response) {
        let Some(tx) = self.clients.entry(id) else { return };
        let bytes = hop_ack(&tx.sent, response);
        if let ClientMachine::Invite(machine) = &mut tx.machine {
            machine.acknowledged(bytes.clone());
        }
        let flow = tx.flow;
        self.send(flow, bytes, Origin::Nobody, true);
    }

    /// A 2xx (RFC 3261 §13.2.2.4): acknowledged, again each time it comes; the dialog it makes is
    /// the call's, or hung up when the call has another or none.
    pub(super) fn accepted(&mut self, now: Millis, id: TxId, response: &Response) {
        let tag = response.to.tag().unwrap_or_default();
        let Some(tx) = self.clients.entry(id) else { return };
        if let Some((_, ack)) = tx.acks.iter().find(|(known, _)| known == tag) {
            let ack = ack.clone();
            self.stats.retransmissions_in += 1;
            return self.resend(ack);
        }
        if tx.acks.len() >= FORKS_MAX {
            self.stats.stray += 1;
            return;
        }
        let (call_key, base, first) = (tx.call, (tx.base_flow(), tx.pinned), tx.acks.is_empty());
        let initial = matches!(tx.purpose, Purpose::Invite);
        let dialog = dialog_of(tx, response);
        let ack = self.send_ack(id, base, &dialog);
        if let Some(tx) = self.clients.entry(id) {
            tx.acks.push((tag.to_owned(), ack));
        }
        let body = response.sdp();
        if !initial {
            self.reinvite_accepted(call_key, id, response.contact(), body);
        } else if first && self.calls.contains_key(&call_key) {
            self.call_accepted(now, call_key, dialog, body);
        } else {
            self.hang_up_fork(now, call_key, base, dialog);
        }
    }

    fn send_ack(
        &mut self,
        id: TxId,
        (base, pinned): (Flow, bool),
        dialog: &DialogState,
    ) -> Outbound {
        let cseq = self.clients.entry(id).map_or(FIRST_CSEQ, |tx| tx.sent.cseq);
        let outgoing = dialog.ack(cseq);
        let flow = flow_to(base, pinned, &outgoing.next_hop, None);
        let branch = self.ids.branch();
        let (_, bytes) = self.finish_request(&outgoing, flow, &branch, &[], None);
        let ack = Outbound { flow, bytes: bytes.clone(), origin: Origin::Nobody, dial: true };
        self.send(flow, bytes, Origin::Nobody, true);
        ack
    }

    fn call_accepted(
        &mut self,
        now: Millis,
        key: CallKey,
        dialog: DialogState,
        body: Option<Bytes>,
    ) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.dialog = Some(dialog);
        (call.phase, call.invite_out) = (Phase::Talking, None);
        let unwanted = std::mem::replace(&mut call.cancel, Cancel::No) != Cancel::No;
        self.look_up_next_hop(key);
        if unwanted {
            return self.start_bye(now, key, None);
        }
        self.tell(key, DialogEvent::Answered { body });
    }

    fn reinvite_accepted(
        &mut self,
        key: CallKey,
        id: TxId,
        contact: Option<SipUri>,
        body: Option<Bytes>,
    ) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        if call.invite_out != Some(id) {
            return;
        }
        call.invite_out = None;
        if let Some(dialog) = &mut call.dialog {
            dialog.refresh_target(contact);
        }
        let talking = call.phase == Phase::Talking;
        self.look_up_next_hop(key);
        if talking {
            self.tell(key, DialogEvent::Answered { body });
        }
    }

    /// A second branch of a fork answered too: acknowledged already, now it is ended.
    fn hang_up_fork(
        &mut self,
        now: Millis,
        key: CallKey,
        (base, pinned): (Flow, bool),
        mut dialog: DialogState,
    ) {
        let outgoing = dialog.request(Method::Bye);
        let flow = flow_to(base, pinned, &outgoing.next_hop, None);
        self.start(now, key, flow, outgoing, Purpose::Quiet, &[], None);
    }
}

fn dialog_of(tx: &ClientTx, response: &Response) -> DialogState {
    match &tx.purpose {
        Purpose::Reinvite(dialog) => {
            let mut dialog = (**dialog).clone();
            dialog.refresh_target(response.contact());
            dialog
        }
        Purpose::Invite | Purpose::Bye | Purpose::Outside(_) | Purpose::Quiet => {
            DialogState::uac(&tx.sent.headers, &tx.sent.uri, tx.sent.cseq, response)
        }
    }
}

fn first_request(invite: &OutgoingInvite, call_id: &str, tag: &str) -> Outgoing {
    let mut from = invite.from.clone();
    from.params.put("tag", tag.to_owned());
    let mut headers = Headers::default();
    headers.push(HeaderName::MaxForwards, "70");
    headers.push(HeaderName::From, from.to_string());
    headers.push(HeaderName::To, format!("<{}>", invite.target));
    headers.push(HeaderName::CallId, call_id);
    headers.push(HeaderName::CSeq, format!("{FIRST_CSEQ} INVITE"));
    Outgoing {
        method: Method::Invite,
        uri: invite.target.clone(),
        headers,
        cseq: FIRST_CSEQ,
        next_hop: invite.target.clone(),
    }
}

fn branch_of(via: &str) -> Option<String> {
    crate::message::Via::parse(via)?.unique_branch().map(str::to_owned)
}
