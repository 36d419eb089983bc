//! Where recordings lie, with which keys, and what is known of a finished one.

use crate::config::Config;
use crate::home;
use anyhow::{Context, Result};
use qingting_api::{PlainWav, RecordedAudio, RecordingSource};
use qingting_common::limits::{TELEPHONE_RATE_HZ, TICK_MS};
use qingting_common::{CallId, UnixMillis};
use qingting_media::{Layout, RecordTo, RecordingReport, Seal};
use qingting_nlu::LocalTime;
use qingting_recording::{MarkKind, MasterKeys, Reader, RecordingId, Recovery, State};
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
pub const KEY_FILE: &str = "recording.key";
/// The name under which systemd may hold it (`LoadCredential=`).
const CREDENTIAL: &str = "qingting-recording-key";

/// The recordings' folder: one folder a day, one file a call and one for each party's voice, named by
/// the call's id so that a listing tells nobody's number.
pub struct Recordings {
    root: PathBuf,
    /// Those that open what is encrypted, also when nothing new is.
    keys: Option<Arc<MasterKeys>>,
    is_encrypting: bool,
    /// The newest day whose folder exists.
    made: Mutex<String>,
}

impl Recordings {
    /// Makes the folder where it is missing, and the key at the first start.
    pub fn open(config: &Config) -> Result<Self> {
        let is_encrypting = config.recording.enabled && config.recording.encrypted;
        let keys = match known_keys(config) {
            _ if is_encrypting => Some(keys(config)?),
            Ok(keys) => keys,
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "encrypted recordings of before cannot be heard");
                None
            }
        };
        Self::with(home::recordings(config), keys.map(Arc::new), is_encrypting)
    }

    fn with(root: PathBuf, keys: Option<Arc<MasterKeys>>, is_encrypting: bool) -> Result<Self> {
        home::closed_dir(&root)?;
        Ok(Self { root, keys, is_encrypting, made: Mutex::default() })
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
        let keys = self.keys.as_ref().filter(|_| self.is_encrypting);
        let ending = if keys.is_some() { SEALED } else { PLAIN };
        let file = format!("{day}/{call}{which}.{ending}");
        let path = self.root.join(&file);
        let sealed = keys.map(|keys| {
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

    /// Closes what the last run left open, so that it can be verified; gives what the books say of
    /// it then. Reads the whole file. None of a plain file, and where nothing was recorded.
    pub fn recover(&self, file: &str) -> Result<Option<RecordingInfo>> {
        let Some(keys) = self.keys.as_ref().filter(|_| is_sealed(Path::new(file))) else {
            return Ok(None);
        };
        let path = self.root.join(file);
        if qingting_recording::recover(&path, keys)? == Recovery::Empty {
            return Ok(None);
        }
        let reader = Reader::open(&path, keys)?;
        let ms = |samples: u64| samples * 1_000 / u64::from(TELEPHONE_RATE_HZ);
        let stretches = |kind| {
            let all = reader.marks().into_iter().flat_map(|marks| &marks.list);
            all.filter(move |mark| mark.kind == kind)
        };
        let lost: u64 = stretches(MarkKind::Lost).map(|mark| mark.to - mark.from).sum();
        Ok(Some(RecordingInfo {
            file: file.to_owned(),
            duration_ms: Some(ms(reader.sample_count())),
            bytes: Some(path.metadata()?.len()),
            sha256: None,
            incomplete: reader.state() != State::Finished,
            missing_ms: ms(lost),
            key_id: Some(reader.key_id().to_string()),
            chain_head: reader.head().map(|head| head.to_string()),
            pauses: stretches(MarkKind::Paused)
                .map(|mark| Pause { from_ms: ms(mark.from), to_ms: ms(mark.to) })
                .collect(),
        }))
    }
}

/// Whether a file is encrypted. Its name says so from the first moment; the database hears of its key
/// when it is finished.
fn is_sealed(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == SEALED)
}

impl RecordingSource for Recordings {
    fn open(&self, path: &Path, key_id: Option<&str>) -> io::Result<Box<dyn RecordedAudio>> {
        match &self.keys {
            _ if key_id.is_none() && !is_sealed(path) => PlainWav.open(path, None),
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
    if let Some(keys) = known_keys(config)? {
        return Ok(keys);
    }
    let path = config.data.dir.join(KEY_FILE);
    if sealed_are_there(config) {
        tracing::error!(
            file = %path.display(),
            "there are recordings, and the key that they were sealed with is gone: none of them can be heard until a copy of it is back \
             (docs/operations.md, \"The key of recordings\"); what is recorded from now on gets a new key"
        );
    }
    make(&path).with_context(|| format!("cannot make the key {}", path.display()))?;
    tracing::warn!(
        file = %path.display(),
        "made the key of the recordings: keep a copy apart, without it no recording can be heard"
    );
    Ok(MasterKeys::read(&path)?)
}

/// Whether there are recordings that only a key opens.
pub fn sealed_are_there(config: &Config) -> bool {
    let within = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    within(&home::recordings(config)).any(|day| {
        within(&day.path()).any(|file| file.path().extension().is_some_and(|of| of == SEALED))
    })
}

/// The same, when there are any. Keys that are there and cannot be used are an error: to go on with
/// others would make recordings that nobody looks for under them.
pub fn known_keys(config: &Config) -> Result<Option<MasterKeys>> {
    let file = &config.recording.key_file;
    if !file.as_os_str().is_empty() {
        return MasterKeys::read(file).map(Some).context("recording.key_file");
    }
    if passed_key().is_some() {
        return Ok(Some(MasterKeys::from_credential(CREDENTIAL)?));
    }
    let path = config.data.dir.join(KEY_FILE);
    Ok(path.exists().then(|| MasterKeys::read(&path)).transpose()?)
}

/// The file of these keys; none where there is none.
pub fn key_file(config: &Config) -> Option<PathBuf> {
    let named = &config.recording.key_file;
    if !named.as_os_str().is_empty() {
        return Some(named.clone());
    }
    let own = config.data.dir.join(KEY_FILE);
    passed_key().or_else(|| own.exists().then_some(own))
}

/// The key file that systemd passes.
fn passed_key() -> Option<PathBuf> {
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY")?;
    Some(Path::new(&folder).join(CREDENTIAL)).filter(|file| file.exists())
}

fn make(path: &Path) -> io::Result<()> {
    let key: [u8; 32] = rand::random();
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, format!("{}\n", hex::encode(key)).as_bytes())?;
    file.sync_all()
}

/// The SHA-256 of a plain recording, in hex.
pub fn sha256(path: &Path) -> Result<String> {
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
    use qingting_recording::{Channels, Voices, Writer};
    use uuid::Uuid;

    #[test]
    fn a_call_is_filed_under_its_day_in_china() {
        let dir = tempfile::tempdir().unwrap();
        let recordings = Recordings::with(dir.path().join("recordings"), None, false).unwrap();
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
    fn the_key_is_made_once_and_for_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.data.dir = dir.path().to_owned();
        let made = keys(&config).unwrap().newest();
        assert_eq!(keys(&config).unwrap().newest(), made);
        assert!(!sealed_are_there(&config));
        let mode = std::fs::metadata(dir.path().join(KEY_FILE)).unwrap();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
    }

    #[test]
    fn an_encrypted_recording_is_decrypted_before_the_database_knows_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.data.dir = dir.path().to_owned();
        let recordings = Recordings::open(&config).unwrap();
        let call = CallId::new(Uuid::from_u128(1));
        let (file, to) = recordings.mix(call, UnixMillis(1_795_537_800_000)).unwrap();
        let Seal { keys, id } = to.sealed.unwrap();
        let mut writer = Writer::create(&to.path, Channels::Mono, id, &keys).unwrap();
        assert!(sealed_are_there(&config));
        for tick in 0..100 {
            writer.write(tick * 160, Voices::Mono(&[7; 160])).unwrap();
        }
        let heard = |recordings: &Recordings| {
            let mut head = [0; 4];
            let opened = RecordingSource::open(recordings, &to.path, None);
            opened.and_then(|mut audio| audio.read_at(0, &mut head)).map(|_| head)
        };
        assert_eq!(&heard(&recordings).unwrap(), b"RIFF", "while the call runs");
        drop(writer);
        // A crash: nothing was finished.
        let info = recordings.recover(&file).unwrap().unwrap();
        assert_eq!((info.duration_ms, info.incomplete), (Some(2_000), true));
        assert_eq!(info.key_id.as_deref(), Some(keys.newest().to_string().as_str()));
        assert!(info.chain_head.is_some() && info.bytes.is_some());
        // What was recorded before encryption was switched off is heard all the same.
        config.recording.encrypted = false;
        let plain = Recordings::open(&config).unwrap();
        assert_eq!(&heard(&plain).unwrap(), b"RIFF");
        assert!(plain.mix(call, UnixMillis(0)).unwrap().1.sealed.is_none());
        std::fs::remove_file(dir.path().join(KEY_FILE)).unwrap();
        let without = heard(&Recordings::open(&config).unwrap()).unwrap_err();
        assert_eq!(without.kind(), ErrorKind::PermissionDenied, "never as it lies there");
    }

    #[test]
    fn a_key_that_is_there_and_cannot_be_used_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.data.dir = dir.path().to_owned();
        std::fs::write(dir.path().join(KEY_FILE), "no key\n").unwrap();
        assert!(keys(&config).is_err());
    }
}
