//! What is kept for how long, and whether the disk has room for it.

use super::ask;
use crate::auth::Principal;
use crate::{ApiState, Problem, clock};
use axum::extract::State;
use axum::{Extension, Json};
use qingting_store::KeptRecordings;
use serde::Serialize;
use utoipa::ToSchema;

/// The disk on which recordings lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Disk {
    /// Its size.
    pub total_bytes: u64,
    /// What this server may still write.
    pub free_bytes: u64,
    /// The database's file, where it is one.
    pub database_bytes: Option<u64>,
    /// Whether the recordings' folder is the one that had its recordings; false where its disk is not mounted.
    pub is_mounted: bool,
}

/// How long recordings are kept, what of it is due, and the disk.
#[derive(Serialize, ToSchema)]
pub(crate) struct RetentionView {
    /// `recording.retention_days`; 0: nothing is ever deleted.
    days: u32,
    /// Recordings that are there.
    kept: u64,
    /// Their bytes.
    kept_bytes: u64,
    /// When the call of the oldest of them ended.
    oldest_at: Option<i64>,
    /// Those that should be gone by now; they go within ten minutes.
    due: u64,
    /// Their bytes.
    due_bytes: u64,
    /// When the next one is due.
    next_due_at: Option<i64>,
    /// Recordings that were deleted.
    deleted: u64,
    /// When the last one was.
    last_deleted_at: Option<i64>,
    /// Files of erased citizens that are still to be deleted, on all servers.
    to_erase: u64,
    /// The disk of this server.
    disk: Option<Disk>,
}

/// How long recordings are kept, what of it is due, when something was last deleted, and the disk.
#[utoipa::path(get, path = "/api/v1/retention", responses((status = 200, body = RetentionView)))]
pub(crate) async fn read(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
) -> Result<Json<RetentionView>, Problem> {
    state.store.audit(&who.name, "retention.read", "").await?;
    let mut disk = ask(&state, |installation| installation.disk()).await?;
    let is_mounted = crate::is_recordings_folder(&state.store, &state.recordings).await?;
    disk.iter_mut().for_each(|disk| disk.is_mounted = is_mounted);
    let KeptRecordings {
        kept,
        kept_bytes,
        oldest_at,
        due,
        due_bytes,
        next_due_at,
        deleted,
        last_deleted_at,
        to_erase,
    } = state.store.kept_recordings(clock::now()).await?;
    Ok(Json(RetentionView {
        days: state.installation.retention_days(),
        kept,
        kept_bytes,
        oldest_at: oldest_at.map(|at| at.0),
        due,
        due_bytes,
        next_due_at: next_due_at.map(|at| at.0),
        deleted,
        last_deleted_at: last_deleted_at.map(|at| at.0),
        to_erase,
        disk,
    }))
}
