//! What was installed: lets the next start believe a file by its size and time.

use crate::{ModelsError, hash};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::UNIX_EPOCH;

const FILE_NAME: &str = "installed.toml";

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

    /// Forgets what was verified, so that the next look hashes every file.
    pub(crate) fn remove(dir: &Path) {
        let _ = std::fs::remove_file(dir.join(FILE_NAME));
    }

    /// Whether every file still has the size and time it had when it was verified.
    pub(crate) fn untouched(&self, dir: &Path) -> bool {
        self.file
            .iter()
            .all(|e| size_and_time(&dir.join(&e.name)) == Some((e.bytes, e.modified_ns)))
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
