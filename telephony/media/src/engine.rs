//! The media engine: opens rooms and legs and hands them to its threads.

use crate::config::{JOBS_MAX, LegConfig, MediaConfig, MediaError, RoomConfig};
use crate::dtls::Certificate;
use crate::event::{MediaEvent, RoomEvent};
use crate::handle::LegHandle;
use crate::keying;
use crate::opener::{Opener, lock, now};
use crate::ports::PortPool;
use crate::recorder::{self, RecorderCounters};
use crate::room::Room;
use crate::room_handle::RoomHandle;
use crate::shard::{self, Lateness, ROOMS_PER_SHARD_MAX, ROOMS_WAITING_MAX, Shard};
use qingting_common::histogram::Snapshot;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tokio::sync::mpsc;

/// The engine. Dropping it ends all legs and rooms and finishes their recordings.
pub struct MediaEngine {
    shards: Vec<ShardHandle>,
    opener: Arc<Opener>,
    lateness: Arc<Lateness>,
    counters: Arc<RecorderCounters>,
    fingerprint: [u8; 32],
    keying: Option<JoinHandle<()>>,
}

struct ShardHandle {
    shared: Arc<shard::Shared>,
    incoming: SyncSender<Box<Room>>,
    thread: Option<JoinHandle<()>>,
}

impl ShardHandle {
    fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    fn load(&self) -> usize {
        let Self { shared, .. } = self;
        shared.legs.load(Ordering::Relaxed) + shared.rooms.load(Ordering::Relaxed)
    }
}

