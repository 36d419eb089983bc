//! A media thread: ticks all its legs every 20 ms, at absolute deadlines, and waits for nobody.

use crate::clock;
use crate::lateness::Lateness;
use crate::leg::Leg;
use crate::net::Inbox;
use crate::recorder::Job;
use qingting_common::limits::TICK_MS;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};

/// Legs of one media thread.
pub const LEGS_PER_SHARD_MAX: usize = 4_096;
/// Legs that wait to be taken over by a media thread.
pub(crate) const LEGS_WAITING_MAX: usize = 1_024;
/// After a stall this many ticks are made up for at once; more are left out: 200 ms.
const CATCH_UP_TICKS_MAX: u64 = 10;
const TICK_NS: u64 = TICK_MS as u64 * 1_000_000;

/// What a media thread and the engine share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) legs: AtomicUsize,
    pub(crate) stop: AtomicBool,
}

pub(crate) struct Shard {
    pub(crate) shared: Arc<Shared>,
    pub(crate) lateness: Arc<Lateness>,
    pub(crate) incoming: Receiver<Box<Leg>>,
    pub(crate) jobs: SyncSender<Job>,
    /// Told once.
    pub(crate) recorder_gone: bool,
}

impl Shard {
    /// Runs until told to stop; legs that are left are put away.
    pub(crate) fn run(mut self) {
        let mut legs: Vec<Box<Leg>> = Vec::with_capacity(LEGS_PER_SHARD_MAX);
        let mut inbox = Inbox::new();
        let origin = clock::monotonic_ns();
        let mut tick = 0;
        while !self.shared.stop.load(Ordering::Acquire) {
            let due = origin + tick * TICK_NS;
            clock::sleep_until(due);
            let now = clock::monotonic_ns();
            let late = now.saturating_sub(due);
            self.lateness.record(late);
            let missed = late / TICK_NS;
            if missed > CATCH_UP_TICKS_MAX {
                tick += missed;
            }
            self.take_over(&mut legs);
            let unix_ns = clock::unix_ns();
            for leg in &mut legs {
                tick_or_fail(leg, tick, now, unix_ns, &mut inbox);
            }
            self.put_away(&mut legs, now, unix_ns);
            tick += 1;
        }
        let (now, unix_ns) = (clock::monotonic_ns(), clock::unix_ns());
        for mut leg in legs.into_iter().chain(self.incoming.try_iter()) {
            leg.end(now, unix_ns);
            // The engine is being dropped: its recorder thread ends after this, so waiting is right.
            let _ = self.jobs.send(Job::PutAway(leg));
        }
    }

    #[allow(
        clippy::vec_box,
        reason = "a leg is large and moves between threads and within the list"
    )]
    fn take_over(&self, legs: &mut Vec<Box<Leg>>) {
        while legs.len() < LEGS_PER_SHARD_MAX
            && let Ok(leg) = self.incoming.try_recv()
        {
            legs.push(leg);
        }
    }

    #[allow(clippy::vec_box, reason = "as above")]
    fn put_away(&mut self, legs: &mut Vec<Box<Leg>>, now_ns: u64, unix_ns: u64) {
        let mut index = 0;
        while index < legs.len() {
            if !legs[index].is_closing() {
                index += 1;
                continue;
            }
            let mut leg = legs.swap_remove(index);
            leg.end(now_ns, unix_ns);
            match self.jobs.try_send(Job::PutAway(leg)) {
                Err(TrySendError::Full(Job::PutAway(leg))) => {
                    // The recorder thread is behind: the leg waits its turn here.
                    legs.push(leg);
                    break;
                }
                Err(TrySendError::Disconnected(Job::PutAway(leg))) => self.free(*leg),
                _ => {}
            }
            self.shared.legs.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The recorder thread is dead: legs are freed here and their ports stay lost, which is the
    /// smaller evil: the calls that run go on, and the engine opens no more.
    fn free(&mut self, leg: Leg) {
        if !std::mem::replace(&mut self.recorder_gone, true) {
            tracing::error!("the recorder thread is gone: restart when the calls have ended");
        }
        leg.close(None);
    }
}

/// A fault of ours in one leg ends that leg and no other.
pub(crate) fn tick_or_fail(leg: &mut Leg, tick: u64, now_ns: u64, unix_ns: u64, inbox: &mut Inbox) {
    // Neither is looked at again as if whole: the leg is put away, the inbox is overwritten.
    let ticked = catch_unwind(AssertUnwindSafe(|| leg.tick(tick, now_ns, unix_ns, inbox)));
    if ticked.is_err() {
        leg.fail();
        tracing::error!(port = leg.port(), "a leg panicked: its call ends");
    }
}
