//! What a backup is made of, in `manifest.json`; and what an interrupted one has come to.

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

/// The file that is written last: where it is missing, the backup is not whole.
pub const MANIFEST: &str = "manifest.json";
/// What was copied so far; gone when the backup is whole.
const JOURNAL: &str = "copied.jsonl";
/// What this program writes and the newest that it reads.
const FORMAT: u32 = 1;

/// The kind of database that a backup is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `qingting.db`.
    Sqlite,
    /// `database.dump`, of `pg_dump --format=custom`.
    Postgresql,
}

impl Kind {
    /// Where the database lies in the folder.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Sqlite => "qingting.db",
            Self::Postgresql => "database.dump",
        }
    }
}

/// A file of the folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// Its path in the folder.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 in hex.
    pub sha256: String,
}

/// A recording that was not as the database knows it when the backup was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Its path in the folder of recordings.
    pub file: String,
    /// `missing` or `changed`.
    pub what: What,
}

/// What was wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// It was not there.
    Missing,
    /// It was not the file that was recorded.
    Changed,
}

/// A whole backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of the folder.
    pub format: u32,
    /// The program that wrote it.
    pub program: String,
    /// What kind of database it has.
    pub database: Kind,
    /// The schema of the database.
    pub schema: i64,
    /// The version of PostgreSQL that it was taken from.
    pub postgresql: Option<u32>,
    /// The moment that the database is of (RFC 3339).
    pub made_at: String,
    /// Calls in the database.
    pub calls: u64,
    /// Tickets in the database, of our own.
    pub tickets: u64,
    /// Imported ones of another system.
    pub past_tickets: u64,
    /// Recordings that the database knows, those of other servers among them.
    pub recordings: u64,
    /// Whether the recordings' keys are in the folder.
    pub with_keys: bool,
    /// Files with secrets that the configuration named and the folder does not have, by their settings.
    #[serde(default)]
    pub secrets_left_out: BTreeMap<String, PathBuf>,
    /// What was wrong with recordings already then.
    pub faults: Vec<Fault>,
    /// Every file but this one.
    pub files: Vec<Copied>,
}

impl Manifest {
    /// The format that is written now.
    pub const fn format() -> u32 {
        FORMAT
    }

    /// That of a whole backup.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(MANIFEST);
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => bail!(
                "{} holds no whole backup: {MANIFEST} is missing. If it was interrupted, `qingting backup {}` \
                 goes on with it",
                dir.display(),
                dir.display()
            ),
            read => read.with_context(|| format!("cannot read {}", path.display()))?,
        };
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let damaged = || format!("{} is damaged", path.display());
        let Format { format } = serde_json::from_slice(&text).with_context(damaged)?;
        ensure!(
            format <= FORMAT,
            "{} has format {format}, this program knows up to {FORMAT}: run the newer program",
            path.display()
        );
        let manifest: Self = serde_json::from_slice(&text).with_context(damaged)?;
        for file in &manifest.files {
            // What a folder from elsewhere names must stay in the folder.
            let is_below = |path: &str| {
                let mut parts = Path::new(path).components();
                parts.all(|part| matches!(part, Component::Normal(_)))
            };
            ensure!(
                is_below(&file.path),
                "{} is damaged: {:?} is no path in it",
                path.display(),
                file.path
            );
        }
        Ok(manifest)
    }

    /// Writes it, whole or not at all.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let (part, path) = (dir.join(format!("{MANIFEST}.part")), dir.join(MANIFEST));
        let written = || {
            let mut file = BufWriter::new(private(&part)?);
            serde_json::to_writer_pretty(&mut file, self)?;
            file.write_all(b"\n")?;
            file.into_inner().map_err(|error| error.into_error())?.sync_all()?;
            std::fs::rename(&part, &path)?;
            File::open(dir)?.sync_all()
        };
        written().with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The files that are copied already, and the note of each further one.
pub struct Journal {
    copied: BTreeMap<String, Copied>,
    file: File,
}

