//! Asking an expert, and three who talk together.

use super::dialling::{Errand, Purpose};
use super::machine::Stage;
use super::party::{Duty, Party, Place};
use super::{
    Call, Cause, LegId, News, Output, Prompt, Record, Refused, Rejection, Response, Role, Target,
};
use crate::leg::Leg;
use qingting_common::Millis;

/// A seat and an expert by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Consult {
    pub(super) asker: LegId,
    /// The asker's second line, when it asks on that.
    pub(super) second: Option<LegId>,
    pub(super) expert: LegId,
}

/// Parties that talk as soon as those concerned have heard a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Joining {
    /// Who still hears it, by bit.
    listeners: u8,
    /// Who talks then, by bit.
    movers: u8,
    /// Who leaves then.
    pub(super) leaver: Option<LegId>,
}

impl Call {
    /// The customer waits with music while `asker` seeks somebody.
    pub(super) fn start_consult(
        &mut self,
        now: Millis,
        asker: LegId,
        role: Role,
        targets: Vec<Target>,
    ) {
        self.hold = false;
        self.put(asker, Place::Aside);
        self.run(now, Errand::new(Purpose::Consult, role, targets, asker));
    }

    /// A second call of the seat's telephone: its target is asked while the first line waits.
    pub(super) fn second_line(
        &mut self,
        now: Millis,
        leg: LegId,
        first: LegId,
        targets: Vec<Target>,
        offer: Option<&str>,
    ) {
        let possible = self.is_pair(first) && !targets.is_empty();
        if let Err(rejection) = self.take_in(now, leg, possible, offer, |party| {
            party.role = Role::SeatSecondLine;
        }) {
            let response = Response::Reject(rejection);
            return self.emit(Output::Respond { leg, response });
        }
        self.hold = false;
        self.put(first, Place::Away);
        self.run(now, Errand::new(Purpose::SecondLine(leg), Role::Expert, targets, first));
    }

    /// A further leg that called us.
    pub(super) fn take_in(
        &mut self,
        now: Millis,
        leg: LegId,
        possible: bool,
        offer: Option<&str>,
        shape: impl FnOnce(&mut Party),
    ) -> Result<(), Rejection> {
        let is_free = self.parties.get(leg.slot()).is_some_and(Option::is_none);
        if !possible || !is_free {
            return Err(Rejection::new(486));
        }
        let session_id = self.next_session_id();
        let leg_of = Leg::invited(leg, session_id, offer, true, &self.config, now)?;
        let mut party = Party::new(Role::Other, leg_of, Duty::None, None);
        shape(&mut party);
        self.admit(leg, party);
        Ok(())
    }

    /// The expert has answered and talks to the asker.
    pub(super) fn consulted(&mut self, errand: &Errand, second: Option<LegId>, expert: LegId) {
        self.put(expert, Place::Aside);
        self.consult = Some(Consult { asker: errand.by, second, expert });
        self.emit(Output::Tell(News::Consulting { leg: expert }));
    }

    /// Seat, expert and customer talk together, once they have heard that they do.
    pub(super) fn join_consulted(&mut self, now: Millis) -> Result<(), Refused> {
        let Consult { asker, second, expert } = self.consult.take().ok_or(Refused::Nobody)?;
        if let Some(second) = second {
            self.dismiss(second, Cause::LeftAlone);
            self.put(asker, Place::Aside);
            self.call_back_phone(now, asker);
        }
        self.ask_consent(now, asker.bit() | expert.bit(), None);
        Ok(())
    }

    /// The asker leaves the customer to the expert.
    pub(super) fn complete_transfer(&mut self) -> Result<(), Refused> {
        let Consult { asker, second, expert } = self.consult.take().ok_or(Refused::Nobody)?;
        self.dismiss(asker, Cause::Transferred);
        if let Some(second) = second {
            self.dismiss(second, Cause::Transferred);
        }
        self.emit(Output::Persist(Record::Transferred {
            from: asker,
            to: Some(expert),
            blind: false,
        }));
        self.hold = false;
        self.enter(expert);
        Ok(())
    }

