//! The folder of configuration and data.

use crate::cli::ConfigFile;
use crate::config::{self, Config};
use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock, statvfs};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// This very program once more, for a part of its work. An upgrade that has put another file in its place
/// meanwhile changes nothing: the two speak one protocol.
pub fn this_program() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0(env!("CARGO_BIN_NAME"));
    command
}

/// Where the package has the configuration.
const PACKAGED: &str = "/etc/qingting/config.toml";

/// The configuration file that a command uses.
pub fn path(file: &ConfigFile) -> PathBuf {
    if let Some(named) = &file.config {
        return named.clone();
    }
    let own = config::default_home().join("config.toml");
    let of_package = Path::new(PACKAGED);
    // Where a package was installed and this user has none of his own.
    if !own.exists() && of_package.exists() { of_package.to_owned() } else { own }
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

/// The same for a folder that holds nothing but ours: one that others could enter is closed.
pub fn closed_dir(dir: &Path) -> Result<()> {
    private_dir(dir)?;
    if dir.metadata()?.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    std::fs::set_permissions(dir, Permissions::from_mode(0o700)).with_context(|| {
        format!(
            "others can enter {} and this user may not change that: run chmod 700 on it",
            dir.display()
        )
    })
}

/// The file of a server's name, in its data folder.
pub const SERVER_ID: &str = "server.id";

/// The name of the server whose data folder this is, made at its first start: of several servers on one
/// database each knows by it which calls are its own.
pub fn server_name(data: &Path) -> Result<String> {
    if let Some(name) = known_server_name(data)? {
        return Ok(name);
    }
    let path = data.join(SERVER_ID);
    let name = uuid::Uuid::now_v7().to_string();
    std::fs::write(&path, &name).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(name)
}

/// The same, where a server has started.
pub fn known_server_name(data: &Path) -> Result<Option<String>> {
    let path = data.join(SERVER_ID);
    match std::fs::read_to_string(&path) {
        Ok(name) => Ok(Some(name.trim().to_owned()).filter(|name| !name.is_empty())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// A disk's room, in bytes.
pub struct DiskSpace {
    /// What the user of the server may still write.
    pub free: u64,
    pub total: u64,
}

/// The room of the disk that a folder is on, or will be on. May hang where its mount does.
pub fn disk_space(folder: &Path) -> Option<DiskSpace> {
    let existing = folder.ancestors().find(|path| path.exists())?;
    let disk = statvfs(existing).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    // What the system keeps for itself is nobody's room: as `df` counts.
    let usable = disk.f_blocks.saturating_sub(disk.f_bfree).saturating_add(disk.f_bavail);
    Some(DiskSpace { free: bytes(disk.f_bavail), total: bytes(usable) })
}

/// The folder of recordings.
pub fn recordings(config: &Config) -> PathBuf {
    config.data.dir.join("recordings")
}

/// A server's hold on its data folder, and a folder of sockets for this run, short enough for a
/// Unix socket's name wherever the data is.
pub struct RunDir {
    dir: TempDir,
    /// Closing it gives the folder back to others.
    _lock: File,
}

impl RunDir {
    /// Makes sure that no other server uses the data folder, because the second would end the
    /// first one's calls; then makes the run's folder, and removes the one that a killed server
    /// left behind.
    pub fn create(data: &Path) -> Result<Self> {
        let mut lock = hold(data)?;
        let mut left = String::new();
        lock.read_to_string(&mut left).unwrap_or_default();
        let left = Path::new(left.trim());
        let is_ours = |name: &OsStr| name.to_string_lossy().starts_with(RUN_DIR_PREFIX);
        if left.file_name().is_some_and(is_ours) {
            // It may be gone already.
            let _ = std::fs::remove_dir_all(left);
        }
        let dir = temporary()?;
        lock.set_len(0)?;
        lock.rewind()?;
        write!(lock, "{}", dir.path().display())?;
        Ok(Self { dir, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// Makes sure that no server uses a data folder, until the file is closed.
pub fn hold(data: &Path) -> Result<File> {
    let path = data.join("lock");
    let mut file = OpenOptions::new();
    let file = file.create(true).truncate(false).read(true).write(true).mode(0o600).open(&path);
    let file =
        file.with_context(|| format!("cannot write to the data folder: {}", path.display()))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        anyhow::anyhow!(
            "another qingting server uses {}: stop it, or give this one its own folder with data.dir",
            data.display()
        )
    })?;
    Ok(file)
}

/// Whether a server uses the data folder now.
pub fn is_held(data: &Path) -> bool {
    data.join("lock").exists() && hold(data).is_err()
}

/// The process that uses the data folder; none where nobody does, or the kernel does not tell it here.
pub fn holder(data: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    let inode = data.join("lock").metadata().ok()?.ino();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| holder_in(line, inode))
}

/// Of a line such as `5: FLOCK  ADVISORY  WRITE 4711 fe:01:1048 0 EOF`.
fn holder_in(line: &str, inode: u64) -> Option<u32> {
    let mut parts = line.split_whitespace().skip(1);
    let kind = parts.next()?;
    let pid = parts.nth(2)?.parse().ok().filter(|pid| *pid > 0)?;
    let of: u64 = parts.next()?.rsplit(':').next()?.parse().ok()?;
    (kind == "FLOCK" && of == inode).then_some(pid)
}

const RUN_DIR_PREFIX: &str = "qingting-";

/// A new folder of a name that nobody can foresee, for this user alone, removed when dropped: its
/// sockets carry citizens' voices.
pub fn temporary() -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix(RUN_DIR_PREFIX)
        .tempdir()
        .context("cannot make a temporary folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_lock_is_read_of_the_kernels_list() {
        let line = "5: FLOCK  ADVISORY  WRITE 4711 fe:01:1048 0 EOF";
        assert_eq!(holder_in(line, 1048), Some(4711));
        assert_eq!(holder_in(line, 1049), None);
        let others = [
            "6: POSIX  ADVISORY  WRITE 4711 fe:01:1048 0 EOF",
            "7: -> FLOCK  ADVISORY  WRITE 4712 fe:01:1048 0 EOF",
            "8: FLOCK  ADVISORY  WRITE -1 fe:01:1048 0 EOF",
            "",
        ];
        assert!(others.iter().all(|line| holder_in(line, 1048).is_none()));
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(holder(dir.path()), None);
        let _held = hold(dir.path()).unwrap();
        assert_eq!(holder(dir.path()), Some(std::process::id()));
    }
}
