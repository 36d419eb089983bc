//! One stream in the worker: audio in, decisions out, each with the audio it speaks of.

use crate::equalizer::Equalizer;
use crate::error::Result;
use crate::noise::{NoiseSuppression, Suppressor};
use crate::recognizer::{Detector, FRAME_SAMPLES};
use crate::resample::Upsampler;
use crate::segmenter::{Decision, SAMPLES_PER_MS, Segmenter, Utterance};
use std::ops::Range;
use std::sync::Arc;

/// A gap up to this long is filled with silence; a longer one ends the segment.
const GAP_FILLED_MS_MAX: u64 = 1_000;
/// New speech after which an unfinished segment is decoded again ...
const PARTIAL_EVERY_MS: u64 = 1_000;
/// ... and the same of a longer one: its decode before often runs still, and the next chance is not to be
/// a second away.
const PARTIAL_LONG_EVERY_MS: u64 = 500;
const PARTIAL_LONG_FROM_MS: u64 = 5_000;

/// A segment's audio at 16 kHz.
pub(crate) struct Piece {
    pub(crate) segment: u32,
    pub(crate) utterance: Utterance,
    pub(crate) samples: Arc<[f32]>,
}

/// What the worker is to do.
pub(crate) enum Action {
    Started {
        segment: u32,
        at_ms: u64,
    },
    /// More audio of the open segment, for an engine that hears it while it is spoken.
    Heard {
        segment: u32,
        speech_from: u64,
        start: u64,
        samples: Arc<[f32]>,
    },
    Partial(Piece),
    Speculate(Piece),
    Resumed {
        segment: u32,
    },
    Ended(Piece),
}

/// From 8 to 16 kHz, and for recognisers that it helps with the edges of the band raised.
struct Telephone {
    upsampler: Upsampler,
    equalizer: Option<Equalizer>,
}

impl Telephone {
    fn new(is_equalised: bool) -> Self {
        Self { upsampler: Upsampler::new(), equalizer: is_equalised.then(Equalizer::default) }
    }
}

/// The state of one stream. Positions are samples at 16 kHz since the stream's sample 0.
pub(crate) struct Stream {
    detector: Box<dyn Detector>,
    /// What telephone audio goes through; none at 16 kHz.
    telephone: Option<Telephone>,
    suppressor: Option<Suppressor>,
    segmenter: Segmenter,
    /// Kept audio; `base` is the position of its first sample.
    audio: Vec<f32>,
    base: u64,
    /// Position up to which voice detection has run.
    judged: u64,
    /// Position up to which the open segment was given out as [`Action::Heard`]; none where no engine
    /// listens.
    heard: Option<u64>,
    /// End of the audio of the newest partial.
    shown: u64,
    /// Number of the segment that is open or will be opened next.
    segment: u32,
}

impl Stream {
    /// `rate_hz` is 8,000 or 16,000; `start_sample` counts at that rate. `is_live`: an engine hears
    /// segments while they are spoken, so that none is decoded before its end.
    pub(crate) fn new(
        detector: Box<dyn Detector>,
        rate_hz: u32,
        start_sample: u64,
        first_segment: u32,
        is_live: bool,
    ) -> Self {
        let telephone = (rate_hz == 8_000).then(|| Telephone::new(false));
        let base = start_sample.saturating_mul(if telephone.is_some() { 2 } else { 1 });
        Self {
            detector,
            telephone,
            suppressor: None,
            segmenter: Segmenter::new(base),
            audio: Vec::new(),
            base,
            judged: base,
            heard: is_live.then_some(base),
            shown: base,
            segment: first_segment,
        }
    }

    /// The same with the edges of the telephone's band raised.
    pub(crate) fn equalised(mut self) -> Self {
        self.telephone = self.telephone.map(|_| Telephone::new(true));
        self
    }

    /// The same with noise taken out before anything else hears the stream.
    pub(crate) fn suppressing(mut self, noise: NoiseSuppression) -> Self {
        self.suppressor = (noise == NoiseSuppression::Rnnoise).then(Suppressor::new);
        self
    }

