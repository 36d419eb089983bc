//! Deletes recordings when their time is over, where the operator has set one.

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
        match hotline.store.recordings_due(clock::unix_now(), DELETED_AT_ONCE_MAX).await {
            Ok(due) => {
                for recording in due {
                    delete(&hotline, recording).await;
                }
            }
            Err(error) => tracing::error!(%error, "recordings that are due could not be found"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The file first: what is noted as deleted is gone.
async fn delete(hotline: &Hotline, recording: RecordingRow) {
    let Some(recordings) = &hotline.recordings else { return };
    let path = recordings.root().join(&recording.info.file);
    match tokio::fs::remove_file(&path).await {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => {
            tracing::error!(%error, file = recording.info.file, "a recording that is due cannot be deleted");
            return;
        }
    }
    if let Err(error) = hotline.store.recording_deleted(recording.key, RETENTION).await {
        tracing::error!(%error, file = recording.info.file, "a deleted recording could not be noted");
    }
}
