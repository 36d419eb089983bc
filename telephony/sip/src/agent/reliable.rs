//! Provisional responses of ours that the peer acknowledges (RFC 3262, UAS).

use super::Agent;
use super::asked::AskedKind;
use super::call::{CallKey, Offer, Phase};
use super::output::Outbound;
use super::table::TxId;
use super::{Origin, session::TimerAsk};
use crate::event::DialogEvent;
use crate::handle::Reply;
use crate::message::{HeaderName, Headers, Request, rack};
use crate::transaction::{Backoff, TIMEOUT};
use crate::transport::Flow;
use qingting_common::Millis;
use std::collections::VecDeque;

/// Provisional responses that wait for the PRACK of the one before, at most; further ones replace
/// the last.
const QUEUE_MAX: usize = 4;

/// What the peer of a call can do, as its last INVITE or 2xx said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Peer {
    /// 100rel.
    pub(super) reliable: bool,
    /// Every provisional response must be reliable.
    pub(super) reliable_only: bool,
    /// UPDATE.
    pub(super) update: bool,
}

impl Peer {
    pub(super) fn of(headers: &Headers) -> Self {
        let has = |name: HeaderName, tag: &str| {
            headers.tags(&name).any(|found| found.eq_ignore_ascii_case(tag))
        };
        let reliable_only = has(HeaderName::Require, "100rel");
        Self {
            reliable: reliable_only || has(HeaderName::Supported, "100rel"),
            reliable_only,
            update: has(HeaderName::Allow, "UPDATE"),
        }
    }
}

/// The reliable provisional responses of one INVITE.
#[derive(Default)]
pub(super) struct Reliable {
    /// RSeq of the last one; 0 before the first.
    rseq: u32,
    open: Option<Open>,
    queue: VecDeque<Reply>,
    /// A 2xx that must not overtake a session description (§3).
    held: Option<Reply>,
}

/// One without its PRACK.
struct Open {
    cseq: u32,
    outbound: Outbound,
    /// `None` after the final response, when a PRACK is still answered (§3).
    resend: Option<(Backoff, Millis)>,
    carries: Carries,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carries {
    Nothing,
    Offer,
    Answer,
}

impl Reliable {
    pub(super) fn deadline(&self) -> Option<Millis> {
        let (backoff, until) = self.open.as_ref()?.resend?;
        Some(backoff.at().min(until))
    }

    /// A final response is on its way.
    fn settle(&mut self) {
        self.queue.clear();
        if let Some(open) = &mut self.open {
            open.resend = None;
        }
    }

    /// Whether a 2xx has to wait.
    fn holds_2xx(&self) -> bool {
        self.open
            .as_ref()
            .is_some_and(|open| open.resend.is_some() && open.carries != Carries::Nothing)
    }
}

impl Agent {
    /// Takes over a response to the INVITE of a call that must go reliably or has to wait.
    pub(super) fn takes_reliably(&mut self, now: Millis, key: CallKey, reply: &Reply) -> bool {
        let Some(call) = self.calls.get_mut(&key).filter(|call| !call.given_up) else {
            return false;
        };
        let asked = call.asked.iter().any(|asked| asked.kind == AskedKind::Prack);
        match (reply.code, &mut call.reliable) {
            (..200, reliable) => {
                let wanted = reply.body.is_some() || call.peer.reliable_only;
                if !wanted || !call.peer.reliable {
                    return false;
                }
                let reliable = reliable.get_or_insert_default();
                if reliable.open.is_some() || asked {
                    reliable.queue.truncate(QUEUE_MAX - 1);
                    reliable.queue.push_back(reply.clone());
                } else {
                    self.send_reliably(now, key, reply);
                }
                true
            }
            (200..300, Some(reliable)) if reliable.holds_2xx() || asked => {
                reliable.held.get_or_insert_with(|| reply.clone());
                true
            }
            (_, Some(reliable)) => {
                reliable.settle();
                false
            }
            (_, None) => false,
        }
    }

    fn send_reliably(&mut self, now: Millis, key: CallKey, reply: &Reply) {
        let first = self.ids.rseq();
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(id) = call.invite_in else { return };
        let carries = match (&reply.body, call.offer) {
            (Some(_), Offer::Theirs) => Carries::Answer,
            (Some(_), Offer::None) if !call.agreed => Carries::Offer,
            _ => Carries::Nothing,
        };
        match carries {
            Carries::Nothing => {}
            Carries::Answer => (call.offer, call.agreed) = (Offer::None, true),
            Carries::Offer => call.offer = Offer::Ours,
        }
        if carries != Carries::Nothing {
            call.described.clone_from(&reply.body);
        }
        let Some(reliable) = &mut call.reliable else { return };
        reliable.rseq = if reliable.rseq == 0 { first } else { reliable.rseq + 1 };
        let mut reply = reply.clone();
        reply.headers.push((HeaderName::Require, "100rel".to_owned()));
        reply.headers.push((HeaderName::RSeq, reliable.rseq.to_string()));
        self.respond_invite(now, id, &reply);
        let Some((outbound, cseq)) = self.last_response(id) else { return };
        let resend = Some((Backoff::start(now, TIMEOUT), now + TIMEOUT));
        let open = Open { cseq, outbound, resend, carries };
        if let Some(reliable) = self.calls.get_mut(&key).and_then(|call| call.reliable.as_mut()) {
            reliable.open = Some(open);
        }
        self.arm_call(key);
    }