    /// The same for a recording: segments are as long as helps, for nobody waits.
    pub(crate) fn offline(mut self) -> Self {
        self.segmenter = Segmenter::offline(self.base);
        self
    }

    /// Takes audio that begins at `start_sample` of the stream's own rate. What was sent before
    /// is ignored, what is missing is silence.
    pub(crate) fn push(&mut self, start_sample: u64, samples: &[i16]) -> Result<Vec<Action>> {
        let factor = if self.telephone.is_some() { 2 } else { 1 };
        let held = self.suppressor.as_ref().map_or(0, Suppressor::held);
        let expected = (self.base + (self.audio.len() + held) as u64) / factor;
        let missing = start_sample.saturating_sub(expected);
        let mut actions = Vec::new();
        if missing.saturating_mul(factor) > GAP_FILLED_MS_MAX * SAMPLES_PER_MS {
            actions.extend(self.flush());
            self.restart(start_sample.saturating_mul(factor));
        } else if missing > 0 {
            self.append(&vec![0; missing as usize]);
        }
        let repeated = usize::try_from(expected.saturating_sub(start_sample)).unwrap_or(usize::MAX);
        self.append(samples.get(repeated..).unwrap_or_default());
        self.judge(&mut actions)?;
        Ok(actions)
    }

    /// Ends the open segment, if there is one.
    pub(crate) fn flush(&mut self) -> Option<Action> {
        let decision = self.segmenter.flush()?;
        self.action(decision)
    }

    fn restart(&mut self, position: u64) {
        self.detector.reset();
        self.telephone =
            self.telephone.as_ref().map(|before| Telephone::new(before.equalizer.is_some()));
        self.suppressor = self.suppressor.as_ref().map(|_| Suppressor::new());
        self.segmenter.restart(position);
        self.audio.clear();
        (self.base, self.judged, self.shown) = (position, position, position);
        self.heard = self.heard.map(|_| position);
    }

    fn append(&mut self, samples: &[i16]) {
        let new = self.audio.len();
        match &mut self.telephone {
            Some(telephone) => telephone.upsampler.push(samples, &mut self.audio),
            None => self.audio.extend(samples.iter().map(|s| f32::from(*s) / 32_768.0)),
        }
        if let Some(suppressor) = &mut self.suppressor {
            // What it holds at the end of a stream, 24 ms at most, is less than what ends a word.
            let noisy = self.audio.split_off(new);
            suppressor.push(&noisy, &mut self.audio);
        }
        // After it: raised edges would look like noise.
        if let Some(equalizer) = self.telephone.as_mut().and_then(|t| t.equalizer.as_mut()) {
            equalizer.push(&mut self.audio[new..]);
        }
    }

    fn judge(&mut self, actions: &mut Vec<Action>) -> Result<()> {
        let frame = FRAME_SAMPLES as u64;
        while self.judged + frame <= self.base + self.audio.len() as u64 {
            let at = (self.judged - self.base) as usize;
            let probability = self.detector.probability(&self.audio[at..at + FRAME_SAMPLES])?;
            self.judged += frame;
            for decision in self.segmenter.push(probability) {
                actions.extend(self.action(decision));
            }
        }
        if let Some(heard) = self.heard {
            actions.extend(self.hear(heard));
        } else if let Some(utterance) = self.segmenter.unfinished() {
            let Range { start, end } = utterance.audio;
            let is_long = end - start >= PARTIAL_LONG_FROM_MS * SAMPLES_PER_MS;
            let every_ms = if is_long { PARTIAL_LONG_EVERY_MS } else { PARTIAL_EVERY_MS };
            if end.saturating_sub(self.shown.max(start)) >= every_ms * SAMPLES_PER_MS {
                self.shown = utterance.audio.end;
                actions.push(Action::Partial(self.piece(utterance)));
            }
        }
        let spare = self.segmenter.keep_from().clamp(self.base, self.judged) - self.base;
        // Moving the rest down is worth it once a second, not every frame.
        if spare > 1_000 * SAMPLES_PER_MS {
            self.audio.drain(..spare as usize);
            self.base += spare;
        }
        Ok(())
    }

