//! Packet-loss concealment for G.711 in the manner of ITU-T G.711 appendix I: the last pitch
//! periods are repeated, joined by overlap-add, and faded to silence within 60 ms.
//!
//! Unlike the appendix this one adds no delay of its own: the join at the start of a gap is made
//! inside the repeated period instead of in held-back output.

/// Shortest pitch period searched: 200 Hz at 8 kHz.
const PITCH_SAMPLES_MIN: usize = 40;
/// Longest pitch period searched: 66 Hz at 8 kHz.
const PITCH_SAMPLES_MAX: usize = 120;
/// Length of the stretch that is compared with its own past: 20 ms.
const MATCH_SAMPLES: usize = 160;
/// What is remembered: three longest periods and a quarter for the join.
const HISTORY_SAMPLES: usize = 390;
/// Full level for this long, then fading: 10 ms.
const FULL_LEVEL_SAMPLES: usize = 80;
/// Silent from here on: 60 ms.
const SILENT_AFTER_SAMPLES: usize = 480;
/// Longest overlap with real audio after a gap: 10 ms.
const OVERLAP_SAMPLES_MAX: usize = 80;

/// Conceals the gaps of one stream. Feed it every sample in order, through
/// [`Concealer::heard`] or [`Concealer::conceal`].
#[derive(Debug)]
pub struct Concealer {
    /// Newest sample last.
    history: [i16; HISTORY_SAMPLES],
    /// The history as it was when the gap began: only real audio is worth repeating.
    before_gap: [i16; HISTORY_SAMPLES],
    /// The periods being repeated; only the first `periods * pitch` count.
    cycle: [i16; 3 * PITCH_SAMPLES_MAX],
    pitch: usize,
    periods: usize,
    position: usize,
    /// Samples concealed since the last real one.
    lost: usize,
}

impl Default for Concealer {
    fn default() -> Self {
        Self {
            history: [0; HISTORY_SAMPLES],
            before_gap: [0; HISTORY_SAMPLES],
            cycle: [0; 3 * PITCH_SAMPLES_MAX],
            pitch: PITCH_SAMPLES_MIN,
            periods: 1,
            position: 0,
            lost: 0,
        }
    }
}

impl Concealer {
    /// Takes real audio; the first samples after a gap are blended in place with the repetition.
    pub fn heard(&mut self, samples: &mut [i16]) {
        if self.lost > 0 {
            self.blend(samples);
        }
        self.remember(samples);
    }

    /// Fills a gap of any length.
    pub fn conceal(&mut self, out: &mut [i16]) {
        for sample in out.iter_mut() {
            *sample = self.next_synthetic();
        }
        self.remember(out);
    }

    /// Whether the last sample given out was made up.
    pub fn is_concealing(&self) -> bool {
        self.lost > 0
    }

    fn blend(&mut self, samples: &mut [i16]) {
        // 4 ms more for every 10 ms of gap (appendix I §I.2.7).
        let overlap = (self.pitch / 4 + self.lost / 80 * 32).min(OVERLAP_SAMPLES_MAX);
        let overlap = overlap.min(samples.len());
        for (index, sample) in samples[..overlap].iter_mut().enumerate() {
            let real = (index + 1) as f32 / (overlap + 1) as f32;
            let synthetic = f32::from(self.next_synthetic());
            *sample = (f32::from(*sample) * real + synthetic * (1.0 - real)) as i16;
        }
        self.lost = 0;
    }

    fn next_synthetic(&mut self) -> i16 {
        match self.lost {
            0 => self.repeat_periods(1),
            // Repeating one period for long sounds like a buzzer (appendix I §I.2.6).
            n if n == FULL_LEVEL_SAMPLES => self.repeat_periods(2),
            n if n == 2 * FULL_LEVEL_SAMPLES => self.repeat_periods(3),
            _ => {}
        }
        let gain = gain_after(self.lost);
        self.lost = self.lost.saturating_add(1);
        let sample = self.cycle[self.position];
        self.position = (self.position + 1) % (self.periods * self.pitch);
        (f32::from(sample) * gain) as i16
    }

