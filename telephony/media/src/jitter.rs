//! The playout buffer: samples keyed by RTP timestamp, played after an adaptive delay.
//!
//! Pure: time is a parameter, in nanoseconds of one monotonic clock. Keyed by sample rather than
//! by packet, so that any packet length (10 to 60 ms, changing in mid-call) plays alike. Nothing
//! is allocated after construction.

use crate::delay::DelayEstimator;
use qingting_common::limits::SAMPLES_PER_TICK;
use std::ops::{Range, RangeInclusive};

/// Samples held, a power of two: 1.024 s. Audio further ahead than this is a timestamp jump.
const RING_SAMPLES: usize = 8_192;
/// Packets in a row that came too late before the sender is taken to have moved its clock: 100 ms.
const LATE_IN_A_ROW_MAX: u32 = 5;
/// Playout moves in steps of this: 10 ms.
const STEP_SAMPLES: i64 = 80;
/// The delay shrinks only when it is this much longer than needed: 30 ms …
const SHRINK_SLACK_SAMPLES: i64 = 240;
/// … and has been for this many ticks: 5 s. Every change shifts the audio, so it is done rarely.
const SHRINK_AFTER_TICKS: u32 = 250;
/// A tick below this mean magnitude is a pause, where playout may be moved unheard.
const PAUSE_MAGNITUDE_MAX: i32 = 200;

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// All of it is, or will be, played.
    Kept,
    /// Some or all of it came after its time.
    Late,
    /// All of its samples were there already.
    Duplicate,
    /// The sender's timestamps jumped: what was held is gone, playout starts anew with this packet.
    Resynced,
}

/// One tick's worth of received audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The samples; where [`Pulled::present`] is false the value is meaningless.
    pub samples: [i16; SAMPLES_PER_TICK],
    /// Which samples really came.
    pub present: [bool; SAMPLES_PER_TICK],
}

/// Holds one source's audio until it is due.
#[derive(Debug)]
pub struct JitterBuffer {
    samples: Box<[i16]>,
    filled: Box<[bool]>,
    delay: DelayEstimator,
    /// Next timestamp to play, extended beyond 32 bits; none before the first packet.
    play: Option<i64>,
    /// One past the newest timestamp held.
    newest_end: i64,
    /// False while the first packets wait for the delay to build up.
    playing: bool,
    late_in_a_row: u32,
    slack_ticks: u32,
}

impl JitterBuffer {
    /// A buffer whose delay stays within `delay_ms`.
    pub fn new(delay_ms: RangeInclusive<u32>) -> Self {
        Self {
            samples: vec![0; RING_SAMPLES].into_boxed_slice(),
            filled: vec![false; RING_SAMPLES].into_boxed_slice(),
            delay: DelayEstimator::new(delay_ms),
            play: None,
            newest_end: 0,
            playing: false,
            late_in_a_row: 0,
            slack_ticks: 0,
        }
    }

    /// Forgets the source: the next packet starts anew. For a new SSRC.
    pub fn reset(&mut self) {
        self.filled.fill(false);
        self.delay.reset();
        self.play = None;
        self.playing = false;
        self.late_in_a_row = 0;
        self.slack_ticks = 0;
    }

    /// Takes one packet's decoded samples. `arrival_ns` is when the kernel got it.
    pub fn push(&mut self, arrival_ns: u64, timestamp: u32, audio: &[i16]) -> Pushed {
        let Some(play) = self.play else {
            self.start(arrival_ns, i64::from(timestamp), audio);
            return Pushed::Kept;
        };
        let start = extend(self.newest_end, timestamp);
        let end = start + audio.len() as i64;
        if end > play + RING_SAMPLES as i64 || end < play - RING_SAMPLES as i64 {
            return self.resync(arrival_ns, start, audio);
        }
        self.delay.observe(arrival_ns, start);
        if end <= play {
            self.late_in_a_row += 1;
            if self.late_in_a_row >= LATE_IN_A_ROW_MAX {
                return self.resync(arrival_ns, start, audio);
            }
            return Pushed::Late;
        }
        self.late_in_a_row = 0;
        let fresh = self.store(start, audio);
        match (fresh, start < play) {
            (0, _) => Pushed::Duplicate,
            (_, true) => Pushed::Late,
            (_, false) => Pushed::Kept,
        }
    }

