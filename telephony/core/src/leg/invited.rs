//! A leg that called us: one final response, and nothing before the ACK.

use super::End;
use super::state::{Context, Leg, Report, State};
use crate::call::{CallConfig, Cause, LegId, Output, Rejection, Response};
use crate::sdp::{SdpError, Session, SessionDescription};
use qingting_common::Millis;
use std::net::SocketAddr;

impl Leg {
    /// A leg whose INVITE brought this offer. `trusted` is a telephone of ours, which hears early
    /// media.
    ///
    /// # Errors
    /// When nobody could answer the offer; nothing is opened or stored for it.
    pub(crate) fn invited(
        id: LegId,
        session_id: u64,
        offer: Option<&str>,
        trusted: bool,
        config: &CallConfig,
        now: Millis,
    ) -> Result<Self, Rejection> {
        let offer = offer.map(|text| read(text, config).map(Box::new)).transpose()?;
        let state = State::Invited { offer, until: now + config.setup_max };
        Ok(Self { trusted, ..Self::new(id, session_id, state) })
    }

    pub(super) fn prepare_answer(
        &mut self,
        cx: &mut Context<'_>,
        local: SocketAddr,
    ) -> Option<Report> {
        let State::Invited { offer, .. } = &self.state else { return None };
        let mut session = self.open_session(cx, local);
        let answer = match offer {
            None => session.offer().to_string(),
            Some(offer) => match session.answer(offer) {
                Ok(agreed) => {
                    self.remote = Some(agreed.remote);
                    agreed.local.to_string()
                }
                Err(error) => {
                    self.rejection = Some(Rejection::warned(488, error.warning()));
                    return Some(Report::Over(End::NotAcceptable));
                }
            },
        };
        self.session = Some(session);
        self.state = State::Ready { answer };
        Some(Report::Ready)
    }

    /// 180.
    pub(crate) fn ring(&self, cx: &mut Context<'_>) {
        cx.emit(Output::Respond { leg: self.id, response: Response::Ringing });
    }

    /// 183, so that a telephone of ours hears what the network says about its dial. Returns whether
    /// it does.
    pub(crate) fn let_hear(&mut self, cx: &mut Context<'_>) -> bool {
        let State::Ready { answer } = &self.state else { return false };
        // Without an offer of the telephone's there is nowhere to send to.
        if !self.trusted || self.early_out || self.remote.is_none() {
            return self.early_out;
        }
        let response = Response::Progress { sdp: answer.clone() };
        self.early_out = true;
        self.connect(cx);
        cx.emit(Output::Respond { leg: self.id, response });
        true
    }

    /// 200.
    pub(crate) fn answer(&mut self, cx: &mut Context<'_>) {
        let until = cx.now + cx.config.ack_max;
        let state = std::mem::replace(&mut self.state, State::Answered { hangup: None, until });
        let State::Ready { answer } = state else {
            self.state = state;
            return;
        };
        self.connect(cx);
        cx.emit(Output::Respond { leg: self.id, response: Response::Answer { sdp: answer } });
    }

    /// Lets a hang-up of ours wait for the ACK; the first one stays.
    pub(crate) fn hang_up_after_ack(&mut self, cause: Cause) {
        if let State::Answered { hangup, .. } = &mut self.state {
            *hangup = hangup.or(Some(cause));
        }
    }

    /// The ACK of the answer, which may bring the answer to a late offer, or that of a re-INVITE.
    pub(super) fn acknowledged(
        &mut self,
        cx: &mut Context<'_>,
        answer: Option<&str>,
    ) -> Option<Report> {
        let first = match self.state {
            State::Answered { hangup, .. } => {
                self.state = State::Up;
                if let Some(cause) = hangup {
                    return Some(Report::Over(End::HungUp(cause)));
                }
                true
            }
            State::Up => false,
            _ => return None,
        };
        self.confirmed = true;
        let held = !self.listens();
        let taken = self.take_answer(cx, answer);
        if taken.is_none() {
            return Some(Report::Over(End::NotAcceptable));
        }
        self.connect(cx);
        match first {
            true => Some(Report::Up),
            false => (held == self.listens()).then_some(Report::PeerHolds(!held)),
        }
    }

    /// Takes the answer to our own offer from an ACK, if one is owed. `None` when it is of no use.
    fn take_answer(&mut self, _: &mut Context<'_>, answer: Option<&str>) -> Option<()> {
        let ours = self.reoffer.is_open();
        let Some(session) =
            self.session.as_mut().filter(|session| session.awaits_answer() && !ours)
        else {
            return Some(());
        };
        let answer: SessionDescription = answer?.parse().ok()?;
        self.remote = Some(session.accept(&answer).ok()?.remote);
        Some(())
    }

    pub(super) fn unacknowledged(&mut self) -> Option<Report> {
        match self.state {
            State::Answered { hangup, .. } => {
                self.state = State::Up;
                Some(Report::Over(hangup.map_or(End::NoAck, End::HungUp)))
            }
            State::Up => Some(Report::Over(End::NoAck)),
            _ => None,
        }
    }

    pub(super) fn cancelled(&mut self) -> Option<Report> {
        match self.state {
            State::Invited { .. } | State::Ready { .. } => {
                self.rejection = Some(Rejection::new(487));
                Some(Report::Over(End::Cancelled))
            }
            // Our 200 became 487 on its way out: there is no dialog that a BYE could end.
            State::Answered { .. } => {
                self.state = State::Gone;
                Some(Report::Over(End::Cancelled))
            }
            _ => None,
        }
    }
}

/// Reads an offer and sees whether anything in it can be taken.
pub(super) fn read(text: &str, config: &CallConfig) -> Result<SessionDescription, Rejection> {
    let offer: SessionDescription =
        text.parse().map_err(|error: SdpError| Rejection::warned(400, error.warning()))?;
    match Session::check(&offer, &config.codecs, &config.security) {
        Ok(()) => Ok(offer),
        Err(error) => Err(Rejection::warned(488, error.warning())),
    }
}
