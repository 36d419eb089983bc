//! The rules that every call keeps, looked at after every input.

use super::seen::Seen;
use qingting_core::call::{
    CallConfig, CommandId, Input, LEGS_MAX, LegId, News, Output, QueueEvent, QueueRequest, Record,
    Response, Role, SeatId,
};
use qingting_core::leg::LegEvent;

/// The rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Watch {
    pub(crate) legs: [Option<Seen>; LEGS_MAX],
    routes: [u8; LEGS_MAX],
    begun: bool,
    stored: bool,
    ended: u8,
    pub(crate) finished: bool,
    held: bool,
    /// The citizen talks to the machine, or to a menu, which may be silent.
    pub(crate) is_quiet: bool,
    pub(crate) queued: bool,
    pub(crate) open_offer: Option<SeatId>,
    command: Option<(CommandId, u8)>,
    reinvite: Option<(LegId, u8)>,
    refer: Option<(LegId, u8)>,
    accepted: Vec<SeatId>,
}

impl Watch {
    pub(crate) fn seen(&self, leg: LegId) -> Option<&Seen> {
        self.legs[leg.slot()].as_ref()
    }

    fn leg(&mut self, leg: LegId, why: &Output) -> &mut Seen {
        self.legs[leg.slot()].as_mut().unwrap_or_else(|| panic!("no leg for {why:?}"))
    }

