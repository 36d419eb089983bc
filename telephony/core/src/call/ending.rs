//! How a call ends: a goodbye, the books, and everybody hung up on.

use super::machine::Stage;
use super::party::Place;
use super::{Call, Cause, HungUpBy, LegId, MissedWhy, Output, Prompt, QueueRequest, Record, Role};
use qingting_common::Millis;

impl Call {
    /// Lets everybody but the citizen go and says something to it last; to a citizen who has us on
    /// hold and hears nothing, BYE alone.
    pub(super) fn goodbye(&mut self, now: Millis, cause: Cause, prompt: Prompt) {
        let citizen = self.customer.filter(|leg| {
            self.is_up(*leg)
                && self.role(*leg) == Some(Role::Citizen)
                && self.party(*leg).is_some_and(|party| party.leg.listens())
        });
        let Some(citizen) = citizen else { return self.conclude(cause, None) };
        self.let_go(cause, Some(citizen));
        self.put(citizen, Place::Talk);
        self.say(now, citizen, prompt);
        self.stage = Stage::Ending { cause };
    }

    /// Ends the call for everybody; `who` left for a cause of its own.
    pub(super) fn conclude(&mut self, cause: Cause, who: Option<(LegId, Cause)>) {
        if matches!(self.stage, Stage::Closing { .. } | Stage::Ended) {
            return;
        }
        if let Some((leg, cause)) = who {
            self.dismiss(leg, cause);
        }
        self.let_go(cause, None);
        self.stage = Stage::Closing { cause, stored: false };
    }

    fn let_go(&mut self, cause: Cause, but: Option<LegId>) {
        self.leave_queue(QueueRequest::Abandon);
        self.drop_errand();
        (self.consult, self.joining, self.hold) = (None, None, false);
        for leg in self.leg_ids() {
            let Some(party) = self.party(leg).filter(|_| Some(leg) != but) else { continue };
            let why = match party.place {
                Place::Coming if party.leg.is_ringing_in() || party.leg.awaits_ack() => cause,
                Place::Coming => Cause::Withdrawn,
                _ if self.customer == Some(leg) || is_everybodys(cause) => cause,
                _ => Cause::LeftAlone,
            };
            self.dismiss(leg, why);
        }
    }

    /// Writes down that no person of ours talked to the citizen, once.
    pub(super) fn missed(&mut self, why: MissedWhy) {
        self.wants_person = false;
        self.emit(Output::Persist(Record::Missed { why }));
    }

    /// Whatever the input was, afterwards everybody hears what it should, and whoever was dismissed
    /// is hung up on.
    pub(super) fn settle(&mut self, now: Millis) {
        let Stage::Closing { cause, stored } = self.stage else {
            if self.stage != Stage::Ended {
                self.resume_for_others();
                self.sweep(now);
                self.update_sound();
            }
            return;
        };
        if stored {
            self.sweep(now);
        } else if self.leg_ids().into_iter().all(|leg| !self.awaits_ack(leg)) {
            self.close_books(cause);
            self.sweep(now);
        } else {
            // Its end is written with the last leg's, whose ACK may bring another cause.
            self.sweep(now);
            self.update_sound();
        }
        if self.leg_ids().is_empty() {
            self.emit(Output::Finished);
            self.stage = Stage::Ended;
        }
    }

    fn close_books(&mut self, cause: Cause) {
        for leg in self.dismissed() {
            self.write_off(leg);
        }
        if self.wants_person {
            self.missed(match cause {
                Cause::Busy => MissedWhy::Busy,
                Cause::NoAnswer | Cause::Unreachable => MissedWhy::NobodyAnswered,
                cause if cause.by() == HungUpBy::Caller => MissedWhy::Abandoned,
                _ => MissedWhy::Lost,
            });
        }
        self.emit(Output::Persist(Record::Ended(cause)));
        self.stage = Stage::Closing { cause, stored: true };
    }

    /// Hangs up on whoever was dismissed.
    fn sweep(&mut self, now: Millis) {
        for leg in self.dismissed() {
            if self.awaits_ack(leg) {
                let cause = self.party(leg).and_then(|party| match party.place {
                    Place::Leaving { cause, .. } => Some(cause),
                    _ => None,
                });
                if let (Some(cause), Some(party)) = (cause, self.party_mut(leg)) {
                    party.leg.hang_up_after_ack(cause);
                }
                continue;
            }
            self.write_off(leg);
            let Some(Place::Leaving { cause, .. }) = self.party(leg).map(|party| party.place)
            else {
                continue;
            };
            let accepted = self.party_mut(leg).and_then(|party| party.accepted.take());
            if let Some(party) = self.party_mut(leg) {
                party.place = Place::Leaving { cause, ended: true };
            }
            if self.with_leg(now, leg, |leg, cx| leg.end(cx, cause)) == Some(true) {
                self.free(leg);
            }
            if let Some(seat) = accepted {
                self.emit(Output::Queue(QueueRequest::Ended { seat }));
            }
        }
    }

    /// The last row of a leg, and silence.
    fn write_off(&mut self, leg: LegId) {
        let Some(Place::Leaving { cause, ended: false }) = self.party(leg).map(|p| p.place) else {
            return;
        };
        if let Some(party) = self.party_mut(leg) {
            if party.is_written_off {
                return;
            }
            party.is_written_off = true;
        }
        self.hush(leg);
        let by = cause.by();
        self.emit(Output::Persist(Record::LegEnded { leg, cause, by }));
    }

    /// Those on their way out whose dialog was not told.
    fn dismissed(&self) -> Vec<LegId> {
        let is = |leg: &LegId| {
            let place = self.party(*leg).map(|party| party.place);
            matches!(place, Some(Place::Leaving { ended: false, .. }))
        };
        self.leg_ids().into_iter().filter(is).collect()
    }

    fn awaits_ack(&self, leg: LegId) -> bool {
        self.party(leg).is_some_and(|party| party.leg.awaits_ack())
    }
}

/// Whether a call that ends so was ended for everybody at once.
const fn is_everybodys(cause: Cause) -> bool {
    matches!(cause, Cause::OperatorHungUp | Cause::Draining | Cause::TooLong)
}
