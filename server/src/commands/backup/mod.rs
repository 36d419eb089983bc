//! `qingting backup` and `qingting restore`: the database, the recordings as they lie encrypted, and on request
//! their keys, in a folder.
//!
//! **A backup without its manifest is not whole, and the manifest is written last**: what an interrupted one has
//! copied is kept, and the same command goes on with it. Nothing that is there is written over.

mod files;
mod manifest;
mod postgres;
mod restore;

pub use restore::run as restore;

use crate::cli;
use crate::clock::Clock;
use crate::config::{Config, secrets};
use crate::{clock, database, home, serve};
use anyhow::{Context, Result, bail};
use indicatif::{HumanBytes, ProgressBar};
use manifest::{Copied, Fault, Journal, Kind, MANIFEST, Manifest, What};
use qingting_store::{Counts, DatabaseUrl, KnownRecording, Place, Source, china};
use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Files of the data folder that are the server's own and come back with it, where they are in the backup.
const OWN_FILES: [&str; 3] = [home::SERVER_ID, serve::FEED_SECRET_FILE, serve::RECORDING_KEY_FILE];
/// Who stands in the audit.
const HERE: &str = "command line";
/// The folder of recordings in a backup.
const RECORDINGS: &str = "recordings";
/// Faults that are told; the rest is counted.
const FAULTS_TOLD: usize = 20;
/// How often the sign of life moves.
const TICK: Duration = Duration::from_millis(120);

/// `qingting backup`: works beside a running server.
pub fn run(args: &cli::Backup) -> Result<ExitCode> {
    let config = Config::load(&home::path(&args.config))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(make(&config, args))
}

