//! The media engine: opens legs and hands them to its threads.

use crate::clock;
use crate::event::MediaEvent;
use crate::lateness::{Lateness, LatenessSnapshot};
use crate::leg::{Command, Farewell, Layout, Leg, Parts, RemoteMedia, Shared};
use crate::net::Sockets;
use crate::player::PROMPTS_WAITING_MAX;
use crate::ports::{PortPool, PortsExhausted};
use crate::recorder::{self, Job, RecorderCounters, Recording};
use crate::shard::{self, LEGS_PER_SHARD_MAX, LEGS_WAITING_MAX, Shard};
use crate::tap::{self, RecogniserTap};
use qingting_common::Millis;
use rtrb::{Consumer, Producer, RingBuffer};
use std::io::{self, ErrorKind};
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
/// Prompts that a leg can hold: those that wait in commands and those in the player.
const SPENT_MAX: usize = COMMANDS_MAX + PROMPTS_WAITING_MAX + 1;
/// Events of one leg that wait for its owner.
const EVENTS_MAX: usize = 64;
/// Events in one block of tokio's channel.
const EVENTS_PER_BLOCK: usize = 32;
/// Work that waits for the recorder thread.
const JOBS_MAX: usize = 4_096;
/// Port pairs tried when others on the machine hold some of the range.
const BIND_TRIES_MAX: usize = 16;

/// How the engine runs.
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// Media threads, at least 1.
    pub shards: usize,
    /// Address of the sockets of legs that name none.
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
    /// Address of the leg's sockets. The engine's is taken instead of none, of one that is not this
    /// machine's (the outside of a NAT), and when the engine's stands for all of its family.
    pub bind_ip: Option<IpAddr>,
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
    /// The media threads or the recorder thread take no more legs now.
    #[error(
        "the media engine is overloaded: its threads are full, or the disk of recordings hangs and {JOBS_MAX} jobs wait for it"
    )]
    Overloaded,
    /// The recorder thread died: no leg could be recorded or put away.
    #[error("the recorder thread is gone. Restart when the calls have ended")]
    RecorderGone,
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

