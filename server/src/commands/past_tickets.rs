//! `qingting tickets import`: past tickets of another system, to be found beside our own.

use super::columns;
use crate::cli;
use crate::clock::Clock;
use crate::config::Config;
use crate::{database, home};
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use qingting_nlu::history;
use qingting_store::{PastImport, Store};
use std::process::ExitCode;

/// Who stands in the audit.
const BY: &str = "command line";

/// Works beside a running server.
pub fn run(args: &cli::TicketsImport) -> Result<ExitCode> {
    let config = Config::load(&home::path(&args.config))?;
    let bytes = std::fs::read(&args.file)
        .with_context(|| format!("cannot read {}", args.file.display()))?;
    let table = qingting_workbook::table(&args.file.display().to_string(), &bytes)?;
    drop(bytes);
    let map = columns::map(&args.map, history::fields())?;
    let tickets = history::from_table(&table, &map, crate::clock::unix_now())
        .with_context(|| format!("nothing of {} was imported", args.file.display()))?;
    drop(table);
    if tickets.is_empty() {
        bail!("{} has no rows", args.file.display());
    }
    let name = args.file.file_name().unwrap_or(args.file.as_os_str()).to_string_lossy();
    let import = PastImport { file: name.into_owned(), by: BY.to_owned(), tickets };
    home::private_dir(&config.data.dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = database::open(&config).await?;
        let done = take(&store, import).await;
        store.close().await;
        done
    })
}

async fn take(store: &Store, import: PastImport) -> Result<ExitCode> {
    let began = Clock::start();
    let style = ProgressStyle::with_template("Tickets [{bar:30}] {pos}/{len} {eta}")?;
    let bar = ProgressBar::new(import.tickets.len() as u64).with_style(style);
    let done = store.import_past_tickets(import, |rows| bar.inc(rows as u64)).await;
    bar.finish_and_clear();
    let done = done.context("nothing was imported")?;
    println!(
        "{} new, {} known already, in {:.1} s",
        done.new,
        done.known,
        began.now().0 as f64 / 1_000.0
    );
    Ok(ExitCode::SUCCESS)
}