    /// The audio of the tick at `now_ns`; `None` when no audio is due yet or the source is silent
    /// before its first packet.
    pub fn pull(&mut self, now_ns: u64) -> Option<Pulled> {
        let mut play = self.play?;
        let held = self.delay.delay_at(now_ns, play);
        let target = self.delay.target();
        if !self.playing {
            if held < target {
                return None;
            }
            self.playing = true;
        }
        let dry = play >= self.newest_end;
        if held + STEP_SAMPLES <= target && (dry || self.is_pause(play)) {
            // The network has become worse: wait one tick where it is not heard.
            return None;
        }
        if self.has_slack(held - target) && !dry && self.is_pause(play) {
            for skipped in play..play + STEP_SAMPLES {
                self.filled[slot(skipped)] = false;
            }
            play += STEP_SAMPLES;
            self.slack_ticks = 0;
        }
        let mut out = Pulled { samples: [0; SAMPLES_PER_TICK], present: [false; SAMPLES_PER_TICK] };
        let (mut samples, mut present) = (&mut out.samples[..], &mut out.present[..]);
        for stretch in stretches(play, SAMPLES_PER_TICK) {
            let (now, after) = samples.split_at_mut(stretch.len());
            now.copy_from_slice(&self.samples[stretch.clone()]);
            samples = after;
            let (now, after) = present.split_at_mut(stretch.len());
            now.copy_from_slice(&self.filled[stretch.clone()]);
            present = after;
            self.filled[stretch].fill(false);
        }
        self.play = Some(play + SAMPLES_PER_TICK as i64);
        Some(out)
    }

    /// The playout delay aimed at, in milliseconds.
    pub fn delay_ms(&self) -> u32 {
        u32::try_from(self.delay.target() / 8).unwrap_or(0)
    }

    fn start(&mut self, arrival_ns: u64, start: i64, audio: &[i16]) {
        self.delay.observe(arrival_ns, start);
        self.play = Some(start);
        self.newest_end = start;
        self.store(start, audio);
    }

    fn resync(&mut self, arrival_ns: u64, start: i64, audio: &[i16]) -> Pushed {
        self.reset();
        self.start(arrival_ns, start, audio);
        Pushed::Resynced
    }

    /// Stores what is still due; returns how many samples were not there before.
    fn store(&mut self, start: i64, audio: &[i16]) -> usize {
        let play = self.play.unwrap_or(start);
        self.newest_end = self.newest_end.max(start + audio.len() as i64);
        let past = usize::try_from(play - start).unwrap_or(0).min(audio.len());
        let mut due = &audio[past..];
        let mut fresh = 0;
        for stretch in stretches(start + past as i64, due.len()) {
            let (now, after) = due.split_at(stretch.len());
            self.samples[stretch.clone()].copy_from_slice(now);
            due = after;
            let filled = &mut self.filled[stretch];
            fresh += filled.iter().filter(|filled| !**filled).count();
            filled.fill(true);
        }
        fresh
    }

    fn has_slack(&mut self, slack: i64) -> bool {
        self.slack_ticks = if slack >= SHRINK_SLACK_SAMPLES { self.slack_ticks + 1 } else { 0 };
        self.slack_ticks >= SHRINK_AFTER_TICKS
    }

    fn is_pause(&self, play: i64) -> bool {
        let present = (play..play + STEP_SAMPLES).map(slot).filter(|slot| self.filled[*slot]);
        let total: i32 = present.map(|slot| i32::from(self.samples[slot]).abs()).sum();
        total < PAUSE_MAGNITUDE_MAX * STEP_SAMPLES as i32
    }
}

/// The slots of `count` samples from this timestamp on: two stretches where the ring ends.
fn stretches(start: i64, count: usize) -> [Range<usize>; 2] {
    let first = slot(start);
    let end = (first + count).min(RING_SAMPLES);
    [first..end, 0..first + count - end]
}

fn slot(timestamp: i64) -> usize {
    timestamp.rem_euclid(RING_SAMPLES as i64) as usize
}