    /// Takes the newest `periods` pitch periods of real audio as the cycle to repeat.
    fn repeat_periods(&mut self, periods: usize) {
        if periods == 1 {
            self.before_gap = self.history;
            self.pitch = pitch_of(&self.history);
            self.position = 0;
        } else {
            // Phase is kept: the cycle grows at its front.
            self.position += self.pitch;
        }
        self.periods = periods;
        let length = periods * self.pitch;
        let start = HISTORY_SAMPLES - length;
        self.cycle[..length].copy_from_slice(&self.before_gap[start..]);
        // The end of the cycle turns into what led up to its beginning, so that it wraps smoothly.
        let quarter = self.pitch / 4;
        for index in 0..quarter {
            let fade = (index + 1) as f32 / (quarter + 1) as f32;
            let tail = f32::from(self.cycle[length - quarter + index]);
            let lead = f32::from(self.before_gap[start - quarter + index]);
            self.cycle[length - quarter + index] = (tail * (1.0 - fade) + lead * fade) as i16;
        }
    }

    fn remember(&mut self, samples: &[i16]) {
        let newest = &samples[samples.len().saturating_sub(HISTORY_SAMPLES)..];
        self.history.copy_within(newest.len().., 0);
        self.history[HISTORY_SAMPLES - newest.len()..].copy_from_slice(newest);
    }
}

/// Falls by a fifth every 10 ms after the first (appendix I §I.2.7).
fn gain_after(lost: usize) -> f32 {
    if lost <= FULL_LEVEL_SAMPLES {
        return 1.0;
    }
    let fading = SILENT_AFTER_SAMPLES - FULL_LEVEL_SAMPLES;
    1.0 - ((lost - FULL_LEVEL_SAMPLES) as f32 / fading as f32).min(1.0)
}

/// The lag at which the newest 20 ms look most like what came before (normalised correlation).
fn pitch_of(history: &[i16; HISTORY_SAMPLES]) -> usize {
    let newest = &history[HISTORY_SAMPLES - MATCH_SAMPLES..];
    let mut best = (PITCH_SAMPLES_MIN, f32::MIN);
    for lag in PITCH_SAMPLES_MIN..=PITCH_SAMPLES_MAX {
        let start = HISTORY_SAMPLES - MATCH_SAMPLES - lag;
        let earlier = &history[start..start + MATCH_SAMPLES];
        let (mut product, mut energy) = (0.0f32, 1.0f32);
        for (a, b) in newest.iter().zip(earlier) {
            product += f32::from(*a) * f32::from(*b);
            energy += f32::from(*b) * f32::from(*b);
        }
        let score = product / energy.sqrt();
        if score > best.1 {
            best = (lag, score);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(period: f32, start: usize, len: usize) -> Vec<i16> {
        let angle = |n: usize| n as f32 / period * std::f32::consts::TAU;
        (start..start + len).map(|n| (angle(n).sin() * 8_000.0) as i16).collect()
    }

    fn energy(samples: &[i16]) -> f64 {
        samples.iter().map(|s| f64::from(*s).powi(2)).sum()
    }

    #[test]
    fn a_lost_packet_of_a_steady_voice_is_hardly_missed() {
        let mut concealer = Concealer::default();
        let whole = tone(80.0, 0, 2_000);
        concealer.heard(&mut whole[..1_600].to_vec());
        let mut gap = [0; 160];
        concealer.conceal(&mut gap);
        let error: Vec<i16> = gap.iter().zip(&whole[1_600..]).map(|(a, b)| a - b).collect();
        assert!(energy(&error) < energy(&gap) * 0.05);
    }

    #[test]
    fn the_join_after_a_gap_has_no_click() {
        let mut concealer = Concealer::default();
        concealer.heard(&mut tone(61.0, 0, 800));
        let mut gap = [0; 160];
        concealer.conceal(&mut gap);
        let mut after = tone(61.0, 960, 160);
        concealer.heard(&mut after);
        assert!(!concealer.is_concealing());
        let joined: Vec<i16> = gap.iter().chain(&after).copied().collect();
        let step = joined.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max();
        assert!(step.unwrap() < 2_500, "largest step {step:?}");
    }

    #[test]
    fn a_long_gap_fades_to_silence_within_sixty_milliseconds() {
        let mut concealer = Concealer::default();
        concealer.heard(&mut tone(80.0, 0, 800));
        let mut gap = [1; 1_600];
        concealer.conceal(&mut gap);
        assert!(energy(&gap[..80]) > 0.0);
        assert_eq!(energy(&gap[SILENT_AFTER_SAMPLES..]), 0.0);
    }

    #[test]
    fn a_gap_before_any_audio_is_silence() {
        let mut gap = [1; 480];
        Concealer::default().conceal(&mut gap);
        assert_eq!(gap, [0; 480]);
    }
}
