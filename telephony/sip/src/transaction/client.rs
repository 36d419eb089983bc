//! Non-INVITE client transaction (RFC 3261 §17.1.2).

use super::Fired;
use super::timing::{Backoff, T2, T4, TIMEOUT};
use bytes::Bytes;
use qingting_common::Millis;

/// **Repeats a request until its final response, for 64 × T1 at most.**
#[derive(Clone, Debug)]
pub struct Client {
    state: State,
    reliable: bool,
}

#[derive(Clone, Debug)]
enum State {
    /// Trying and Proceeding. Timer E is `resend`, timer F is `until`.
    Waiting {
        request: Bytes,
        resend: Option<Backoff>,
        until: Millis,
    },
    /// Timer K.
    Completed {
        until: Millis,
    },
    Terminated,
}

impl Client {
    /// A transaction whose request is being sent.
    pub fn new(now: Millis, reliable: bool, request: Bytes) -> Self {
        let resend = (!reliable).then(|| Backoff::start(now, T2));
        Self { state: State::Waiting { request, resend, until: now + TIMEOUT }, reliable }
    }

    /// Takes the status of a response and says whether it is the first final one.
    pub fn response(&mut self, now: Millis, code: u16) -> bool {
        let State::Waiting { resend, .. } = &mut self.state else { return false };
        if code < 200 {
            if let Some(resend) = resend {
                resend.slow_down();
            }
            return false;
        }
        self.state =
            if self.reliable { State::Terminated } else { State::Completed { until: now + T4 } };
        true
    }

    /// When to call [`Client::fire`].
    pub fn deadline(&self) -> Option<Millis> {
        match &self.state {
            State::Waiting { resend, until, .. } => {
                Some(resend.map_or(*until, |resend| resend.at().min(*until)))
            }
            State::Completed { until } => Some(*until),
            State::Terminated => None,
        }
    }

    /// Does what is due.
    pub fn fire(&mut self, now: Millis) -> Fired {
        match &mut self.state {
            State::Waiting { until, .. } if now >= *until => {
                self.state = State::Terminated;
                Fired::TimedOut
            }
            State::Waiting { request, resend: Some(resend), .. } if resend.is_due(now) => {
                resend.advance(now);
                Fired::Resend(request.clone())
            }
            State::Completed { until } if now >= *until => {
                self.state = State::Terminated;
                Fired::Nothing
            }
            _ => Fired::Nothing,
        }
    }

    /// Whether the transaction is to be forgotten.
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Terminated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYE: Bytes = Bytes::from_static(b"BYE");

    fn sent_times(machine: &mut Client) -> Vec<u64> {
        let mut sent = Vec::new();
        while let Some(at) = machine.deadline() {
            if matches!(machine.fire(at), Fired::Resend(_)) {
                sent.push(at.0);
            }
        }
        sent
    }

    #[test]
    fn timer_e_is_capped_and_timer_f_ends_it() {
        let mut machine = Client::new(Millis(0), false, BYE);
        let sent = sent_times(&mut machine);
        assert_eq!(sent[..5], [500, 1_500, 3_500, 7_500, 11_500]);
        assert_eq!((sent.len(), machine.is_over()), (10, true));
    }

    #[test]
    fn a_provisional_response_slows_the_repetition_down() {
        let mut machine = Client::new(Millis(0), false, BYE);
        assert!(!machine.response(Millis(100), 100));
        assert_eq!(sent_times(&mut machine)[..3], [500, 4_500, 8_500]);
    }

    #[test]
    fn the_first_final_response_counts_and_timer_k_absorbs_the_rest() {
        let mut machine = Client::new(Millis(0), false, BYE);
        assert!(machine.response(Millis(1), 200));
        assert!(!machine.response(Millis(2), 200));
        assert_eq!(machine.deadline(), Some(Millis(5_001)));
        let mut stream = Client::new(Millis(0), true, BYE);
        assert!(stream.response(Millis(1), 481) && stream.is_over());
    }
}
