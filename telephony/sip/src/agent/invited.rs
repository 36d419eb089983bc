//! Our side of the peer's INVITE: responses, ACK, CANCEL.

use super::Agent;
use super::call::{CallKey, Offer, Phase, Unacked};
use super::output::{Origin, Outbound, Output};
use super::table::{ServerMachine, TxId};
use crate::event::DialogEvent;
use crate::handle::Reply;
use crate::message::{HeaderName, Method, Request};
use crate::transaction::{AckFor, Answer, server_key};
use crate::transport::Flow;
use qingting_common::Millis;

impl Agent {
    /// The owner's response to the INVITE that made the call.
    pub(super) fn respond(&mut self, now: Millis, key: CallKey, reply: &Reply) {
        if !may_be_sent(reply.code) {
            return;
        }
        let Some(call) = self.calls.get(&key).filter(|call| call.phase == Phase::Incoming) else {
            return;
        };
        let (Some(id), given_up) = (call.invite_in, call.given_up && reply.code >= 200) else {
            return;
        };
        if self.takes_reliably(now, key, reply) {
            return;
        }
        // Who gave up by BYE has no dialog left that a 2xx could confirm, and after a CANCEL a
        // refusal spares both sides the BYE. The owner was told Cancel, which promises this 487.
        if given_up && reply.code != 487 {
            self.respond_invite(now, id, &Reply::new(487));
        } else if (200..300).contains(&reply.code) {
            let reply = self.with_session(now, key, self.timer_asked(id), reply.clone(), true);
            self.described(key, &reply);
            self.respond_invite(now, id, &reply);
        } else {
            self.respond_invite(now, id, reply);
        }
        match reply.code {
            ..200 => {}
            200..300 if !given_up => {
                if let Some(call) = self.calls.get_mut(&key) {
                    (call.phase, call.invite_in) = (Phase::Talking, None);
                }
                self.confirmed(key);
            }
            _ => {
                if let Some(call) = self.calls.get_mut(&key) {
                    call.invite_in = None;
                }
                self.end_call(now, key);
            }
        }
    }

