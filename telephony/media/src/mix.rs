//! Adding voices: 32-bit sums, and a limiter that turns a sum that is too loud down instead of
//! cutting its peaks off.
//!
//! Rooms mix at 8 kHz whatever the codecs: the citizen is on the telephone network, so there is
//! nothing above 4 kHz in what most legs say and most legs could hear.

use qingting_common::limits::SAMPLES_PER_TICK;

/// One tick of one voice, 8 kHz.
pub type Samples = [i16; SAMPLES_PER_TICK];

/// The loudest sample that leaves the limiter: a voice alone is never turned down.
const PEAK_MAX: u32 = i16::MIN.unsigned_abs() as u32;
/// The limiter turns down within this: 2 ms, the peaks of which are cut.
const ATTACK_SAMPLES: usize = 16;
/// How much of its gain it gives back in a tick: from half to whole in 200 ms.
const RELEASE_PER_TICK: f32 = 0.05;

/// Voices of one tick added up.
#[derive(Clone, Debug)]
pub struct Sum([i32; SAMPLES_PER_TICK]);

impl Default for Sum {
    fn default() -> Self {
        Self([0; SAMPLES_PER_TICK])
    }
}

impl Sum {
    /// Adds a voice. Some 65,000 of them fit.
    pub fn add(&mut self, voice: &Samples) {
        for (sum, sample) in self.0.iter_mut().zip(voice) {
            // Checked additions would keep the compiler from doing eight at once.
            *sum = sum.wrapping_add(i32::from(*sample));
        }
    }

    /// The sum with its peaks cut off: for a recording of which nobody hears every word.
    pub fn cut(&self) -> Samples {
        std::array::from_fn(|index| narrow(self.0[index]))
    }

    fn peak(&self) -> u32 {
        self.0.iter().fold(0, |peak, sample| peak.max(sample.unsigned_abs()))
    }
}

/// Brings the sums that one listener hears into 16 bits.
#[derive(Clone, Debug)]
pub struct Limiter {
    gain: f32,
}

impl Default for Limiter {
    fn default() -> Self {
        Self { gain: 1.0 }
    }
}

impl Limiter {
    /// The next tick. Down at once when it is too loud, slowly up again after.
    pub fn limit(&mut self, sum: &Sum) -> Samples {
        let peak = sum.peak();
        let wanted = if peak > PEAK_MAX { PEAK_MAX as f32 / peak as f32 } else { 1.0 };
        let (from, to, ramp) = if wanted < self.gain {
            (self.gain, wanted, ATTACK_SAMPLES)
        } else {
            (self.gain, wanted.min(self.gain + RELEASE_PER_TICK), SAMPLES_PER_TICK)
        };
        self.gain = to;
        if from == 1.0 && to == 1.0 {
            return sum.cut();
        }
        let gain = |index: usize| from + (to - from) * (index.min(ramp) as f32 / ramp as f32);
        std::array::from_fn(|index| narrow((sum.0[index] as f32 * gain(index)) as i32))
    }
}

fn narrow(sample: i32) -> i16 {
    sample.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(period: f32, level: f32, tick: usize) -> Samples {
        let angle =
            |n: usize| (tick * SAMPLES_PER_TICK + n) as f32 / period * std::f32::consts::TAU;
        std::array::from_fn(|n| (angle(n).sin() * level) as i16)
    }

    #[test]
    fn what_fits_is_not_touched() {
        let mut sum = Sum::default();
        sum.add(&[-20_000; SAMPLES_PER_TICK]);
        sum.add(&[-12_768; SAMPLES_PER_TICK]);
        assert_eq!(Limiter::default().limit(&sum), [i16::MIN; SAMPLES_PER_TICK]);
    }

    #[test]
    fn three_loud_voices_are_turned_down_and_not_cut() {
        let mut limiter = Limiter::default();
        let (mut cut, mut louder) = (0, 0);
        for tick in 0..200 {
            let mut sum = Sum::default();
            for period in [80.0, 31.0, 17.0] {
                sum.add(&tone(period, 16_000.0, tick));
            }
            let limited = limiter.limit(&sum);
            cut += limited.iter().filter(|sample| sample.unsigned_abs() >= 32_767).count();
            louder += sum.cut().iter().filter(|sample| sample.unsigned_abs() >= 32_767).count();
        }
        assert!(louder > 1_000, "the test is loud: {louder}");
        assert!(cut * 20 < louder, "{cut} of {louder} peaks are still cut");
    }

    #[test]
    fn the_gain_comes_back() {
        let mut limiter = Limiter::default();
        let mut sum = Sum::default();
        (0..4).for_each(|_| sum.add(&[30_000; SAMPLES_PER_TICK]));
        limiter.limit(&sum);
        let mut alone = Sum::default();
        alone.add(&[1_000; SAMPLES_PER_TICK]);
        assert!(limiter.limit(&alone)[0] < 400);
        let levels: Vec<i16> = (0..20).map(|_| limiter.limit(&alone)[159]).collect();
        assert!(levels.is_sorted(), "{levels:?}");
        assert_eq!(levels[19], 1_000);
    }
}
