//! Test speech, and where it is found again in what was recorded.
//!
//! Samples are 16-bit at 8 kHz unless a [`Wav`] says otherwise. G.711 A-law is written here once more,
//! apart from the server's: a mistake in one table cannot hide in the other.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;
use std::f64::consts::TAU;
use std::path::Path;
use std::time::Duration;

/// Samples in a second of telephone audio.
pub const RATE: u32 = 8_000;

/// A WAV file, one vector for each channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wav {
    /// Samples per second.
    pub rate: u32,
    /// Left first; all of one length.
    pub channels: Vec<Vec<i16>>,
}

impl Wav {
    /// Reads 16-bit PCM. Panics with the path when the file is none.
    pub fn read(path: &Path) -> Self {
        let mut reader = hound::WavReader::open(path)
            .unwrap_or_else(|error| panic!("{} is no WAV file: {error}", path.display()));
        let spec = reader.spec();
        let count = usize::from(spec.channels);
        let mut channels = vec![Vec::with_capacity(reader.duration() as usize); count];
        for (index, sample) in reader.samples::<i16>().enumerate() {
            let sample =
                sample.unwrap_or_else(|error| panic!("{} is cut: {error}", path.display()));
            channels[index % count].push(sample);
        }
        Self { rate: spec.sample_rate, channels }
    }

    /// Mono telephone audio.
    pub fn mono(samples: Vec<i16>) -> Self {
        Self { rate: RATE, channels: vec![samples] }
    }

    /// Writes 16-bit PCM.
    pub fn write(&self, path: &Path) {
        let spec = hound::WavSpec {
            channels: u16::try_from(self.channels.len()).expect("few channels"),
            sample_rate: self.rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec).expect("a test folder is writable");
        for index in 0..self.channels.first().map_or(0, Vec::len) {
            for channel in &self.channels {
                writer.write_sample(channel[index]).expect("a test folder is writable");
            }
        }
        writer.finalize().expect("a test folder is writable");
    }

    /// How long it plays.
    pub fn duration(&self) -> Duration {
        let samples = self.channels.first().map_or(0, Vec::len);
        Duration::from_secs_f64(samples as f64 / f64::from(self.rate))
    }
}

/// Samples in a time at 8 kHz.
pub fn samples_in(time: Duration) -> usize {
    (time.as_secs_f64() * f64::from(RATE)).round() as usize
}

/// A signal like speech: voiced bursts of changing pitch, hiss and pauses, none alike, so that it fits
/// itself at one place only. One seed, one signal.
pub fn speech_like(seed: u64, time: Duration) -> Vec<i16> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let (mut left, mut goal, mut envelope) = (0_u32, 0.0, 0.0);
    let (mut pitch, mut phase, mut hiss) = (0.0, 0.0_f64, 0.0);
    let mut sample = || {
        if left == 0 {
            left = 400 + (random.unit() * 2_000.0) as u32;
            goal = [0.0, 0.4, 0.7, 1.0][(random.unit() * 4.0) as usize];
            pitch = 90.0 + random.unit() * 210.0;
            hiss = random.unit() * 0.4;
        }
        left -= 1;
        envelope += (goal - envelope) * 0.01;
        phase = (phase + pitch / f64::from(RATE)).fract();
        let voice: f64 = (1..=8).map(|n| (TAU * phase * f64::from(n)).sin() / f64::from(n)).sum();
        let noise = (random.unit() * 2.0 - 1.0) * hiss;
        ((voice * 0.4 + noise) * envelope * 12_000.0) as i16
    };
    (0..samples_in(time)).map(|_| sample()).collect()
}

/// A tone of half full scale at its loudest, in beeps of 0.4 s that swell and fade: what goes on
/// without an end a browser takes for noise, and a hard edge is heard at every frequency.
pub fn beeps(hz: f64, time: Duration) -> Vec<i16> {
    let sample = |index: usize| {
        let at = index as f64 / f64::from(RATE);
        let swell = (TAU * at / 0.8).sin().powi(2);
        ((TAU * hz * at).sin() * swell * 16_384.0) as i16
    };
    (0..samples_in(time)).map(sample).collect()
}

/// How loud a tone is at its loudest in any 100 ms, in dB below full scale.
pub fn level(samples: &[i16], hz: f64) -> f64 {
    let window = samples_in(Duration::from_millis(100));
    let amplitude = |piece: &[i16]| {
        let sum: Complex<f64> = piece
            .iter()
            .enumerate()
            .map(|(index, &sample)| {
                // Hann: a loud neighbour does not look like this tone.
                let place = index as f64 / piece.len() as f64;
                let weight = 1.0 - (TAU * place).cos();
                let angle = -TAU * hz * index as f64 / f64::from(RATE);
                Complex::from_polar(f64::from(sample) * weight, angle)
            })
            .sum();
        2.0 * sum.norm() / piece.len() as f64
    };
    let loudest = samples.chunks_exact(window).map(amplitude).fold(0.0, f64::max);
    20.0 * (loudest.max(1.0) / 32_768.0).log10()
}

