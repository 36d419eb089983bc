//! Puts tickets of before the index into it, while calls are answered already.

use super::Hotline;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Tickets between two lines of the log.
const TOLD_EVERY: u64 = 10_000;
/// When the database failed.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Runs until all are in it, or until it is aborted.
pub async fn run(hotline: Arc<Hotline>) {
    let next = AtomicU64::new(u64::MAX);
    let told = |left: u64| {
        let before = hotline.gauges.tickets_to_index.swap(left, Ordering::Relaxed);
        if left > 0 && left <= next.load(Ordering::Relaxed) {
            tracing::info!(left, "tickets are put into the index; until then they are not found");
            next.store(left.saturating_sub(TOLD_EVERY), Ordering::Relaxed);
        }
        if left == 0 && before > 0 {
            tracing::info!("all tickets are in the index");
        }
    };
    while let Err(error) = hotline.store.index_what_waits(told).await {
        tracing::error!(%error, "tickets could not be put into the index; it is tried again");
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}
