//! What time alone does.

use super::Agent;
use super::call::{CallKey, Cancel, Offer, Phase};
use super::output::{Origin, Outbound};
use super::table::{Purpose, TxId};
use super::timers::Wake;
use crate::event::DialogEvent;
use crate::request::RequestError;
use crate::transaction::{AnswerFired, Fired};
use qingting_common::Millis;
use std::time::Duration;

/// Least time between two wakes of one call.
const TICK: Duration = Duration::from_millis(1);

impl Agent {
    /// Does everything that is due.
    pub fn fire(&mut self, now: Millis) {
        self.fire_registrar(now);
        while let Some((at, wake)) = self.timers.pop(now) {
            self.stats.wakes += 1;
            match wake {
                Wake::Server(id) => self.fire_server(now, at, id),
                Wake::Client(id) => self.fire_client(now, at, id),
                Wake::Call(key) => self.fire_call(now, at, key),
            }
        }
        self.sweep_timers();
    }

    /// Sweeps out entries of calls that are over, whose session timers would stay for an hour.
    fn sweep_timers(&mut self) {
        let owners = self.servers.len() + self.clients.len() + self.calls.len();
        if !self.timers.is_stale(owners) {
            return;
        }
        let Self { timers, servers, clients, calls, .. } = self;
        timers.sweep(|at, wake| {
            let scheduled = match wake {
                Wake::Server(id) => servers.peek(id).and_then(|tx| tx.scheduled),
                Wake::Client(id) => clients.peek(id).and_then(|tx| tx.scheduled),
                Wake::Call(key) => calls.get(&key).and_then(|call| call.scheduled),
            };
            scheduled == Some(at)
        });
    }

    fn fire_server(&mut self, now: Millis, at: Millis, id: TxId) {
        let Some(tx) = self.servers.entry(id).filter(|tx| tx.scheduled == Some(at)) else { return };
        tx.scheduled = None;
        let fired = tx.machine.fire(now);
        let flow = tx.flow;
        if let Fired::Resend(bytes) = fired {
            self.resend(Outbound { flow, bytes, origin: Origin::Nobody, dial: false });
        }
        self.arm_server(id);
    }

    fn fire_client(&mut self, now: Millis, at: Millis, id: TxId) {
        let Some(tx) = self.clients.entry(id).filter(|tx| tx.scheduled == Some(at)) else { return };
        tx.scheduled = None;
        let (fired, flow, origin) = (tx.machine.fire(now), tx.flow, Origin::Client(id.0));
        match fired {
            Fired::Nothing => {}
            Fired::Resend(bytes) => self.resend(Outbound { flow, bytes, origin, dial: true }),
            Fired::TimedOut => self.request_unanswered(now, id),
        }
        self.arm_client(id);
    }

    /// Timers B and F: as if 408 had come (RFC 3261 §8.1.3.1).
    fn request_unanswered(&mut self, now: Millis, id: TxId) {
        if self.fail_over(now, id) {
            return;
        }
        let Some(tx) = self.clients.entry(id) else { return };
        let key = tx.call;
        match tx.purpose {
            Purpose::Quiet => {}
            Purpose::Bye => self.bye_done(now, key),
            Purpose::Outside(number) => self.responded(number, Err(RequestError::Timeout)),
            Purpose::Update => self.update_done(now, key, id, None, no_answer()),
            Purpose::Refer => self.refer_done(key, id, None),
            Purpose::Notify => self.notice_done(now, key, id, 408),
            Purpose::Invite | Purpose::Reinvite(_) => {
                self.failed(now, key, id, no_answer(), true);
            }
        }
    }

    fn fire_call(&mut self, now: Millis, at: Millis, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key).filter(|call| call.scheduled == Some(at)) else {
            return;
        };
        call.scheduled = None;
        let (mut again, mut gave_up, mut first_gave_up) = (Vec::new(), 0, false);
        call.unacked.retain_mut(|unacked| match unacked.answer.fire(now) {
            AnswerFired::Nothing => true,
            AnswerFired::Resend => {
                again.push(unacked.outbound.clone());
                true
            }
            AnswerFired::GaveUp => {
                gave_up += 1;
                first_gave_up |= unacked.initial;
                false
            }
        });
        self.unacked -= usize::from(first_gave_up);
        // It is given up: whoever comes next is not to wait for its BYE, too.
        let is_free = first_gave_up && std::mem::take(&mut call.is_unproved);
        self.strangers.unproved -= usize::from(is_free);
        if gave_up > 0 && call.offer == Offer::Ours && call.update_out.is_none() {
            call.offer = Offer::None;
        }
        let bye = if first_gave_up { call.bye_wanted.take() } else { None };
        let cancel_over = matches!(call.cancel, Cancel::Sent { until } if now >= until)
            && call.phase == Phase::Calling;
        again.into_iter().for_each(|outbound| self.resend(outbound));
        (0..gave_up).for_each(|_| self.tell(key, DialogEvent::AckTimeout));
        if let Some(reason) = bye {
            self.start_bye(now, key, reason);
        }
        if cancel_over {
            self.tell(key, no_answer());
            return self.end_call(now, key);
        }
        self.fire_reliable(now, key);
        self.fire_early(now, key);
        self.fire_change(now, key);
        self.fire_asked(now, key);
        self.fire_late(now, key);
        self.fire_session(now, key);
        self.fire_referring(now, key);
        let Some(call) = self.calls.get_mut(&key) else { return };
        // Never at once again: what is due has been done, and if not, waiting helps.
        let deadline = call.deadline().map(|at| at.max(now + TICK));
        self.timers.arm(&mut call.scheduled, deadline, Wake::Call(key));
    }
}

pub(super) fn no_answer() -> DialogEvent {
    DialogEvent::Failed {
        code: 408,
        reason: "Request Timeout".to_owned(),
        retry_after_s: None,
        warning: None,
        q850: None,
    }
}
