//! What people ask of calls and seats.

use qingting_common::Pii;
use serde::Deserialize;
use utoipa::ToSchema;

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
