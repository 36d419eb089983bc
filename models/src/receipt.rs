//! What was installed: lets the next start believe a file by its size and time, and remembers the
//! checksums that the manifest could not tell.

use crate::{ModelsError, hash};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::UNIX_EPOCH;

const FILE_NAME: &str = "installed.toml";
/// The time of a file that must be hashed before it is believed.
const NEVER: u64 = 0;

/// The receipt in a model's folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    /// Title of the source.
    pub(crate) source: String,
    /// Every file, the converted one included.
    pub(crate) file: Vec<Entry>,
}

/// One file as it was when it was verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    modified_ns: u64,
}

impl Receipt {
    /// Reads the receipt of a folder; `None` when it is absent or unreadable, which only means that
    /// the files are hashed again.
    pub(crate) fn read(dir: &Path) -> Option<Self> {
        toml::from_str(&std::fs::read_to_string(dir.join(FILE_NAME)).ok()?).ok()
    }

    /// Hashes the named files of `dir`.
    pub(crate) fn take(dir: &Path, source: &str, names: &[&str]) -> Result<Self, ModelsError> {
        let file = names.iter().map(|name| Entry::take(dir, name)).collect::<Result<_, _>>()?;
        Ok(Self { source: source.into(), file })
    }

    /// Writes it into `dir`, whole or not at all.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), ModelsError> {
        let text = toml::to_string(self).map_err(|e| ModelsError::Manifest(e.to_string()))?;
        let (partial, path) = (dir.join(".installed.partial"), dir.join(FILE_NAME));
        std::fs::write(&partial, text).map_err(ModelsError::io("write", &partial))?;
        std::fs::rename(&partial, &path).map_err(ModelsError::io("write", &path))
    }

    /// Makes sure that these files are not believed by size and time, and keeps what they should be:
    /// of some nobody else knows the checksum.
    pub(crate) fn distrust(mut self, names: &[&str]) -> Self {
        let bad = self.file.iter_mut().filter(|entry| names.contains(&entry.name.as_str()));
        bad.for_each(|entry| entry.modified_ns = NEVER);
        self
    }

    /// The SHA-256 that a file had when it was verified.
    pub(crate) fn sha256(&self, name: &str) -> Option<&str> {
        self.file.iter().find(|e| e.name == name).map(|e| e.sha256.as_str())
    }

    /// The files that no longer have the size and time they had when they were verified.
    pub(crate) fn touched(&self, dir: &Path) -> impl Iterator<Item = &str> {
        let is_touched =
            |e: &&Entry| size_and_time(&dir.join(&e.name)) != Some((e.bytes, e.modified_ns));
        self.file.iter().filter(is_touched).map(|e| e.name.as_str())
    }
}

impl Entry {
    fn take(dir: &Path, name: &str) -> Result<Self, ModelsError> {
        let path = dir.join(name);
        let sha256 = hash::of_file(&path)?;
        let (bytes, modified_ns) = size_and_time(&path).unwrap_or_default();
        Ok(Self { name: name.into(), bytes, sha256, modified_ns })
    }
}

fn size_and_time(path: &Path) -> Option<(u64, u64)> {
    let meta = std::fs::metadata(path).ok()?;
    let age = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((meta.len(), u64::try_from(age.as_nanos()).ok()?))
}
