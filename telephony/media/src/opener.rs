//! What opening rooms and legs takes: ports, sockets, recordings. Shared by the engine and by the
//! handles of its rooms; none of it waits for anybody.

use crate::clock;
use crate::config::{Layout, LegConfig, MediaConfig, MediaError, RecordTo, RoomConfig};
use crate::event::{MediaEvent, RoomEvent};
use crate::farewell::Farewell;
use crate::handle::{Desk, Keying, LegHandle};
use crate::keying;
use crate::leg::{self, Leg};
use crate::net::Sockets;
use crate::ports::PortPool;
use crate::recorder::{Job, Recording, Tape};
use crate::room::{self, Room};
use crate::room_handle::RoomHandle;
use crate::routes::LEGS_PER_ROOM_MAX;
use crate::shard;
use crate::tap;
use qingting_common::Millis;
use rtrb::{Producer, RingBuffer};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::mpsc;

/// Events of one leg or room that wait for its owner.
const EVENTS_MAX: usize = 64;
/// Events in one block of tokio's channel.
const EVENTS_PER_BLOCK: usize = 32;
/// Port pairs tried when others on the machine hold some of the range.
const BIND_TRIES_MAX: usize = 16;

/// See above.
#[derive(Debug)]
pub(crate) struct Opener {
    pub(crate) config: MediaConfig,
    pub(crate) ports: Arc<Mutex<PortPool>>,
    /// None once the engine is gone.
    pub(crate) jobs: Mutex<Option<SyncSender<Job>>>,
    pub(crate) recorder: Mutex<Option<JoinHandle<()>>>,
    pub(crate) next_key: AtomicU64,
    /// The thread of the handshakes.
    pub(crate) keying: SyncSender<keying::Job>,
}

impl Opener {
    /// Whether what is opened could be put away again.
    pub(crate) fn check(&self) -> Result<(), MediaError> {
        let gone = lock(&self.recorder).as_ref().is_none_or(JoinHandle::is_finished);
        if gone { Err(MediaError::RecorderGone) } else { Ok(()) }
    }

    /// A room and its handle. Whoever calls hands it to its media thread.
    pub(crate) fn room(
        self: &Arc<Self>,
        config: RoomConfig,
        shard: &Arc<shard::Shared>,
    ) -> Result<(Box<Room>, RoomHandle, mpsc::Receiver<RoomEvent>), MediaError> {
        let shared = Arc::new(room::Shared::default());
        let (door, waiting) = RingBuffer::new(LEGS_PER_ROOM_MAX);
        let tell_of = |error| RoomEvent::RecordingFailed { error };
        let (events, inbox) = events(|| tell_of(String::new()));
        let closed = events.clone().try_reserve_owned().expect("the channel is empty");
        let recorder = config.record.map(|to| self.record(to, Tape::Stereo, &events, tell_of));
        let room = Room::new(room::Parts {
            key: self.key(),
            shared: Arc::clone(&shared),
            door: waiting,
            events,
            closed: Farewell::new(closed, RoomEvent::Closed),
            recorder: recorder.transpose()?,
        });
        let door = Mutex::new(door);
        let handle =
            RoomHandle { opener: Arc::clone(self), shard: Arc::clone(shard), shared, door };
        Ok((Box::new(room), handle, inbox))
    }

    /// A leg for this slot and its handle. Whoever calls seats it in a room of that media thread, or gives its
    /// port back.
    pub(crate) fn leg(
        &self,
        config: LegConfig,
        slot: usize,
    ) -> Result<(Box<Leg>, LegHandle, mpsc::Receiver<MediaEvent>), MediaError> {
        let (local, sockets) = self.bind(config.bind_ip)?;
        let opened = self.leg_at(local, sockets, config, slot);
        if opened.is_err() {
            self.give_back(local);
        }
        opened
    }

    /// The port of a leg that was not seated.
    pub(crate) fn give_back(&self, local: SocketAddr) {
        lock(&self.ports).give_back(now(), local.port());
    }

