//! The media engine: opens legs and hands them to its threads.

use crate::clock;
use crate::event::MediaEvent;
use crate::lateness::{Lateness, LatenessSnapshot};
use crate::leg::{Command, Layout, Leg, Parts, RemoteMedia, Shared};
use crate::net::Sockets;
use crate::ports::{PortPool, PortsExhausted};
use crate::recorder::{self, Job, RecorderCounters, Recording};
use crate::shard::{self, LEGS_WAITING_MAX, Shard};
use crate::tap::{self, RecogniserTap};
use qingting_common::Millis;
use rtrb::{Producer, RingBuffer};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

/// Commands of one leg that wait for its next tick.
const COMMANDS_MAX: usize = 96;
/// Events of one leg that wait for its owner.
const EVENTS_MAX: usize = 64;
/// Work that waits for the recorder thread.
const JOBS_MAX: usize = 4_096;
/// Port pairs tried when others on the machine hold some of the range.
const BIND_TRIES_MAX: usize = 16;

/// How the engine runs.
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// Media threads, at least 1.
    pub shards: usize,
    /// Address of all sockets.
    pub bind_ip: IpAddr,
    /// Two ports for each leg: RTP on the even one, RTCP on the next.
    pub ports: RangeInclusive<u16>,
    /// How long the ports of a finished leg stay unused, so that no late packet of one call
    /// reaches another.
    pub port_rest: Duration,
    /// Bounds of the playout delay, in milliseconds.
    pub jitter_ms: RangeInclusive<u32>,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            shards: 1,
            bind_ip: IpAddr::from([127, 0, 0, 1]),
            ports: 10_000..=29_999,
            port_rest: Duration::from_secs(5),
            jitter_ms: 40..=200,
        }
    }
}

/// How one leg runs.
#[derive(Clone, Debug)]
pub struct LegConfig {
    /// Where to record to, if at all.
    pub record: Option<RecordTo>,
    /// Whether a recogniser will listen.
    pub recognise: bool,
    /// Time without a packet of the peer after which [`MediaEvent::Inactive`] is told.
    pub inactivity: Duration,
}

/// A recording to make.
#[derive(Clone, Debug, Default)]
pub struct RecordTo {
    /// The WAV file; it must not exist yet.
    pub path: PathBuf,
    /// Which voice is on which channel.
    pub layout: Layout,
}

