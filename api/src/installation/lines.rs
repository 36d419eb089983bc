//! Numbers, queues and trunks.

use crate::ApiState;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// Lines of the hotline as they are configured, and how they are now. Passwords are not among it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Lines {
    /// Numbers that citizens call.
    pub numbers: Vec<NumberLine>,
    /// Where callers wait for seats.
    pub queues: Vec<QueueLine>,
    /// Ways to the telephone network.
    pub trunks: Vec<TrunkLine>,
}

/// A number that citizens call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct NumberLine {
    /// The number.
    pub number: String,
    /// What it is called here.
    pub name: String,
    /// Its own greeting; empty: the hotline's.
    pub greeting: String,
    /// Its queue; empty: the machine listens.
    pub queue: String,
    /// Its menu; empty: none.
    pub menu: String,
    /// The number that all its calls go on to (授权转接); empty: none.
    pub transfer: String,
    /// Its opening hours; empty: always.
    pub hours: String,
    /// 0 waits longest.
    pub priority: u8,
    /// Whether it is enterprises'.
    pub enterprise: bool,
}

/// A queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct QueueLine {
    /// Its name.
    pub name: String,
    /// The skill that a seat needs.
    pub skill: String,
    /// Longest wait, in seconds.
    pub wait_s_max: u64,
    /// What then: `machine`, `busy`, `queue:NAME` or `transfer:NUMBER`.
    pub overflow: String,
    /// The skill that may help; empty: none.
    pub widen_to: String,
    /// After how many seconds.
    pub widen_s: u64,
    /// After how many seconds a call back is offered; 0: never.
    pub call_back_s: u64,
    /// Callers that wait now.
    pub waiting: u32,
    /// Seats at work with the skill.
    pub seats_at_work: u32,
}

/// A trunk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct TrunkLine {
    /// Its name.
    pub name: String,
    /// `sip:host[:port]`.
    pub uri: String,
    /// `udp`, `tcp` or `tls`.
    pub transport: String,
    /// Lower numbers are tried first.
    pub priority: u16,
    /// The number that our calls show.
    pub caller_id: String,
    /// `national`, `e164`, or a prefix.
    pub number_form: String,
    /// Whether we have an account there.
    pub has_account: bool,
    /// Whether calls are worth trying.
    pub up: bool,
    /// Whether we are registered; null where it does not want us to.
    pub registered: Option<bool>,
    /// The SIP code of its last answer; null when it did not answer.
    pub last_code: Option<u16>,
    /// When that was known, in Unix milliseconds; null before the first answer.
    pub asked_at: Option<i64>,
    /// Failures in a row.
    pub failures: u32,
    /// Calls that run by it, in either direction.
    pub calls: u32,
}

/// Numbers, queues and trunks as the configuration has them, and how they are now: read alone, without secrets.
#[utoipa::path(get, path = "/api/v1/lines", responses((status = 200, body = Lines)))]
pub(crate) async fn read(State(state): State<ApiState>) -> Json<Lines> {
    Json(state.installation.lines())
}
