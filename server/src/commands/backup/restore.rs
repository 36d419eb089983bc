//! `qingting restore`: a backup comes back to where there is nothing yet.
//!
//! **Every file is read and compared with the manifest before the first one is in its place**: a damaged backup
//! leaves the target as it was.

use super::files;
use super::manifest::{Copied, Fault, Kind, Manifest, What};
use super::{HERE, OWN_FILES, RECORDINGS, postgres, spinner, tell_faults};
use crate::cli;
use crate::clock::Clock;
use crate::config::Config;
use crate::{database, home, serve};
use anyhow::{Context, Result, bail, ensure};
use qingting_store::{CampaignState, Counts, Place, Source, Store, backup};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where files wait until all are there, in the data folder.
const STAGE: &str = "restore.part";
/// Damaged files that are named.
const DAMAGED_TOLD: usize = 20;

/// `qingting restore`.
pub fn run(args: &cli::Restore) -> Result<ExitCode> {
    let config = Config::load(&home::path(&args.config))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(bring_back(&config, &args.dir, args.files_only))
}

async fn bring_back(config: &Config, dir: &Path, files_only: bool) -> Result<ExitCode> {
    let began = Clock::start();
    let manifest = Manifest::read(dir)?;
    let place = database::place(config)?;
    let tool = match files_only {
        true => {
            ensure!(
                matches!(place, Place::Server(_)),
                "--files-only is for a database of its own: SQLite's is a file among the others"
            );
            None
        }
        false => check_database(&manifest, &place).await?,
    };
    check_files(config, &manifest, &place, dir)?;
    home::private_dir(&config.data.dir)?;
    let held = home::hold(&config.data.dir)?;
    let stage = Stage::new(config)?;
    stage.take(dir, &manifest)?;
    match (&place, tool) {
        _ if files_only => {}
        (Place::Server(url), Some(tool)) => {
            let bar = spinner("Bringing the database back");
            let args = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"];
            tool.run(url, &args, &stage.0.join(manifest.database.file()), &bar)?;
            bar.finish_and_clear();
        }
        (Place::File(file), _) => stage.settle(manifest.database.file(), file)?,
        (Place::Server(_), None) => bail!("no pg_restore"),
    }
    // First of all that takes time: whoever starts the server in spite of an interruption calls nobody again.
    match files_only {
        true => note(&place, &manifest, dir).await?,
        false => wake(&place, &manifest, dir).await?,
    }
    for name in OWN_FILES {
        if stage.0.join(name).exists() {
            stage.settle(name, &config.data.dir.join(name))?;
        }
    }
    if stage.0.join(RECORDINGS).exists() {
        let root = home::recordings(config);
        if root.exists() {
            std::fs::remove_dir(&root).context("cannot put the recordings in their place")?;
        }
        stage.settle(RECORDINGS, &root)?;
    }
    drop(stage);

    let (counts, verified, faults) = verify(config, &place).await?;
    drop(held);
    println!(
        "Restored {} of {} in {:.1} s: {} calls, {} tickets, {} past tickets; {verified} recordings verified",
        if files_only { "the files of the backup" } else { "the backup" },
        manifest.made_at,
        began.now().0 as f64 / 1_000.0,
        counts.calls,
        counts.tickets,
        counts.past_tickets,
    );
    let is_same = (counts.calls, counts.tickets) == (manifest.calls, manifest.tickets);
    ensure!(
        is_same || files_only,
        "the backup had {} calls and {} tickets: something else writes into this database",
        manifest.calls,
        manifest.tickets
    );
    let (old, new): (Vec<Fault>, Vec<Fault>) =
        faults.into_iter().partition(|fault| manifest.faults.contains(fault));
    if !old.is_empty() {
        println!("{} were so already when the backup was made:", old.len());
        tell_faults(&old);
    }
    tell_faults(&new);
    tell_keys(config, &manifest);
    tell_secrets(&manifest);
    Ok(if new.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// No file of ours may be there.
fn check_files(config: &Config, manifest: &Manifest, place: &Place, dir: &Path) -> Result<()> {
    let known = backup::newest_schema(place);
    ensure!(
        manifest.schema <= known,
        "{} has schema version {}, this program knows up to {known}: run the newer program ({} wrote it)",
        dir.display(),
        manifest.schema,
        manifest.program
    );
    let recordings = home::recordings(config);
    let is_filled =
        std::fs::read_dir(&recordings).is_ok_and(|mut entries| entries.next().is_some());
    let data = &config.data.dir;
    let mut there = vec![(is_filled, recordings)];
    // What an earlier database did not take would be written into this one.
    let spool = data.join(serve::SPOOL_FOLDER);
    let waits = std::fs::read_dir(&spool).is_ok_and(|mut entries| entries.next().is_some());
    there.push((waits, spool));
    // Those of a server that has started and has no calls yet are made anew by nobody.
    for name in OWN_FILES {
        let (own, kept) = (data.join(name), dir.join(name));
        let is_other = own.exists()
            && manifest.files.iter().any(|file| file.path == name)
            && std::fs::read(&own).ok() != std::fs::read(&kept).ok();
        there.push((is_other, own));
    }
    if let Place::File(file) = place {
        // A journal that another database has left would be played into this one.
        for end in ["", "-wal", "-shm", "-journal"] {
            let mut name = file.clone().into_os_string();
            name.push(end);
            let beside = PathBuf::from(name);
            there.push((beside.exists(), beside));
        }
    }
    match there.iter().find(|(is_there, _)| *is_there) {
        Some((_, path)) => bail!(
            "{} is there already, and a restore writes over nothing: move it away, or give another data.dir",
            path.display()
        ),
        None => Ok(()),
    }
}

/// The backup's kind of database, and an empty one.
async fn check_database(manifest: &Manifest, place: &Place) -> Result<Option<postgres::Tool>> {
    match (manifest.database, place) {
        (Kind::Sqlite, Place::File(_)) => Ok(None),
        (Kind::Postgresql, Place::Server(url)) => {
            let (is_empty, major) = backup::look(place).await?;
            ensure!(
                is_empty,
                "the database {url} is not empty: create a new one, and name it in the configuration; where only this \
                 server's data folder was lost, --files-only brings that back"
            );
            let wanted = major.max(manifest.postgresql.unwrap_or_default());
            postgres::find("pg_restore", wanted).map(Some)
        }
        (Kind::Sqlite, Place::Server(url)) => bail!(
            "the backup is of SQLite, and the configuration means {url}: leave DATABASE_URL and data.database_url_file empty"
        ),
        (Kind::Postgresql, Place::File(_)) => bail!(
            "the backup is of PostgreSQL: name an empty database in DATABASE_URL or data.database_url_file"
        ),
    }
}

/// The folder in which files wait; gone when dropped.
struct Stage(PathBuf);

impl Stage {
    fn new(config: &Config) -> Result<Self> {
        let path = config.data.dir.join(STAGE);
        if path.exists() {
            // Of a restore that was interrupted.
            std::fs::remove_dir_all(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
        home::private_dir(&path)?;
        Ok(Self(path))
    }

    /// Takes every file of the backup; names those that are not what was copied.
    fn take(&self, dir: &Path, manifest: &Manifest) -> Result<()> {
        let bar = files::bar("Files", manifest.files.iter().map(|file| file.bytes).sum())?;
        let mut damaged = Vec::new();
        let mut made = HashSet::new();
        for file in &manifest.files {
            let to = self.0.join(&file.path);
            if let Some(folder) = to.parent()
                && made.insert(folder.to_owned())
            {
                home::private_dir(folder)?;
            }
            let from = dir.join(&file.path);
            match files::copy(&from, &to, file.path.clone(), &bar)? {
                None => damaged.push(format!("{} is missing", file.path)),
                Some(copied) if copied != *file => damaged.push(difference(&copied, file)),
                Some(_) => {}
            }
        }
        bar.finish_and_clear();
        if damaged.is_empty() {
            return Ok(());
        }
        let more = damaged.len().saturating_sub(DAMAGED_TOLD);
        damaged.truncate(DAMAGED_TOLD);
        if more > 0 {
            damaged.push(format!("… and {more} more"));
        }
        bail!(
            "{} is damaged, and nothing was restored: {}. Take another backup",
            dir.display(),
            damaged.join("; ")
        );
    }

    fn settle(&self, name: &str, to: &Path) -> Result<()> {
        let moved = std::fs::rename(self.0.join(name), to);
        moved.with_context(|| format!("cannot put {} in its place", to.display()))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What stays is removed by the next restore.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn difference(is: &Copied, was: &Copied) -> String {
    match is.bytes == was.bytes {
        true => format!("{} was changed", was.path),
        false => format!("{} has {} bytes, not {}", was.path, is.bytes, was.bytes),
    }
}

/// Compares every recording with what the database knows of it: what it holds, how many are as they were
/// recorded, and what is wrong with the others.
async fn verify(config: &Config, place: &Place) -> Result<(Counts, u64, Vec<Fault>)> {
    let mut source = Source::open(place.clone()).await?;
    let counts = source.counts().await?;
    let server = home::known_server_name(&config.data.dir)?;
    let known = source.recordings(server.as_deref()).await?;
    source.close().await?;
    let bar = files::bar("Verifying", known.len() as u64)?;
    bar.set_style(indicatif::ProgressStyle::with_template(
        "{prefix} [{bar:30}] {pos}/{len} {eta}",
    )?);
    let (mut verified, mut faults) = (0, Vec::new());
    for of in known {
        bar.inc(1);
        // Calls that ran when the backup was made: the server closes their recordings when it starts.
        let Some(proof) = of.proof else { continue };
        let path = home::recordings(config).join(&of.file);
        let what = match path.exists() {
            false => What::Missing,
            // One that cannot be read is no proof either, and the others are still looked at.
            true if !files::is_proved(&path, &proof).unwrap_or(false) => What::Changed,
            true => {
                verified += 1;
                continue;
            }
        };
        faults.push(Fault { file: of.file, what });
    }
    bar.finish_and_clear();
    Ok((counts, verified, faults))
}

/// Says in the audit that this server's files came back.
async fn note(place: &Place, manifest: &Manifest, dir: &Path) -> Result<()> {
    let store = Store::open(place.clone()).await?;
    let subject = format!("files of {} of {}", dir.display(), manifest.made_at);
    store.audit(HERE, "backup.restore", &subject).await?;
    store.close().await;
    Ok(())
}

/// Brings the schema up to date and holds callbacks: nobody knows here whom they reached since the backup.
async fn wake(place: &Place, manifest: &Manifest, dir: &Path) -> Result<()> {
    let store = Store::open(place.clone()).await?;
    let subject = format!("{} of {}", dir.display(), manifest.made_at);
    store.audit(HERE, "backup.restore", &subject).await?;
    store.log_restored(crate::clock::unix_now()).await?;
    for campaign in store.campaigns().await? {
        if campaign.state != CampaignState::Running {
            continue;
        }
        let (paused, now) = (Some(CampaignState::Paused), crate::clock::unix_now());
        store.change_campaign(campaign.id, None, None, paused, HERE, now).await?;
        println!(
            "Campaign {0} is paused: who was called since the backup would be called again. \
             `qingting callbacks run {0}` goes on with it.",
            campaign.name
        );
    }
    store.close().await;
    Ok(())
}

fn tell_keys(config: &Config, manifest: &Manifest) {
    let is_sealed = manifest.files.iter().any(|file| file.path.ends_with(".qtr"));
    if is_sealed && !matches!(serve::recording_keys(config), Ok(Some(_))) {
        let named = &config.recording.key_file;
        let own = config.data.dir.join(serve::RECORDING_KEY_FILE);
        println!(
            "There is no key of the recordings here: put your copy to {} before the server starts, which would \
             make another.",
            if named.as_os_str().is_empty() { &own } else { named }.display()
        );
    }
}

/// What the backup did not hold and is not here either.
fn tell_secrets(manifest: &Manifest) {
    for (setting, path) in manifest.secrets_left_out.iter().filter(|(_, path)| !path.exists()) {
        println!(
            "The backup did not hold {} ({setting}): put your copy there, or name another in the configuration.",
            path.display()
        );
    }
}