/// Why a leg could not be opened or the engine not started.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// All ports are taken.
    #[error("no RTP port is free: {0}. Widen the port range or lower the number of calls")]
    Ports(#[from] PortsExhausted),
    /// The ports of the pool are held by other programs.
    #[error("cannot bind RTP ports on {ip}: {source}. Choose a range that no other program uses")]
    Bind {
        /// The address.
        ip: IpAddr,
        /// What the system said of the last try.
        source: io::Error,
    },
    /// The media thread takes no more legs now.
    #[error("the media thread is overloaded: {LEGS_WAITING_MAX} legs wait for it")]
    Overloaded,
    /// The system gave no thread.
    #[error("cannot start a media thread: {0}")]
    Thread(#[source] io::Error),
}

/// The engine. Dropping it ends all legs and finishes their recordings.
pub struct MediaEngine {
    shards: Vec<ShardHandle>,
    jobs: Option<SyncSender<Job>>,
    recorder: Option<JoinHandle<()>>,
    ports: Arc<Mutex<PortPool>>,
    lateness: Arc<Lateness>,
    counters: Arc<RecorderCounters>,
    config: MediaConfig,
    next_key: AtomicU64,
}

struct ShardHandle {
    shared: Arc<shard::Shared>,
    incoming: SyncSender<Box<Leg>>,
    thread: Option<JoinHandle<()>>,
}

/// Figures for metrics.
#[derive(Clone, Copy, Debug)]
pub struct MediaMetrics {
    /// Legs that are open.
    pub legs: usize,
    /// Port pairs that are free and rested.
    pub ports_free: usize,
    /// How late ticks were.
    pub lateness: LatenessSnapshot,
    /// Recording writes that failed.
    pub recording_write_errors: u64,
    /// Bytes of audio written.
    pub recording_bytes: u64,
}

impl MediaEngine {
    /// Starts the threads.
    pub fn start(config: MediaConfig) -> Result<Self, MediaError> {
        let (jobs, waiting) = sync_channel(JOBS_MAX);
        let counters = Arc::new(RecorderCounters::default());
        let ports = PortPool::new(config.ports.clone(), config.port_rest);
        let ports = Arc::new(Mutex::new(ports));
        let lateness = Arc::new(Lateness::default());
        let recorder = {
            let (counters, ports) = (Arc::clone(&counters), Arc::clone(&ports));
            let give_back = move |port| lock(&ports).give_back(now(), port);
            thread("recorder", move || recorder::run(&waiting, &counters, &give_back))?
        };
        let mut engine = Self {
            shards: Vec::new(),
            jobs: Some(jobs.clone()),
            recorder: Some(recorder),
            ports,
            lateness,
            counters,
            config,
            next_key: AtomicU64::new(1),
        };
        for number in 0..engine.config.shards.max(1) {
            let (incoming, taken) = sync_channel(LEGS_WAITING_MAX);
            let shared = Arc::new(shard::Shared::default());
            let shard = Shard {
                shared: Arc::clone(&shared),
                lateness: Arc::clone(&engine.lateness),
                incoming: taken,
                jobs: jobs.clone(),
            };
            let thread = thread(&format!("media-{number}"), move || shard.run())?;
            engine.shards.push(ShardHandle { shared, incoming, thread: Some(thread) });
        }
        Ok(engine)
    }

    /// Opens a leg: binds its ports at once, sends and hears nothing until it is connected.
    pub fn open(
        &self,
        config: LegConfig,
    ) -> Result<(LegHandle, mpsc::Receiver<MediaEvent>), MediaError> {
        let (port, sockets) = self.bind()?;
        let local = SocketAddr::new(self.config.bind_ip, port);
        let shared = Arc::new(Shared::default());
        let (commands_to, commands) = RingBuffer::new(COMMANDS_MAX);
        let (events, inbox) = mpsc::channel(EVENTS_MAX);
        let closed = events.clone().try_reserve_owned().expect("the channel is new and empty");
        let (recogniser, tap) = config.recognise.then(tap::recogniser).unzip();
        let recorder = config.record.map(|to| self.record(to, &events));
        let leg = Leg::new(Parts {
            sockets,
            port,
            shared: Arc::clone(&shared),
            commands,
            events,
            closed,
            recorder,
            recogniser,
            jitter_ms: self.config.jitter_ms.clone(),
            inactivity_ns: u64::try_from(config.inactivity.as_nanos()).unwrap_or(u64::MAX),
            seed: rand_seed(),
            cname: format!("{:016x}", rand_seed()),
        });
        self.hand_over(Box::new(leg))?;
        Ok((LegHandle { local, shared, commands: Mutex::new(commands_to), tap }, inbox))
    }

    /// Figures for metrics.
    pub fn metrics(&self) -> MediaMetrics {
        let legs = self.shards.iter().map(|shard| shard.shared.legs.load(Ordering::Relaxed));
        MediaMetrics {
            legs: legs.sum(),
            ports_free: lock(&self.ports).free(now()),
            lateness: self.lateness.snapshot(),
            recording_write_errors: self.counters.write_errors.load(Ordering::Relaxed),
            recording_bytes: self.counters.bytes.load(Ordering::Relaxed),
        }
    }

    fn bind(&self) -> Result<(u16, Sockets), MediaError> {
        let ip = self.config.bind_ip;
        let mut tries = 0;
        loop {
            let port = lock(&self.ports).take(now())?;
            match Sockets::bind(ip, port) {
                Ok(sockets) => return Ok((port, sockets)),
                Err(source) => {
                    // Another program has it: it rests like a used one and the next is tried.
                    lock(&self.ports).give_back(now(), port);
                    tries += 1;
                    if tries == BIND_TRIES_MAX {
                        return Err(MediaError::Bind { ip, source });
                    }
                }
            }
        }
    }

    fn record(
        &self,
        to: RecordTo,
        events: &mpsc::Sender<MediaEvent>,
    ) -> (u64, Producer<tap::Pair>, Layout) {
        let key = self.next_key.fetch_add(1, Ordering::Relaxed);
        let (producer, consumer) = tap::recorder();
        let recording = Box::new(Recording::new(key, to.path, consumer, events.clone()));
        // A recorder thread that is 4,096 jobs behind makes the opener wait: better than a call
        // without a recording.
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(Job::Record(recording));
        }
        (key, producer, to.layout)
    }

    fn hand_over(&self, leg: Box<Leg>) -> Result<(), MediaError> {
        let shard = self
            .shards
            .iter()
            .min_by_key(|shard| shard.shared.legs.load(Ordering::Relaxed))
            .expect("there is at least one shard");
        shard.shared.legs.fetch_add(1, Ordering::Relaxed);
        shard.incoming.try_send(leg).map_err(|refused| {
            shard.shared.legs.fetch_sub(1, Ordering::Relaxed);
            let (TrySendError::Full(leg) | TrySendError::Disconnected(leg)) = refused;
            // Through the recorder thread, so that a begun recording is taken back too.
            if let Some(jobs) = &self.jobs {
                let _ = jobs.send(Job::PutAway(leg));
            }
            MediaError::Overloaded
        })
    }
}

