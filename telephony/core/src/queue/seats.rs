//! What seats do, and what that does to the calls they are offered.

use super::seat::{After, Seat};
use super::{BreakReason, Level, OfferFailure, Output, Queue, SeatId, SeatState, Skill};
use qingting_common::CallId;
use std::collections::BTreeMap;

/// Most calls that one seat is joined to; a further one is not counted.
const TALKING_CALLS_MAX: usize = 8;

impl Queue {
    pub(super) fn sign_in(&mut self, seat: SeatId, skills: BTreeMap<Skill, Level>) {
        let fits = skills.len() <= self.config.seat_skills_max && self.know(&seat);
        let Some(entry) = self.seats.get_mut(&seat).filter(|_| fits) else {
            return self.emit(Output::SeatRefused { seat });
        };
        entry.skills = skills;
        if entry.after == Some(After::SignOut) {
            entry.after = None;
        }
        if !entry.signed_in() {
            self.ready(&seat);
        }
    }

    pub(super) fn sign_out(&mut self, seat: &SeatId) {
        match self.state(seat) {
            SeatState::Talking { .. } => self.promise(seat, Some(After::SignOut)),
            _ => self.stop(seat, SeatState::SignedOut),
        }
    }

    pub(super) fn set_ready(&mut self, seat: &SeatId) {
        self.promise(seat, None);
        match self.state(seat) {
            SeatState::Break { .. } | SeatState::Paused { .. } => self.ready(seat),
            SeatState::WrapUp { .. } => self.rest(seat),
            SeatState::SignedOut
            | SeatState::Ready
            | SeatState::Reserved { .. }
            | SeatState::Ringing { .. }
            | SeatState::Talking { .. } => {}
        }
    }

    pub(super) fn set_break(&mut self, seat: &SeatId, reason: BreakReason) {
        match self.state(seat) {
            SeatState::SignedOut => {}
            SeatState::Talking { .. } => self.promise(seat, Some(After::Break(reason))),
            _ => self.stop(seat, SeatState::Break { reason }),
        }
    }

    pub(super) fn wrap_up_done(&mut self, seat: &SeatId) {
        if matches!(self.state(seat), SeatState::WrapUp { .. }) {
            self.rest(seat);
        }
    }

    pub(super) fn registered(&mut self, seat: SeatId) {
        if !self.know(&seat) {
            return self.emit(Output::SeatRefused { seat });
        }
        self.reach(&seat, true);
    }

    pub(super) fn unregistered(&mut self, seat: &SeatId) {
        self.reach(seat, false);
        if let Some(call) = self.state(seat).offered() {
            self.withdraw(call);
            self.miss(call, seat, OfferFailure::Unreachable);
        }
    }

    pub(super) fn call_began(&mut self, call: CallId, seat: &SeatId) {
        let Some(entry) = self.seats.get(seat).filter(|entry| entry.signed_in()) else { return };
        // Others may talk in it already: it was handed on, or this seat was asked to join.
        if entry.talks_to(call) {
            return;
        }
        // The caller it is rung for: however they came together, this is the acceptance.
        if let Some(offer) = self.line.find(call).and_then(|waiting| waiting.offer.clone())
            && offer.seat == *seat
        {
            return self.accepted(offer);
        }
        self.leave(call);
        if let Some(offered) = self.state(seat).offered() {
            self.withdraw(offered);
        }
        match self.state(seat) {
            SeatState::WrapUp { .. } => self.measure(seat),
            // It goes on with its break afterwards.
            SeatState::Break { reason } => self.promise(seat, Some(After::Break(reason))),
            _ => {}
        }
        self.talk(call, seat);
    }

    pub(super) fn call_ended(&mut self, call: CallId, seat: &SeatId) {
        let SeatState::Talking { mut calls } = self.state(seat) else { return };
        let Some(at) = calls.iter().position(|talked| *talked == call) else { return };
        calls.remove(at);
        if !calls.is_empty() {
            return self.set(seat, SeatState::Talking { calls });
        }
        let leaves = self.seats.get(seat).is_some_and(|seat| seat.after == Some(After::SignOut));
        if leaves || self.config.wrap_up.is_zero() {
            return self.rest(seat);
        }
        self.set(seat, SeatState::WrapUp { until: self.now + self.config.wrap_up });
    }

    /// One more call at this seat.
    pub(super) fn talk(&mut self, call: CallId, seat: &SeatId) {
        let mut calls = match self.state(seat) {
            SeatState::Talking { calls } => calls,
            _ => Vec::new(),
        };
        if calls.len() < TALKING_CALLS_MAX {
            calls.push(call);
        }
        self.set(seat, SeatState::Talking { calls });
    }