impl ShardHandle {
    fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
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
                recorder_gone: false,
            };
            let thread = thread(&format!("media-{number}"), move || shard.run())?;
            engine.shards.push(ShardHandle { shared, incoming, thread: Some(thread) });
        }
        Ok(engine)
    }

    /// Opens a leg: binds its ports at once, sends and hears nothing until it is connected. Waits
    /// for nobody.
    pub fn open(
        &self,
        config: LegConfig,
    ) -> Result<(LegHandle, mpsc::Receiver<MediaEvent>), MediaError> {
        if self.recorder.as_ref().is_none_or(JoinHandle::is_finished) {
            return Err(MediaError::RecorderGone);
        }
        let (local, sockets) = self.bind(config.bind_ip)?;
        let opened = self.open_at(local, sockets, config);
        if opened.is_err() {
            lock(&self.ports).give_back(now(), local.port());
        }
        opened
    }

    fn open_at(
        &self,
        local: SocketAddr,
        sockets: Sockets,
        config: LegConfig,
    ) -> Result<(LegHandle, mpsc::Receiver<MediaEvent>), MediaError> {
        let shared = Arc::new(Shared::default());
        let (commands_to, commands) = RingBuffer::new(COMMANDS_MAX);
        let (spent, spent_from) = RingBuffer::new(SPENT_MAX);
        let (events, inbox) = events();
        let closed = events.clone().try_reserve_owned().expect("the channel is empty");
        let (recogniser, tap) = config.recognise.then(tap::recogniser).unzip();
        let recorder = config.record.map(|to| self.record(to, &events)).transpose()?;
        let leg = Leg::new(Parts {
            sockets,
            port: local.port(),
            shared: Arc::clone(&shared),
            commands,
            events,
            closed: Farewell::new(closed),
            spent,
            recorder,
            recogniser,
            jitter_ms: self.config.jitter_ms.clone(),
            inactivity_ns: u64::try_from(config.inactivity.as_nanos()).unwrap_or(u64::MAX),
            seed: rand_seed(),
            cname: format!("{:016x}", rand_seed()),
        });
        self.hand_over(Box::new(leg))?;
        let desk = Mutex::new(Desk { commands: commands_to, spent: spent_from });
        Ok((LegHandle { local, shared, desk, tap }, inbox))
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

    fn bind(&self, wanted: Option<IpAddr>) -> Result<(SocketAddr, Sockets), MediaError> {
        let own = self.config.bind_ip;
        let covered = |ip: &IpAddr| own.is_unspecified() && own.is_ipv4() == ip.is_ipv4();
        let mut ip = wanted.filter(|ip| !covered(ip)).unwrap_or(own);
        let mut tries = 0;
        loop {
            let port = lock(&self.ports).take(now())?;
            let mut bound = Sockets::bind(ip, port);
            if ip != own && matches!(&bound, Err(e) if e.kind() == ErrorKind::AddrNotAvailable) {
                ip = own;
                bound = Sockets::bind(ip, port);
            }
            match bound {
                Ok(sockets) => return Ok((SocketAddr::new(ip, port), sockets)),
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
    ) -> Result<(u64, Producer<tap::Pair>, Layout), MediaError> {
        let key = self.next_key.fetch_add(1, Ordering::Relaxed);
        let (producer, consumer) = tap::recorder();
        let recording = Box::new(Recording::new(key, to.path, consumer, events.clone()));
        // The opener is the SIP thread: a hanging disk costs this call, not all that SIP carries.
        let jobs = self.jobs.as_ref().ok_or(MediaError::RecorderGone)?;
        jobs.try_send(Job::Record(recording)).map_err(|refused| match refused {
            TrySendError::Full(_) => MediaError::Overloaded,
            TrySendError::Disconnected(_) => MediaError::RecorderGone,
        })?;
        Ok((key, producer, to.layout))
    }

    fn hand_over(&self, leg: Box<Leg>) -> Result<(), MediaError> {
        let legs = |shard: &&ShardHandle| shard.shared.legs.load(Ordering::Relaxed);
        let running = self.shards.iter().filter(|shard| shard.is_running());
        let shard = running.min_by_key(legs).ok_or(MediaError::Overloaded)?;
        if shard.shared.legs.fetch_add(1, Ordering::Relaxed) >= LEGS_PER_SHARD_MAX
            || shard.incoming.try_send(leg).is_err()
        {
            // The leg is freed here; the recorder thread finds its recording abandoned.
            shard.shared.legs.fetch_sub(1, Ordering::Relaxed);
            return Err(MediaError::Overloaded);
        }
        Ok(())
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
    desk: Mutex<Desk>,
    tap: Option<RecogniserTap>,
}

/// What goes to the leg, and what comes back to be freed.
#[derive(Debug)]
struct Desk {
    commands: Producer<Command>,
    spent: Consumer<Arc<[i16]>>,
}

impl LegHandle {
    /// The address that is bound for the peer's RTP; RTCP is on the next port.
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
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        while desk.spent.pop().is_ok() {}
        if desk.commands.push(command).is_err() {
            tracing::warn!(port = self.local.port(), "a leg's command queue is full, one is lost");
        }
    }
}

impl Drop for LegHandle {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
    }
}

/// An empty channel that has all its memory: tokio's takes a block when its queue first reaches
/// it, which would be on a media thread, and goes round in its blocks from then on.
fn events() -> (mpsc::Sender<MediaEvent>, mpsc::Receiver<MediaEvent>) {
    let (events, mut inbox) = mpsc::channel(EVENTS_MAX);
    // A full queue that begins within a block reaches one block more than its length has.
    for length in [EVENTS_PER_BLOCK / 2, EVENTS_MAX] {
        for _ in 0..length {
            let sent = events.try_send(MediaEvent::FirstPacket);
            debug_assert!(sent.is_ok(), "as many as there is room for");
        }
        while inbox.try_recv().is_ok() {}
    }
    (events, inbox)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::LegReport;
    use crate::net::Inbox;
    use std::path::Path;

    const OWN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn engine(first_port: u16) -> MediaEngine {
        let ports = first_port..=first_port + 7;
        MediaEngine::start(MediaConfig { ports, port_rest: Duration::ZERO, ..Default::default() })
            .unwrap()
    }

    fn leg(bind_ip: Option<IpAddr>, record: Option<&Path>) -> LegConfig {
        let record = record.map(|path| RecordTo { path: path.into(), ..RecordTo::default() });
        LegConfig { bind_ip, record, recognise: false, inactivity: Duration::from_secs(60) }
    }

    fn closed(mut events: mpsc::Receiver<MediaEvent>) -> Option<LegReport> {
        while let Some(event) = events.blocking_recv() {
            if let MediaEvent::Closed(report) = event {
                return Some(*report);
            }
        }
        None
    }

    #[test]
    fn a_leg_is_bound_where_its_call_came_in() {
        let engine = engine(32_000);
        let other = IpAddr::from([127, 0, 0, 2]);
        let not_ours = IpAddr::from([192, 0, 2, 1]);
        for (wanted, bound) in [(None, OWN), (Some(other), other), (Some(not_ours), OWN)] {
            let (leg, _events) = engine.open(leg(wanted, None)).unwrap();
            assert_eq!(leg.local_rtp().ip(), bound);
            let taken = std::net::UdpSocket::bind(leg.local_rtp()).unwrap_err();
            assert_eq!(taken.kind(), ErrorKind::AddrInUse);
        }
    }

    #[test]
    fn an_engine_on_all_addresses_binds_all_for_its_family() {
        let any = IpAddr::from([0, 0, 0, 0]);
        let config = MediaConfig { bind_ip: any, ports: 32_010..=32_017, ..Default::default() };
        let engine = MediaEngine::start(config).unwrap();
        let (leg, _events) = engine.open(leg(Some(OWN), None)).unwrap();
        assert_eq!(leg.local_rtp().ip(), any);
    }

    #[test]
    fn a_hanging_recorder_costs_the_new_call_and_no_port() {
        let mut engine = engine(32_020);
        let (jobs, hanging) = sync_channel(1);
        engine.jobs = Some(jobs);
        let record = Some(Path::new("never-written.wav"));
        let _first = engine.open(leg(None, record)).unwrap();
        let free = engine.metrics().ports_free;
        for _ in 0..20 {
            let refused = engine.open(leg(None, record)).map(|_| ());
            assert!(matches!(refused, Err(MediaError::Overloaded)), "{refused:?}");
        }
        assert_eq!(engine.metrics().ports_free, free);
        drop(hanging);
        let refused = engine.open(leg(None, record)).map(|_| ());
        assert!(matches!(refused, Err(MediaError::RecorderGone)), "{refused:?}");
    }

    #[test]
    fn every_end_of_a_leg_is_told() {
        let engine = engine(32_030);
        let (dropped, events) = engine.open(leg(None, None)).unwrap();
        drop(dropped);
        assert!(closed(events).is_some(), "the owner has let go");
        let (_held, events) = engine.open(leg(None, None)).unwrap();
        // At once, so that the leg may still wait for its media thread.
        drop(engine);
        assert!(closed(events).is_some(), "the engine is gone");
    }

    #[test]
    fn legs_are_told_of_the_end_without_a_recorder_thread() {
        let mut engine = engine(32_040);
        let (jobs, dead) = sync_channel(1);
        drop(dead);
        let (incoming, taken) = sync_channel(LEGS_WAITING_MAX);
        let shared = Arc::new(shard::Shared::default());
        let shard = Shard {
            shared: Arc::clone(&shared),
            lateness: Arc::default(),
            incoming: taken,
            jobs,
            recorder_gone: false,
        };
        let thread = thread("media-0", move || shard.run()).unwrap();
        join(std::mem::replace(
            &mut engine.shards[0],
            ShardHandle { shared, incoming, thread: Some(thread) },
        ));
        let (dropped, events) = engine.open(leg(None, None)).unwrap();
        drop(dropped);
        assert!(closed(events).is_some());
    }

    #[test]
    fn a_panicking_media_thread_tells_all_its_legs() {
        let mut engine = engine(32_050);
        let (incoming, taken) = sync_channel(LEGS_WAITING_MAX);
        let panics = thread("media-0", move || {
            let _leg: Box<Leg> = taken.recv().expect("the engine lives");
            panic!("as the test wants");
        });
        let old = std::mem::replace(
            &mut engine.shards[0],
            ShardHandle { shared: Arc::default(), incoming, thread: panics.ok() },
        );
        join(old);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("call.wav");
        let (_held, events) = engine.open(leg(None, Some(&path))).unwrap();
        assert!(closed(events).is_some());
    }

    #[test]
    fn a_leg_that_panics_ends_alone_and_says_so() {
        let mut engine = engine(32_060);
        let (incoming, taken) = sync_channel::<Box<Leg>>(1);
        let (connected, go) = sync_channel(1);
        let ticks = thread("media-0", move || {
            let mut leg = taken.recv().expect("the engine lives");
            go.recv().expect("the test lives");
            let mut inbox = Inbox::new();
            // A clock that runs backwards: nothing a peer can do makes a leg panic.
            shard::tick_or_fail(&mut leg, 5, 0, 0, &mut inbox);
            assert!(!leg.is_closing());
            shard::tick_or_fail(&mut leg, 4, 0, 0, &mut inbox);
            assert!(leg.is_closing());
            leg.end(0, 0);
            leg.close(None);
        });
        let handle = ShardHandle { shared: Arc::default(), incoming, thread: ticks.ok() };
        join(std::mem::replace(&mut engine.shards[0], handle));
        let (held, events) = engine.open(leg(None, None)).unwrap();
        let peer = SocketAddr::new(OWN, 9);
        held.connect(RemoteMedia {
            rtp: peer,
            rtcp: peer,
            rtcp_mux: false,
            codec: crate::Codec::Pcma,
            payload_type: 8,
            dtmf_payload_type: None,
            send: false,
            receive: false,
        });
        connected.send(()).unwrap();
        assert!(closed(events).is_some());
        super::join(engine.shards[0].thread.take());
    }

    fn join(mut shard: ShardHandle) {
        shard.shared.stop.store(true, Ordering::Release);
        super::join(shard.thread.take());
    }
}
