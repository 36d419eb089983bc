//! Legs that may hear each other; owned by one media thread from its opening to its end.

use crate::config::{Layout, Side};
use crate::event::{RecordingReport, RoomEvent, RoomReport};
use crate::farewell::Farewell;
use crate::leg::{Leg, Tick};
use crate::mix::{Mix, Samples};
use crate::net::Inbox;
use crate::routes::{LEGS_PER_ROOM_MAX, Routes, bit, slots};
use crate::tap::Pair;
use qingting_common::limits::{SAMPLES_PER_TICK, TICK_MS};
use rtrb::{Consumer, Producer};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use tokio::sync::mpsc;

const SILENCE: Samples = [0; SAMPLES_PER_TICK];

/// What a room and its handle share. The newest word of the owner counts, so none waits in a queue
/// that could be full: a mute must never be lost.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// [`Routes::to_bits`].
    pub(crate) routes: AtomicU64,
    pub(crate) paused: AtomicBool,
    /// Set by the handle's drop; the room then ends with its last leg.
    pub(crate) closing: AtomicBool,
    /// Slots given out: set by the handle, cleared by the media thread when the leg has left.
    pub(crate) taken: AtomicU8,
}

/// A leg that comes into a room, at a slot given out before.
pub(crate) struct Newcomer(pub(crate) usize, pub(crate) Box<Leg>);

impl fmt::Debug for Newcomer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Newcomer").field(&self.0).field(&self.1.key()).finish()
    }
}

/// What a room is made of, made off the media threads.
pub(crate) struct Parts {
    pub(crate) key: u64,
    pub(crate) shared: Arc<Shared>,
    pub(crate) door: Consumer<Newcomer>,
    pub(crate) events: mpsc::Sender<RoomEvent>,
    pub(crate) closed: Farewell<RoomEvent, RoomReport>,
    pub(crate) recorder: Option<(u64, Producer<Pair>, Layout)>,
}

/// What one tick of a room needs for its time; one for each media thread, so that it stays in the
/// processor's nearest memory.
pub(crate) struct Scratch {
    inbox: Inbox,
    /// By slot; what is left of another room's tick is never read.
    voices: [Samples; LEGS_PER_ROOM_MAX],
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self { inbox: Inbox::new(), voices: [SILENCE; LEGS_PER_ROOM_MAX] }
    }
}

pub(crate) struct Room {
    parts: Parts,
    legs: [Option<Box<Leg>>; LEGS_PER_ROOM_MAX],
    /// Legs whose first tick in this room the owner has been told of.
    begun: u8,
    /// Tick of the shard at which the first leg was connected.
    first_tick: Option<u64>,
    ticks: u64,
    paused_from: Option<u64>,
    recorder_dropped: u64,
    over: bool,
}