    fn leg_at(
        &self,
        local: SocketAddr,
        sockets: Sockets,
        config: LegConfig,
        slot: usize,
    ) -> Result<(Box<Leg>, LegHandle, mpsc::Receiver<MediaEvent>), MediaError> {
        let shared = Arc::new(leg::Shared::default());
        let (desk, tray) = Desk::new();
        let tell_of = |error| MediaEvent::RecordingFailed { error };
        let (events, inbox) = events(|| MediaEvent::FirstPacket);
        let closed = events.clone().try_reserve_owned().expect("the channel is empty");
        let (recogniser, tap) = config.recognise.then(tap::recogniser).unzip();
        let recorder = config.record.map(|to| self.record(to, Tape::Stereo, &events, tell_of));
        let track = config.record_track.map(|to| self.record(to, Tape::Mono, &events, tell_of));
        let key = self.key();
        let keying = Keying { jobs: self.keying.clone(), socket: Arc::downgrade(&sockets.rtp) };
        let leg = Leg::new(leg::Parts {
            key,
            side: config.side,
            sockets,
            port: local.port(),
            shared: Arc::clone(&shared),
            commands: tray.commands,
            events,
            closed: Farewell::new(closed, MediaEvent::Closed),
            spent: tray.spent,
            recorder: recorder.transpose()?,
            track: track.transpose()?.map(|(key, frames, _)| (key, frames)),
            recogniser,
            jitter_ms: self.config.jitter_ms.clone(),
            inactivity_ns: u64::try_from(config.inactivity.as_nanos()).unwrap_or(u64::MAX),
            seed: rand_seed(),
            cname: format!("{:016x}", rand_seed()),
        });
        let desk = Mutex::new(desk);
        Ok((Box::new(leg), LegHandle { local, key, slot, shared, desk, tap, keying }, inbox))
    }

    fn bind(&self, wanted: Option<IpAddr>) -> Result<(SocketAddr, Sockets), MediaError> {
        let own = self.config.bind_ip;
        // A socket of all addresses answers from the one that the kernel likes best: a browser takes no answer of
        // ICE that does not come from where it asked (RFC 8445 §7.2.5.2.1).
        let mut ip = wanted.filter(|ip| !ip.is_unspecified()).unwrap_or(own);
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

    fn record<T, E: Send + 'static>(
        &self,
        to: RecordTo,
        tape: fn(rtrb::Consumer<T>) -> Tape,
        events: &mpsc::Sender<E>,
        tell_of: fn(String) -> E,
    ) -> Result<(u64, Producer<T>, Layout), MediaError> {
        let (key, layout) = (self.key(), to.layout);
        let (producer, consumer) = tap::recorder();
        let events = events.clone();
        let tell_failed = Box::new(move |error| {
            // A full queue belongs to a driver that is busy; the counter still tells.
            let _ = events.try_send(tell_of(error));
        });
        let recording = Box::new(Recording::new(key, to, tape(consumer), tell_failed));
        // The opener is the SIP thread: a hanging disk costs this call, not all that SIP carries.
        let jobs = lock(&self.jobs);
        let jobs = jobs.as_ref().ok_or(MediaError::RecorderGone)?;
        jobs.try_send(Job::Record(recording)).map_err(|refused| match refused {
            TrySendError::Full(_) => MediaError::Overloaded,
            TrySendError::Disconnected(_) => MediaError::RecorderGone,
        })?;
        Ok((key, producer, layout))
    }

    fn key(&self) -> u64 {
        self.next_key.fetch_add(1, Ordering::Relaxed)
    }
}

/// An empty channel that has all its memory: tokio's takes a block when its queue first reaches
/// it, which would be on a media thread, and goes round in its blocks from then on.
fn events<E>(any: impl Fn() -> E) -> (mpsc::Sender<E>, mpsc::Receiver<E>) {
    let (events, mut inbox) = mpsc::channel(EVENTS_MAX);
    // A full queue that begins within a block reaches one block more than its length has.
    for length in [EVENTS_PER_BLOCK / 2, EVENTS_MAX] {
        for _ in 0..length {
            let sent = events.try_send(any());
            debug_assert!(sent.is_ok(), "as many as there is room for");
        }
        while inbox.try_recv().is_ok() {}
    }
    (events, inbox)
}

pub(crate) fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every operation on what is shared here is one step: it is valid after a panic elsewhere.
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn now() -> Millis {
    Millis(clock::monotonic_ns() / 1_000_000)
}

/// Unpredictable, so that nobody off the path can guess SSRC, sequence and timestamp
/// (RFC 3550 §5.1).
fn rand_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(clock::monotonic_ns())
}
