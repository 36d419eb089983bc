//! A leg that we call.

use super::End;
use super::invited::read;
use super::state::{Context, Leg, Reoffer, Report, State};
use crate::call::{CallConfig, Cause, LegId, Output, Target};
use crate::sdp::{SdpError, SessionDescription, Warning};
use qingting_common::Millis;
use std::net::SocketAddr;
use std::time::Duration;

impl Leg {
    /// A leg that is dialled once its media is open, and given up when nobody answers for `ring`.
    pub(crate) fn dialled(
        id: LegId,
        session_id: u64,
        target: Target,
        ring: Duration,
        config: &CallConfig,
        now: Millis,
    ) -> Self {
        Self::new(id, session_id, State::Opening { target, ring, until: now + config.setup_max })
    }

    pub(super) fn dial(&mut self, cx: &mut Context<'_>, local: SocketAddr) -> Report {
        let mut session = self.open_session(cx, local);
        let offered = !cx.config.late_offers;
        let offer = offered.then(|| session.offer().to_string());
        self.session = Some(session);
        let state = std::mem::replace(&mut self.state, State::Gone);
        if let State::Opening { target, ring, .. } = state {
            cx.emit(Output::Dial { leg: self.id, target, offer });
            self.state = State::Dialled { offered, until: cx.now + ring };
        }
        Report::Ready
    }

    /// A provisional response. Early media is taken from a copy of the session: each branch of a
    /// fork answers the same offer, and the one that is answered last counts.
    pub(super) fn progressed(
        &mut self,
        cx: &mut Context<'_>,
        body: Option<&str>,
    ) -> Option<Report> {
        let State::Dialled { offered, .. } = self.state else { return None };
        let early = body.filter(|_| offered).and_then(|text| text.parse().ok());
        let agreed = early
            .as_ref()
            .and_then(|early: &SessionDescription| self.session.clone()?.accept(early).ok());
        let Some(agreed) = agreed else { return Some(Report::Ringing) };
        self.remote = Some(agreed.remote);
        self.early = early;
        self.connect(cx);
        Some(Report::EarlyMedia)
    }

    /// A 2xx.
    pub(super) fn accepted(&mut self, cx: &mut Context<'_>, body: Option<&str>) -> Option<Report> {
        match self.state {
            State::Dialled { offered, .. } => {
                self.state = State::Up;
                self.confirmed = true;
                let taken = match offered {
                    true => self.take_final_answer(body),
                    false => self.answer_late_offer(cx, body),
                };
                if let Err(warning) = taken {
                    cx.emit(Output::Unusable { leg: self.id, warning });
                    return Some(Report::Over(End::NotAcceptable));
                }
                self.connect(cx);
                Some(Report::Up)
            }
            // The answer crossed our CANCEL.
            State::Cancelled { .. } => self.hang_up_crossed(cx),
            State::Up => self.reoffer_accepted(cx, body),
            _ => None,
        }
    }

    /// Some peers answer in a provisional response alone and leave the 2xx bare.
    fn take_final_answer(&mut self, body: Option<&str>) -> Result<(), Warning> {
        let answer = match body {
            Some(text) => text.parse().map_err(|error: SdpError| error.warning())?,
            None => self.early.take().ok_or_else(no_description)?,
        };
        self.early = None;
        let session = self.session.as_mut().ok_or_else(no_description)?;
        let agreed = session.accept(&answer).map_err(|error| error.warning())?;
        self.remote = Some(agreed.remote);
        Ok(())
    }

    fn answer_late_offer(
        &mut self,
        cx: &mut Context<'_>,
        body: Option<&str>,
    ) -> Result<(), Warning> {
        let body = body.ok_or_else(no_description)?;
        let offer = read(body, cx.config)
            .map_err(|rejection| rejection.warning.unwrap_or_else(no_description))?;
        let session = self.session.as_mut().ok_or_else(no_description)?;
        let agreed = session.answer(&offer).map_err(|error| error.warning())?;
        self.remote = Some(agreed.remote);
        cx.emit(Output::AckAnswer { leg: self.id, sdp: agreed.local.to_string() });
        Ok(())
    }

    pub(super) fn hang_up_crossed(&mut self, cx: &mut Context<'_>) -> Option<Report> {
        cx.emit(Output::SendBye { leg: self.id, reason: Cause::Withdrawn.bye_reason() });
        self.state = State::Gone;
        Some(Report::Settled)
    }

    /// A refusal of our INVITE, or of our re-INVITE.
    pub(super) fn failed(&mut self, cx: &mut Context<'_>, code: u16) -> Option<Report> {
        match self.state {
            State::Dialled { .. } => {
                self.state = State::Gone;
                Some(Report::Over(End::Failed(code)))
            }
            State::Cancelled { .. } => {
                self.state = State::Gone;
                Some(Report::Settled)
            }
            State::Up if self.reoffer != Reoffer::No => self.reoffer_failed(cx, code),
            _ => None,
        }
    }
}

fn no_description() -> Warning {
    Warning { code: 304, text: "the answer has no session description".to_owned() }
}
