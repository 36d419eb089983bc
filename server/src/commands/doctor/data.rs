//! What the server keeps: database, recordings' key, models.

use super::{Finding, Verdict};
use crate::cli::ModelsDir;
use crate::config::Config;
use crate::{commands, database, serve};
use qingting_store::StoreError;
use qingting_store::backup::{Source, newest_schema};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Longest wait for the database.
const DATABASE_MAX: Duration = Duration::from_secs(10);
/// Answers that take longer make every call's first words late.
const DATABASE_SLOW: Duration = Duration::from_millis(50);

pub async fn look(config: &Config) -> Vec<Finding> {
    let mut findings = vec![of_database(config).await];
    if database::is_told_to_others(config) {
        let found = format!("others may read {}", config.data.database_url_file.display());
        findings.push(Finding::warning("database's password", found, "chmod o= it"));
    }
    findings.extend(campaign(config).await);
    findings.push(spool(config));
    findings.extend(key(config));
    findings.push(models(config));
    findings
}

async fn of_database(config: &Config) -> Finding {
    let what = "database";
    let place = match database::existing(config) {
        Ok(place) => place,
        Err(error) => {
            let remedy = match config.data.database_url_file.as_os_str().is_empty() {
                true => "start the server once",
                false => {
                    "data.database_url_file: a file of the server's user with mode 600 (docs/database.md)"
                }
            };
            return Finding::warning(what, format!("{error:#}"), remedy);
        }
    };
    let shown = place.to_string();
    let newest = newest_schema(&place);
    let asked = async {
        let mut source = Source::open(place).await?;
        let schema = source.schema();
        let began = Instant::now();
        let counts = source.counts().await?;
        let took = began.elapsed();
        source.close().await?;
        Ok::<_, qingting_store::StoreError>((schema, counts, took))
    };
    let remedy = "docs/database.md says what it must allow; look at its log";
    match timeout(DATABASE_MAX, asked).await {
        Err(_) => Finding::bad(
            what,
            format!("{shown}: no answer within {} s", DATABASE_MAX.as_secs()),
            remedy,
        ),
        Ok(Err(error @ StoreError::Empty { .. })) => {
            Finding::warning(what, format!("{shown}: {error}"), "start the server once")
        }
        Ok(Err(error)) => Finding::bad(what, format!("{shown}: {error}"), remedy),
        Ok(Ok((schema, counts, took))) => {
            let found = format!(
                "{shown}: schema {schema} of {newest}, {} calls, {} tickets, counted in {} ms",
                counts.calls,
                counts.tickets,
                took.as_millis()
            );
            if schema < newest {
                return Finding::good(
                    what,
                    format!("{found}; the next start brings it up to date"),
                );
            }
            let remedy =
                "a disk or network beside others' work: the first words of calls come late";
            let is_quick = took < DATABASE_SLOW || counts.calls > 100_000;
            Finding::of(is_quick, Verdict::Warning, what, found, remedy)
        }
    }
}

/// The campaign of closed tickets: without it they have no follow-up.
async fn campaign(config: &Config) -> Option<Finding> {
    let named = &config.callbacks.campaign_of_closed;
    if named.is_empty() {
        return None;
    }
    let what = "follow-ups";
    let asked = async {
        let mut source = Source::open(database::existing(config).ok()?).await.ok()?;
        let is_there = source.has_campaign(named).await.ok()?;
        source.close().await.ok()?;
        Some(is_there)
    };
    // What is wrong with the database is told by its own finding.
    let is_there = timeout(DATABASE_MAX, asked).await.ok().flatten()?;
    let found = format!("callbacks.campaign_of_closed = {named:?}");
    Some(match is_there {
        true => Finding::good(what, found),
        false => Finding::warning(
            what,
            format!("{found}: no campaign that can take tickets has this name"),
            "make it (page 回访, or `qingting callbacks import`), or leave the setting empty",
        ),
    })
}

/// Writes of calls that wait for the database, or that it has refused.
fn spool(config: &Config) -> Finding {
    let what = "writes that wait";
    let folder = config.data.dir.join(serve::SPOOL_FOLDER);
    let shown = folder.display();
    let left = match serve::SpoolLeft::look(&folder) {
        Ok(left) => left,
        Err(error) => {
            let remedy = "the server keeps there what it cannot write into the database: look at the folder's owner and disk";
            return Finding::bad(what, format!("{shown}: {error}"), remedy);
        }
    };
    if left.refused_calls > 0 {
        let found =
            format!("{shown}: the database has refused writes of {} calls", left.refused_calls);
        return Finding::warning(what, found, "docs/operations.md, \"The database is away\"");
    }
    if left.entries > 0 {
        let found = format!(
            "{shown}: {} of {} calls, {} bytes; a running server writes them when the database is back, else its next start does",
            left.entries, left.calls, left.bytes
        );
        return Finding::warning(what, found, "look at the database");
    }
    Finding::good(what, "none".to_owned())
}

/// Without it no recording can be heard.
fn key(config: &Config) -> Option<Finding> {
    let what = "recordings' key";
    if !config.recording.enabled {
        return Some(Finding::warning(what, "calls are not recorded", "recording.enabled = true"));
    }
    let Some(file) = serve::recording_key_file(config) else {
        if serve::sealed_recordings_are_there(config) {
            let found = "there are recordings, and the key that they were sealed with is gone";
            let remedy = "put a copy back before the next start: docs/operations.md, \"The key of recordings\"";
            return Some(Finding::bad(what, found.to_owned(), remedy));
        }
        return Some(Finding::good(what, "made at the first start".to_owned()));
    };
    let shown = file.display().to_string();
    let metadata = match file.metadata() {
        Ok(metadata) => metadata,
        Err(error) => {
            let remedy =
                "look at recording.key_file: without the key nothing can be recorded or heard";
            return Some(Finding::bad(what, format!("{shown}: {error}"), remedy));
        }
    };
    if metadata.permissions().mode() & 0o077 != 0 {
        return Some(Finding::bad(what, format!("{shown}: others may read it"), "chmod 600 it"));
    }
    Some(Finding::good(what, format!("{shown}; keep a copy apart")))
}

fn models(config: &Config) -> Finding {
    let what = "models";
    let models = ModelsDir::of(config.data.models.clone());
    match commands::models::missing(&models) {
        Ok(missing) if missing.is_empty() => Finding::good(
            what,
            format!("all of the profile are in {}", config.data.models.display()),
        ),
        Ok(missing) => {
            let remedy =
                "qingting models fetch; without the Internet: qingting models import FOLDER";
            Finding::warning(what, format!("missing: {}", missing.join(", ")), remedy)
        }
        Err(error) => Finding::bad(what, format!("{error:#}"), "qingting models verify"),
    }
}
