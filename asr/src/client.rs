//! The server's side of recognition: starts the worker, restarts it, and replays what it had not
//! finished.
//!
//! Producers push audio into a bounded buffer a stream and never wait. One task carries it to the
//! worker every `CARRY_EVERY`. When the worker dies, the task starts another and sends again
//! what belongs to segments without a final, as far as the buffer reaches; the rest is a
//! [`AsrEvent::Gap`].

use crate::clock::Clock;
use crate::wire::{self, Event, Message, WireError};
use qingting_common::Pii;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How often audio is carried to the worker.
const CARRY_EVERY: Duration = Duration::from_millis(40);
/// Audio kept for sending and sending again, in samples at 8 kHz (15 s).
const KEPT_SAMPLES_MAX: usize = 15 * 8_000;
/// Events waiting for the consumer of one stream; partials are dropped from half of it on.
const EVENTS_WAITING_MAX: usize = 256;
/// Longest wait for a new worker to listen (it loads its models first).
const START_MS_MAX: u64 = 60_000;
const CONNECT_EVERY: Duration = Duration::from_millis(50);
const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A worker that lived this long has its next failure treated as a first one.
const STEADY_MS: u64 = 30_000;
/// Audio before the resumed position that is sent again, so that no first syllable is lost.
const REPLAY_BEFORE_MS: u64 = 300;
const SAMPLES_PER_MS: u64 = 8;

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
    /// Not recognised: the worker was away for longer than the buffer reaches, or the consumer
    /// did not take its events.
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
    /// Simplified Chinese.
    pub text: Pii<String>,
    /// Mean token probability, 0 to 1.
    pub confidence: f32,
}

/// How recognition is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsrStatus {
    /// A worker is connected.
    pub up: bool,
    /// Workers started after the first.
    pub restarts: u64,
    /// Age of the oldest decode the worker has still to finish.
    pub lag_ms: u64,
    /// Open streams.
    pub streams: usize,
    /// Processor time of the present worker.
    pub worker_cpu_ms: u64,
    /// The present worker's process id, 0 while there is none.
    pub worker_pid: u32,
    /// Final events lost because a consumer did not read.
    pub events_lost: u64,
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
    streams: Mutex<BTreeMap<u64, Stream>>,
    status: Mutex<AsrStatus>,
}

struct Stream {
    events: mpsc::Sender<AsrEvent>,
    /// Kept audio; `base` is the index of its first sample.
    audio: VecDeque<i16>,
    base: u64,
    /// Up to here audio was sent to the present worker.
    sent: u64,
    is_open: bool,
    is_finished: bool,
    is_closed: bool,
    /// Segments begun without a final, and where they began.
    unfinished: BTreeMap<u32, u64>,
    next_segment: u32,
    lost: u64,
}

impl AsrClient {
    /// Starts a worker with `spawn` and keeps one running. `spawn`'s command must listen on
    /// `socket` and end with this process ([`crate::worker::run`] does both).
    ///
    /// Must be called within a tokio runtime.
    pub fn connect_supervised(
        socket: PathBuf,
        spawn: impl Fn() -> Command + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        let supervised = shared.clone();
        tasks.spawn(async move { supervise(&supervised, &socket, &spawn).await });
        Self { shared, _tasks: Arc::new(tasks) }
    }

    /// Opens a stream. `key` must not be that of another open stream; if it is, that one ends.
    pub fn open_stream(&self, key: u64) -> (StreamSender, mpsc::Receiver<AsrEvent>) {
        let (events, receiver) = mpsc::channel(EVENTS_WAITING_MAX);
        self.shared.streams().insert(key, Stream::new(events));
        (StreamSender { key, shared: self.shared.clone() }, receiver)
    }

    /// How recognition is doing now.
    pub fn status(&self) -> AsrStatus {
        let streams = self.shared.streams().len();
        AsrStatus { streams, ..*self.shared.status() }
    }
}

impl StreamSender {
    /// Takes audio whose first sample has this index. Never waits; what the buffer cannot hold
    /// (15 s) is dropped from its old end. A jump in `sample_index` is a gap in time.
    pub fn push(&self, sample_index: u64, samples: &[i16]) {
        if let Some(stream) = self.shared.streams().get_mut(&self.key) {
            stream.push(sample_index, samples);
        }
    }

    /// No more audio: the remaining finals follow, then [`AsrEvent::Ended`].
    pub fn finish(self) {}
}

impl Drop for StreamSender {
    fn drop(&mut self) {
        if let Some(stream) = self.shared.streams().get_mut(&self.key) {
            stream.is_finished = true;
        }
    }
}

impl Shared {
    fn streams(&self) -> MutexGuard<'_, BTreeMap<u64, Stream>> {
        self.streams.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn status(&self) -> MutexGuard<'_, AsrStatus> {
        self.status.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// What is to be sent now.
    fn outgoing(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.streams().iter_mut().for_each(|(key, stream)| stream.outgoing(*key, &mut out));
        out
    }

    fn worker_lost(&self) {
        let mut streams = self.streams();
        streams.values_mut().for_each(Stream::rewind);
        // A finished stream whose consumer is gone has nobody left to replay for.
        streams.retain(|_, stream| !stream.events.is_closed());
    }

