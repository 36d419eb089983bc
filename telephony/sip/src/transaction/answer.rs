//! The 2xx to an INVITE, repeated by the user agent core until its ACK (RFC 3261 §13.3.1.4).

use super::timing::{Backoff, T2, TIMEOUT};
use qingting_common::Millis;

/// **Says when to send a 2xx again, and when to give up waiting for the ACK.** It is repeated over
/// streams too: a proxy behind the first hop may lose it.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    resend: Backoff,
    until: Millis,
}

/// What an answer's timer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerFired {
    /// Nothing was due.
    Nothing,
    /// Send the 2xx again.
    Resend,
    /// No ACK within 64 × T1.
    GaveUp,
}

impl Answer {
    /// A 2xx that is being sent.
    pub fn new(now: Millis) -> Self {
        Self { resend: Backoff::start(now, T2), until: now + TIMEOUT }
    }

    /// When to call [`Answer::fire`].
    pub fn deadline(&self) -> Millis {
        self.resend.at().min(self.until)
    }

    /// Does what is due.
    pub fn fire(&mut self, now: Millis) -> AnswerFired {
        if now >= self.until {
            AnswerFired::GaveUp
        } else if self.resend.is_due(now) {
            self.resend.advance(now);
            AnswerFired::Resend
        } else {
            AnswerFired::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_repetitions_then_the_end() {
        let (mut answer, mut sent) = (Answer::new(Millis(0)), 0);
        let end = loop {
            let at = answer.deadline();
            match answer.fire(at) {
                AnswerFired::GaveUp => break at,
                AnswerFired::Resend => sent += 1,
                AnswerFired::Nothing => panic!("woken for nothing"),
            }
        };
        assert_eq!((sent, end), (10, Millis(32_000)));
    }
}
