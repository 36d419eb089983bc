//! What a telephone and its surroundings do to a recording.

use super::random::Random;
use crate::text::voiced;
use serde::Serialize;

/// Samples of a packet at 8 kHz: 20 ms.
pub const PACKET_SAMPLES: usize = 160;
/// Packets lost of a hundred.
const LOSS_PERCENT: usize = 10;
/// Speech over noise.
const NOISE_SNR_DB: f32 = 10.0;
/// Taps of the band filter on each side of its centre: its edges are 200 Hz wide.
const HALF_TAPS: isize = 127;
const BAND_HZ: (f32, f32) = (300.0, 3_400.0);

/// What the recogniser hears of a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// As recorded, 16 kHz.
    #[default]
    Clean,
    /// 300–3400 Hz, 8 kHz, A-law.
    Telephone,
    /// The same, a tenth of its packets lost at random and concealed.
    TelephoneLoss,
    /// White noise 10 dB below the speech, then the telephone.
    TelephoneNoise,
}

/// Fills the lost ones of a stream's packets (8 kHz, [`PACKET_SAMPLES`] each) in place.
pub type Conceal<'a> = &'a (dyn Fn(&mut [i16], &[bool]) + Sync);

/// Silence in the place of what was lost: for want of a concealment.
pub fn silence(samples: &mut [i16], is_lost: &[bool]) {
    for (packet, _) in samples.chunks_mut(PACKET_SAMPLES).zip(is_lost).filter(|(_, lost)| **lost) {
        packet.fill(0);
    }
}

impl Condition {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Clean, Self::Telephone, Self::TelephoneLoss, Self::TelephoneNoise];

    /// Its name in reports and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Telephone => "telephone",
            Self::TelephoneLoss => "telephone_loss",
            Self::TelephoneNoise => "telephone_noise",
        }
    }

    /// Samples per second of what it makes.
    pub fn rate_hz(self) -> u32 {
        if self == Self::Clean { 16_000 } else { 8_000 }
    }

    /// What is heard of samples at 16 kHz, at [`Condition::rate_hz`]. Chance is by the seed alone.
    pub fn hear(self, samples: &[f32], seed: u64, conceal: Conceal) -> Vec<i16> {
        match self {
            Self::Clean => integers(samples),
            Self::Telephone => integers(&telephone(samples)),
            Self::TelephoneLoss => lost(integers(&telephone(samples)), seed, conceal),
            Self::TelephoneNoise => integers(&telephone(&noisy(samples, seed))),
        }
    }
}

/// What is left of a call (8 kHz) of which a tenth of the packets is lost.
pub(super) fn lost(mut heard: Vec<i16>, seed: u64, conceal: Conceal) -> Vec<i16> {
    let mut random = Random::new(seed);
    let packets = heard.len().div_ceil(PACKET_SAMPLES);
    let is_lost: Vec<bool> = (0..packets).map(|_| random.below(100) < LOSS_PERCENT).collect();
    conceal(&mut heard, &is_lost);
    heard
}

fn integers(samples: &[f32]) -> Vec<i16> {
    samples.iter().map(|s| (s * 32_767.0) as i16).collect()
}

/// Adds white noise whose power lies [`NOISE_SNR_DB`] below that of the speech, both in the
/// telephone's band.
fn noisy(samples: &[f32], seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    let noise: Vec<f32> = samples.iter().map(|_| random.signed()).collect();
    let speech = band(samples);
    let spoken = voiced(samples).into_iter().flat_map(|ms| {
        let at = |ms: u64| (ms as usize * 8).min(speech.len());
        speech[at(ms.start)..at(ms.end)].iter().copied()
    });
    let ratio = power(spoken) / power(band(&noise).into_iter()).max(f32::MIN_POSITIVE);
    let gain = (ratio * 10f32.powf(-NOISE_SNR_DB / 10.0)).sqrt();
    samples.iter().zip(&noise).map(|(s, n)| s + gain * n).collect()
}

