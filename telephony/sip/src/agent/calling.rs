//! Our own INVITEs.

use super::Agent;
use super::build::{cancel, hop_ack};
use super::call::{Call, CallKey, Cancel, Offer, Phase, flow_to};
use super::output::{Origin, Outbound};
use super::receive::dialog_index;
use super::reliable::Peer;
use super::retry::Retry;
use super::table::{ClientMachine, ClientTx, Purpose, Sent, TxId};
use crate::dialog::{DialogState, Outgoing, next_hop};
use crate::event::DialogEvent;
use crate::handle::OutgoingInvite;
use crate::message::{HeaderName, Headers, Method, Response, min_se_s};
use crate::transaction::{TIMEOUT, key_of_branch};
use crate::transport::Flow;
use bytes::Bytes;
use qingting_common::Millis;
use std::sync::Arc;

/// Branches of a fork that are answered, at most.
const FORKS_MAX: usize = 8;

/// INVITEs of one call that are sent again after 422, at most.
const INTERVAL_TRIES_MAX: u8 = 2;

impl Agent {
    /// Makes a call.
    pub(super) fn invite(
        &mut self,
        now: Millis,
        key: CallKey,
        invite: Box<OutgoingInvite>,
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
        let mut call = Call::new(index.clone(), Phase::Calling, flow);
        call.pinned = invite.flow.is_some();
        call.credentials = invite.credentials.clone().map(Arc::new);
        others.reverse();
        let credentials = call.credentials.clone();
        let retry =
            Retry { credentials, others, silence_max: invite.silence_max, ..Retry::default() };
        self.calls.insert(key, call);
        self.dialogs.insert(index, key);
        self.send_invite(now, key, invite, retry);
    }

    /// Sends an INVITE again after 422 with the interval that the peer asks for (RFC 4028 §7.3).
    pub(super) fn invites_again(
        &mut self,
        now: Millis,
        key: CallKey,
        id: TxId,
        response: &Response,
    ) -> bool {
        let Some(call) = self.calls.get_mut(&key) else { return false };
        let Some(min_se_s) = min_se_s(&response.headers).filter(|_| response.code == 422) else {
            return false;
        };
        let again = call.phase == Phase::Calling
            && call.cancel == Cancel::No
            && min_se_s > call.min_se_s
            && call.intervals < INTERVAL_TRIES_MAX;
        let Some(invite) = call.draft.take_if(|_| again) else { return false };
        call.min_se_s = min_se_s;
        call.intervals += 1;
        let (credentials, answerer) = (call.credentials.clone(), call.answerer.for_next());
        let others = self.clients.entry(id).map(|tx| std::mem::take(&mut tx.retry.others));
        let others = others.unwrap_or_default();
        let retry = Retry { credentials, answerer, others, ..Retry::default() };
        self.send_invite(now, key, invite, retry);
        true
    }

    fn send_invite(
        &mut self,
        now: Millis,
        key: CallKey,
        invite: Box<OutgoingInvite>,
        retry: Retry,
    ) {
        self.begin_anew(now, key, invite.offer.is_some());
        let mut headers = self.session_request(key);
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some((call_id, tag)) = call.index.rsplit_once('\n') else { return };
        call.cseq += 1;
        let outgoing = first_request(&invite, call_id, tag, call.cseq);
        let flow = call.flow;
        headers.extend(invite.headers.iter().cloned());
        let offer = invite.offer.as_ref();
        let id = self.start_with(now, key, flow, outgoing, Purpose::Invite, &headers, offer, retry);
        if let Some(call) = self.calls.get_mut(&key) {
            (call.invite_out, call.draft) = (Some(id), Some(invite));
        }
    }

