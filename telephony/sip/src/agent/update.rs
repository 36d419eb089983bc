//! UPDATEs of the peer (RFC 3311 §5.2).

use super::Agent;
use super::asked::AskedKind;
use super::call::{CallKey, Offer, Phase};
use crate::event::DialogEvent;
use crate::handle::Reply;
use crate::message::Request;
use crate::transport::Flow;
use qingting_common::Millis;

impl Agent {
    /// An UPDATE. Without an offer it refreshes target and timer, and the owner hears nothing.
    pub(super) fn updated(
        &mut self,
        now: Millis,
        way: (Flow, String),
        request: &Request,
        key: CallKey,
    ) {
        let Some(call) = self.calls.get_mut(&key).filter(|call| call.phase != Phase::Leaving)
        else {
            return self.refuse(way.0, request, 481, Vec::new());
        };
        match (request.sdp(), call.offer) {
            (None, _) => {
                if let Some(dialog) = call.dialog_with(request.from.tag().unwrap_or_default()) {
                    dialog.refresh_target(request.contact());
                }
                self.look_up_next_hop(key);
                let timer = super::session::TimerAsk::of(&request.headers);
                let reply = self.with_session(now, key, timer, Reply::new(200), false);
                self.answer_within(now, way, request, key, &reply);
            }
            (Some(_), Offer::Theirs) => self.refuse_for_now(way.0, request),
            (Some(_), Offer::Ours) => self.refuse(way.0, request, 491, Vec::new()),
            (Some(offer), Offer::None) => {
                call.offer = Offer::Theirs;
                self.ask(now, way, request, key, AskedKind::Update);
                self.tell(key, DialogEvent::Update { offer });
            }
        }
    }

    /// The owner's answer to an UPDATE.
    pub(super) fn respond_update(&mut self, now: Millis, key: CallKey, reply: &Reply) {
        if !(200..700).contains(&reply.code) {
            return;
        }
        let Some(id) = self.take_asked(key, AskedKind::Update) else { return };
        if reply.code >= 300 {
            return self.respond_asked(now, id, reply);
        }
        let Some(tx) = self.servers.entry(id) else { return };
        let (contact, timer) = (tx.contact.take(), tx.timer);
        if let Some(call) = self.calls.get_mut(&key) {
            call.described.clone_from(&reply.body);
            if let Some(dialog) = call.speaking() {
                dialog.refresh_target(contact);
            }
        }
        self.look_up_next_hop(key);
        let reply = self.with_session(now, key, timer, reply.clone(), false);
        self.respond_asked(now, id, &reply);
    }
}
