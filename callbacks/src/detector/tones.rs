//! What the tones of a network say before the answer, or after a false one.
//!
//! China's tones are 450 Hz in the cadences of GB/T 3380 (ITU-T E.180 lists them by country); the
//! special information tone is three rising tones (ITU-T E.180 §3.6).

use super::sound::{AUDIBLE_DB, Ear, Samples, Sound};
use qingting_common::limits::TICK_MS;
use std::collections::VecDeque;

/// A tone of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetworkTone {
    /// The called party's telephone rings: 1 s, then 4 s of nothing.
    Ringing,
    /// The called party is busy: 0.35 s, 0.35 s.
    Busy,
    /// The network has no way free: 0.7 s, 0.7 s.
    Congestion,
    /// No such number: three times 0.1 s, 0.1 s, then 0.4 s, 0.4 s.
    Unobtainable,
    /// An announcement says why the call fails: 950, 1400 and 1800 Hz.
    SpecialInformation,
    /// Nothing at all for [`SILENCE_MS`].
    Silence,
}

/// This long without any sound is [`NetworkTone::Silence`].
pub const SILENCE_MS: u32 = 4_000;
/// China's tones …
const TONE_HZ: f32 = 450.0;
/// … may be that far off (GB/T 3380: 25 Hz, and what the ear of 20 ms makes of it).
const TONE_HZ_OFF_MAX: f32 = 40.0;
const SPECIAL_HZ: [f32; 3] = [950.0, 1_400.0, 1_800.0];
/// E.180 allows 50 Hz.
const SPECIAL_HZ_OFF_MAX: f32 = 60.0;
/// A tone of the special information tone: 330 ± 70 ms, and the ticks at its ends.
const SPECIAL_MS: (u32, u32) = (220, 440);
/// How far a cadence may be off: 10 %, and a tick at each end.
const CADENCE_OFF_MS: u32 = 40;
/// Tone and pause, alternating, that are remembered: two turns of the longest cadence.
const SPANS_MAX: usize = 16;
/// An interruption of this many ticks is none: a lost packet.
const BRIDGED_TICKS: u32 = 1;

/// A stretch of one tone, or of none.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Span {
    tone: Option<Pitch>,
    ticks: u32,
}

impl Span {
    fn ms(self) -> u32 {
        self.ticks * TICK_MS
    }

