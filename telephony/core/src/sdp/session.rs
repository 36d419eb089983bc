//! Our side of one offer/answer session.

use super::answer::{answer, choose};
use super::offer::{accept_answer, offer, reoffer};
use super::security::ice_of;
use super::{
    Codec, Direction, LocalDtls, LocalSecurity, NegotiationError, RemoteSecurity,
    SessionDescription,
};
use std::net::{IpAddr, SocketAddr};

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
    /// What we have to secure audio with.
    pub security: LocalSecurity,
}

/// What was agreed about the peer's audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RemoteMedia {
    /// Where RTP goes. Unspecified when the peer holds in the old way: `direction` then forbids
    /// sending. Unspecified too, with port 0, over ICE, which has yet to find it.
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
    /// How it is secured, both ways.
    pub security: RemoteSecurity,
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
/// refused offer changes nothing** (RFC 3264 §8). Over DTLS the roles stay as first agreed, and the
/// ICE secret stays until the peer restarts (RFC 8445 §9).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Session {
    local: LocalMedia,
    last: Option<SessionDescription>,
    /// Our offer that waits for an answer.
    pending: Option<SessionDescription>,
    /// The peer's ICE user fragment and password.
    peer_ice: Option<(String, String)>,
}

impl Session {
    /// A session that has said nothing yet.
    pub const fn new(local: LocalMedia) -> Self {
        Self { local, last: None, pending: None, peer_ice: None }
    }

    /// Whether [`Session::answer`] could take something of `offer`, known before media is open.
    ///
    /// # Errors
    /// As [`answer`], less what depends on our address.
    pub fn check(
        offer: &SessionDescription,
        codecs: &[Codec],
        security: &LocalSecurity,
    ) -> Result<(), NegotiationError> {
        choose(offer, codecs, security).map(|_| ())
    }

    /// Answers the peer's offer.
    ///
    /// # Errors
    /// As [`answer`]; the session stays as it was.
    pub fn answer(&mut self, offer: &SessionDescription) -> Result<Negotiated, NegotiationError> {
        let peer_ice = peer_ice(offer);
        let restarts = self.peer_ice.is_some() && peer_ice.is_some() && self.peer_ice != peer_ice;
        let mut ours = self.local.clone();
        if let Some(dtls) = ours.security.dtls.as_mut().filter(|_| restarts) {
            dtls.ice = dtls.ice.restarted();
        }
        let agreed = answer(offer, &ours)?;
        self.local = ours;
        self.agree(&agreed.remote, peer_ice);
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
        let agreed = accept_answer(&offer, answer, &self.local)?;
        self.agree(&agreed.remote, peer_ice(answer));
        Ok(agreed)
    }

    /// Remembers what later offers and answers must keep.
    fn agree(&mut self, remote: &RemoteMedia, peer_ice: Option<(String, String)>) {
        if let RemoteSecurity::Dtls { role, .. } = remote.security {
            self.peer_ice = peer_ice;
            self.local.security.dtls =
                self.local.security.dtls.map(|dtls| LocalDtls { role: Some(role), ..dtls });
        }
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

/// The ICE user fragment and password of the peer's audio.
fn peer_ice(description: &SessionDescription) -> Option<(String, String)> {
    let mut open = description.media.iter().filter(|media| media.is_audio() && media.port != 0);
    let (ufrag, pwd) = open.find_map(|media| ice_of(description, media))?;
    Some((ufrag.to_owned(), pwd.to_owned()))
}