    /// The asker is back with the customer; an expert who is there is let go for this cause.
    pub(super) fn end_consult(&mut self, cause: Cause) -> Result<(), Refused> {
        let Consult { asker, second, expert } = self.consult.take().ok_or(Refused::Nobody)?;
        self.dismiss(expert, cause);
        if let Some(second) = second {
            self.dismiss(second, cause);
        }
        self.put(asker, Place::Talk);
        Ok(())
    }

    /// Gives up what is under way; whoever asked is in the talk again.
    pub(super) fn cancel_errand(&mut self) -> Result<(), Refused> {
        let errand = self.drop_errand().ok_or(Refused::Nobody)?;
        self.put(errand.by, Place::Talk);
        Ok(())
    }

    /// `movers` join the talk after everybody has heard that a third party comes in.
    pub(super) fn ask_consent(&mut self, now: Millis, movers: u8, leaver: Option<LegId>) {
        let all = self.members().iter().fold(movers, |all, leg| all | leg.bit());
        self.ask(now, Prompt::ThreePartyConsent, all, movers, leaver);
    }

    /// Plays `prompt` to `listeners`; then `movers` talk. Those who have us on hold hear nothing
    /// and are not waited for.
    pub(super) fn ask(
        &mut self,
        now: Millis,
        prompt: Prompt,
        listeners: u8,
        movers: u8,
        leaver: Option<LegId>,
    ) {
        let mut hearing = 0;
        for leg in self.leg_ids() {
            let listens = self.party(leg).is_some_and(|party| party.leg.listens());
            if leg.bit() & listeners != 0 && listens {
                hearing |= leg.bit();
                self.say(now, leg, prompt);
            }
        }
        self.joining = Some(Joining { listeners: hearing, movers, leaver });
        self.join_when_heard();
    }

    /// This party has heard the prompt, or will not. The customer's hearing it is enough.
    pub(super) fn consented(&mut self, _: Millis, leg: LegId) {
        let is_customer = self.customer == Some(leg);
        if let Some(joining) = &mut self.joining
            && joining.listeners & leg.bit() != 0
        {
            joining.listeners &= if is_customer { 0 } else { !leg.bit() };
            self.join_when_heard();
        }
    }

    fn join_when_heard(&mut self) {
        let Some(joining) = self.joining.take_if(|joining| joining.listeners == 0) else { return };
        for leg in self.leg_ids() {
            if joining.movers & leg.bit() != 0 && self.is_up(leg) {
                self.enter(leg);
            }
        }
        if let Some(leaver) = joining.leaver.filter(|leg| self.is_here(*leg)) {
            let newcomer = self.leg_ids().into_iter().find(|leg| joining.movers & leg.bit() != 0);
            let to = newcomer.filter(|leg| self.is_up(*leg));
            if to.is_some() {
                self.emit(Output::Persist(Record::Transferred { from: leaver, to, blind: false }));
                self.dismiss(leaver, Cause::Transferred);
            }
        }
    }

    /// This party is gone: nobody waits for it.
    pub(super) fn unjoin(&mut self, leg: LegId) {
        if let Some(joining) = &mut self.joining {
            joining.movers &= !leg.bit();
            joining.leaver.take_if(|leaver| *leaver == leg);
            if joining.movers == 0 {
                self.joining = None;
                return;
            }
            joining.listeners &= !leg.bit();
            self.join_when_heard();
        }
    }

    /// Whether this leg and the customer talk with nobody else, and nothing is under way.
    pub(super) fn is_pair(&self, leg: LegId) -> bool {
        let Some(customer) = self.customer else { return false };
        self.stage == Stage::Talking
            && !self.is_underway()
            && leg != customer
            && self.is_up(customer)
            && self.party(leg).is_some_and(|party| party.is_member())
            && self.members().len() == 2
    }

    pub(super) const fn is_underway(&self) -> bool {
        self.errand.is_some() || self.consult.is_some() || self.joining.is_some()
    }
}