    fn lasts(self, ms: u32) -> bool {
        self.ms().abs_diff(ms) <= CADENCE_OFF_MS + ms / 10
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pitch {
    Call,
    Special(usize),
}

fn pitch(hz: f32) -> Option<Pitch> {
    if (hz - TONE_HZ).abs() <= TONE_HZ_OFF_MAX {
        return Some(Pitch::Call);
    }
    let is_near = |special: &f32| (hz - special).abs() <= SPECIAL_HZ_OFF_MAX;
    SPECIAL_HZ.iter().position(is_near).map(Pitch::Special)
}

/// **Names a tone of the network when its cadence is certain, once until another comes.**
///
/// Busy is certain after two turns (1.4 s), ringing after one tone and 2 s of pause.
#[derive(Clone, Debug, Default)]
pub struct Tones {
    ear: Ear,
    cadence: Cadence,
}

impl Tones {
    /// Takes the next 20 ms.
    pub fn hear(&mut self, samples: &Samples) -> Option<NetworkTone> {
        let sound = self.ear.hear(samples);
        self.cadence.follow(sound)
    }
}

/// The same of sounds that are described already.
#[derive(Clone, Debug, Default)]
pub(super) struct Cadence {
    /// Newest last.
    spans: VecDeque<Span>,
    /// Ticks that interrupt the newest span, if they are not more than a lost packet.
    interrupted: Option<Span>,
    silent_ticks: u32,
    named: Option<NetworkTone>,
}

impl Cadence {
    pub(super) fn follow(&mut self, sound: Sound) -> Option<NetworkTone> {
        self.silent_ticks = if sound.level_db < AUDIBLE_DB { self.silent_ticks + 1 } else { 0 };
        self.extend(sound.tone_hz.and_then(pitch));
        let tone = self.name();
        if tone.is_none() || tone == self.named {
            return None;
        }
        self.named = tone;
        tone
    }

    /// Whether the network's 450 Hz is heard at this moment.
    pub(super) fn is_sounding(&self) -> bool {
        self.spans.back().is_some_and(|span| span.tone == Some(Pitch::Call))
    }

    fn extend(&mut self, tone: Option<Pitch>) {
        let Some(newest) = self.spans.back_mut() else {
            self.spans.push_back(Span { tone, ticks: 1 });
            return;
        };
        if newest.tone == tone {
            newest.ticks += 1 + self.interrupted.take().map_or(0, |span| span.ticks);
            return;
        }
        let before = self.interrupted.take().filter(|span| span.tone == tone);
        let span = Span { tone, ticks: before.map_or(0, |span| span.ticks) + 1 };
        if span.ticks <= BRIDGED_TICKS {
            self.interrupted = Some(span);
            return;
        }
        self.spans.push_back(span);
        if self.spans.len() > SPANS_MAX {
            self.spans.pop_front();
        }
    }

    fn name(&self) -> Option<NetworkTone> {
        if self.silent_ticks * TICK_MS >= SILENCE_MS && self.named != Some(NetworkTone::Ringing) {
            return Some(NetworkTone::Silence);
        }
        if self.is_special() {
            return Some(NetworkTone::SpecialInformation);
        }
        let rings = |tone: &Span, pause: &Span| tone.lasts(1_000) && pause.ms() >= 2_000;
        match self.newest_calls()?.as_slice() {
            [.., tone, pause] if pause.tone.is_none() && rings(tone, pause) => {
                Some(NetworkTone::Ringing)
            }
            [.., a, b, c, d] if alternate(&[*a, *b, *c, *d], 350) => Some(NetworkTone::Busy),
            [.., a, b, c, d] if alternate(&[*a, *b, *c, *d], 700) => Some(NetworkTone::Congestion),
            [.., a, b, c, d, e, f, g]
                if alternate(&[*a, *b, *c, *d, *e, *f], 100) && g.lasts(400) =>
            {
                Some(NetworkTone::Unobtainable)
            }
            _ => None,
        }
    }

    /// The newest stretch of 450 Hz and pauses without another tone between, if there is a tone.
    fn newest_calls(&self) -> Option<Vec<Span>> {
        let is_other = |span: &&Span| matches!(span.tone, Some(Pitch::Special(_)));
        let others = self.spans.iter().rev().position(|span| is_other(&span));
        let count = others.unwrap_or(self.spans.len());
        let spans: Vec<Span> = self.spans.range(self.spans.len() - count..).copied().collect();
        spans.iter().any(|span| span.tone.is_some()).then_some(spans)
    }

    /// Low, middle and high, with or without pauses between.
    fn is_special(&self) -> bool {
        let tones = self.spans.iter().filter(|span| span.tone.is_some());
        let fits = |span: &Span, at: usize| {
            let lasts = (SPECIAL_MS.0..=SPECIAL_MS.1).contains(&span.ms());
            span.tone == Some(Pitch::Special(at)) && lasts
        };
        let newest: Vec<&Span> = tones.rev().take(3).collect();
        newest.len() == 3 && newest.iter().rev().enumerate().all(|(at, span)| fits(span, at))
    }
}

/// Tone and pause in turn, each that long.
fn alternate(spans: &[Span], ms: u32) -> bool {
    let alternates = spans.windows(2).all(|pair| pair[0].tone.is_some() != pair[1].tone.is_some());
    alternates && spans.iter().all(|span| span.lasts(ms))
}

#[cfg(test)]
mod tests {
    use super::super::signals::{silence, sine, voice};
    use super::*;
    use qingting_common::limits::SAMPLES_PER_TICK;

    /// What is named, and after how many ms.
    fn named(parts: &[Vec<i16>]) -> Vec<(NetworkTone, usize)> {
        let samples = parts.concat();
        let mut tones = Tones::default();
        let (frames, _) = samples.as_chunks::<SAMPLES_PER_TICK>();
        let mut heard = Vec::new();
        for (at, frame) in frames.iter().enumerate() {
            heard.extend(tones.hear(frame).map(|tone| (tone, (at + 1) * 20)));
        }
        heard
    }

    /// That many turns of 450 Hz and pause.
    fn turns(count: usize, on_ms: usize, off_ms: usize) -> Vec<i16> {
        [sine(450.0, -15.0, on_ms), silence(off_ms)].concat().repeat(count)
    }

    #[test]
    fn the_cadences_of_china_are_told_apart() {
        let cases = [
            (turns(4, 350, 350), NetworkTone::Busy, 1_600),
            (turns(4, 700, 700), NetworkTone::Congestion, 3_000),
            (turns(2, 1_000, 4_000), NetworkTone::Ringing, 3_100),
        ];
        for (samples, tone, ms_max) in cases {
            let heard = named(&[silence(300), samples]);
            assert!(
                matches!(heard[..], [(first, ms)] if first == tone && ms <= 300 + ms_max),
                "{tone:?}: {heard:?}"
            );
        }
    }

    #[test]
    fn a_number_that_is_none_has_its_own() {
        let turn = [turns(3, 100, 100), sine(450.0, -15.0, 400), silence(400)].concat();
        let heard = named(&[turn.repeat(2)]);
        assert_eq!(heard.first().map(|(tone, _)| *tone), Some(NetworkTone::Unobtainable));
    }

    #[test]
    fn three_rising_tones_come_before_an_announcement() {
        let tone = |hz| sine(hz, -15.0, 330);
        let heard = named(&[silence(200), tone(950.0), tone(1_400.0), tone(1_800.0), silence(200)]);
        assert!(matches!(heard[..], [(NetworkTone::SpecialInformation, _)]), "{heard:?}");
        let falling = named(&[tone(1_800.0), tone(1_400.0), tone(950.0), silence(200)]);
        assert!(falling.is_empty(), "{falling:?}");
    }

    #[test]
    fn a_lost_packet_does_not_break_a_cadence() {
        let mut samples = turns(4, 350, 350);
        samples[160 * 8..160 * 9].fill(0);
        assert!(matches!(named(&[samples])[..], [(NetworkTone::Busy, _)]));
    }

    #[test]
    fn voices_are_no_tones_and_silence_is_said_once() {
        assert_eq!(named(&[voice(-20.0, 3_000)]), []);
        let heard = named(&[voice(-20.0, 500), silence(9_000)]);
        assert!(matches!(heard[..], [(NetworkTone::Silence, 4_500..4_600)]), "{heard:?}");
    }
}
