//! The call goes on to somebody else.

use super::dialling::{Errand, Purpose};
use super::machine::Stage;
use super::party::{Duty, Place};
use super::{Call, Cause, LegId, News, Output, Prompt, Record, Refused, Response, Role, Target};
use crate::leg::Replaces;
use qingting_common::Millis;

impl Call {
    /// The seat leaves at once and others are dialled for the customer.
    pub(super) fn transfer_blind(&mut self, now: Millis, from: LegId, targets: Vec<Target>) {
        self.seek_successor(now, from, targets, None);
        self.dismiss(from, Cause::Transferred);
    }

    fn seek_successor(
        &mut self,
        now: Millis,
        from: LegId,
        targets: Vec<Target>,
        refer: Option<LegId>,
    ) {
        self.hold = false;
        self.emit(Output::Persist(Record::Transferred { from, to: None, blind: true }));
        let home = self.party(from).and_then(|party| party.target.clone());
        let errand = Errand::new(Purpose::Transfer, Role::Other, targets, from);
        self.run(now, Errand { refer, home, ..errand });
    }

    /// Somebody took the call over: whoever gave it away leaves, if it is still there.
    pub(super) fn taken_over(&mut self, now: Millis, errand: &Errand, to: LegId) {
        if let Some(leg) = errand.refer.filter(|leg| self.is_here(*leg)) {
            self.emit(Output::NotifyRefer { leg, code: 200, is_final: true });
        }
        self.emit(Output::Persist(Record::Transferred {
            from: errand.by,
            to: Some(to),
            blind: true,
        }));
        self.dismiss(errand.by, Cause::Transferred);
        if self.members().len() > 1 {
            // A third party was there all along.
            self.put(to, Place::Joining);
            return self.ask_consent(now, to.bit(), None);
        }
        self.enter(to);
    }

    /// Nobody took it: back to whoever gave it away, who is still there, or is rung again.
    pub(super) fn nobody_took_it(&mut self, now: Millis, errand: Errand) {
        self.emit(Output::Tell(News::NobodyCame));
        let is_here = self.is_up(errand.by);
        if let Some(leg) = errand.refer.filter(|_| is_here) {
            let code = errand.last.code();
            self.emit(Output::NotifyRefer { leg, code, is_final: true });
        }
        if is_here {
            return self.put(errand.by, Place::Talk);
        }
        let targets: Vec<Target> = errand.home.into_iter().collect();
        if let Some(customer) = self.customer
            && !targets.is_empty()
        {
            self.say(now, customer, Prompt::PleaseWait);
        }
        let home = Errand::new(Purpose::Return, Role::Seat, targets, errand.by);
        self.run(now, Errand { last: errand.last, ..home });
    }

    /// The one the citizen talked to is gone, and nobody else is there: to the front of its queue;
    /// without a queue there is nothing left but to say so.
    pub(super) fn back_to_queue(&mut self, now: Millis, cause: Cause) {
        let Some(citizen) = self.customer else { return self.conclude(cause, None) };
        let queue = self.queueing.queue.filter(|_| self.role(citizen) == Some(Role::Citizen));
        let Some(queue) = queue else { return self.goodbye(now, cause, Prompt::NobodyThere) };
        self.hold = false;
        self.put(citizen, Place::Talk);
        self.enqueue(now, queue, true);
        self.emit(Output::Tell(News::Requeued));
        self.say(now, citizen, Prompt::PleaseWait);
    }

    /// A REFER (RFC 3515) of a seat's telephone.
    pub(super) fn refer(
        &mut self,
        now: Millis,
        leg: LegId,
        target: Target,
        replaces: Option<Replaces>,
    ) {
        let code = match replaces {
            None if self.is_pair(leg) && self.actor() == Some(leg) => {
                self.emit(Output::AcceptRefer { leg });
                self.emit(Output::NotifyRefer { leg, code: 100, is_final: false });
                return self.seek_successor(now, leg, vec![target], Some(leg));
            }
            Some(Replaces::Leg(other)) if self.attended(leg, other) => return,
            // A dialog that this call knows nothing of, or cannot give away now.
            Some(_) => 481,
            None if self.is_underway() => 491,
            None => 603,
        };
        self.emit(Output::RejectRefer { leg, code });
    }

