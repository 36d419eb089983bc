//! The server's side of recognition: starts the worker, restarts it, and replays what it had not
//! finished.
//!
//! Producers push audio into a bounded buffer a stream and never wait. One task carries it to the
//! worker every `CARRY_EVERY`. When the worker dies, or says nothing for `WORKER_SILENT_MAX`, the
//! task starts another and sends again what belongs to segments without a final, as far as the
//! buffer reaches; the rest is a [`AsrEvent::Gap`].

mod stream;

use crate::clock::Clock;
use crate::degradation::Level;
use crate::text::Text;
use crate::wire::{self, Event, Message, WireError};
use qingting_common::Pii;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use stream::{EVENTS_WAITING_MAX, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How often audio is carried to the worker.
const CARRY_EVERY: Duration = Duration::from_millis(40);
/// Finished streams that wait for their last finals. Beyond it the one that finished first is given
/// up: in an outage nothing else would end them, and each may keep 240 kB of audio.
const FINISHED_STREAMS_MAX: usize = 256;
/// A worker that says nothing for so long is stuck: it reports once a second. Counted while this
/// process runs, so that a machine that was asleep does not blame its worker.
const WORKER_SILENT_MAX: Duration = Duration::from_secs(5);
/// From this silence on the worker does not count as up.
const UP_SILENT_MAX: Duration = Duration::from_secs(2);
const SILENCE_LOOK_EVERY: Duration = Duration::from_millis(100);
/// Most silence that one look may count, however late it comes.
const SILENCE_COUNTED_MAX: Duration = Duration::from_millis(200);
/// Longest wait for a new worker to listen (it loads its models first).
const START_MS_MAX: u64 = 60_000;
const CONNECT_EVERY: Duration = Duration::from_millis(50);
const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A worker that lived this long has its next failure treated as a first one.
const STEADY_MS: u64 = 30_000;

/// What a stream hears. Times are milliseconds since the stream's sample 0.
#[derive(Clone, Debug, PartialEq)]
pub enum AsrEvent {
    /// Speech began (within 200 ms of its beginning, when the worker keeps up).
    SpeechStarted {
        /// Where it began.
        at_ms: u64,
    },
    /// Unstable text of a segment: replaced by the next partial or the final of that number.
    Partial(Heard),
    /// The segment's last word. Empty text: it was noise, remove its partials.
    Final(Heard),
    /// Not recognised: the worker was away for longer than the buffer reaches, was too far behind,
    /// had no place for the stream, or the consumer did not take its events and so lost finals.
    Gap {
        /// Its beginning.
        from_ms: u64,
        /// Its end.
        to_ms: u64,
    },
    /// Nothing more will come.
    Ended,
}

/// Recognised text.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// The segment, counted from 0 within the stream.
    pub segment: u32,
    /// Where its speech begins.
    pub start_ms: u64,
    /// Where its speech ends (for a partial: so far).
    pub end_ms: u64,
    /// As it was heard, in simplified Chinese.
    pub raw: Pii<Text>,
    /// What a seat reads: without fillers, with written numbers and punctuation; empty where `raw`
    /// is.
    pub display: Pii<Text>,
    /// Mean token probability, 0 to 1.
    pub confidence: f32,
}

/// How recognition is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsrStatus {
    /// A worker is connected and has said something within the last 2 s (it reports every
    /// second). False from the loss of a worker until the next one has loaded its models.
    pub up: bool,
    /// Workers started after the first.
    pub restarts: u64,
    /// Age of the oldest decode the worker has still to finish, as of its last report: at most 2 s
    /// old while `up`, 0 while no worker is connected. It counts from the end of a segment or the
    /// request of a partial, not from the words.
    pub lag_ms: u64,
    /// Streams that are open or wait for their last finals.
    pub streams: usize,
    /// Processor time of the present worker.
    pub worker_cpu_ms: u64,
    /// The present worker's process id, 0 while there is none.
    pub worker_pid: u32,
    /// Finals lost because a consumer did not read; each lies within a [`AsrEvent::Gap`].
    pub events_lost: u64,
    /// What the worker leaves out because it is behind.
    pub level: Level,
    /// Partials that the present worker has left out.
    pub partials_skipped: u64,
    /// Finals that the present worker has given up; each is a [`AsrEvent::Gap`].
    pub finals_skipped: u64,
}

/// A recogniser behind a supervised worker. Clones share it; the last one ends the worker.
#[derive(Clone)]
pub struct AsrClient {
    shared: Arc<Shared>,
    _tasks: Arc<JoinSet<()>>,
}

/// The audio side of one stream (8 kHz, linear). Dropping it is [`StreamSender::finish`].
pub struct StreamSender {
    key: u64,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    streams: Mutex<Streams>,
    status: Mutex<AsrStatus>,
    /// Since the connected worker's last word.
    silent_ms: AtomicU64,
}