    fn last_response(&self, id: TxId) -> Option<(Outbound, u32)> {
        let tx = self.servers.peek(id)?;
        let bytes = tx.machine.retransmitted()?;
        Some((Outbound { flow: tx.flow, bytes, origin: Origin::Nobody, dial: false }, tx.cseq))
    }

    /// A PRACK: of the response that waits for one, or 481 (§3).
    pub(super) fn pracked(
        &mut self,
        now: Millis,
        way: (Flow, String),
        request: &Request,
        key: CallKey,
    ) {
        let Some(rack) = rack(&request.headers) else {
            return self.refuse(way.0, request, 400, Vec::new());
        };
        let Some(call) = self.calls.get_mut(&key) else { return };
        let open = call.reliable.as_mut().and_then(|reliable| {
            let rseq = reliable.rseq;
            reliable.open.take_if(|open| (rseq, open.cseq) == rack)
        });
        let Some(open) = open else {
            return self.refuse(way.0, request, 481, Vec::new());
        };
        let body = request.sdp();
        if open.carries == Carries::Offer {
            (call.offer, call.agreed) = (Offer::None, body.is_some());
            self.answer_within(now, way, request, key, &Reply::new(200));
            if let Some(body) = body {
                self.tell(key, DialogEvent::PrackAnswer { body });
            }
        } else if let Some(offer) = body {
            if call.offer != Offer::None {
                // Its first offer has no answer yet (RFC 3262 §5).
                self.answer_within(now, way, request, key, &Reply::new(488));
            } else {
                call.offer = Offer::Theirs;
                self.ask(now, way, request, key, AskedKind::Prack);
                self.tell(key, DialogEvent::Prack { offer });
            }
        } else {
            self.answer_within(now, way, request, key, &Reply::new(200));
        }
        self.after_prack(now, key);
    }

    /// The owner's answer to an offer that came in a PRACK.
    pub(super) fn respond_prack(&mut self, now: Millis, key: CallKey, reply: &Reply) {
        if !(200..700).contains(&reply.code) {
            return;
        }
        let Some(id) = self.take_asked(key, AskedKind::Prack) else { return };
        if let Some(call) = self.calls.get_mut(&key).filter(|_| reply.code < 300) {
            call.described.clone_from(&reply.body);
        }
        self.respond_asked(now, id, reply);
        self.after_prack(now, key);
    }

    /// Goes on with what waited for a PRACK.
    fn after_prack(&mut self, now: Millis, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let asked = call.asked.iter().any(|asked| asked.kind == AskedKind::Prack);
        let Some(reliable) = call.reliable.as_mut().filter(|_| !asked) else { return };
        if let Some(reply) = reliable.held.take() {
            return self.respond(now, key, &reply);
        }
        if call.phase != Phase::Incoming {
            return;
        }
        if let Some(reply) = reliable.queue.pop_front() {
            self.send_reliably(now, key, &reply);
        }
    }

    /// The caller gave up: a 2xx that waits goes now, and becomes the 487 that was promised.
    pub(super) fn release_held(&mut self, now: Millis, key: CallKey) {
        let reliable = self.calls.get_mut(&key).and_then(|call| call.reliable.as_mut());
        if let Some(reply) = reliable.and_then(|reliable| reliable.held.take()) {
            self.respond(now, key, &reply);
        }
    }

    /// Repeats until the PRACK; without one for 64 × T1 the INVITE is refused (§3).
    pub(super) fn fire_reliable(&mut self, now: Millis, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(reliable) = &mut call.reliable else { return };
        let Some(open) = &mut reliable.open else { return };
        let Some((backoff, until)) = &mut open.resend else { return };
        if now >= *until {
            reliable.held = None;
            reliable.settle();
            self.tell(key, DialogEvent::PrackTimeout);
            self.respond(now, key, &Reply::new(504));
        } else if backoff.is_due(now) {
            backoff.advance(now);
            let outbound = open.outbound.clone();
            self.resend(outbound);
        }
    }

    /// What the session timer of a server transaction was asked for.
    pub(super) fn timer_asked(&self, id: TxId) -> TimerAsk {
        self.servers.peek(id).map(|tx| tx.timer).unwrap_or_default()
    }
}
