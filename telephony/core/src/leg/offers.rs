//! Offers within a dialog, the peer's and ours (RFC 3261 §14, RFC 3311). One at a time.

use super::End;
use super::invited::read;
use super::state::{Context, Leg, Reoffer, Report, State};
use crate::call::{Output, Rejection};
use crate::sdp::SessionDescription;
use qingting_common::Millis;
use std::time::Duration;

/// How often a re-INVITE of ours is tried that meets one of the peer's.
const REOFFERS_MAX: u8 = 3;
/// Until it goes again. RFC 3261 §14.1 wants a time between 2.1 and 4 s of one side and less than
/// 2 s of the other; ours is the same for both, and the tries are few.
const GLARE_WAIT: Duration = Duration::from_millis(2_100);

impl Reoffer {
    pub(super) const fn is_open(self) -> bool {
        matches!(self, Self::Open { .. })
    }
}

impl Leg {
    /// A re-INVITE after the answer (RFC 3261 §14.2): a new codec, a new port, hold, resume.
    pub(super) fn reinvited(
        &mut self,
        cx: &mut Context<'_>,
        offer: Option<&str>,
    ) -> Option<Report> {
        let leg = self.id;
        let answered = match (&self.state, offer) {
            (State::Gone | State::Cancelled { .. }, _) => return None,
            (State::Up | State::Answered { .. }, _) if self.awaits_answer() => {
                Err(Rejection::new(491))
            }
            // With an offer of ours open, the first ACK could not be told from the second.
            (State::Answered { .. }, None) => Err(Rejection::new(491)),
            (State::Up, None) => Ok(self.late_offer()),
            (State::Up | State::Answered { .. }, Some(offer)) => self.answer_offer(cx, offer),
            _ => Err(too_early(cx)),
        };
        match answered {
            Err(rejection) => {
                cx.emit(Output::RejectReinvite { leg, rejection });
                None
            }
            Ok((sdp, report)) => {
                cx.emit(Output::AnswerReinvite { leg, sdp });
                report.filter(|_| self.is_up())
            }
        }
    }

    /// An UPDATE with an offer.
    pub(super) fn updated(&mut self, cx: &mut Context<'_>, offer: &str) -> Option<Report> {
        let leg = self.id;
        let answered = match &self.state {
            State::Gone | State::Cancelled { .. } => return None,
            State::Up | State::Answered { .. } if self.awaits_answer() => Err(Rejection::new(491)),
            State::Up | State::Answered { .. } => self.answer_offer(cx, offer),
            // Our own offer is not answered for good before the 2xx.
            State::Dialled { .. } => Err(Rejection::new(491)),
            _ => Err(too_early(cx)),
        };
        match answered {
            Err(rejection) => {
                cx.emit(Output::RejectUpdate { leg, rejection });
                None
            }
            Ok((sdp, report)) => {
                cx.emit(Output::AnswerUpdate { leg, sdp });
                report.filter(|_| self.is_up())
            }
        }
    }

    /// Refuses a re-INVITE or UPDATE: the session is about to end, nothing new is agreed on.
    pub(crate) fn refuse_offer(&self, cx: &mut Context<'_>, is_update: bool) {
        let (leg, rejection) = (self.id, Rejection::new(491));
        cx.emit(match is_update {
            true => Output::RejectUpdate { leg, rejection },
            false => Output::RejectReinvite { leg, rejection },
        });
    }

    fn awaits_answer(&self) -> bool {
        self.session.as_ref().is_some_and(crate::sdp::Session::awaits_answer)
    }

    fn late_offer(&mut self) -> (String, Option<Report>) {
        let offer = self.session.as_mut().map(|session| session.offer().to_string());
        (offer.unwrap_or_default(), None)
    }

