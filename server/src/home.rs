//! The folder of configuration and data.

use crate::cli::ConfigFile;
use crate::config::{self, Config};
use anyhow::{Context, Result};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The configuration file that a command uses.
pub fn path(file: &ConfigFile) -> PathBuf {
    file.config.clone().unwrap_or_else(|| config::default_home().join("config.toml"))
}

/// Writes the commented defaults. Never overwrites.
pub fn write_default(path: &Path) -> Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        private_dir(folder)?;
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(config::DEFAULT_TOML.as_bytes()))
        .with_context(|| format!("cannot write the default configuration to {}", path.display()))
}

/// A folder that only this user can enter: citizens' voices live below it.
pub fn private_dir(dir: &Path) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot create the folder {}", dir.display()))
}

/// The database file.
pub fn database(config: &Config) -> PathBuf {
    config.data.dir.join("qingting.db")
}

/// The folder of recordings.
pub fn recordings(config: &Config) -> PathBuf {
    config.data.dir.join("recordings")
}

/// Held for as long as a server uses a data folder.
pub struct Lock(#[allow(dead_code, reason = "closing the file gives the lock back")] File);

/// Makes sure that no other server uses the folder: the second would end the first one's calls.
pub fn lock(dir: &Path) -> Result<Lock> {
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot write to the data folder: {}", path.display()))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        anyhow::anyhow!(
            "another qingting server uses {}: stop it, or give this one its own folder with data.dir",
            dir.display()
        )
    })?;
    Ok(Lock(file))
}

/// A folder of sockets for this run, short enough for a Unix socket's name wherever the data is.
pub struct RunDir(PathBuf);

impl RunDir {
    /// Makes it.
    pub fn create() -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("qingting-{}", std::process::id()));
        // What a killed process of the same number left behind.
        let _ = std::fs::remove_dir_all(&dir);
        private_dir(&dir)?;
        Ok(Self(dir))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