    /// The INVITE of a call goes out, perhaps not for the first time: what came of an earlier one,
    /// early dialogs and their offers, is over with its refusal.
    pub(super) fn begin_anew(&mut self, now: Millis, key: CallKey, offers: bool) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.early.clear();
        call.offer = if offers { Offer::Ours } else { Offer::None };
        (call.agreed, call.described, call.update_out) = (false, None, None);
        let (change, asked) = (call.change.take(), std::mem::take(&mut call.asked));
        self.end_asked(now, asked);
        if change.is_some() {
            self.tell(key, super::change::gone());
        }
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
            if let Some(ack) = ack {
                self.resend(ack);
            }
            return;
        }
        if tx.acks.len() >= FORKS_MAX {
            self.stats.stray += 1;
            return;
        }
        let (call_key, base, first) = (tx.call, (tx.base_flow(), tx.pinned), tx.acks.is_empty());
        let initial = matches!(tx.purpose, Purpose::Invite);
        let (mut dialog, described) = (dialog_of(tx, response), tx.is_described());
        let call = self.calls.get_mut(&call_key);
        if let Some(call) = call.filter(|_| initial) {
            let at = call.early.iter().position(|early| early.dialog.remote_tag() == tag);
            if let Some(at) = at {
                dialog = dialog.continuing(&call.early.remove(at).dialog);
            }
        }
        // The ACK of an offer waits for its answer, which only a call that wants one will give.
        let wants = |call: &Call| {
            let alive = call.phase != Phase::Leaving && call.cancel == Cancel::No;
            alive && call.invite_out == Some(id) && !call.agreed
        };
        let late = !described
            && first
            && response.sdp().is_some()
            && self.calls.get(&call_key).is_some_and(wants);
        let ack = (!late).then(|| self.send_ack(id, base, &dialog, None));
        if let Some(tx) = self.clients.entry(id) {
            tx.acks.push((tag.to_owned(), ack));
        }
        if late {
            self.hold_ack(now, call_key, id, base, dialog.clone());
        }
        if !initial {
            self.reinvite_accepted(now, call_key, id, response, late);
        } else if first && self.calls.contains_key(&call_key) {
            self.call_accepted(now, call_key, dialog, response);
        } else {
            self.hang_up_fork(now, call_key, base, dialog);
        }
    }

    pub(super) fn send_ack(
        &mut self,
        id: TxId,
        (base, pinned): (Flow, bool),
        dialog: &DialogState,
        answer: Option<&Bytes>,
    ) -> Outbound {
        let cseq = self.clients.entry(id).map_or(1, |tx| tx.sent.cseq);
        let outgoing = dialog.ack(cseq);
        let flow = flow_to(base, pinned, &outgoing.next_hop, None);
        let branch = self.ids.branch();
        let (_, bytes) = self.finish_request(&outgoing, flow, &branch, &[], answer);
        let ack = Outbound { flow, bytes: bytes.clone(), origin: Origin::Nobody, dial: true };
        self.send(flow, bytes, Origin::Nobody, true);
        ack
    }

    fn call_accepted(
        &mut self,
        now: Millis,
        key: CallKey,
        dialog: DialogState,
        response: &Response,
    ) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.dialog = Some(dialog);
        call.peer = Peer::of(&response.headers);
        let draft = call.draft.take();
        if let Some(offer) = draft.and_then(|draft| draft.offer) {
            call.described = Some(offer);
        }
        // Whatever an early offer has come to; one that is open in an UPDATE or the 2xx stays.
        if call.update_out.is_none() && call.asked.is_empty() && call.late.is_none() {
            call.offer = Offer::None;
        }
        (call.phase, call.invite_out) = (Phase::Talking, None);
        let unwanted = std::mem::replace(&mut call.cancel, Cancel::No) != Cancel::No;
        self.look_up_next_hop(key);
        if unwanted {
            return self.start_bye(now, key, None);
        }
        self.session_granted(now, key, response);
        self.confirmed(key);
        self.tell(key, DialogEvent::Answered { body: response.sdp() });
    }

    fn reinvite_accepted(
        &mut self,
        now: Millis,
        key: CallKey,
        id: TxId,
        response: &Response,
        late: bool,
    ) {
        let Some(call) = self.calls.get_mut(&key).filter(|call| call.invite_out == Some(id)) else {
            return;
        };
        call.invite_out = None;
        self.changed(now, key, response, late);
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
        _ => DialogState::uac(&tx.sent.headers, &tx.sent.uri, tx.sent.cseq, response),
    }
}

fn first_request(invite: &OutgoingInvite, call_id: &str, tag: &str, cseq: u32) -> Outgoing {
    let mut from = invite.from.clone();
    from.params.put("tag", tag.to_owned());
    let mut headers = Headers::default();
    headers.push(HeaderName::MaxForwards, "70");
    for route in &invite.route {
        headers.push(HeaderName::Route, route.to_string());
    }
    headers.push(HeaderName::From, from.to_string());
    headers.push(HeaderName::To, format!("<{}>", invite.target));
    headers.push(HeaderName::CallId, call_id);
    headers.push(HeaderName::CSeq, format!("{cseq} INVITE"));
    Outgoing {
        method: Method::Invite,
        uri: invite.target.clone(),
        headers,
        cseq,
        next_hop: next_hop(&invite.route, &invite.target).clone(),
    }
}

fn branch_of(via: &str) -> Option<String> {
    crate::message::Via::parse(via)?.unique_branch().map(str::to_owned)
}
