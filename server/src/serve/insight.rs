//! Works out what tickets are counted by, soon after they were written.

use super::Hotline;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked, and how many tickets are read at one look.
const LOOK_EVERY: Duration = Duration::from_secs(20);
const READ_AT_ONCE_MAX: u32 = 500;

/// Runs until it is aborted.
pub async fn run(hotline: Arc<Hotline>) {
    let district_of =
        |place: &str| hotline.reader().locate(place).district().unwrap_or_default().to_owned();
    loop {
        match hotline.store.read_facts(&district_of, READ_AT_ONCE_MAX).await {
            // What there was before the first look may be many: other work goes on between.
            Ok(1..) => tokio::task::yield_now().await,
            Ok(0) => tokio::time::sleep(LOOK_EVERY).await,
            Err(error) => {
                tracing::error!(%error, "tickets could not be read for the counts");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }
}
