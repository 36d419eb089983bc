//! What happens to a call.

use super::{By, Command, CommandId, LegId, PromptId, SeatId, Target, Treatment};
use crate::leg::LegEvent;
use std::time::Duration;

/// Something that happened. Bodies are the text of session descriptions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The INVITE of leg 0 that begins the call; without a body the offer is ours to make.
    Invite {
        /// The caller's offer.
        offer: Option<String>,
    },
    /// Begins a call without an INVITE: [`Origin::ClickToDial`](super::Origin::ClickToDial),
    /// [`Origin::Machine`](super::Origin::Machine).
    Start,
    /// [`Record::Begin`](super::Record::Begin) is committed: the call and its ticket draft.
    Persisted,
    /// [`Record::Begin`](super::Record::Begin) could not be committed.
    PersistFailed,
    /// Something happened to a leg. After [`Output::SendBye`](super::Output::SendBye) and after a
    /// leg is gone the driver reports nothing more of it; after
    /// [`Output::CancelDial`](super::Output::CancelDial) it reports the end of the dial.
    Leg {
        /// Which.
        leg: LegId,
        /// What.
        event: LegEvent,
    },
    /// A prompt was played to its end.
    PromptDone {
        /// To whom.
        leg: LegId,
        /// Which; one that was stopped meanwhile is ignored.
        id: PromptId,
    },
    /// A key was pressed: 0–9, `*`, `#`, A–D.
    Dtmf {
        /// By whom.
        leg: LegId,
        /// The key.
        digit: char,
    },
    /// The recogniser heard words, partial or final.
    SpeechHeard {
        /// Whose.
        leg: LegId,
    },
    /// The menu has found where the call goes.
    Menu(Treatment),
    /// The queue has something for this call.
    Queue(QueueEvent),
    /// The seat's telephone opens a second call to ask somebody, before a transfer.
    SecondLine {
        /// The new leg: [`Call::free_leg`](super::Call::free_leg).
        leg: LegId,
        /// The seat's first line, a leg of this call.
        first: LegId,
        /// Whom it calls, one after another.
        targets: Vec<Target>,
        /// Its offer.
        offer: Option<String>,
    },
    /// An INVITE with Replaces (RFC 3891) that takes the place of a leg of this call.
    Replace {
        /// The new leg: [`Call::free_leg`](super::Call::free_leg).
        leg: LegId,
        /// The leg whose place it takes.
        replaces: LegId,
        /// Its offer.
        offer: Option<String>,
    },
    /// Somebody wants something. Answered with exactly one
    /// [`Output::CommandResult`](super::Output::CommandResult).
    Command {
        /// Comes back with the result.
        id: CommandId,
        /// Who.
        by: By,
        /// What.
        command: Command,
    },
    /// Our side ends the call.
    Hangup(Hangup),
    /// The deadline of [`Call::next_deadline`](super::Call::next_deadline) has come.
    Timer,
}

/// What the queue says to a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QueueEvent {
    /// Ring this seat. Settled by exactly one of `Accepted`, `OfferFailed` and `Abandon` of
    /// [`QueueRequest`](super::QueueRequest), or by the queue's own `Withdrawn`.
    Offer {
        /// Which.
        seat: SeatId,
    },
    /// The seat that was offered is not to be had any more. One that has answered meanwhile is
    /// hung up on, and the caller waits on.
    Withdrawn {
        /// Which.
        seat: SeatId,
    },
    /// Tell the caller where it stands.
    Position {
        /// From 1.
        position: u32,
        /// How long it will wait, as far as anybody knows.
        wait: Option<Duration>,
    },
    /// The queue gives the caller up: it goes there.
    Overflow(Treatment),
    /// Ask the caller whether it would rather be called back.
    OfferCallback,
}

/// Who on our side ends a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hangup {
    /// A person, through the console or the API.
    Operator,
    /// The server is shutting down.
    Drain,
}
