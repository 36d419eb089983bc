//! Which seat gets which call, and what comes of an offer.

use super::line::Waiting;
use super::seat::{After, Seat};
use super::{Level, Offer, OfferFailure, Output, Queue, SeatId, SeatState, TakeRefusal};
use qingting_common::{CallId, Millis};
use std::collections::BTreeMap;

/// Smaller is better: not tried for this call, of the call's own skill, best level, longest idle.
type Rank = (bool, bool, Level, Millis);

impl Queue {
    /// Offers waiting calls, in their order, to free seats.
    pub(super) fn assign(&mut self) {
        let mut free: BTreeMap<&SeatId, &Seat> =
            self.seats.iter().filter(|(_, seat)| seat.takes_calls()).collect();
        let mut offers = Vec::new();
        for waiting in self.line.unoffered() {
            if free.is_empty() {
                break;
            }
            if let Some(seat) = self.best(waiting, &free) {
                free.remove(seat);
                offers.push((waiting.call, seat.clone()));
            }
        }
        for (call, seat) in offers {
            self.offer(call, seat);
        }
    }

    fn best<'a>(
        &self,
        waiting: &Waiting,
        free: &BTreeMap<&'a SeatId, &'a Seat>,
    ) -> Option<&'a SeatId> {
        if let Some(own) = self.own_seat(waiting) {
            if let Some((own, _)) = free.get_key_value(own) {
                return Some(own);
            }
            if self.now < waiting.sticky_until {
                return None;
            }
        }
        // Past its time a call goes on rather than ring again and again among seats that do not answer.
        if !waiting.tried.is_empty() && self.overdue(waiting) {
            return None;
        }
        let ranked = free.iter().filter_map(|(id, seat)| {
            let (widened, level) = self.fit(waiting, seat)?;
            let rank: Rank = (waiting.tried.contains(id), widened, level, seat.idle_since);
            Some((rank, *id))
        });
        ranked.min().map(|(_, id)| id)
    }

    /// The call's own seat, if it is at work and can do what is needed.
    fn own_seat<'a>(&self, waiting: &'a Waiting) -> Option<&'a SeatId> {
        let own = waiting.sticky.as_ref()?;
        let seat = self.seats.get(own)?;
        (seat.at_work() && self.fit(waiting, seat).is_some()).then_some(own)
    }

    /// Whether a seat can take a call: as a helper or not, and how well.
    pub(super) fn fit(&self, waiting: &Waiting, seat: &Seat) -> Option<(bool, Level)> {
        if let Some(level) = seat.skills.get(&waiting.skill) {
            return Some((false, *level));
        }
        let rules = self.config.queues.get(&waiting.queue)?;
        if self.now < waiting.entered + rules.widen_after {
            return None;
        }
        let helps = rules.widen_to.iter().filter_map(|skill| seat.skills.get(skill));
        helps.min().map(|level| (true, *level))
    }

    fn offer(&mut self, call: CallId, seat: SeatId) {
        let Some(waiting) = self.line.find(call) else { return };
        self.offers += 1;
        let offer = Offer { number: self.offers, call, seat };
        waiting.offer = Some(offer.clone());
        let until = self.now + self.config.offer_max;
        self.set(&offer.seat, SeatState::Reserved { call, until });
        self.emit(Output::Offer(offer));
    }

    /// Gives a call to a seat by hand, also from under another seat that rings for it.
    pub(super) fn take(&mut self, call: CallId, seat: &SeatId) {
        if let Some(why) = self.refuses_take(call, seat) {
            return self.emit(Output::TakeRefused { call, seat: seat.clone(), why });
        }
        if let Some(rung) = self.withdraw(call) {
            self.put_back(&rung);
        }
        if let SeatState::Break { reason } = self.state(seat) {
            self.promise(seat, Some(After::Break(reason)));
        }
        self.measure(seat);
        self.offer(call, seat.clone());
    }

    fn refuses_take(&self, call: CallId, seat: &SeatId) -> Option<TakeRefusal> {
        if !self.line.contains(call) {
            return Some(TakeRefusal::NotWaiting);
        }
        match self.seats.get(seat) {
            Some(entry) if entry.registered && entry.signed_in() => match entry.state {
                SeatState::Reserved { .. }
                | SeatState::Ringing { .. }
                | SeatState::Talking { .. } => Some(TakeRefusal::SeatBusy),
                _ => None,
            },
            _ => Some(TakeRefusal::NotAtWork),
        }
    }

    pub(super) fn offer_rings(&mut self, offer: &Offer) {
        if let SeatState::Reserved { call, until } = self.state(&offer.seat)
            && self.stands(offer)
        {
            self.set(&offer.seat, SeatState::Ringing { call, until });
        }
    }

    pub(super) fn accepted(&mut self, offer: Offer) {
        if !self.stands(&offer) {
            // The answer crossed our withdrawal, or is reported twice: that changes nothing.
            if !self.seats.get(&offer.seat).is_some_and(|seat| seat.talks_to(offer.call)) {
                self.emit(Output::Withdraw(offer));
            }
            return;
        }
        let Some(waiting) = self.line.remove(offer.call) else { return };
        if let Some(entry) = self.seats.get_mut(&offer.seat) {
            entry.handles = Some((waiting.queue, self.now));
        }
        self.talk(offer.call, &offer.seat);
        self.emit(Output::Connect { offer, waited: self.now - waiting.arrived });
    }

    pub(super) fn failed(&mut self, offer: &Offer, why: OfferFailure) {
        if self.stands(offer) {
            self.miss(offer.call, &offer.seat, why);
        }
    }

    /// Whether this is the offer for which the seat is being rung.
    fn stands(&mut self, offer: &Offer) -> bool {
        self.line.find(offer.call).is_some_and(|waiting| waiting.offer.as_ref() == Some(offer))
    }
}
