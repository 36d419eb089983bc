//! INVITE server transaction (RFC 3261 §17.2.1 with the Accepted state of RFC 6026 §7.1).

use super::Fired;
use super::timing::{Backoff, PROVISIONAL_REPEAT, T2, T4, TIMEOUT};
use bytes::Bytes;
use qingting_common::Millis;

/// **Answers every retransmission of an INVITE, and repeats a refusal until its ACK.** The 2xx is
/// repeated by the core, see [`Answer`](super::Answer).
#[derive(Clone, Debug)]
pub struct InviteServer {
    state: State,
    reliable: bool,
}

#[derive(Clone, Debug)]
enum State {
    /// `repeat_at` is set once the app has sent a provisional response of its own.
    Proceeding {
        last: Option<Bytes>,
        repeat_at: Option<Millis>,
    },
    /// Refused. Timer G is `resend`, timer H is `until`.
    Completed {
        last: Bytes,
        resend: Option<Backoff>,
        until: Millis,
    },
    /// The refusal is acknowledged; timer I.
    Confirmed {
        until: Millis,
    },
    /// A 2xx was sent; timer L. Retransmissions of the INVITE are absorbed.
    Accepted {
        until: Millis,
    },
    Terminated,
}

/// Whose business an ACK is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckFor {
    /// It ended the repetition of a refusal, or came again.
    Transaction,
    /// It is the ACK of a 2xx.
    Core,
}

impl InviteServer {
    /// A transaction for an INVITE that has just arrived.
    pub const fn new(reliable: bool) -> Self {
        Self { state: State::Proceeding { last: None, repeat_at: None }, reliable }
    }

    /// Takes a response from the core and says whether it is to be sent.
    pub fn respond(&mut self, now: Millis, code: u16, response: &Bytes) -> bool {
        let State::Proceeding { last, repeat_at } = &mut self.state else { return false };
        match code {
            100..200 => {
                *last = Some(response.clone());
                *repeat_at = (code > 100).then_some(now + PROVISIONAL_REPEAT);
            }
            200..300 => self.state = State::Accepted { until: now + TIMEOUT },
            _ => {
                self.state = State::Completed {
                    last: response.clone(),
                    resend: (!self.reliable).then(|| Backoff::start(now, T2)),
                    until: now + TIMEOUT,
                };
            }
        }
        true
    }

    /// The INVITE came again: what to send.
    pub fn retransmitted(&self) -> Option<Bytes> {
        match &self.state {
            State::Proceeding { last, .. } => last.clone(),
            State::Completed { last, .. } => Some(last.clone()),
            State::Confirmed { .. } | State::Accepted { .. } | State::Terminated => None,
        }
    }

    /// An ACK that matched by its branch.
    pub fn ack(&mut self, now: Millis) -> AckFor {
        match self.state {
            State::Completed { .. } => {
                self.state = if self.reliable {
                    State::Terminated
                } else {
                    State::Confirmed { until: now + T4 }
                };
                AckFor::Transaction
            }
            State::Accepted { .. } => AckFor::Core,
            State::Proceeding { .. } | State::Confirmed { .. } | State::Terminated => {
                AckFor::Transaction
            }
        }
    }

    /// When to call [`InviteServer::fire`].
    pub fn deadline(&self) -> Option<Millis> {
        match &self.state {
            State::Proceeding { repeat_at, .. } => *repeat_at,
            State::Completed { resend, until, .. } => {
                Some(resend.map_or(*until, |resend| resend.at().min(*until)))
            }
            State::Confirmed { until } | State::Accepted { until } => Some(*until),
            State::Terminated => None,
        }
    }

    /// Does what is due.
    pub fn fire(&mut self, now: Millis) -> Fired {
        match &mut self.state {
            State::Proceeding { last: Some(last), repeat_at: Some(at) } if now >= *at => {
                *at = now + PROVISIONAL_REPEAT;
                Fired::Resend(last.clone())
            }
            State::Completed { until, .. } if now >= *until => {
                self.state = State::Terminated;
                Fired::TimedOut
            }
            State::Completed { last, resend: Some(resend), .. } if resend.is_due(now) => {
                resend.advance(now);
                Fired::Resend(last.clone())
            }
            State::Confirmed { until } | State::Accepted { until } if now >= *until => {
                self.state = State::Terminated;
                Fired::Nothing
            }
            _ => Fired::Nothing,
        }
    }

    /// Whether no final response was given yet.
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    /// Whether the transaction is to be forgotten.
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: Bytes = Bytes::from_static(b"response");

    /// Fires at every deadline until the machine is over; the times of what was sent.
    fn run(machine: &mut InviteServer) -> (Vec<u64>, u64) {
        let (mut sent, mut end) = (Vec::new(), 0);
        while let Some(at) = machine.deadline() {
            end = at.0;
            if matches!(machine.fire(at), Fired::Resend(_)) {
                sent.push(at.0);
            }
        }
        (sent, end)
    }

    #[test]
    fn a_refusal_is_repeated_until_timer_h() {
        let mut machine = InviteServer::new(false);
        assert!(machine.respond(Millis(0), 486, &RESPONSE));
        let (sent, end) = run(&mut machine);
        assert_eq!(sent[..5], [500, 1_500, 3_500, 7_500, 11_500]);
        assert_eq!((end, machine.is_over()), (32_000, true));
    }

    #[test]
    fn an_ack_ends_the_repetition_and_timer_i_absorbs_more() {
        let mut machine = InviteServer::new(false);
        machine.respond(Millis(0), 486, &RESPONSE);
        assert_eq!(machine.ack(Millis(100)), AckFor::Transaction);
        assert_eq!((machine.retransmitted(), machine.deadline()), (None, Some(Millis(5_100))));
        assert_eq!(machine.ack(Millis(200)), AckFor::Transaction);
        machine.fire(Millis(5_100));
        assert!(machine.is_over());
    }

    #[test]
    fn on_a_stream_nothing_is_repeated_and_the_ack_ends_it() {
        let mut machine = InviteServer::new(true);
        machine.respond(Millis(0), 486, &RESPONSE);
        assert_eq!(machine.deadline(), Some(Millis(32_000)));
        machine.ack(Millis(1));
        assert!(machine.is_over());
    }

    #[test]
    fn after_a_2xx_the_invite_is_absorbed_for_timer_l() {
        let mut machine = InviteServer::new(false);
        machine.respond(Millis(0), 180, &RESPONSE);
        assert!(machine.retransmitted().is_some());
        machine.respond(Millis(0), 200, &RESPONSE);
        assert_eq!((machine.retransmitted(), machine.ack(Millis(1))), (None, AckFor::Core));
        assert!(!machine.respond(Millis(2), 486, &RESPONSE), "a second final response");
        assert_eq!(run(&mut machine), (vec![], 32_000));
    }

    #[test]
    fn ringing_is_repeated_every_minute() {
        let mut machine = InviteServer::new(true);
        machine.respond(Millis(0), 100, &RESPONSE);
        assert_eq!(machine.deadline(), None);
        machine.respond(Millis(0), 180, &RESPONSE);
        assert_eq!(machine.fire(Millis(60_000)), Fired::Resend(RESPONSE));
    }
}
