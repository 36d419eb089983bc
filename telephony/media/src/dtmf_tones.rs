//! Keys heard as tones (ITU-T Q.23), for peers that agreed on no telephone events.
//!
//! Level, twist, purity and length are judged in the manner of ITU-T Q.24: a key is a pair of tones
//! that is nearly all of the sound for 32 ms, which voices are not.

use crate::dtmf::Pressed;
use crate::mix::Samples;
use std::f32::consts::TAU;

const LOW_HZ: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH_HZ: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
/// Rows are the low tones, columns the high ones.
const KEYS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// Samples looked at together: 12.75 ms, as short as tells the low tones apart.
const WINDOW: usize = 102;
/// A window begins every half window.
const HOP: usize = WINDOW / 2;
/// Windows in a row that must agree: 32 ms. A key of 40 ms always has as many.
const HITS_MIN: u32 = 4;
/// Windows in a row without the key after which it was let go: a pause of 40 ms always has as many,
/// an interruption of 10 ms never.
const MISSES_MIN: u32 = 4;
/// Amplitude of the faintest tone that counts: -31 dBm0.
const AMPLITUDE_MIN: f32 = 630.0;
/// The high tone may be this much louder than the low one, as power: 6 dB …
const TWIST_UP_MAX: f32 = 4.0;
/// … or this much fainter: 9 dB, for long lines lose more of it.
const TWIST_DOWN_MAX: f32 = 8.0;
/// Every other tone of the group must be this much fainter, as power: 8 dB.
const ALONE_MIN: f32 = 6.3;
/// Share of the power that the two tones must have: noise of 15 dB less and tones off by 1.5 %
/// leave 0.76.
const PURITY_MIN: f32 = 0.72;

/// From window to window a key's tones change by less than this, as power: 3 dB. Voices do not hold
/// still.
const UNSTEADY_MIN: f32 = 2.0;

/// What one window says.
#[derive(Clone, Copy, Debug)]
struct Hit {
    key: char,
    low: f32,
    high: f32,
}

impl Hit {
    fn goes_on_from(&self, before: &Self) -> bool {
        let steady = |a: f32, b: f32| a < b * UNSTEADY_MIN && b < a * UNSTEADY_MIN;
        self.key == before.key && steady(self.low, before.low) && steady(self.high, before.high)
    }
}

/// Hears keys in a voice. Allocates nothing.
#[derive(Clone, Debug)]
pub struct Detector {
    /// 2 cos of each tone's step: the low ones, the high ones.
    steps: [f32; 8],
    window: [f32; WINDOW],
    filled: usize,
    /// The last of the windows that agree, and how many they are.
    candidate: Option<Hit>,
    hits: u32,
    misses: u32,
    /// The key that is held, and for how many windows.
    held: Option<(char, u32)>,
}

impl Default for Detector {
    fn default() -> Self {
        let step = |hz: f32| 2.0 * (TAU * hz / 8_000.0).cos();
        let tone = |index: usize| if index < 4 { LOW_HZ[index] } else { HIGH_HZ[index - 4] };
        Self {
            steps: std::array::from_fn(|index| step(tone(index))),
            window: [0.0; WINDOW],
            filled: 0,
            candidate: None,
            hits: 0,
            misses: 0,
            held: None,
        }
    }
}

impl Detector {
    /// Takes the next tick; the key that was let go in it.
    pub fn hear(&mut self, voice: &Samples) -> Option<Pressed> {
        let mut pressed = None;
        let mut rest = &voice[..];
        while !rest.is_empty() {
            let (now, after) = rest.split_at(rest.len().min(WINDOW - self.filled));
            for (slot, sample) in self.window[self.filled..].iter_mut().zip(now) {
                *slot = (*sample).into();
            }
            self.filled += now.len();
            rest = after;
            if self.filled == WINDOW {
                let hit = self.judge();
                pressed = self.follow(hit).or(pressed);
                self.window.copy_within(HOP.., 0);
                self.filled = WINDOW - HOP;
            }
        }
        pressed
    }

    /// The key that this window is part of.
    fn judge(&self) -> Option<Hit> {
        let total: f32 = self.window.iter().map(|sample| sample * sample).sum();
        // As the sum of squares that a tone of some amplitude has in a window.
        let enough = AMPLITUDE_MIN * AMPLITUDE_MIN * WINDOW as f32 / 2.0;
        if total < 2.0 * enough * 0.7 {
            return None;
        }
        let powers = self.powers();
        let (row, low) = loudest(&powers[..4])?;
        let (column, high) = loudest(&powers[4..])?;
        let loud = low >= enough && high >= enough;
        let balanced = high <= low * TWIST_UP_MAX && low <= high * TWIST_DOWN_MAX;
        let pure = low + high >= total * PURITY_MIN;
        (loud && balanced && pure).then(|| Hit { key: KEYS[row][column], low, high })
    }