/// The 64-bit timestamp nearest to `near` that has these lower 32 bits.
fn extend(near: i64, timestamp: u32) -> i64 {
    near + i64::from(timestamp.wrapping_sub(near as u32) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK_NS: u64 = 20_000_000;
    const FIRST: u32 = u32::MAX - 3_000; // every test crosses the wrap

    /// Plays packets of 160 samples, each filled with its number + 1000, arriving at the given
    /// times; returns the packet numbers heard tick by tick (`None`: a gap).
    fn play(arrivals: &[(u64, u32)], ticks: u64) -> (Vec<Option<u32>>, Vec<Pushed>) {
        let mut buffer = JitterBuffer::new(40..=200);
        let mut arrivals: Vec<_> = arrivals.to_vec();
        arrivals.sort_by_key(|(at, _)| *at);
        let mut pending = arrivals.into_iter().peekable();
        let (mut heard, mut pushed) = (Vec::new(), Vec::new());
        for tick in 0..ticks {
            let now = tick * TICK_NS;
            while let Some((at, n)) = pending.next_if(|(at, _)| *at <= now) {
                let timestamp = FIRST.wrapping_add(n * 160);
                pushed.push(buffer.push(at, timestamp, &[n as i16 + 1_000; 160]));
            }
            let number = |p: Pulled| p.present[0].then(|| p.samples[0] as u32 - 1_000);
            heard.push(buffer.pull(now).and_then(number));
        }
        (heard, pushed)
    }

    fn heard_only(heard: &[Option<u32>]) -> Vec<u32> {
        heard.iter().flatten().copied().collect()
    }

    #[test]
    fn in_order_packets_play_in_order_after_the_delay() {
        let arrivals: Vec<_> = (0..50).map(|n| (u64::from(n) * TICK_NS, n)).collect();
        let (heard, _) = play(&arrivals, 60);
        assert_eq!(heard.iter().position(Option::is_some), Some(2), "40 ms are two ticks");
        assert_eq!(heard_only(&heard), (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn reordered_packets_play_in_order_and_duplicates_are_told() {
        let mut arrivals: Vec<_> = (0..50).map(|n| (u64::from(n) * TICK_NS, n)).collect();
        arrivals[10].1 = 11;
        arrivals[11].1 = 10;
        arrivals.push((20 * TICK_NS + 1, 20));
        let (heard, pushed) = play(&arrivals, 60);
        assert_eq!(heard_only(&heard), (0..50).collect::<Vec<_>>());
        assert_eq!(pushed.iter().filter(|p| **p == Pushed::Duplicate).count(), 1);
    }

    #[test]
    fn jitter_of_sixty_milliseconds_is_absorbed_once_learnt() {
        let jitter = |n: u32| u64::from(n.wrapping_mul(2_654_435_761) >> 16) % 60_000_000;
        let arrivals: Vec<_> =
            (0..1_000).map(|n| (u64::from(n) * TICK_NS + jitter(n), n)).collect();
        let (heard, _) = play(&arrivals, 1_010);
        let late = heard[100..1_000].iter().filter(|n| n.is_none()).count();
        assert!(late <= 9, "{late} gaps in 900 ticks after two seconds of learning");
    }

    #[test]
    fn a_lost_packet_is_a_gap_in_its_place() {
        let arrivals: Vec<_> =
            (0..50).filter(|n| *n != 30).map(|n| (u64::from(n) * TICK_NS, n)).collect();
        let (heard, _) = play(&arrivals, 60);
        assert_eq!(heard[31..34], [Some(29), None, Some(31)]);
    }

    #[test]
    fn a_timestamp_jump_starts_anew() {
        let mut arrivals: Vec<_> = (0..25).map(|n| (u64::from(n) * TICK_NS, n)).collect();
        arrivals.extend((25..50).map(|n| (u64::from(n) * TICK_NS, n + 5_000)));
        let (heard, pushed) = play(&arrivals, 60);
        assert_eq!(pushed.iter().filter(|p| **p == Pushed::Resynced).count(), 1);
        assert!(heard_only(&heard).contains(&5_049));
    }

    #[test]
    fn a_sender_whose_clock_stood_still_is_heard_again_after_a_few_late_packets() {
        // 400 ms of pause during which the timestamp did not advance.
        let mut arrivals: Vec<_> = (0..25).map(|n| (u64::from(n) * TICK_NS, n)).collect();
        arrivals.extend((25..75).map(|n| (u64::from(n + 20) * TICK_NS, n)));
        let (heard, _) = play(&arrivals, 110);
        let after = heard_only(&heard).iter().filter(|n| **n >= 25).count();
        assert!(after >= 44, "{after} of 50 heard");
    }

    #[test]
    fn packets_of_other_lengths_play_without_gaps() {
        for length in [80usize, 240, 480] {
            let mut buffer = JitterBuffer::new(40..=200);
            let (mut sent, mut holes) = (0u64, 0);
            for tick in 0..100u64 {
                let now = tick * TICK_NS;
                while (sent + 1) * length as u64 <= tick * 160 {
                    let at = (sent + 1) * length as u64 * 125_000;
                    buffer.push(at, (sent as usize * length) as u32, &vec![900; length]);
                    sent += 1;
                }
                if tick > 10 && tick < 95 {
                    let pulled = buffer.pull(now).expect("playing");
                    holes += pulled.present.iter().filter(|p| !**p).count();
                } else {
                    buffer.pull(now);
                }
            }
            assert_eq!(holes, 0, "packets of {length} samples");
        }
    }
}
