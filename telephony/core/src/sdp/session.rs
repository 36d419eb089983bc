//! Our side of one offer/answer session.

use super::answer::{answer, choose};
use super::offer::{accept_answer, offer, reoffer};
use super::{Codec, NegotiationError, SessionDescription};
use std::net::{IpAddr, SocketAddr};

use super::Direction;

/// What we have to offer: one audio socket and its codecs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LocalMedia {
    /// The address that the peer sends to.
    pub ip: IpAddr,
    /// The RTP port; RTCP is on the next one.
    pub rtp_port: u16,
    /// Whether the media engine takes RTCP on the RTP port (RFC 5761).
    pub rtcp_mux: bool,
    /// The session id of the `o=` line, the same for the whole session.
    pub session_id: u64,
    /// The version of the `o=` line. [`Session`] keeps it.
    pub version: u64,
    /// Our codecs, best first.
    pub codecs: Vec<Codec>,
}

/// What was agreed about the peer's audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RemoteMedia {
    /// Where RTP goes. Unspecified when the peer holds in the old way: `direction` then forbids
    /// sending.
    pub rtp: SocketAddr,
    /// Where RTCP goes.
    pub rtcp: SocketAddr,
    /// RTP and RTCP share a port, ours as well as theirs.
    pub rtcp_mux: bool,
    /// The codec, both ways.
    pub codec: Codec,
    /// Its RTP payload type.
    pub payload_type: u8,
    /// The payload type of telephone-event packets that the peer may send, if it knows them.
    pub dtmf_payload_type: Option<u8>,
    /// The direction from our side: whether we may send, and whether to expect anything.
    pub direction: Direction,
}

/// The outcome of an offer and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Negotiated {
    /// Our description: the answer when the peer offered, our offer when it answered.
    pub local: SessionDescription,
    /// The peer's media.
    pub remote: RemoteMedia,
}

/// **Our side of one session: the id stays, the version rises only when our text changes, and a
/// refused offer changes nothing** (RFC 3264 §8).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Session {
    local: LocalMedia,
    last: Option<SessionDescription>,
    /// Our offer that waits for an answer.
    pending: Option<SessionDescription>,
}

impl Session {
    /// A session that has said nothing yet.
    pub const fn new(local: LocalMedia) -> Self {
        Self { local, last: None, pending: None }
    }

    /// Whether [`Session::answer`] could take something of `offer`, known before media is open.
    ///
    /// # Errors
    /// As [`answer`], less what depends on our address.
    pub fn check(offer: &SessionDescription, codecs: &[Codec]) -> Result<(), NegotiationError> {
        choose(offer, codecs).map(|_| ())
    }

    /// Answers the peer's offer.
    ///
    /// # Errors
    /// As [`answer`]; the session stays as it was.
    pub fn answer(&mut self, offer: &SessionDescription) -> Result<Negotiated, NegotiationError> {
        let agreed = answer(offer, &self.local)?;
        let local = self.speak(agreed.local);
        Ok(Negotiated { local, remote: agreed.remote })
    }

    /// Makes an offer, the first or a later one, and waits for its answer.
    pub fn offer(&mut self) -> SessionDescription {
        let offer = match &self.last {
            None => offer(&self.local),
            Some(last) => reoffer(&self.local, last),
        };
        let offer = self.speak(offer);
        self.pending = Some(offer.clone());
        offer
    }

    /// Whether an offer of ours waits for its answer.
    pub const fn awaits_answer(&self) -> bool {
        self.pending.is_some()
    }

    /// Takes the answer to the offer that waits.
    ///
    /// # Errors
    /// As [`accept_answer`]; [`NegotiationError::Refused`] too when no offer waits.
    pub fn accept(&mut self, answer: &SessionDescription) -> Result<Negotiated, NegotiationError> {
        let offer = self.pending.take().ok_or(NegotiationError::Refused)?;
        accept_answer(&offer, answer, &self.local)
    }

    /// Gives `next` the right version and remembers it as said.
    fn speak(&mut self, mut next: SessionDescription) -> SessionDescription {
        if self.last.as_ref().is_some_and(|last| *last != next) {
            self.local.version = self.local.version.saturating_add(1);
            next.origin.version = self.local.version.to_string();
        }
        self.last = Some(next.clone());
        next
    }
}