/// Where a signal was found in another, and how alike they are there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alignment {
    /// Samples of the recording before the signal starts; negative when its start is missing.
    pub lag: i64,
    /// 1 when the signal is there as it was, whatever its loudness; 0 when nothing of it is. What is
    /// missing from the recording counts as not alike.
    pub correlation: f64,
}

/// Finds all of `sent` in `heard`: the best normalised cross-correlation over every lag, by FFT.
pub fn align(sent: &[i16], heard: &[i16]) -> Alignment {
    let size = (sent.len() + heard.len()).next_power_of_two().max(2);
    let cross = cross_correlation(sent, heard, size);
    let sent_energy: f64 = sent.iter().map(|&s| f64::from(s).powi(2)).sum();
    let mut energy_before = Vec::with_capacity(heard.len() + 1);
    energy_before.push(0.0);
    for &sample in heard {
        energy_before.push(energy_before[energy_before.len() - 1] + f64::from(sample).powi(2));
    }
    let heard_energy = energy_before[heard.len()];
    if sent_energy == 0.0 || heard_energy == 0.0 {
        return Alignment { lag: 0, correlation: 0.0 };
    }
    // A sliver of the signal at the edge of a silent recording is no match.
    let floor = sent_energy.min(heard_energy) * 0.01;
    let (sent_len, heard_len) = (sent.len() as i64, heard.len() as i64);
    let mut best = Alignment { lag: 0, correlation: 0.0 };
    for lag in 1 - sent_len..heard_len {
        let from = lag.clamp(0, heard_len) as usize;
        let to = (lag + sent_len).clamp(0, heard_len) as usize;
        let energy = (energy_before[to] - energy_before[from]).max(floor);
        let correlation =
            cross[lag.rem_euclid(size as i64) as usize] / (sent_energy * energy).sqrt();
        if correlation > best.correlation {
            best = Alignment { lag, correlation };
        }
    }
    best
}

/// Finds each piece of `sent` by itself: for a recording that was stretched or has gaps. A lag is counted
/// from the piece's own place; pieces of silence are left out.
pub fn align_pieces(sent: &[i16], heard: &[i16], piece: Duration) -> Vec<Alignment> {
    let loud = |piece: &[i16]| piece.iter().any(|&s| s.unsigned_abs() > 1_000);
    let size = samples_in(piece);
    let pieces = sent.chunks_exact(size).enumerate().filter(|(_, piece)| loud(piece));
    let aligned = pieces.map(|(index, piece)| {
        let found = align(piece, heard);
        Alignment { lag: found.lag - (index * size) as i64, ..found }
    });
    aligned.collect()
}

/// The share of a signal's quarter seconds that are in `heard` as they were, 0 to 1. On a machine that
/// is busy packets come in bursts, and the jitter buffer shifts what follows one: as a whole such a
/// recording is not alike, piece by piece it is.
pub fn kept(sent: &[i16], heard: &[i16]) -> f64 {
    let pieces = align_pieces(sent, heard, Duration::from_millis(250));
    let same = pieces.iter().filter(|piece| piece.correlation >= 0.95).count();
    same as f64 / pieces.len().max(1) as f64
}

/// Circular: index `lag` modulo `size` has the sum of `sent[i] * heard[i + lag]`.
fn cross_correlation(sent: &[i16], heard: &[i16], size: usize) -> Vec<f64> {
    let mut planner = FftPlanner::<f64>::new();
    // Two real signals in one transform: sent as the real part, heard as the imaginary part.
    let at = |signal: &[i16], index: usize| signal.get(index).map_or(0.0, |&s| f64::from(s));
    let mut both: Vec<Complex<f64>> =
        (0..size).map(|index| Complex::new(at(sent, index), at(heard, index))).collect();
    planner.plan_fft_forward(size).process(&mut both);
    let mut product: Vec<Complex<f64>> = (0..size)
        .map(|index| {
            let (here, mirror) = (both[index], both[(size - index) % size].conj());
            let sent = (here + mirror) * 0.5;
            let heard = (here - mirror) * Complex::new(0.0, -0.5);
            sent.conj() * heard
        })
        .collect();
    planner.plan_fft_inverse(size).process(&mut product);
    product.iter().map(|value| value.re / size as f64).collect()
}

/// G.711 A-law of one sample (ITU-T G.711, even bits inverted).
pub fn to_alaw(sample: i16) -> u8 {
    let (sign, magnitude) = if sample >= 0 { (0x80, sample) } else { (0, !sample) };
    let magnitude = u32::from(magnitude.unsigned_abs()) >> 4;
    let code = if magnitude < 32 {
        magnitude
    } else {
        let segment = magnitude.ilog2() - 3;
        (segment << 4) | ((magnitude >> (segment - 1)) & 0x0f)
    };
    (sign | u8::try_from(code).expect("seven bits")) ^ 0x55
}

