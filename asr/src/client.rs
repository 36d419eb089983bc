//! The server's side of recognition: workers, here or on other machines, and the streams that are
//! spread over them.
//!
//! Producers push audio into a bounded buffer a stream and never wait. A task for each worker carries
//! it there every `CARRY_EVERY`. When a worker dies, or says nothing for `WORKER_SILENT_MAX`, its
//! streams go to the others, which get again what belongs to segments without a final, as far as the
//! buffer reaches; the rest is a [`AsrEvent::Gap`]. A worker of this machine is started again, one of
//! another machine is connected to again.

mod link;
mod pool;
mod stream;

use crate::bias::Hotwords;
use crate::degradation::Level;
use crate::recognizer::Expected;
use crate::text::Text;
use pool::Shared;
use qingting_common::Pii;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use stream::{EVENTS_WAITING_MAX, Stream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub use link::Remote;

/// How often audio is carried to the worker.
const CARRY_EVERY: Duration = Duration::from_millis(40);
/// Finished streams that wait for their last finals. Beyond it the one that finished first is given
/// up: in an outage nothing else would end them, and each may keep 240 kB of audio.
const FINISHED_STREAMS_MAX: usize = 256;
/// A worker that says nothing for so long is stuck: it reports once a second. Counted while this
/// process runs, so that a machine that was asleep does not blame its worker.
const WORKER_SILENT_MAX: Duration = Duration::from_secs(4);
/// From this silence on the worker does not count as up.
const UP_SILENT_MAX: Duration = Duration::from_secs(2);
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
    /// What a seat reads: with the city's names, without fillers, with written numbers and
    /// punctuation; empty where `raw` is.
    pub display: Pii<Text>,
    /// Mean token probability, 0 to 1.
    pub confidence: f32,
    /// Of a final of a stream that something is expected of ([`AsrClient::expect`]): the same as a seat reads
    /// it, if it says that; none where there is no difference or the voice does not bear it.
    pub expected: Option<Pii<Expected>>,
    /// The worker that heard it, as in [`WorkerStatus::name`].
    pub worker: Arc<str>,
    /// How long it decoded, in ms; 0 where nobody measured.
    pub took_ms: u32,
}

/// How one worker is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerStatus {
    /// `local`, or the address of another machine's.
    pub name: String,
    /// It is connected and has said something within the last 2 s (it reports every second). False
    /// from its loss until the next one has loaded its models.
    pub up: bool,
    /// Its decode threads.
    pub threads: u16,
    /// Most streams that it takes.
    pub capacity: u32,
    /// How often it was lost.
    pub restarts: u64,
    /// Age of the oldest final it has still to finish, as of its last report: at most 2 s old while
    /// `up`, 0 while it is not connected. It counts from the end of a segment, not from the words.
    pub lag_ms: u64,
    /// What it leaves out because it is behind.
    pub level: Level,
    /// Streams that it recognises.
    pub streams: usize,
    /// Processor time since its start.
    pub cpu_ms: u64,
    /// Its process id on this machine; 0 while there is none, and for another machine's.
    pub pid: u32,
    /// Partials that it has left out since its start.
    pub partials_skipped: u64,
    /// Finals that it has given up since its start; each is a [`AsrEvent::Gap`].
    pub finals_skipped: u64,
}

/// How recognition is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AsrStatus {
    /// Every worker, up or not.
    pub workers: Vec<WorkerStatus>,
    /// Streams that are open or wait for their last finals.
    pub streams: usize,
    /// Finals lost because a consumer did not read; each lies within a [`AsrEvent::Gap`].
    pub events_lost: u64,
}

impl AsrStatus {
    /// Somebody recognises.
    pub fn up(&self) -> bool {
        self.workers.iter().any(|worker| worker.up)
    }

    /// The worst level of the workers that are up.
    pub fn level(&self) -> Level {
        let up = self.workers.iter().filter(|worker| worker.up);
        up.map(|worker| worker.level).max().unwrap_or_default()
    }
}

/// Where a worker comes from.
pub enum WorkerSource {
    /// A process of this machine.
    Local {
        /// Where it listens.
        socket: PathBuf,
        /// Its command: it must listen on `socket` and end with this process
        /// ([`crate::worker::serve`] does both).
        spawn: Box<dyn Fn() -> Command + Send + Sync>,
    },
    /// A process of another machine.
    Remote(Remote),
}

impl WorkerSource {
    fn name(&self) -> String {
        match self {
            Self::Local { .. } => "local".to_owned(),
            Self::Remote(remote) => remote.address().to_owned(),
        }
    }
}

/// Recognisers behind supervised workers. Clones share them; the last one ends those of this machine.
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

impl AsrClient {
    /// Starts and connects to these workers, and keeps them. What seats read of a final has the city's
    /// `hotwords` where they were meant; the raw text has not.
    ///
    /// Must be called within a tokio runtime.
    pub fn connect(workers: Vec<WorkerSource>, hotwords: Hotwords) -> Self {
        let names = workers.iter().map(WorkerSource::name);
        let shared = Arc::new(Shared::new(names, hotwords));
        let mut tasks = JoinSet::new();
        let tended = shared.clone();
        tasks.spawn(async move { link::tend(&tended).await });
        for (index, source) in workers.into_iter().enumerate() {
            let shared = shared.clone();
            tasks.spawn(async move { link::supervise(&shared, index, &source).await });
        }
        Self { shared, _tasks: Arc::new(tasks) }
    }

    /// The same for one worker of this machine.
    pub fn connect_supervised(
        socket: PathBuf,
        spawn: impl Fn() -> Command + Send + Sync + 'static,
    ) -> Self {
        let worker = WorkerSource::Local { socket, spawn: Box::new(spawn) };
        Self::connect(vec![worker], Hotwords::none())
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

    /// Says what the stream's audio may say from here on: a question that is being asked, then likely
    /// answers, of which the first [`crate::wire::EXPECTED_CHARS_MAX`] characters count. It biases the
    /// recogniser and does not bind it; empty: anything.
    pub fn expect(&self, key: u64, words: &str) {
        self.shared.streams().expect(key, words);
    }

    fn open(&self, key: u64, is_offline: bool) -> (StreamSender, mpsc::Receiver<AsrEvent>) {
        let (events, receiver) = mpsc::channel(EVENTS_WAITING_MAX);
        self.shared.streams().open(key, Stream::new(events, is_offline));
        (StreamSender { key, shared: self.shared.clone() }, receiver)
    }

    /// How recognition is doing now.
    pub fn status(&self) -> AsrStatus {
        let workers = self.shared.statuses();
        let streams = self.shared.streams();
        AsrStatus { workers, streams: streams.len(), events_lost: streams.finals_lost() }
    }
}

impl StreamSender {
    /// Takes audio whose first sample has this index. Never waits; what the buffer cannot hold
    /// (15 s) is dropped from its old end. A jump in `sample_index` is a gap in time.
    pub fn push(&self, sample_index: u64, samples: &[i16]) {
        self.shared.streams().push(self.key, sample_index, samples);
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
