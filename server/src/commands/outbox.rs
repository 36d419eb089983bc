//! `qingting outbox`, and `qingting tickets dry-run`: what waits for the ticket system.

use crate::cli::{self, OutboxStateName};
use crate::clock;
use crate::config::Config;
use crate::serve::relay::Link;
use crate::{database, home};
use anyhow::{Context, Result, bail};
use qingting_store::keys::ADMIN;
use qingting_store::{OutboxQuery, OutboxRow, OutboxState, PAGE_ROWS_MAX, Store, china};
use std::process::ExitCode;

/// `qingting outbox`: works beside a running server, too.
pub fn run(command: &cli::Outbox) -> Result<ExitCode> {
    let (cli::Outbox::List(cli::OutboxList { config, .. })
    | cli::Outbox::Retry(cli::OutboxRetry { config, .. })
    | cli::Outbox::Discard(cli::OutboxDiscard { config, .. })) = command;
    let config = Config::load(&home::path(config))?;
    with_store(&config, async |store| match command {
        cli::Outbox::List(args) => list(store, args).await,
        cli::Outbox::Retry(args) => retry(store, args).await,
        cli::Outbox::Discard(args) => {
            if !store.discard_outbox(args.id, ADMIN).await? {
                bail!("message {} is not parked", args.id);
            }
            println!("Message {} is never sent; those behind it go on.", args.id);
            Ok(ExitCode::SUCCESS)
        }
    })
}

fn with_store<T>(config: &Config, work: impl AsyncFnOnce(&Store) -> Result<T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = database::open_existing(config).await?;
        let done = work(&store).await;
        store.close().await;
        done
    })
}

async fn list(store: &Store, args: &cli::OutboxList) -> Result<ExitCode> {
    let totals = store.outbox_totals().await?;
    println!("{} wait, {} are parked.", totals.pending, totals.parked);
    let state = args.state.map(|OutboxStateName(state)| state);
    store.audit(ADMIN, "outbox.list", state.map_or("all", OutboxState::as_str)).await?;
    let limit = args.limit.unwrap_or(50);
    let query = OutboxQuery { limit, state, ..OutboxQuery::default() };
    for row in store.outbox(&query).await? {
        let at = china::of(row.created_at);
        let (state, OutboxRow { id, kind, stream, tries, .. }) = (row.state.as_str(), &row);
        println!("{id:>8}  {at}  {state:<9} {kind:<18} {stream}  {tries} failed");
        if let Some(error) = &row.last_error {
            println!("          {}", error.expose());
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn retry(store: &Store, args: &cli::OutboxRetry) -> Result<ExitCode> {
    let Some(id) = args.id else {
        let retried = store.retry_parked_outbox(ADMIN).await?;
        println!("{retried} parked messages are tried again.");
        return Ok(ExitCode::SUCCESS);
    };
    if !store.retry_outbox(id, ADMIN).await? {
        bail!("message {id} neither waits nor is parked");
    }
    println!("Message {id} is tried again.");
    Ok(ExitCode::SUCCESS)
}

/// `qingting tickets dry-run`: the newest messages as they would be sent; nothing is sent. Fails when one
/// of them cannot be written as the mapping wants it.
pub fn dry_run(args: &cli::DryRun) -> Result<ExitCode> {
    let mut config = Config::load(&home::path(&args.config))?;
    if let Some(mapping) = &args.mapping {
        config.ticket_system.mapping_file.clone_from(mapping);
    }
    let link = Link::new(&config.ticket_system)?
        .context("ticket_system.url is empty: nothing is sent anywhere")?;
    with_store(&config, async |store| {
        store.audit(ADMIN, "outbox.dry_run", "command line").await?;
        let query =
            OutboxQuery { limit: PAGE_ROWS_MAX, newest_first: true, ..OutboxQuery::default() };
        let mut rows = store.outbox(&query).await?;
        rows.retain(|row| link.sends(&row.kind));
        rows.truncate(args.limit);
        if rows.is_empty() {
            println!("No message of the kinds in ticket_system.kinds was written yet.");
        }
        let mut code = ExitCode::SUCCESS;
        for row in rows {
            if let Err(why) = show(store, &link, &row).await {
                println!("── {} {}: cannot be sent\n{why}\n", row.kind, row.key);
                code = ExitCode::FAILURE;
            }
        }
        Ok(code)
    })
}

async fn show(store: &Store, link: &Link, row: &OutboxRow) -> Result<(), String> {
    let outgoing = link.outgoing(store, row).await;
    let outgoing = outgoing.map_err(|error| error.with_value().into_inner())?;
    println!("── {} {}\nPOST {}", row.kind, row.key, link.system.address(&outgoing));
    for (name, value) in link.system.headers(&outgoing, clock::unix_now()) {
        println!("{name}: {value}");
    }
    let body: serde_json::Value =
        serde_json::from_slice(outgoing.body.expose()).map_err(|error| error.to_string())?;
    println!("\n{body:#}\n");
    let empty = link.empty(store, row).await.map_err(|error| error.with_value().into_inner())?;
    if !empty.is_empty() {
        println!("Ours has nothing for: {}\n", empty.join(", "));
    }
    Ok(())
}
