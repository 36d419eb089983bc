//! Supervisors, who change nothing for anybody by coming.

use super::party::{Duty, Place};
use super::{Call, LegId, Output, Record, Refused, Role, SuperviseMode, Target};
use qingting_common::Millis;

impl Call {
    /// Rings a supervisor, or lets one who is there do something else.
    pub(super) fn supervise(
        &mut self,
        now: Millis,
        target: Target,
        mode: SuperviseMode,
    ) -> Result<(), Refused> {
        let known = self.leg_ids().into_iter().find(|leg| {
            self.party(*leg).is_some_and(|party| {
                party.role == Role::Supervisor
                    && !party.is_leaving()
                    && party.target.as_ref() == Some(&target)
            })
        });
        let Some(leg) = known else {
            let ring = self.config.ring_expert;
            let leg = self.dial(now, Role::Supervisor, target, ring, Duty::Watch(mode));
            return leg.map(|_| ()).ok_or(Refused::NoLeg);
        };
        match self.party_mut(leg) {
            Some(party) if party.place == Place::Watching(mode) => Err(Refused::AlreadySo),
            Some(party) if party.place == Place::Coming => {
                party.duty = Duty::Watch(mode);
                Ok(())
            }
            _ => {
                self.watch(leg, mode);
                Ok(())
            }
        }
    }

    pub(super) fn watch(&mut self, leg: LegId, mode: SuperviseMode) {
        self.put(leg, Place::Watching(mode));
        self.emit(Output::Persist(Record::Supervised { leg, mode }));
    }
}
