//! INVITE client transaction (RFC 3261 §17.1.1 with the Accepted state of RFC 6026 §7.2).

use super::Fired;
use super::timing::{Backoff, TIMEOUT};
use bytes::Bytes;
use qingting_common::Millis;
use std::time::Duration;

/// **Repeats an INVITE until something answers, and hands every 2xx up.**
#[derive(Clone, Debug)]
pub struct InviteClient {
    state: State,
    reliable: bool,
}

#[derive(Clone, Debug)]
enum State {
    /// Timer A is `resend`, timer B is `until`.
    Calling {
        request: Bytes,
        resend: Option<Backoff>,
        until: Millis,
    },
    Proceeding,
    /// Refused; timer D. The ACK is kept for repetitions of the refusal.
    Completed {
        ack: Option<Bytes>,
        until: Millis,
    },
    /// Timer M: further 2xx, repeated or of another branch of a fork, still go up.
    Accepted {
        until: Millis,
    },
    Terminated,
}

/// What a response means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnResponse {
    /// Known already, or too late.
    Ignored,
    /// For the core.
    Pass,
    /// A refusal for the core; give its ACK to [`InviteClient::acknowledged`] and send it.
    Refused,
    /// The refusal came again: send its ACK again.
    Reacknowledge(Bytes),
}

impl InviteClient {
    /// A transaction whose INVITE is being sent.
    pub fn new(now: Millis, reliable: bool, request: Bytes) -> Self {
        let resend = (!reliable).then(|| Backoff::start(now, TIMEOUT));
        Self { state: State::Calling { request, resend, until: now + TIMEOUT }, reliable }
    }

    /// The same with a timer B that is shorter than RFC 3261 has it.
    #[must_use]
    pub fn waiting(mut self, now: Millis, most: Duration) -> Self {
        if let State::Calling { until, .. } = &mut self.state {
            *until = now + most.min(TIMEOUT);
        }
        self
    }

    /// Takes the status of a response.
    pub fn response(&mut self, now: Millis, code: u16) -> OnResponse {
        match (&self.state, code) {
            (State::Calling { .. } | State::Proceeding, 100..200) => {
                self.state = State::Proceeding;
                OnResponse::Pass
            }
            (State::Calling { .. } | State::Proceeding, 200..300) => {
                self.state = State::Accepted { until: now + TIMEOUT };
                OnResponse::Pass
            }
            (State::Calling { .. } | State::Proceeding, _) => {
                self.state = if self.reliable {
                    State::Terminated
                } else {
                    State::Completed { ack: None, until: now + TIMEOUT }
                };
                OnResponse::Refused
            }
            (State::Accepted { .. }, 200..300) => OnResponse::Pass,
            (State::Completed { ack: Some(ack), .. }, 300..) => {
                OnResponse::Reacknowledge(ack.clone())
            }
            (State::Completed { .. } | State::Accepted { .. } | State::Terminated, _) => {
                OnResponse::Ignored
            }
        }
    }

    /// Keeps the ACK of a refusal.
    pub fn acknowledged(&mut self, bytes: Bytes) {
        if let State::Completed { ack, .. } = &mut self.state {
            *ack = Some(bytes);
        }
    }

    /// When to call [`InviteClient::fire`].
    pub fn deadline(&self) -> Option<Millis> {
        match &self.state {
            State::Calling { resend, until, .. } => {
                Some(resend.map_or(*until, |resend| resend.at().min(*until)))
            }
            State::Completed { until, .. } | State::Accepted { until } => Some(*until),
            State::Proceeding | State::Terminated => None,
        }
    }

    /// Does what is due.
    pub fn fire(&mut self, now: Millis) -> Fired {
        match &mut self.state {
            State::Calling { until, .. } if now >= *until => {
                self.state = State::Terminated;
                Fired::TimedOut
            }
            State::Calling { request, resend: Some(resend), .. } if resend.is_due(now) => {
                resend.advance(now);
                Fired::Resend(request.clone())
            }
            State::Completed { until, .. } | State::Accepted { until } if now >= *until => {
                self.state = State::Terminated;
                Fired::Nothing
            }
            _ => Fired::Nothing,
        }
    }

    /// Whether a CANCEL may be sent: a provisional response came and no final one (§9.1).
    pub const fn may_cancel(&self) -> bool {
        matches!(self.state, State::Proceeding)
    }

    /// Whether no final response came yet.
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Calling { .. } | State::Proceeding)
    }

    /// Whether the transaction is to be forgotten.
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: Bytes = Bytes::from_static(b"INVITE");

    #[test]
    fn without_an_answer_timer_a_doubles_until_timer_b() {
        let mut machine = InviteClient::new(Millis(0), false, INVITE);
        let (mut sent, mut last) = (Vec::new(), Fired::Nothing);
        while let Some(at) = machine.deadline() {
            last = machine.fire(at);
            if matches!(last, Fired::Resend(_)) {
                sent.push(at.0);
            }
        }
        assert_eq!(sent, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
        assert_eq!(last, Fired::TimedOut);
    }

    #[test]
    fn timer_b_can_be_shorter_and_stops_all_the_same() {
        let at = |machine: &mut InviteClient| {
            let mut fired = Vec::new();
            while let Some(at) = machine.deadline() {
                fired.push((at.0, machine.fire(at) == Fired::TimedOut));
            }
            fired
        };
        let new = || {
            let machine = InviteClient::new(Millis(0), false, INVITE);
            machine.waiting(Millis(0), Duration::from_secs(2))
        };
        assert_eq!(at(&mut new()), [(500, false), (1_500, false), (2_000, true)]);
        let mut machine = new();
        machine.response(Millis(9), 100);
        assert_eq!(machine.deadline(), None);
    }

    #[test]
    fn a_provisional_response_stops_both_timers() {
        let mut machine = InviteClient::new(Millis(0), false, INVITE);
        assert!(!machine.may_cancel());
        assert_eq!(machine.response(Millis(9), 100), OnResponse::Pass);
        assert!(machine.may_cancel());
        assert_eq!(machine.deadline(), None);
    }

    #[test]
    fn a_repeated_refusal_gets_its_ack_again() {
        let mut machine = InviteClient::new(Millis(0), false, INVITE);
        assert_eq!(machine.response(Millis(9), 486), OnResponse::Refused);
        let ack = Bytes::from_static(b"ACK");
        machine.acknowledged(ack.clone());
        assert_eq!(machine.response(Millis(10), 486), OnResponse::Reacknowledge(ack));
        assert_eq!(machine.response(Millis(10), 200), OnResponse::Ignored);
        machine.fire(Millis(32_009));
        assert!(machine.is_over());
    }

    #[test]
    fn every_2xx_goes_up_until_timer_m() {
        let mut machine = InviteClient::new(Millis(0), true, INVITE);
        assert_eq!(machine.response(Millis(1), 200), OnResponse::Pass);
        assert_eq!(machine.response(Millis(2), 200), OnResponse::Pass);
        assert_eq!(machine.response(Millis(3), 486), OnResponse::Ignored);
        machine.fire(Millis(32_001));
        assert!(machine.is_over());
    }
}
