//! What happens to one leg.

use crate::call::{LegId, Target};
use crate::sdp::{Codec, LocalSecurity};
use std::net::SocketAddr;

/// Something that happened to a leg. Bodies are the text of session descriptions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LegEvent {
    /// What this leg can, where that is not what
    /// [`CallConfig`](crate::call::CallConfig) says of all; reported before
    /// [`LegEvent::MediaOpened`].
    MediaTerms {
        /// Our codecs, best first.
        codecs: Vec<Codec>,
        /// What we have to secure its audio with; the keys are its own.
        security: LocalSecurity,
    },
    /// The media engine has opened the RTP socket with this address for the peer.
    MediaOpened {
        /// The address to write into our description.
        local: SocketAddr,
    },
    /// The media engine has no socket to give, or lost the one that it gave.
    MediaFailed,
    /// No RTP for [`CallConfig::media_inactive`](crate::call::CallConfig::media_inactive);
    /// reported again after each further stretch.
    MediaInactive,
    /// The ACK of our answer, or of a re-INVITE's.
    Ack {
        /// The body, if it has one.
        answer: Option<String>,
    },
    /// No ACK came for the answer, or for a re-INVITE's, within 64 × T1.
    AckTimeout,
    /// A CANCEL that matched the INVITE, reported only if the INVITE's final response is 487. A 200
    /// that the machine has given meanwhile has not left and never will; a CANCEL that comes after
    /// it has left is not reported (RFC 3261 §9.2). The driver has answered the CANCEL itself.
    Cancel,
    /// A BYE in this dialog. The driver has answered the BYE itself.
    Bye,
    /// An INVITE inside the dialog.
    Reinvite {
        /// The peer's offer; without one the offer is ours to make.
        offer: Option<String>,
    },
    /// An UPDATE with an offer (RFC 3311); one without an offer the driver answers itself.
    Update {
        /// The peer's offer.
        offer: String,
    },
    /// A provisional response above 100 to our INVITE. Branches of a fork follow each other.
    Progress {
        /// The SIP status.
        code: u16,
        /// Early media, or none.
        body: Option<String>,
    },
    /// A 2xx to our INVITE or re-INVITE. The driver has acknowledged it, unless its body is the
    /// offer: then it waits for [`Output::AckAnswer`](crate::call::Output::AckAnswer), or for
    /// [`Output::SendBye`](crate::call::Output::SendBye) when no answer is possible.
    Answered {
        /// The answer to our offer, or the peer's own offer when we made none.
        body: Option<String>,
    },
    /// Our INVITE, our re-INVITE or its transaction failed, after any failover of the driver's.
    Failed {
        /// The SIP status; 408 when nothing came.
        code: u16,
    },
    /// The peer can no longer be reached: its dialog is gone or its transport cannot be restored.
    TransportLost,
    /// The session timer ran out without a refresh (RFC 4028); the dialog still takes a BYE.
    SessionExpired,
    /// The peer sends its call elsewhere (RFC 3515); answered by
    /// [`Output::AcceptRefer`](crate::call::Output::AcceptRefer) or
    /// [`Output::RejectRefer`](crate::call::Output::RejectRefer).
    Refer {
        /// Where to.
        target: Target,
        /// Which dialog that replaces, if it says so.
        replaces: Option<Replaces>,
    },
    /// The peer wants no more news of its REFER.
    ReferEnded,
}

/// The dialog that the `Replaces` of a REFER names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Replaces {
    /// A leg of this call.
    Leg(LegId),
    /// A dialog of another call, or of none.
    Elsewhere,
}
