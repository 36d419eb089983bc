//! What a call asks its driver to do.

use super::{ByeReason, Cause};
use crate::sdp::{RemoteMedia, Warning};
use std::time::Duration;

/// One thing to do. The driver carries them out in order: a [`Output::Persist`] is handed to the
/// store before anything behind it is begun.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Store this. [`Record::Begin`] is reported back; the others are retried by the driver.
    Persist(Record),
    /// Open an RTP socket, the recorder and the taps; report when RTP stays away for this long.
    OpenMedia {
        /// Time without RTP until [`Input::MediaInactive`](super::Input::MediaInactive).
        inactive_after: Duration,
    },
    /// Send to and expect from this peer, from now on. Comes again when a re-INVITE changes it.
    /// Before the first ACK its direction never sends, nor may anything else go to the address.
    ConnectMedia(RemoteMedia),
    /// Respond to the INVITE.
    Respond(Response),
    /// Accept the re-INVITE with this body.
    AnswerReinvite {
        /// Our description.
        sdp: String,
    },
    /// Refuse the re-INVITE; the session stays as it was.
    RejectReinvite(Rejection),
    /// Play a prompt to the caller.
    Play {
        /// Comes back in [`Input::PromptDone`](super::Input::PromptDone).
        id: PromptId,
        /// Which prompt.
        prompt: Prompt,
    },
    /// Stop what is playing.
    StopPrompts,
    /// Feed the caller's audio to the recogniser. Prompts go another way and need no muting.
    StartRecognition,
    /// End the dialog.
    SendBye(ByeReason),
    /// Close what [`Output::OpenMedia`] opened, or abandon opening it.
    CloseMedia,
    /// Nothing comes after this.
    Finished,
}

/// A row to write. The driver adds the wall-clock time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Record {
    /// The call began: its row and its ticket draft, in one transaction.
    Begin,
    /// The call was answered.
    Answered,
    /// The call is over. Says by whom and which status through [`Cause`].
    Ended(Cause),
}

/// A response to the INVITE. The driver sends 100 by itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Response {
    /// 180.
    Ringing,
    /// 200 with this body.
    Answer {
        /// Our description: an answer, or an offer when the INVITE had none.
        sdp: String,
    },
    /// A final refusal.
    Reject(Rejection),
}

/// A refusal and its reasons.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rejection {
    /// The SIP status, 400 to 699.
    pub status: u16,
    /// The reason phrase.
    pub phrase: &'static str,
    /// For the `Warning` header.
    pub warning: Option<Warning>,
    /// For the `Retry-After` header, in whole seconds.
    pub retry_after: Option<Duration>,
}

impl Rejection {
    /// A refusal with the phrase of RFC 3261 §21 and no headers.
    pub const fn new(status: u16) -> Self {
        Self { status, phrase: phrase(status), warning: None, retry_after: None }
    }

    /// The same with a warning.
    pub fn warned(status: u16, warning: Warning) -> Self {
        Self { warning: Some(warning), ..Self::new(status) }
    }
}

const fn phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        480 => "Temporarily Unavailable",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        503 => "Service Unavailable",
        _ => "Server Internal Error",
    }
}

/// One playing of a prompt, numbered from 1 within its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PromptId(pub u32);

/// What is said to the caller; the words are configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prompt {
    /// This call is recorded.
    Notice,
    /// Welcome; say what it is about.
    Greeting,
    /// 您好，请讲.
    AreYouThere,
    /// Goodbye.
    Farewell,
}