    pub(crate) fn heard(&self) -> String {
        let row = |(slot, row): (usize, &u8)| {
            let who: String =
                (0..LEGS_MAX).filter(|j| row & (1 << j) != 0).map(|j| j.to_string()).collect();
            (*row != 0).then(|| format!("{slot}:{who}"))
        };
        self.routes.iter().enumerate().filter_map(row).collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn before(&mut self, input: &Input, was_over: bool) {
        (self.command, self.reinvite, self.refer) = (None, None, None);
        if was_over {
            return;
        }
        match input {
            Input::Persisted => self.stored = self.begun,
            Input::Command { id, .. } => self.command = Some((*id, 0)),
            Input::Queue(QueueEvent::Offer { seat }) => {
                // A queue offers one seat at a time; a second one is turned down at once.
                assert!(self.open_offer.replace(*seat).is_none(), "the test offers twice");
            }
            Input::Queue(QueueEvent::Withdrawn { seat }) => self.withdrawn(*seat),
            Input::Queue(QueueEvent::Overflow(_)) => self.queued = false,
            // A new dialog, which may be refused at once.
            Input::SecondLine { leg, .. } | Input::Replace { leg, .. } => {
                let old = self.legs[leg.slot()].take();
                assert!(old.is_none_or(|old| old.is_settled()), "a slot that is in use");
            }
            Input::PromptDone { leg, id } => {
                if let Some(seen) = &mut self.legs[leg.slot()] {
                    seen.playing.take_if(|playing| playing == id);
                }
            }
            Input::Leg { leg, event } => self.event(*leg, event),
            _ => {}
        }
    }

    pub(crate) fn has_accepted(&self) -> bool {
        !self.accepted.is_empty()
    }

    fn withdrawn(&mut self, seat: SeatId) {
        if self.open_offer.take().is_none() && self.accepted.contains(&seat) {
            // It crossed the seat's answer: the queue has the caller still.
            self.accepted.retain(|accepted| *accepted != seat);
            self.queued = true;
        }
    }

    fn event(&mut self, leg: LegId, event: &LegEvent) {
        let Some(seen) = &mut self.legs[leg.slot()] else { return };
        match event {
            LegEvent::Reinvite { .. } if seen.is_alive() && !seen.cancelled => {
                self.reinvite = Some((leg, 0));
            }
            LegEvent::Refer { .. } if seen.is_alive() && !seen.cancelled => {
                self.refer = Some((leg, 0));
            }
            event => seen.take(event),
        }
    }

    pub(crate) fn take(&mut self, output: &Output) {
        assert!(!self.finished, "after Finished came {output:?}");
        match output {
            Output::Persist(record) => self.row(record),
            Output::OpenMedia { leg, role, inactive_after, .. } => {
                assert!(self.begun, "media before the row");
                let defaults = CallConfig::default();
                let is_seat = matches!(role, Role::Seat | Role::SeatSecondLine);
                let wait = if is_seat { defaults.seat_inactive } else { defaults.media_inactive };
                assert_eq!(*inactive_after, wait, "a seat's browser may come back");
                self.leg(*leg, output).opened += 1;
            }
            Output::CloseMedia { leg } => {
                let seen = self.leg(*leg, output);
                assert!(seen.ended_row, "closed before its row");
                seen.closed += 1;
                assert!(seen.closed <= seen.opened, "closed twice");
            }
            Output::ConnectMedia { leg, remote } => {
                let seen = self.leg(*leg, output);
                let may_send = seen.acknowledged
                    || (!seen.is_dial && matches!(seen.role, Role::Seat | Role::SeatSecondLine));
                assert!(may_send || !remote.direction.sends(), "RTP before the ACK");
                assert_eq!(seen.closed, 0, "connected after it was closed");
                seen.sends = remote.direction.sends();
            }
            Output::Respond { leg, response } => self.response(*leg, response, output),
            Output::Dial { leg, .. } => {
                assert!(self.stored, "dialled before the call was stored");
                let seen = self.leg(*leg, output);
                assert!(seen.is_dial && !seen.dialled, "dialled twice");
                seen.dialled = true;
            }
            Output::CancelDial { leg } => {
                let seen = self.leg(*leg, output);
                assert!(seen.dialled && !seen.answered && !seen.gone && !seen.cancelled);
                seen.cancelled = true;
            }
            Output::SendBye { leg, .. } => {
                let seen = self.leg(*leg, output);
                assert!(!seen.bye && !seen.gone, "BYE to nobody: {seen:?}");
                assert!(seen.ended_row, "BYE before its row");
                assert_eq!(seen.refers, 0, "BYE before the last NOTIFY");
                let allowed = seen.answered || seen.cancelled;
                assert!(allowed, "BYE to whom nobody answered");
                seen.bye = true;
            }
            Output::Route(routes) => self.routes = *routes,
            Output::Play { leg, id, .. } => {
                let seen = self.leg(*leg, output);
                assert!(seen.is_up(), "a prompt to nobody");
                assert!(seen.sends, "a prompt to one who does not listen");
                seen.playing = Some(*id);
            }
            Output::StopPrompts { leg } => self.leg(*leg, output).playing = None,
            Output::Music { leg, on } => {
                let seen = self.leg(*leg, output);
                assert_ne!(seen.music, *on, "music twice");
                seen.music = *on;
            }
            Output::Ringback { leg, on } => {
                let seen = self.leg(*leg, output);
                assert_ne!(seen.ringback, *on, "ringback twice");
                seen.ringback = *on;
            }
            Output::Queue(request) => self.asked(*request),
            Output::CommandResult { id, .. } => {
                let (wanted, results) = self.command.as_mut().expect("a result without a command");
                assert_eq!(wanted, id);
                *results += 1;
            }
            Output::AnswerReinvite { leg, .. } | Output::RejectReinvite { leg, .. } => {
                let (wanted, finals) = self.reinvite.as_mut().expect("no re-INVITE");
                assert_eq!(wanted, leg);
                *finals += 1;
            }
            Output::AcceptRefer { leg } | Output::RejectRefer { leg, .. } => {
                let (wanted, finals) = self.refer.as_mut().expect("no REFER");
                assert_eq!(wanted, leg);
                *finals += 1;
                if matches!(output, Output::AcceptRefer { .. }) {
                    self.leg(*leg, output).refers += 1;
                }
            }
            Output::NotifyRefer { leg, is_final, .. } => {
                let seen = self.leg(*leg, output);
                assert!(seen.refers > 0, "NOTIFY without REFER");
                seen.refers -= i8::from(*is_final);
            }
            Output::Reoffer { leg, .. } => {
                let seen = self.leg(*leg, output);
                assert!(seen.is_up() && !seen.reoffered);
                seen.reoffered = true;
            }
            Output::MenuStart => self.is_quiet = true,
            Output::Tell(News::Held { on }) => self.held = *on,
            Output::AnswerUpdate { .. }
            | Output::RejectUpdate { .. }
            | Output::AckAnswer { .. }
            | Output::StartRecognition { .. }
            | Output::PauseRecording
            | Output::ResumeRecording
            | Output::MenuKey { .. }
            | Output::Unusable { .. }
            | Output::Tell(_) => {}
            Output::Finished => self.finished = true,
        }
    }

    fn row(&mut self, record: &Record) {
        match record {
            Record::Begin => {
                assert!(!self.begun, "begun twice");
                self.begun = true;
            }
            Record::Answered => assert!(self.stored, "answered before it was stored"),
            Record::LegBegan { leg, role, target } => {
                let old = &mut self.legs[leg.slot()];
                if let Some(old) = old {
                    assert!(old.is_settled(), "the slot of {old:?} is in use");
                }
                *old = Some(Seen::new(*role, target.is_some()));
            }
            Record::LegEnded { leg, cause, by } => {
                assert_eq!(*by, cause.by());
                let seen = self.legs[leg.slot()].as_mut().expect("a leg");
                assert!(!seen.ended_row, "ended twice");
                seen.ended_row = true;
                seen.ended_for = Some(*cause);
            }
            Record::Ended(_) => self.ended += 1,
            _ => {}
        }
    }

    fn response(&mut self, leg: LegId, response: &Response, output: &Output) {
        let stored = self.stored;
        let (begun, ended) = (self.begun, self.ended);
        let Some(seen) = &mut self.legs[leg.slot()] else {
            // Refused before anything was stored or opened for it.
            assert!(matches!(response, Response::Reject(_)), "{output:?}");
            return;
        };
        match response {
            Response::Ringing => assert!(stored && seen.finals == 0),
            Response::Progress { .. } => {
                assert!(stored && seen.finals == 0);
                seen.early = true;
            }
            Response::Answer { .. } => {
                assert!(stored, "200 before the row");
                seen.finals += 1;
                seen.answered = true;
            }
            Response::Reject(_) => {
                assert!(!begun || seen.ended_row, "refused before its row");
                let _ = ended;
                seen.finals += 1;
            }
        }
        assert!(seen.finals <= 1, "two final responses");
    }

    fn asked(&mut self, request: QueueRequest) {
        match request {
            QueueRequest::Enqueue { .. } => {
                assert!(!self.queued, "queued twice");
                self.queued = true;
            }
            QueueRequest::Accepted { seat } => {
                assert_eq!(self.open_offer.take(), Some(seat), "accepted what was not offered");
                assert!(self.queued);
                self.queued = false;
                self.accepted.push(seat);
            }
            QueueRequest::OfferFailed { seat, .. } => {
                assert_eq!(self.open_offer.take(), Some(seat), "settled twice");
            }
            QueueRequest::Abandon | QueueRequest::CallbackWanted => {
                assert!(self.queued, "left a queue that it is not in");
                self.queued = false;
                self.open_offer = None;
            }
            QueueRequest::Ended { seat } => {
                let place = self.accepted.iter().position(|accepted| *accepted == seat);
                self.accepted.remove(place.expect("a seat that ended was accepted"));
            }
        }
    }

    pub(crate) fn after(&mut self, input: &Input) {
        for (what, wanted) in [
            ("command", self.command.map(|(_, n)| n)),
            ("re-INVITE", self.reinvite.map(|(_, n)| n)),
            ("REFER", self.refer.map(|(_, n)| n)),
        ] {
            assert!(wanted.is_none_or(|n| n == 1), "one answer per {what}: {wanted:?} {input:?}");
        }
        self.look_at_routes(input);
        self.nobody_is_left_alone();
        if self.finished {
            assert_eq!(self.ended, u8::from(self.begun), "one end for one begin");
            for seen in self.legs.iter().flatten() {
                assert!(seen.is_settled(), "left open: {seen:?}");
                assert!(
                    !seen.cancelled || seen.bye || seen.gone,
                    "a dial that was given up has not ended: {seen:?}"
                );
            }
            assert_eq!(self.open_offer, None, "an offer was never settled");
            assert!(!self.queued, "the queue still waits");
            assert!(self.accepted.is_empty(), "a seat never ended");
        }
    }

    fn look_at_routes(&self, input: &Input) {
        if self.ended > 0 {
            return;
        }
        for (i, row) in self.routes.iter().enumerate() {
            assert_eq!(row & (1 << i), 0, "leg {i} hears itself");
            for (j, _) in self.legs.iter().enumerate().filter(|(j, _)| row & (1 << j) != 0) {
                let is_there = |slot: usize| {
                    self.legs[slot].as_ref().is_some_and(|seen| seen.is_up() || seen.early)
                };
                assert!(is_there(i) && is_there(j), "{i} hears {j}: {input:?}");
            }
        }
    }

    /// Whether nobody hears this leg, and it hears at most early media.
    fn is_apart(&self, leg: LegId) -> bool {
        let hears_people = self.legs.iter().enumerate().any(|(slot, seen)| {
            let is_heard = self.routes[leg.slot()] & (1 << slot) != 0;
            is_heard && seen.as_ref().is_some_and(Seen::is_up)
        });
        !hears_people && self.routes.iter().all(|row| row & leg.bit() == 0)
    }

    /// **A citizen who is up hears somebody, a prompt, ringback or music, or is on the way out.**
    pub(crate) fn nobody_is_left_alone(&self) {
        if self.ended > 0 || self.finished || self.is_quiet {
            return;
        }
        let ack_is_due = self.legs.iter().flatten().any(|seen| {
            seen.role == Role::Seat
                && seen.answered
                && !seen.acknowledged
                && !seen.is_dial
                && seen.is_alive()
        });
        for (slot, seen) in self.legs.iter().enumerate() {
            let Some(seen) = seen.as_ref().filter(|seen| seen.role == Role::Citizen) else {
                continue;
            };
            let hears = self.routes[slot] != 0
                || seen.playing.is_some()
                || seen.music
                || seen.ringback
                || ack_is_due;
            assert!(!seen.is_up() || !seen.sends || hears, "a citizen is alone: {seen:?}");
            let id = LegId(u8::try_from(slot).expect("a slot"));
            assert!(!self.held || self.is_apart(id), "a held citizen is heard: {}", self.heard());
        }
    }
}
