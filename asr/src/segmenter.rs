//! Where an utterance begins and ends. Pure: probabilities in, decisions out.
//!
//! Positions are samples at 16 kHz since the stream's start.

use crate::recognizer::FRAME_SAMPLES;
use std::collections::VecDeque;
use std::ops::Range;

/// Samples at 16 kHz in a millisecond.
pub const SAMPLES_PER_MS: u64 = 16;

/// A frame at or above this is speech; below [`QUIET_BELOW`] it is silence; between, as before.
const SPEECH_FROM: f32 = 0.5;
const QUIET_BELOW: f32 = 0.35;
/// Frames of speech that start a segment: 64 ms, well inside the 200 ms promised.
const ONSET_FRAMES: u32 = 2;
const PADDING_MS: u64 = 300;
/// Silence after which the segment's decode is begun on trial.
const SPECULATE_AFTER_MS: u64 = 400;
/// How quiet a dip must be in which a long segment ends: nearly silent at first, any dip at last.
const DIP_MAX: f32 = 0.5;
/// How far back such a dip may lie.
const DIP_SEARCH_MS: u64 = 500;

/// How long segments may become.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Silence that ends a segment.
    hang_over_ms: u64,
    /// From this length on ...
    long_from_ms: u64,
    /// ... a shorter silence is enough.
    hang_over_long_ms: u64,
    /// From this length on a dip is enough, the less deep the longer the segment.
    dips_from_ms: u64,
    /// Longest segment; then it is cut ...
    segment_ms_max: u64,
    /// ... at the quietest point of so much before: text of what is before the cut is late by what is behind.
    cut_search_ms: u64,
}

/// Somebody waits for the text.
const LIVE: Limits = Limits {
    hang_over_ms: 800,
    long_from_ms: 6_000,
    hang_over_long_ms: 350,
    dips_from_ms: 6_000,
    segment_ms_max: 9_000,
    cut_search_ms: 2_000,
};
/// Nobody does: sentences stay together, which the recogniser understands better.
const OFFLINE: Limits = Limits {
    hang_over_ms: 1_200,
    long_from_ms: 12_000,
    hang_over_long_ms: 500,
    dips_from_ms: 20_000,
    segment_ms_max: 20_000,
    cut_search_ms: 4_000,
};

impl Limits {
    /// How quiet a dip must be that ends a segment of this length; below 0: none does.
    fn dip_max(&self, length_ms: u64) -> f32 {
        let span_ms = (self.segment_ms_max - self.dips_from_ms).max(1) as f32;
        DIP_MAX * (length_ms as f32 - self.dips_from_ms as f32) / span_ms
    }
}

/// A decision about the stream. `audio` ranges include padding; `speech` ranges do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Speech began at this position.
    Started(u64),
    /// It may be over: decode this audio now, in case.
    Speculate(Utterance),
    /// It was not over: drop that decode.
    Resumed,
    /// It is over.
    Ended(Utterance),
}

/// One segment's place in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Utterance {
    /// Samples to decode.
    pub audio: Range<u64>,
    /// Where speech was heard.
    pub speech: Range<u64>,
}

/// The state of one stream.
#[derive(Debug)]
pub struct Segmenter {
    limits: Limits,
    /// End of the last frame seen.
    now: u64,
    /// Nothing before this is decoded again: the end of the previous segment's audio.
    floor: u64,
    onset: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    /// First sample to decode.
    from: u64,
    speech_from: u64,
    speech_to: u64,
    is_speculating: bool,
    /// Smoothed probabilities of the last [`Limits::cut_search_ms`], with the end of their frame.
    recent: VecDeque<(u64, f32)>,
}

impl Segmenter {
    /// A stream whose first frame begins at `position`.
    pub fn new(position: u64) -> Self {
        Self { limits: LIVE, now: position, floor: position, onset: 0, open: None }
    }

    /// The same for a recording, whose text nobody waits for: longer segments.
    pub fn offline(position: u64) -> Self {
        Self { limits: OFFLINE, ..Self::new(position) }
    }

    /// Goes on at a later position as if nothing had been heard.
    pub fn restart(&mut self, position: u64) {
        *self = Self { limits: self.limits, ..Self::new(position) };
    }

    /// Takes the next frame's probability.
    pub fn push(&mut self, probability: f32) -> Vec<Decision> {
        self.now += FRAME_SAMPLES as u64;
        match self.open.is_some() {
            true => self.inside(probability),
            false => self.outside(probability),
        }
    }

    /// The stream is over or has a gap: what is open ends here.
    pub fn flush(&mut self) -> Option<Decision> {
        self.onset = 0;
        let open = self.open.take()?;
        let end = (open.speech_to + PADDING_MS * SAMPLES_PER_MS).min(self.now);
        self.floor = end;
        Some(Decision::Ended(open.utterance(end)))
    }