impl Drop for MediaEngine {
    fn drop(&mut self) {
        for shard in &self.shards {
            shard.shared.stop.store(true, Ordering::Release);
        }
        for shard in &mut self.shards {
            join(shard.thread.take());
        }
        self.jobs = None;
        join(self.recorder.take());
    }
}

/// A leg as its owner sees it. Dropping it ends the leg within a tick.
#[derive(Debug)]
pub struct LegHandle {
    local: SocketAddr,
    shared: Arc<Shared>,
    commands: Mutex<Producer<Command>>,
    tap: Option<RecogniserTap>,
}

impl LegHandle {
    /// The address that the peer sends RTP to; RTCP is on the next port.
    pub fn local_rtp(&self) -> SocketAddr {
        self.local
    }

    /// Begins, or changes, the exchange with the peer. Recording and taps begin with the first.
    pub fn connect(&self, remote: RemoteMedia) {
        self.command(Command::Connect(remote));
    }

    /// Queues a prompt, 8 kHz; its end is told as [`MediaEvent::PromptDone`].
    pub fn play(&self, id: u32, samples: Arc<[i16]>) {
        self.command(Command::Play(id, samples));
    }

    /// Stops all prompts at once; their ends are not told.
    pub fn stop_prompts(&self) {
        self.command(Command::StopPrompts);
    }

    /// Presses a key: `0`-`9`, `*`, `#`, `A`-`D`; others are ignored. [`MediaEvent::KeysSent`]
    /// tells when all are sent.
    pub fn send_dtmf(&self, key: char) {
        self.command(Command::Press(key));
    }

    /// The received audio for a recogniser; once, and only when the leg was opened for it.
    pub fn take_recogniser_tap(&mut self) -> Option<RecogniserTap> {
        self.tap.take()
    }

    fn command(&self, command: Command) {
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        if commands.push(command).is_err() {
            tracing::warn!(port = self.local.port(), "a leg's command queue is full, one is lost");
        }
    }
}

impl Drop for LegHandle {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, MediaError> {
    std::thread::Builder::new().name(name.into()).spawn(run).map_err(MediaError::Thread)
}

fn join(thread: Option<JoinHandle<()>>) {
    if thread.is_some_and(|thread| thread.join().is_err()) {
        tracing::error!("a media thread panicked");
    }
}

fn lock(ports: &Mutex<PortPool>) -> MutexGuard<'_, PortPool> {
    // Every operation on the pool is one step: it is valid after a panic elsewhere.
    ports.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> Millis {
    Millis(clock::monotonic_ns() / 1_000_000)
}

/// Unpredictable, so that nobody off the path can guess SSRC, sequence and timestamp
/// (RFC 3550 §5.1).
fn rand_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(clock::monotonic_ns())
}
