//! The ordinary registry clients, run as the operator would run them: their mirrors, proxies and
//! certificates are honoured because nothing of their configuration is overridden.

use crate::{Client, ModelsError, Package, hash};
use indicatif::ProgressBar;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const POLL: Duration = Duration::from_millis(100);
const SAID_LINES_MAX: usize = 3;

impl Client {
    /// The client's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pip => "pip",
            Self::Npm => "npm",
        }
    }

    const fn install_hint(self) -> &'static str {
        match self {
            Self::Pip => "apt-get install python3-pip",
            Self::Npm => "apt-get install npm",
        }
    }

    const fn mirror_hint(self) -> &'static str {
        match self {
            Self::Pip => "pip config set global.index-url URL",
            Self::Npm => "npm config set registry URL",
        }
    }

    fn command(self, package: &Package, to: &Path) -> Command {
        match self {
            Self::Pip => {
                let mut command = Command::new("python3");
                command.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "-d"]);
                command.arg(to).arg(format!("{}=={}", package.name, package.version));
                command
            }
            Self::Npm => {
                let mut command = Command::new("npm");
                command.args(["pack", "--ignore-scripts", "--pack-destination"]).arg(to);
                command.arg(format!("{}@{}", package.name, package.version));
                command
            }
        }
    }
}

/// Fetches a package's archive into `stage` unless the right one lies there; returns its path and
/// whether it was fetched. `search_path` replaces `PATH` for the client.
pub(crate) fn fetch(
    package: &Package,
    stage: &Path,
    search_path: Option<&OsString>,
    bar: &ProgressBar,
) -> Result<(PathBuf, bool), ModelsError> {
    let archive = stage.join(&package.archive);
    if archive.exists() {
        if hash::expect(&archive, &package.sha256).is_ok() {
            bar.inc(package.bytes);
            return Ok((archive, false));
        }
        fs::remove_file(&archive).map_err(ModelsError::io("remove", &archive))?;
    }
    let label = format!("{} {}", package.name, package.version);
    bar.set_message(label.clone());
    tracing::info!(package = label, bytes = package.bytes, "fetching");
    // The client writes here first: what it leaves when it is killed is swept away, and what it
    // finished is moved into the stage in one step.
    let work = stage.join(".work");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work).map_err(ModelsError::io("create", &work))?;
    let delivered = run(package, &label, &work, search_path, bar)?;
    hash::expect(&delivered, &package.sha256)?;
    fs::rename(&delivered, &archive).map_err(ModelsError::io("move", &delivered))?;
    let _ = fs::remove_dir_all(&work);
    Ok((archive, true))
}

fn run(
    package: &Package,
    label: &str,
    work: &Path,
    search_path: Option<&OsString>,
    bar: &ProgressBar,
) -> Result<PathBuf, ModelsError> {
    let client = package.client;
    let no_client = || ModelsError::NoClient {
        client: client.as_str(),
        package: label.to_owned(),
        hint: client.install_hint(),
    };
    let log = work.join("log");
    let sink = fs::File::create(&log).map_err(ModelsError::io("write", &log))?;
    let also = sink.try_clone().map_err(ModelsError::io("write", &log))?;
    let mut command = client.command(package, work);
    // Temporary files on the same disk, where their growth is the progress.
    command.env("TMPDIR", work).stdin(Stdio::null()).stdout(sink).stderr(also);
    if let Some(path) = search_path {
        command.env("PATH", path);
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(no_client()),
        Err(e) => return Err(ModelsError::io("run the client in", work)(e)),
    };
    let before = bar.position();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(ModelsError::io("wait in", work))? {
            break status;
        }
        bar.set_position(before + bytes_under(work).min(package.bytes));
        std::thread::sleep(POLL);
    };
    let said = fs::read_to_string(&log).unwrap_or_default();
    if said.contains("No module named pip") {
        return Err(no_client());
    }
    let delivered = work.join(&package.archive);
    if status.success() && delivered.is_file() {
        bar.set_position(before + package.bytes);
        return Ok(delivered);
    }
    let said = if status.success() {
        format!("it did not deliver {}", package.archive)
    } else {
        last_words(&said).unwrap_or_else(|| format!("it ended with {status}"))
    };
    let mirror = client.mirror_hint();
    Err(ModelsError::Registry { client: client.as_str(), package: label.to_owned(), said, mirror })
}

fn last_words(log: &str) -> Option<String> {
    let lines: Vec<_> = log.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(SAID_LINES_MAX)..];
    (!last.is_empty()).then(|| last.join(" | "))
}

fn bytes_under(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let size = |e: fs::DirEntry| match e.metadata() {
        Ok(meta) if meta.is_dir() => bytes_under(&e.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}
