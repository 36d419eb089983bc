//! A citizen who waits in a queue.

use super::machine::Stage;
use super::party::{Duty, Place};
use super::{
    Call, Cause, LegId, MissedWhy, OfferFailure, Output, Prompt, QueueEvent, QueueId, QueueRequest,
    Record, Role, SeatId, Target,
};
use crate::leg::End;
use qingting_common::Millis;

/// What the call knows of its queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Queueing {
    /// The queue that the citizen is or was in.
    pub(super) queue: Option<QueueId>,
    since: Millis,
    until: Option<Millis>,
    /// The queue has been told, and not told otherwise.
    is_in: bool,
    /// The seat that is being rung.
    offer: Option<(SeatId, LegId)>,
    /// The citizen is to be asked whether it wants to be called back, after this prompt.
    ask: bool,
    /// Until then key 1 asks for a call back; while the question is heard, too.
    key_until: Option<Millis>,
}

impl Queueing {
    pub(super) fn next_deadline(&self) -> Option<Millis> {
        self.key_until.into_iter().chain(self.until).min()
    }
}

impl Call {
    pub(super) fn enqueue(&mut self, now: Millis, queue: QueueId, front: bool) {
        self.wants_person |= !front;
        self.queueing = Queueing {
            queue: Some(queue),
            since: now,
            until: Some(now + self.config.queue_max),
            is_in: true,
            ..Queueing::default()
        };
        self.stage = Stage::Queued;
        self.emit(Output::Persist(Record::Queued { queue }));
        self.emit(Output::Queue(QueueRequest::Enqueue { queue, front }));
    }

    pub(super) fn queue_event(&mut self, now: Millis, event: QueueEvent) {
        let waiting = self.stage == Stage::Queued;
        match event {
            QueueEvent::Offer { seat } if !waiting || self.queueing.offer.is_some() => {
                self.turn_down(seat, OfferFailure::NotWaiting);
            }
            QueueEvent::Offer { seat } => self.ring_seat(now, seat),
            QueueEvent::Withdrawn { seat } => {
                self.withdrawn(seat);
                self.withdrawn_late(now, seat);
            }
            QueueEvent::Position { position, wait } if waiting => {
                if let Some(citizen) = self.customer
                    && !self.is_told(citizen)
                    && self.queueing.key_until.is_none()
                {
                    self.say(now, citizen, Prompt::Position { position, wait });
                }
            }
            QueueEvent::Overflow(treatment) if waiting => {
                self.queueing.is_in = false;
                if let Some((seat, _)) = self.queueing.offer {
                    self.withdrawn(seat);
                    self.turn_down(seat, OfferFailure::NotWaiting);
                }
                if let Some(citizen) = self.customer {
                    self.hush(citizen);
                }
                self.treat(now, treatment);
            }
            QueueEvent::OfferCallback if waiting => match self.customer {
                Some(citizen) if !self.is_told(citizen) => {
                    self.say(now, citizen, Prompt::OfferCallback);
                }
                _ => self.queueing.ask = true,
            },
            // It waits no more; the queue hears or has heard of that.
            QueueEvent::Position { .. } | QueueEvent::Overflow(_) | QueueEvent::OfferCallback => {}
        }
    }

    fn ring_seat(&mut self, now: Millis, seat: SeatId) {
        let (target, ring) = (Target::Seat(seat), self.config.ring_seat);
        match self.dial(now, Role::Seat, target, ring, Duty::Offer) {
            Some(leg) => self.queueing.offer = Some((seat, leg)),
            None => self.turn_down(seat, OfferFailure::NoMedia),
        }
    }

    fn turn_down(&mut self, seat: SeatId, why: OfferFailure) {
        self.emit(Output::Queue(QueueRequest::OfferFailed { seat, why }));
    }

    fn withdrawn(&mut self, seat: SeatId) {
        if let Some((_, leg)) = self.queueing.offer.take_if(|(offered, _)| *offered == seat) {
            self.dismiss(leg, Cause::Withdrawn);
        }
    }

