//! What the interface asks of the switchboard: running calls, queues, seats and the duty list.
//!
//! The server implements [`Switchboard`] and maps these types to its own: this crate knows no call
//! machine.

use crate::duty::{DutyProblem, DutyRow, OnDuty};
use qingting_common::{CallId, Pii};
use qingting_store::{DutyList, LegRole, MissedCall, Role};
use serde::{Deserialize, Serialize};
use std::pin::Pin;
use utoipa::ToSchema;

/// What a switchboard does in its own time.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Running calls, queues and seats. **Who may ask is decided before; the switchboard decides whether
/// it can be done now.**
pub trait Switchboard: Send + Sync {
    /// Does something to a running call; returns when it was taken, not when it is finished.
    fn command(
        &self,
        call: CallId,
        actor: Actor,
        command: CallCommand,
    ) -> Pending<'_, Result<(), ControlError>>;

    /// Rings the actor's telephone and then the number; returns when the call is stored.
    fn dial(&self, actor: Actor, request: DialRequest)
    -> Pending<'_, Result<CallId, ControlError>>;

    /// Rings the actor's telephone and then the citizen who reached nobody; the call is claimed
    /// already. Returns when the new call is stored; tell the store what came of it with
    /// [`Store::called_back`](qingting_store::Store::called_back).
    fn call_back(
        &self,
        actor: Actor,
        missed: MissedCall,
    ) -> Pending<'_, Result<CallId, ControlError>>;

    /// Changes what a seat does.
    fn seat_state(
        &self,
        extension: String,
        request: SeatStateRequest,
    ) -> Pending<'_, Result<(), ControlError>>;

    /// Everything that runs now.
    fn snapshot(&self) -> Pending<'_, Snapshot>;

    /// Whether that extension is in the call or is being rung for it. Asked for every event and
    /// listener: must not block.
    fn takes_part(&self, extension: &str, call: CallId) -> bool;

    /// Whether that extension takes calls of the queue. Must not block.
    fn serves(&self, extension: &str, queue: &str) -> bool;

    /// Seats were made, changed or removed: read [`Store::seat_credentials`] again. Must not block.
    ///
    /// [`Store::seat_credentials`]: qingting_store::Store::seat_credentials
    fn seats_changed(&self);

    /// The duty list was replaced: read it again. Must not block.
    fn duty_changed(&self);

    /// Makes a list of a table's rows, or says what is wrong, line by line and never quoting a
    /// value.
    fn read_duty(&self, rows: &[DutyRow]) -> Result<DutyList, Vec<DutyProblem>>;

    /// Who of a department, by its code, or of all, is on duty now, in the order of ringing. Must
    /// not block.
    fn on_duty(&self, department: Option<&str>) -> Vec<OnDuty>;
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// A key's name, `admin`, or a seat's extension: as in the audit.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The extension at which it sits, or whose telephone it named.
    pub extension: Option<String>,
}

/// What can be done to a running call.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum CallCommand {
    /// The citizen hears music.
    Hold {},
    /// Ends `hold`.
    Resume {},
    /// Nobody hears this leg any more, or everybody again.
    Mute {
        /// Its slot.
        leg: u8,
        /// Whether it is muted.
        on: bool,
    },
    /// The call goes on to somebody else.
    Transfer {
        /// A number or an extension.
        #[schema(value_type = String)]
        to: Pii<String>,
        /// The seat leaves at once; otherwise it talks to them first.
        blind: bool,
    },
    /// The citizen waits while the seat asks somebody.
    Consult {
        /// A number or an extension.
        #[schema(value_type = String)]
        to: Pii<String>,
    },
    /// Somebody is added to the talk.
    Join {
        /// A number or an extension.
        #[schema(value_type = String)]
        to: Pii<String>,
    },
    /// An expert on duty is asked or added.
    Expert {
        /// The department's code.
        department: String,
        /// Whether the citizen waits meanwhile.
        mode: ExpertMode,
    },
    /// 110, 119, 120 or 122 is added.
    Emergency {
        /// Which.
        service: EmergencyService,
        /// Whether the seat stays.
        mode: EmergencyMode,
    },
    /// Seat, consulted party and citizen talk together.
    JoinConsulted {},
    /// The seat leaves the citizen to the consulted party.
    CompleteTransfer {},
    /// The consulted party leaves, the citizen is back.
    CancelConsult {},
    /// The citizen goes to a queue.
    ToQueue {
        /// Its name.
        queue: String,
    },
    /// A leg is hung up on.
    Drop {
        /// Its slot.
        leg: u8,
    },
    /// A supervisor listens, whispers, barges in, or leaves.
    Supervise {
        /// How.
        mode: SuperviseMode,
        /// The supervisor's telephone; absent: the own one.
        #[serde(default)]
        extension: Option<String>,
    },
    /// Nothing is recorded.
    PauseRecording {},
    /// Recording goes on.
    ResumeRecording {},
    /// The call is over for everybody.
    HangUp {},
}

impl CallCommand {
    /// The name in the API and, after `call.`, in the audit.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Hold {} => "hold",
            Self::Resume {} => "resume",
            Self::Mute { .. } => "mute",
            Self::Transfer { .. } => "transfer",
            Self::Consult { .. } => "consult",
            Self::Join { .. } => "join",
            Self::Expert { .. } => "expert",
            Self::Emergency { .. } => "emergency",
            Self::JoinConsulted {} => "join_consulted",
            Self::CompleteTransfer {} => "complete_transfer",
            Self::CancelConsult {} => "cancel_consult",
            Self::ToQueue { .. } => "to_queue",
            Self::Drop { .. } => "drop",
            Self::Supervise { .. } => "supervise",
            Self::PauseRecording {} => "pause_recording",
            Self::ResumeRecording {} => "resume_recording",
            Self::HangUp {} => "hang_up",
        }
    }
}

