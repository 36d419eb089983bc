//! What is to be done with a call, decided before it begins.

use super::{Prompt, QueueId, SeatId, Target};

/// How a call begins.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A citizen calls: [`Input::Invite`](super::Input::Invite) brings the offer of leg 0.
    Citizen(Plan),
    /// A seat calls from its own telephone: [`Input::Invite`](super::Input::Invite) brings the
    /// offer of leg 0.
    Seat {
        /// Which seat.
        seat: SeatId,
        /// Whom it calls; one after another until one answers.
        targets: Vec<Target>,
        /// Whether a citizen is called, who hears the recording notice.
        citizen: bool,
    },
    /// The seat is rung first, then the citizen: [`Input::Start`](super::Input::Start) begins.
    ClickToDial {
        /// Which seat; leg 0.
        seat: SeatId,
        /// The citizen.
        target: Target,
    },
    /// A machine calls a citizen, leg 0, and talks to it as a menu does:
    /// [`Input::Start`](super::Input::Start) begins,
    /// [`Output::MenuStart`](super::Output::MenuStart) comes with the answer.
    Machine {
        /// The citizen.
        target: Target,
    },
}

/// What a citizen's call hears, and where it goes then.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    /// The recording notice is played. Off only where the trunk plays it.
    pub notice: bool,
    /// What welcomes the caller after the notice.
    pub greeting: Option<Prompt>,
    /// Where the call goes then.
    pub treatment: Treatment,
}

impl Default for Plan {
    fn default() -> Self {
        Self { notice: true, greeting: Some(Prompt::Greeting), treatment: Treatment::Machine }
    }
}

/// Where a citizen's call goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Treatment {
    /// The caller talks to the machine.
    Machine,
    /// A menu that the driver runs: it gets the keys from
    /// [`Output::MenuKey`](super::Output::MenuKey) and ends with
    /// [`Input::Menu`](super::Input::Menu).
    Menu,
    /// A queue.
    Queue {
        /// Which.
        queue: QueueId,
    },
    /// These are dialled one after another until one answers.
    Dial {
        /// Whom.
        targets: Vec<Target>,
    },
    /// All lines are busy: refused with 486, or told so and let go.
    Busy {
        /// What is said; `None` refuses.
        prompt: Option<Prompt>,
    },
    /// Nobody works now: told so and let go.
    Closed {
        /// What is said.
        prompt: Prompt,
    },
    /// Everything was said and heard: let go.
    Finish,
}
