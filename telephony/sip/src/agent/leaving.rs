//! The end of a call.

use super::Agent;
use super::call::{CallKey, Phase};
use super::output::Output;
use super::table::{ClientMachine, Purpose, TxId};
use crate::event::DialogEvent;
use crate::handle::Reply;
use crate::message::{HeaderName, Method};
use crate::request::RequestError;
use qingting_common::Millis;

impl Agent {
    /// Ends a call in the way that its state asks for.
    pub(super) fn hang_up(&mut self, now: Millis, key: CallKey, reason: Option<String>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        match call.phase {
            Phase::Incoming => {
                let code = if call.given_up { 487 } else { 480 };
                self.respond(now, key, &Reply::new(code));
            }
            Phase::Calling => self.cancel(now, key),
            Phase::Talking if call.awaits_first_ack() => call.bye_wanted = Some(reason),
            Phase::Talking => self.start_bye(now, key, reason),
            Phase::Leaving => {}
        }
    }

    /// Sends BYE. A re-INVITE of the peer that is open gets its 487 (RFC 3261 §15.1.2); its
    /// 2xx without ACK are not repeated any more.
    pub(super) fn start_bye(&mut self, now: Millis, key: CallKey, reason: Option<String>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(dialog) = &mut call.dialog else { return };
        let outgoing = dialog.request(Method::Bye);
        let flow = call.flow_to(&outgoing.next_hop);
        call.phase = Phase::Leaving;
        let open = call.invite_in.take();
        // Only those to re-INVITEs are left: the first ACK, or its time, was waited for.
        call.unacked.clear();
        (call.session, call.change, call.next_change) = (None, None, None);
        let asked = std::mem::take(&mut call.asked);
        if let Some(id) = open {
            self.respond_invite(now, id, &Reply::new(487));
        }
        self.end_asked(now, asked);
        self.release_ack(key, None);
        let reason: Vec<_> =
            reason.map(|reason| (HeaderName::Reason, reason)).into_iter().collect();
        self.start(now, key, flow, outgoing, Purpose::Bye, &reason, None);
    }

    /// Our BYE is answered, or never will be.
    pub(super) fn bye_done(&mut self, now: Millis, key: CallKey) {
        if self.calls.contains_key(&key) {
            self.tell(key, DialogEvent::ByeDone);
            self.end_call(now, key);
        }
    }

    /// A request could not be sent at all.
    pub(super) fn request_lost(&mut self, now: Millis, id: TxId) {
        let again = self.fall_back(now, id) || self.fail_over(now, id);
        let Some(tx) = self.clients.remove(id).filter(|_| !again) else { return };
        match tx.purpose {
            Purpose::Quiet => {}
            Purpose::Outside(number) => self.responded(number, Err(RequestError::TransportLost)),
            Purpose::Update => {
                self.update_done(now, tx.call, id, None, super::firing::no_answer());
            }
            Purpose::Refer => self.refer_done(tx.call, id, None),
            Purpose::Notify => self.notice_done(now, tx.call, id, 408),
            Purpose::Invite | Purpose::Reinvite(_) | Purpose::Bye => {
                if self.calls.contains_key(&tx.call) {
                    self.tell(tx.call, DialogEvent::TransportLost);
                    self.end_call(now, tx.call);
                }
            }
        }
    }

    /// Forgets a call and closes its channel. INVITE transactions that only its owner could have
    /// ended are ended here, lest they stay for ever.
    pub(super) fn end_call(&mut self, now: Millis, key: CallKey) {
        let Some(mut call) = self.calls.remove(&key) else { return };
        self.dialogs.remove(&call.index);
        self.unacked -= usize::from(call.awaits_first_ack());
        self.incoming -= usize::from(call.is_incoming);
        self.strangers.running -= usize::from(call.is_strangers);
        self.strangers.unproved -= usize::from(call.is_unproved);
        if let Some(id) = call.invite_in {
            self.respond_invite(now, id, &Reply::new(487));
        }
        if let Some(id) = call.invite_out {
            self.abandon_invite(id);
        }
        self.end_asked(now, std::mem::take(&mut call.asked));
        if let Some(late) = call.late.take() {
            self.send_late(*late, None);
        }
        self.ended.note(now, call);
        self.outputs.push_back(Output::Over { call: key });
    }

    fn abandon_invite(&mut self, id: TxId) {
        let open = self.clients.entry(id).is_some_and(
            |tx| matches!(&tx.machine, ClientMachine::Invite(machine) if machine.is_open()),
        );
        if open {
            self.clients.remove(id);
        }
    }
}