/// How an expert comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExpertMode {
    /// The citizen waits with music.
    Consult,
    /// All three talk.
    Join,
}

/// An emergency service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
pub enum EmergencyService {
    /// 公安.
    #[serde(rename = "110")]
    Police,
    /// 消防.
    #[serde(rename = "119")]
    Fire,
    /// 急救.
    #[serde(rename = "120")]
    Ambulance,
    /// 交通事故.
    #[serde(rename = "122")]
    Traffic,
}

impl EmergencyService {
    /// Its number.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Police => "110",
            Self::Fire => "119",
            Self::Ambulance => "120",
            Self::Traffic => "122",
        }
    }
}

/// How an emergency service comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmergencyMode {
    /// The seat leaves once they talk.
    Transfer,
    /// All three talk.
    ThreeParty,
}

/// What a supervisor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuperviseMode {
    /// Hears everybody, nobody hears it.
    Listen,
    /// The seat alone hears it.
    Whisper,
    /// Everybody hears it.
    Barge,
    /// Leaves.
    End,
}

/// A call to make.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DialRequest {
    /// A number or an extension.
    #[schema(value_type = String)]
    pub to: Pii<String>,
    /// The entry of the number of ours to show; absent: the first.
    #[serde(default)]
    pub number_name: Option<String>,
    /// Whose telephone rings first; absent: the own one.
    #[serde(default)]
    pub extension: Option<String>,
}

/// What a seat wants to do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum SeatStateRequest {
    /// Comes to work.
    SignIn {},
    /// Leaves, after the running call.
    SignOut {},
    /// Takes calls.
    Ready {},
    /// Takes no calls, after the running one (小休).
    Break {
        /// A word of the operator's list.
        reason: String,
    },
    /// Has written up its call.
    WrapUpDone {},
}

/// Why the switchboard did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct ControlError {
    /// Which kind.
    pub code: ControlCode,
    /// A sentence for people, without personal data.
    pub detail: String,
}

/// Kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlCode {
    /// The call has ended, or the seat is not at work.
    NotRunning,
    /// Not at this moment: another thing is under way or it is so already.
    WrongState,
    /// The party asked may not ask for it.
    NotAllowed,
    /// No such leg, queue, department, number or extension, or nobody on duty.
    NoTarget,
    /// Whoever is wanted is in another call.
    Busy,
    /// Something is missing: a trunk, a line, a media port.
    Unavailable,
}

impl ControlCode {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotRunning => "not_running",
            Self::WrongState => "wrong_state",
            Self::NotAllowed => "not_allowed",
            Self::NoTarget => "no_target",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
        }
    }
}

/// What runs now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Every queue.
    pub queues: Vec<QueueState>,
    /// Every seat that was ever signed in.
    pub seats: Vec<SeatNow>,
    /// Every running call.
    pub calls: Vec<CallNow>,
}

/// A queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct QueueState {
    /// Its name.
    pub queue: String,
    /// Calls that wait.
    pub waiting: u32,
    /// How long the first has waited.
    pub longest_wait_ms: u64,
    /// Seats that would take a call at once.
    pub seats_ready: u32,
    /// Seats at work, talking ones included.
    pub seats_at_work: u32,
    /// Calls that wait, in their order.
    pub calls: Vec<WaitingCall>,
}

/// A call that waits.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct WaitingCall {
    /// The call.
    #[schema(value_type = String)]
    pub call: CallId,
    /// How long.
    pub waited_ms: u64,
}

/// What a seat does now.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SeatNow {
    /// The seat.
    pub extension: String,
    /// `signed_out`, `ready`, `reserved`, `ringing`, `talking`, `wrap_up`, `break` or `paused`.
    pub state: String,
    /// Why it is on a break or paused.
    pub reason: Option<String>,
    /// Since when, in Unix milliseconds.
    pub since: i64,
    /// Whether its telephone can be reached.
    pub registered: bool,
    /// The calls that it is in.
    #[schema(value_type = Vec<String>)]
    pub calls: Vec<CallId>,
}

/// A running call.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct CallNow {
    /// The call.
    #[schema(value_type = String)]
    pub call: CallId,
    /// What happens in it.
    pub phase: CallPhase,
    /// The queue that it waits in.
    pub queue: Option<String>,
    /// Its place there, from 1.
    pub position: Option<u32>,
    /// Whether recording is paused.
    pub recording_paused: bool,
    /// Who is in it.
    pub legs: Vec<LegNow>,
}

/// A leg of a running call.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LegNow {
    /// Its slot.
    pub leg: u8,
    /// What it is in the call.
    #[schema(value_type = String)]
    pub role: LegRole,
    /// A number or an extension.
    #[schema(value_type = String)]
    pub target: Pii<String>,
    /// Where it is.
    pub state: LegState,
    /// Whether nobody hears it.
    pub muted: bool,
}

/// What happens in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallPhase {
    /// The machine talks to the citizen.
    Menu,
    /// The citizen waits in a queue.
    Queued,
    /// A seat is being rung.
    Offered,
    /// Citizen and seat talk.
    Talking,
    /// The citizen is on hold.
    Held,
    /// The seat asks somebody while the citizen waits.
    Consulting,
    /// Three or more talk.
    ThreeParty,
    /// The call is on its way to somebody else.
    Transferring,
    /// It is ending.
    Ending,
}

/// Where a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LegState {
    /// It is being dialled.
    Dialling,
    /// Its telephone rings.
    Ringing,
    /// It was answered.
    Answered,
    /// It hears music.
    Held,
    /// It is over.
    Ended,
}
