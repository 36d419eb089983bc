//! The folder of configuration and data, and what a running server leaves there for local tools.

use crate::cli::ConfigFile;
use crate::config::{self, Config};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Finds the configuration file, writes the default one when there is none, and reads it.
/// Returns it with its path and whether it was written now.
pub fn load(file: &ConfigFile) -> Result<(Config, PathBuf, bool)> {
    let path = path(file);
    let written = !path.exists();
    if written {
        write_default(&path)?;
    }
    let config = Config::load(&path)?;
    Ok((config, path, written))
}

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

/// How local tools (`qingting demo`) reach the server of this data folder: `server.json`, readable
/// by its user alone, removed when the server stops.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunningServer {
    pub pid: u32,
    pub sip_udp: Option<SocketAddr>,
    pub sip_tcp: Option<SocketAddr>,
    pub http: SocketAddr,
    /// An API key with the operator's role, valid until the server stops.
    pub api_key: String,
}

impl RunningServer {
    fn file(data: &Path) -> PathBuf {
        data.join("server.json")
    }

    /// Writes the record for others to find.
    pub fn announce(&self, data: &Path) -> Result<()> {
        let path = Self::file(data);
        let staged = path.with_extension("json.new");
        let _ = std::fs::remove_file(&staged);
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&staged)
            .and_then(|mut file| file.write_all(serde_json::to_string_pretty(self)?.as_bytes()))
            .and_then(|()| std::fs::rename(&staged, &path))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// The running server of a data folder, if there is one.
    pub fn find(data: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(Self::file(data)).ok()?;
        let server: Self = serde_json::from_str(&text).ok()?;
        Path::new(&format!("/proc/{}", server.pid)).exists().then_some(server)
    }

    /// Removes the record.
    pub fn retract(data: &Path) {
        let _ = std::fs::remove_file(Self::file(data));
    }
}
