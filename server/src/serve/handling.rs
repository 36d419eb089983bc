//! How the city handles tickets (办理), as the configuration says.

use super::relay::secrets;
use crate::config::Config;
use anyhow::Result;
use qingting_api::HandlingRules;

/// The campaign of closed tickets, and who may report what became of them.
pub fn rules(config: &Config) -> Result<HandlingRules> {
    let file = &config.ticket_system.secret_file;
    let is_set = !file.as_os_str().is_empty();
    let reporter = is_set.then(|| secrets("ticket_system.secret_file", file)).transpose()?;
    let campaign = &config.callbacks.campaign_of_closed;
    let campaign_of_closed = (!campaign.is_empty()).then(|| campaign.clone());
    Ok(HandlingRules { campaign_of_closed, reporter })
}
