//! Streams and the workers that they are spread over. Pure: no socket, no task; the clock is the
//! callers'.

use super::stream::Stream;
use super::{CARRY_EVERY, FINISHED_STREAMS_MAX, UP_SILENT_MAX, WorkerStatus};
use crate::bias::Hotwords;
use crate::degradation::Level;
use crate::recognizer::Expected;
use crate::text::{self, Stage, Text};
use crate::wire::{Event, Message};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Looks for which a finished stream waits for any worker (30 s); then all of it that is left is a gap,
/// for a later hearing.
const LOOKS_WAITED_MAX: u32 = (30_000 / CARRY_EVERY.as_millis()) as u32;

/// A worker's place in the list of all.
pub(super) type WorkerIndex = usize;

pub(super) struct Shared {
    streams: Mutex<Streams>,
    workers: Vec<Worker>,
    /// Theirs, in the same order.
    names: Vec<Arc<str>>,
    hotwords: Hotwords,
}

/// What is known of a worker.
struct Worker {
    status: Mutex<WorkerStatus>,
    /// Since the connected worker's last word.
    silent_ms: AtomicU64,
}

#[derive(Default)]
pub(super) struct Streams {
    by_key: BTreeMap<u64, Placed>,
    /// Forgotten here while the worker still had them open.
    to_close: Vec<(WorkerIndex, u64)>,
    /// Streams finished so far.
    finished: u64,
    /// Finals lost by streams that are gone.
    finals_lost: u64,
}

struct Placed {
    stream: Stream,
    /// Who recognises it; nobody yet while no worker is up.
    at: Option<WorkerIndex>,
    /// Looks at which it was finished and nobody recognised it.
    waited: u32,
}

impl Shared {
    /// For workers of these names.
    pub(super) fn new(names: impl IntoIterator<Item = String>, hotwords: Hotwords) -> Self {
        let names: Vec<Arc<str>> = names.into_iter().map(Arc::from).collect();
        let worker = |name: &Arc<str>| Worker {
            status: Mutex::new(WorkerStatus {
                name: name.as_ref().to_owned(),
                ..WorkerStatus::default()
            }),
            silent_ms: AtomicU64::new(0),
        };
        let workers = names.iter().map(worker).collect();
        Self { streams: Mutex::default(), workers, names, hotwords }
    }

    pub(super) fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of every worker, how it is doing now.
    pub(super) fn statuses(&self) -> Vec<WorkerStatus> {
        let counts = self.streams().counts(self.workers.len());
        let status = |(index, streams): (WorkerIndex, usize)| {
            let status = self.status(index).clone();
            let up = status.up && self.silence(index) <= UP_SILENT_MAX;
            WorkerStatus { up, streams, ..status }
        };
        counts.into_iter().enumerate().map(status).collect()
    }

    pub(super) fn status(&self, worker: WorkerIndex) -> MutexGuard<'_, WorkerStatus> {
        self.workers[worker].status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn silence(&self, worker: WorkerIndex) -> Duration {
        Duration::from_millis(self.workers[worker].silent_ms.load(Ordering::Relaxed))
    }

    pub(super) fn count_silence(&self, worker: WorkerIndex, by: Duration) {
        self.workers[worker].silent_ms.fetch_add(by.as_millis() as u64, Ordering::Relaxed);
    }

    /// It is there, or has just said something.
    pub(super) fn is_not_silent(&self, worker: WorkerIndex) {
        self.workers[worker].silent_ms.store(0, Ordering::Relaxed);
    }

    /// Streams that nobody recognises go to the workers that have the least to do.
    pub(super) fn place(&self) {
        if !self.streams().has_homeless() {
            return;
        }
        let statuses = self.statuses();
        self.streams().place(&statuses);
    }

    pub(super) fn heard(&self, worker: WorkerIndex, mut event: Event) {
        self.is_not_silent(worker);
        if let Event::Result { expected: Some(Expected { text, .. }), .. } = &mut event {
            *text = text::display(text, Stage::Final);
        }
        match &event {
            Event::Started { stream: key, .. }
            | Event::Result { stream: key, .. }
            | Event::Skipped { stream: key, .. }
            | Event::Ended { stream: key } => {
                let display = self.display(&event);
                self.streams().heard((worker, &self.names[worker]), *key, event, display);
            }
            Event::Stats { lag_ms, cpu_ms, partials_skipped, level, finals_skipped, .. } => {
                let mut status = self.status(worker);
                (status.lag_ms, status.cpu_ms) = (*lag_ms, *cpu_ms);
                (status.level, status.partials_skipped) = (*level, *partials_skipped);
                status.finals_skipped = *finals_skipped;
            }
        }
    }