    fn answer_offer(
        &mut self,
        cx: &mut Context<'_>,
        offer: &str,
    ) -> Result<(String, Option<Report>), Rejection> {
        let offer = read(offer, cx.config)?;
        let session = self.session.as_mut().ok_or_else(|| too_early(cx))?;
        let agreed =
            session.answer(&offer).map_err(|error| Rejection::warned(488, error.warning()))?;
        let listened = self.listens();
        self.remote = Some(agreed.remote);
        self.connect(cx);
        let changed = listened != self.listens();
        Ok((agreed.local.to_string(), changed.then_some(Report::PeerHolds(listened))))
    }

    /// Asks the peer for full audio both ways, as soon as that can be asked.
    pub(crate) fn offer_again(&mut self, cx: &mut Context<'_>) {
        if self.is_up() && self.reoffer == Reoffer::No {
            self.try_reoffer(cx, 0);
        }
    }

    fn try_reoffer(&mut self, cx: &mut Context<'_>, tries: u8) {
        if self.awaits_answer() {
            // The ACK of a late offer is on its way.
            self.reoffer = self.again(cx.now, tries);
            return;
        }
        let Some(session) = &mut self.session else { return };
        self.fallback = Some(session.clone());
        let sdp = session.offer().to_string();
        self.reoffer = Reoffer::Open { tries, until: cx.now + cx.config.ack_max };
        cx.emit(Output::Reoffer { leg: self.id, sdp });
    }

    fn again(&self, now: Millis, tries: u8) -> Reoffer {
        if tries + 1 >= REOFFERS_MAX {
            return Reoffer::No;
        }
        Reoffer::Again { tries: tries + 1, at: now + GLARE_WAIT }
    }

    /// A re-INVITE that nobody answers ends the dialog, as its 408 would have.
    pub(super) fn reoffer_due(&mut self, cx: &mut Context<'_>) -> Option<Report> {
        match self.reoffer {
            Reoffer::Again { tries, .. } => {
                self.try_reoffer(cx, tries);
                None
            }
            Reoffer::Open { .. } => Some(Report::Over(End::Lost)),
            Reoffer::No => None,
        }
    }

    pub(super) fn reoffer_accepted(
        &mut self,
        cx: &mut Context<'_>,
        body: Option<&str>,
    ) -> Option<Report> {
        if !self.reoffer.is_open() {
            return None;
        }
        let answer: Option<SessionDescription> = body.and_then(|text| text.parse().ok());
        let agreed = answer.and_then(|answer| self.session.as_mut()?.accept(&answer).ok());
        let Some(agreed) = agreed else {
            self.give_up_reoffer(Reoffer::No);
            return None;
        };
        (self.reoffer, self.fallback) = (Reoffer::No, None);
        let listened = self.listens();
        self.remote = Some(agreed.remote);
        self.connect(cx);
        (listened != self.listens()).then_some(Report::PeerHolds(listened))
    }

    /// RFC 3261 §14.1: after 491 again, after 408 and 481 the dialog is gone, after anything else
    /// the session is as it was.
    pub(super) fn reoffer_failed(&mut self, cx: &mut Context<'_>, code: u16) -> Option<Report> {
        let Reoffer::Open { tries, .. } = self.reoffer else { return None };
        match code {
            491 => self.give_up_reoffer(self.again(cx.now, tries)),
            408 | 481 => {
                self.give_up_reoffer(Reoffer::No);
                self.state = State::Gone;
                return Some(Report::Over(End::Lost));
            }
            _ => self.give_up_reoffer(Reoffer::No),
        }
        None
    }

    fn give_up_reoffer(&mut self, next: Reoffer) {
        if let Some(session) = self.fallback.take() {
            self.session = Some(session);
        }
        self.reoffer = next;
    }
}

/// RFC 3261 §14.2: an offer before the first one has its final answer is told to wait.
fn too_early(cx: &Context<'_>) -> Rejection {
    Rejection { retry_after: Some(cx.config.retry_after), ..Rejection::new(500) }
}
