//! Who may ask for what, and when.

use super::dialling::{Errand, Purpose};
use super::machine::Stage;
use super::party::Party;
use super::{By, Call, Cause, Command, LegId, Output, Record, Refused, Role};
use qingting_common::Millis;

impl Call {
    /// Does what a command wants, or says why not.
    pub(super) fn obey(&mut self, now: Millis, by: By, command: Command) -> Result<(), Refused> {
        match (&command, self.stage) {
            (_, Stage::Idle | Stage::Setup { .. } | Stage::Closing { .. } | Stage::Ended) => {
                return Err(Refused::NotNow);
            }
            (Command::HangUp, _) => {
                self.may_command(by)?;
                self.conclude(Cause::OperatorHungUp, None);
                return Ok(());
            }
            (Command::PauseRecording | Command::ResumeRecording, _) if self.is_live() => {}
            (_, Stage::Talking) => {}
            _ => return Err(Refused::NotNow),
        }
        self.may_command(by)?;
        match command {
            Command::Hold => self.hold_customer(),
            Command::Resume => self.resume_customer(now),
            Command::Mute { leg, .. } | Command::Drop { leg } if self.is_watcher_of(leg, by) => {
                Err(Refused::NotAllowed)
            }
            Command::Mute { leg, on } => self.mute(leg, on),
            Command::Transfer { targets, blind } => {
                let from = self.pair_for(&targets)?;
                if blind {
                    self.transfer_blind(now, from, targets);
                } else {
                    self.start_consult(now, from, Role::Other, targets);
                }
                Ok(())
            }
            Command::Consult { targets, role } => {
                let asker = self.pair_for(&targets)?;
                self.start_consult(now, asker, role, targets);
                Ok(())
            }
            Command::Join { targets, role, then_leave } => {
                self.free_for(&targets)?;
                let by = self.actor().ok_or(Refused::Nobody)?;
                let purpose = Purpose::Join { then_leave };
                let home = self.party(by).and_then(|party| party.target.clone());
                let errand = Errand::new(purpose, role, targets, by);
                self.run(now, Errand { home, ..errand });
                Ok(())
            }
            Command::JoinConsulted => self.join_consulted(now),
            Command::CompleteTransfer => self.complete_transfer(),
            Command::CancelConsult if self.consult.is_some() => {
                self.end_consult(Cause::OperatorHungUp)
            }
            Command::CancelConsult => match self.errand.as_ref().map(|errand| errand.purpose) {
                Some(Purpose::Consult | Purpose::SecondLine(_) | Purpose::Join { .. }) => {
                    self.cancel_errand()
                }
                _ => Err(Refused::Nobody),
            },
            Command::ToQueue { queue } => {
                let from = self.pair()?;
                let is_citizen =
                    self.customer.and_then(|leg| self.role(leg)) == Some(Role::Citizen);
                if !is_citizen {
                    return Err(Refused::NotAllowed);
                }
                self.hand_to_queue(now, from, queue)
            }
            Command::Drop { leg } => self.drop_leg(now, leg),
            Command::Supervise { target, mode } => self.supervise(now, target, mode),
            Command::PauseRecording => self.pause_recording(true),
            Command::ResumeRecording => self.pause_recording(false),
            Command::HangUp => Ok(()),
        }
    }

    /// The party that speaks for our side: the seat, or who took its place.
    pub(super) fn actor(&self) -> Option<LegId> {
        let is = |wanted: fn(Role) -> bool| {
            self.members()
                .into_iter()
                .find(|leg| self.customer != Some(*leg) && self.role(*leg).is_some_and(wanted))
        };
        is(|role| role == Role::Seat).or_else(|| is(|role| role != Role::Citizen))
    }

    fn may_command(&self, by: By) -> Result<(), Refused> {
        match by {
            By::Console => Ok(()),
            By::Leg(leg) if !self.is_here(leg) => Err(Refused::NoSuchLeg),
            By::Leg(leg) if self.actor() == Some(leg) => Ok(()),
            By::Leg(_) => Err(Refused::NotAllowed),
        }
    }

