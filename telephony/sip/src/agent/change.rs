//! Our re-INVITEs and UPDATEs, sent again when they met one of the peer's (RFC 3261 §14.1,
//! RFC 3311, RFC 4028 §7.4).

use super::Agent;
use super::call::{CallKey, Offer, Phase};
use super::reliable::Peer;
use super::table::{Purpose, TxId};
use crate::event::DialogEvent;
use crate::message::{Method, Response, min_se_s, reason_phrase};
use bytes::Bytes;
use qingting_common::Millis;
use std::time::Duration;

/// How often a change is sent again after 491.
const GLARE_TRIES_MAX: u8 = 3;

/// How often a change is sent again after 422.
const INTERVAL_TRIES_MAX: u8 = 2;

/// A change of the session that is open or waits for its next try.
pub(super) struct Change {
    update: bool,
    offer: Option<Bytes>,
    /// A refresh of the session timer, which the owner did not ask for.
    refresh: bool,
    glares: u8,
    intervals: u8,
    again_at: Option<Millis>,
}

impl Change {
    pub(super) const fn new(update: bool, offer: Option<Bytes>, refresh: bool) -> Self {
        Self { update, offer, refresh, glares: 0, intervals: 0, again_at: None }
    }

    /// A refresh of the session timer, which the owner knows nothing of.
    pub(super) const fn is_refresh(&self) -> bool {
        self.refresh
    }

    pub(super) const fn deadline(&self) -> Option<Millis> {
        self.again_at
    }
}

impl Agent {
    /// The owner's re-INVITE, unless one is open in either direction (RFC 3261 §14.1).
    pub(super) fn reinvite(&mut self, now: Millis, key: CallKey, offer: Option<Bytes>) {
        let Some(call) = self.calls.get_mut(&key).filter(|call| call.phase == Phase::Talking)
        else {
            return;
        };
        if call.refreshes() {
            call.next_change = Some(Change::new(false, offer, false));
            return;
        }
        if call.is_negotiating() {
            return self.tell(key, pending(false));
        }
        call.change = Some(Change::new(false, offer, false));
        self.send_change(now, key);
    }

