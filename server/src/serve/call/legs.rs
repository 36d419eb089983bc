//! The legs of one call as the driver holds them: a SIP dialog and a media leg each.

use qingting_core::call::{LEGS_MAX, LegId, Role, Target};
use qingting_core::queue::SeatId;
use qingting_media::{LegHandle, MediaEvent};
use qingting_sip::{Dialog, DialogEvent, OutgoingInvite};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// One leg.
pub(super) struct LegIo {
    pub(super) role: Role,
    pub(super) target: Option<Target>,
    /// The seat whose telephone it is.
    pub(super) seat: Option<SeatId>,
    /// Counts the call's legs: a slot is used again.
    pub(super) number: u32,
    pub(super) dialog: Option<Dialog>,
    pub(super) events: Option<mpsc::Receiver<DialogEvent>>,
    pub(super) media: Option<LegHandle>,
    pub(super) media_events: Option<mpsc::Receiver<MediaEvent>>,
    /// Other ways to the same party, tried when this one fails before anything rings.
    pub(super) other_ways: VecDeque<OutgoingInvite>,
    /// Somebody at the far end has reacted: other ways are not tried any more.
    pub(super) is_heard_of: bool,
    /// The final refusal that we gave, for the books.
    pub(super) refused: Option<u16>,
}

impl LegIo {
    pub(super) fn new(number: u32, role: Role, target: Option<Target>) -> Self {
        Self {
            role,
            target,
            seat: None,
            number,
            dialog: None,
            events: None,
            media: None,
            media_events: None,
            other_ways: VecDeque::new(),
            is_heard_of: false,
            refused: None,
        }
    }
}

/// All of them, by slot.
#[derive(Default)]
pub(super) struct Legs {
    slots: [Option<LegIo>; LEGS_MAX],
    /// Legs that there have been.
    count: u32,
    /// The slot that is asked first next time, so that no leg's events starve another's.
    turn: usize,
}

/// Something of one leg.
pub(super) enum Happening {
    /// Its dialog said so; `None` when the endpoint has forgotten it.
    Dialog(LegId, Option<DialogEvent>),
    /// Its media said so.
    Media(LegId, MediaEvent),
}

impl Legs {
    /// A new leg in this slot.
    pub(super) fn open(&mut self, leg: LegId, role: Role, target: Option<Target>) -> &mut LegIo {
        self.count += 1;
        self.slots[leg.slot()].insert(LegIo::new(self.count, role, target))
    }

    pub(super) fn get(&self, leg: LegId) -> Option<&LegIo> {
        self.slots.get(leg.slot())?.as_ref()
    }

    pub(super) fn get_mut(&mut self, leg: LegId) -> Option<&mut LegIo> {
        self.slots.get_mut(leg.slot())?.as_mut()
    }

    pub(super) fn take(&mut self, leg: LegId) -> Option<LegIo> {
        self.slots.get_mut(leg.slot())?.take()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LegId, &LegIo)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(slot, leg)| Some((LegId(slot as u8), leg.as_ref()?)))
    }

    /// The leg whose dialog has this Call-ID.
    pub(super) fn of_dialog(&self, call_id: &str) -> Option<LegId> {
        let has = |leg: &LegIo| leg.dialog.as_ref().is_some_and(|d| d.call_id() == call_id);
        self.iter().find(|(_, leg)| has(leg)).map(|(id, _)| id)
    }

    /// The first line of a seat.
    pub(super) fn of_seat(&self, seat: &SeatId) -> Option<LegId> {
        let is = |leg: &LegIo| leg.seat.as_ref() == Some(seat) && leg.role != Role::SeatSecondLine;
        self.iter().find(|(_, leg)| is(leg)).map(|(id, _)| id)
    }

    /// The next thing that happens to any of them; dialogs go before media.
    pub(super) async fn next(&mut self) -> Happening {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Happening> {
        for step in 0..LEGS_MAX {
            let slot = (self.turn + step) % LEGS_MAX;
            let Some(leg) = &mut self.slots[slot] else { continue };
            let Some(events) = &mut leg.events else { continue };
            if let Poll::Ready(event) = events.poll_recv(context) {
                if event.is_none() {
                    leg.events = None;
                }
                self.turn = slot + 1;
                return Poll::Ready(Happening::Dialog(LegId(slot as u8), event));
            }
        }
        for (slot, leg) in self.slots.iter_mut().enumerate() {
            let Some(leg) = leg else { continue };
            let Some(events) = &mut leg.media_events else { continue };
            match events.poll_recv(context) {
                Poll::Ready(Some(event)) => {
                    return Poll::Ready(Happening::Media(LegId(slot as u8), event));
                }
                Poll::Ready(None) => leg.media_events = None,
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }
}
