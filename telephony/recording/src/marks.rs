//! Which stretches of a recording are silent, and why.

use crate::CHUNK_SAMPLES;
use qingting_common::limits::SAMPLES_PER_TICK;

/// Marks of one recording; what is beyond is counted in the sums alone.
pub(crate) const MARKS_MAX: usize = 4_096;
/// Ticks of one chunk.
pub(crate) const TICKS: usize = CHUNK_SAMPLES / SAMPLES_PER_TICK;

/// Why a stretch is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// Somebody paused the recording.
    Paused = 1,
    /// The audio never came or could not be written.
    Lost = 2,
}

/// A silent stretch, to the tick of 20 ms, in samples per channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Why.
    pub kind: MarkKind,
    /// The first silent sample.
    pub from: u64,
    /// The sample after the last.
    pub to: u64,
}

/// The silent stretches of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// In their order; at most 4,096.
    pub list: Vec<Mark>,
    /// Stretches that the list had no room for; the sums have them.
    pub left_out: u32,
    /// Samples of all pauses.
    pub paused_samples: u64,
    /// Samples of all losses.
    pub lost_samples: u64,
    /// Kind and end of the newest stretch, in the list or not.
    newest: Option<(MarkKind, u64)>,
}

impl Marks {
    /// Adds what a chunk's map says. Returns the samples of the chunk, up to its end.
    pub(crate) fn add(&mut self, chunk: u64, map: &TickMap) -> u64 {
        let start = chunk * CHUNK_SAMPLES as u64;
        let mut samples = 0;
        for tick in 0..TICKS {
            let from = start + (tick * SAMPLES_PER_TICK) as u64;
            match map.state(tick) {
                Tick::Audio => {}
                Tick::Paused => self.mark(MarkKind::Paused, from, from + SAMPLES_PER_TICK as u64),
                Tick::Lost => self.mark(MarkKind::Lost, from, from + SAMPLES_PER_TICK as u64),
                Tick::Absent => continue,
            }
            samples = ((tick + 1) * SAMPLES_PER_TICK) as u64;
        }
        samples
    }

    /// Adds a stretch that begins where the newest ended, which it then goes on with when it is of
    /// its kind, or later.
    pub fn mark(&mut self, kind: MarkKind, from: u64, to: u64) {
        match kind {
            MarkKind::Paused => self.paused_samples += to - from,
            MarkKind::Lost => self.lost_samples += to - from,
        }
        let goes_on = self.newest.replace((kind, to)) == Some((kind, from));
        if !goes_on && self.list.len() == MARKS_MAX {
            self.left_out += 1;
        } else if !goes_on {
            self.list.push(Mark { kind, from, to });
        } else if let Some(last) = self.list.last_mut().filter(|last| last.to == from) {
            last.to = to;
        }
    }

    /// As read from a trailer.
    pub(crate) fn restored(list: Vec<Mark>, left_out: u32, paused: u64, lost: u64) -> Self {
        Self { list, left_out, paused_samples: paused, lost_samples: lost, newest: None }
    }

    /// The same in all that a trailer keeps.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        let sums = |marks: &Self| (marks.left_out, marks.paused_samples, marks.lost_samples);
        self.list == other.list && sums(self) == sums(other)
    }
}

/// What a tick of a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tick {
    Audio = 0,
    Paused = 1,
    Lost = 2,
    /// Behind the end of the recording.
    Absent = 3,
}

/// Two bits for each tick of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TickMap(pub(crate) [u8; 16]);

impl TickMap {
    /// A chunk that is one thing altogether.
    pub(crate) fn whole(state: Tick) -> Self {
        let mut map = Self([0; 16]);
        for tick in 0..TICKS {
            map.put(tick, state);
        }
        map
    }

    pub(crate) fn state(&self, tick: usize) -> Tick {
        match self.0[tick / 4] >> (2 * (tick % 4)) & 3 {
            0 => Tick::Audio,
            1 => Tick::Paused,
            2 => Tick::Lost,
            _ => Tick::Absent,
        }
    }

    /// Notes what a stretch of samples is: of a tick that is several things, the worst is kept.
    pub(crate) fn note(&mut self, from: usize, to: usize, state: Tick) {
        for tick in from / SAMPLES_PER_TICK..to.div_ceil(SAMPLES_PER_TICK) {
            let before = self.state(tick);
            if before == Tick::Absent || before < state {
                self.put(tick, state);
            }
        }
    }

    fn put(&mut self, tick: usize, state: Tick) {
        let shift = 2 * (tick % 4);
        let byte = &mut self.0[tick / 4];
        *byte = *byte & !(3 << shift) | (state as u8) << shift;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_join_over_chunks_and_the_worst_of_a_tick_is_kept() {
        let mut marks = Marks::default();
        let mut map = TickMap::whole(Tick::Absent);
        map.note(0, 7_900, Tick::Audio);
        map.note(7_900, 8_000, Tick::Paused);
        assert_eq!(marks.add(0, &map), 8_000);
        let mut map = TickMap::whole(Tick::Absent);
        map.note(0, 200, Tick::Paused);
        map.note(200, 320, Tick::Lost);
        assert_eq!(marks.add(1, &map), 320);
        let paused = Mark { kind: MarkKind::Paused, from: 7_840, to: 8_160 };
        let lost = Mark { kind: MarkKind::Lost, from: 8_160, to: 8_320 };
        assert_eq!(marks.list, [paused, lost]);
        assert_eq!((marks.paused_samples, marks.lost_samples), (320, 160));
    }

    #[test]
    fn a_list_that_is_full_leaves_the_sums_whole() {
        let mut marks = Marks::default();
        let mut map = TickMap::whole(Tick::Audio);
        for tick in (0..TICKS).step_by(2) {
            map.put(tick, Tick::Lost);
        }
        for chunk in 0..200 {
            marks.add(chunk, &map);
        }
        marks.add(200, &TickMap::whole(Tick::Paused));
        assert_eq!(marks.list.len(), MARKS_MAX);
        assert_eq!(marks.left_out as usize, 200 * TICKS / 2 + 1 - MARKS_MAX);
        assert_eq!(marks.lost_samples, 200 * 4_000);
        assert_eq!(marks.paused_samples, 8_000);
    }
}
