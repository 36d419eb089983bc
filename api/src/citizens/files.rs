//! Files of recordings that must go. **A file that is not there counts as gone only where its folder is proved to be the
//! recordings'**: a disk that is not mounted leaves an empty folder, and comes back with what was erased.

use qingting_store::{RecordingToErase, Store, StoreError};
use std::io::ErrorKind;
use std::path::Path;

/// Stands in the recordings' folder as long as its disk is mounted.
const MARK: &str = ".recordings";
const MARK_TEXT: &str =
    "Recordings of Qingting: this file shows that the disk is mounted. Do not delete it.\n";

/// Deletes the files of recordings of erased citizens that this server has; gives how many could not be. The file
/// first: what is noted as gone is gone.
///
/// # Errors
/// The database's.
pub async fn erase(store: &Store, folder: &Path) -> Result<u64, StoreError> {
    let (mut after, mut left) = (None, 0);
    let mut is_proved = is_recordings_folder(store, folder).await?;
    loop {
        let due = store.recordings_to_erase(after).await?;
        let Some(last) = due.last() else { return Ok(left) };
        after = Some(last.key);
        if !is_proved && has_one(folder, due.iter().map(|due| due.file.as_str())).await {
            mark(folder).await;
            is_proved = true;
        }
        for recording in &due {
            if is_gone(recording, folder, is_proved).await {
                store.recording_erased(recording.key).await?;
            } else {
                left += 1;
            }
        }
    }
}

async fn is_gone(recording: &RecordingToErase, folder: &Path, is_proved: bool) -> bool {
    let file = &recording.file;
    match tokio::fs::remove_file(folder.join(file)).await {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::NotFound && is_proved && recording.is_ours => true,
        Err(error) => {
            let folder = folder.display();
            tracing::error!(%error, file, %folder, "a recording of an erased citizen is still to be deleted");
            false
        }
    }
}

/// Whether this is the recordings' folder with its files, and not the place where a disk should be mounted: it has the
/// mark, or is given it because a file is there that the database knows, or because there never was a recording.
///
/// # Errors
/// The database's.
pub async fn is_recordings_folder(store: &Store, folder: &Path) -> Result<bool, StoreError> {
    if tokio::fs::try_exists(folder.join(MARK)).await.unwrap_or_default() {
        return Ok(true);
    }
    let is_one = match store.recorded_files().await? {
        None => tokio::fs::try_exists(folder).await.unwrap_or_default(),
        Some(files) => has_one(folder, files.iter().map(String::as_str)).await,
    };
    if is_one {
        mark(folder).await;
    }
    Ok(is_one)
}

async fn has_one(folder: &Path, files: impl Iterator<Item = &str>) -> bool {
    for file in files {
        if tokio::fs::try_exists(folder.join(file)).await.unwrap_or_default() {
            return true;
        }
    }
    false
}

async fn mark(folder: &Path) {
    if let Err(error) = tokio::fs::write(folder.join(MARK), MARK_TEXT).await {
        tracing::warn!(%error, folder = %folder.display(), "the recordings' folder cannot be marked");
    }
}