    /// The answer of the seat crossed the queue's withdrawal: the queue has the caller still, and
    /// the seat is not to have it. When the two are past that, the queue is told to forget it.
    fn withdrawn_late(&mut self, now: Millis, seat: SeatId) {
        let has_it = |leg: &LegId| {
            self.party(*leg)
                .is_some_and(|party| party.accepted == Some(seat) && !party.is_leaving())
        };
        let Some(leg) = self.leg_ids().into_iter().find(has_it) else { return };
        if let Some(party) = self.party_mut(leg) {
            party.accepted = None;
        }
        if !self.is_pair(leg) {
            return self.emit(Output::Queue(QueueRequest::Abandon));
        }
        self.dismiss(leg, Cause::Withdrawn);
        (self.hold, self.wants_person) = (false, true);
        self.queueing.is_in = true;
        self.queueing.until = Some(now + self.config.queue_max);
        self.stage = Stage::Queued;
    }

    /// The seat that was offered has answered: the two talk.
    pub(super) fn seat_answered(&mut self, now: Millis, leg: LegId) {
        let Some((seat, _)) = self.queueing.offer.take_if(|(_, offered)| *offered == leg) else {
            return self.dismiss(leg, Cause::Withdrawn);
        };
        let wait = now - self.queueing.since;
        self.queueing = Queueing { queue: self.queueing.queue, since: now, ..Queueing::default() };
        self.emit(Output::Persist(Record::SeatAnswered { seat, leg, wait }));
        self.emit(Output::Queue(QueueRequest::Accepted { seat }));
        if let Some(party) = self.party_mut(leg) {
            (party.accepted, party.place) = (Some(seat), Place::Talk);
        }
        if let Some(citizen) = self.customer {
            self.hush(citizen);
        }
        self.wants_person = false;
        self.stage = Stage::Talking;
    }

    /// The seat that was offered does not come; the citizen waits on.
    pub(super) fn offer_failed(&mut self, leg: LegId, end: End) {
        let Some((seat, _)) = self.queueing.offer.take_if(|(_, offered)| *offered == leg) else {
            return;
        };
        let why = match end {
            End::Failed(486 | 600 | 603) => OfferFailure::Busy,
            End::Failed(408 | 480 | 487) => OfferFailure::NoAnswer,
            End::NoMedia => OfferFailure::NoMedia,
            _ => OfferFailure::Unreachable,
        };
        self.turn_down(seat, why);
    }

    /// Tells the queue that the citizen waits no more. A seat that rings is let go with everybody.
    pub(super) fn leave_queue(&mut self, request: QueueRequest) {
        self.queueing.offer = None;
        if std::mem::replace(&mut self.queueing.is_in, false) {
            self.emit(Output::Queue(request));
        }
    }

    pub(super) fn queue_spoken(&mut self, now: Millis, prompt: Prompt) {
        if prompt == Prompt::OfferCallback {
            self.queueing.key_until = Some(now + self.config.callback_wait);
        } else if std::mem::replace(&mut self.queueing.ask, false)
            && let Some(citizen) = self.customer
        {
            self.say(now, citizen, Prompt::OfferCallback);
        }
    }

    pub(super) fn queue_key(&mut self, now: Millis, digit: char) {
        let saying = self.customer.and_then(|leg| self.party(leg)).and_then(|party| party.saying);
        let asked = saying.is_some_and(|saying| saying.prompt == Prompt::OfferCallback);
        if digit == '1' && (asked || self.queueing.key_until.is_some()) {
            self.leave_queue(QueueRequest::CallbackWanted);
            self.missed(MissedWhy::CallbackWanted);
            self.goodbye(now, Cause::CallbackWanted, Prompt::CallbackPromised);
        }
    }

    pub(super) fn queue_due(&mut self, now: Millis) {
        self.queueing.key_until.take_if(|until| now >= *until);
        if self.queueing.until.take_if(|until| now >= *until).is_some() {
            self.leave_queue(QueueRequest::Abandon);
            self.missed(MissedWhy::NobodyAnswered);
            self.goodbye(now, Cause::NoAnswer, Prompt::NobodyThere);
        }
    }
}
