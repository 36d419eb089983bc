//! PostgreSQL's own programs.
//!
//! **The password is on no command line and in no environment**: they find it in a file of a folder that only
//! this user can enter, and that is gone afterwards.

use super::manifest::private;
use crate::home;
use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use qingting_store::DatabaseUrl;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Folders of one version each, with its number in the place of the star.
const VERSIONED: [&str; 3] =
    ["/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin"];
/// How often the sign of life moves.
const TICK: Duration = Duration::from_millis(120);

/// `pg_dump` or `pg_restore`.
pub struct Tool {
    name: &'static str,
    path: PathBuf,
}

/// One of the program's that can speak with a server of that version: not older than it.
pub fn find(name: &'static str, server_major: u32) -> Result<Tool> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = versioned().into_iter().chain(std::env::split_paths(&path));
    find_in(folders, name, server_major)
}

fn find_in(
    folders: impl Iterator<Item = PathBuf>,
    name: &'static str,
    server_major: u32,
) -> Result<Tool> {
    let mut found: Vec<(u32, PathBuf)> = folders
        .map(|folder| folder.join(name))
        .filter_map(|path| Some((major(&path)?, path)))
        .collect();
    found.sort_by_key(|(major, _)| *major);
    let fits = found.iter().find(|(major, _)| *major >= server_major);
    let Some((_, path)) = fits else {
        let others: Vec<String> = found.iter().map(|(major, _)| major.to_string()).collect();
        let here = if others.is_empty() { "is missing here" } else { "is here only as version " };
        bail!(
            "{name} {server_major} or newer, which speaks with this server, {here}{}: install it, such as with \
             `apt-get install postgresql-client-{server_major}` or `dnf install postgresql{server_major}`",
            others.join(", ")
        );
    };
    Ok(Tool { name, path: path.clone() })
}

fn versioned() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for pattern in VERSIONED {
        let Some((before, after)) = pattern.split_once('*') else { continue };
        let (parent, prefix) = before.rsplit_once('/').unwrap_or((".", before));
        let Ok(entries) = std::fs::read_dir(parent) else { continue };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                folders.push(entry.path().join(after.trim_start_matches('/')));
            }
        }
    }
    folders
}

/// `pg_dump (PostgreSQL) 17.2 (Debian 17.2-1)` is 17.
fn major(program: &Path) -> Option<u32> {
    let said = Command::new(program).arg("--version").stderr(Stdio::null()).output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let (_, version) = said.split_once("(PostgreSQL)")?;
    let number: String = version.trim().chars().take_while(char::is_ascii_digit).collect();
    number.parse().ok()
}

impl Tool {
    /// Runs it on a database to its end; `bar` shows that it is alive.
    pub fn run(
        &self,
        url: &DatabaseUrl,
        args: &[&str],
        file: &Path,
        bar: &ProgressBar,
    ) -> Result<()> {
        let folder = home::temporary()?;
        let passfile = folder.path().join("pass");
        if let Some(line) = url.passfile() {
            let written =
                private(&passfile).and_then(|mut to| to.write_all(line.expose().as_bytes()));
            written.context("cannot write the password for PostgreSQL's programs")?;
        }
        bar.enable_steady_tick(TICK);
        let mut command = Command::new(&self.path);
        command
            .arg("--no-password")
            .arg("--dbname")
            .arg(url.connection_string(&passfile)?)
            .args(args);
        command.arg(file).stdin(Stdio::null()).stdout(Stdio::null());
        if url.passfile().is_some() {
            // It would go before the file.
            command.env_remove("PGPASSWORD");
        }
        let done =
            command.output().with_context(|| format!("cannot run {}", self.path.display()))?;
        if done.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr);
        let fault = said.lines().find(|line| line.contains("error:")).or(said.lines().last());
        bail!("{} failed: {}", self.name, fault.unwrap_or("it said nothing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn program(folder: &Path, version: &str) -> PathBuf {
        let folder = folder.join(version);
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("pg_dump");
        std::fs::write(&path, format!("#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}.2 (X)'\n"))
            .unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        folder
    }

    #[test]
    fn the_program_is_the_oldest_that_is_not_older_than_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let folders = ["18", "15", "16"].map(|version| program(folder.path(), version));
        let found = |major| find_in(folders.clone().into_iter(), "pg_dump", major);
        assert_eq!(found(16).unwrap().path, folder.path().join("16/pg_dump"));
        assert_eq!(found(17).unwrap().path, folder.path().join("18/pg_dump"));
        let refused = format!("{:#}", found(19).err().unwrap());
        assert!(
            refused.contains("15, 16, 18") && refused.contains("postgresql-client-19"),
            "{refused}"
        );
        let none = find_in(std::iter::once(folder.path().to_owned()), "pg_dump", 16);
        let none = format!("{:#}", none.err().unwrap());
        assert!(none.contains("missing") && !none.contains('\n'), "{none}");
    }
}
