//! Requests within a dialog (RFC 3261 §12.2.2).

use super::Agent;
use super::call::{ANSWERS_UNACKED_MAX, CallKey, Offer, Phase};
use super::receive::dialog_index;
use super::reliable::Peer;
use crate::event::DialogEvent;
use crate::message::{HeaderName, Method, Request};
use crate::transport::Flow;
use qingting_common::Millis;

impl Agent {
    /// A request with a To tag.
    pub(super) fn within(&mut self, now: Millis, flow: Flow, key: String, request: &Request) {
        let Some(call_key) = self.dialog_of(request) else {
            return self.refuse(flow, request, 481, Vec::new());
        };
        self.proved(call_key);
        let in_order = self
            .calls
            .get_mut(&call_key)
            .and_then(|call| call.dialog_with(request.from.tag().unwrap_or_default()))
            .is_some_and(|dialog| dialog.accepts(request.cseq.number));
        if !in_order {
            return self.refuse(flow, request, 500, Vec::new());
        }
        let tag = request.to.tag().unwrap_or_default();
        let timed = matches!(request.method, Method::Invite | Method::Update);
        if timed && self.refuses_interval(flow, request) {
            return;
        }
        // Until the 2xx to an INVITE of ours the peer has no call to change or to end.
        let early = self.calls.get(&call_key).is_some_and(|call| call.phase == Phase::Calling);
        if early && matches!(request.method, Method::Invite | Method::Bye | Method::Refer) {
            return self.refuse(flow, request, 481, Vec::new());
        }
        // BYE and OPTIONS need no room.
        let needs_room = !matches!(request.method, Method::Bye | Method::Options);
        if needs_room && self.transactions_full() {
            return self.not_admitted(flow, request);
        }
        match request.method {
            Method::Update => self.updated(now, (flow, key), request, call_key),
            Method::Prack => self.pracked(now, (flow, key), request, call_key),
            Method::Refer => self.referred(now, (flow, key), request, call_key),
            Method::Notify => self.notified(now, (flow, key), request, call_key),
            Method::Info => self.informed(now, (flow, key), request, call_key),
            Method::Invite => self.reinvited(now, flow, key, request, call_key),
            Method::Bye => {
                self.answer(now, flow, key, request, 200, tag);
                self.left(now, call_key, request);
            }
            Method::Options => self.options(flow, request),
            _ => self.answer(now, flow, key, request, 200, tag),
        }
    }

    /// Somebody knows the tag of our answer: the caller's address is its own.
    pub(super) fn proved(&mut self, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        self.strangers.unproved -= usize::from(std::mem::take(&mut call.is_unproved));
    }

    /// The call whose dialog has the request's Call-ID and both tags.
    pub(super) fn dialog_of(&self, request: &Request) -> Option<CallKey> {
        let index = dialog_index(&request.call_id, request.to.tag()?);
        let key = *self.dialogs.get(&index)?;
        let call = self.calls.get(&key)?;
        call.knows(request.from.tag().unwrap_or("")).then_some(key)
    }

    /// An INVITE within the dialog. One at a time, in either direction (§14.2).
    fn reinvited(
        &mut self,
        now: Millis,
        flow: Flow,
        key: String,
        request: &Request,
        call_key: CallKey,
    ) {
        let Some(call) = self.calls.get(&call_key) else { return };
        if call.phase == Phase::Leaving {
            return self.refuse(flow, request, 481, Vec::new());
        }
        if call.invite_in.is_some() || call.unacked.len() >= ANSWERS_UNACKED_MAX {
            return self.refuse_for_now(flow, request);
        }
        if call.offer == Offer::Theirs && call.late.is_none() {
            return self.refuse_for_now(flow, request);
        }
        if call.invite_out.is_some() || call.update_out.is_some() || call.offer != Offer::None {
            return self.refuse(flow, request, 491, Vec::new());
        }
        let tag = request.to.tag().unwrap_or_default();
        let id = self.open_invite(now, flow, key, request, call_key, tag, None);
        if let Some(call) = self.calls.get_mut(&call_key) {
            call.invite_in = Some(id);
            call.flow = flow;
            call.peer.update = Peer::of(&request.headers).update || call.peer.update;
            call.offer = if request.sdp().is_some() { Offer::Theirs } else { Offer::None };
            call.agreed = false;
        }
        self.tell(call_key, DialogEvent::Reinvite { offer: request.sdp() });
    }

    /// The peer hung up. Before the final response the call waits for the owner's 487 (§15.1.2);
    /// when both hung up at once, our BYE's answer is waited for.
    fn left(&mut self, now: Millis, key: CallKey, request: &Request) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let reason = request.headers.first(&HeaderName::Reason).map(str::to_owned);
        match call.phase {
            Phase::Incoming if call.given_up => {}
            Phase::Incoming => {
                call.given_up = true;
                self.tell(key, DialogEvent::Bye { reason });
            }
            Phase::Calling | Phase::Leaving => {}
            Phase::Talking => {
                self.tell(key, DialogEvent::Bye { reason });
                self.end_call(now, key);
            }
        }
    }
}
