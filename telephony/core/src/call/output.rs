//! What a call asks its driver to do.

use super::{
    ByeReason, CommandId, LEGS_MAX, LegId, News, PromptId, QueueId, Record, Refused, Role, SeatId,
    Target,
};
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
        /// The leg and its slot in the room.
        leg: LegId,
        /// Who will be heard.
        role: Role,
        /// Whom it will be offered to; `None` when it answers the offer of the INVITE.
        target: Option<Target>,
        /// Time without RTP until [`LegEvent::MediaInactive`](crate::leg::LegEvent::MediaInactive).
        inactive_after: Duration,
    },
    /// Send to and expect from this peer, from now on. Comes again when something changes.
    /// Before the first ACK its direction never sends, nor may anything else go to the address;
    /// a seat's own telephone, which has shown who it is, hears early media.
    ConnectMedia {
        /// Which leg.
        leg: LegId,
        /// What was agreed.
        remote: RemoteMedia,
    },
    /// Close what [`Output::OpenMedia`] opened, or abandon opening it.
    CloseMedia {
        /// Which leg.
        leg: LegId,
    },
    /// The description that this leg's peer answered with, or offered late, cannot be used. The leg ends; this is
    /// for the log.
    Unusable {
        /// Which leg.
        leg: LegId,
        /// What is wrong with it.
        warning: Warning,
    },
    /// Respond to the INVITE of this leg.
    Respond {
        /// Which leg.
        leg: LegId,
        /// What.
        response: Response,
    },
    /// Accept the re-INVITE with this body.
    AnswerReinvite {
        /// Which leg.
        leg: LegId,
        /// Our description.
        sdp: String,
    },
    /// Refuse the re-INVITE; the session stays as it was.
    RejectReinvite {
        /// Which leg.
        leg: LegId,
        /// Why.
        rejection: Rejection,
    },
    /// Accept the UPDATE with this body.
    AnswerUpdate {
        /// Which leg.
        leg: LegId,
        /// Our description.
        sdp: String,
    },
    /// Refuse the UPDATE; the session stays as it was.
    RejectUpdate {
        /// Which leg.
        leg: LegId,
        /// Why.
        rejection: Rejection,
    },
    /// Send an INVITE. Ends in exactly one of [`Output::SendBye`], [`Output::CancelDial`] and
    /// [`LegEvent::Failed`](crate::leg::LegEvent::Failed),
    /// [`LegEvent::Bye`](crate::leg::LegEvent::Bye) or
    /// [`LegEvent::TransportLost`](crate::leg::LegEvent::TransportLost).
    Dial {
        /// Which leg.
        leg: LegId,
        /// Whom.
        target: Target,
        /// Our offer; without one the peer makes it and [`Output::AckAnswer`] answers it.
        offer: Option<String>,
    },
    /// Acknowledge the 2xx with this body.
    AckAnswer {
        /// Which leg.
        leg: LegId,
        /// Our answer.
        sdp: String,
    },
    /// Give up a dial that nobody has answered. Its end is reported: `Failed`, or `Answered` when
    /// the answer crossed the CANCEL, which is followed by [`Output::SendBye`].
    CancelDial {
        /// Which leg.
        leg: LegId,
    },
    /// End the dialog. Nothing more is wanted of it.
    SendBye {
        /// Which leg.
        leg: LegId,
        /// For the `Reason` header.
        reason: ByeReason,
    },
    /// Send a re-INVITE with this body.
    Reoffer {
        /// Which leg.
        leg: LegId,
        /// Our offer.
        sdp: String,
    },
    /// Who hears whom: bit j of row i says that leg i hears leg j. The whole room, each time that
    /// it changes; a leg is in it only while it is up.
    Route([u8; LEGS_MAX]),
    /// Play a prompt.
    Play {
        /// To whom.
        leg: LegId,
        /// Comes back in [`Input::PromptDone`](super::Input::PromptDone).
        id: PromptId,
        /// Which prompt.
        prompt: Prompt,
    },
    /// Stop what is playing.
    StopPrompts {
        /// To whom.
        leg: LegId,
    },
    /// Music while somebody waits.
    Music {
        /// To whom.
        leg: LegId,
        /// Begin or end.
        on: bool,
    },
    /// The tone that says that somebody's telephone rings.
    Ringback {
        /// To whom.
        leg: LegId,
        /// Begin or end.
        on: bool,
    },
    /// Feed the audio of this leg to the recogniser. Prompts go another way and need no muting.
    StartRecognition {
        /// Whose.
        leg: LegId,
    },
    /// Nothing is recorded from here on.
    PauseRecording,
    /// Recording goes on.
    ResumeRecording,
    /// Something for the queue.
    Queue(QueueRequest),
    /// Run the menu: until [`Input::Menu`](super::Input::Menu) the keys and words are its.
    MenuStart,
    /// A key for the menu.
    MenuKey {
        /// Which.
        digit: char,
    },
    /// Accept the REFER with 202 and begin to report.
    AcceptRefer {
        /// Which leg.
        leg: LegId,
    },
    /// Refuse the REFER.
    RejectRefer {
        /// Which leg.
        leg: LegId,
        /// The SIP status.
        code: u16,
    },
    /// Report on the REFER (RFC 3515 §2.4.4).
    NotifyRefer {
        /// Which leg.
        leg: LegId,
        /// The SIP status of the message/sipfrag.
        code: u16,
        /// The last report.
        is_final: bool,
    },
    /// The one answer to a command.
    CommandResult {
        /// Which command.
        id: CommandId,
        /// Whether it was taken, and why not.
        result: Result<(), Refused>,
    },
    /// Something for the people at the console.
    Tell(News),
    /// Nothing comes after this.
    Finished,
}

