//! Where recordings lie, with which keys, and what is known of a finished one.

use crate::config::Config;
use crate::home;
use anyhow::{Context, Result};
use qingting_api::{PlainWav, RecordedAudio, RecordingSource};
use qingting_common::limits::{TELEPHONE_RATE_HZ, TICK_MS};
use qingting_common::{CallId, UnixMillis};
use qingting_media::{Layout, RecordTo, RecordingReport, Seal};
use qingting_nlu::LocalTime;
use qingting_recording::{MarkKind, MasterKeys, Reader, RecordingId};
use qingting_store::{Pause, RecordingInfo};
use sha2::{Digest, Sha256};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// The ending of encrypted recordings, and of plain ones.
const SEALED: &str = "qtr";
const PLAIN: &str = "wav";
/// The master key that is made at the first start, in the data folder.
const KEY_FILE: &str = "recording.key";
/// The name under which systemd may hold it (`LoadCredential=`).
const CREDENTIAL: &str = "qingting-recording-key";

/// The recordings' folder: one folder a day, one file a call and one for each party's voice, named by
/// the call's id so that a listing tells nobody's number.
pub struct Recordings {
    root: PathBuf,
    keys: Option<Arc<MasterKeys>>,
    /// The newest day whose folder exists.
    made: Mutex<String>,
}

impl Recordings {
    /// Makes the folder where it is missing, and the key at the first start.
    pub fn open(config: &Config) -> Result<Self> {
        let keys = config.recording.encrypted.then(|| keys(config)).transpose()?;
        Self::with(home::recordings(config), keys.map(Arc::new))
    }

    fn with(root: PathBuf, keys: Option<Arc<MasterKeys>>) -> Result<Self> {
        home::closed_dir(&root)?;
        Ok(Self { root, keys, made: Mutex::default() })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file for the mix of a call, relative to the folder, and as the media engine wants it; its
    /// day's folder exists afterwards.
    pub fn mix(&self, call: CallId, started: UnixMillis) -> Result<(String, RecordTo)> {
        self.file(call, started, "")
    }

    /// The same for the voice of the call's `number`th leg.
    pub fn track(
        &self,
        call: CallId,
        started: UnixMillis,
        number: u32,
    ) -> Result<(String, RecordTo)> {
        self.file(call, started, &format!(".{number}"))
    }

    fn file(&self, call: CallId, started: UnixMillis, which: &str) -> Result<(String, RecordTo)> {
        let day = LocalTime::from_unix_ms(started);
        let day = format!("{:04}-{:02}-{:02}", day.year, day.month, day.day);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if *made != day {
            home::private_dir(&self.root.join(&day))?;
            made.clone_from(&day);
        }
        let ending = if self.keys.is_some() { SEALED } else { PLAIN };
        let file = format!("{day}/{call}{which}.{ending}");
        let path = self.root.join(&file);
        let sealed = self.keys.as_ref().map(|keys| {
            let id = RecordingId(Uuid::now_v7().into_bytes());
            Seal { keys: Arc::clone(keys), id }
        });
        Ok((file, RecordTo { path, layout: Layout::default(), sealed }))
    }

    /// What the books say of a finished recording. A plain one is read for its hash; an encrypted one
    /// has its own chain.
    pub fn describe(&self, report: &RecordingReport) -> Result<RecordingInfo> {
        let sha256 = match &report.chain_head {
            Some(_) => None,
            None => Some(sha256(&report.path)?),
        };
        let relative = report.path.strip_prefix(&self.root).unwrap_or(&report.path);
        let paused = report.marks.list.iter().filter(|mark| mark.kind == MarkKind::Paused);
        let ms = |samples: u64| samples * 1_000 / u64::from(TELEPHONE_RATE_HZ);
        Ok(RecordingInfo {
            file: relative.display().to_string(),
            duration_ms: Some(report.duration_ms),
            bytes: Some(report.bytes),
            sha256,
            incomplete: report.incomplete,
            missing_ms: report.ticks_dropped * u64::from(TICK_MS),
            key_id: report.chain_head.and(self.keys.as_ref()).map(|keys| keys.newest().to_string()),
            chain_head: report.chain_head.map(|head| head.to_string()),
            pauses: paused.map(|m| Pause { from_ms: ms(m.from), to_ms: ms(m.to) }).collect(),
        })
    }

    /// Closes what the last run left open, so that it can be verified.
    pub fn recover(&self, file: &str) {
        let Some(keys) = self.keys.as_ref().filter(|_| file.ends_with(SEALED)) else { return };
        if let Err(error) = qingting_recording::recover(&self.root.join(file), keys) {
            tracing::error!(file, %error, "a recording of the last run cannot be closed");
        }
    }
}

impl RecordingSource for Recordings {
    fn open(&self, path: &Path, key_id: Option<&str>) -> io::Result<Box<dyn RecordedAudio>> {
        // The store learns of a key when the call ends: until then, and after a crash, the name says.
        let is_sealed = key_id.is_some() || path.extension().is_some_and(|of| of == SEALED);
        match &self.keys {
            _ if !is_sealed => PlainWav.open(path, None),
            None => Err(ErrorKind::PermissionDenied.into()),
            Some(keys) => Ok(Box::new(Sealed(Reader::open(path, keys).map_err(kind)?))),
        }
    }
}

/// An encrypted recording, read as the WAV file that it stands for.
struct Sealed(Reader);

impl RecordedAudio for Sealed {
    fn wav_len(&self) -> u64 {
        self.0.wav_len()
    }

    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, out).map_err(kind)
    }
}

