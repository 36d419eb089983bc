//! Files from one place to another, with their hashes on the way.

use super::manifest::{Copied, private};
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use qingting_recording::chain_head;
use qingting_store::Proof;
use sha2::{Digest, Sha256};
use std::fs::{File, FileTimes};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

const PIECE_BYTES: usize = 256 * 1024;

/// A bar over bytes.
pub fn bar(title: &'static str, bytes: u64) -> Result<ProgressBar> {
    let style = "{prefix} [{bar:30}] {bytes}/{total_bytes} {eta}";
    let bar = ProgressBar::new(bytes).with_style(ProgressStyle::with_template(style)?);
    Ok(bar.with_prefix(title))
}

/// Copies a file as long as it is when it is opened; none when it is gone. The copy has the same time, is for
/// this user alone, and is there whole or not at all.
pub fn copy(from: &Path, to: &Path, path: String, bar: &ProgressBar) -> Result<Option<Copied>> {
    let source = match File::open(from) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.with_context(|| format!("cannot read {}", from.display()))?,
    };
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let copied = || {
        let about = source.metadata()?;
        let mut target = private(Path::new(&part))?;
        let (bytes, sha256) = pour((&source).take(about.len()), &mut target, bar)?;
        target.set_times(FileTimes::new().set_modified(about.modified()?))?;
        target.sync_all()?;
        std::fs::rename(&part, to)?;
        Ok::<_, std::io::Error>(Copied { path, bytes, sha256 })
    };
    copied()
        .map(Some)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

/// Length and SHA-256 of a file.
pub fn hash(file: &Path) -> Result<(u64, String)> {
    let read = || pour(File::open(file)?, std::io::sink(), &ProgressBar::hidden());
    read().with_context(|| format!("cannot read {}", file.display()))
}

fn pour(
    mut from: impl Read,
    mut to: impl Write,
    bar: &ProgressBar,
) -> std::io::Result<(u64, String)> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut bytes = 0;
    loop {
        let read = match from.read(&mut piece) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read?,
        };
        if read == 0 {
            return Ok((bytes, hex::encode(hash.finalize())));
        }
        hash.update(&piece[..read]);
        to.write_all(&piece[..read])?;
        bytes += read as u64;
        bar.inc(read as u64);
    }
}

/// Whether a copy is as long and as old as its source: then it is one.
pub fn is_same(source: &Path, copy: &Path) -> bool {
    let about = |path: &Path| {
        let about = path.metadata().ok()?;
        Some((about.len(), about.modified().ok()?))
    };
    about(copy).is_some_and(|copy| about(source) == Some(copy))
}

/// Whether a recording is the one that the database knows.
pub fn is_proved(recording: &Path, proof: &Proof) -> Result<bool> {
    match proof {
        Proof::Sha256(known) => Ok(hash(recording)?.1 == *known),
        Proof::Chain(known) => match chain_head(recording) {
            Ok(head) => Ok(head.is_some_and(|head| head.to_string() == *known)),
            Err(qingting_recording::Error::Io(error))
                if error.kind() != ErrorKind::UnexpectedEof =>
            {
                Err(error).with_context(|| format!("cannot read {}", recording.display()))
            }
            Err(_) => Ok(false),
        },
    }
}