    fn heard(&self, event: Event) {
        let key = match &event {
            Event::Started { stream, .. }
            | Event::Result { stream, .. }
            | Event::Ended { stream } => *stream,
            Event::Stats { lag_ms, cpu_ms, .. } => {
                let mut status = self.status();
                (status.lag_ms, status.worker_cpu_ms) = (*lag_ms, *cpu_ms);
                return;
            }
        };
        let mut streams = self.streams();
        let Some(stream) = streams.get_mut(&key) else { return };
        stream.heard(event);
        let lost = std::mem::take(&mut stream.lost);
        if stream.is_closed && !stream.is_open {
            streams.remove(&key);
        }
        drop(streams);
        self.status().events_lost += lost;
    }
}

impl Stream {
    fn new(events: mpsc::Sender<AsrEvent>) -> Self {
        Self {
            events,
            audio: VecDeque::new(),
            base: 0,
            sent: 0,
            is_open: false,
            is_finished: false,
            is_closed: false,
            unfinished: BTreeMap::new(),
            next_segment: 0,
            lost: 0,
        }
    }

    fn end(&self) -> u64 {
        self.base + self.audio.len() as u64
    }

    fn push(&mut self, index: u64, samples: &[i16]) {
        let missing = index.saturating_sub(self.end());
        if missing > KEPT_SAMPLES_MAX as u64 {
            self.audio.clear();
            (self.base, self.sent) = (index, index);
        } else {
            self.audio.extend(std::iter::repeat_n(0, missing as usize));
        }
        let known = usize::try_from(self.end().saturating_sub(index)).unwrap_or(usize::MAX);
        self.audio.extend(samples.get(known..).unwrap_or_default());
        let excess = self.audio.len().saturating_sub(KEPT_SAMPLES_MAX);
        self.audio.drain(..excess);
        self.base += excess as u64;
    }

    fn outgoing(&mut self, key: u64, out: &mut Vec<u8>) {
        if self.is_closed {
            return;
        }
        if self.sent < self.base {
            self.gap(self.sent);
            self.sent = self.base;
        }
        if !self.is_open {
            self.is_open = true;
            let open = Message::Open {
                stream: key,
                rate_hz: 8_000,
                start_sample: self.sent,
                first_segment: self.next_segment,
            };
            out.extend(open.encode());
        }
        while self.sent < self.end() {
            let from = (self.sent - self.base) as usize;
            let to = self.audio.len().min(from + wire::AUDIO_SAMPLES_MAX);
            let samples: Vec<i16> = self.audio.range(from..to).copied().collect();
            let start_sample = self.sent;
            self.sent += samples.len() as u64;
            out.extend(Message::Audio { stream: key, start_sample, samples }.encode());
        }
        if self.is_finished {
            self.is_closed = true;
            out.extend(Message::Close { stream: key }.encode());
        }
    }

    /// The worker is gone: the next one gets what it had not finished.
    fn rewind(&mut self) {
        (self.is_open, self.is_closed) = (false, false);
        if let Some((segment, start_ms)) = self.unfinished.first_key_value() {
            self.next_segment = *segment;
            let from = start_ms.saturating_sub(REPLAY_BEFORE_MS) * SAMPLES_PER_MS;
            self.sent = self.sent.min(from);
            if start_ms * SAMPLES_PER_MS < self.base {
                self.gap(start_ms * SAMPLES_PER_MS);
            }
            self.sent = self.sent.max(self.base);
        }
        self.unfinished.clear();
    }

    /// Audio from here to the buffer's beginning was never recognised.
    fn gap(&mut self, from: u64) {
        let (from_ms, to_ms) = (from / SAMPLES_PER_MS, self.base / SAMPLES_PER_MS);
        self.tell(AsrEvent::Gap { from_ms, to_ms });
    }

    fn heard(&mut self, event: Event) {
        match event {
            Event::Started { segment, at_ms, .. } => {
                self.unfinished.insert(segment, at_ms);
                self.next_segment = self.next_segment.max(segment.saturating_add(1));
                self.tell(AsrEvent::SpeechStarted { at_ms });
            }
            Event::Result { segment, is_final, start_ms, end_ms, text, confidence, .. } => {
                let text = Pii::new(text);
                let heard = Heard { segment, start_ms, end_ms, text, confidence };
                if is_final {
                    self.unfinished.remove(&segment);
                    self.tell(AsrEvent::Final(heard));
                } else if self.events.capacity() > EVENTS_WAITING_MAX / 2 {
                    self.tell(AsrEvent::Partial(heard));
                }
            }
            Event::Ended { .. } => {
                self.tell(AsrEvent::Ended);
                (self.is_open, self.is_closed) = (false, true);
            }
            Event::Stats { .. } => {}
        }
    }

    fn tell(&mut self, event: AsrEvent) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.events.try_send(event) {
            self.lost += 1;
        }
    }
}

async fn supervise(shared: &Shared, socket: &Path, spawn: &(impl Fn() -> Command + Sync)) {
    let mut backoff = BACKOFF_FIRST;
    loop {
        let born = Clock::start();
        if let Err(error) = one_life(shared, socket, spawn()).await {
            tracing::warn!(%error, "the recognition worker is gone and will be restarted");
        }
        shared.worker_lost();
        {
            let mut status = shared.status();
            (status.up, status.worker_pid, status.lag_ms) = (false, 0, 0);
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
    let mut connection = connect(socket, &mut child).await?;
    match read_message(&mut connection).await? {
        Message::Hello { version: wire::VERSION, .. } => {}
        Message::Hello { version, .. } => return Err(WireError::Version(version)),
        _ => return Err(WireError::Malformed(0)),
    }
    {
        let mut status = shared.status();
        (status.up, status.worker_pid) = (true, child.id().unwrap_or(0));
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
            writing.write_all(&shared.outgoing()).await?;
        }
    };
    tokio::select! {
        ended = read => ended,
        ended = write => ended,
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