impl Room {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts,
            legs: Default::default(),
            begun: 0,
            first_tick: None,
            ticks: 0,
            paused_from: None,
            recorder_dropped: 0,
            over: false,
        }
    }

    pub(crate) fn key(&self) -> u64 {
        self.parts.key
    }

    /// Lets everybody in who waits before the door.
    pub(crate) fn seat(&mut self) {
        while let Ok(Newcomer(slot, leg)) = self.parts.door.pop() {
            debug_assert!(self.legs[slot].is_none(), "a slot is given out once");
            self.begun &= !bit(slot);
            self.legs[slot] = Some(leg);
        }
    }

    /// Takes out a leg that is over.
    pub(crate) fn lift_closing(&mut self) -> Option<Box<Leg>> {
        self.take_first(Leg::is_closing)
    }

    /// Takes out any leg.
    pub(crate) fn lift_any(&mut self) -> Option<Box<Leg>> {
        self.take_first(|_| true)
    }

    /// Whether the room waits to be put away.
    pub(crate) fn is_over(&self) -> bool {
        // In this order: whoever was seated before the handle went is then seen in the queue.
        let closing = self.parts.shared.closing.load(Ordering::Acquire);
        closing && self.legs.iter().all(Option::is_none) && self.parts.door.is_empty()
    }

    /// One tick of all its legs: all are listened to before the first is spoken to, and the routes
    /// are read once. Allocates and frees nothing (`tests/no_allocation.rs`). Says whether a leg,
    /// or the room, waits to be put away: legs are many, and looking at each once more would cost
    /// more than mixing them.
    pub(crate) fn tick(&mut self, tick: Tick, scratch: &mut Scratch) -> bool {
        let Scratch { inbox, voices } = scratch;
        let mut leaving = self.is_over();
        let mut present = 0;
        for (slot, leg) in self.legs.iter_mut().enumerate() {
            let Some(leg) = leg else { continue };
            // Its call is over since the last tick: one more would be no part of it, nor of its recordings.
            if leg.is_closing() {
                leaving = true;
                continue;
            }
            let voice = &mut voices[slot];
            if guarded(leg, |leg| leg.listen(tick, inbox, voice)) == Some(true) {
                present |= bit(slot);
            }
        }
        if present == 0 {
            return leaving;
        }
        let routes = Routes::from_bits(self.parts.shared.routes.load(Ordering::Acquire));
        let paused = self.parts.shared.paused.load(Ordering::Acquire);
        let voices: &_ = voices;
        let mut prompts: [Option<Samples>; LEGS_PER_ROOM_MAX] = [const { None }; LEGS_PER_ROOM_MAX];
        let (mut left, mut right) = (Mix::default(), Mix::default());
        let spoken_of = routes.speakers(present);
        for slot in slots(present) {
            let Some(leg) = &mut self.legs[slot] else { continue };
            let mut others = Mix::default();
            for speaker in slots(routes.heard_by(slot) & present) {
                others.add(&voices[speaker]);
            }
            let voice = &voices[slot];
            let played = guarded(leg, |leg| leg.speak(tick, voice, &others, paused)).flatten();
            leaving |= leg.is_closing();
            match leg.side() {
                Side::Citizen => {
                    left.add(voice);
                    prompts[slot] = played;
                }
                // A seat that is on hold, or not yet put through, is in no conversation.
                Side::Staff if spoken_of & bit(slot) != 0 => right.add(voice),
                Side::Staff => {}
            }
        }
        prompts.iter().flatten().for_each(|played| right.add(played));
        self.record(tick, present, paused, &left.cut(), &right.cut());
        leaving
    }

    /// After a panic in a tick: the legs are only good for being put away.
    pub(crate) fn fail(&mut self) {
        self.legs.iter_mut().flatten().for_each(|leg| leg.fail());
    }

    /// Closes the last pause, so that the books are whole. Once.
    pub(crate) fn end(&mut self) {
        if !std::mem::replace(&mut self.over, true) {
            self.note_pause(false, self.ticks * SAMPLES_PER_TICK as u64);
        }
    }

    /// The recording, and how many ticks never reached it.
    pub(crate) fn recording(&self) -> Option<(u64, u64)> {
        self.parts.recorder.as_ref().map(|(key, ..)| (*key, self.recorder_dropped))
    }

    /// How many ticks it has had, from the first of a leg.
    #[cfg(test)]
    pub(crate) const fn ticks(&self) -> u64 {
        self.ticks
    }

    /// Tells the owner that the room is over, and frees it.
    pub(crate) fn close(mut self, recording: Option<RecordingReport>) {
        let duration_ms = self.ticks * u64::from(TICK_MS);
        self.parts.closed.tell(RoomReport { duration_ms, recording });
    }

    fn take_first(&mut self, wanted: impl Fn(&Leg) -> bool) -> Option<Box<Leg>> {
        let found = |seat: &Option<Box<Leg>>| seat.as_deref().is_some_and(&wanted);
        let slot = self.legs.iter().position(found)?;
        let leg = self.legs[slot].take();
        self.parts.shared.taken.fetch_and(!bit(slot), Ordering::AcqRel);
        leg
    }

    fn record(&mut self, tick: Tick, present: u8, paused: bool, left: &Samples, right: &Samples) {
        let first = *self.first_tick.get_or_insert(tick.number);
        let sample_index = (tick.number - first) * SAMPLES_PER_TICK as u64;
        self.ticks = tick.number - first + 1;
        for slot in slots(present & !self.begun) {
            let leg_sample = self.legs[slot].as_ref().map_or(0, |leg| leg.sample_index());
            self.tell(RoomEvent::LegBegan { slot, room_sample: sample_index, leg_sample });
        }
        self.begun |= present;
        self.note_pause(paused, sample_index);
        if let Some((_, recorder, layout)) = &mut self.parts.recorder {
            let (left, right) = if paused { (&SILENCE, &SILENCE) } else { (left, right) };
            let full = recorder.push(layout.pair(sample_index, paused, left, right)).is_err();
            self.recorder_dropped += u64::from(full);
        }
    }

    fn note_pause(&mut self, paused: bool, sample_index: u64) {
        if paused {
            self.paused_from.get_or_insert(sample_index);
        } else if let Some(from_sample) = self.paused_from.take() {
            self.tell(RoomEvent::RecordingPaused { from_sample, to_sample: sample_index });
        }
    }

    fn tell(&self, event: RoomEvent) {
        // The owner reads events as they come; one that does not read loses them, not the call.
        let _ = self.parts.events.try_send(event);
    }
}

/// A fault of ours in one leg ends that leg and no other.
fn guarded<T>(leg: &mut Leg, step: impl FnOnce(&mut Leg) -> T) -> Option<T> {
    // Neither the leg nor the inbox is looked at again as if whole: the leg is put away, the inbox
    // is overwritten.
    let done = catch_unwind(AssertUnwindSafe(|| step(leg)));
    if done.is_err() {
        leg.fail();
        tracing::error!(port = leg.port(), "a leg panicked: its call ends");
    }
    done.ok()
}
