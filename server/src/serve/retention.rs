//! Deletes recordings when their time is over, where the operator has set one, and what a crash left of erased
//! citizens'.

use super::Hotline;
use crate::clock;
use qingting_store::RecordingRow;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked, and how many are deleted at one look.
const LOOK_EVERY: Duration = Duration::from_secs(600);
const DELETED_AT_ONCE_MAX: u32 = 500;
/// Who deletes, in the audit trail.
const RETENTION: &str = "retention";

/// Runs until it is aborted.
pub async fn run(hotline: Arc<Hotline>) {
    let days = hotline.config.recording.retention_days;
    let keep = (days > 0).then(|| Duration::from_secs(u64::from(days) * 86_400));
    if let Err(error) = hotline.store.retain_recordings(keep).await {
        tracing::error!(%error, "the retention of recordings could not be set; nothing is deleted");
        return;
    }
    if keep.is_none() {
        tracing::warn!("recording.retention_days is not set: no recording is ever deleted");
        return;
    }
    loop {
        match qingting_api::is_recordings_folder(&hotline.store, hotline.archive.root()).await {
            // As long as there are many: a busy day leaves more than one look takes.
            Ok(true) => while look(&hotline).await {},
            Ok(false) => {
                let folder = hotline.archive.root().display();
                tracing::error!(%folder, "no recording is there that should be: is the disk mounted? Nothing is deleted");
            }
            Err(error) => tracing::error!(%error, "recordings that are due could not be found"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Deletes the files of erased citizens' recordings that are still there, at the start and again and again: whoever
/// erased them does it at once, unless the server stopped. Runs until it is aborted.
pub async fn erase(hotline: Arc<Hotline>) {
    loop {
        match qingting_api::erase_files(&hotline.store, hotline.archive.root()).await {
            Ok(0) => {}
            Ok(left) => tracing::error!(left, "recordings of erased citizens are still there"),
            Err(error) => {
                tracing::error!(%error, "recordings of erased citizens could not be looked up");
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Deletes what is due; true when there may be more and all of these could be deleted.
async fn look(hotline: &Hotline) -> bool {
    match hotline.store.recordings_due(clock::unix_now(), DELETED_AT_ONCE_MAX).await {
        Ok(due) => {
            let mut goes_on = due.len() == DELETED_AT_ONCE_MAX as usize;
            for recording in due {
                goes_on &= delete(hotline, recording).await;
            }
            goes_on
        }
        Err(error) => {
            tracing::error!(%error, "recordings that are due could not be found");
            false
        }
    }
}

/// The file first: what is noted as deleted is gone. False when it is not.
async fn delete(hotline: &Hotline, recording: RecordingRow) -> bool {
    let path = hotline.archive.root().join(&recording.info.file);
    match tokio::fs::remove_file(&path).await {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => {
            tracing::error!(%error, file = recording.info.file, "a recording that is due cannot be deleted");
            return false;
        }
    }
    let noted = hotline.store.recording_deleted(recording.key, RETENTION).await;
    noted
        .inspect_err(|error| {
            tracing::error!(%error, file = recording.info.file, "a deleted recording could not be noted");
        })
        .is_ok()
}