fn power(samples: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = samples.fold((0.0, 0u32), |(sum, count), s| (sum + s * s, count + 1));
    sum / count.max(1) as f32
}

fn telephone(samples: &[f32]) -> Vec<f32> {
    band(samples).into_iter().map(|s| a_law_round_trip(s.clamp(-1.0, 1.0))).collect()
}

/// 300–3400 Hz by a windowed sinc, every second sample.
fn band(samples: &[f32]) -> Vec<f32> {
    let low_pass = |n: isize, hz: f32| {
        let cut = 2.0 * hz / 16_000.0;
        let x = std::f32::consts::PI * n as f32;
        if n == 0 { cut } else { (x * cut).sin() / x }
    };
    let taps: Vec<f32> = (-HALF_TAPS..=HALF_TAPS)
        .map(|n| {
            let window = 0.54 + 0.46 * (std::f32::consts::PI * n as f32 / HALF_TAPS as f32).cos();
            (low_pass(n, BAND_HZ.1) - low_pass(n, BAND_HZ.0)) * window
        })
        .collect();
    let at = |at: usize| {
        let products = (-HALF_TAPS..=HALF_TAPS).zip(&taps).filter_map(|(n, tap)| {
            at.checked_add_signed(n).and_then(|i| samples.get(i)).map(|s| s * tap)
        });
        products.sum::<f32>()
    };
    (0..samples.len()).step_by(2).map(at).collect()
}

/// G.711 A-law's quantisation: 16 steps in each of 8 segments of magnitude, of 4,096.
fn a_law_round_trip(sample: f32) -> f32 {
    let magnitude = ((sample.abs() * 4_096.0) as u32).min(4_095);
    let shift = if magnitude < 64 { 1 } else { (magnitude >> 5).ilog2() };
    let step = 1u32 << shift;
    let middle = (magnitude / step * step + step / 2) as f32 / 4_096.0;
    middle.copysign(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f32) -> Vec<f32> {
        (0..16_000)
            .map(|i| (i as f32 * hz / 16_000.0 * std::f32::consts::TAU).sin() * 0.5)
            .collect()
    }

    #[test]
    fn a_law_is_close_in_proportion_to_loudness() {
        for sample in [0.9f32, -0.5, 0.1, -0.02] {
            assert!((a_law_round_trip(sample) - sample).abs() < sample.abs() / 16.0);
        }
    }

    #[test]
    fn the_band_lets_speech_through_and_keeps_the_rest_out() {
        let level = |hz: f32| power(band(&tone(hz))[200..7_800].iter().copied());
        assert!(level(1_000.0) > 0.9 * level(2_000.0));
        for outside in [100.0, 3_900.0] {
            assert!(level(outside) < level(1_000.0) / 1_000.0, "{outside} Hz");
        }
    }

    #[test]
    fn a_tenth_is_lost_and_the_rest_is_untouched() {
        let samples = tone(1_000.0);
        let whole = Condition::Telephone.hear(&samples, 3, &silence);
        let lossy = Condition::TelephoneLoss.hear(&samples, 3, &silence);
        assert_eq!(whole.len(), lossy.len());
        let packets = whole.chunks(PACKET_SAMPLES).zip(lossy.chunks(PACKET_SAMPLES));
        let lost = packets.filter(|(sent, heard)| sent != heard).inspect(|(_, heard)| {
            assert!(heard.iter().all(|s| *s == 0));
        });
        assert!((1..=12).contains(&lost.count()));
    }

    #[test]
    fn noise_lies_ten_decibels_below_the_speech() {
        let samples = tone(1_000.0);
        let difference: Vec<f32> =
            noisy(&samples, 1).iter().zip(&samples).map(|(noisy, clean)| noisy - clean).collect();
        let ratio = power(band(&samples).into_iter()) / power(band(&difference).into_iter());
        assert!((9.0..11.0).contains(&ratio), "{ratio}");
    }
}