#[derive(Default)]
struct Streams {
    by_key: BTreeMap<u64, Stream>,
    /// Forgotten here while the worker still had them open.
    to_close: Vec<u64>,
    /// Streams finished so far.
    finished: u64,
    /// Finals lost by streams that are gone.
    finals_lost: u64,
}

impl AsrClient {
    /// Starts a worker with `spawn` and keeps one running. `spawn`'s command must listen on
    /// `socket` and end with this process ([`crate::worker::serve`] does both).
    ///
    /// Must be called within a tokio runtime.
    pub fn connect_supervised(
        socket: PathBuf,
        spawn: impl Fn() -> Command + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        let tended = shared.clone();
        tasks.spawn(async move { tend(&tended).await });
        let supervised = shared.clone();
        tasks.spawn(async move { supervise(&supervised, &socket, &spawn).await });
        Self { shared, _tasks: Arc::new(tasks) }
    }

    /// Opens a stream. `key` must not be that of another open stream; if it is, that one ends.
    pub fn open_stream(&self, key: u64) -> (StreamSender, mpsc::Receiver<AsrEvent>) {
        self.open(key, false)
    }

    /// The same for recorded audio: it is decoded while nobody who speaks now waits, has no
    /// partials, and is never given up. Its producer must not be far ahead of its finals.
    pub fn open_offline_stream(&self, key: u64) -> (StreamSender, mpsc::Receiver<AsrEvent>) {
        self.open(key, true)
    }

    fn open(&self, key: u64, is_offline: bool) -> (StreamSender, mpsc::Receiver<AsrEvent>) {
        let (events, receiver) = mpsc::channel(EVENTS_WAITING_MAX);
        self.shared.streams().by_key.insert(key, Stream::new(events, is_offline));
        (StreamSender { key, shared: self.shared.clone() }, receiver)
    }

    /// How recognition is doing now.
    pub fn status(&self) -> AsrStatus {
        let (streams, events_lost) = {
            let streams = self.shared.streams();
            (streams.by_key.len(), streams.finals_lost())
        };
        let status = *self.shared.status();
        let up = status.up && self.shared.silence() <= UP_SILENT_MAX;
        AsrStatus { up, streams, events_lost, ..status }
    }
}

impl StreamSender {
    /// Takes audio whose first sample has this index. Never waits; what the buffer cannot hold
    /// (15 s) is dropped from its old end. A jump in `sample_index` is a gap in time.
    pub fn push(&self, sample_index: u64, samples: &[i16]) {
        if let Some(stream) = self.shared.streams().by_key.get_mut(&self.key) {
            stream.push(sample_index, samples);
        }
    }

    /// No more audio: the remaining finals follow, then [`AsrEvent::Ended`]. When more than 256
    /// finished streams wait, the oldest gets a [`AsrEvent::Gap`] for what is not recognised yet.
    pub fn finish(self) {}
}

impl Drop for StreamSender {
    fn drop(&mut self) {
        self.shared.streams().finish(self.key);
    }
}

impl Streams {
    /// No more audio comes for this one.
    fn finish(&mut self, key: u64) {
        let Some(stream) = self.by_key.get_mut(&key) else { return };
        stream.finish(self.finished);
        self.finished += 1;
        let waiting = || self.by_key.iter().filter_map(|(key, s)| Some((s.finished()?, *key)));
        if waiting().count() <= FINISHED_STREAMS_MAX {
            return;
        }
        if let Some((_, oldest)) = waiting().min() {
            self.by_key.entry(oldest).and_modify(Stream::give_up);
            self.forget(oldest);
        }
    }

    fn forget(&mut self, key: u64) {
        let Some(stream) = self.by_key.remove(&key) else { return };
        self.finals_lost += stream.finals_lost();
        if stream.must_be_closed() {
            self.to_close.push(key);
        }
    }

    /// Pays what consumers are owed, and forgets the streams of those that are gone.
    fn tend(&mut self) {
        self.by_key.values_mut().for_each(Stream::settle);
        let gone = |(key, stream): (&u64, &Stream)| stream.is_forsaken().then_some(*key);
        let gone: Vec<u64> = self.by_key.iter().filter_map(gone).collect();
        gone.into_iter().for_each(|key| self.forget(key));
    }

    /// What is to be sent now.
    fn outgoing(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        for stream in self.to_close.drain(..) {
            out.extend(Message::Close { stream }.encode());
        }
        self.by_key.iter_mut().for_each(|(key, stream)| stream.outgoing(*key, &mut out));
        out
    }

    fn worker_lost(&mut self) {
        self.to_close.clear();
        self.by_key.values_mut().for_each(Stream::rewind);
    }

    fn heard(&mut self, key: u64, event: Event) {
        let Some(stream) = self.by_key.get_mut(&key) else { return };
        stream.heard(event);
        if stream.is_over() {
            self.forget(key);
        }
    }

    fn finals_lost(&self) -> u64 {
        self.finals_lost + self.by_key.values().map(Stream::finals_lost).sum::<u64>()
    }
}