    /// What the open segment has beyond `heard`.
    fn hear(&mut self, heard: u64) -> Option<Action> {
        let open = self.segmenter.open()?;
        let start = heard.max(open.audio.start);
        self.heard = Some(open.audio.end);
        let (segment, speech_from) = (self.segment, open.speech.start);
        let samples = self.samples(start..open.audio.end);
        (!samples.is_empty()).then_some(Action::Heard { segment, speech_from, start, samples })
    }

    /// Number of the segment that is open or will be opened next.
    pub(crate) fn segment(&self) -> u32 {
        self.segment
    }

    fn action(&mut self, decision: Decision) -> Option<Action> {
        let segment = self.segment;
        Some(match decision {
            Decision::Started(at) => Action::Started { segment, at_ms: at / SAMPLES_PER_MS },
            Decision::Speculate(utterance) => Action::Speculate(self.piece(utterance)),
            Decision::Resumed => Action::Resumed { segment },
            Decision::Ended(utterance) => {
                // The next one may begin in the past: at the cut of a long one.
                self.heard = self.heard.map(|_| utterance.audio.end);
                let piece = self.piece(utterance);
                self.segment = segment.wrapping_add(1);
                Action::Ended(piece)
            }
        })
    }

    fn piece(&self, utterance: Utterance) -> Piece {
        let samples = self.samples(utterance.audio.clone());
        Piece { segment: self.segment, samples, utterance }
    }

    fn samples(&self, range: Range<u64>) -> Arc<[f32]> {
        let index =
            |position: u64| (position.saturating_sub(self.base) as usize).min(self.audio.len());
        Arc::from(&self.audio[index(range.start)..index(range.end)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::Scripted;

    fn ends(actions: &[Action]) -> Vec<(u32, u64)> {
        let end = |a: &Action| match a {
            Action::Ended(p) => Some((p.segment, p.utterance.speech.start / SAMPLES_PER_MS)),
            _ => None,
        };
        actions.iter().filter_map(end).collect()
    }

    #[test]
    fn a_long_gap_ends_the_segment_and_keeps_the_time() {
        let mut stream = Stream::new(Box::new(Scripted::default()), 8_000, 0, 7, false);
        let loud = vec![8_000i16; 8_000];
        let first = stream.push(0, &loud).expect("scripted");
        assert!(ends(&first).is_empty());
        let second = stream.push(80_000, &loud).expect("scripted");
        assert_eq!(ends(&second).len(), 1);
        let last: Vec<Action> = stream.flush().into_iter().collect();
        let [(segment, start_ms)] = ends(&last)[..] else { panic!("one segment is open") };
        assert_eq!(segment, 8);
        assert!((10_000..10_040).contains(&start_ms), "{start_ms}");
    }

    #[test]
    fn audio_sent_twice_is_heard_once() {
        let mut stream = Stream::new(Box::new(Scripted::default()), 8_000, 0, 0, false);
        stream.push(0, &[8_000; 8_000]).expect("scripted");
        stream.push(4_000, &[8_000; 8_000]).expect("scripted");
        let Some(Action::Ended(piece)) = stream.flush() else { panic!("a segment is open") };
        assert!((23_000..=24_000).contains(&piece.samples.len()), "{}", piece.samples.len());
    }

    #[test]
    fn suppressed_noise_leaves_every_sample_in_its_place() {
        let stream = Stream::new(Box::new(Scripted::default()), 8_000, 0, 0, false);
        let mut stream = stream.suppressing(NoiseSuppression::Rnnoise);
        // The second repeats half of the first, the third comes 400 samples late.
        for start in [0, 4_000, 12_400] {
            stream.push(start, &[8_000; 8_000]).expect("scripted");
        }
        let held = stream.suppressor.as_ref().map_or(0, Suppressor::held);
        assert_eq!(stream.base + (stream.audio.len() + held) as u64, 2 * 20_400);
    }
}
