//! A media thread: ticks all its rooms every 20 ms, at absolute deadlines, and waits for nobody.

use crate::clock;
use crate::leg::{Leg, Tick};
use crate::recorder::Job;
use crate::room::{Room, Scratch};
use qingting_common::Histogram;
use qingting_common::limits::TICK_MS;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};

/// Legs of one media thread.
pub const LEGS_PER_SHARD_MAX: usize = 4_096;
/// Rooms of one media thread: a leg without others has one too.
pub const ROOMS_PER_SHARD_MAX: usize = LEGS_PER_SHARD_MAX;
/// Rooms that wait to be taken over by a media thread.
pub(crate) const ROOMS_WAITING_MAX: usize = 1_024;
/// After a stall this many ticks are made up for at once; more are left out: 200 ms.
const CATCH_UP_TICKS_MAX: u64 = 10;
const TICK_NS: u64 = TICK_MS as u64 * 1_000_000;

/// Upper bounds of the ticks' lateness, in seconds.
const LATE_S: [f64; 16] = [
    0.00005, 0.0001, 0.0002, 0.0003, 0.0005, 0.00075, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075,
    0.01, 0.02, 0.05, 0.1,
];

/// How late ticks are. Shared by all shards.
pub(crate) type Lateness = Histogram<16>;

pub(crate) const fn lateness() -> Lateness {
    Histogram::new(LATE_S)
}

/// What a media thread and those who open rooms and legs on it share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) legs: AtomicUsize,
    pub(crate) rooms: AtomicUsize,
    /// Set by whoever puts a leg before a room's door: it may be one of thousands of rooms.
    pub(crate) waiting: AtomicBool,
    pub(crate) stop: AtomicBool,
}

pub(crate) struct Shard {
    pub(crate) shared: Arc<Shared>,
    pub(crate) lateness: Arc<Lateness>,
    pub(crate) incoming: Receiver<Box<Room>>,
    pub(crate) jobs: SyncSender<Job>,
}

/// What only the media thread holds.
#[allow(clippy::vec_box, reason = "rooms and legs are large and move within lists")]
struct Floor {
    rooms: Vec<Box<Room>>,
    /// Legs that left their room and wait to be put away.
    leaving: Vec<Box<Leg>>,
    /// Told once.
    recorder_gone: bool,
}

impl Shard {
    /// Runs until told to stop; rooms and legs that are left are put away.
    pub(crate) fn run(self) {
        let mut floor = Floor {
            rooms: Vec::with_capacity(ROOMS_PER_SHARD_MAX),
            leaving: Vec::with_capacity(LEGS_PER_SHARD_MAX),
            recorder_gone: false,
        };
        let mut scratch = Scratch::new();
        let origin = clock::monotonic_ns();
        let mut number = 0;
        while !self.shared.stop.load(Ordering::Acquire) {
            let due = origin + number * TICK_NS;
            clock::sleep_until(due);
            let now_ns = clock::monotonic_ns();
            let late = now_ns.saturating_sub(due);
            self.lateness.record(late as f64 / 1e9);
            let missed = late / TICK_NS;
            if missed > CATCH_UP_TICKS_MAX {
                number += missed;
            }
            let tick = Tick { number, now_ns, unix_ns: clock::unix_ns() };
            // In this order: the room of whoever waits is then there.
            let waiting = self.shared.waiting.swap(false, Ordering::AcqRel);
            self.take_over(&mut floor.rooms);
            if waiting {
                floor.rooms.iter_mut().for_each(|room| room.seat());
            }
            let mut leaving = !floor.leaving.is_empty();
            for room in &mut floor.rooms {
                leaving |= tick_or_fail(room, tick, &mut scratch);
            }
            if leaving {
                floor.leave(tick);
                self.put_away(&mut floor);
            }
            number += 1;
        }
        let (now_ns, unix_ns) = (clock::monotonic_ns(), clock::unix_ns());
        self.close(floor, Tick { number, now_ns, unix_ns });
    }

    #[allow(clippy::vec_box, reason = "as above")]
    fn take_over(&self, rooms: &mut Vec<Box<Room>>) {
        while rooms.len() < ROOMS_PER_SHARD_MAX
            && let Ok(room) = self.incoming.try_recv()
        {
            rooms.push(room);
        }
    }

    fn put_away(&self, floor: &mut Floor) {
        while let Some(leg) = floor.leaving.pop() {
            match self.jobs.try_send(Job::PutAway(leg)) {
                Err(TrySendError::Full(Job::PutAway(leg))) => {
                    // The recorder thread is behind: the leg waits its turn here.
                    floor.leaving.push(leg);
                    return;
                }
                Err(TrySendError::Disconnected(Job::PutAway(leg))) => {
                    // It is dead: legs are freed here and their ports stay lost, which is the
                    // smaller evil: the calls that run go on, and the engine opens no more.
                    floor.say_that_the_recorder_is_gone();
                    leg.close(None, None);
                }
                _ => {}
            }
            self.shared.legs.fetch_sub(1, Ordering::Relaxed);
        }
        let mut index = 0;
        while index < floor.rooms.len() {
            if !floor.rooms[index].is_over() {
                index += 1;
                continue;
            }
            let mut room = floor.rooms.swap_remove(index);
            room.end();
            match self.jobs.try_send(Job::PutAwayRoom(room)) {
                Err(TrySendError::Full(Job::PutAwayRoom(room))) => {
                    floor.rooms.push(room);
                    return;
                }
                Err(TrySendError::Disconnected(Job::PutAwayRoom(room))) => {
                    floor.say_that_the_recorder_is_gone();
                    room.close(None);
                }
                _ => {}
            }
            self.shared.rooms.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The engine is being dropped: its recorder thread ends after this, so waiting is right.
    fn close(self, mut floor: Floor, tick: Tick) {
        floor.rooms.extend(self.incoming.try_iter());
        for room in &mut floor.rooms {
            room.seat();
            floor.leaving.extend(std::iter::from_fn(|| room.lift_any()));
        }
        for mut leg in floor.leaving {
            leg.end(tick);
            let _ = self.jobs.send(Job::PutAway(leg));
        }
        for mut room in floor.rooms {
            room.end();
            let _ = self.jobs.send(Job::PutAwayRoom(room));
        }
    }
}

impl Floor {
    fn leave(&mut self, tick: Tick) {
        for room in &mut self.rooms {
            while let Some(mut leg) = room.lift_closing() {
                leg.end(tick);
                self.leaving.push(leg);
            }
        }
    }

    fn say_that_the_recorder_is_gone(&mut self) {
        if !std::mem::replace(&mut self.recorder_gone, true) {
            tracing::error!("the recorder thread is gone: restart when the calls have ended");
        }
    }
}

/// A fault of ours in one room ends that room and no other. Says what [`Room::tick`] does.
pub(crate) fn tick_or_fail(room: &mut Room, tick: Tick, scratch: &mut Scratch) -> bool {
    catch_unwind(AssertUnwindSafe(|| room.tick(tick, scratch))).unwrap_or_else(|_| {
        room.fail();
        tracing::error!(room = room.key(), "a room panicked: its call ends");
        true
    })
}
