//! What stands here, for administrators: lines to the telephone network, prompts, and what is kept for how long.

pub(crate) mod lines;
pub(crate) mod models;
pub(crate) mod prompts;
pub(crate) mod retention;
pub(crate) mod test_calls;

pub use lines::{Lines, NumberLine, QueueLine, TrunkLine};
pub use models::{ModelInfo, Models, Recogniser};
pub use prompts::PromptInfo;
pub use retention::Disk;
pub use test_calls::{TestCall, TestCallEnd, TestCallQuality, TestCallRequest, TestCallState};

use crate::switchboard::{ControlCode, ControlError};
use crate::{ApiState, Problem};
use axum::http::StatusCode;
use std::sync::Arc;
use uuid::Uuid;

/// What the interface must know of the installation. Nothing here must block but what says so.
pub trait Installation: Send + Sync {
    /// Numbers, queues and trunks as they are configured, without secrets, and how they are now.
    fn lines(&self) -> Lines;
    /// Rings a number by one trunk and plays a tone to whoever answers. It begins; [`Installation::test_call`] tells
    /// what comes of it.
    fn begin_test_call(&self, request: TestCallRequest) -> Result<TestCall, ControlError>;
    /// A test call that runs, or was not long ago.
    fn test_call(&self, id: Uuid) -> Option<TestCall>;
    /// Hangs up; false when there is no such call.
    fn end_test_call(&self, id: Uuid) -> bool;
    /// All that callers hear. May block.
    fn prompts(&self) -> Vec<PromptInfo>;
    /// A prompt's samples, 8 kHz; none when there is no such prompt or it is not made yet. May block.
    fn prompt(&self, id: &str) -> Option<Vec<i16>>;
    /// Models and recognisers. May block.
    fn models(&self) -> Models;
    /// How long recordings are kept, in days; 0 for ever.
    fn retention_days(&self) -> u32;
    /// The disk on which recordings lie; none when it cannot be told. May block.
    fn disk(&self) -> Option<Disk>;
}

/// Asks for what may block.
pub(crate) async fn ask<T: Send + 'static>(
    state: &ApiState,
    what: impl FnOnce(&dyn Installation) -> T + Send + 'static,
) -> Result<T, Problem> {
    let installation = Arc::clone(&state.installation);
    tokio::task::spawn_blocking(move || what(&*installation)).await.map_err(|error| {
        tracing::error!(%error, "the installation could not be looked at");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed; see its log")
    })
}

/// An interface without a hotline behind it.
pub(crate) struct NoInstallation;

impl Installation for NoInstallation {
    fn lines(&self) -> Lines {
        Lines::default()
    }

    fn begin_test_call(&self, _: TestCallRequest) -> Result<TestCall, ControlError> {
        let detail = "没有中继线路".to_owned();
        Err(ControlError { code: ControlCode::NoTarget, detail })
    }

    fn test_call(&self, _: Uuid) -> Option<TestCall> {
        None
    }

    fn end_test_call(&self, _: Uuid) -> bool {
        false
    }

    fn prompts(&self) -> Vec<PromptInfo> {
        Vec::new()
    }

    fn prompt(&self, _: &str) -> Option<Vec<i16>> {
        None
    }

    fn models(&self) -> Models {
        Models::default()
    }

    fn retention_days(&self) -> u32 {
        0
    }

    fn disk(&self) -> Option<Disk> {
        None
    }
}
