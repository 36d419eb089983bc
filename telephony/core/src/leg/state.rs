//! What a leg knows, and which part of it takes which event.

use super::{End, LegEvent, Replaces};
use crate::call::{CallConfig, Cause, LegId, Output, Rejection, Response, Target};
use crate::sdp::{Codec, LocalMedia, LocalSecurity, RemoteMedia, Session, SessionDescription};
use qingting_common::Millis;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// What a leg needs of its call while it takes an event.
pub(crate) struct Context<'a> {
    pub(crate) now: Millis,
    pub(crate) config: &'a CallConfig,
    pub(crate) outputs: &'a mut VecDeque<Output>,
}

impl Context<'_> {
    pub(super) fn emit(&mut self, output: Output) {
        self.outputs.push_back(output);
    }
}

/// What an event means to the call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Report {
    /// Media is open: a caller can be rung and answered; a dial is on its way.
    Ready,
    /// The telephone that we dialled rings.
    Ringing,
    /// The party that we dialled can be heard before it answers.
    EarlyMedia,
    /// Both sides have agreed; audio flows.
    Up,
    /// The peer has put us on hold, or taken us back.
    PeerHolds(bool),
    /// The leg is of no more use. The call ends it with [`Leg::end`].
    Over(End),
    /// A dial that was given up has ended; its media was closed before.
    Settled,
    /// The peer sends its call elsewhere.
    Refer(Target, Option<Replaces>),
    /// The peer wants no more news of its REFER.
    ReferEnded,
}

/// **One dialog: one final response, no RTP before the ACK, no BYE before the ACK of our answer, and
/// media that is closed as often as it was opened.**
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Leg {
    pub(super) id: LegId,
    pub(super) session_id: u64,
    pub(super) state: State,
    /// What this leg can, where it differs from the call's.
    pub(super) terms: Option<(Vec<Codec>, LocalSecurity)>,
    /// Our side of the offer/answer session, once media is open.
    pub(super) session: Option<Session>,
    /// The session as it was before our re-INVITE, which may fail.
    pub(super) fallback: Option<Session>,
    pub(super) reoffer: Reoffer,
    /// What was agreed about the peer's media, and what of it the media engine was told.
    pub(super) remote: Option<RemoteMedia>,
    pub(super) connected: Option<RemoteMedia>,
    /// Somebody at the signalled address wants this call: the first ACK came, or a 2xx did.
    pub(super) confirmed: bool,
    /// Early media is allowed out: the peer is a telephone of ours that has shown who it is.
    pub(super) early_out: bool,
    pub(super) trusted: bool,
    /// What a branch of the dial said about its early media.
    pub(super) early: Option<SessionDescription>,
    /// Why a caller is refused, when it is its offer's fault.
    pub(super) rejection: Option<Rejection>,
    pub(super) media_open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    /// Called; media is being opened.
    Invited { offer: Option<Box<SessionDescription>>, until: Millis },
    /// Called; everything is ready for an answer.
    Ready { answer: String },
    /// Answered. A hang-up of ours waits here, because a callee sends no BYE before the ACK
    /// (RFC 3261 §15).
    Answered { hangup: Option<Cause>, until: Millis },
    /// About to be dialled; media is being opened.
    Opening { target: Target, ring: std::time::Duration, until: Millis },
    /// The INVITE is out.
    Dialled { offered: bool, until: Millis },
    /// Given up; its answer may still cross.
    Cancelled { until: Millis },
    /// The dialog is there.
    Up,
    /// The dialog is gone, or never came to be.
    Gone,
}

/// A re-INVITE of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reoffer {
    No,
    Open {
        tries: u8,
        until: Millis,
    },
    /// It met one of the peer's and goes again then (RFC 3261 §14.1).
    Again {
        tries: u8,
        at: Millis,
    },
}

impl Leg {
    pub(super) fn new(id: LegId, session_id: u64, state: State) -> Self {
        Self {
            id,
            session_id,
            state,
            terms: None,
            session: None,
            fallback: None,
            reoffer: Reoffer::No,
            remote: None,
            connected: None,
            confirmed: false,
            early_out: false,
            trusted: false,
            early: None,
            rejection: None,
            media_open: true,
        }
    }