    /// The owner's UPDATE, which early dialogs know too (RFC 3311 §5.1).
    pub(super) fn update(&mut self, now: Millis, key: CallKey, offer: Bytes) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        if call.phase == Phase::Leaving || call.speaking().is_none() {
            return;
        }
        if call.refreshes() {
            call.next_change = Some(Change::new(true, Some(offer), false));
            return;
        }
        let busy = call.offer != Offer::None || call.change.is_some() || call.update_out.is_some();
        if busy {
            return self.tell(key, pending(true));
        }
        call.change = Some(Change::new(true, Some(offer), false));
        self.send_change(now, key);
    }

    /// Sends the change that a call has.
    pub(super) fn send_change(&mut self, now: Millis, key: CallKey) {
        let extra = self.session_request(key);
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(change) = &mut call.change else { return };
        change.again_at = None;
        let (update, offer) = (change.update, change.offer.clone());
        let method = if update { Method::Update } else { Method::Invite };
        let Some(dialog) = call.speaking() else { return };
        let outgoing = dialog.request(method);
        let purpose =
            if update { Purpose::Update } else { Purpose::Reinvite(Box::new(dialog.clone())) };
        let flow = call.flow_to(&outgoing.next_hop);
        call.agreed &= update;
        if offer.is_some() {
            call.offer = Offer::Ours;
        }
        let id = self.start(now, key, flow, outgoing, purpose, &extra, offer.as_ref());
        let Some(call) = self.calls.get_mut(&key) else { return };
        *(if update { &mut call.update_out } else { &mut call.invite_out }) = Some(id);
    }

    /// A 2xx to our re-INVITE or UPDATE.
    pub(super) fn changed(&mut self, now: Millis, key: CallKey, response: &Response, late: bool) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let Some(change) = call.change.take() else { return };
        if change.offer.is_some() {
            (call.offer, call.described) = (Offer::None, change.offer);
        }
        if let Some(dialog) = call.speaking() {
            dialog.refresh_target(response.contact());
        }
        if !change.update {
            call.peer = Peer::of(&response.headers);
        }
        let alive = call.phase != Phase::Leaving;
        self.look_up_next_hop(key);
        if !alive {
            return;
        }
        self.session_granted(now, key, response);
        let body = response.sdp();
        match (change.refresh, change.update) {
            (false, true) => self.tell(key, DialogEvent::Updated { body }),
            (false, false) => self.tell(key, DialogEvent::Answered { body }),
            (true, _) if body.is_some() && !late => {
                self.tell(key, DialogEvent::Refreshed { body });
            }
            (true, _) => {}
        }
        self.change_next(now, key);
    }

    /// Sends what the owner wanted while a refresh was open.
    fn change_next(&mut self, now: Millis, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        if call.change.is_none() && call.late.is_none() && call.next_change.is_some() {
            call.change = call.next_change.take();
            self.send_change(now, key);
        }
    }

    /// Whether a refused change goes on: after 491 later, after 422 with a longer interval, and a
    /// refresh by other means.
    pub(super) fn changes_again(&mut self, now: Millis, key: CallKey, response: &Response) -> bool {
        let wait = self.glare_wait(key);
        let Some(call) = self.calls.get_mut(&key) else { return false };
        if call.phase == Phase::Leaving {
            return false;
        }
        let Some(change) = &mut call.change else { return false };
        let update = change.update;
        match response.code {
            491 if change.glares < GLARE_TRIES_MAX => {
                change.glares += 1;
                change.again_at = Some(now + wait);
            }
            422 if change.intervals < INTERVAL_TRIES_MAX => {
                let Some(min_se_s) = min_se_s(&response.headers) else { return false };
                change.intervals += 1;
                call.min_se_s = call.min_se_s.max(min_se_s);
                change.again_at = Some(now);
            }
            405 | 501 if change.refresh && change.update && call.described.is_some() => {
                call.peer.update = false;
                (change.update, change.offer) = (false, call.described.clone());
                change.again_at = Some(now);
            }
            _ => return false,
        }
        if call.offer == Offer::Ours {
            call.offer = Offer::None;
        }
        *(if update { &mut call.update_out } else { &mut call.invite_out }) = None;
        self.fire_change(now, key);
        self.arm_call(key);
        true
    }

    /// A refused or unanswered change: who is told of it.
    pub(super) fn change_failed(
        &mut self,
        now: Millis,
        key: CallKey,
        event: DialogEvent,
        dialog_lost: bool,
    ) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let change = call.change.take();
        if call.offer == Offer::Ours {
            call.offer = Offer::None;
        }
        let event = match (event, change) {
            (_, Some(change)) if change.refresh && dialog_lost => DialogEvent::SessionExpired,
            (_, Some(change)) if change.refresh => {
                self.refresh_failed(now, key);
                return self.change_next(now, key);
            }
            (DialogEvent::Failed { code, reason, retry_after_s, .. }, Some(change))
                if change.update =>
            {
                DialogEvent::UpdateFailed { code, reason, retry_after_s }
            }
            (event, _) => event,
        };
        self.tell(key, event);
    }

    /// The final response to our UPDATE, or none.
    pub(super) fn update_done(
        &mut self,
        now: Millis,
        key: CallKey,
        id: TxId,
        response: Option<&Response>,
        event: DialogEvent,
    ) {
        let Some(call) = self.calls.get_mut(&key).filter(|call| call.update_out == Some(id)) else {
            return;
        };
        call.update_out = None;
        if call.phase == Phase::Leaving {
            return;
        }
        match response {
            Some(response) if response.code < 300 => self.changed(now, key, response, false),
            Some(response) if self.changes_again(now, key, response) => {}
            _ => {
                let lost = response.is_none_or(|response| matches!(response.code, 408 | 481));
                self.change_failed(now, key, event, lost);
                let talking = |call: &super::call::Call| call.phase == Phase::Talking;
                if lost && self.calls.get(&key).is_some_and(talking) {
                    self.hang_up(now, key, None);
                }
            }
        }
    }

    /// Sends a change whose wait is over, or waits once more while the peer's is open.
    pub(super) fn fire_change(&mut self, now: Millis, key: CallKey) {
        let change = self.calls.get(&key).and_then(|call| call.change.as_ref());
        if change.and_then(Change::deadline).is_none_or(|at| now < at) {
            return;
        }
        let wait = self.glare_wait(key);
        let Some(call) = self.calls.get_mut(&key) else { return };
        let busy = call.invite_in.is_some() && call.phase == Phase::Talking
            || call.offer != Offer::None
            || !call.unacked.is_empty();
        let Some(change) = &mut call.change else { return };
        if !busy {
            return self.send_change(now, key);
        }
        if change.glares < GLARE_TRIES_MAX {
            change.glares += 1;
            change.again_at = Some(now + wait);
        } else {
            let update = change.update;
            self.change_failed(now, key, pending(update), false);
        }
    }

    /// RFC 3261 §14.1: whoever made the Call-ID waits longer.
    fn glare_wait(&mut self, key: CallKey) -> Duration {
        let ours = self.calls.get(&key).is_some_and(|call| call.ours);
        let steps = if ours { (210, 400) } else { (0, 200) };
        Duration::from_millis(u64::from(self.ids.jitter_s(steps.0, steps.1)) * 10)
    }
}

/// Our UPDATE went with its early dialog (RFC 3261 §12.2.1.2).
pub(super) fn gone() -> DialogEvent {
    let (code, reason) = (481, reason_phrase(481).to_owned());
    DialogEvent::UpdateFailed { code, reason, retry_after_s: None }
}

fn pending(update: bool) -> DialogEvent {
    let (code, reason, retry_after_s) = (491, "Request Pending".to_owned(), None);
    if update {
        DialogEvent::UpdateFailed { code, reason, retry_after_s }
    } else {
        DialogEvent::Failed { code, reason, retry_after_s, warning: None, q850: None }
    }
}