/// What a call says to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueRequest {
    /// The caller waits from now on.
    Enqueue {
        /// Where.
        queue: QueueId,
        /// It was there before, or lost its seat: before all others.
        front: bool,
    },
    /// The seat that was offered has answered.
    Accepted {
        /// Which.
        seat: SeatId,
    },
    /// The seat that was offered did not come; the caller waits on.
    OfferFailed {
        /// Which.
        seat: SeatId,
        /// Why.
        why: OfferFailure,
    },
    /// The caller waits no more. Settles an open offer too.
    Abandon,
    /// The seat that had accepted has left the call.
    Ended {
        /// Which.
        seat: SeatId,
    },
    /// The caller waits no more and wants to be called back. Settles an open offer too.
    CallbackWanted,
}

/// Why a seat that was offered did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OfferFailure {
    /// Its telephone is in use, or the seat declined.
    Busy,
    /// It rang and nobody answered.
    NoAnswer,
    /// Its telephone could not be reached.
    Unreachable,
    /// The call has no leg or no media to ring it with.
    NoMedia,
    /// The caller is not waiting, or another seat is being rung for it.
    NotWaiting,
}

/// A response to an INVITE. The driver sends 100 by itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Response {
    /// 180.
    Ringing,
    /// 183 with this body: early media.
    Progress {
        /// Our answer.
        sdp: String,
    },
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
        404 => "Not Found",
        408 => "Request Timeout",
        480 => "Temporarily Unavailable",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        503 => "Service Unavailable",
        603 => "Decline",
        _ => "Server Internal Error",
    }
}

/// What is said to somebody; the words are configuration.
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
    /// How many wait before the caller, and how long that takes.
    Position {
        /// From 1.
        position: u32,
        /// How long the caller will wait, as far as anybody knows.
        wait: Option<Duration>,
    },
    /// Press 1 to be called back.
    OfferCallback,
    /// You will be called back.
    CallbackPromised,
    /// A third party comes in; the talk is recorded.
    ThreePartyConsent,
    /// The one you talked to is gone; somebody else will be with you.
    PleaseWait,
    /// Nobody can take the call now.
    NobodyThere,
    /// All lines are busy.
    Busy,
    /// Nobody works at this hour.
    Closed,
    /// One of the operator's own, by its number in the configuration.
    Own(u16),
}
