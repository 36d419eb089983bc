//! Non-INVITE server transaction (RFC 3261 §17.2.2).

use super::Fired;
use super::timing::TIMEOUT;
use bytes::Bytes;
use qingting_common::Millis;

/// **Answers a request once and its retransmissions with the same bytes.** This server answers
/// such requests at once, so that the Trying and Proceeding states have no time to exist.
#[derive(Clone, Debug)]
pub struct Server {
    response: Bytes,
    /// Timer J: 64 × T1 for datagrams, at once for streams.
    until: Millis,
    over: bool,
}

impl Server {
    /// A transaction whose final response is being sent.
    pub fn completed(now: Millis, reliable: bool, response: Bytes) -> Self {
        let until = if reliable { now } else { now + TIMEOUT };
        Self { response, until, over: reliable }
    }

    /// The request came again: what to send.
    pub fn retransmitted(&self) -> Option<Bytes> {
        Some(self.response.clone())
    }

    /// When to call [`Server::fire`].
    pub fn deadline(&self) -> Option<Millis> {
        (!self.over).then_some(self.until)
    }

    /// Does what is due.
    pub fn fire(&mut self, now: Millis) -> Fired {
        self.over |= now >= self.until;
        Fired::Nothing
    }

    /// Whether the transaction is to be forgotten.
    pub const fn is_over(&self) -> bool {
        self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timer_j_keeps_the_response_for_datagrams_only() {
        let response = Bytes::from_static(b"200");
        let mut machine = Server::completed(Millis(0), false, response.clone());
        assert_eq!((machine.retransmitted(), machine.is_over()), (Some(response.clone()), false));
        machine.fire(Millis(31_999));
        assert!(!machine.is_over());
        machine.fire(Millis(32_000));
        assert!(machine.is_over());
        assert!(Server::completed(Millis(0), true, response).is_over());
    }
}
