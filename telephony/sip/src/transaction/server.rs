//! Non-INVITE server transaction (RFC 3261 §17.2.2).

use super::Fired;
use super::timing::TIMEOUT;
use bytes::Bytes;
use qingting_common::Millis;

/// **Answers a request once and its retransmissions with the same bytes.** Most are answered at
/// once; those that the owner of a call answers are in Trying until then.
#[derive(Clone, Debug)]
pub struct Server {
    /// `None` in Trying.
    response: Option<Bytes>,
    /// Timer J: 64 × T1 for datagrams, at once for streams.
    until: Millis,
    over: bool,
}

impl Server {
    /// A transaction whose final response is being sent.
    pub fn completed(now: Millis, reliable: bool, response: Bytes) -> Self {
        let until = if reliable { now } else { now + TIMEOUT };
        Self { response: Some(response), until, over: reliable }
    }

    /// A transaction whose response is still to be given, by [`Server::respond`].
    pub const fn trying() -> Self {
        Self { response: None, until: Millis(u64::MAX), over: false }
    }

    /// Takes the final response and says whether it is to be sent.
    pub fn respond(&mut self, now: Millis, reliable: bool, response: &Bytes) -> bool {
        let first = self.response.is_none();
        if first {
            *self = Self::completed(now, reliable, response.clone());
        }
        first
    }

    /// The request came again: what to send.
    pub fn retransmitted(&self) -> Option<Bytes> {
        self.response.clone()
    }

    /// When to call [`Server::fire`].
    pub fn deadline(&self) -> Option<Millis> {
        (!self.over && self.response.is_some()).then_some(self.until)
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

    #[test]
    fn a_request_that_waits_for_its_owner_is_answered_once() {
        let (mut machine, response) = (Server::trying(), Bytes::from_static(b"200"));
        assert_eq!((machine.retransmitted(), machine.deadline()), (None, None));
        machine.fire(Millis(100_000));
        assert!(!machine.is_over());
        assert!(machine.respond(Millis(5), false, &response));
        assert!(!machine.respond(Millis(6), false, &Bytes::from_static(b"500")));
        assert_eq!(
            (machine.retransmitted(), machine.deadline()),
            (Some(response), Some(Millis(32_005)))
        );
    }
}
