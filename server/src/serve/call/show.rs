//! What people see of a running call: who is in it and what happens.

use super::driver::Driver;
use super::legs::LegIo;
use super::records::leg_role;
use qingting_api::{CallNow, CallPhase, Event, LegNow, LegState};
use qingting_common::Pii;
use qingting_core::call::{LegId, News, QueueRequest, Role};
use std::time::Duration;

/// What the outputs have told so far.
#[derive(Default)]
pub(super) struct Shown {
    queue: Option<String>,
    position: Option<u32>,
    expected_wait: Option<Duration>,
    is_held: bool,
    is_consulting: bool,
    is_transferring: bool,
    pub(super) is_paused: bool,
    /// Bits of the legs that nobody hears.
    pub(super) muted: u8,
    last: Option<CallNow>,
}

impl Shown {
    pub(super) fn queued(&mut self, queue: &str) {
        (self.queue, self.position) = (Some(queue.to_owned()), None);
    }

    pub(super) const fn is_queued(&self) -> bool {
        self.queue.is_some()
    }

    pub(super) fn position(&mut self, position: u32, wait: Option<Duration>) {
        (self.position, self.expected_wait) = (Some(position), wait);
    }

    pub(super) fn request(&mut self, request: &QueueRequest) {
        if !matches!(request, QueueRequest::Enqueue { .. } | QueueRequest::OfferFailed { .. }) {
            self.left_queue();
        }
    }

    pub(super) fn left_queue(&mut self) {
        (self.queue, self.position, self.expected_wait) = (None, None, None);
    }

    pub(super) fn news(&mut self, news: &News) {
        match news {
            News::Held { on } => self.is_held = *on,
            News::Consulting { .. } => self.is_consulting = true,
            News::Joined { .. } | News::NobodyCame | News::Requeued => {
                (self.is_consulting, self.is_transferring) = (false, false);
            }
            News::Left { .. } => self.is_consulting = false,
            News::Dialling { .. } | News::Ringing { .. } | News::Failed { .. } => {}
        }
    }

    pub(super) fn transferred(&mut self, is_done: bool) {
        self.is_transferring = !is_done;
        self.is_consulting = false;
    }
}

impl Driver {
    /// Tells everybody who watches what has changed since the last time.
    pub(super) fn show(&mut self) {
        let now = self.call_now();
        let last = self.shown.last.as_ref();
        if last == Some(&now) {
            return;
        }
        let events = &self.hotline.events;
        let before = |leg: u8| last.and_then(|last| last.legs.iter().find(|of| of.leg == leg));
        for leg in now.legs.iter().filter(|leg| before(leg.leg) != Some(*leg)) {
            events.publish(leg_event(self.id, leg, leg.state, None));
        }
        for gone in last.iter().flat_map(|last| &last.legs) {
            if !now.legs.iter().any(|leg| leg.leg == gone.leg) {
                events.publish(leg_event(self.id, gone, LegState::Ended, None));
            }
        }
        let is_same = |last: &CallNow| {
            (last.phase, &last.queue, last.position, last.recording_paused)
                == (now.phase, &now.queue, now.position, now.recording_paused)
        };
        if !last.is_some_and(is_same) {
            events.publish(Event::CallState {
                call: self.id,
                phase: now.phase,
                queue: now.queue.clone(),
                position: now.position,
                expected_wait_ms: self.shown.expected_wait.map(|wait| wait.as_millis() as u64),
                recording_paused: now.recording_paused,
            });
        }
        self.hotline.switchboard.calls.show(self.id, now.clone());
        self.shown.last = Some(now);
    }

    fn call_now(&self) -> CallNow {
        let legs = self.legs.iter().map(|(leg, io)| LegNow {
            leg: leg.0,
            role: leg_role(io.role),
            target: self.number_of(leg, io),
            state: self.state(io),
            muted: self.shown.muted & leg.bit() != 0,
        });
        CallNow {
            call: self.id,
            phase: self.phase(),
            queue: self.shown.queue.clone(),
            position: self.shown.position,
            recording_paused: self.shown.is_paused,
            legs: legs.collect(),
        }
    }

    /// What stands for a party in the books and on the screen.
    pub(super) fn number_of(&self, leg: LegId, io: &LegIo) -> Pii<String> {
        match (&io.seat, &io.target) {
            (Some(seat), _) => Pii::new(seat.as_str().to_owned()),
            (None, Some(target)) => Pii::new(self.hotline.switchboard.number_of(target)),
            (None, None) if leg == LegId(0) => self.beginning.citizen.clone(),
            (None, None) => Pii::new(String::new()),
        }
    }

    fn state(&self, io: &LegIo) -> LegState {
        let waits = self.shown.is_held || self.shown.is_consulting;
        match () {
            () if io.end.is_some() => LegState::Ended,
            () if io.is_answered && io.role == Role::Citizen && waits => LegState::Held,
            () if io.is_answered => LegState::Answered,
            () if io.is_heard_of => LegState::Ringing,
            () => LegState::Dialling,
        }
    }

    fn phase(&self) -> CallPhase {
        let talks = |io: &&LegIo| io.is_answered && io.role != Role::Supervisor;
        let people = self.legs.iter().map(|(_, io)| io).filter(talks).count();
        let shown = &self.shown;
        match people {
            _ if self.end.is_some() => CallPhase::Ending,
            _ if shown.is_consulting => CallPhase::Consulting,
            _ if shown.is_transferring => CallPhase::Transferring,
            _ if shown.is_held => CallPhase::Held,
            _ if self.offer.is_some() => CallPhase::Offered,
            _ if shown.queue.is_some() => CallPhase::Queued,
            0 | 1 => CallPhase::Menu,
            2 => CallPhase::Talking,
            _ => CallPhase::ThreeParty,
        }
    }
}

fn leg_event(
    call: qingting_common::CallId,
    leg: &LegNow,
    state: LegState,
    cause: Option<String>,
) -> Event {
    Event::CallLeg {
        call,
        leg: leg.leg,
        role: leg.role,
        target: leg.target.clone(),
        state,
        muted: leg.muted,
        cause,
    }
}
