//! Checks every call that a seat answered, soon after its last words are written, and those from before an update in the
//! background.

use super::Hotline;
use qingting_nlu::quality::{self, Rules};
use qingting_store::{CheckedCall, Store, StoreError};
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked, and how many calls are checked at one look.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const CHECKED_AT_ONCE_MAX: u32 = 50;
/// Calls of a server that died meanwhile are another's after it.
const LEASE: Duration = Duration::from_secs(120);

/// Runs until it is aborted.
pub async fn run(hotline: Arc<Hotline>) {
    let mut is_told = false;
    loop {
        match look(&hotline.store, &hotline.city.now().profile.quality).await {
            // What there was before an update may be many: other work goes on between.
            Ok(1..) => tokio::task::yield_now().await,
            Ok(0) => tokio::time::sleep(LOOK_EVERY).await,
            // Once: a database that is away would fill the log.
            Err(error) => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::error!(%error, "calls could not be checked");
                }
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
        }
        is_told = false;
    }
}

/// Checks calls that wait; gives how many there were.
async fn look(store: &Store, rules: &Rules) -> Result<usize, StoreError> {
    let claimed = store.claim_quality(CHECKED_AT_ONCE_MAX, LEASE).await?;
    let count = claimed.len();
    let mut checked = Vec::with_capacity(count);
    for of in claimed {
        match store.call_for_quality(of.call).await {
            Ok(Some(call)) => {
                checked.push(CheckedCall { of, checked: quality::check(&call, rules) });
            }
            Ok(None) => {}
            // It keeps no other call from its check, and is looked at again after the lease.
            Err(error) => {
                tracing::error!(call = %of.call, %error, "a call could not be read for its check");
            }
        }
    }
    if !checked.is_empty() {
        store.put_quality(checked).await?;
    }
    Ok(count)
}
