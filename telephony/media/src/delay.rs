//! How long received audio must wait so that late packets still make it.
//!
//! Pure, in samples at 8 kHz. The earliest packets of the last seconds mark zero network delay
//! (a sliding minimum, so that two clocks drifting apart are followed); how much later the others
//! come is kept in a slowly forgetting histogram whose upper end is the delay wanted.

use std::ops::RangeInclusive;

/// Width of one histogram bin: 5 ms.
const BIN_SAMPLES: i64 = 40;
/// Bins: up to 320 ms late.
const BINS: usize = 64;
/// Share of packets that shall come in time.
const IN_TIME: f32 = 0.985;
/// What one packet leaves of the past: half is forgotten in 350 packets, 7 s.
const KEPT_PER_PACKET: f32 = 0.998;
/// The minimum is taken over this many stretches …
const MINIMA: usize = 10;
/// … of this many packets each: together 10 s.
const PACKETS_PER_MINIMUM: u32 = 50;

/// Follows one source's delay.
#[derive(Debug)]
pub struct DelayEstimator {
    delay_samples: RangeInclusive<i64>,
    late_by: [f32; BINS],
    minima: [i64; MINIMA],
    stretch: usize,
    packets_in_stretch: u32,
    target: i64,
}

impl DelayEstimator {
    /// An estimator whose target stays within `delay_ms`.
    pub fn new(delay_ms: RangeInclusive<u32>) -> Self {
        let (min, max) = (i64::from(*delay_ms.start()) * 8, i64::from(*delay_ms.end()) * 8);
        Self {
            delay_samples: min..=max.max(min),
            late_by: [0.0; BINS],
            minima: [i64::MAX; MINIMA],
            stretch: 0,
            packets_in_stretch: 0,
            target: min,
        }
    }

    /// Forgets the source.
    pub fn reset(&mut self) {
        self.late_by = [0.0; BINS];
        self.minima = [i64::MAX; MINIMA];
        self.stretch = 0;
        self.packets_in_stretch = 0;
        self.target = *self.delay_samples.start();
    }

    /// Takes note of a packet that arrived at `arrival_ns` with this (extended) timestamp.
    pub fn observe(&mut self, arrival_ns: u64, timestamp: i64) {
        let transit = samples(arrival_ns) - timestamp;
        self.note_minimum(transit);
        let late = transit - self.earliest();
        let bin = (late / BIN_SAMPLES).clamp(0, BINS as i64 - 1) as usize;
        for weight in &mut self.late_by {
            *weight *= KEPT_PER_PACKET;
        }
        self.late_by[bin] += 1.0;
        self.target = self.wanted().clamp(*self.delay_samples.start(), *self.delay_samples.end());
    }

    /// The delay wanted, in samples.
    pub fn target(&self) -> i64 {
        self.target
    }

    /// The delay that a sample played now would have had, in samples.
    pub fn delay_at(&self, now_ns: u64, timestamp: i64) -> i64 {
        samples(now_ns) - timestamp - self.earliest()
    }

    fn note_minimum(&mut self, transit: i64) {
        if self.packets_in_stretch >= PACKETS_PER_MINIMUM {
            self.stretch = (self.stretch + 1) % MINIMA;
            self.minima[self.stretch] = i64::MAX;
            self.packets_in_stretch = 0;
        }
        self.packets_in_stretch += 1;
        self.minima[self.stretch] = self.minima[self.stretch].min(transit);
    }

    fn earliest(&self) -> i64 {
        self.minima.iter().copied().min().filter(|m| *m != i64::MAX).unwrap_or(0)
    }

    fn wanted(&self) -> i64 {
        let enough = self.late_by.iter().sum::<f32>() * IN_TIME;
        let mut seen = 0.0;
        for (bin, weight) in self.late_by.iter().enumerate() {
            seen += weight;
            if seen >= enough {
                return (bin as i64 + 1) * BIN_SAMPLES;
            }
        }
        BINS as i64 * BIN_SAMPLES
    }
}

fn samples(ns: u64) -> i64 {
    (ns / 125_000) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(packets: u64, late_ms: impl Fn(u64) -> u64) -> i64 {
        let mut delay = DelayEstimator::new(20..=200);
        for n in 0..packets {
            delay.observe((n * 20 + late_ms(n)) * 1_000_000, n as i64 * 160);
        }
        delay.target() / 8
    }

    #[test]
    fn the_target_follows_the_jitter_within_its_bounds() {
        assert_eq!(after(500, |_| 0), 20);
        let jittery = after(500, |n| n * 37 % 60);
        assert!((55..=65).contains(&jittery), "{jittery} ms");
        assert_eq!(after(500, |n| n * 131 % 900), 200);
    }

    #[test]
    fn a_drifting_clock_is_not_taken_for_jitter() {
        // 200 ppm slow: 12 ms in a minute.
        assert!(after(3_000, |n| n * 20 / 5_000) <= 20);
    }
}