    /// For each tone the sum of squares that it alone would have (Goertzel).
    fn powers(&self) -> [f32; 8] {
        let (mut now, mut before) = ([0.0; 8], [0.0; 8]);
        for sample in &self.window {
            for tone in 0..8 {
                let next = sample + self.steps[tone] * now[tone] - before[tone];
                before[tone] = now[tone];
                now[tone] = next;
            }
        }
        std::array::from_fn(|tone| {
            let (now, before) = (now[tone], before[tone]);
            let power = now * now + before * before - self.steps[tone] * now * before;
            power * 2.0 / WINDOW as f32
        })
    }

    fn follow(&mut self, hit: Option<Hit>) -> Option<Pressed> {
        let mut over = None;
        if let Some((held, windows)) = &mut self.held {
            if hit.is_some_and(|hit| hit.key == *held) {
                *windows += self.misses + 1;
                self.misses = 0;
                return None;
            }
            self.misses += 1;
            if self.misses < MISSES_MIN {
                return None;
            }
            over = Some(Pressed { digit: *held, duration_ms: duration_ms(*windows) });
            self.held = None;
            self.candidate = None;
        }
        let goes_on =
            hit.zip(self.candidate).is_some_and(|(hit, before)| hit.goes_on_from(&before));
        self.hits = if goes_on { self.hits + 1 } else { u32::from(hit.is_some()) };
        self.candidate = hit;
        if let Some(hit) = hit.filter(|_| self.hits >= HITS_MIN) {
            self.held = Some((hit.key, HITS_MIN));
            self.misses = 0;
        }
        over
    }
}

/// The loudest tone of a group, when no other is near it.
fn loudest(powers: &[f32]) -> Option<(usize, f32)> {
    let (index, power) =
        powers.iter().copied().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let others = powers.iter().enumerate().filter(|(other, _)| *other != index);
    let alone = others.clone().all(|(_, other)| other * ALONE_MIN <= power);
    alone.then_some((index, power))
}

