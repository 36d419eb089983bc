//! Takes over another ticket model while calls run.

use super::Hotline;
use crate::commands::ticket_models::{Pointer, TicketModels};
use anyhow::Result;
use qingting_nlu::classifier::TicketModel;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked which model is in use.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Runs until it is aborted. A model that cannot be read is told of once, and the old one stays.
pub async fn run(hotline: Arc<Hotline>, mut known: Pointer) {
    if !hotline.config.nlu.category_model.as_os_str().is_empty() {
        return;
    }
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        // What cannot be read now can be at the next look.
        let Some(now) = models(&hotline).pointer().ok().filter(|now| *now != known) else {
            continue;
        };
        let version = now.version.clone();
        known = now;
        match load(&hotline, version.clone()).await {
            Ok(model) => {
                hotline.reader().replace_model(model);
                tracing::info!(version, "another ticket model is in use");
            }
            Err(error) => {
                tracing::error!(
                    version,
                    error = format!("{error:#}"),
                    "the ticket model cannot be used, the old one stays"
                );
            }
        }
    }
}

fn models(hotline: &Hotline) -> TicketModels {
    TicketModels::below(&hotline.config.data.models)
}

/// Away from the runtime: a model has tens of megabytes.
async fn load(hotline: &Arc<Hotline>, version: String) -> Result<TicketModel> {
    let hotline = Arc::clone(hotline);
    tokio::task::spawn_blocking(move || models(&hotline).load(&version)).await?
}
