//! How the city handles tickets (办理), as the configuration says.

use super::relay::secrets;
use crate::config::Config;
use anyhow::Result;
use qingting_api::HandlingRules;
use qingting_store::Store;

/// Says of a campaign that is named and not there: closed tickets would have no follow-up.
pub async fn look(config: &Config, store: &Store) -> Result<()> {
    let named = &config.callbacks.campaign_of_closed;
    let is_there = named.is_empty() || store.campaign(named).await?.is_some();
    if !is_there {
        tracing::warn!(campaign = %named, "callbacks.campaign_of_closed names no campaign: closed tickets have no follow-up until there is one");
    }
    Ok(())
}

/// The campaign of closed tickets, and who may report what became of them.
pub fn rules(config: &Config) -> Result<HandlingRules> {
    let file = &config.ticket_system.secret_file;
    let is_set = !file.as_os_str().is_empty();
    let reporter = is_set.then(|| secrets("ticket_system.secret_file", file)).transpose()?;
    let campaign = &config.callbacks.campaign_of_closed;
    let campaign_of_closed = (!campaign.is_empty()).then(|| campaign.clone());
    Ok(HandlingRules { campaign_of_closed, reporter })
}
