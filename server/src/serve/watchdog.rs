//! systemd's watchdog (`WatchdogSec`): a server whose threads hang is started anew by systemd, which loses the calls that
//! nobody carries any more and takes the next ones.

use super::ending::tell_systemd;
use sd_notify::NotifyState;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{MissedTickBehavior, interval};

/// Words within the time after which systemd takes the server for dead.
const WORDS: u32 = 4;

/// Says that the server lives while both its runtimes carry tasks out, where systemd wants to know. Runs until it is aborted.
pub async fn run(sip: Handle) {
    // A watchdog of no time would be told without end.
    let Some(within) = sd_notify::watchdog_enabled().filter(|within| *within > Duration::ZERO)
    else {
        return;
    };
    let mut next = interval(within / WORDS);
    next.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        next.tick().await;
        // This runs among the database's and the interface's tasks; calls have threads of their own.
        if sip.spawn(async {}).await.is_err() {
            return;
        }
        tell_systemd(&[NotifyState::Watchdog]);
    }
}