    /// The open segment so far, its silence included.
    pub fn open(&self) -> Option<Utterance> {
        self.open.as_ref().map(|open| open.utterance(self.now))
    }

    /// The open segment so far, unless silence has set in (its trial decode is on its way).
    pub fn unfinished(&self) -> Option<Utterance> {
        let open = self.open.as_ref()?;
        (!open.is_speculating).then(|| open.utterance(self.now))
    }

    /// Audio before this will not be asked for any more.
    pub fn keep_from(&self) -> u64 {
        let before = (PADDING_MS * SAMPLES_PER_MS) + u64::from(ONSET_FRAMES) * FRAME_SAMPLES as u64;
        self.open.as_ref().map_or(self.now.saturating_sub(before).max(self.floor), |o| o.from)
    }

    fn outside(&mut self, probability: f32) -> Vec<Decision> {
        self.onset = if probability >= SPEECH_FROM { self.onset + 1 } else { 0 };
        if self.onset < ONSET_FRAMES {
            return Vec::new();
        }
        self.onset = 0;
        let speech_from = self.now - u64::from(ONSET_FRAMES) * FRAME_SAMPLES as u64;
        let from = speech_from.saturating_sub(PADDING_MS * SAMPLES_PER_MS).max(self.floor);
        self.open = Some(Open::new(from, speech_from, self.now));
        vec![Decision::Started(speech_from)]
    }

    fn inside(&mut self, probability: f32) -> Vec<Decision> {
        let now = self.now;
        let Some(open) = self.open.as_mut() else { return Vec::new() };
        open.remember(now, probability, self.limits.cut_search_ms);
        let is_silent = open.speech_to < now - FRAME_SAMPLES as u64;
        if probability >= SPEECH_FROM || (!is_silent && probability >= QUIET_BELOW) {
            open.speech_to = now;
            if std::mem::take(&mut open.is_speculating) {
                return vec![Decision::Resumed];
            }
        }
        let silence_ms = (now - open.speech_to) / SAMPLES_PER_MS;
        let length_ms = (now - open.from) / SAMPLES_PER_MS;
        let limits = self.limits;
        let is_long = length_ms >= limits.long_from_ms;
        let hang_over_ms = if is_long { limits.hang_over_long_ms } else { limits.hang_over_ms };
        if silence_ms >= hang_over_ms {
            return self.flush().into_iter().collect();
        }
        if length_ms >= limits.segment_ms_max {
            return self.cut(limits.cut_search_ms);
        }
        if open.has_dipped(limits.dip_max(length_ms)) {
            return self.cut(DIP_SEARCH_MS);
        }
        if silence_ms >= SPECULATE_AFTER_MS && !open.is_speculating {
            open.is_speculating = true;
            let end = open.speech_to + PADDING_MS * SAMPLES_PER_MS;
            return vec![Decision::Speculate(open.utterance(end))];
        }
        Vec::new()
    }

    /// Ends the segment at its quietest point of so much and begins the next one there.
    fn cut(&mut self, search_ms: u64) -> Vec<Decision> {
        let Some(mut open) = self.open.take() else { return Vec::new() };
        let at = open.quietest(search_ms).map_or(self.now, |(end, _)| end);
        let speech_to = std::mem::replace(&mut open.speech_to, at);
        let mut decisions = vec![Decision::Ended(open.utterance(at))];
        self.floor = at;
        if speech_to > at {
            decisions.push(Decision::Started(at));
            self.open = Some(Open::new(at, at, speech_to));
        }
        decisions
    }
}

impl Open {
    fn new(from: u64, speech_from: u64, speech_to: u64) -> Self {
        Self { from, speech_from, speech_to, is_speculating: false, recent: VecDeque::new() }
    }

    fn utterance(&self, end: u64) -> Utterance {
        Utterance { audio: self.from..end, speech: self.speech_from..self.speech_to.min(end) }
    }

    /// The end of the quietest frame of the last so much, and how quiet.
    fn quietest(&self, search_ms: u64) -> Option<(u64, f32)> {
        let now = self.recent.back()?.0;
        let is_near = |(end, _): &&(u64, f32)| end + search_ms * SAMPLES_PER_MS > now;
        self.recent.iter().filter(is_near).min_by(|a, b| a.1.total_cmp(&b.1)).copied()
    }

    /// Whether it was as quiet as that a moment ago, and is louder again.
    fn has_dipped(&self, dip_max: f32) -> bool {
        let (Some(dip), Some(last)) = (self.quietest(DIP_SEARCH_MS), self.recent.back()) else {
            return false;
        };
        dip.1 <= dip_max && last.1 > dip.1
    }

