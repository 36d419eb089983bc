//! What people at the console or a telephone ask of a call, and how that is answered.

use super::{LegId, QueueId, Role, Target};

/// Who gives a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// The person on this leg, from its telephone or its page.
    Leg(LegId),
    /// A supervisor's console or the API; it speaks for the seat of the call.
    Console,
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// The citizen hears music, the seat nothing.
    Hold,
    /// Ends [`Command::Hold`].
    Resume,
    /// Nobody hears this leg any more, or everybody again.
    Mute {
        /// Which.
        leg: LegId,
        /// Whether it is muted.
        on: bool,
    },
    /// The call goes on to others.
    Transfer {
        /// One after another until one answers.
        targets: Vec<Target>,
        /// The seat leaves at once; otherwise it talks to them first, as [`Command::Consult`].
        blind: bool,
    },
    /// The citizen waits with music while the seat asks somebody.
    Consult {
        /// One after another until one answers.
        targets: Vec<Target>,
        /// Who they are.
        role: Role,
    },
    /// Somebody is added to the talk, which goes on meanwhile.
    Join {
        /// One after another until one answers.
        targets: Vec<Target>,
        /// Who they are.
        role: Role,
        /// The seat leaves once they are joined: the one-key transfer to 110.
        then_leave: bool,
    },
    /// Seat, expert and citizen talk together.
    JoinConsulted,
    /// The seat leaves the citizen to the expert.
    CompleteTransfer,
    /// The expert leaves, or is not waited for, and the citizen is back with the seat.
    CancelConsult,
    /// The citizen goes to a queue and the seat leaves.
    ToQueue {
        /// Which.
        queue: QueueId,
    },
    /// This leg is hung up on.
    Drop {
        /// Which.
        leg: LegId,
    },
    /// A supervisor is rung and listens, whispers or barges in; one who is there already changes
    /// its mode.
    Supervise {
        /// The supervisor's own telephone.
        target: Target,
        /// How.
        mode: SuperviseMode,
    },
    /// Nothing is recorded until [`Command::ResumeRecording`].
    PauseRecording,
    /// Recording goes on.
    ResumeRecording,
    /// The call is over for everybody.
    HangUp,
}

/// What a supervisor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SuperviseMode {
    /// Hears everybody, nobody hears it.
    Listen,
    /// The seat alone hears it.
    Whisper,
    /// Everybody hears it.
    Barge,
}

impl SuperviseMode {
    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::Whisper => "whisper",
            Self::Barge => "barge",
        }
    }
}

/// Why a command was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refused {
    /// Nobody talks yet, or the call is ending.
    #[error("the call is not at a point where this can be done")]
    NotNow,
    /// It is so already.
    #[error("it is so already")]
    AlreadySo,
    /// There is no such leg.
    #[error("the call has no such leg")]
    NoSuchLeg,
    /// This leg may not ask for it.
    #[error("this party may not ask for it")]
    NotAllowed,
    /// Somebody is being dialled, asked or transferred to; end that first.
    #[error("another transfer or consultation is under way")]
    Underway,
    /// No targets, or no consultation to join, complete or cancel.
    #[error("there is nobody whom this could be done with")]
    Nobody,
    /// All legs are taken.
    #[error("the call has no leg to spare")]
    NoLeg,
}

/// Something for the people at the console, on the way of a command that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum News {
    /// A party is being dialled.
    Dialling {
        /// Its leg.
        leg: LegId,
        /// As what.
        role: Role,
    },
    /// Its telephone rings.
    Ringing {
        /// Its leg.
        leg: LegId,
    },
    /// A party that was dialled does not come; the next one, if any, is dialled.
    Failed {
        /// Its leg.
        leg: LegId,
        /// The SIP status; 408 when nobody answered in time.
        code: u16,
    },
    /// None of the targets came: the talk is as it was before the command.
    NobodyCame,
    /// The expert has answered and talks to the seat alone.
    Consulting {
        /// The expert.
        leg: LegId,
    },
    /// This party is in the talk.
    Joined {
        /// Which.
        leg: LegId,
    },
    /// This party has left.
    Left {
        /// Which.
        leg: LegId,
    },
    /// The citizen is on hold, or no more.
    Held {
        /// Whether.
        on: bool,
    },
    /// The citizen is back in its queue.
    Requeued,
}
