//! When a prompt begins and ends, for telephones without a person.

use qingting_common::Millis;
use qingting_common::limits::SAMPLES_PER_TICK;
use std::time::Duration;

/// Level from which audio is a voice: −46 dBFS.
pub const VOICE_LEVEL: u32 = 160;
/// What one tick lasts.
pub const TICK: Duration = Duration::from_millis(20);
/// Quiet after which a prompt is over.
const QUIET: Duration = Duration::from_millis(1_200);
/// Quiet after which a voice is another prompt's when one was going on: longer than between sentences.
const BETWEEN: Duration = Duration::from_millis(500);
/// Ticks of voice that make a prompt.
const VOICE_TICKS: u32 = 10;

/// How many samples of a recording's end are silent: nobody speaks any more there.
pub fn silent_end(samples: &[i16]) -> usize {
    samples.rchunks(SAMPLES_PER_TICK).take_while(|tick| is_silent(tick)).map(<[i16]>::len).sum()
}

/// A recording without the silence at both ends.
pub fn voiced(samples: &[i16]) -> &[i16] {
    let samples = &samples[..samples.len() - silent_end(samples)];
    let ticks = samples.chunks(SAMPLES_PER_TICK).take_while(|tick| is_silent(tick));
    &samples[ticks.map(<[i16]>::len).sum()..]
}

fn is_silent(tick: &[i16]) -> bool {
    let sum: u32 = tick.iter().map(|sample| u32::from(sample.unsigned_abs())).sum();
    sum / SAMPLES_PER_TICK as u32 <= VOICE_LEVEL
}

/// **Tells one prompt from the next.** Feed it every tick.
#[derive(Clone, Debug, Default)]
pub struct Ear {
    voice: u32,
    quiet: Duration,
    began: Option<Millis>,
    /// The prompt before is still heard.
    old: bool,
}

impl Ear {
    /// Waits for the next prompt from now on.
    pub fn wait_for_next(&mut self) {
        let old = self.quiet < BETWEEN && (self.voice > 0 || self.old);
        *self = Self { old, ..Self::default() };
    }

    /// The mean level of the next tick.
    pub fn hear(&mut self, now: Millis, level: u32) {
        if level < VOICE_LEVEL {
            self.quiet += TICK;
            self.old &= self.quiet < BETWEEN;
            return;
        }
        self.quiet = Duration::ZERO;
        if !self.old {
            self.voice += 1;
            self.began.get_or_insert(now);
        }
    }

    /// When the prompt began that is, or was, heard.
    pub fn began(&self) -> Option<Millis> {
        self.began.filter(|_| self.voice >= VOICE_TICKS)
    }

    /// Whether a prompt was heard and is over.
    pub fn is_over(&self) -> bool {
        self.voice >= VOICE_TICKS && self.quiet >= QUIET
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOUD: u32 = 2_000;

    /// Levels, each for so many ms; the time goes on from `at`.
    fn hear(ear: &mut Ear, at: &mut u64, parts: &[(u32, u64)]) {
        for (level, ms) in parts {
            for _ in 0..ms / 20 {
                ear.hear(Millis(*at), *level);
                *at += 20;
            }
        }
    }

    #[test]
    fn a_prompt_is_over_after_quiet_but_not_at_a_pause_between_sentences() {
        let (mut ear, mut at) = (Ear::default(), 0);
        hear(&mut ear, &mut at, &[(0, 3_000)]);
        assert!(!ear.is_over(), "nothing was said");
        hear(&mut ear, &mut at, &[(LOUD, 20), (0, 2_000)]);
        assert!(!ear.is_over() && ear.began().is_none(), "a click is no prompt");
        ear.wait_for_next();
        hear(&mut ear, &mut at, &[(LOUD, 800), (0, 400), (LOUD, 800), (0, 1_100)]);
        assert!(!ear.is_over());
        assert_eq!(ear.began(), Some(Millis(5_020)));
        hear(&mut ear, &mut at, &[(0, 100)]);
        assert!(ear.is_over());
    }

    #[test]
    fn what_is_left_of_a_prompt_that_is_spoken_over_is_not_the_next_one() {
        let (mut ear, mut at) = (Ear::default(), 0);
        hear(&mut ear, &mut at, &[(LOUD, 2_000)]);
        ear.wait_for_next();
        hear(&mut ear, &mut at, &[(LOUD, 300), (0, 700)]);
        assert_eq!(ear.began(), None);
        hear(&mut ear, &mut at, &[(LOUD, 400)]);
        assert_eq!(ear.began(), Some(Millis(3_000)));
    }
}