async fn make(config: &Config, args: &cli::Backup) -> Result<ExitCode> {
    let began = Clock::start();
    let dir = args.dir.as_path();
    let place = database::existing(config)?;
    check_folder(dir)?;
    let mut source = Source::open(place.clone()).await?;
    // What is needed is asked for before anything is written.
    let tool = match &place {
        Place::File(_) => None,
        Place::Server(url) => {
            let major = source.server_major().await?;
            Some((postgres::find("pg_dump", major)?, url, major))
        }
    };
    home::closed_dir(dir)?;
    let mut journal = Journal::open(dir)?;
    source.note(HERE, "backup.make", &dir.display().to_string()).await?;

    let made_at = china::of(clock::unix_now()).rfc3339();
    let server = home::known_server_name(&config.data.dir)?;
    let (kind, counts, known) = match &tool {
        None => {
            let (counts, known) = copy_file(&mut source, dir, server.as_deref()).await?;
            (Kind::Sqlite, counts, known)
        }
        Some((tool, url, _)) => {
            let (counts, known) = dump(&mut source, tool, url, dir, server.as_deref()).await?;
            (Kind::Postgresql, counts, known)
        }
    };
    let (bytes, sha256) = files::hash(&dir.join(kind.file()))?;
    journal.note(Copied { path: kind.file().to_owned(), bytes, sha256 })?;

    let faults = recordings(config, &mut source, dir, &known, &mut journal).await?;
    let with_keys = few(config, dir, args.with_keys, &mut journal)?;
    source.close().await?;
    crate::crash::point("backup-copied");
    let wanted: HashSet<String> = known.iter().map(|of| below(&of.file)).collect();
    let is_wanted = |path: &str| {
        [kind.file(), home::SERVER_ID, serve::FEED_SECRET_FILE].contains(&path)
            || (with_keys && path == serve::RECORDING_KEY_FILE)
            || wanted.contains(path)
    };
    let manifest = Manifest {
        format: Manifest::format(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        database: kind,
        schema: counts.schema,
        postgresql: tool.map(|(_, _, major)| major),
        made_at,
        calls: counts.of.calls,
        tickets: counts.of.tickets,
        past_tickets: counts.of.past_tickets,
        recordings: counts.of.recordings,
        with_keys,
        secrets_left_out: left_out(config, with_keys),
        faults,
        files: journal.finish(dir, is_wanted)?,
    };
    manifest.write(dir)?;
    Journal::remove(dir)?;
    tell(&manifest, dir, Duration::from_millis(began.now().0));
    tell_spool(config)?;
    Ok(ExitCode::SUCCESS)
}

/// A new folder, an empty one, or one of an interrupted backup.
fn check_folder(dir: &Path) -> Result<()> {
    if dir.join(MANIFEST).exists() {
        bail!("{} holds a whole backup already: give a new folder", dir.display());
    }
    if Journal::is_in(dir) {
        println!("Going on with the interrupted backup in {} …", dir.display());
        return Ok(());
    }
    let is_empty = match std::fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if !is_empty {
        bail!("{} is no empty folder: give a new one", dir.display());
    }
    Ok(())
}

/// What the copy holds.
struct Counted {
    schema: i64,
    of: Counts,
}

type Database = (Counted, Vec<KnownRecording>);

/// The path of a recording in a backup.
fn below(file: &str) -> String {
    format!("{RECORDINGS}/{file}")
}

/// SQLite's file of this moment.
async fn copy_file(source: &mut Source, dir: &Path, server: Option<&str>) -> Result<Database> {
    let part = dir.join(format!("{}.part", Kind::Sqlite.file()));
    if part.exists() {
        std::fs::remove_file(&part).with_context(|| format!("cannot remove {}", part.display()))?;
    }
    let bar = spinner("Copying the database");
    source.copy_to(&part).await.context("cannot copy the database")?;
    bar.finish_and_clear();
    let mut copy = Source::open(Place::File(part.clone())).await?;
    let counted = Counted { schema: copy.schema(), of: copy.counts().await? };
    let known = copy.recordings(server).await?;
    copy.close().await?;
    settle(&part, &dir.join(Kind::Sqlite.file()))?;
    Ok((counted, known))
}

/// PostgreSQL's database of this moment.
async fn dump(
    source: &mut Source,
    tool: &postgres::Tool,
    url: &DatabaseUrl,
    dir: &Path,
    server: Option<&str>,
) -> Result<Database> {
    let snapshot = source.freeze().await?;
    let counted = Counted { schema: source.schema(), of: source.counts().await? };
    let known = source.recordings(server).await?;
    let part = dir.join(format!("{}.part", Kind::Postgresql.file()));
    let bar = spinner("Copying the database");
    let args =
        ["--format=custom", "--no-owner", "--no-privileges", "--snapshot", &snapshot, "--file"];
    tool.run(url, &args, &part, &bar)?;
    bar.finish_and_clear();
    source.thaw().await?;
    settle(&part, &dir.join(Kind::Postgresql.file()))?;
    Ok((counted, known))
}

fn spinner(title: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(title);
    bar.enable_steady_tick(TICK);
    bar
}

/// What is written whole gets its name.
fn settle(part: &Path, path: &Path) -> Result<()> {
    let settled = || {
        std::fs::set_permissions(part, std::fs::Permissions::from_mode(0o600))?;
        std::fs::File::open(part)?.sync_all()?;
        std::fs::rename(part, path)
    };
    settled().with_context(|| format!("cannot write {}", path.display()))
}

/// Copies the recordings that the database knows; gives what is wrong with them.
async fn recordings(
    config: &Config,
    source: &mut Source,
    dir: &Path,
    known: &[KnownRecording],
    journal: &mut Journal,
) -> Result<Vec<Fault>> {
    let root = home::recordings(config);
    let length =
        |of: &KnownRecording| root.join(&of.file).metadata().map_or(0, |about| about.len());
    let bar = files::bar("Recordings", known.iter().map(length).sum())?;
    let mut faults = Vec::new();
    for of in known {
        let fault = |what| Fault { file: of.file.clone(), what };
        let (from, path) = (root.join(&of.file), below(&of.file));
        let to = dir.join(&path);
        match journal.of(&path) {
            Some(copied) if files::is_same(&from, &to) => bar.inc(copied.bytes),
            _ => {
                to.parent().map_or(Ok(()), home::private_dir)?;
                match files::copy(&from, &to, path, &bar)? {
                    Some(copied) => journal.note(copied)?,
                    None => {
                        // One that a crash left may never have begun; others may be over their time by now.
                        if of.proof.is_some() && !source.is_deleted(&of.file).await? {
                            faults.push(fault(What::Missing));
                        }
                        continue;
                    }
                }
            }
        }
        if let Some(proof) = &of.proof
            && !files::is_proved(&to, proof)?
        {
            faults.push(fault(What::Changed));
        }
    }
    bar.finish_and_clear();
    Ok(faults)
}

/// Files with secrets that the configuration names: they are the operator's to keep.
fn left_out(config: &Config, with_keys: bool) -> BTreeMap<String, PathBuf> {
    let is_in = |setting: &str| with_keys && setting == "recording.key_file";
    secrets(config).into_iter().filter(|(setting, _)| !is_in(setting)).collect()
}

/// The server's name, by which its calls are its own, what its log of changes is signed with, and on request the keys;
/// gives whether they are there.
fn few(config: &Config, dir: &Path, with_keys: bool, journal: &mut Journal) -> Result<bool> {
    let keys = if with_keys { serve::recording_key_file(config) } else { None };
    let name = config.data.dir.join(home::SERVER_ID);
    // Who follows the log believes no other; one that the configuration names is not ours.
    let own = config.feed.secret_file.as_os_str().is_empty();
    let feed = own.then(|| config.data.dir.join(serve::FEED_SECRET_FILE));
    let is_there = keys.is_some();
    for (from, path) in [Some(name), feed, keys].into_iter().zip(OWN_FILES) {
        let Some(from) = from else { continue };
        let copied = files::copy(&from, &dir.join(path), path.to_owned(), &ProgressBar::hidden())?;
        copied.map_or(Ok(()), |copied| journal.note(copied))?;
    }
    Ok(is_there)
}

fn tell(manifest: &Manifest, dir: &Path, took: Duration) {
    let recordings = manifest.files.iter().filter(|file| file.path.starts_with(RECORDINGS)).count();
    let bytes = manifest.files.iter().map(|file| file.bytes).sum();
    println!(
        "{}: {} calls, {} tickets, {} past tickets, {recordings} recordings, {}, in {:.1} s",
        dir.display(),
        manifest.calls,
        manifest.tickets,
        manifest.past_tickets,
        HumanBytes(bytes),
        took.as_secs_f64()
    );
    tell_faults(&manifest.faults);
    for (setting, path) in &manifest.secrets_left_out {
        println!("Not in it: {} ({setting}). Keep a copy elsewhere.", path.display());
    }
    if manifest.with_keys {
        println!(
            "WARNING: {} is in it, so that whoever has this folder hears every recording. Keep it as you keep the key.",
            serve::RECORDING_KEY_FILE
        );
    } else if manifest.files.iter().any(|file| file.path.ends_with(".qtr")) {
        println!(
            "The key of the recordings is not in it: keep a copy of it elsewhere, without it no recording can be heard."
        );
    }
}

/// What is not in the database yet is not in the backup.
fn tell_spool(config: &Config) -> Result<()> {
    let folder = config.data.dir.join(serve::SPOOL_FOLDER);
    let left = serve::SpoolLeft::look(&folder)
        .with_context(|| format!("cannot look into {}", folder.display()))?;
    if left.entries > 0 {
        println!(
            "WARNING: {} writes of {} calls wait in {} for the database and are not in it: make another once the server \
             has written them.",
            left.entries,
            left.calls,
            folder.display()
        );
    }
    if left.refused_calls > 0 {
        println!(
            "Not in it: what the database has refused of {} calls, in {}.",
            left.refused_calls,
            folder.display()
        );
    }
    Ok(())
}

fn tell_faults(faults: &[Fault]) {
    for Fault { file, what } in faults.iter().take(FAULTS_TOLD) {
        match what {
            What::Missing => println!("MISSING  {file}"),
            What::Changed => println!("CHANGED  {file}  it is not what the database knows"),
        }
    }
    if faults.len() > FAULTS_TOLD {
        println!("… and {} more", faults.len() - FAULTS_TOLD);
    }
}
