//! The files of the spool: one for each call, added to and synced line by line. All of it blocks.

use super::line::{self, LINE_BYTES_MAX};
use super::write::Write;
use super::{Limits, SpoolError};
use qingting_common::CallId;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How the name of a file ends that waits, and of one that keeps what the database has refused.
const WAITING: &str = "jsonl";
const REFUSED: &str = "refused";
/// Lines that are read at once.
const BATCH_LINES: usize = 64;

/// The folder, and what is in it.
pub struct Folder {
    dir: PathBuf,
    limits: Limits,
    pub entries: AtomicU64,
    pub bytes: AtomicU64,
    /// Calls of which something was refused for good.
    pub refused_calls: AtomicU64,
}

/// What waits of one call.
pub struct Waiting {
    path: PathBuf,
    /// Of whole lines.
    bytes: u64,
    /// Lines that are not in the database yet.
    entries: u64,
    /// Bytes that are.
    done: u64,
    /// The last line may have no end.
    is_torn: bool,
}

/// A line of a file, and where it ends.
pub enum Found {
    Write(Box<Write>, u64),
    /// It is not what was written, or a later version wrote it.
    Damaged(Vec<u8>, u64),
}

impl Found {
    pub const fn end(&self) -> u64 {
        match self {
            Self::Write(_, end) | Self::Damaged(_, end) => *end,
        }
    }
}

impl Folder {
    /// Makes the folder where it is missing, for this user alone; gives what waits in it, by call.
    pub fn open(dir: &Path, limits: Limits) -> std::io::Result<(Self, Vec<(CallId, Waiting)>)> {
        match DirBuilder::new().mode(0o700).create(dir) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let folder = Self {
            dir: dir.to_owned(),
            limits,
            entries: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            refused_calls: AtomicU64::new(0),
        };
        let mut waiting = Vec::new();
        for (call, is_refused) in files(dir)? {
            if is_refused {
                folder.refused_calls.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let found = Waiting::look(folder.path(call, WAITING))?;
            if found.is_torn {
                tracing::warn!(%call, "the last line of a spool file was cut off by a crash and is dropped");
            }
            folder.entries.fetch_add(found.entries, Ordering::Relaxed);
            folder.bytes.fetch_add(found.bytes, Ordering::Relaxed);
            waiting.push((call, found));
        }
        Ok((folder, waiting))
    }

    fn path(&self, call: CallId, end: &str) -> PathBuf {
        self.dir.join(format!("{call}.{end}"))
    }

    /// The file of a call of which nothing waits; it is made with its first line.
    pub fn new_file(&self, call: CallId) -> Waiting {
        Waiting { path: self.path(call, WAITING), bytes: 0, entries: 0, done: 0, is_torn: false }
    }

    /// Whether there is room for so many bytes more; for what a new call needs some is kept free.
    pub fn check_room(&self, bytes: u64, is_new_call: bool) -> Result<(), SpoolError> {
        let most = match is_new_call {
            true => self.limits.bytes_max / 10 * 9,
            false => self.limits.bytes_max,
        };
        match self.bytes.load(Ordering::Relaxed) + bytes > most {
            true => Err(SpoolError::Full("more bytes wait than may")),
            false => Ok(()),
        }
    }

    /// Keeps a line that the database has refused for good.
    pub fn set_aside(&self, call: CallId, line: &[u8]) -> std::io::Result<()> {
        let path = self.path(call, REFUSED);
        if !path.exists() {
            self.refused_calls.fetch_add(1, Ordering::Relaxed);
        }
        let mut file = append_to(&path)?;
        file.write_all(line)?;
        file.write_all(b"\n")?;
        file.sync_data()?;
        self.sync()
    }

    /// What was refused of a call is not kept any more: its citizen was erased.
    pub fn forget_refused(&self, call: CallId) -> std::io::Result<()> {
        match std::fs::remove_file(self.path(call, REFUSED)) {
            Ok(()) => {
                self.refused_calls.fetch_sub(1, Ordering::Relaxed);
                self.sync()
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn sync(&self) -> std::io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}

/// What waits in a folder that a server may be using: calls, lines and bytes, and calls of which something was refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    pub calls: u64,
    pub entries: u64,
    pub bytes: u64,
    pub refused_calls: u64,
}

impl Left {
    /// Looks, and changes nothing; nothing where there is no folder.
    pub fn look(dir: &Path) -> std::io::Result<Self> {
        let mut left = Self::default();
        let files = match files(dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(left),
            files => files?,
        };
        for (call, is_refused) in files {
            if is_refused {
                left.refused_calls += 1;
                continue;
            }
            match Waiting::look(dir.join(format!("{call}.{WAITING}"))) {
                // A server has just replayed it.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                found => {
                    let found = found?;
                    left.calls += 1;
                    left.entries += found.entries;
                    left.bytes += found.bytes;
                }
            }
        }
        Ok(left)
    }
}

/// The files of a folder by call, oldest call first; whether it holds what was refused.
fn files(dir: &Path) -> std::io::Result<Vec<(CallId, bool)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let call = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        let end = path.extension().and_then(|end| end.to_str());
        match (call, end) {
            (Some(call), Some(WAITING)) => files.push((call, false)),
            (Some(call), Some(REFUSED)) => files.push((call, true)),
            _ => {}
        }
    }
    // Ids are of version 7: by their time.
    files.sort();
    Ok(files)
}