    /// Takes one event.
    pub(crate) fn handle(&mut self, cx: &mut Context<'_>, event: LegEvent) -> Option<Report> {
        match event {
            LegEvent::MediaTerms { codecs, security } => {
                self.terms = Some((codecs, security));
                None
            }
            LegEvent::MediaOpened { local } => self.media_opened(cx, local),
            LegEvent::MediaFailed => self.media_failed(),
            LegEvent::MediaInactive => self.media_inactive(),
            LegEvent::Ack { answer } => self.acknowledged(cx, answer.as_deref()),
            LegEvent::AckTimeout => self.unacknowledged(),
            LegEvent::Cancel => self.cancelled(),
            LegEvent::Bye => self.left(End::Bye),
            LegEvent::TransportLost => self.left(End::Lost),
            LegEvent::Reinvite { offer } => self.reinvited(cx, offer.as_deref()),
            LegEvent::Update { offer } => self.updated(cx, &offer),
            LegEvent::Progress { body, .. } => self.progressed(cx, body.as_deref()),
            LegEvent::Answered { body } => self.accepted(cx, body.as_deref()),
            LegEvent::Failed { code } => self.failed(cx, code),
            LegEvent::SessionExpired => self.is_up().then_some(Report::Over(End::Lost)),
            LegEvent::Refer { target, replaces } => self.referred(cx, target, replaces),
            LegEvent::ReferEnded => Some(Report::ReferEnded),
        }
    }

