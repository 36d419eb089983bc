//! Who is in the call, and where.

use super::sound::Tones;
use super::{
    Call, Cause, LEGS_MAX, LegId, Output, Prompt, PromptId, Record, Role, SeatId, SuperviseMode,
    Target,
};
use crate::leg::Leg;
use qingting_common::Millis;
use std::time::Duration;

/// One party: its leg and its place in the call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Party {
    pub(super) role: Role,
    pub(super) leg: Leg,
    pub(super) place: Place,
    pub(super) duty: Duty,
    /// How to ring it again.
    pub(super) target: Option<Target>,
    /// The seat that the queue offered and that was reported as accepted.
    pub(super) accepted: Option<SeatId>,
    pub(super) saying: Option<Saying>,
    pub(super) muted: bool,
    /// What it hears besides voices and prompts.
    pub(super) tones: Tones,
    /// The row of its end is written.
    pub(super) is_written_off: bool,
}

/// Where a party is, which decides whom it hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// Not answered yet.
    Coming,
    /// In the talk.
    Talk,
    /// A seat and an expert by themselves, while the customer waits.
    Aside,
    /// The first line of a seat that talks on its second.
    Away,
    /// Answered, and hears a prompt before it may talk.
    Joining,
    /// A supervisor.
    Watching(SuperviseMode),
    /// On its way out for this cause. `ended` once its dialog was told; an answer that waits for
    /// its ACK, and a dial that was given up, stay a while.
    Leaving { cause: Cause, ended: bool },
}

/// What a leg that is not up yet was begun for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Duty {
    /// Nothing any more, or the call itself.
    None,
    /// The call's errand.
    Errand,
    /// An offer of the queue.
    Offer,
    /// A supervisor comes.
    Watch(SuperviseMode),
    /// It takes this leg's place.
    Replace(LegId),
}

/// A prompt that is played to a party, or owed to it while it has us on hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Saying {
    pub(super) prompt: Prompt,
    /// `None` while it is owed.
    pub(super) playing: Option<(PromptId, Millis)>,
}

impl Party {
    pub(super) const fn new(role: Role, leg: Leg, duty: Duty, target: Option<Target>) -> Self {
        Self {
            role,
            leg,
            place: Place::Coming,
            duty,
            target,
            accepted: None,
            saying: None,
            muted: false,
            tones: Tones::SILENCE,
            is_written_off: false,
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Millis> {
        let saying = self.saying.and_then(|saying| saying.playing).map(|(_, until)| until);
        saying.into_iter().chain(self.leg.next_deadline()).min()
    }

    pub(super) const fn is_leaving(&self) -> bool {
        matches!(self.place, Place::Leaving { .. })
    }

    /// Up, and one whose presence keeps the call alive.
    pub(super) const fn is_member(&self) -> bool {
        let counts = !matches!(self.role, Role::Supervisor | Role::SeatSecondLine);
        let there = matches!(self.place, Place::Talk | Place::Aside | Place::Away | Place::Joining);
        counts && there && self.leg.is_up()
    }
}

impl Call {
    pub(super) fn leg_ids(&self) -> Vec<LegId> {
        (0..LEGS_MAX)
            .filter(|slot| self.parties[*slot].is_some())
            .filter_map(|slot| u8::try_from(slot).ok().map(LegId))
            .collect()
    }

    pub(super) fn parties(&self) -> impl Iterator<Item = &Party> {
        self.parties.iter().flatten().map(|party| &**party)
    }

    pub(super) fn party(&self, leg: LegId) -> Option<&Party> {
        self.parties.get(leg.slot())?.as_deref()
    }

    pub(super) fn party_mut(&mut self, leg: LegId) -> Option<&mut Party> {
        self.parties.get_mut(leg.slot())?.as_deref_mut()
    }

    /// Whether this leg is there and not on its way out.
    pub(super) fn is_here(&self, leg: LegId) -> bool {
        self.party(leg).is_some_and(|party| !party.is_leaving())
    }

    pub(super) fn is_up(&self, leg: LegId) -> bool {
        self.party(leg).is_some_and(|party| !party.is_leaving() && party.leg.is_up())
    }

    /// Those whose presence keeps the call alive.
    pub(super) fn members(&self) -> Vec<LegId> {
        let is_member = |leg: &LegId| self.party(*leg).is_some_and(Party::is_member);
        self.leg_ids().into_iter().filter(is_member).collect()
    }

    pub(super) fn put(&mut self, leg: LegId, place: Place) {
        if let Some(party) = self.party_mut(leg)
            && !party.is_leaving()
        {
            party.place = place;
        }
    }

    pub(super) fn role(&self, leg: LegId) -> Option<Role> {
        self.party(leg).map(|party| party.role)
    }

    /// The session id of the next leg: each leg has its own.
    pub(super) fn next_session_id(&mut self) -> u64 {
        let id = self.config.session_id.wrapping_add(u64::from(self.legs_begun));
        self.legs_begun = self.legs_begun.wrapping_add(1);
        id
    }

    /// A leg of this role begins; its media is opened.
    pub(super) fn admit(&mut self, id: LegId, party: Party) {
        let (role, target) = (party.role, party.target.clone());
        let target = target.filter(|_| !party.leg.is_ringing_in());
        self.parties[id.slot()] = Some(Box::new(party));
        self.emit(Output::Persist(Record::LegBegan { leg: id, role, target: target.clone() }));
        let inactive_after = match role {
            Role::Seat | Role::SeatSecondLine => self.config.seat_inactive,
            _ => self.config.media_inactive,
        };
        self.emit(Output::OpenMedia { leg: id, role, target, inactive_after });
    }

    /// Dials somebody on a free leg; `None` when there is none.
    pub(super) fn dial(
        &mut self,
        now: Millis,
        role: Role,
        target: Target,
        ring: Duration,
        duty: Duty,
    ) -> Option<LegId> {
        let id = self.free_leg()?;
        let session_id = self.next_session_id();
        let leg = Leg::dialled(id, session_id, target.clone(), ring, &self.config, now);
        self.admit(id, Party::new(role, leg, duty, Some(target)));
        Some(id)
    }

    /// Puts a leg on its way out; it is hung up on when the input has been dealt with.
    pub(super) fn dismiss(&mut self, leg: LegId, cause: Cause) {
        self.put(leg, Place::Leaving { cause, ended: false });
    }

    /// Nothing more will come of this leg.
    pub(super) fn free(&mut self, leg: LegId) {
        if let Some(slot) = self.parties.get_mut(leg.slot()) {
            *slot = None;
            let latest = self.rested.iter().max().copied().unwrap_or_default();
            self.rested[leg.slot()] = latest.saturating_add(1);
        }
    }
}