/// Figures for metrics.
#[derive(Clone, Debug)]
pub struct MediaMetrics {
    /// Legs that are open.
    pub legs: usize,
    /// Rooms that are open; a leg without others has one too.
    pub rooms: usize,
    /// Port pairs that are free and rested.
    pub ports_free: usize,
    /// How late ticks were, in seconds.
    pub lateness: Snapshot,
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
        let recorder = {
            let (counters, ports) = (Arc::clone(&counters), Arc::clone(&ports));
            let give_back = move |port| lock(&ports).give_back(now(), port);
            thread("recorder", move || recorder::run(&waiting, &counters, &give_back))?
        };
        let certificate = Certificate::generate()?;
        let fingerprint = certificate.fingerprint();
        let (keying_jobs, keying) = sync_channel(keying::JOBS_MAX);
        let keying = thread("dtls", move || keying::run(&certificate, &keying))?;
        let shards = config.shards.max(1);
        let opener = Arc::new(Opener {
            config,
            ports,
            jobs: Mutex::new(Some(jobs.clone())),
            recorder: Mutex::new(Some(recorder)),
            next_key: AtomicU64::new(1),
            keying: keying_jobs,
        });
        let (lateness, keying) = (Arc::new(shard::lateness()), Some(keying));
        let mut engine =
            Self { shards: Vec::new(), opener, lateness, counters, fingerprint, keying };
        for number in 0..shards {
            let (incoming, taken) = sync_channel(ROOMS_WAITING_MAX);
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

    /// Opens a leg in a room of its own: binds its ports at once, sends and hears nothing until it
    /// is connected. Waits for nobody.
    pub fn open(
        &self,
        config: LegConfig,
    ) -> Result<(LegHandle, mpsc::Receiver<MediaEvent>), MediaError> {
        // The room ends with its leg, for nobody holds it.
        let (room, _events) = self.open_room(RoomConfig::default())?;
        room.open_leg(config)
    }

    /// Opens an empty room. Waits for nobody.
    pub fn open_room(
        &self,
        config: RoomConfig,
    ) -> Result<(RoomHandle, mpsc::Receiver<RoomEvent>), MediaError> {
        self.opener.check()?;
        let running = self.shards.iter().filter(|shard| shard.is_running());
        let shard = running.min_by_key(|shard| shard.load()).ok_or(MediaError::Overloaded)?;
        let (room, handle, inbox) = self.opener.room(config, &shard.shared)?;
        if shard.shared.rooms.fetch_add(1, Ordering::Relaxed) >= ROOMS_PER_SHARD_MAX
            || shard.incoming.try_send(room).is_err()
        {
            // The room is freed here; the recorder thread finds its recording abandoned.
            shard.shared.rooms.fetch_sub(1, Ordering::Relaxed);
            return Err(MediaError::Overloaded);
        }
        Ok((handle, inbox))
    }

    /// SHA-256 of the certificate that browsers are shown: the `a=fingerprint` of this server.
    pub const fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// Figures for metrics.
    pub fn metrics(&self) -> MediaMetrics {
        let sum = |of: fn(&shard::Shared) -> usize| {
            self.shards.iter().map(|shard| of(&shard.shared)).sum::<usize>()
        };
        MediaMetrics {
            legs: sum(|shard| shard.legs.load(Ordering::Relaxed)),
            rooms: sum(|shard| shard.rooms.load(Ordering::Relaxed)),
            ports_free: lock(&self.opener.ports).free(now()),
            lateness: self.lateness.snapshot(),
            recording_write_errors: self.counters.write_errors.load(Ordering::Relaxed),
            recording_bytes: self.counters.bytes.load(Ordering::Relaxed),
        }
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
        // A thread that is gone already needs not be told.
        let _ = self.opener.keying.send(keying::Job::Stop);
        join(self.keying.take());
        *lock(&self.opener.jobs) = None;
        let recorder = lock(&self.opener.recorder).take();
        join(recorder);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LegHandle;
    use crate::config::{RecordTo, RemoteMedia};
    use crate::event::LegReport;
    use crate::leg::Tick;
    use crate::room::Scratch;
    use std::io::ErrorKind;
    use std::net::{IpAddr, SocketAddr};
    use std::path::Path;
    use std::time::Duration;

    const OWN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn engine(first_port: u16) -> MediaEngine {
        let ports = first_port..=first_port + 7;
        MediaEngine::start(MediaConfig { ports, port_rest: Duration::ZERO, ..Default::default() })
            .unwrap()
    }

    fn leg(bind_ip: Option<IpAddr>, record: Option<&Path>) -> LegConfig {
        let record = record.map(|path| RecordTo { path: path.into(), ..RecordTo::default() });
        LegConfig { bind_ip, record, ..LegConfig::default() }
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
    fn a_leg_of_an_engine_on_all_addresses_answers_from_the_one_that_its_peer_knows() {
        let any = IpAddr::from([0, 0, 0, 0]);
        let config = MediaConfig { bind_ip: any, ports: 32_010..=32_017, ..Default::default() };
        let engine = MediaEngine::start(config).unwrap();
        let not_ours = IpAddr::from([192, 0, 2, 77]);
        for (wanted, bound) in [(Some(OWN), OWN), (None, any), (Some(not_ours), any)] {
            let (leg, _events) = engine.open(leg(wanted, None)).unwrap();
            assert_eq!(leg.local_rtp().ip(), bound);
        }
    }

    #[test]
    fn a_hanging_recorder_costs_the_new_call_and_no_port() {
        let engine = engine(32_020);
        let (jobs, hanging) = sync_channel(1);
        *lock(&engine.opener.jobs) = Some(jobs);
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
        let (incoming, taken) = sync_channel(ROOMS_WAITING_MAX);
        let shared = Arc::new(shard::Shared::default());
        let shard = Shard {
            shared: Arc::clone(&shared),
            lateness: Arc::new(shard::lateness()),
            incoming: taken,
            jobs,
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
        let (incoming, taken) = sync_channel(ROOMS_WAITING_MAX);
        let (go, gone) = sync_channel::<()>(1);
        let panics = thread("media-0", move || {
            let _room: Box<Room> = taken.recv().expect("the engine lives");
            // Not before the leg has been handed over, too.
            let _ = gone.recv();
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
        drop(go);
        assert!(closed(events).is_some());
    }

    #[test]
    fn a_leg_that_panics_ends_alone_and_says_so() {
        let mut engine = engine(32_060);
        let (incoming, taken) = sync_channel::<Box<Room>>(1);
        let (connected, go) = sync_channel(1);
        let ticks = thread("media-0", move || {
            let mut room = taken.recv().expect("the engine lives");
            go.recv().expect("the test lives");
            room.seat();
            let mut scratch = Scratch::new();
            // A clock that runs backwards: nothing a peer can do makes a leg panic.
            let at = |number| Tick { number, now_ns: 0, unix_ns: 0 };
            room.tick(at(5), &mut scratch);
            assert!(room.lift_closing().is_none());
            room.tick(at(4), &mut scratch);
            let mut leg = room.lift_closing().expect("it failed");
            leg.end(at(5));
            leg.close(None, None);
        });
        let handle = ShardHandle { shared: Arc::default(), incoming, thread: ticks.ok() };
        join(std::mem::replace(&mut engine.shards[0], handle));
        let (held, events) = engine.open(leg(None, None)).unwrap();
        connect(&held);
        connected.send(()).unwrap();
        assert!(closed(events).is_some());
        super::join(engine.shards[0].thread.take());
    }

    #[test]
    fn a_call_that_is_over_has_no_tick_more() {
        let mut engine = engine(32_070);
        let (incoming, taken) = sync_channel::<Box<Room>>(1);
        let (step, go) = sync_channel(0);
        let ticks = thread("media-0", move || {
            let mut room = taken.recv().expect("the engine lives");
            let mut scratch = Scratch::new();
            let at = |number| Tick { number, now_ns: 0, unix_ns: 0 };
            go.recv().expect("it is connected");
            room.seat();
            room.tick(at(1), &mut scratch);
            room.tick(at(2), &mut scratch);
            go.recv().expect("it waits");
            go.recv().expect("its call is over");
            assert!(room.tick(at(3), &mut scratch));
            assert_eq!(room.ticks(), 2);
            let mut leg = room.lift_closing().expect("its call is over");
            leg.end(at(3));
            leg.close(None, None);
        });
        let handle = ShardHandle { shared: Arc::default(), incoming, thread: ticks.ok() };
        join(std::mem::replace(&mut engine.shards[0], handle));
        let (held, events) = engine.open(leg(None, None)).unwrap();
        connect(&held);
        step.send(()).unwrap();
        step.send(()).unwrap();
        drop(held);
        step.send(()).unwrap();
        assert!(closed(events).is_some());
        super::join(engine.shards[0].thread.take());
    }

    fn connect(held: &LegHandle) {
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
            security: crate::Security::Plain,
            source: None,
        });
    }

    fn join(mut shard: ShardHandle) {
        shard.shared.stop.store(true, Ordering::Release);
        super::join(shard.thread.take());
    }
}