impl Shared {
    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn status(&self) -> MutexGuard<'_, AsrStatus> {
        self.status.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn silence(&self) -> Duration {
        Duration::from_millis(self.silent_ms.load(Ordering::Relaxed))
    }

    fn heard(&self, event: Event) {
        self.silent_ms.store(0, Ordering::Relaxed);
        match &event {
            Event::Started { stream: key, .. }
            | Event::Result { stream: key, .. }
            | Event::Skipped { stream: key, .. }
            | Event::Ended { stream: key } => self.streams().heard(*key, event),
            Event::Stats { lag_ms, cpu_ms, partials_skipped, level, finals_skipped, .. } => {
                let mut status = self.status();
                (status.lag_ms, status.worker_cpu_ms) = (*lag_ms, *cpu_ms);
                (status.level, status.partials_skipped) = (*level, *partials_skipped);
                status.finals_skipped = *finals_skipped;
            }
        }
    }
}

/// What must go on whether there is a worker or not.
async fn tend(shared: &Shared) {
    let mut ticks = tokio::time::interval(CARRY_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        shared.streams().tend();
    }
}

async fn supervise(shared: &Shared, socket: &Path, spawn: &(impl Fn() -> Command + Sync)) {
    let mut backoff = BACKOFF_FIRST;
    loop {
        let born = Clock::start();
        if let Err(error) = one_life(shared, socket, spawn()).await {
            tracing::warn!(%error, "the recognition worker is gone and will be restarted");
        }
        shared.streams().worker_lost();
        {
            let mut status = shared.status();
            (status.up, status.worker_pid, status.lag_ms) = (false, 0, 0);
            status.level = Level::Full;
            status.restarts += 1;
        }
        if born.elapsed_ms() > STEADY_MS {
            backoff = BACKOFF_FIRST;
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

/// From the worker's start to its end.
async fn one_life(shared: &Shared, socket: &Path, command: Command) -> Result<(), WireError> {
    // A socket left by the previous worker would answer the first attempt with a refusal only.
    let _ = std::fs::remove_file(socket);
    let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
    let connection = connect(socket, &mut child).await?;
    shared.silent_ms.store(0, Ordering::Relaxed);
    tokio::select! {
        ended = converse(shared, connection, child.id().unwrap_or(0)) => ended,
        () = silent_too_long(shared) => Err(WireError::Silent(WORKER_SILENT_MAX)),
    }
}

/// From the worker's greeting to the end of the connection.
async fn converse(shared: &Shared, mut connection: UnixStream, pid: u32) -> Result<(), WireError> {
    match read_message(&mut connection).await? {
        Message::Hello { version: wire::VERSION, .. } => {}
        Message::Hello { version, .. } => return Err(WireError::Version(version)),
        _ => return Err(WireError::Malformed(0)),
    }
    {
        let mut status = shared.status();
        (status.up, status.worker_pid) = (true, pid);
    }
    let (mut reading, mut writing) = connection.into_split();
    let read = async {
        loop {
            match read_message(&mut reading).await? {
                Message::Event(event) => shared.heard(event),
                _ => return Err(WireError::Malformed(0)),
            }
        }
    };
    let write = async {
        let mut ticks = tokio::time::interval(CARRY_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let outgoing = shared.streams().outgoing();
            writing.write_all(&outgoing).await?;
        }
    };
    tokio::select! {
        ended = read => ended,
        ended = write => ended,
    }
}

/// Returns once the worker has been silent for [`WORKER_SILENT_MAX`] of this process's running time.
async fn silent_too_long(shared: &Shared) {
    let mut ticks = tokio::time::interval(SILENCE_LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shared.silence() <= WORKER_SILENT_MAX {
        let since = Clock::start();
        ticks.tick().await;
        let counted = since.elapsed().min(SILENCE_COUNTED_MAX).as_millis() as u64;
        shared.silent_ms.fetch_add(counted, Ordering::Relaxed);
    }
}

async fn connect(socket: &Path, child: &mut Child) -> Result<UnixStream, WireError> {
    let started = Clock::start();
    loop {
        match UnixStream::connect(socket).await {
            Ok(connection) => return Ok(connection),
            Err(error) if started.elapsed_ms() > START_MS_MAX => return Err(error.into()),
            Err(_) => {}
        }
        if let Some(status) = child.try_wait()? {
            let reason = format!("the worker ended before it listened ({status})");
            return Err(std::io::Error::other(reason).into());
        }
        tokio::time::sleep(CONNECT_EVERY).await;
    }
}

async fn read_message(from: &mut (impl AsyncReadExt + Unpin)) -> Result<Message, WireError> {
    let mut head = [0; 4];
    from.read_exact(&mut head).await?;
    let mut frame = vec![0; wire::frame_length(head)?];
    from.read_exact(&mut frame).await?;
    Message::decode(&frame)
}