fn duration_ms(windows: u32) -> u32 {
    (windows * HOP as u32 + (WINDOW - HOP) as u32) / 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::iter::repeat_n;

    /// Amplitude of a tone of 0 dBm0 (ITU-T G.711: a full sine has 3.14 dBm0).
    const DBM0: f32 = 22_800.0;

    fn amplitude(dbm: f32) -> f32 {
        DBM0 * 10.0f32.powf(dbm / 20.0)
    }

    struct Dice(u32);

    impl Dice {
        /// -1 to 1.
        fn roll(&mut self) -> f32 {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.0 >> 8) as f32 / 8_388_608.0 - 1.0
        }
    }

    /// A key with its low and high tone at these levels, `off` away from their frequencies.
    fn key(key: char, ms: usize, low_dbm: f32, high_dbm: f32, off: f32) -> Vec<f32> {
        let row = KEYS.iter().position(|row| row.contains(&key)).unwrap();
        let column = KEYS[row].iter().position(|other| *other == key).unwrap();
        let wave = |n: usize, hz: f32| (n as f32 / 8_000.0 * hz * (1.0 + off) * TAU).sin();
        (0..ms * 8)
            .map(|n| {
                wave(n, LOW_HZ[row]) * amplitude(low_dbm)
                    + wave(n, HIGH_HZ[column]) * amplitude(high_dbm)
            })
            .collect()
    }

    fn hear(samples: impl IntoIterator<Item = f32>) -> Vec<Pressed> {
        let samples: Vec<i16> = samples.into_iter().map(|sample| sample as i16).collect();
        let mut detector = Detector::default();
        let ticks = samples.chunks(160).map(|chunk| {
            let mut tick = [0; 160];
            tick[..chunk.len()].copy_from_slice(chunk);
            tick
        });
        let after = repeat_n([0; 160], 5);
        ticks.chain(after).filter_map(|tick| detector.hear(&tick)).collect()
    }

    fn digits(pressed: &[Pressed]) -> String {
        pressed.iter().map(|pressed| pressed.digit).collect()
    }

    /// All keys, each `on` ms long, with pauses of `off` ms.
    fn dial(on: usize, off: usize, low_dbm: f32, high_dbm: f32, away: f32) -> Vec<f32> {
        let mut line = vec![0.0; 333];
        for digit in KEYS.iter().flatten() {
            line.extend(key(*digit, on, low_dbm, high_dbm, away));
            line.extend(repeat_n(0.0, off * 8));
        }
        line
    }

    const ALL: &str = "123A456B789C*0#D";

    #[test]
    fn every_key_of_40_ms_is_heard_at_every_level_with_pauses_of_40_ms() {
        for dbm in [-25.0, -20.0, -10.0, -3.0] {
            assert_eq!(digits(&hear(dial(40, 40, dbm, dbm, 0.0))), ALL, "{dbm} dBm0 a tone");
        }
        // 0 dBm0 in all, on a line that cuts peaks off.
        let line = dial(40, 40, -2.0, -2.0, 0.0).into_iter().map(|s| s.clamp(-32_000.0, 32_000.0));
        assert_eq!(digits(&hear(line)), ALL);
    }

    #[test]
    fn twist_and_tones_a_little_off_are_heard() {
        for (low, high) in [(-12.0, -8.0), (-8.0, -12.0), (-8.0, -15.0)] {
            assert_eq!(digits(&hear(dial(50, 50, low, high, 0.0))), ALL, "{low}, {high} dBm0");
        }
        for off in [-0.015, 0.015] {
            assert_eq!(digits(&hear(dial(50, 50, -10.0, -10.0, off))), ALL, "off by {off}");
        }
        assert_eq!(digits(&hear(dial(50, 50, -22.0, -10.0, 0.0))), "", "12 dB of twist");
    }

    #[test]
    fn keys_are_heard_in_noise() {
        let mut dice = Dice(7);
        let noise = amplitude(-10.0) * 10.0f32.powf(-15.0 / 20.0) * 1.5f32.sqrt();
        let line = dial(50, 50, -10.0, -10.0, 0.0).into_iter().map(|s| s + dice.roll() * noise);
        assert_eq!(digits(&hear(line)), ALL);
    }

    #[test]
    fn the_same_key_twice_is_two_and_one_with_a_short_break_is_one() {
        let mut twice = key('5', 40, -10.0, -10.0, 0.0);
        twice.extend(repeat_n(0.0, 40 * 8));
        twice.extend(key('5', 40, -10.0, -10.0, 0.0));
        assert_eq!(digits(&hear(twice)), "55");
        let mut broken = key('5', 60, -10.0, -10.0, 0.0);
        broken.extend(repeat_n(0.0, 10 * 8));
        broken.extend(key('5', 60, -10.0, -10.0, 0.0));
        assert_eq!(digits(&hear(broken)), "5");
        assert_eq!(digits(&hear(key('5', 20, -10.0, -10.0, 0.0))), "", "too short");
        let long = hear(key('7', 400, -10.0, -10.0, 0.0));
        assert_eq!(digits(&long), "7");
        assert!((380..=420).contains(&long[0].duration_ms), "{long:?}");
    }

    /// Three resonances driven by a voice's pulses, both moving as in speech, with pauses.
    fn babble(seconds: usize, seed: u32) -> Vec<f32> {
        let mut dice = Dice(seed);
        let mut formants = [(500.0, 0.0, 0.0), (1_500.0, 0.0, 0.0), (2_500.0, 0.0, 0.0)];
        let (mut phase, mut pitch, mut loud, mut breath) = (0.0, 140.0, 1.0, 0.0);
        (0..seconds * 8_000)
            .map(|n| {
                if n % 1_200 == 0 {
                    formants[0].0 = 550.0 + dice.roll() * 300.0;
                    formants[1].0 = 1_500.0 + dice.roll() * 600.0;
                    formants[2].0 = 2_600.0 + dice.roll() * 400.0;
                    pitch = 190.0 + dice.roll() * 110.0;
                    loud = if dice.roll() < -0.7 { 0.0 } else { 1.0 + dice.roll() * 0.8 };
                    breath = (dice.roll() + 1.0) * 0.1;
                }
                phase += pitch / 8_000.0;
                let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
                phase -= pulse;
                let source = (pulse + dice.roll() * breath) * loud;
                let mut sound = 0.0;
                for (index, (hz, now, before)) in formants.iter_mut().enumerate() {
                    let decay = (-60.0 * (index + 1) as f32 * TAU / 2.0 / 8_000.0).exp();
                    let next = source + 2.0 * decay * (*hz / 8_000.0 * TAU).cos() * *now
                        - decay * decay * *before;
                    *before = *now;
                    *now = next;
                    sound += next * 1_500.0;
                }
                sound.clamp(-32_000.0, 32_000.0)
            })
            .collect()
    }

    #[test]
    fn no_voice_is_a_key() {
        for seed in 1..=5 {
            assert_eq!(digits(&hear(babble(60, seed))), "", "seed {seed}");
        }
    }

    #[test]
    fn neither_single_tones_nor_music_nor_noise_are_keys() {
        let mut dice = Dice(3);
        assert_eq!(digits(&hear((0..80_000).map(|_| dice.roll() * 8_000.0))), "");
        for hz in [440.0, 697.0, 941.0, 1_336.0, 450.0, 2_100.0] {
            let tone = (0..8_000).map(|n| (n as f32 / 8_000.0 * hz * TAU).sin() * 9_000.0);
            assert_eq!(digits(&hear(tone)), "", "{hz} Hz");
        }
        // A dial tone's and a ring tone's pairs (440 + 480, 350 + 440 Hz).
        for (a, b) in [(440.0, 480.0), (350.0, 440.0), (697.0, 941.0)] {
            let wave = |n: usize, hz: f32| (n as f32 / 8_000.0 * hz * TAU).sin() * 6_000.0;
            assert_eq!(digits(&hear((0..8_000).map(|n| wave(n, a) + wave(n, b)))), "");
        }
    }
}