    /// The seat's telephone joins its two lines: the customer goes to whom it asked, or, when that
    /// one still rings, waits for it.
    fn attended(&mut self, leg: LegId, other: LegId) -> bool {
        let is = |first: LegId, second: LegId| {
            (leg, other) == (first, second) || (leg, other) == (second, first)
        };
        if let Some(consult) = self.consult
            && consult.second.is_some_and(|second| is(consult.asker, second))
        {
            self.emit(Output::AcceptRefer { leg });
            self.emit(Output::NotifyRefer { leg, code: 200, is_final: true });
            return self.complete_transfer().is_ok();
        }
        let home = self.errand.as_ref().and_then(|errand| self.party(errand.by)?.target.clone());
        let Some(errand) = &mut self.errand else { return false };
        let Purpose::SecondLine(second) = errand.purpose else { return false };
        if !is(errand.by, second) {
            return false;
        }
        let from = errand.by;
        (errand.purpose, errand.home) = (Purpose::Transfer, home);
        // The REFER's own line stays until it is told.
        errand.refer = (leg == from).then_some(leg);
        self.emit(Output::AcceptRefer { leg });
        let is_final = leg != from;
        let code = if is_final { 200 } else { 100 };
        self.emit(Output::NotifyRefer { leg, code, is_final });
        self.emit(Output::Persist(Record::Transferred { from, to: None, blind: true }));
        self.dismiss(second, Cause::Transferred);
        true
    }

    pub(super) fn refer_ended(&mut self, leg: LegId) {
        if let Some(errand) = &mut self.errand {
            errand.refer.take_if(|refer| *refer == leg);
        }
    }

    /// To a queue; the seat leaves.
    pub(super) fn hand_to_queue(
        &mut self,
        now: Millis,
        from: LegId,
        queue: super::QueueId,
    ) -> Result<(), Refused> {
        let citizen = self.customer.ok_or(Refused::Nobody)?;
        self.hold = false;
        self.emit(Output::Persist(Record::Transferred { from, to: None, blind: true }));
        self.dismiss(from, Cause::Transferred);
        self.put(citizen, Place::Talk);
        self.enqueue(now, queue, false);
        Ok(())
    }

    /// An INVITE with Replaces (RFC 3891).
    pub(super) fn replace(&mut self, now: Millis, leg: LegId, old: LegId, offer: Option<&str>) {
        let possible = self.stage == Stage::Talking && self.is_up(old);
        let (role, target) =
            self.party(old).map_or((Role::Other, None), |old| (old.role, old.target.clone()));
        let possible = possible && role != Role::Supervisor;
        if let Err(rejection) = self.take_in(now, leg, possible, offer, |party| {
            (party.role, party.target, party.duty) = (role, target, Duty::Replace(old));
        }) {
            self.emit(Output::Respond { leg, response: Response::Reject(rejection) });
        }
    }

    /// The new leg takes the old one's place in everything.
    pub(super) fn stand_in(&mut self, old: LegId, new: LegId) {
        if !self.is_up(old) || self.stage != Stage::Talking {
            return self.dismiss(new, Cause::LeftAlone);
        }
        let Some(was) = self.party_mut(old) else { return };
        let (place, muted, accepted) = (was.place, was.muted, was.accepted.take());
        if let Some(party) = self.party_mut(new) {
            (party.place, party.muted, party.accepted) = (place, muted, accepted);
        }
        let swap = |leg: &mut LegId| {
            if *leg == old {
                *leg = new;
            }
        };
        self.customer.iter_mut().for_each(swap);
        if let Some(consult) = &mut self.consult {
            swap(&mut consult.asker);
            swap(&mut consult.expert);
            consult.second.iter_mut().for_each(swap);
        }
        if let Some(errand) = &mut self.errand {
            swap(&mut errand.by);
            if errand.purpose == Purpose::SecondLine(old) {
                errand.purpose = Purpose::SecondLine(new);
            }
            if errand.refer.take_if(|refer| *refer == old).is_some() {
                self.emit(Output::NotifyRefer { leg: old, code: 487, is_final: true });
            }
        }
        if place == Place::Joining {
            self.put(new, Place::Talk);
        }
        self.emit(Output::Persist(Record::Transferred { from: old, to: Some(new), blind: false }));
        self.unjoin(old);
        self.dismiss(old, Cause::Transferred);
    }
}