    /// Every seat leaves this call.
    pub(super) fn leave_seats(&mut self, call: CallId) {
        let talk = self.seats.iter().filter(|(_, seat)| seat.talks_to(call));
        let talk: Vec<SeatId> = talk.map(|(id, _)| id.clone()).collect();
        talk.iter().for_each(|seat| self.call_ended(call, seat));
    }

    /// An offer was not taken: the call stands where it stood, the seat pauses.
    pub(super) fn miss(&mut self, call: CallId, seat: &SeatId, why: OfferFailure) {
        if let Some(waiting) = self.line.find(call) {
            waiting.offer = None;
            waiting.tried.insert(seat.clone());
            waiting.sticky = waiting.sticky.take().filter(|own| own != seat);
        }
        if self.seats.get(seat).is_some_and(|seat| seat.after.is_some()) {
            return self.rest(seat);
        }
        self.set(seat, SeatState::Paused { until: self.now + self.config.no_answer_pause, why });
    }

    /// An offer is over without the seat's doing: it keeps its turn.
    pub(super) fn put_back(&mut self, seat: &SeatId) {
        let turn = self.seats.get(seat).map(|seat| seat.idle_since);
        self.rest(seat);
        if let (Some(entry), Some(turn)) = (self.seats.get_mut(seat), turn) {
            entry.idle_since = turn;
        }
    }

    /// Nothing holds the seat any more: it does what it promised, or waits for a call.
    pub(super) fn rest(&mut self, seat: &SeatId) {
        self.measure(seat);
        match self.seats.get_mut(seat).and_then(|seat| seat.after.take()) {
            Some(After::SignOut) => self.set(seat, SeatState::SignedOut),
            Some(After::Break(reason)) => self.set(seat, SeatState::Break { reason }),
            None => self.ready(seat),
        }
    }

    /// The state of a seat; one that is not known is signed out.
    pub(super) fn state(&self, seat: &SeatId) -> SeatState {
        self.seats.get(seat).map_or(SeatState::SignedOut, |seat| seat.state.clone())
    }

    pub(super) fn set(&mut self, seat: &SeatId, state: SeatState) {
        let Some(entry) = self.seats.get_mut(seat).filter(|entry| entry.state != state) else {
            return;
        };
        entry.state = state.clone();
        entry.since = self.now;
        let registered = entry.registered;
        self.emit(Output::SeatState { seat: seat.clone(), state, registered });
    }

    /// The time that a seat needed for a call of a queue, if it just handled one.
    pub(super) fn measure(&mut self, seat: &SeatId) {
        let handled = self.seats.get_mut(seat).and_then(|seat| seat.handles.take());
        if let Some((queue, since)) = handled
            && let Some(handling) = self.handling.get_mut(&queue)
        {
            handling.measured(self.now - since);
        }
    }

    /// What the seat does after its call.
    pub(super) fn promise(&mut self, seat: &SeatId, after: Option<After>) {
        if let Some(entry) = self.seats.get_mut(seat) {
            entry.after = after;
        }
    }

    /// The call stands where it stood; the seat that rang for it is returned.
    pub(super) fn withdraw(&mut self, call: CallId) -> Option<SeatId> {
        let offer = self.line.find(call)?.offer.take()?;
        let seat = offer.seat.clone();
        self.emit(Output::Withdraw(offer));
        Some(seat)
    }

    /// The seat takes no calls from now on.
    fn stop(&mut self, seat: &SeatId, state: SeatState) {
        if let Some(call) = self.state(seat).offered() {
            self.withdraw(call);
        }
        self.promise(seat, None);
        self.measure(seat);
        self.set(seat, state);
    }

    fn ready(&mut self, seat: &SeatId) {
        if let Some(entry) = self.seats.get_mut(seat) {
            entry.idle_since = self.now;
        }
        self.set(seat, SeatState::Ready);
    }

    fn reach(&mut self, seat: &SeatId, registered: bool) {
        let Some(entry) = self.seats.get_mut(seat).filter(|e| e.registered != registered) else {
            return;
        };
        entry.registered = registered;
        let state = entry.state.clone();
        self.emit(Output::SeatState { seat: seat.clone(), state, registered });
    }

    /// Makes room for a seat; false when there are too many.
    fn know(&mut self, seat: &SeatId) -> bool {
        if !self.seats.contains_key(seat) && self.seats.len() >= self.config.seats_max {
            return false;
        }
        self.seats.entry(seat.clone()).or_insert_with(|| Seat::new(self.now));
        true
    }
}