/// The sample that an A-law byte stands for: the middle of its interval.
pub fn from_alaw(byte: u8) -> i16 {
    let code = byte ^ 0x55;
    let (segment, step) = ((code >> 4) & 7, i32::from(code & 0x0f));
    let magnitude =
        if segment == 0 { (step << 4) + 8 } else { ((step << 4) + 0x108) << (segment - 1) };
    i16::try_from(if code & 0x80 == 0 { -magnitude } else { magnitude }).expect("13 bits and sign")
}

/// xorshift64*: good enough for noise, the same everywhere.
struct Random(u64);

impl Random {
    /// Evenly from 0 to below 1.
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Stopwatch;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_seed_is_one_signal_and_another_seed_is_unlike_it() {
        let signal = speech_like(1, 3 * SECOND);
        assert_eq!(signal, speech_like(1, 3 * SECOND));
        assert_eq!(signal.len(), 24_000);
        assert!(signal.iter().any(|&s| s > 6_000), "loud enough to be heard");
        assert!(align(&signal, &speech_like(2, 3 * SECOND)).correlation < 0.3);
    }

    #[test]
    fn a_signal_is_found_where_it_was_put_whatever_its_loudness() {
        let sent = speech_like(3, 2 * SECOND);
        let mut heard = speech_like(4, 3 * SECOND);
        heard.splice(5_000..5_000, sent.iter().map(|&s| s / 3));
        let found = align(&sent, &heard);
        assert_eq!(found.lag, 5_000);
        assert!(found.correlation > 0.999, "{found:?}");
    }

    #[test]
    fn a_late_start_is_a_negative_lag_and_what_is_missing_counts() {
        let sent = speech_like(5, 2 * SECOND);
        let found = align(&sent, &sent[4_000..]);
        assert_eq!(found.lag, -4_000);
        assert!((0.7..0.99).contains(&found.correlation), "{found:?}");
    }

    #[test]
    fn alaw_costs_little_and_a_hole_costs_much() {
        let sent = speech_like(6, 2 * SECOND);
        let mut heard: Vec<i16> = sent.iter().map(|&s| from_alaw(to_alaw(s))).collect();
        assert!(align(&sent, &heard).correlation > 0.999);
        heard[4_000..8_000].fill(0);
        assert!(align(&sent, &heard).correlation < 0.97);
    }

    #[test]
    fn pieces_show_where_a_recording_was_stretched() {
        let sent = speech_like(11, 2 * SECOND);
        let mut heard = sent.clone();
        heard.splice(8_000..8_000, [0; 80]);
        assert!(align(&sent, &heard).correlation < 0.9);
        let pieces = align_pieces(&sent, &heard, SECOND / 2);
        let lags: Vec<i64> = pieces.iter().map(|piece| piece.lag).collect();
        assert_eq!(lags, [0, 0, 80, 80]);
        assert!(pieces.iter().all(|piece| piece.correlation > 0.99), "{pieces:?}");
        assert!(kept(&sent, &heard) >= 0.8);
        assert!(kept(&sent, &speech_like(12, 2 * SECOND)) < 0.1);
    }

    #[test]
    fn a_tone_is_as_loud_as_it_was_made_and_others_are_not_there() {
        let tone = beeps(700.0, 2 * SECOND);
        // It swells within the piece that is measured: a little below its loudest, −6 dB.
        assert!((level(&tone, 700.0) + 7.5).abs() < 0.5, "{}", level(&tone, 700.0));
        assert!(level(&tone, 1_100.0) < -40.0, "{}", level(&tone, 1_100.0));
        assert!(level(&[0; 8_000], 700.0) < -80.0);
    }

    #[test]
    fn silence_is_like_nothing() {
        let sent = speech_like(7, SECOND);
        assert_eq!(align(&sent, &[0; 16_000]).correlation, 0.0);
        assert_eq!(align(&sent, &[]).correlation, 0.0);
    }

    #[test]
    fn alaw_agrees_with_the_standard_at_its_corners() {
        // ITU-T G.711 table 1a, in 16-bit samples: the largest, zero on both sides, a segment's edge.
        for (sample, byte) in [(32_256, 0xaa), (8, 0xd5), (-8, 0x55), (-32_256, 0x2a), (264, 0xc5)]
        {
            assert_eq!((to_alaw(sample), from_alaw(byte)), (byte, sample), "{sample}");
        }
        for byte in 0..=255 {
            assert_eq!(to_alaw(from_alaw(byte)), byte, "{byte:#x}");
        }
    }

    #[test]
    fn a_minute_is_aligned_in_less_than_a_second() {
        let sent = speech_like(8, 60 * SECOND);
        let mut heard = vec![0; 1_234];
        heard.extend(&sent);
        let watch = Stopwatch::start();
        assert_eq!(align(&sent, &heard).lag, 1_234);
        assert!(watch.elapsed() < SECOND, "{:?}", watch.elapsed());
    }

    #[test]
    fn a_file_is_read_back_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("two.wav");
        let wav =
            Wav { rate: RATE, channels: vec![speech_like(9, SECOND), speech_like(10, SECOND)] };
        wav.write(&path);
        assert_eq!(Wav::read(&path), wav);
        assert_eq!(wav.duration(), SECOND);
    }
}
