//! What of a call is written down.

use super::{Cause, HungUpBy, LegId, QueueId, Role, SeatId, SuperviseMode, Target};
use std::time::Duration;

/// A row to write. The driver adds the wall-clock time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Record {
    /// The call began: its row and its ticket draft, in one transaction.
    Begin,
    /// The call was answered: by us, or when we called by the party that was called first.
    Answered,
    /// A leg began. Every leg has this once, and [`Record::LegEnded`] once.
    LegBegan {
        /// Which.
        leg: LegId,
        /// Who.
        role: Role,
        /// Whom we dial; `None` when it called us.
        target: Option<Target>,
    },
    /// A leg was answered, by us or by its party.
    LegAnswered {
        /// Which.
        leg: LegId,
    },
    /// A leg is over.
    LegEnded {
        /// Which.
        leg: LegId,
        /// Why.
        cause: Cause,
        /// Who ended it.
        by: HungUpBy,
    },
    /// The caller waits in a queue.
    Queued {
        /// Which.
        queue: QueueId,
    },
    /// A seat that the queue offered answered.
    SeatAnswered {
        /// Which.
        seat: SeatId,
        /// Its leg.
        leg: LegId,
        /// How long the caller was in the queue.
        wait: Duration,
    },
    /// The call went from one party to another, or is on its way there.
    Transferred {
        /// Who gave it away.
        from: LegId,
        /// Who has it; `None` while targets are tried.
        to: Option<LegId>,
        /// Without asking first.
        blind: bool,
    },
    /// A supervisor came in, or changed what it does.
    Supervised {
        /// Its leg.
        leg: LegId,
        /// How.
        mode: SuperviseMode,
    },
    /// From here on nothing is recorded.
    RecordingPaused,
    /// Recording goes on.
    RecordingResumed,
    /// No person of ours talked to the citizen: it is to be called back once.
    Missed {
        /// Why.
        why: MissedWhy,
    },
    /// The call is over. Says by whom and which status through [`Cause`].
    Ended(Cause),
}

/// Why no person of ours talked to a citizen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MissedWhy {
    /// It left the queue.
    Abandoned,
    /// It wants to be called back.
    CallbackWanted,
    /// Nobody of those who were dialled answered.
    NobodyAnswered,
    /// Nobody works at this hour.
    Closed,
    /// Every line was taken.
    Busy,
    /// The call broke off while it waited.
    Lost,
}

impl MissedWhy {
    /// The name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Abandoned => "abandoned",
            Self::CallbackWanted => "callback_wanted",
            Self::NobodyAnswered => "nobody_answered",
            Self::Closed => "closed",
            Self::Busy => "busy",
            Self::Lost => "lost",
        }
    }
}