fn append_to(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

impl Waiting {
    /// Counts the lines of a file that is there. A last line without its end was never told to be kept.
    fn look(path: PathBuf) -> std::io::Result<Self> {
        let mut reader = BufReader::new(File::open(&path)?);
        let (mut bytes, mut entries, mut is_torn) = (0, 0, false);
        loop {
            let (read, is_whole) = skip_line(&mut reader)?;
            if read == 0 {
                break;
            }
            if is_whole {
                (bytes, entries) = (bytes + read, entries + 1);
            } else {
                is_torn = true;
            }
        }
        Ok(Self { path, bytes, entries, done: 0, is_torn })
    }

    /// Adds a line and returns when it is on the disk; after an error it is as before.
    pub fn append(&mut self, folder: &Folder, line: &str) -> Result<(), SpoolError> {
        let is_new = self.bytes == 0;
        let written = (|| {
            let mut file = append_to(&self.path)?;
            if self.is_torn {
                file.set_len(self.bytes)?;
                self.is_torn = false;
            }
            let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_data());
            if let Err(error) = written {
                // Half a line behind which others follow would take the first of them with it.
                self.is_torn = file.set_len(self.bytes).is_err();
                return Err(error);
            }
            let kept = if is_new { folder.sync() } else { Ok(()) };
            if kept.is_err() {
                // The line is not counted, and must not stand before the next.
                self.is_torn = file.set_len(self.bytes).is_err();
            }
            kept
        })();
        written.map_err(SpoolError::Disk)?;
        self.bytes += line.len() as u64;
        self.entries += 1;
        folder.bytes.fetch_add(line.len() as u64, Ordering::Relaxed);
        folder.entries.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The next lines that are not in the database; none when all are.
    pub fn next(&self) -> std::io::Result<Vec<Found>> {
        let mut found = Vec::new();
        if self.done >= self.bytes {
            return Ok(found);
        }
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.done))?;
        let mut reader = BufReader::new(file.take(self.bytes - self.done));
        let mut end = self.done;
        while found.len() < BATCH_LINES {
            let mut line = Vec::new();
            let read = reader.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
            if read == 0 {
                // Lines that were counted are not there any more: somebody cut the file.
                let is_cut = end < self.bytes;
                return if is_cut { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(found) };
            }
            end += read as u64;
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            found.push(match line::read(&line) {
                Some(write) => Found::Write(Box::new(write), end),
                None => Found::Damaged(line, end),
            });
        }
        Ok(found)
    }

    /// Everything before `end` is in the database, or set aside.
    pub fn is_done(&mut self, folder: &Folder, end: u64) {
        self.done = end;
        if self.entries > 0 {
            self.entries -= 1;
            folder.entries.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether all of it is in the database.
    pub const fn is_all_done(&self) -> bool {
        self.done >= self.bytes
    }

    /// Removes the file with all that is in it.
    pub fn remove(&mut self, folder: &Folder) -> std::io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        folder.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        folder.entries.fetch_sub(self.entries, Ordering::Relaxed);
        (self.bytes, self.entries, self.done) = (0, 0, 0);
        folder.sync()
    }
}

/// Skips a line of any length; gives its bytes, and whether it has an end.
fn skip_line(reader: &mut impl BufRead) -> std::io::Result<(u64, bool)> {
    let mut read = 0;
    loop {
        let piece = reader.fill_buf()?;
        if piece.is_empty() {
            return Ok((read, false));
        }
        let end = piece.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(piece.len(), |at| at + 1);
        reader.consume(used);
        read += used as u64;
        if end.is_some() {
            return Ok((read, true));
        }
    }
}