    /// When [`Leg::due`] wants to be called.
    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        let state = match &self.state {
            State::Invited { until, .. }
            | State::Answered { until, .. }
            | State::Opening { until, .. }
            | State::Dialled { until, .. }
            | State::Cancelled { until } => Some(*until),
            State::Ready { .. } | State::Up | State::Gone => None,
        };
        let reoffer = match self.reoffer {
            Reoffer::No => None,
            Reoffer::Open { until, .. } => Some(until),
            Reoffer::Again { at, .. } => Some(at),
        };
        state.into_iter().chain(reoffer.filter(|_| self.is_up())).min()
    }

    /// The time has come, or not yet.
    pub(crate) fn due(&mut self, cx: &mut Context<'_>) -> Option<Report> {
        if self.next_deadline().is_none_or(|at| cx.now < at) {
            return None;
        }
        match self.state {
            State::Invited { .. } | State::Opening { .. } => Some(Report::Over(End::NoMedia)),
            State::Answered { .. } => self.unacknowledged(),
            State::Dialled { .. } => Some(Report::Over(End::Failed(408))),
            State::Cancelled { .. } => self.hang_up_crossed(cx),
            State::Up => self.reoffer_due(cx),
            State::Ready { .. } | State::Gone => None,
        }
    }

    /// Ends the leg in whichever way its state asks for. Returns whether nothing more will come of
    /// it; a dial that was given up settles later. An answer that waits for its ACK is ended by
    /// [`Leg::hang_up_after_ack`] instead.
    pub(crate) fn end(&mut self, cx: &mut Context<'_>, cause: Cause) -> bool {
        let leg = self.id;
        let next = match &self.state {
            State::Invited { .. } | State::Ready { .. } => {
                let rejection = self.rejection.take().unwrap_or_else(|| refusal(cx, cause));
                cx.emit(Output::Respond { leg, response: Response::Reject(rejection) });
                State::Gone
            }
            State::Answered { .. } | State::Up => {
                cx.emit(Output::SendBye { leg, reason: cause.bye_reason() });
                State::Gone
            }
            State::Dialled { .. } => {
                cx.emit(Output::CancelDial { leg });
                State::Cancelled { until: cx.now + cx.config.cancel_max }
            }
            State::Cancelled { until } => State::Cancelled { until: *until },
            State::Opening { .. } | State::Gone => State::Gone,
        };
        self.state = next;
        self.close_media(cx);
        matches!(self.state, State::Gone)
    }

    fn close_media(&mut self, cx: &mut Context<'_>) {
        if std::mem::replace(&mut self.media_open, false) {
            cx.emit(Output::CloseMedia { leg: self.id });
        }
    }

    /// Both sides have agreed and audio may flow.
    pub(crate) const fn is_up(&self) -> bool {
        matches!(self.state, State::Up)
    }

    /// Whether the dialog has ended by itself: nobody is left to take a BYE.
    pub(crate) const fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    /// Answered by us and not acknowledged.
    pub(crate) const fn awaits_ack(&self) -> bool {
        matches!(self.state, State::Answered { .. })
    }

    /// Our INVITE is out and nobody has answered it.
    pub(crate) const fn is_dialled(&self) -> bool {
        matches!(self.state, State::Dialled { .. })
    }

    /// Called, and not answered by us.
    pub(crate) const fn is_ringing_in(&self) -> bool {
        matches!(self.state, State::Invited { .. } | State::Ready { .. })
    }

    /// Called, and everything is ready for an answer.
    pub(crate) const fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready { .. })
    }

    /// Whether this leg can be heard: it is up, or sends early media.
    pub(crate) fn speaks(&self) -> bool {
        (self.is_up() && self.listens()) || (self.is_dialled() && self.early.is_some())
    }

    /// Whether this leg hears: it is up, or a telephone of ours that waits for an answer.
    pub(crate) fn hears(&self) -> bool {
        let early = self.early_out && matches!(self.state, State::Ready { .. });
        (self.is_up() || early) && self.listens()
    }

    /// Whether the peer listens to us. One that does not has us on hold.
    pub(crate) fn listens(&self) -> bool {
        self.remote.as_ref().is_some_and(|remote| remote.direction.sends())
    }

    /// Begins our side of the session at this address.
    pub(super) fn open_session(&self, cx: &Context<'_>, local: SocketAddr) -> Session {
        let (codecs, security) = match &self.terms {
            Some((codecs, security)) => (codecs.clone(), *security),
            None => (cx.config.codecs.clone(), cx.config.security),
        };
        Session::new(LocalMedia {
            ip: local.ip(),
            rtp_port: local.port(),
            rtcp_mux: cx.config.rtcp_mux,
            session_id: self.session_id,
            version: 1,
            codecs,
            security,
        })
    }

    fn media_opened(&mut self, cx: &mut Context<'_>, local: SocketAddr) -> Option<Report> {
        match &self.state {
            State::Invited { .. } => self.prepare_answer(cx, local),
            State::Opening { .. } => Some(self.dial(cx, local)),
            // A second report.
            State::Ready { .. }
            | State::Answered { .. }
            | State::Dialled { .. }
            | State::Cancelled { .. }
            | State::Up
            | State::Gone => None,
        }
    }

    fn media_failed(&self) -> Option<Report> {
        match &self.state {
            State::Cancelled { .. } | State::Gone => None,
            State::Invited { .. }
            | State::Ready { .. }
            | State::Answered { .. }
            | State::Opening { .. }
            | State::Dialled { .. }
            | State::Up => Some(Report::Over(End::NoMedia)),
        }
    }

    /// Nobody owes RTP before the answer; nor does a peer who put us on hold.
    fn media_inactive(&self) -> Option<Report> {
        (self.is_up() && self.listens()).then_some(Report::Over(End::Silent))
    }

    /// The dialog ended from the other side, or is out of reach.
    fn left(&mut self, end: End) -> Option<Report> {
        match &self.state {
            // Before the answer the caller still wants a final response (RFC 3261 §15.1.2).
            State::Invited { .. } | State::Ready { .. } => Some(Report::Over(end)),
            State::Answered { .. } | State::Dialled { .. } | State::Up => {
                self.state = State::Gone;
                Some(Report::Over(end))
            }
            State::Cancelled { .. } => {
                self.state = State::Gone;
                Some(Report::Settled)
            }
            State::Opening { .. } | State::Gone => None,
        }
    }

    fn referred(
        &self,
        cx: &mut Context<'_>,
        target: Target,
        replaces: Option<Replaces>,
    ) -> Option<Report> {
        if self.is_up() {
            return Some(Report::Refer(target, replaces));
        }
        cx.emit(Output::RejectRefer { leg: self.id, code: 481 });
        None
    }
}

fn refusal(cx: &Context<'_>, cause: Cause) -> Rejection {
    let retry_after = cause.retry().then_some(cx.config.retry_after);
    Rejection { retry_after, ..Rejection::new(cause.sip_status()) }
}
