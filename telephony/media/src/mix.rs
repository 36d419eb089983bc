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

/// Voices of one tick, to be heard together. Mostly there is one, which is then only copied.
#[derive(Clone, Debug, Default)]
pub struct Mix<'a> {
    alone: Option<&'a Samples>,
    sum: Option<[i32; SAMPLES_PER_TICK]>,
}

impl<'a> Mix<'a> {
    /// Adds a voice. Some 65,000 of them fit.
    pub fn add(&mut self, voice: &'a Samples) {
        if let Some(sum) = &mut self.sum {
            for (sum, sample) in sum.iter_mut().zip(voice) {
                // Checked additions would keep the compiler from doing eight at once.
                *sum = sum.wrapping_add(i32::from(*sample));
            }
        } else if let Some(alone) = self.alone.take() {
            let both = |index: usize| i32::from(alone[index]) + i32::from(voice[index]);
            self.sum = Some(std::array::from_fn(both));
        } else {
            self.alone = Some(voice);
        }
    }

    /// These and one more.
    pub fn with<'b>(&self, voice: &'b Samples) -> Mix<'b>
    where
        'a: 'b,
    {
        let mut more = self.clone();
        more.add(voice);
        more
    }

    /// All together with the peaks cut off: for a recording, of which no listener is bothered.
    pub fn cut(&self) -> Samples {
        match (&self.sum, self.alone) {
            (Some(sum), _) => sum.map(narrow),
            (None, Some(alone)) => *alone,
            (None, None) => [0; SAMPLES_PER_TICK],
        }
    }

    fn peak(&self) -> u32 {
        let sum = self.sum.iter().flatten();
        sum.fold(0, |peak, sample| peak.max(sample.unsigned_abs()))
    }
}

/// Brings what one listener hears into 16 bits.
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
    pub fn limit(&mut self, mix: &Mix<'_>) -> Samples {
        let peak = mix.peak();
        let wanted = if peak > PEAK_MAX { PEAK_MAX as f32 / peak as f32 } else { 1.0 };
        let (from, to, ramp) = if wanted < self.gain {
            (self.gain, wanted, ATTACK_SAMPLES)
        } else {
            (self.gain, wanted.min(self.gain + RELEASE_PER_TICK), SAMPLES_PER_TICK)
        };
        self.gain = to;
        if from == 1.0 && to == 1.0 {
            return mix.cut();
        }
        let gain = |index: usize| from + (to - from) * (index.min(ramp) as f32 / ramp as f32);
        let sample = |index: usize| match (&mix.sum, mix.alone) {
            (Some(sum), _) => sum[index] as f32,
            (None, alone) => alone.map_or(0.0, |alone| alone[index].into()),
        };
        std::array::from_fn(|index| narrow((sample(index) * gain(index)) as i32))
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
        let mut mix = Mix::default();
        assert_eq!(Limiter::default().limit(&mix), [0; SAMPLES_PER_TICK]);
        mix.add(&[-20_000; SAMPLES_PER_TICK]);
        assert_eq!(Limiter::default().limit(&mix), [-20_000; SAMPLES_PER_TICK]);
        mix.add(&[-12_768; SAMPLES_PER_TICK]);
        assert_eq!(Limiter::default().limit(&mix), [i16::MIN; SAMPLES_PER_TICK]);
    }

    #[test]
    fn three_loud_voices_are_turned_down_and_not_cut() {
        let mut limiter = Limiter::default();
        let (mut cut, mut louder) = (0, 0);
        for tick in 0..200 {
            let voices = [80.0, 31.0, 17.0].map(|period| tone(period, 16_000.0, tick));
            let mut mix = Mix::default();
            voices.iter().for_each(|voice| mix.add(voice));
            let limited = limiter.limit(&mix);
            cut += limited.iter().filter(|sample| sample.unsigned_abs() >= 32_767).count();
            louder += mix.cut().iter().filter(|sample| sample.unsigned_abs() >= 32_767).count();
        }
        assert!(louder > 1_000, "the test is loud: {louder}");
        assert!(cut * 20 < louder, "{cut} of {louder} peaks are still cut");
    }

    #[test]
    fn the_gain_comes_back() {
        let mut limiter = Limiter::default();
        let mut loud = Mix::default();
        (0..4).for_each(|_| loud.add(&[30_000; SAMPLES_PER_TICK]));
        limiter.limit(&loud);
        let mut alone = Mix::default();
        alone.add(&[1_000; SAMPLES_PER_TICK]);
        assert!(limiter.limit(&alone)[0] < 400);
        let levels: Vec<i16> = (0..20).map(|_| limiter.limit(&alone)[159]).collect();
        assert!(levels.is_sorted(), "{levels:?}");
        assert_eq!(levels[19], 1_000);
    }
}