    /// What a seat reads of a result; worked out before the streams are locked.
    fn display(&self, event: &Event) -> Text {
        match event {
            Event::Result { is_final: true, text, confidence, .. } => {
                text::display(&self.hotwords.correct(text, *confidence), Stage::Final)
            }
            Event::Result { text, .. } => text::display(text, Stage::Partial),
            _ => Text::default(),
        }
    }

    /// The connection is gone, and with it all that the worker had not finished.
    pub(super) fn worker_lost(&self, worker: WorkerIndex) {
        self.streams().worker_lost(worker);
        let mut status = self.status(worker);
        (status.up, status.pid, status.lag_ms) = (false, 0, 0);
        status.level = Level::Full;
        status.restarts += 1;
    }
}

impl Streams {
    pub(super) fn open(&mut self, key: u64, stream: Stream) {
        self.forget(key);
        self.by_key.insert(key, Placed { stream, at: None, waited: 0 });
    }

    pub(super) fn push(&mut self, key: u64, index: u64, samples: &[i16]) {
        if let Some(placed) = self.by_key.get_mut(&key) {
            placed.stream.push(index, samples);
        }
    }

    pub(super) fn expect(&mut self, key: u64, words: &str) {
        if let Some(placed) = self.by_key.get_mut(&key) {
            placed.stream.expect(words);
        }
    }

    /// No more audio comes for this one.
    pub(super) fn finish(&mut self, key: u64) {
        let Some(placed) = self.by_key.get_mut(&key) else { return };
        placed.stream.finish(self.finished);
        self.finished += 1;
        let waiting =
            || self.by_key.iter().filter_map(|(key, p)| Some((p.stream.finished()?, *key)));
        if waiting().count() <= FINISHED_STREAMS_MAX {
            return;
        }
        if let Some((_, oldest)) = waiting().min() {
            self.by_key.entry(oldest).and_modify(|placed| placed.stream.give_up());
            self.forget(oldest);
        }
    }

    /// Pays what consumers are owed, gives up what nobody will recognise soon, and forgets the streams
    /// of consumers that are gone. Once every [`CARRY_EVERY`].
    pub(super) fn tend(&mut self) {
        let mut given_up = Vec::new();
        for (key, placed) in &mut self.by_key {
            placed.stream.settle();
            let is_waiting = placed.at.is_none() && placed.stream.finished().is_some();
            placed.waited = if is_waiting { placed.waited + 1 } else { 0 };
            if placed.waited > LOOKS_WAITED_MAX {
                placed.stream.give_up();
                given_up.push(*key);
            }
        }
        given_up.into_iter().for_each(|key| self.forget(key));
        let gone = |(key, p): (&u64, &Placed)| p.stream.is_forsaken().then_some(*key);
        let gone: Vec<u64> = self.by_key.iter().filter_map(gone).collect();
        gone.into_iter().for_each(|key| self.forget(key));
    }

