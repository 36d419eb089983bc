//! Early dialogs of our INVITE, and the PRACKs in them (RFC 3262, UAC).

use super::Agent;
use super::asked::OWNER_ANSWERS_MAX;
use super::call::{CallKey, Offer, Phase};
use super::table::{Purpose, TxId};
use crate::dialog::DialogState;
use crate::event::DialogEvent;
use crate::message::{HeaderName, Method, Response, rseq};
use bytes::Bytes;
use qingting_common::Millis;

/// Early dialogs of one INVITE, at most; what comes of further branches is told, but not
/// acknowledged.
const EARLY_MAX: usize = 8;

/// One branch of our INVITE that rings.
pub(super) struct Early {
    pub(super) dialog: DialogState,
    /// RSeq of the last reliable response.
    rseq: Option<u32>,
    /// A reliable response whose offer the owner is to answer: its RSeq, the INVITE's CSeq, and
    /// how long the PRACK waits.
    held: Option<(u32, u32, Millis)>,
}

impl Early {
    pub(super) fn deadline(&self) -> Option<Millis> {
        self.held.map(|(.., until)| until)
    }
}

/// What to do with a provisional response.
enum Reliably {
    /// It is not reliable.
    No,
    /// The next in order.
    Next,
    /// It came before, or one before it is missing (§4).
    Drop,
}

impl Agent {
    /// A provisional response to our INVITE.
    pub(super) fn progress(&mut self, now: Millis, id: TxId, response: &Response) {
        let Some(tx) = self.clients.entry(id) else { return };
        let (key, initial) = (tx.call, matches!(tx.purpose, Purpose::Invite));
        let alive = self.calls.get(&key).is_some_and(|call| call.phase == Phase::Calling);
        if !initial || !alive {
            return;
        }
        if response.code > 100 {
            match self.in_order(key, id, response) {
                Reliably::Drop => self.stats.retransmissions_in += 1,
                Reliably::No => self.tell_progress(key, response, false),
                Reliably::Next => {
                    self.tell_progress(key, response, true);
                    self.acknowledge_progress(now, key, response);
                }
            }
        }
        self.cancel_when_allowed(now, key);
    }

    fn tell_progress(&mut self, key: CallKey, response: &Response, reliable: bool) {
        let (code, body) = (response.code, response.sdp());
        let tag = response.to.tag().unwrap_or_default().to_owned();
        self.tell(key, DialogEvent::Progress { code, body, reliable, tag });
    }

    /// Notes the branch that a response belongs to and the number of a reliable one.
    fn in_order(&mut self, key: CallKey, id: TxId, response: &Response) -> Reliably {
        let (Some(call), Some(tx)) = (self.calls.get_mut(&key), self.clients.entry(id)) else {
            return Reliably::Drop;
        };
        let Some(tag) = response.to.tag() else { return Reliably::No };
        let at = call.early.iter().position(|early| early.dialog.remote_tag() == tag);
        let at = match at {
            Some(at) => at,
            None if call.early.len() >= EARLY_MAX => return Reliably::No,
            None => {
                let sent = &tx.sent;
                let dialog = DialogState::uac(&sent.headers, &sent.uri, sent.cseq, response);
                call.early.push(Early { dialog, rseq: None, held: None });
                call.early.len() - 1
            }
        };
        let mut required = response.headers.tags(&HeaderName::Require);
        let rseq = rseq(&response.headers)
            .filter(|_| required.any(|tag| tag.eq_ignore_ascii_case("100rel")));
        let early = &mut call.early[at];
        match (rseq, early.rseq) {
            (None, _) => Reliably::No,
            (Some(rseq), Some(last)) if Some(rseq) != last.checked_add(1) => Reliably::Drop,
            (Some(rseq), _) => {
                early.rseq = Some(rseq);
                // The last that speaks is the one that requests of ours go to.
                let early = call.early.remove(at);
                call.early.push(early);
                Reliably::Next
            }
        }
    }

    /// Sends the PRACK, or leaves it to the owner when the response brings an offer.
    fn acknowledge_progress(&mut self, now: Millis, key: CallKey, response: &Response) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.peer.update = super::reliable::Peer::of(&response.headers).update;
        let described = response.sdp().is_some();
        let late = described && call.offer == Offer::None && !call.agreed;
        if described && call.offer == Offer::Ours {
            (call.offer, call.agreed) = (Offer::None, true);
        }
        let Some(early) = call.early.last_mut() else { return };
        let numbers = (early.rseq.unwrap_or_default(), response.cseq.number);
        if late {
            early.held = Some((numbers.0, numbers.1, now + OWNER_ANSWERS_MAX));
            call.offer = Offer::Theirs;
            return self.arm_call(key);
        }
        self.send_prack(now, key, numbers, None);
    }

    /// In the early dialog that spoke last.
    fn send_prack(
        &mut self,
        now: Millis,
        key: CallKey,
        (rseq, cseq): (u32, u32),
        body: Option<&Bytes>,
    ) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(early) = call.early.last_mut() else { return };
        let outgoing = early.dialog.request(Method::Prack);
        let flow = call.flow_to(&outgoing.next_hop);
        let rack = [(HeaderName::RAck, format!("{rseq} {cseq} INVITE"))];
        self.start(now, key, flow, outgoing, Purpose::Quiet, &rack, body);
    }

    /// The owner's answer to the offer of a reliable response.
    pub(super) fn prack(&mut self, now: Millis, key: CallKey, answer: Option<Bytes>) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(at) = call.early.iter().position(|early| early.held.is_some()) else { return };
        let Some((rseq, cseq, _)) = call.early[at].held.take() else { return };
        let early = call.early.remove(at);
        call.early.push(early);
        (call.offer, call.agreed) = (Offer::None, answer.is_some());
        call.described.clone_from(&answer);
        self.send_prack(now, key, (rseq, cseq), answer.as_ref());
    }

    /// An owner who does not answer an offer has no use for the call.
    pub(super) fn fire_early(&mut self, now: Millis, key: CallKey) {
        let Some(call) = self.calls.get(&key) else { return };
        if call.early.iter().filter_map(Early::deadline).any(|until| now >= until) {
            self.prack(now, key, None);
            self.cancel(now, key);
        }
    }
}
