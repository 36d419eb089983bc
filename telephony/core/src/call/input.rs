//! What happens to a call.

use super::PromptId;
use std::net::SocketAddr;

/// Something that happened. Bodies are the text of session descriptions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The INVITE that begins the call; without a body the offer is ours to make.
    Invite {
        /// The caller's offer.
        offer: Option<String>,
    },
    /// [`Record::Begin`](super::Record::Begin) is committed: the call and its ticket draft.
    Persisted,
    /// [`Record::Begin`](super::Record::Begin) could not be committed.
    PersistFailed,
    /// The media engine has opened the RTP socket with this address for the peer.
    MediaOpened {
        /// The address to write into our description.
        local: SocketAddr,
    },
    /// The media engine has no socket to give.
    MediaFailed,
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
    /// A prompt was played to its end.
    PromptDone {
        /// Which; one that was stopped meanwhile is ignored.
        id: PromptId,
    },
    /// The caller pressed a key: 0–9, `*`, `#`, A–D.
    Dtmf {
        /// The key.
        digit: char,
    },
    /// The recogniser heard words of the caller, partial or final.
    SpeechHeard,
    /// No RTP for [`CallConfig::media_inactive`](super::CallConfig::media_inactive); reported
    /// again after each further stretch.
    MediaInactive,
    /// Our side ends the call.
    Hangup(Hangup),
    /// The peer can no longer be reached: its dialog is gone or its transport cannot be restored.
    TransportLost,
    /// The deadline of [`Call::next_deadline`](super::Call::next_deadline) has come.
    Timer,
}

/// Who on our side ends a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hangup {
    /// A person, through the console or the API.
    Operator,
    /// The server is shutting down.
    Drain,
}
