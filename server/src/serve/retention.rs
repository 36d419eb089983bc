//! Deletes recordings when their time is over, where the operator has set one, and what a crash left of erased
//! citizens'.

use super::Hotline;
use crate::clock;
use qingting_store::{DueRecording, Store, StoreError};
use std::io::ErrorKind;
use std::path::Path;
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
            Ok(true) => look(&hotline.store, hotline.archive.root()).await,
            Ok(false) => {
                let folder = hotline.archive.root().display();
                tracing::error!(%folder, "no recording is there that should be: is the disk mounted? Nothing is deleted");
            }
            Err(error) => tracing::error!(%error, "recordings that are due could not be found"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Finishes erasures of citizens that were cut off, and deletes the files of their recordings that are still there, at the
/// start and again and again: whoever orders an erasure does it at once, unless the server stopped or the database
/// failed. Runs until it is aborted.
pub async fn erase(hotline: Arc<Hotline>) {
    loop {
        if let Err(error) = finish(&hotline).await {
            tracing::error!(%error, "an erasure that was ordered is not finished; it is tried again");
        }
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

async fn finish(hotline: &Hotline) -> Result<(), StoreError> {
    let unfinished = hotline.store.erasures_unfinished().await?;
    if unfinished == 0 {
        return Ok(());
    }
    tracing::warn!(unfinished, "erasures that were cut off are finished");
    let calls = hotline.store.finish_erasures().await?;
    hotline.forget(&calls);
    Ok(())
}

/// Deletes what is due.
async fn look(store: &Store, folder: &Path) {
    let (now, mut after) = (clock::unix_now(), None);
    loop {
        let due = store.recordings_due(now, after.as_ref(), DELETED_AT_ONCE_MAX).await;
        let due = match due {
            Ok(due) if due.is_empty() => return,
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "recordings that are due could not be found");
                return;
            }
        };
        for recording in &due {
            delete(store, folder, recording).await;
        }
        after = due.into_iter().next_back();
    }
}

/// The file first: what is noted as deleted is gone. One that may lie with another server is gone only where it was.
async fn delete(store: &Store, folder: &Path, due: &DueRecording) {
    let file = &due.row.info.file;
    match tokio::fs::remove_file(folder.join(file)).await {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound && due.is_ours => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        Err(error) => {
            tracing::error!(%error, file, "a recording that is due cannot be deleted");
            return;
        }
    }
    if let Err(error) = store.recording_deleted(due.row.key, RETENTION).await {
        tracing::error!(%error, file, "a deleted recording could not be noted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qingting_common::{CallId, Pii, UnixMillis};
    use qingting_store::{CallEnd, Direction, NewCall, RecordingEnd, RecordingInfo};
    use uuid::Uuid;

    async fn recorded(store: &Store, file: &str) {
        let id = CallId::new(Uuid::now_v7());
        let begins = NewCall {
            id,
            direction: Direction::Inbound,
            caller: Pii::new("13800138000".into()),
            called: "12345".into(),
            number_name: None,
            enterprise: false,
            dialog: None,
            started_at: UnixMillis(1),
        };
        store.begin_call(begins).await.unwrap();
        store.answer_call(id, UnixMillis(1), Some(file.into())).await.unwrap();
        let info = RecordingInfo { file: file.into(), bytes: Some(1), ..RecordingInfo::default() };
        let end = CallEnd {
            id,
            ended_at: UnixMillis(2),
            hung_up_by: "caller".into(),
            cause: "caller_hung_up".into(),
            sip_code: None,
            answered: true,
            recording: RecordingEnd::Made(info),
            quality: None,
            missed: None,
        };
        store.end_call(end).await.unwrap();
    }

    #[tokio::test]
    async fn a_file_that_may_lie_elsewhere_counts_as_deleted_only_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("qingting.db").as_path()).await.unwrap();
        for file in ["a.wav", "b.wav", "c.wav"] {
            recorded(&store, file).await;
        }
        store.retain_recordings(Some(Duration::from_millis(1))).await.unwrap();
        std::fs::write(dir.path().join("b.wav"), "x").unwrap();
        let due = async || store.recordings_due(UnixMillis(9), None, 9).await.unwrap();
        let all = due().await;
        assert_eq!(all.len(), 3);
        for mut recording in all {
            recording.is_ours = false;
            delete(&store, dir.path(), &recording).await;
        }
        let left: Vec<String> = due().await.into_iter().map(|due| due.row.info.file).collect();
        assert_eq!(left, ["a.wav", "c.wav"]);
        assert!(!dir.path().join("b.wav").exists());
        // Where no other server is, what is not there is gone.
        look(&store, dir.path()).await;
        assert!(due().await.is_empty());
    }
}