    /// Whether this leg is a supervisor's and somebody else than the console commands: nobody who is
    /// watched sends the watcher away.
    fn is_watcher_of(&self, leg: LegId, by: By) -> bool {
        by != By::Console && self.role(leg) == Some(Role::Supervisor)
    }

    /// The actor, when it talks to the customer with nobody else.
    fn pair(&self) -> Result<LegId, Refused> {
        if self.is_underway() {
            return Err(Refused::Underway);
        }
        let actor = self.actor().ok_or(Refused::Nobody)?;
        if self.is_pair(actor) { Ok(actor) } else { Err(Refused::NotNow) }
    }

    fn pair_for(&self, targets: &[super::Target]) -> Result<LegId, Refused> {
        self.free_for(targets)?;
        self.pair()
    }

    fn free_for(&self, targets: &[super::Target]) -> Result<(), Refused> {
        if targets.is_empty() {
            return Err(Refused::Nobody);
        }
        if self.is_underway() {
            return Err(Refused::Underway);
        }
        self.free_leg().map(|_| ()).ok_or(Refused::NoLeg)
    }

    fn hold_customer(&mut self) -> Result<(), Refused> {
        match self.customer {
            None => Err(Refused::Nobody),
            Some(_) if self.hold => Err(Refused::AlreadySo),
            Some(_) if self.is_underway() => Err(Refused::Underway),
            Some(leg) if !self.is_up(leg) || self.actor().is_none() => Err(Refused::NotNow),
            Some(_) => {
                self.hold = true;
                Ok(())
            }
        }
    }

    /// Takes the customer back, and asks a telephone that holds to listen again.
    fn resume_customer(&mut self, now: Millis) -> Result<(), Refused> {
        let asked = self.actor().is_some_and(|leg| self.call_back_phone(now, leg));
        let held = std::mem::replace(&mut self.hold, false);
        if held || asked { Ok(()) } else { Err(Refused::AlreadySo) }
    }

    /// Asks a telephone that has put us on hold to listen again. Returns whether it had.
    pub(super) fn call_back_phone(&mut self, now: Millis, leg: LegId) -> bool {
        let holds = |party: &Party| party.leg.is_up() && !party.leg.listens();
        let holds = self.party(leg).is_some_and(holds);
        if holds {
            self.with_leg(now, leg, |leg, cx| leg.offer_again(cx));
        }
        holds
    }

    fn mute(&mut self, leg: LegId, on: bool) -> Result<(), Refused> {
        match self.party_mut(leg).filter(|party| !party.is_leaving() && party.leg.is_up()) {
            None => Err(Refused::NoSuchLeg),
            Some(party) if party.muted == on => Err(Refused::AlreadySo),
            Some(party) => {
                party.muted = on;
                Ok(())
            }
        }
    }

    fn drop_leg(&mut self, now: Millis, leg: LegId) -> Result<(), Refused> {
        if !self.is_here(leg) {
            return Err(Refused::NoSuchLeg);
        }
        let purpose = self.errand.as_ref().filter(|errand| errand.leg == Some(leg));
        match purpose.map(|errand| errand.purpose) {
            Some(Purpose::Consult | Purpose::SecondLine(_) | Purpose::Join { .. }) => {
                self.cancel_errand()
            }
            Some(_) => Err(Refused::Underway),
            None => {
                let end = crate::leg::End::HungUp(Cause::OperatorHungUp);
                self.depart(now, leg, Cause::OperatorHungUp, end);
                Ok(())
            }
        }
    }

    /// Whoever paused the recording has left: what the citizen says to others is recorded.
    pub(super) fn resume_for_others(&mut self) {
        if self.is_live() && self.paused_for.is_some_and(|leg| !self.is_here(leg)) {
            let _ = self.pause_recording(false);
        }
    }

    fn pause_recording(&mut self, pause: bool) -> Result<(), Refused> {
        if self.recording_paused == pause {
            return Err(Refused::AlreadySo);
        }
        self.recording_paused = pause;
        self.paused_for = self.actor().filter(|_| pause);
        if pause {
            self.emit(Output::PauseRecording);
            self.emit(Output::Persist(Record::RecordingPaused));
        } else {
            self.emit(Output::Persist(Record::RecordingResumed));
            self.emit(Output::ResumeRecording);
        }
        Ok(())
    }
}
