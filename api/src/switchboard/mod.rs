//! What the interface asks of the switchboard: running calls, queues, seats and the duty list.
//!
//! The server implements [`Switchboard`] and maps these types to its own: this crate knows no call
//! machine.

mod command;
mod now;

pub use command::{
    CallCommand, DialRequest, EmergencyMode, EmergencyService, ExpertMode, SeatStateRequest,
    SuperviseMode,
};
pub use now::{CallNow, CallPhase, LegNow, LegState, QueueState, SeatNow, Snapshot, WaitingCall};

use crate::duty::{DutyProblem, DutyRow, OnDuty};
use qingting_common::CallId;
use qingting_store::{DutyList, MissedCall, Role};
use serde::Serialize;
use std::collections::BTreeSet;
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

    /// Skills that a queue asks for; none where that is not known.
    fn skills_wanted(&self) -> Option<BTreeSet<String>> {
        None
    }
    /// Whether that extension takes calls of the queue. Must not block.
    fn serves(&self, extension: &str, queue: &str) -> bool;

    /// Seats were made, changed or removed: reads [`Store::seat_credentials`] again. What was
    /// changed counts when this is done, which whoever changed it waits for; dropping it stops
    /// nothing.
    ///
    /// [`Store::seat_credentials`]: qingting_store::Store::seat_credentials
    fn seats_changed(&self) -> Pending<'_, ()>;

    /// The duty list was replaced: reads it again, like [`Switchboard::seats_changed`].
    fn duty_changed(&self) -> Pending<'_, ()>;

    /// Makes a list of a table's rows, or says what is wrong, line by line and never quoting a
    /// value.
    fn read_duty(&self, rows: &[DutyRow]) -> Result<DutyList, Vec<DutyProblem>>;

    /// Who of the departments that somebody may mean by this code, name or alias, or of all, is on duty now, in the
    /// order of ringing; `None` where no department is called so. Must not block.
    fn on_duty(&self, department: Option<&str>) -> Option<Vec<OnDuty>>;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
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
