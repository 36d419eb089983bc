//! Somebody leaves, and what that means to the others.

use super::dialling::Purpose;
use super::machine::Stage;
use super::party::{Duty, Place};
use super::{Call, Cause, HungUpBy, LegId, News, Output, Prompt, Role};
use crate::leg::End;
use qingting_common::Millis;

impl Call {
    /// A leg is of no more use.
    pub(super) fn leg_over(&mut self, now: Millis, leg: LegId, end: End) {
        let Some(party) = self.party(leg) else { return };
        let cause = end.cause(party.role);
        if let Place::Leaving { cause: decided, ended } = party.place {
            // Its own end came first.
            let cause = if party.leg.is_gone() { cause } else { decided };
            self.leave_by_itself(leg, cause, ended);
            return;
        }
        match self.stage {
            // The goodbye is cut short; why it was said stays the cause, unless the caller was
            // quicker.
            Stage::Ending { cause: decided } => {
                let cause = if end == End::Bye { cause } else { decided };
                self.conclude(cause, Some((leg, cause)));
            }
            _ => self.depart(now, leg, cause, end),
        }
    }

    fn leave_by_itself(&mut self, leg: LegId, cause: Cause, ended: bool) {
        if let Some(party) = self.party_mut(leg) {
            party.place = Place::Leaving { cause, ended };
        }
        let is_last = self.leg_ids().len() == 1;
        if let Stage::Closing { cause: why, stored: false } = &mut self.stage
            && is_last
        {
            *why = cause;
        }
    }

    /// A party leaves for this cause, by itself or because it was told to.
    pub(super) fn depart(&mut self, now: Millis, leg: LegId, cause: Cause, end: End) {
        let Some(party) = self.party(leg).filter(|party| !party.is_leaving()) else { return };
        let (duty, role, place) = (party.duty, party.role, party.place);
        let vanished = self.has_vanished(leg, cause);
        self.dismiss(leg, cause);
        match duty {
            Duty::Errand => return self.target_failed(now, leg, end),
            Duty::Offer => return self.offer_failed(leg, end),
            Duty::Watch(_) => {
                return self.emit(Output::Tell(News::Failed { leg, code: end.code() }));
            }
            Duty::Replace(_) => return,
            Duty::None => {}
        }
        if role == Role::Supervisor || matches!(place, Place::Watching(_)) {
            return;
        }
        if self.stage != Stage::Talking {
            return self.conclude(cause, Some((leg, cause)));
        }
        if place != Place::Coming {
            self.emit(Output::Tell(News::Left { leg }));
        }
        if role == Role::SeatSecondLine {
            return self.second_line_left(leg, cause);
        }
        self.unjoin(leg);
        let vanished = self.leave_consult(leg, cause) || vanished;
        let vanished = self.leave_errand(leg) || vanished;
        if self.customer == Some(leg) {
            (self.customer, self.hold) = (None, false);
        }
        self.see_who_is_left(now, (leg, cause), vanished);
    }

    /// Whether a party that leaves did not mean to end the call: its telephone was lost, or the
    /// customer was waiting for it.
    fn has_vanished(&self, leg: LegId, cause: Cause) -> bool {
        let phone_holds = self.party(leg).is_some_and(|party| !party.leg.listens());
        let lost = cause.by() == HungUpBy::Network || cause == Cause::MediaUnavailable;
        lost || self.hold || phone_holds
    }

    /// The seat's second line is closed: whom it asked is let go, and the first line goes on.
    fn second_line_left(&mut self, leg: LegId, cause: Cause) {
        if self.consult.is_some_and(|consult| consult.second == Some(leg)) {
            let _ = self.end_consult(cause);
        } else if matches!(&self.errand, Some(errand) if errand.purpose == Purpose::SecondLine(leg))
        {
            let _ = self.cancel_errand();
        }
    }

    /// One of the two who talk aside leaves. An expert who is there takes the customer over.
    /// Returns whether the customer was waiting.
    fn leave_consult(&mut self, leg: LegId, cause: Cause) -> bool {
        let Some(consult) = self.consult else { return false };
        if consult.expert == leg {
            let _ = self.end_consult(cause);
            return false;
        }
        if consult.asker == leg {
            let _ = self.complete_transfer();
            return true;
        }
        if self.customer == Some(leg) {
            // The two go on without it.
            if let Some(second) = consult.second {
                self.dismiss(second, Cause::LeftAlone);
            }
            self.consult = None;
            self.put(consult.asker, Place::Talk);
            self.enter(consult.expert);
        }
        false
    }

    /// Whoever is being dialled for is gone, or the customer is. Returns whether the customer was
    /// waiting.
    fn leave_errand(&mut self, leg: LegId) -> bool {
        let Some(errand) = &mut self.errand else { return false };
        if self.customer == Some(leg) {
            if let Some(errand) = self.drop_errand() {
                self.put(errand.by, Place::Talk);
            }
            return false;
        }
        if errand.by != leg {
            return false;
        }
        match errand.purpose {
            Purpose::Transfer => {
                let refer = errand.refer.take();
                // Its telephone may be lost to us alone.
                if refer.is_some() && self.party(leg).is_some_and(|party| party.leg.is_up()) {
                    self.emit(Output::NotifyRefer { leg, code: 487, is_final: true });
                }
                false
            }
            // The emergency line is still wanted.
            Purpose::Join { then_leave: true } => {
                errand.purpose = Purpose::Transfer;
                self.hold = false;
                false
            }
            Purpose::Treatment | Purpose::Return => false,
            Purpose::Consult | Purpose::SecondLine(_) | Purpose::Join { then_leave: false } => {
                self.drop_errand();
                true
            }
            Purpose::SeatCalls
            | Purpose::RingSeat
            | Purpose::RingCitizen
            | Purpose::MachineCalls => {
                self.drop_errand();
                false
            }
        }
    }

    /// Two go on; one alone is let go, or waits for whoever is dialled for it.
    fn see_who_is_left(&mut self, now: Millis, who: (LegId, Cause), vanished: bool) {
        let (left, cause) = (self.members(), who.1);
        let is_served = self.errand.as_ref().is_some_and(|errand| {
            matches!(errand.purpose, Purpose::Treatment | Purpose::Transfer | Purpose::Return)
        });
        match left.as_slice() {
            [_, _, ..] => {}
            [one] if self.customer == Some(*one) => match (is_served, vanished) {
                (true, _) => {}
                (false, true) => self.back_to_queue(now, cause),
                (false, false) => self.goodbye(now, cause, Prompt::Farewell),
            },
            _ => self.conclude(cause, Some(who)),
        }
    }
}