impl Journal {
    /// Begins one, or goes on with that of an interrupted backup.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(JOURNAL);
        let opened = || {
            let mut options = OpenOptions::new();
            let file = options.read(true).append(true).create(true).mode(0o600).open(&path)?;
            let mut copied = BTreeMap::new();
            for line in BufReader::new(&file).split(b'\n') {
                // The last line may have been cut off.
                if let Ok(line) = serde_json::from_slice::<Copied>(&line?) {
                    copied.insert(line.path.clone(), line);
                }
            }
            Ok::<_, std::io::Error>(Self { copied, file })
        };
        let journal = opened().with_context(|| format!("cannot write {}", path.display()))?;
        let alone = journal.file.try_lock();
        alone.with_context(|| format!("another backup is being written into {}", dir.display()))?;
        Ok(journal)
    }

    /// What is known of a file.
    pub fn of(&self, path: &str) -> Option<&Copied> {
        self.copied.get(path)
    }

    /// Notes a file that is there.
    pub fn note(&mut self, copied: Copied) -> Result<()> {
        // A line of its own also behind one that was cut off.
        let line = format!("\n{}\n", serde_json::to_string(&copied)?);
        self.file.write_all(line.as_bytes()).context("cannot write to the backup")?;
        self.copied.insert(copied.path.clone(), copied);
        Ok(())
    }

    /// The files that belong to the backup; of the others an interrupted one has left the folder is freed.
    pub fn finish(mut self, dir: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<Copied>> {
        let surplus: Vec<String> =
            self.copied.keys().filter(|path| !wanted(path)).cloned().collect();
        for path in surplus {
            self.copied.remove(&path);
            let removed = std::fs::remove_file(dir.join(&path));
            if let Err(error) = removed.as_ref()
                && error.kind() != ErrorKind::NotFound
            {
                removed.with_context(|| format!("cannot remove {path} from the backup"))?;
            }
        }
        Ok(std::mem::take(&mut self.copied).into_values().collect())
    }

    /// The backup is whole.
    pub fn remove(dir: &Path) -> Result<()> {
        std::fs::remove_file(dir.join(JOURNAL)).context("cannot remove the backup's journal")
    }

    /// Whether an interrupted backup is in a folder.
    pub fn is_in(dir: &Path) -> bool {
        dir.join(JOURNAL).exists()
    }
}

impl Drop for Journal {
    /// The lock is the open file's: a child that was forked a moment ago would hold it on until it has begun its program.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

/// A new file that nobody else reads.
pub fn private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(path: &str) -> Copied {
        Copied { path: path.to_owned(), bytes: 3, sha256: "ba".to_owned() }
    }

    #[test]
    fn a_journal_that_was_cut_off_loses_its_last_line_alone() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!Journal::is_in(dir.path()));
        let mut journal = Journal::open(dir.path()).unwrap();
        journal.note(copied("a")).unwrap();
        journal.note(copied("b")).unwrap();
        let path = dir.path().join(JOURNAL);
        assert!(Journal::open(dir.path()).is_err(), "two would write over each other");
        drop(journal);
        let text = std::fs::read(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 4]).unwrap();
        let mut journal = Journal::open(dir.path()).unwrap();
        assert!(journal.of("a").is_some() && journal.of("b").is_none());
        journal.note(copied("c")).unwrap();
        drop(journal);
        std::fs::write(dir.path().join("a"), "old").unwrap();
        let journal = Journal::open(dir.path()).unwrap();
        assert_eq!(journal.finish(dir.path(), |path| path == "c").unwrap(), [copied("c")]);
        assert!(!dir.path().join("a").exists());
    }

    #[test]
    fn a_manifest_that_names_files_outside_its_folder_or_is_newer_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let manifest = |format: u32, path: &str| Manifest {
            format,
            program: "1".into(),
            database: Kind::Sqlite,
            schema: 9,
            postgresql: None,
            made_at: String::new(),
            calls: 0,
            tickets: 0,
            past_tickets: 0,
            recordings: 0,
            with_keys: false,
            secrets_left_out: BTreeMap::new(),
            faults: Vec::new(),
            files: vec![copied(path)],
        };
        let read = |manifest: Manifest| {
            manifest.write(dir.path()).unwrap();
            Manifest::read(dir.path())
        };
        assert_eq!(read(manifest(1, "a/b")).unwrap(), manifest(1, "a/b"));
        for path in ["../a", "/etc/passwd", "a/../../b"] {
            assert!(read(manifest(1, path)).is_err(), "{path}");
        }
        let newer = format!("{:#}", read(manifest(2, "a")).unwrap_err());
        assert!(newer.contains("newer program"), "{newer}");
        std::fs::remove_file(dir.path().join(MANIFEST)).unwrap();
        let none = format!("{:#}", Manifest::read(dir.path()).unwrap_err());
        assert!(none.contains("no whole backup"), "{none}");
    }
}
