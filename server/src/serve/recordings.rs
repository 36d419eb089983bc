//! Where recordings lie, and what is known of a finished one.

use crate::home;
use anyhow::{Context, Result};
use qingting_common::limits::TICK_MS;
use qingting_common::{CallId, UnixMillis};
use qingting_media::RecordingReport;
use qingting_nlu::LocalTime;
use qingting_store::RecordingInfo;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The recordings' folder: one folder a day, one file a call, named by the call's id so that a
/// listing tells nobody's number.
pub struct Recordings {
    root: PathBuf,
    /// The newest day whose folder exists.
    made: Mutex<String>,
}

impl Recordings {
    /// Makes the folder where it is missing.
    pub fn open(root: PathBuf) -> Result<Self> {
        home::closed_dir(&root)?;
        Ok(Self { root, made: Mutex::default() })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file for a call, relative to the folder; its day's folder exists afterwards.
    pub fn file(&self, call: CallId, started: UnixMillis) -> Result<String> {
        let day = LocalTime::from_unix_ms(started);
        let day = format!("{:04}-{:02}-{:02}", day.year, day.month, day.day);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if *made != day {
            home::private_dir(&self.root.join(&day))?;
            made.clone_from(&day);
        }
        Ok(format!("{day}/{call}.wav"))
    }

    /// Size and SHA-256 of a finished recording; reads the whole file.
    pub fn describe(&self, report: &RecordingReport) -> Result<RecordingInfo> {
        let mut file = std::fs::File::open(&report.path)
            .with_context(|| format!("cannot read the recording {}", report.path.display()))?;
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let read = file.read(&mut chunk)?;
            if read == 0 {
                break;
            }
            hash.update(&chunk[..read]);
            bytes += read as u64;
        }
        let relative = report.path.strip_prefix(&self.root).unwrap_or(&report.path);
        Ok(RecordingInfo {
            file: relative.display().to_string(),
            duration_ms: Some(report.duration_ms),
            bytes: Some(bytes),
            sha256: Some(hex::encode(hash.finalize())),
            incomplete: report.incomplete,
            missing_ms: report.ticks_dropped * u64::from(TICK_MS),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_call_is_filed_under_its_day_in_china() {
        let dir = tempfile::tempdir().unwrap();
        let recordings = Recordings::open(dir.path().join("recordings")).unwrap();
        // 2026-11-24T16:30:00Z is half past midnight of the 25th in China.
        let file = recordings
            .file(CallId::new(Uuid::from_u128(1)), UnixMillis(1_795_537_800_000))
            .unwrap();
        assert_eq!(file, "2026-11-25/00000000-0000-0000-0000-000000000001.wav");
        let path = recordings.root().join(&file);
        std::fs::write(&path, b"abc").unwrap();
        let report = RecordingReport { path, duration_ms: 5, ..RecordingReport::default() };
        let info = recordings.describe(&report).unwrap();
        assert_eq!((info.file, info.bytes), (file, Some(3)));
        assert!(info.sha256.unwrap().starts_with("ba7816bf"));
    }
}