    /// The owner's response to a re-INVITE.
    pub(super) fn respond_reinvite(&mut self, now: Millis, key: CallKey, reply: &Reply) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        if call.phase != Phase::Talking || !may_be_sent(reply.code) {
            return;
        }
        let Some(id) = call.invite_in else { return };
        if reply.code < 200 && self.servers.peek(id).is_some_and(|tx| tx.reliable_only) {
            // It would have to be reliable, and says nothing that must be said.
            return;
        }
        let Some(call) = self.calls.get_mut(&key) else { return };
        if reply.code >= 200 {
            call.invite_in = None;
        }
        if reply.code >= 300 {
            call.offer = Offer::None;
        }
        if (200..300).contains(&reply.code) {
            let contact = self.servers.entry(id).and_then(|tx| tx.contact.take());
            if let Some(dialog) = &mut call.dialog {
                dialog.refresh_target(contact);
            }
            self.look_up_next_hop(key);
            let reply = self.with_session(now, key, self.timer_asked(id), reply.clone(), true);
            self.described(key, &reply);
            return self.respond_invite(now, id, &reply);
        }
        self.respond_invite(now, id, reply);
    }

    /// A 2xx to an INVITE answers the peer's offer or makes ours, unless that was done before.
    fn described(&mut self, key: CallKey, reply: &Reply) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.offer = match (call.offer, &reply.body) {
            (Offer::None, Some(_)) if !call.agreed => Offer::Ours,
            (Offer::Ours, _) => Offer::Ours,
            _ => Offer::None,
        };
        if reply.body.is_some() {
            call.described.clone_from(&reply.body);
        }
    }

    /// Tells the handle what its dialog is called.
    pub(super) fn confirmed(&mut self, key: CallKey) {
        if let Some(replaces) = self.replaces_value(key) {
            self.outputs.push_back(Output::Confirmed { call: key, replaces });
        }
    }

    /// Sends a response by an INVITE's transaction; a 2xx is repeated until its ACK.
    pub(super) fn respond_invite(&mut self, now: Millis, id: TxId, reply: &Reply) {
        let Some(tx) = self.servers.peek(id) else { return };
        let bytes = self.invite_response(tx, reply);
        let Some(tx) = self.servers.entry(id) else { return };
        let ServerMachine::Invite(machine) = &mut tx.machine else { return };
        if !machine.respond(now, reply.code, &bytes) {
            return;
        }
        let (flow, cseq, initial, call_key) = (tx.flow, tx.cseq, tx.initial, tx.call);
        self.servers.repeats(id, bytes.len());
        let origin = if initial { Origin::Server(id.0) } else { Origin::Nobody };
        self.arm_server(id);
        self.send(flow, bytes.clone(), origin, false);
        let Some(call_key) = call_key.filter(|_| (200..300).contains(&reply.code)) else { return };
        let Some(call) = self.calls.get_mut(&call_key) else { return };
        let outbound = Outbound { flow, bytes, origin, dial: false };
        call.unacked.push(Unacked { cseq, initial, answer: Answer::new(now), outbound });
        self.unacked += usize::from(initial);
        self.arm_call(call_key);
    }

    /// An ACK: for a refusal by its branch, for a 2xx by its dialog and number. Never answered.
    pub(super) fn ack(&mut self, now: Millis, request: &Request) {
        if let Some(id) = self.servers.find(&server_key(request, &Method::Invite)) {
            let Some(tx) = self.servers.entry(id) else { return };
            let ServerMachine::Invite(machine) = &mut tx.machine else { return };
            if machine.ack(now) == AckFor::Transaction {
                return self.arm_server(id);
            }
        }
        let Some(key) = self.dialog_of(request) else {
            self.stats.stray += 1;
            return;
        };
        self.acknowledged(now, key, request);
    }

    fn acknowledged(&mut self, now: Millis, key: CallKey, request: &Request) {
        self.proved(key);
        let Some(call) = self.calls.get_mut(&key) else { return };
        let number = request.cseq.number;
        let Some(at) = call.unacked.iter().position(|unacked| unacked.cseq == number) else {
            // The ACK of a 2xx that was repeated.
            self.stats.retransmissions_in += 1;
            return;
        };
        let unacked = call.unacked.remove(at);
        self.unacked -= usize::from(unacked.initial);
        if call.offer == Offer::Ours && call.update_out.is_none() {
            call.offer = Offer::None;
        }
        let bye = if unacked.initial { call.bye_wanted.take() } else { None };
        self.tell(key, DialogEvent::Ack { body: request.sdp() });
        if let Some(reason) = bye {
            self.start_bye(now, key, reason);
        }
    }

    /// A CANCEL (RFC 3261 §9.2): answered itself; the INVITE is left to the call's owner, or
    /// ended here when it is a re-INVITE. After our final response it has no effect.
    pub(super) fn cancelled(&mut self, now: Millis, flow: Flow, key: String, request: &Request) {
        let Some(id) = self.servers.find(&server_key(request, &Method::Invite)) else {
            return self.refuse(flow, request, 481, Vec::new());
        };
        let Some(tx) = self.servers.entry(id) else { return };
        let tag = tx.echo.first(&HeaderName::To).and_then(tag_of).unwrap_or_default();
        let open = matches!(&tx.machine, ServerMachine::Invite(machine) if machine.is_open());
        let (call_key, initial) = (tx.call, tx.initial);
        self.answer(now, flow, key, request, 200, &tag);
        let Some(call_key) = call_key.filter(|_| open) else { return };
        let Some(call) = self.calls.get_mut(&call_key) else { return };
        if !initial {
            (call.invite_in, call.offer) = (None, Offer::None);
            return self.respond_invite(now, id, &Reply::new(487));
        }
        if !call.given_up {
            call.given_up = true;
            self.tell(call_key, DialogEvent::Cancel);
            self.release_held(now, call_key);
        }
    }

    /// A response to the INVITE of a call could not be sent: nobody will ever hear of the call.
    pub(super) fn answer_lost(&mut self, now: Millis, id: TxId) {
        let Some(call_key) = self.servers.entry(id).and_then(|tx| tx.call) else { return };
        let waits = self
            .calls
            .get(&call_key)
            .is_some_and(|call| call.phase == Phase::Incoming || call.awaits_first_ack());
        if waits {
            self.forget_server(id);
            self.tell(call_key, DialogEvent::TransportLost);
            self.end_call(now, call_key);
        }
    }
}

/// 100 was sent already, and what is no status code would leave the INVITE open.
fn may_be_sent(code: u16) -> bool {
    (101..700).contains(&code)
}

fn tag_of(to: &str) -> Option<String> {
    crate::message::NameAddr::parse(to)?.tag().map(str::to_owned)
}
