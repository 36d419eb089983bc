//! Dialling one target after another on somebody's behalf.

use super::machine::Stage;
use super::party::{Duty, Place};
use super::{Call, Cause, LegId, News, Output, Record, Role, Target};
use crate::leg::End;
use qingting_common::Millis;
use std::collections::VecDeque;
use std::time::Duration;

/// The one search for somebody that a call runs at a time. Offers of the queue and supervisors come
/// beside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Errand {
    pub(super) purpose: Purpose,
    pub(super) role: Role,
    pub(super) targets: VecDeque<Target>,
    /// The leg that is being dialled.
    pub(super) leg: Option<LegId>,
    /// On whose behalf.
    pub(super) by: LegId,
    /// The leg whose REFER this is and which wants to hear of it.
    pub(super) refer: Option<LegId>,
    /// How the asker is rung again when nobody comes.
    pub(super) home: Option<Target>,
    /// Why the last target did not come.
    pub(super) last: End,
}

/// What somebody is sought for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// To answer the citizen.
    Treatment,
    /// A seat called from its telephone.
    SeatCalls,
    /// The seat of a click-to-dial.
    RingSeat,
    /// The citizen of a click-to-dial.
    RingCitizen,
    /// The citizen whom a machine calls.
    MachineCalls,
    /// To take the citizen over.
    Transfer,
    /// The seat whose transfer nobody took.
    Return,
    /// To talk to the seat alone.
    Consult,
    /// The same, asked on this second line of the seat's.
    SecondLine(LegId),
    /// To come into the talk; the asker leaves then, or stays.
    Join { then_leave: bool },
}

impl Errand {
    pub(super) fn new(purpose: Purpose, role: Role, targets: Vec<Target>, by: LegId) -> Self {
        Self {
            purpose,
            role,
            targets: targets.into(),
            leg: None,
            by,
            refer: None,
            home: None,
            last: End::Failed(404),
        }
    }
}

impl Call {
    pub(super) fn run(&mut self, now: Millis, errand: Errand) {
        self.errand = Some(errand);
        self.next_target(now);
    }

    pub(super) fn next_target(&mut self, now: Millis) {
        let Some(errand) = &mut self.errand else { return };
        let (role, purpose) = (errand.role, errand.purpose);
        let Some(target) = errand.targets.pop_front() else { return self.nobody_came(now) };
        let role = match (&target, purpose) {
            (Target::Seat(_), Purpose::Treatment | Purpose::Transfer) => Role::Seat,
            _ => role,
        };
        let ring = self.ring_time(role, purpose);
        let leg = self.dial(now, role, target, ring, Duty::Errand);
        if let Some(errand) = &mut self.errand {
            errand.leg = leg;
        }
        let Some(leg) = leg else { return self.nobody_came(now) };
        if matches!(purpose, Purpose::SeatCalls | Purpose::RingCitizen | Purpose::MachineCalls) {
            self.customer = Some(leg);
        }
        self.emit(Output::Tell(News::Dialling { leg, role }));
    }

    const fn ring_time(&self, role: Role, purpose: Purpose) -> Duration {
        match (role, purpose) {
            (Role::Citizen, _) => self.config.ring_citizen,
            (_, Purpose::SeatCalls) => self.config.ring_citizen,
            (Role::Seat, _) => self.config.ring_seat,
            _ => self.config.ring_expert,
        }
    }

    /// The telephone of a dialled party rings, or what the network says can be heard.
    pub(super) fn leg_rings(&mut self, now: Millis, leg: LegId, is_heard: bool) {
        self.emit(Output::Tell(News::Ringing { leg }));
        let Some(errand) = self.errand.as_ref().filter(|errand| errand.leg == Some(leg)) else {
            return;
        };
        let (purpose, by) = (errand.purpose, errand.by);
        if let Some(leg) = errand.refer {
            self.emit(Output::NotifyRefer { leg, code: 180, is_final: false });
        }
        if purpose == Purpose::SeatCalls {
            self.with_leg(now, by, |leg, cx| {
                if !(is_heard && leg.let_hear(cx)) {
                    leg.ring(cx);
                }
            });
        }
    }

    /// A target does not come: the next one.
    pub(super) fn target_failed(&mut self, now: Millis, leg: LegId, end: End) {
        let Some(errand) = self.errand.as_mut().filter(|errand| errand.leg == Some(leg)) else {
            return;
        };
        (errand.leg, errand.last) = (None, end);
        self.emit(Output::Tell(News::Failed { leg, code: end.code() }));
        self.next_target(now);
    }

    /// A target has answered.
    pub(super) fn target_came(&mut self, now: Millis, leg: LegId) {
        let Some(errand) = self.errand.take_if(|errand| errand.leg == Some(leg)) else {
            return self.dismiss(leg, Cause::Withdrawn);
        };
        match errand.purpose {
            Purpose::Treatment | Purpose::Return => {
                self.wants_person = false;
                self.enter(leg);
            }
            Purpose::SeatCalls => self.called_by_seat(now, errand.by, leg),
            Purpose::RingSeat => self.seat_ready_to_dial(now, leg),
            Purpose::RingCitizen => self.citizen_answered(now, leg),
            Purpose::MachineCalls => self.called_by_machine(now, leg),
            Purpose::Transfer => self.taken_over(now, &errand, leg),
            Purpose::Consult => self.consulted(&errand, None, leg),
            Purpose::SecondLine(second) => {
                self.answer_leg(now, second);
                self.consulted(&errand, Some(second), leg);
            }
            Purpose::Join { then_leave } => {
                let leaver = then_leave.then_some(errand.by);
                self.put(leg, Place::Joining);
                self.ask_consent(now, leg.bit(), leaver);
            }
        }
    }

