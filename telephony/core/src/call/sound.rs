//! Who hears whom, and what is heard by whoever hears nobody.
//!
//! Nothing here is decided step by step: after each input it follows from where everybody is, and
//! what changed is said.

use super::dialling::Purpose;
use super::machine::Stage;
use super::party::{Duty, Party, Place};
use super::{Call, LEGS_MAX, LegId, News, Output, Role, SuperviseMode};

/// What the driver and the console were told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Sound {
    routes: [u8; LEGS_MAX],
    held: bool,
}

/// What a party hears besides voices and prompts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Tones {
    music: bool,
    ringback: bool,
}

impl Tones {
    pub(super) const SILENCE: Self = Self { music: false, ringback: false };
}

impl Call {
    pub(super) fn update_sound(&mut self) {
        let routes = self.routes();
        let tones: Vec<(LegId, Tones)> =
            self.leg_ids().into_iter().map(|leg| (leg, self.tones(leg, &routes))).collect();
        // What ends is said before the room changes, what begins after it.
        tones.iter().for_each(|(leg, tones)| self.change_tones(*leg, *tones, false));
        if routes != self.sound.routes {
            self.sound.routes = routes;
            self.emit(Output::Route(routes));
        }
        tones.iter().for_each(|(leg, tones)| self.change_tones(*leg, *tones, true));
        let on = self.is_customer_held();
        if std::mem::replace(&mut self.sound.held, on) != on {
            self.emit(Output::Tell(News::Held { on }));
        }
    }

    fn tones(&self, leg: LegId, routes: &[u8; LEGS_MAX]) -> Tones {
        let ringback = self.hears_ringback(leg, routes);
        Tones { ringback, music: !ringback && self.hears_music(leg, routes) }
    }

    fn change_tones(&mut self, leg: LegId, wanted: Tones, on: bool) {
        let Some(party) = self.party_mut(leg) else { return };
        let told = party.tones;
        let changes = |wanted: bool, told: bool| wanted == on && told != on;
        let ringback = changes(wanted.ringback, told.ringback);
        let music = changes(wanted.music, told.music);
        if ringback {
            party.tones.ringback = on;
        }
        if music {
            party.tones.music = on;
        }
        if ringback {
            self.emit(Output::Ringback { leg, on });
        }
        if music {
            self.emit(Output::Music { leg, on });
        }
    }

    /// A prompt is about to play: nothing else is heard with it.
    pub(super) fn end_tones(&mut self, leg: LegId) {
        self.change_tones(leg, Tones::SILENCE, false);
    }

    fn routes(&self) -> [u8; LEGS_MAX] {
        let mut routes = [0; LEGS_MAX];
        if self.stage != Stage::Talking {
            return routes;
        }
        let legs = self.leg_ids();
        for listener in &legs {
            for speaker in &legs {
                if self.does_hear(*listener, *speaker) {
                    routes[listener.slot()] |= speaker.bit();
                }
            }
        }
        routes
    }

    fn does_hear(&self, listener: LegId, speaker: LegId) -> bool {
        let (Some(here), Some(there)) = (self.party(listener), self.party(speaker)) else {
            return false;
        };
        if listener == speaker || !here.leg.hears() || !there.leg.speaks() || there.muted {
            return false;
        }
        if there.place == Place::Coming {
            return self.waits_for(listener, speaker);
        }
        let held = self.is_held(listener) || self.is_held(speaker);
        match (here.place, there.place) {
            (Place::Talk, Place::Talk) => !held,
            (Place::Aside, Place::Aside) => true,
            (Place::Watching(_), Place::Talk | Place::Aside) => !self.is_held(speaker),
            (Place::Talk | Place::Aside, Place::Watching(mode)) => match mode {
                SuperviseMode::Listen => false,
                SuperviseMode::Whisper => self.is_whispered_to(listener, here.role),
                SuperviseMode::Barge => !self.is_held(listener),
            },
            _ => false,
        }
    }

    /// The seat on either line, or who took its place.
    fn is_whispered_to(&self, leg: LegId, role: Role) -> bool {
        matches!(role, Role::Seat | Role::SeatSecondLine) || self.actor() == Some(leg)
    }

    /// Whether this party hears a telephone ring: nobody has answered the dial that is on its
    /// behalf.
    fn waits_for(&self, listener: LegId, dialled: LegId) -> bool {
        let Some(errand) = self.errand.as_ref().filter(|errand| errand.leg == Some(dialled)) else {
            return false;
        };
        match errand.purpose {
            Purpose::Treatment | Purpose::Return => self.customer == Some(listener),
            Purpose::Transfer => self.customer == Some(listener) && !self.is_up(errand.by),
            Purpose::SeatCalls | Purpose::RingCitizen | Purpose::Consult => errand.by == listener,
            // It hears its own telephone's tone until its second line is answered.
            Purpose::SecondLine(_)
            | Purpose::RingSeat
            | Purpose::MachineCalls
            | Purpose::Join { .. } => false,
        }
    }

    fn hears_ringback(&self, leg: LegId, routes: &[u8; LEGS_MAX]) -> bool {
        let dialled = self.errand.as_ref().and_then(|errand| errand.leg);
        self.is_spoken_to_by_nobody(leg, routes)
            && dialled.is_some_and(|dialled| self.waits_for(leg, dialled))
    }

    /// A customer who hears nobody. A seat on hold hears nothing; nor does somebody whose partner's
    /// ACK is on its way.
    fn hears_music(&self, leg: LegId, routes: &[u8; LEGS_MAX]) -> bool {
        let Some(party) = self.party(leg) else { return false };
        let waits = matches!(self.stage, Stage::Talking | Stage::Queued);
        let is_due = |party: &Party| {
            party.duty == Duty::None && party.role == Role::Seat && party.leg.awaits_ack()
        };
        let soon = self.parties().any(is_due);
        waits
            && self.customer == Some(leg)
            && !soon
            && party.place == Place::Talk
            && self.is_spoken_to_by_nobody(leg, routes)
    }

    fn is_spoken_to_by_nobody(&self, leg: LegId, routes: &[u8; LEGS_MAX]) -> bool {
        routes[leg.slot()] == 0
            && self.party(leg).is_some_and(|party| {
                party.leg.is_up() && party.leg.listens() && party.saying.is_none()
            })
    }

    /// Nobody hears a customer on hold, and it hears nobody.
    fn is_held(&self, leg: LegId) -> bool {
        self.customer == Some(leg) && self.is_customer_held()
    }

    /// On hold by command, or because the telephone of the only other party holds.
    fn is_customer_held(&self) -> bool {
        let Some(customer) = self.customer.filter(|leg| self.is_up(*leg)) else { return false };
        let others: Vec<&Party> = self
            .parties()
            .filter(|party| party.is_member() && party.place == Place::Talk)
            .collect();
        let holds = |party: &&Party| !party.leg.listens();
        let customer_is_in = self.party(customer).is_some_and(|party| party.place == Place::Talk);
        let phone = customer_is_in && others.len() == 2 && others.iter().any(holds);
        self.stage == Stage::Talking
            && (self.hold || (phone && self.party(customer).is_some_and(|p| p.leg.listens())))
    }
}
