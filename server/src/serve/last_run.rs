//! What a run that was cut off has left open: its calls have their end before anybody calls, its
//! recordings get their books while calls go on already, because each must be read to its end.

use super::{Hotline, passes};
use anyhow::Result;
use qingting_common::CallId;
use qingting_store::RecordingRow;
use std::sync::Arc;

/// Closes the recordings of these calls, one after another.
pub async fn close(hotline: Arc<Hotline>, orphans: Vec<CallId>) {
    if orphans.is_empty() {
        return;
    }
    tracing::warn!(calls = orphans.len(), "calls of the last run had no end and were closed");
    for call in orphans {
        match hotline.store.recordings(call).await {
            Ok(recordings) => {
                for recording in recordings {
                    let file = recording.info.file.clone();
                    if let Err(error) = close_one(&hotline, recording).await {
                        let error = format!("{error:#}");
                        tracing::error!(
                            file,
                            error,
                            "a recording of the last run cannot be closed"
                        );
                    }
                }
            }
            Err(error) => {
                tracing::error!(%call, %error, "the recordings of a call cannot be looked up");
            }
        }
    }
}

/// What nobody had transcribed of calls when the last run ended is to be heard.
pub async fn hear_the_rest(hotline: Arc<Hotline>, open: Vec<CallId>) {
    for call in open {
        if let Err(error) = passes::leave_for_later(&hotline, call).await {
            tracing::error!(%call, %error, "the last words of a call of the last run are not heard again");
        }
    }
}

async fn close_one(hotline: &Hotline, recording: RecordingRow) -> Result<()> {
    let (archive, file) = (Arc::clone(&hotline.archive), recording.info.file);
    let info = hotline.app.spawn_blocking(move || archive.recover(&file)).await??;
    if let Some(info) = info {
        hotline.store.describe_recording(recording.key, info).await?;
    }
    Ok(())
}
