//! From the files into the database: oldest call first, some at once, each in its order.

use super::file::{Found, Waiting};
use super::write::Write;
use super::{Lane, Spool};
use anyhow::{Context, Result};
use futures_util::stream::StreamExt;
use qingting_api::Event;
use qingting_common::CallId;
use qingting_store::StoreError;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Calls that are written at once.
const CALLS_AT_ONCE: usize = 8;
/// How often the database is asked whether it is back.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Longest wait for its word.
const PING_MAX: Duration = Duration::from_secs(5);

impl Spool {
    /// Writes what waits whenever the database is there. Runs until it is aborted.
    pub async fn run(self: Arc<Self>) {
        let mut is_told = false;
        loop {
            let is_idle = !self.is_away() && self.lanes().is_empty();
            if is_idle {
                self.wake.notified().await;
            }
            let Err(error) = self.replay().await else {
                is_told = false;
                continue;
            };
            // That the database is away is told when it goes; anything else once, not every second.
            if !self.is_away() && !std::mem::replace(&mut is_told, true) {
                tracing::error!(error = format!("{error:#}"), "writes of a call go on waiting");
            }
            sleep(AGAIN_AFTER).await;
        }
    }

    /// Writes what waits; an error when the database is away, or the disk gives something not back. What was written by
    /// then is not written again by this process.
    pub async fn replay(&self) -> Result<()> {
        self.ping().await?;
        let calls: Vec<CallId> = self.lanes().keys().copied().collect();
        if calls.is_empty() {
            self.came_back();
            return Ok(());
        }
        let before = self.replayed.load(Ordering::Relaxed);
        let mut outcome = Ok(());
        let replays = futures_util::stream::iter(calls).map(|call| self.replay_call(call));
        let mut replays = std::pin::pin!(replays.buffer_unordered(CALLS_AT_ONCE));
        while let Some(replayed) = replays.next().await {
            if replayed.is_err() {
                // What is wrong with one call alone keeps no other waiting.
                outcome = replayed;
                self.ping().await?;
            }
        }
        let written = self.replayed.load(Ordering::Relaxed) - before;
        if written > 0 {
            tracing::warn!(written, "writes that waited are in the database");
        }
        outcome
    }

    async fn ping(&self) -> Result<()> {
        let answered = timeout(PING_MAX, self.store.ping()).await.context("no answer");
        let answered = answered.and_then(|answered| Ok(answered?));
        answered.inspect_err(|error| self.went_away(&format!("{error:#}")))
    }

    async fn replay_call(&self, call: CallId) -> Result<()> {
        let lane = self.lanes().get(&call).map(Arc::clone);
        let Some(lane) = lane else { return Ok(()) };
        if self.store.is_erased(call).await? {
            tracing::warn!(%call, "writes of a call whose citizen was erased are dropped");
            self.close(call, lane, true).await?;
            return Ok(());
        }
        loop {
            let file = Arc::clone(&lane).lock_owned().await;
            let found = self.app.spawn_blocking(move || match file.as_ref() {
                Some(file) => file.next(),
                None => Ok(Vec::new()),
            });
            let found = found.await?.context("a file of the spool cannot be read")?;
            if found.is_empty() {
                // Unless something came meanwhile.
                if self.close(call, Arc::clone(&lane), false).await? {
                    return Ok(());
                }
                continue;
            }
            for found in found {
                let end = found.end();
                self.replay_one(call, found).await?;
                if let Some(file) = lane.lock().await.as_mut() {
                    file.is_done(&self.folder, end);
                }
            }
        }
    }

    async fn replay_one(&self, call: CallId, found: Found) -> Result<()> {
        let write = match found {
            Found::Write(write, _) => write,
            Found::Damaged(line, _) => {
                tracing::error!(%call, "a line of the spool is damaged and kept aside");
                return self.set_aside(call, line).await;
            }
        };
        match write.apply(&self.store, call).await {
            Ok(update) => {
                self.replayed.fetch_add(1, Ordering::Relaxed);
                self.came_back();
                if let Some(update) = update.filter(|update| !update.changed.is_empty()) {
                    let (ticket, revision) = (update.ticket, update.revision);
                    let event = Event::ticket_updated(
                        ticket,
                        call,
                        revision,
                        update.changed,
                        &update.draft,
                    );
                    self.events.publish(event);
                }
                Ok(())
            }
            Err(error @ (StoreError::DiskFull | StoreError::Closed)) => Err(error.into()),
            Err(error) if error.is_away() => Err(error.into()),
            Err(error) => {
                tracing::error!(%call, %error, what = write.name(), "the database refuses a write that waited; it is kept aside");
                let line = super::line::of(&write)?;
                self.set_aside(call, line.trim_end().into()).await
            }
        }
    }

    async fn set_aside(&self, call: CallId, line: Vec<u8>) -> Result<()> {
        let folder = Arc::clone(&self.folder);
        let kept = self.app.spawn_blocking(move || folder.set_aside(call, &line));
        kept.await?.context("a write that the database refuses cannot be kept aside")?;
        self.refused.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Removes the file of a call if all of it is in the database, or whatever waits in it; whether it is gone.
    async fn close(&self, call: CallId, lane: Arc<Lane>, whatever_waits: bool) -> Result<bool> {
        let mut file = lane.lock_owned().await;
        let folder = Arc::clone(&self.folder);
        let removed = self.app.spawn_blocking(move || {
            let is_over = whatever_waits || file.as_ref().is_none_or(Waiting::is_all_done);
            if is_over && let Some(waiting) = file.as_mut() {
                waiting.remove(&folder)?;
                *file = None;
            }
            Ok::<_, std::io::Error>((is_over, file))
        });
        // Held until the lane has left the register: who comes next makes another.
        let (is_over, _file) = removed.await?.context("a file of the spool cannot be removed")?;
        if is_over {
            self.lanes().remove(&call);
        }
        Ok(is_over)
    }
}

impl Write {
    /// What it is, without whose.
    const fn name(&self) -> &'static str {
        match self {
            Self::Begin { .. } => "begin",
            Self::Answered { .. } => "answered",
            Self::LegBegan(_) => "leg_began",
            Self::LegAnswered { .. } => "leg_answered",
            Self::LegHeard { .. } => "leg_heard",
            Self::LegEnded(_) => "leg_ended",
            Self::Route(_) => "route",
            Self::Event(_) => "event",
            Self::Ended(_) => "ended",
            Self::AskPass(_) => "ask_pass",
            Self::Sentence { .. } => "sentence",
            Self::Reading { .. } => "reading",
            Self::Gap(_) => "gap",
            Self::CaptionsClosed => "captions_closed",
            Self::CalledBack { .. } => "called_back",
            Self::AttemptAnswered { .. } => "attempt_answered",
            Self::AttemptNotified { .. } => "attempt_notified",
            Self::Answer { .. } => "answer",
            Self::AttemptEnded(_) => "attempt_ended",
            Self::DropDraft => "drop_draft",
        }
    }
}
