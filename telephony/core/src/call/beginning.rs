//! How a call begins: stored, rung, answered, and where it goes from there.

use super::dialling::{Errand, Purpose};
use super::machine::Stage;
use super::party::{Duty, Party, Place};
use super::{
    Call, Cause, LegId, MissedWhy, Origin, Output, Plan, Prompt, Record, Response, Role, Target,
    Treatment,
};
use crate::leg::Leg;
use qingting_common::Millis;

/// The leg that the call begins with.
pub(super) const FIRST: LegId = LegId(0);

impl Call {
    /// An offer that nobody could answer is refused before anything is stored or opened for it.
    pub(super) fn invited(&mut self, now: Millis, offer: Option<&str>) {
        let (role, target, trusted) = match (&self.origin, self.stage) {
            (Origin::Citizen(_), Stage::Idle) => (Role::Citizen, None, false),
            (Origin::Seat { seat, .. }, Stage::Idle) => {
                (Role::Seat, Some(Target::Seat(*seat)), true)
            }
            // A retransmission, or a call that we begin.
            _ => return,
        };
        let session_id = self.next_session_id();
        let leg = match Leg::invited(FIRST, session_id, offer, trusted, &self.config, now) {
            Ok(leg) => leg,
            Err(rejection) => {
                let response = Response::Reject(rejection);
                self.emit(Output::Respond { leg: FIRST, response });
                self.emit(Output::Finished);
                self.stage = Stage::Ended;
                return;
            }
        };
        if role == Role::Citizen {
            self.customer = Some(FIRST);
        }
        self.emit(Output::Persist(Record::Begin));
        self.admit(FIRST, Party::new(role, leg, Duty::None, target));
        self.stage = Stage::Setup { stored: false, until: now + self.config.setup_max };
    }

    /// A call that begins with a dial of ours.
    pub(super) fn start(&mut self, now: Millis) {
        let is_ours = matches!(self.origin, Origin::ClickToDial { .. } | Origin::Machine { .. });
        if self.stage == Stage::Idle && is_ours {
            self.emit(Output::Persist(Record::Begin));
            self.stage = Stage::Setup { stored: false, until: now + self.config.setup_max };
        }
    }

    pub(super) fn persisted(&mut self, now: Millis) {
        if let Stage::Setup { stored, .. } = &mut self.stage {
            *stored = true;
            self.begin_when_ready(now);
        }
    }

    pub(super) fn persist_failed(&mut self) {
        if matches!(self.stage, Stage::Setup { .. }) {
            self.conclude(Cause::StoreUnavailable, None);
        }
    }

    pub(super) fn begin_when_ready(&mut self, now: Millis) {
        let Stage::Setup { stored: true, .. } = self.stage else { return };
        let ready = self.party(FIRST).is_some_and(|party| party.leg.is_ready());
        match &self.origin {
            Origin::ClickToDial { seat, .. } => {
                let target = Target::Seat(*seat);
                self.stage = Stage::Talking;
                self.run(now, Errand::new(Purpose::RingSeat, Role::Seat, vec![target], FIRST));
            }
            Origin::Machine { target } => {
                let targets = vec![target.clone()];
                self.stage = Stage::Talking;
                self.run(now, Errand::new(Purpose::MachineCalls, Role::Citizen, targets, FIRST));
            }
            Origin::Citizen(plan) if ready => match plan.treatment {
                Treatment::Busy { prompt: None } => {
                    self.wants_person = true;
                    self.conclude(Cause::Busy, None);
                }
                _ if self.config.ring.is_zero() => self.answer_citizen(now),
                _ => {
                    self.with_leg(now, FIRST, |leg, cx| leg.ring(cx));
                    self.stage = Stage::Ringing { until: now + self.config.ring };
                }
            },
            Origin::Seat { targets, citizen, .. } if ready => {
                let role = if *citizen { Role::Citizen } else { Role::Other };
                let errand = Errand::new(Purpose::SeatCalls, role, targets.clone(), FIRST);
                self.stage = Stage::Talking;
                self.run(now, errand);
            }
            Origin::Citizen(_) | Origin::Seat { .. } => {}
        }
    }

    /// The call is answered, which is stored before anybody hears of it.
    pub(super) fn note_answered(&mut self, now: Millis) {
        self.emit(Output::Persist(Record::Answered));
        self.call_until = Some(now + self.config.call_max);
    }

    pub(super) fn answer_citizen(&mut self, now: Millis) {
        self.note_answered(now);
        self.answer_leg(now, FIRST);
        self.emit(Output::StartRecognition { leg: FIRST });
        self.stage = Stage::Answering;
    }

    pub(super) fn answer_leg(&mut self, now: Millis, leg: LegId) {
        self.emit(Output::Persist(Record::LegAnswered { leg }));
        self.with_leg(now, leg, |leg, cx| leg.answer(cx));
    }

    /// The ACK of a citizen's call: it is spoken to.
    pub(super) fn welcome(&mut self, now: Millis) {
        self.put(FIRST, Place::Talk);
        self.stage = Stage::Intro;
        match self.plan() {
            Some(Plan { notice: true, .. }) => self.say(now, FIRST, Prompt::Notice),
            _ => self.greet(now),
        }
    }

    pub(super) fn greet(&mut self, now: Millis) {
        match self.plan().and_then(|plan| plan.greeting) {
            Some(greeting) => self.say(now, FIRST, greeting),
            None => self.introduced(now),
        }
    }

    /// Notice and greeting are over.
    pub(super) fn introduced(&mut self, now: Millis) {
        if let Some(treatment) = self.plan().map(|plan| plan.treatment.clone()) {
            self.treat(now, treatment);
        }
    }

    const fn plan(&self) -> Option<&Plan> {
        match &self.origin {
            Origin::Citizen(plan) => Some(plan),
            Origin::Seat { .. } | Origin::ClickToDial { .. } | Origin::Machine { .. } => None,
        }
    }

    /// Sends the citizen where it is to go.
    pub(super) fn treat(&mut self, now: Millis, treatment: Treatment) {
        let Some(citizen) = self.customer else { return };
        match treatment {
            Treatment::Machine => self.listen(now, false),
            Treatment::Menu => self.start_menu(now),
            Treatment::Finish => self.conclude(Cause::Finished, None),
            Treatment::Queue { queue } => self.enqueue(now, queue, false),
            Treatment::Dial { targets } => {
                self.wants_person = true;
                self.stage = Stage::Talking;
                self.run(now, Errand::new(Purpose::Treatment, Role::Other, targets, citizen));
            }
            Treatment::Busy { prompt } => {
                self.missed(MissedWhy::Busy);
                self.goodbye(now, Cause::Busy, prompt.unwrap_or(Prompt::Busy));
            }
            Treatment::Closed { prompt } => {
                self.missed(MissedWhy::Closed);
                self.goodbye(now, Cause::Closed, prompt);
            }
        }
    }

    fn start_menu(&mut self, now: Millis) {
        self.stage = Stage::Menu { until: now + self.config.menu_max };
        self.emit(Output::MenuStart);
    }

    /// The citizen whom a machine called is there.
    pub(super) fn called_by_machine(&mut self, now: Millis, leg: LegId) {
        self.note_answered(now);
        self.enter(leg);
        self.start_menu(now);
    }

    pub(super) fn menu_done(&mut self, now: Millis, treatment: Treatment) {
        if matches!(self.stage, Stage::Menu { .. }) {
            self.treat(now, treatment);
        }
    }
}