/// As the interface tells them apart.
fn kind(error: qingting_recording::Error) -> io::Error {
    use qingting_recording::Error;
    match error {
        Error::Io(source) => source,
        Error::UnknownKey { .. } => io::Error::new(ErrorKind::PermissionDenied, error),
        error => io::Error::other(error),
    }
}

/// The master keys: the configured files, else systemd's credential, else a file of our own.
pub fn keys(config: &Config) -> Result<MasterKeys> {
    let file = &config.recording.key_file;
    if !file.as_os_str().is_empty() {
        return MasterKeys::read(file).context("recording.key_file");
    }
    if std::env::var_os("CREDENTIALS_DIRECTORY").is_some()
        && let Ok(keys) = MasterKeys::from_credential(CREDENTIAL)
    {
        return Ok(keys);
    }
    let path = config.data.dir.join(KEY_FILE);
    if !path.exists() {
        make(&path).with_context(|| format!("cannot make the key {}", path.display()))?;
        tracing::warn!(
            file = %path.display(),
            "made the key of the recordings: keep a copy apart, without it no recording can be heard"
        );
    }
    Ok(MasterKeys::read(&path)?)
}

fn make(path: &Path) -> io::Result<()> {
    let key: [u8; 32] = rand::random();
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, format!("{}\n", hex::encode(key)).as_bytes())?;
    file.sync_all()
}

fn sha256(path: &Path) -> Result<String> {
    let mut file = std::fs::File::open(path)
        .with_context(|| format!("cannot read the recording {}", path.display()))?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&chunk[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_call_is_filed_under_its_day_in_china() {
        let dir = tempfile::tempdir().unwrap();
        let recordings = Recordings::with(dir.path().join("recordings"), None).unwrap();
        let call = CallId::new(Uuid::from_u128(1));
        // 2026-11-24T16:30:00Z is half past midnight of the 25th in China.
        let started = UnixMillis(1_795_537_800_000);
        let (file, to) = recordings.mix(call, started).unwrap();
        assert_eq!(file, "2026-11-25/00000000-0000-0000-0000-000000000001.wav");
        let (track, _) = recordings.track(call, started, 2).unwrap();
        assert_eq!(track, "2026-11-25/00000000-0000-0000-0000-000000000001.2.wav");
        std::fs::write(&to.path, b"abc").unwrap();
        let report = RecordingReport { path: to.path, bytes: 3, ..Default::default() };
        let info = recordings.describe(&report).unwrap();
        assert_eq!((info.file, info.bytes), (file, Some(3)));
        assert!(info.sha256.unwrap().starts_with("ba7816bf"));
    }

    #[test]
    fn an_encrypted_file_is_never_given_out_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("running.qtr");
        std::fs::write(&path, b"ciphertext").unwrap();
        let recordings = Recordings::with(dir.path().join("recordings"), None).unwrap();
        let refused = recordings.open(&path, None).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    }

    #[test]
    fn the_key_is_made_once_and_for_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.data.dir = dir.path().to_owned();
        let made = keys(&config).unwrap().newest();
        assert_eq!(keys(&config).unwrap().newest(), made);
        let mode = std::fs::metadata(dir.path().join(KEY_FILE)).unwrap();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
    }
}