    /// What is to be sent to a worker now.
    pub(super) fn outgoing(&mut self, worker: WorkerIndex) -> Vec<u8> {
        let mut out = Vec::new();
        self.to_close.retain(|(at, stream)| {
            let is_elsewhere = *at != worker;
            if !is_elsewhere {
                out.extend(Message::Close { stream: *stream }.encode());
            }
            is_elsewhere
        });
        let here = self.by_key.iter_mut().filter(|(_, placed)| placed.at == Some(worker));
        here.for_each(|(key, placed)| placed.stream.outgoing(*key, &mut out));
        out
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn finals_lost(&self) -> u64 {
        self.finals_lost + self.by_key.values().map(|p| p.stream.finals_lost()).sum::<u64>()
    }

    fn forget(&mut self, key: u64) {
        let Some(Placed { stream, at, .. }) = self.by_key.remove(&key) else { return };
        self.finals_lost += stream.finals_lost();
        if let Some(at) = at.filter(|_| stream.must_be_closed()) {
            self.to_close.push((at, key));
        }
    }

    fn worker_lost(&mut self, worker: WorkerIndex) {
        self.to_close.retain(|(at, _)| *at != worker);
        for placed in self.by_key.values_mut().filter(|placed| placed.at == Some(worker)) {
            placed.stream.rewind();
            placed.at = None;
        }
    }

    fn heard(
        &mut self,
        (worker, name): (WorkerIndex, &Arc<str>),
        key: u64,
        event: Event,
        display: Text,
    ) {
        let here = self.by_key.get_mut(&key).filter(|placed| placed.at == Some(worker));
        let Some(placed) = here else { return };
        placed.stream.heard_by(name);
        placed.stream.heard(event, display);
        if placed.stream.is_over() {
            self.forget(key);
        }
    }

    fn has_homeless(&self) -> bool {
        self.by_key.values().any(|placed| placed.at.is_none())
    }

    fn counts(&self, workers: usize) -> Vec<usize> {
        let mut counts = vec![0; workers];
        self.by_key.values().filter_map(|placed| placed.at).for_each(|at| counts[at] += 1);
        counts
    }

    fn place(&mut self, workers: &[WorkerStatus]) {
        let mut counts = self.counts(workers.len());
        for placed in self.by_key.values_mut().filter(|placed| placed.at.is_none()) {
            let up = workers
                .iter()
                .enumerate()
                .filter(|(index, worker)| worker.up && counts[*index] < worker.capacity as usize);
            let best = up.min_by_key(|(index, worker)| {
                (worker.level, (counts[*index] + 1) * 1_000 / worker.threads.max(1) as usize)
            });
            let Some((best, _)) = best else { return };
            counts[best] += 1;
            placed.at = Some(best);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::AsrEvent;
    use super::super::stream::EVENTS_WAITING_MAX;
    use super::*;
    use tokio::sync::mpsc;

    fn up(threads: u16, level: Level) -> WorkerStatus {
        WorkerStatus { up: true, threads, level, capacity: 6, ..WorkerStatus::default() }
    }

    /// Streams whose consumers stay until the end of the test.
    fn streams(count: u64) -> (Streams, Vec<mpsc::Receiver<AsrEvent>>) {
        let mut streams = Streams::default();
        let consumers = (0..count).map(|key| {
            let (events, consumer) = mpsc::channel(EVENTS_WAITING_MAX);
            streams.open(key, Stream::new(events, false));
            consumer
        });
        let consumers = consumers.collect();
        (streams, consumers)
    }

    #[test]
    fn streams_are_spread_by_what_a_worker_can_do() {
        let (mut streams, _consumers) = streams(9);
        streams.place(&[up(4, Level::Full), up(2, Level::Full), WorkerStatus::default()]);
        assert_eq!(streams.counts(3), [6, 3, 0]);
    }

    #[test]
    fn no_worker_gets_more_than_it_takes() {
        let (mut streams, _consumers) = streams(8);
        streams.place(&[up(1, Level::Full), WorkerStatus::default()]);
        assert_eq!(streams.counts(2), [6, 0]);
        assert!(streams.has_homeless());
    }

    #[test]
    fn a_worker_that_is_behind_gets_nothing_while_another_is_not() {
        let (mut streams, _consumers) = streams(3);
        streams.place(&[up(8, Level::NoPartials), up(1, Level::Full)]);
        assert_eq!(streams.counts(2), [0, 3]);
    }

    #[test]
    fn a_call_that_ends_while_nobody_recognises_leaves_a_gap_for_later() {
        let (mut streams, mut consumers) = streams(1);
        streams.push(0, 0, &[0; 16_000]);
        streams.finish(0);
        (0..LOOKS_WAITED_MAX).for_each(|_| streams.tend());
        assert!(consumers[0].try_recv().is_err(), "a worker may still come");
        streams.tend();
        let told: Vec<_> = std::iter::from_fn(|| consumers[0].try_recv().ok()).collect();
        assert_eq!(told, [AsrEvent::Gap { from_ms: 0, to_ms: 2_000 }, AsrEvent::Ended]);
        assert_eq!(streams.len(), 0);
    }

    #[test]
    fn a_lost_workers_streams_go_to_the_other_and_wait_when_there_is_none() {
        let (mut streams, _consumers) = streams(4);
        streams.place(&[up(1, Level::Full), up(1, Level::Full)]);
        assert_eq!(streams.counts(2), [2, 2]);
        streams.worker_lost(0);
        streams.place(&[WorkerStatus::default(), up(1, Level::Full)]);
        assert_eq!(streams.counts(2), [0, 4]);
        streams.worker_lost(1);
        streams.place(&[WorkerStatus::default(), WorkerStatus::default()]);
        assert!(streams.has_homeless());
    }
}
