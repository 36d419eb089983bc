//! Seats at work: their telephones come and go, and they say what they want to do.

use super::Switchboard;
use crate::serve::{Hotline, cluster};
use qingting_api::{Event, QueueState};
use qingting_core::queue::{BreakReason, Input, SeatId, SeatState};
use qingting_sip::registrar::RegistrationEvent;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;

impl Switchboard {
    /// A seat's telephone can be reached, or no more. A telephone that comes signs its seat in: a
    /// desk phone has no page to do it with. Breaks are the seat's own wish and stay; signing out
    /// stays as long as the telephone is there.
    ///
    /// Of several servers the one that keeps the queues sees to it.
    pub fn telephone(&self, extension: &str, is_there: bool) {
        if !self.queues.keeps() {
            return;
        }
        let seat = SeatId::new(extension);
        // Also of who is no seat any more: its telephone left because of that.
        if !is_there {
            return self.queues.tell(Input::Unregistered { seat });
        }
        if !self.seats.takes_calls(extension) {
            return;
        }
        self.queues.tell(Input::Registered { seat: seat.clone() });
        self.sign_in(&seat);
    }

    /// The administrator has changed seats: who takes no calls any more gets none, and skills that
    /// `changed` count from the next call on.
    pub fn seats_changed(&self, changed: &[String]) {
        if !self.queues.keeps() {
            return;
        }
        for view in self.queues.snapshot().seats {
            let extension = view.seat.as_str();
            if !self.seats.takes_calls(extension) {
                self.queues.tell(Input::SignOut { seat: view.seat });
            } else if view.state != SeatState::SignedOut && changed.iter().any(|of| of == extension)
            {
                self.sign_in(&view.seat);
            }
        }
    }

    /// A seat begins work.
    pub fn sign_in(&self, seat: &SeatId) {
        let skills = self.seats.skills(seat.as_str());
        self.queues.tell(Input::SignIn { seat: seat.clone(), skills });
    }

    /// Who had a break when the last run ended has it still.
    pub fn go_on_resting(&self, seats: &[(String, String)]) {
        for (extension, reason) in seats {
            if self.seats.takes_calls(extension) {
                let seat = SeatId::new(extension);
                self.sign_in(&seat);
                self.take_break(&seat, reason);
            }
        }
    }

    /// A seat wants a break.
    pub fn take_break(&self, seat: &SeatId, reason: &str) {
        let reason = BreakReason::new(reason);
        self.queues.tell(Input::SetBreak { seat: seat.clone(), reason });
    }
}

/// Carries registrations to the queues until the endpoint is gone.
pub async fn watch_telephones(hotline: Arc<Hotline>) {
    let mut events = hotline.endpoint.registrations();
    // Those that came before anybody listened.
    look_at_all(&hotline);
    loop {
        match events.recv().await {
            Ok(RegistrationEvent { user, .. }) => {
                let cluster = &hotline.switchboard.cluster;
                if cluster.is_on() {
                    cluster.others.own_are(&user, &cluster::own_telephones(&hotline, &user));
                    let telephones = cluster::telephones(&hotline, &user);
                    cluster
                        .tell(cluster::Letter::Telephones { extension: user.clone(), telephones });
                }
                look_at(&hotline, &user);
            }
            Err(RecvError::Lagged(lost)) => {
                tracing::warn!(lost, "registrations came faster than they were taken");
                look_at_all(&hotline);
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// What was missed is looked up: every seat's telephone is there or not.
pub fn look_at_all(hotline: &Hotline) {
    for extension in hotline.switchboard.seats.extensions() {
        look_at(hotline, &extension);
    }
}

/// A seat's telephone is there or not. Of one that is as it was nothing is said: it would sign in who has signed out.
pub fn look_at(hotline: &Hotline, extension: &str) {
    let switchboard = &hotline.switchboard;
    if !switchboard.queues.keeps() {
        return;
    }
    let is_there = switchboard.is_reachable(hotline, extension);
    if switchboard.queues.is_registered(extension) != is_there {
        switchboard.telephone(extension, is_there);
    }
}

/// Seats that the queues think can be reached: one that registered with another server may have gone silently.
pub fn look_at_gone(hotline: &Hotline) {
    for view in hotline.switchboard.queues.snapshot().seats {
        let extension = view.seat.as_str();
        if view.registered && !hotline.switchboard.is_reachable(hotline, extension) {
            hotline.switchboard.telephone(extension, false);
        }
    }
}

/// How often the queues' numbers are told while they change.
const QUEUES_TOLD_EVERY: Duration = Duration::from_millis(500);

/// Tells the queues' numbers, until it is aborted.
pub async fn tell_queues(hotline: Arc<Hotline>) {
    let mut ticks = tokio::time::interval(QUEUES_TOLD_EVERY);
    loop {
        ticks.tick().await;
        if !hotline.switchboard.queues.take_changed() {
            continue;
        }
        for queue in hotline.switchboard.snapshot(hotline.clock.now()).queues {
            let QueueState { queue, waiting, longest_wait_ms, seats_ready, seats_at_work, .. } =
                queue;
            hotline.events.publish(Event::Queue {
                queue,
                waiting,
                longest_wait_ms,
                seats_ready,
                seats_at_work,
            });
        }
    }
}