    /// None of the targets came.
    fn nobody_came(&mut self, now: Millis) {
        let Some(errand) = self.errand.take() else { return };
        let cause = errand.last.cause(Role::Other);
        match errand.purpose {
            Purpose::Treatment => {
                self.missed(super::MissedWhy::NobodyAnswered);
                self.goodbye(now, cause, super::Prompt::NobodyThere);
            }
            Purpose::SeatCalls | Purpose::MachineCalls => {
                self.customer = None;
                self.conclude(cause, None);
            }
            Purpose::RingSeat | Purpose::RingCitizen => self.conclude(cause, None),
            Purpose::Transfer => self.nobody_took_it(now, errand),
            Purpose::Return => self.back_to_queue(now, cause),
            Purpose::Consult => {
                self.put(errand.by, Place::Talk);
                self.emit(Output::Tell(News::NobodyCame));
            }
            Purpose::SecondLine(second) => {
                self.dismiss(second, cause);
                self.put(errand.by, Place::Talk);
                self.emit(Output::Tell(News::NobodyCame));
            }
            Purpose::Join { .. } => self.emit(Output::Tell(News::NobodyCame)),
        }
    }

    /// Gives up the search: its dial is cancelled, its REFER told.
    pub(super) fn drop_errand(&mut self) -> Option<Errand> {
        let errand = self.errand.take()?;
        if let Some(leg) = errand.leg {
            self.dismiss(leg, Cause::Withdrawn);
        }
        if let Purpose::SecondLine(second) = errand.purpose {
            self.dismiss(second, Cause::Withdrawn);
        }
        if let Some(leg) = errand.refer.filter(|leg| self.is_here(*leg)) {
            self.emit(Output::NotifyRefer { leg, code: 487, is_final: true });
        }
        Some(errand)
    }

    /// Into the talk.
    pub(super) fn enter(&mut self, leg: LegId) {
        self.put(leg, Place::Talk);
        self.emit(Output::Tell(News::Joined { leg }));
    }

    fn called_by_seat(&mut self, now: Millis, seat: LegId, leg: LegId) {
        self.note_answered(now);
        self.answer_leg(now, seat);
        self.emit(Output::StartRecognition { leg: seat });
        self.citizen_answered(now, leg);
    }

    fn seat_ready_to_dial(&mut self, now: Millis, leg: LegId) {
        let super::Origin::ClickToDial { target, .. } = &self.origin else { return };
        let targets = vec![target.clone()];
        self.note_answered(now);
        self.enter(leg);
        self.run(now, Errand::new(Purpose::RingCitizen, Role::Citizen, targets, leg));
    }

    /// Whom a seat called is there: a citizen hears first that the call is recorded.
    fn citizen_answered(&mut self, now: Millis, leg: LegId) {
        if self.role(leg) == Some(Role::Citizen) && self.config.notice_outbound {
            self.put(leg, Place::Joining);
            self.ask(now, super::Prompt::Notice, leg.bit(), leg.bit(), None);
        } else {
            self.enter(leg);
        }
    }

    /// A leg is up: both sides have agreed.
    pub(super) fn leg_up(&mut self, now: Millis, leg: LegId) {
        let Some(party) = self.party_mut(leg) else { return };
        if party.is_leaving() {
            return;
        }
        let (role, duty) = (party.role, std::mem::replace(&mut party.duty, Duty::None));
        let is_dialled = matches!(duty, Duty::Errand | Duty::Offer | Duty::Watch(_));
        if is_dialled {
            self.emit(Output::Persist(Record::LegAnswered { leg }));
        }
        let is_spoken_by_us = matches!(role, Role::Supervisor | Role::SeatSecondLine);
        if !is_spoken_by_us && (is_dialled || matches!(duty, Duty::Replace(_))) {
            self.emit(Output::StartRecognition { leg });
        }
        match duty {
            Duty::Errand => self.target_came(now, leg),
            Duty::Offer => self.seat_answered(now, leg),
            Duty::Watch(mode) => self.watch(leg, mode),
            Duty::Replace(old) => self.stand_in(old, leg),
            Duty::None if self.stage == Stage::Answering => self.welcome(now),
            Duty::None if role == Role::SeatSecondLine => self.put(leg, Place::Aside),
            Duty::None => self.put(leg, Place::Talk),
        }
    }

    /// A leg that called us is ready to be answered.
    pub(super) fn leg_ready(&mut self, now: Millis, leg: LegId) {
        let Some(party) = self.party(leg).filter(|party| party.leg.is_ringing_in()) else {
            return;
        };
        match (party.duty, party.role) {
            (Duty::Replace(_), _) => self.answer_leg(now, leg),
            (_, Role::SeatSecondLine) => {
                self.with_leg(now, leg, |leg, cx| leg.ring(cx));
            }
            _ => self.begin_when_ready(now),
        }
    }
}
