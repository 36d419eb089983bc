//! The folder of configuration and data.

use crate::cli::ConfigFile;
use crate::config;
use anyhow::{Context, Result};
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
    std::fs::OpenOptions::new()
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
