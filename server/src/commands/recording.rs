//! `qingting recording`: what lies in the folder of recordings, with its keys and its books.

use crate::cli::{ConfigFile, Recording, RecordingExport, RecordingFiles};
use crate::config::Config;
use crate::{database, home, serve};
use anyhow::{Context, Result, ensure};
use qingting_common::CallId;
use qingting_recording::{MasterKeys, Reader, State, Verified, export_wav, rewrap};
use qingting_store::{RecordingInfo, RecordingRow, Store};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The ending of encrypted recordings, and of plain ones.
const SEALED: &str = "qtr";
const PLAIN: &str = "wav";
/// Who exports, in the audit trail.
const HERE: &str = "command line";

/// Runs one of the commands.
pub fn run(args: &Recording) -> Result<ExitCode> {
    let (Recording::Verify(RecordingFiles { config, .. })
    | Recording::Rewrap(RecordingFiles { config, .. })
    | Recording::Export(RecordingExport { config, .. })) = args;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let shelf = Shelf::open(config).await?;
        let done = match args {
            Recording::Verify(args) => shelf.verify(&args.files).await,
            Recording::Rewrap(args) => shelf.rewrap(&args.files).await,
            Recording::Export(args) => shelf.export(&args.file, &args.out).await,
        };
        shelf.store.close().await;
        done
    })
}

/// The recordings, their keys and their books.
struct Shelf {
    root: PathBuf,
    keys: Option<MasterKeys>,
    store: Store,
    key_hint: String,
}

impl Shelf {
    async fn open(file: &ConfigFile) -> Result<Self> {
        let path = home::path(file);
        let config = Config::load(&path)?;
        let key_hint = format!(
            "there is no key for it: put `recording.key` back into {} from your copy, or name the key file in `recording.key_file` of {}",
            config.data.dir.display(),
            path.display()
        );
        Ok(Self {
            root: home::recordings(&config),
            keys: serve::recording_keys(&config)?,
            store: database::open_existing(&config).await?,
            key_hint,
        })
    }

