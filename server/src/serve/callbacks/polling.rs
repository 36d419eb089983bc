//! Closed tickets that are fetched from the ticket system.
//!
//! What a page holds and where the next one begins are kept in one transaction: a crash repeats a page, whose
//! events are known then, and loses none.

use super::INTAKE_SECRET;
use crate::clock;
use crate::serve::Hotline;
use crate::serve::relay::secrets;
use anyhow::{Context, Result};
use qingting_callbacks::intake::ClosedTicket;
use qingting_store::{NewFollowUp, Polled};
use qingting_tickets::{Page, TicketSystem};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// Longest wait for a page.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Runs until it is aborted.
pub async fn run(hotline: Arc<Hotline>) {
    let every = Duration::from_secs(hotline.config.callbacks.poll_every_s);
    if hotline.config.callbacks.poll_url.is_empty() {
        return;
    }
    let mut is_failing = false;
    while !hotline.callbacks.is_stopped() {
        let polled = {
            let (hotline, runtime) = (Arc::clone(&hotline), Handle::current());
            tokio::task::spawn_blocking(move || poll(&hotline, &runtime)).await
        };
        match polled.map_err(anyhow::Error::from).flatten() {
            Ok(has_more) => {
                if std::mem::take(&mut is_failing) {
                    tracing::info!("closed tickets are fetched again");
                }
                if has_more {
                    continue;
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    let error = format!("{error:#}");
                    tracing::error!(error, "closed tickets cannot be fetched; it is tried again");
                }
            }
        }
        tokio::time::sleep(every).await;
    }
}

/// Fetches what is new; whether there is more. Blocks.
fn poll(hotline: &Arc<Hotline>, runtime: &Handle) -> Result<bool> {
    let settings = &hotline.config.callbacks;
    let secrets = secrets(INTAKE_SECRET, &settings.intake_secret_file)?;
    let url = settings.poll_url.as_str();
    let client = hotline.config.ticket_system.client();
    let system = TicketSystem::new(url, secrets, ANSWER_WITHIN).with_client(client);
    let after = runtime.block_on(hotline.store.poll_cursor(url))?;
    let take = |page| runtime.block_on(take(hotline, page));
    Ok(system.poll(url, after, clock::unix_now, take)?)
}

async fn take(hotline: &Hotline, page: Page) -> Result<()> {
    let settings = &hotline.config.callbacks;
    let campaign = hotline.store.campaign(&settings.intake_campaign).await?;
    let campaign = campaign.with_context(|| {
        format!("callbacks.intake_campaign: there is no campaign {:?}", settings.intake_campaign)
    })?;
    let items = page.items.into_inner();
    let count = items.len();
    let tickets: Vec<NewFollowUp> =
        items.into_iter().enumerate().filter_map(|(place, item)| read(place, item)).collect();
    let polled = Polled { url: settings.poll_url.clone(), next: page.next };
    let imported =
        hotline.store.import_polled(campaign.id, tickets, polled, clock::unix_now()).await?;
    if imported.new + imported.released > 0 {
        tracing::info!(
            count,
            new = imported.new,
            released = imported.released,
            "closed tickets came in"
        );
    }
    Ok(())
}

/// One that is wrong holds up nobody behind it.
fn read(place: usize, item: Value) -> Option<NewFollowUp> {
    let ticket: ClosedTicket = match serde_json::from_value(item) {
        Ok(ticket) => ticket,
        // The message may quote the value.
        Err(_) => {
            tracing::error!(
                place,
                "an item of the list of closed tickets is not what a closed ticket has"
            );
            return None;
        }
    };
    match ticket.checked() {
        Ok(ticket) => Some(ticket.into()),
        Err(fault) => {
            tracing::error!(
                place,
                field = fault.field,
                what = fault.what,
                "a closed ticket is left out"
            );
            None
        }
    }
}
