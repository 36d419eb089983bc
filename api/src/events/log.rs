//! Tells listeners which tickets changed, as the log has it: **whoever changed one, on whichever server, by whatever
//! way, it is told within a second**.

use super::{Event, EventBus};
use qingting_store::{Store, StoreError};
use std::time::Duration;

/// How often it is looked for changes.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Runs until it is aborted. What changed before is not told: who opens a page reads it.
pub async fn follow(store: Store, events: EventBus) {
    let (mut place, mut is_away) = (None, false);
    loop {
        match look(&store, &events, place).await {
            Ok(next) => (place, is_away) = (Some(next), false),
            // Once: a database that is away would fill the log.
            Err(error) => {
                if !std::mem::replace(&mut is_away, true) {
                    tracing::warn!(%error, "changes of tickets cannot be told now");
                }
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Publishes what changed behind that place; gives the next.
async fn look(store: &Store, events: &EventBus, place: Option<i64>) -> Result<i64, StoreError> {
    let Some(place) = place else { return store.log_end().await };
    let (changes, next) = store.ticket_changes(place).await?;
    for change in changes {
        events.publish(Event::TicketChanged {
            ticket: change.ticket,
            call: change.call,
            revision: change.revision,
            units: change.units.into_iter().collect(),
        });
    }
    Ok(next)
}
