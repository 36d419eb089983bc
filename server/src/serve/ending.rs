//! How the server stops: SIGTERM lets running calls go on for a while (`sip.drain_s`), SIGINT ends them.
//!
//! Either way no new call is taken: INVITE and OPTIONS get 503, so that what spreads the load goes elsewhere, and no
//! campaign dials from here. An attempt whose commit is under way becomes a call first, and ends as one.

use super::Hotline;
use super::cluster::Letter;
use anyhow::{Context, Result};
use sd_notify::NotifyState;
use std::convert::Infallible;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// After it whatever came before the server was told is a call, or was refused.
const SETTLE: Duration = Duration::from_millis(500);
/// Longest wait until calls that are ended are written.
pub const DRAIN_MAX: Duration = Duration::from_secs(15);
/// Longest wait for the database to tell what is left.
const LEFT_MAX: Duration = Duration::from_secs(3);
/// Longest wait for the ticket system's answers to what is under way; without them another server asks again when the
/// lease is over.
const ANSWERS_MAX: Duration = Duration::from_secs(5);
/// Time for the last letter to the other servers.
const LEAVE_MAX: Duration = Duration::from_millis(200);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often it is told what goes on still.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// How the operator wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// SIGTERM: running calls are to come to their end.
    Finish,
    /// SIGINT: now.
    Stop,
}

/// SIGINT and SIGTERM.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on they end nothing by themselves. Must be called within a runtime.
    pub fn listen() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
        })
    }

    /// Waits for one of them.
    pub async fn told(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::Finish,
            _ = self.interrupt.recv() => Wish::Stop,
        }
    }

    /// The next one ends the process at once.
    pub fn stop_at_once_next_time(mut self) {
        eprintln!("Ending calls; once more stops at once.");
        std::thread::spawn(move || {
            let waiting = tokio::runtime::Builder::new_current_thread().build();
            if let Ok(waiting) = waiting {
                waiting.block_on(self.told());
                std::process::exit(1);
            }
        });
    }
}

/// Tells systemd, where it is the one who started this (`Type=notify`).
pub fn tell_systemd(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd cannot be told how the server is");
    }
}

/// Waits for something that may take long at the start; systemd hears meanwhile that it goes on.
pub async fn with_patience<T>(wanted: impl Future<Output = T>) -> T {
    tokio::select! {
        outcome = wanted => outcome,
        never = ask_for_time() => match never {},
    }
}

async fn ask_for_time() -> Infallible {
    loop {
        let longer = u32::try_from(2 * TELL_EVERY.as_micros()).unwrap_or(u32::MAX);
        tell_systemd(&[NotifyState::ExtendTimeoutUsec(longer)]);
        sleep(TELL_EVERY).await;
    }
}

/// Lets running calls come to their end: until none is left, the time is over, or somebody asks again.
pub async fn finish(hotline: &Hotline, signals: &mut Signals) {
    let calls = || hotline.switchboard.calls.len();
    let goes_on = || calls() > 0 || hotline.callbacks.is_dialling();
    let most = Duration::from_secs(hotline.config.sip.drain_s);
    if most.is_zero() {
        return;
    }
    sleep(SETTLE.min(most)).await;
    if !goes_on() {
        return;
    }
    let until = Instant::now() + most;
    let said = format!(
        "No new calls. {} go on, for {} s at most; Ctrl-C or once more ends them.",
        calls(),
        most.as_secs()
    );
    eprintln!("{said}");
    tell_systemd(&[NotifyState::Status(&said)]);
    let nobody_is_left = async {
        while goes_on() {
            sleep(LOOK_EVERY).await;
        }
    };
    let telling = async {
        loop {
            sleep(TELL_EVERY).await;
            let left = until.saturating_duration_since(Instant::now()).as_secs();
            let said = format!("Calls that go on: {}; {left} s are left.", calls());
            eprintln!("{said}");
            // However long TimeoutStopSec is.
            let longer = u32::try_from(2 * TELL_EVERY.as_micros()).unwrap_or(u32::MAX);
            tell_systemd(&[NotifyState::Status(&said), NotifyState::ExtendTimeoutUsec(longer)]);
        }
    };
    tokio::select! {
        () = nobody_is_left => {}
        () = telling => {}
        () = tokio::time::sleep_until(until) => {
            tracing::warn!(calls = calls(), drain_s = most.as_secs(), "calls are ended that did not end in time");
        }
        _ = signals.told() => {}
    }
}

/// Ends every call and waits until all are written.
pub async fn hang_up(hotline: &Hotline) {
    let wait = async {
        while hotline.switchboard.calls.len() > 0 || hotline.callbacks.is_dialling() {
            hotline.switchboard.calls.drain();
            sleep(LOOK_EVERY).await;
        }
    };
    if timeout(DRAIN_MAX, wait).await.is_err() {
        tracing::error!(calls = hotline.switchboard.calls.len(), "calls did not end in time");
    }
}

/// Lets what is under way to the ticket system have its answer, so that no other server waits for its lease.
pub async fn hand_over_messages(hotline: &Hotline, mut relay: JoinHandle<()>) {
    hotline.relay.stop();
    if timeout(ANSWERS_MAX, &mut relay).await.is_err() {
        tracing::warn!("the ticket system did not answer in time; what was sent is sent again");
        relay.abort();
    }
}

/// Tells the other servers that this one is gone.
pub async fn take_leave(hotline: &Hotline) {
    let cluster = &hotline.switchboard.cluster;
    if cluster.is_on() {
        cluster.tell(Letter::Bye);
        sleep(LEAVE_MAX).await;
    }
}

/// What waits for the next start, or for another server on the same database.
pub async fn tell_what_is_left(hotline: &Hotline) {
    let waiting = hotline.spool.numbers().entries;
    if waiting > 0 {
        eprintln!(
            "The database is away: {waiting} writes of calls wait in {} for the next start.",
            hotline.config.data.dir.join(super::spool::FOLDER).display()
        );
    }
    let asked = async {
        Some((
            hotline.store.outbox_totals().await.ok()?,
            hotline.store.follow_ups_waiting().await.ok()?,
        ))
    };
    let Ok(Some((outbox, follow_ups))) = timeout(LEFT_MAX, asked).await else { return };
    // Without a ticket system nobody takes them.
    let messages = match hotline.config.ticket_system.url.is_empty() {
        true => 0,
        false => outbox.pending + outbox.parked,
    };
    if messages + follow_ups > 0 {
        eprintln!(
            "Left for the next start, or for another server on this database: {follow_ups} follow-ups to call, \
             {messages} messages to the ticket system."
        );
    }
}