    async fn verify(&self, named: &[PathBuf]) -> Result<ExitCode> {
        let (mut good, mut bad) = (0, 0);
        for file in self.files(named)? {
            match self.verify_one(&file).await {
                Ok(what) => {
                    good += 1;
                    // Of all of them only what is wrong is worth a line.
                    if !named.is_empty() {
                        println!("good  {}  {what}", self.name(&file));
                    }
                }
                Err(error) => {
                    bad += 1;
                    println!("BAD   {}  {error:#}", self.name(&file));
                }
            }
        }
        println!("{good} good, {bad} bad");
        Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn verify_one(&self, file: &Path) -> Result<String> {
        let kept = self.row(file).await?.map(|row| row.info);
        if file.extension().is_some_and(|ending| ending == PLAIN) {
            let kept = kept.and_then(|info| info.sha256);
            let kept = kept.context("a plain file of which no hash was kept: nobody can tell")?;
            ensure!(serve::recording_hash(file)? == kept, "it is not the file that was recorded");
            return Ok("plain, as it was recorded".to_owned());
        }
        let found = Reader::open(file, self.keys()?)?.verify()?;
        let head = kept.and_then(|info| info.chain_head);
        ensure!(
            head.as_ref().is_none_or(|head| *head == found.head.to_string()),
            "it is whole, but not the recording that the database knows: its chain head is another"
        );
        Ok(described(&found))
    }

    async fn export(&self, file: &Path, out: &Path) -> Result<ExitCode> {
        let file = self.find(file)?;
        ensure!(
            file.extension().is_some_and(|ending| ending == SEALED),
            "{} is no encrypted recording: a plain one is copied as it is",
            file.display()
        );
        let keys = self.keys()?;
        // Before the first byte: what was heard and not noted would be worse than the other way.
        let whose = call_of(&file).map_or_else(|| self.name(&file), |call| call.to_string());
        self.store.audit(HERE, "recording.export", &whose).await?;
        let found = export_wav(&file, keys, out)
            .with_context(|| format!("cannot export {} to {}", file.display(), out.display()))?;
        println!("{}  {}", out.display(), described(&found));
        Ok(ExitCode::SUCCESS)
    }

    async fn rewrap(&self, named: &[PathBuf]) -> Result<ExitCode> {
        let keys = self.keys()?;
        let (mut changed, mut kept, mut bad) = (0, 0, 0);
        for file in self.files(named)? {
            if file.extension().is_some_and(|ending| ending == PLAIN) {
                continue;
            }
            match rewrap(&file, keys) {
                Ok(true) => {
                    changed += 1;
                    self.note_key(&file, keys).await?;
                }
                Ok(false) => kept += 1,
                Err(error) => {
                    bad += 1;
                    println!("BAD   {}  {error}", self.name(&file));
                }
            }
        }
        println!("{changed} changed to the key {}, {kept} had it, {bad} failed", keys.newest());
        if bad > 0 {
            println!("Keep the older keys until every recording has the newest one.");
        }
        Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// The database names the key, too.
    async fn note_key(&self, file: &Path, keys: &MasterKeys) -> Result<()> {
        let Some(row) = self.row(file).await?.filter(|row| row.info.key_id.is_some()) else {
            return Ok(());
        };
        let info = RecordingInfo { key_id: Some(keys.newest().to_string()), ..row.info };
        Ok(self.store.describe_recording(row.key, info).await?)
    }

    fn keys(&self) -> Result<&MasterKeys> {
        self.keys.as_ref().with_context(|| self.key_hint.clone())
    }

    /// What the database says of a file.
    async fn row(&self, file: &Path) -> Result<Option<RecordingRow>> {
        let Some(call) = call_of(file) else { return Ok(None) };
        let rows = self.store.recordings(call).await?;
        let name = self.name(file);
        Ok(rows.into_iter().find(|row| row.info.file == name))
    }

    /// As the folder names it.
    fn name(&self, file: &Path) -> String {
        file.strip_prefix(&self.root).unwrap_or(file).display().to_string()
    }

    fn find(&self, named: &Path) -> Result<PathBuf> {
        let inside = self.root.join(named);
        let found = [inside, named.to_owned()].into_iter().find(|path| path.is_file());
        found.with_context(|| {
            format!("there is no recording {} here or in {}", named.display(), self.root.display())
        })
    }

    /// Those that are named, else all, by day.
    fn files(&self, named: &[PathBuf]) -> Result<Vec<PathBuf>> {
        if !named.is_empty() {
            return named.iter().map(|name| self.find(name)).collect();
        }
        let is_recording = |path: &PathBuf| {
            path.is_file() && path.extension().is_some_and(|of| of == SEALED || of == PLAIN)
        };
        let mut files = Vec::new();
        for day in listed(&self.root)?.into_iter().filter(|path| path.is_dir()) {
            files.extend(listed(&day)?.into_iter().filter(is_recording));
        }
        Ok(files)
    }
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    let cannot = || format!("cannot read the folder {}", folder.display());
    let entries = std::fs::read_dir(folder).with_context(cannot)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = paths.collect::<Result<_, _>>().with_context(cannot)?;
    paths.sort();
    Ok(paths)
}

/// The call that a recording is named by.
fn call_of(file: &Path) -> Option<CallId> {
    file.file_name()?.to_str()?.split('.').next()?.parse().ok()
}

fn described(found: &Verified) -> String {
    let seconds = found.samples as f64 / f64::from(qingting_common::limits::TELEPHONE_RATE_HZ);
    let state = match found.state {
        State::Finished => "finished",
        State::Recovered => "closed after a crash, what came then is missing",
        State::Incomplete => "unfinished: its call runs, or its end was cut off",
    };
    format!("{seconds:.1} s, {state}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_call() {
        let call = "00000000-0000-0000-0000-000000000001";
        for name in [format!("2026-11-25/{call}.qtr"), format!("/x/{call}.2.wav")] {
            assert_eq!(
                call_of(Path::new(&name)).map(|call| call.to_string()).as_deref(),
                Some(call)
            );
        }
        assert_eq!(call_of(Path::new("notes.wav")), None);
    }
}
