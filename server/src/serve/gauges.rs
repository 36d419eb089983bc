//! What metrics tell of database and disk, looked up now and then: a page of metrics must not wait for either.

use super::Hotline;
use crate::{clock, home};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// How old what is told may be.
const EVERY: Duration = Duration::from_secs(15);
/// Longest wait for disk or database.
const LOOK_MAX: Duration = Duration::from_secs(5);

/// The last look.
#[derive(Default)]
pub struct Gauges {
    pub follow_ups_waiting: AtomicU64,
    /// Tickets of before the index that are not in it yet.
    pub tickets_to_index: AtomicU64,
    /// Citizens whose erasure was ordered and is not finished.
    pub erasures_unfinished: AtomicU64,
    /// Of the disk with the recordings.
    pub disk_free_bytes: AtomicU64,
    /// When the last look was answered, in Unix milliseconds.
    pub looked_at: AtomicI64,
}

/// Looks until the server ends.
pub async fn run(hotline: Arc<Hotline>) {
    loop {
        look(&hotline).await;
        tokio::time::sleep(EVERY).await;
    }
}

async fn look(hotline: &Hotline) {
    let gauges = &hotline.gauges;
    let folder = home::recordings(&hotline.config);
    // A mount that hangs must hold up nothing else.
    let space = hotline.app.spawn_blocking(move || home::disk_space(&folder));
    if let Ok(Ok(Some(space))) = timeout(LOOK_MAX, space).await {
        gauges.disk_free_bytes.store(space.free, Ordering::Relaxed);
    }
    // The age of the look itself tells that the database does not answer.
    let waiting = timeout(LOOK_MAX, hotline.store.follow_ups_waiting()).await;
    let follow_ups = match waiting {
        Ok(Ok(follow_ups)) => follow_ups,
        // Otherwise the next call would find out.
        Ok(Err(error)) if error.is_away() => return hotline.spool.is_told_away(&error.to_string()),
        Err(_) => return hotline.spool.is_told_away("no answer in time"),
        Ok(Err(_)) => return,
    };
    gauges.follow_ups_waiting.store(follow_ups, Ordering::Relaxed);
    let unfinished = timeout(LOOK_MAX, hotline.store.erasures_unfinished()).await;
    let Ok(Ok(unfinished)) = unfinished else { return };
    gauges.erasures_unfinished.store(unfinished, Ordering::Relaxed);
    gauges.looked_at.store(clock::unix_now().0, Ordering::Relaxed);
}