    /// Smooths over three frames, so that a cut falls into a pause and not into one odd frame.
    fn remember(&mut self, now: u64, probability: f32, kept_ms: u64) {
        let before: f32 = self.recent.iter().rev().take(2).map(|(_, p)| p).sum();
        let count = self.recent.len().min(2) as f32 + 1.0;
        self.recent.push_back((now, (before + probability) / count));
        if self.recent.len() as u64 * FRAME_SAMPLES as u64 > kept_ms * SAMPLES_PER_MS {
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME_MS: u64 = 32;

    fn run(segmenter: &mut Segmenter, probability: f32, ms: u64) -> Vec<Decision> {
        (0..ms / FRAME_MS).flat_map(|_| segmenter.push(probability)).collect()
    }

    #[test]
    fn speech_is_announced_within_200_ms_and_ended_after_the_hang_over() {
        let mut segmenter = Segmenter::new(0);
        assert!(run(&mut segmenter, 0.0, 1_024).is_empty());
        let started = run(&mut segmenter, 0.9, 192);
        assert_eq!(started, [Decision::Started(1_024 * SAMPLES_PER_MS)]);
        run(&mut segmenter, 0.9, 1_024);
        let decisions = run(&mut segmenter, 0.0, 1_024);
        let [Decision::Speculate(trial), Decision::Ended(end)] = &decisions[..] else {
            panic!("{decisions:?}")
        };
        assert_eq!(trial, end, "the trial decode is the final one");
        assert_eq!(end.audio.start, (1_024 - PADDING_MS) * SAMPLES_PER_MS);
    }

    #[test]
    fn speech_after_a_short_pause_takes_the_trial_back() {
        let mut segmenter = Segmenter::new(0);
        run(&mut segmenter, 0.9, 960);
        let pause = run(&mut segmenter, 0.0, 512);
        assert!(matches!(pause[..], [Decision::Speculate(_)]));
        assert_eq!(run(&mut segmenter, 0.9, 320), [Decision::Resumed]);
    }

    #[test]
    fn a_monologue_is_cut_at_its_quietest_point_and_nothing_is_lost() {
        let mut segmenter = Segmenter::new(0);
        let mut decisions = run(&mut segmenter, 0.9, 7_200);
        decisions.extend(run(&mut segmenter, 0.4, 96));
        decisions.extend(run(&mut segmenter, 0.9, 7_200));
        decisions.extend(segmenter.flush());
        let ends: Vec<_> = decisions
            .iter()
            .filter_map(|d| if let Decision::Ended(u) = d { Some(u.audio.clone()) } else { None })
            .collect();
        assert_eq!(ends.len(), 2);
        assert_eq!(ends[0].end, ends[1].start);
        let cut_ms = ends[0].end / SAMPLES_PER_MS;
        assert!((7_200..=7_328).contains(&cut_ms), "{cut_ms}");
    }

    /// End of the first segment of speech with a dip of this probability and length at 7 s, in ms, and how
    /// much later that was known.
    fn first_cut(dip: f32, dip_ms: u64) -> (u64, u64) {
        let mut segmenter = Segmenter::new(0);
        let mut probabilities = vec![0.9; 7_008 / FRAME_MS as usize];
        probabilities.extend(vec![dip; (dip_ms / FRAME_MS) as usize]);
        probabilities.resize(400, 0.9);
        for (frame, probability) in (1u64..).zip(probabilities) {
            if let [Decision::Ended(first), ..] = &segmenter.push(probability)[..] {
                let end_ms = first.audio.end / SAMPLES_PER_MS;
                return (end_ms, frame * FRAME_MS - end_ms);
            }
        }
        panic!("nothing was cut");
    }

    #[test]
    fn a_breath_ends_a_long_segment_at_once_and_a_shallow_dip_does_not() {
        let (end_ms, late_ms) = first_cut(0.02, 224);
        assert!((7_136..=7_264).contains(&end_ms) && late_ms <= 64, "{end_ms} {late_ms}");
        let (end_ms, late_ms) = first_cut(0.45, 128);
        assert!((7_008..=7_168).contains(&end_ms), "the quietest point yet: {end_ms}");
        assert!(late_ms <= LIVE.cut_search_ms, "{late_ms}");
    }

    #[test]
    fn who_never_pauses_gets_text_of_the_last_two_seconds_soon() {
        let (_, late_ms) = first_cut(0.9, 128);
        assert!(late_ms <= LIVE.cut_search_ms, "{late_ms}");
    }

    #[test]
    fn a_recording_keeps_together_what_a_call_parts() {
        let ends = |mut segmenter: Segmenter| {
            let mut decisions = run(&mut segmenter, 0.9, 3_200);
            decisions.extend(run(&mut segmenter, 0.0, 1_024));
            decisions.extend(run(&mut segmenter, 0.9, 3_200));
            decisions.extend(segmenter.flush());
            decisions.iter().filter(|d| matches!(d, Decision::Ended(_))).count()
        };
        assert_eq!(ends(Segmenter::new(0)), 2);
        assert_eq!(ends(Segmenter::offline(0)), 1);
    }
}
