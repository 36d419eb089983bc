//! Takes over what is saved of the city's profile while calls run, by this server or another one of the database.

use super::Hotline;
use crate::commands::nlu;
use crate::config::Config;
use anyhow::Result;
use qingting_api::City;
use qingting_api::city::CityError;
use qingting_nlu::Reader;
use qingting_nlu::profile::Profile;
use qingting_store::Store;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How often it is looked whether another server has saved something.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What was saved before the start. Tables that are sound no more, such as places of a division that is gone, are
/// told, and the folder's count: calls are taken.
pub fn take_saved(app: &Runtime, city: &City, store: &Store) -> Result<()> {
    match app.block_on(city.refresh(store)) {
        Ok(()) => Ok(()),
        Err(CityError::Store(error)) => Err(error.into()),
        Err(error @ CityError::Profile(_)) => {
            tracing::error!("{error}");
            Ok(())
        }
    }
}

/// What reads calls by the profile of now.
pub fn reader(config: &Config, city: &City) -> Result<Reader> {
    nlu::reader_of(config, city.divisions().clone(), &city.now().profile)
}

/// Runs until it is aborted.
pub async fn run(hotline: Arc<Hotline>) {
    let mut changes = hotline.city.changes();
    let (mut known, mut is_told) = (hotline.city.now(), false);
    loop {
        // An error is a city that is gone, which it is not before this task.
        let _ = tokio::time::timeout(LOOK_EVERY, changes.changed()).await;
        match hotline.city.refresh(&hotline.store).await {
            Ok(()) => is_told = false,
            Err(error) => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::error!(%error, "the profile stays as it was");
                }
            }
        }
        let now = hotline.city.now();
        if now.revision == known.revision {
            continue;
        }
        tracing::info!(revision = now.revision, "another profile is in use");
        if is_read_otherwise(&known.profile, &now.profile) {
            take_reader(&hotline).await;
        }
        known = now;
    }
}

/// Whether calls are read by what has changed.
fn is_read_otherwise(before: &Profile, after: &Profile) -> bool {
    before.kinds != after.kinds || before.places != after.places || before.words != after.words
}

/// Away from the runtime: the ticket model has tens of megabytes.
async fn take_reader(hotline: &Arc<Hotline>) {
    let for_reader = Arc::clone(hotline);
    let made = tokio::task::spawn_blocking(move || reader(&for_reader.config, &for_reader.city));
    match made.await {
        Ok(Ok(reader)) => hotline.replace_reader(reader),
        Ok(Err(error)) => tracing::error!("calls are read as before: {error:#}"),
        Err(error) => tracing::error!(%error, "calls are read as before"),
    }
}
