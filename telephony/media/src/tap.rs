//! Bounded taps from the media thread to the recorder and the recogniser. A full tap drops and
//! counts; the sample index keeps the gap a gap in time.

use qingting_common::limits::SAMPLES_PER_TICK;
use rtrb::{Consumer, Producer, RingBuffer};

/// Ticks that wait for the recorder: 5.12 s.
const RECORDER_TICKS_MAX: usize = 256;
/// Ticks that wait for the recogniser: 2.56 s.
const RECOGNISER_TICKS_MAX: usize = 128;

/// One tick of one party's voice.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Samples since the leg was connected.
    pub sample_index: u64,
    /// 8 kHz, 16 bits.
    pub samples: [i16; SAMPLES_PER_TICK],
}

impl Frame {
    /// Mean absolute level, 0 to 32,768.
    pub fn level(&self) -> u32 {
        let sum: u32 = self.samples.iter().map(|sample| u32::from(sample.unsigned_abs())).sum();
        sum / SAMPLES_PER_TICK as u32
    }
}

/// One tick of both directions, for the recorder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) sample_index: u64,
    /// Silence because its owner wants it so.
    pub(crate) paused: bool,
    pub(crate) left: [i16; SAMPLES_PER_TICK],
    pub(crate) right: [i16; SAMPLES_PER_TICK],
}

/// One tick of one voice, for the recorder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voice {
    pub(crate) sample_index: u64,
    /// As in [`Pair`].
    pub(crate) paused: bool,
    pub(crate) samples: [i16; SAMPLES_PER_TICK],
}

/// What the recogniser reads: the received audio, lost stretches concealed; silence while the peer
/// has us on hold.
#[derive(Debug)]
pub struct RecogniserTap {
    frames: Consumer<Frame>,
}

impl RecogniserTap {
    /// The next tick, if there is one.
    pub fn pop(&mut self) -> Option<Frame> {
        self.frames.pop().ok()
    }

    /// Forgets what came so far: ringing, or an announcement of the network.
    pub fn skip_past(&mut self) {
        while self.pop().is_some() {}
    }

    /// Whether the leg is gone: what [`RecogniserTap::pop`] then still gives is all.
    pub fn is_closed(&self) -> bool {
        self.frames.is_abandoned()
    }
}

pub(crate) fn recogniser() -> (Producer<Frame>, RecogniserTap) {
    let (producer, frames) = RingBuffer::new(RECOGNISER_TICKS_MAX);
    (producer, RecogniserTap { frames })
}

pub(crate) fn recorder<T>() -> (Producer<T>, Consumer<T>) {
    RingBuffer::new(RECORDER_TICKS_MAX)
}
