//! What runs now.

use qingting_common::{CallId, Pii};
use qingting_store::LegRole;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
