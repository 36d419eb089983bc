//! The legs of one call as the driver holds them: a SIP dialog and a media leg each.

use crate::serve::switchboard::{TrunkLine, Way};
use crate::serve::traces::LegTrace;
use qingting_common::{CallId, UnixMillis};
use qingting_core::call::{Cause, HungUpBy, LEGS_MAX, LegId, Role, Target};
use qingting_core::queue::SeatId;
use qingting_media::{LegHandle, LegReport, MediaEvent};
use qingting_sip::{Dialog, DialogEvent};
use qingting_store::LegRef;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::IpAddr;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// One leg.
pub(super) struct LegIo {
    pub(super) role: Role,
    pub(super) target: Option<Target>,
    /// The seat whose telephone it is.
    pub(super) seat: Option<SeatId>,
    /// Counts the call's legs from 1.
    pub(super) number: u32,
    /// Counts the uses of its slot from 0.
    seq: u32,
    /// Our address as the peer should see it.
    pub(super) local_ip: Option<IpAddr>,
    /// The peer's, for the books.
    pub(super) remote: Option<String>,
    /// The host that its signalling comes from.
    pub(super) source: Option<IpAddr>,
    /// Its peer wants audio as browsers do.
    pub(super) is_browser: bool,
    pub(super) dialog: Option<Dialog>,
    pub(super) events: Option<mpsc::Receiver<DialogEvent>>,
    pub(super) media: Option<LegHandle>,
    pub(super) media_events: Option<mpsc::Receiver<MediaEvent>>,
    /// Other ways to the same party, tried when this one fails before anything rings.
    pub(super) other_ways: VecDeque<Way>,
    /// The trunk that its dial goes by.
    pub(super) trunk: Option<TrunkLine>,
    /// Somebody at the far end has reacted: other ways are not tried any more.
    pub(super) is_heard_of: bool,
    /// The machine has given up the dial.
    pub(super) is_given_up: bool,
    /// The machine has taken it into the call.
    pub(super) is_begun: bool,
    pub(super) is_answered: bool,
    /// The final refusal that we gave, for the books.
    pub(super) refused: Option<u16>,
    /// The file of its track, until it is noted.
    pub(super) track: Option<String>,
    pub(super) report: Option<LegReport>,
    pub(super) end: Option<(Cause, HungUpBy, UnixMillis)>,
    pub(super) trace: LegTrace,
}

impl LegIo {
    fn new(number: u32, seq: u32, role: Role, target: Option<Target>) -> Self {
        Self {
            role,
            target,
            seat: None,
            number,
            seq,
            local_ip: None,
            remote: None,
            source: None,
            is_browser: false,
            dialog: None,
            events: None,
            media: None,
            media_events: None,
            other_ways: VecDeque::new(),
            trunk: None,
            is_heard_of: false,
            is_given_up: false,
            is_begun: false,
            is_answered: false,
            refused: None,
            track: None,
            report: None,
            end: None,
            trace: LegTrace::new(),
        }
    }
}

/// All of them, by slot.
#[derive(Default)]
pub(super) struct Legs {
    slots: [Option<Box<LegIo>>; LEGS_MAX],
    /// Legs that there have been, in all and in each slot.
    count: u32,
    uses: [u32; LEGS_MAX],
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
        let seq = self.uses[leg.slot()];
        self.uses[leg.slot()] += 1;
        self.slots[leg.slot()].insert(Box::new(LegIo::new(self.count, seq, role, target)))
    }

    /// The leg of this slot, a new one where there is none.
    pub(super) fn ensure(&mut self, leg: LegId, role: Role, target: Option<Target>) -> &mut LegIo {
        if self.get(leg).is_none() {
            self.open(leg, role, target);
        }
        self.slots[leg.slot()].as_mut().expect("it is there or was just opened")
    }

    /// How the store names the leg of this slot.
    pub(super) fn reference(&self, call: CallId, leg: LegId) -> LegRef {
        LegRef { call, slot: leg.0, seq: self.get(leg).map_or(0, |io| io.seq) }
    }

    pub(super) fn get(&self, leg: LegId) -> Option<&LegIo> {
        self.slots.get(leg.slot())?.as_deref()
    }

    pub(super) fn get_mut(&mut self, leg: LegId) -> Option<&mut LegIo> {
        self.slots.get_mut(leg.slot())?.as_deref_mut()
    }

    pub(super) fn take(&mut self, leg: LegId) -> Option<Box<LegIo>> {
        self.slots.get_mut(leg.slot())?.take()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LegId, &LegIo)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(slot, leg)| Some((LegId(slot as u8), leg.as_deref()?)))
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

    /// Whether a seat has any line here.
    pub(super) fn has_seat(&self, seat: &SeatId) -> bool {
        self.iter().any(|(_, leg)| leg.seat.as_ref() == Some(seat))
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
