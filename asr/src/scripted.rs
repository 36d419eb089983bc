//! A recogniser without models, for tests of everything around it: loud is speech, and the text
//! of a segment is its length.

use crate::error::Result;
use crate::recognizer::{
    Decoded, Decoder, Detector, Effort, Expected, Live, LiveText, Recognizer, Step, UtteranceId,
};
use crate::segmenter::SAMPLES_PER_MS;
use crate::text::{Text, voiced};
use std::collections::BTreeMap;
use std::time::Duration;

/// Frames whose mean absolute level is above this (of 1.0) count as speech.
const LEVEL_OF_SPEECH: f32 = 0.05;
/// The live engine hears words above this alone ...
const LEVEL_OF_WORDS: f32 = 0.2;
/// ... and the speaker's end after so many samples without.
const ENDPOINT_SAMPLES: usize = 16_000;
/// A live step takes so much of each utterance; there is one character in it.
const STEP_SAMPLES: usize = 8_000;

/// Which engines it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engines {
    /// A decoder of whole segments.
    #[default]
    Decoder,
    /// A live engine, which has the last word too.
    Live,
    /// A live engine for unstable text and a decoder for finals.
    TwoPass,
}

/// Says "一" once for every started half second of a segment, and what it is told to expect as it was told; its
/// live engine says "二".
#[derive(Clone, Copy, Debug, Default)]
pub struct Scripted {
    /// What a decode or a live step takes.
    pub decode: Duration,
    /// Which engines it has.
    pub engines: Engines,
}

impl Recognizer for Scripted {
    fn detector(&self) -> Result<Box<dyn Detector>> {
        Ok(Box::new(*self))
    }
    fn decoder(&self) -> Result<Option<Box<dyn Decoder>>> {
        let decoder = || ScriptedDecoder { decode: self.decode, expected: String::new() };
        Ok((self.engines != Engines::Live).then(|| Box::new(decoder()) as Box<dyn Decoder>))
    }
    fn live(&self) -> Result<Option<Box<dyn Live>>> {
        let live = || ScriptedLive { decode: self.decode, utterances: BTreeMap::new() };
        Ok((self.engines != Engines::Decoder).then(|| Box::new(live()) as Box<dyn Live>))
    }
}

impl Detector for Scripted {
    fn probability(&mut self, frame: &[f32]) -> Result<f32> {
        Ok(if level(frame) > LEVEL_OF_SPEECH { 1.0 } else { 0.0 })
    }
    fn reset(&mut self) {}
}

struct ScriptedDecoder {
    decode: Duration,
    expected: String,
}

impl Decoder for ScriptedDecoder {
    fn expect(&mut self, words: &str) {
        words.clone_into(&mut self.expected);
    }
    fn decode(&mut self, samples: &[f32], _effort: Effort) -> Result<Decoded> {
        std::thread::sleep(self.decode);
        let text = "一".repeat(samples.len().div_ceil(STEP_SAMPLES));
        let voiced = voiced(samples);
        let expected = (!self.expected.is_empty())
            .then(|| Expected { text: Text::over(&self.expected, &voiced), confidence: 0.7 });
        let text = Text::over(&text, &voiced);
        Ok(Decoded { text, confidence: 0.9, expected, ..Decoded::default() })
    }
}

struct ScriptedLive {
    decode: Duration,
    utterances: BTreeMap<UtteranceId, Utterance>,
}

#[derive(Default)]
struct Utterance {
    samples: Vec<f32>,
    taken: usize,
    is_finished: bool,
}

impl Utterance {
    fn is_ready(&self) -> bool {
        let left = self.samples.len() - self.taken;
        left >= STEP_SAMPLES || self.is_finished
    }

    fn step(&mut self, id: UtteranceId) -> LiveText {
        self.taken = (self.taken + STEP_SAMPLES).min(self.samples.len());
        let heard = &self.samples[..self.taken];
        let steps = heard.len().div_ceil(STEP_SAMPLES);
        let text = "二".repeat(steps);
        // A character a step, whatever is in it, so that what lies beyond a cut can be told.
        let span = 0..(steps * STEP_SAMPLES) as u64 / SAMPLES_PER_MS;
        let recent = &heard[heard.len().saturating_sub(ENDPOINT_SAMPLES)..];
        LiveText {
            id,
            decoded: Ok(Decoded {
                text: Text::over(&text, &[span]),
                confidence: 0.8,
                ..Decoded::default()
            }),
            is_last: self.is_finished && self.taken == self.samples.len(),
            is_endpoint: recent.len() == ENDPOINT_SAMPLES && level(recent) < LEVEL_OF_WORDS,
        }
    }
}

impl Live for ScriptedLive {
    fn push(&mut self, id: UtteranceId, samples: &[f32]) -> Result<()> {
        self.utterances.entry(id).or_default().samples.extend(samples);
        Ok(())
    }

    fn finish(&mut self, id: UtteranceId) {
        self.utterances.entry(id).or_default().is_finished = true;
    }

    fn forget(&mut self, id: UtteranceId) {
        self.utterances.remove(&id);
    }

    fn step(&mut self) -> Step {
        let ready = self.utterances.iter_mut().filter(|(_, utterance)| utterance.is_ready());
        let texts: Vec<LiveText> = ready.map(|(id, utterance)| utterance.step(*id)).collect();
        if !texts.is_empty() {
            std::thread::sleep(self.decode);
        }
        Step { is_busy: !texts.is_empty(), texts }
    }
}

fn level(samples: &[f32]) -> f32 {
    samples.iter().map(|s| s.abs()).sum::<f32>() / samples.len().max(1) as f32
}
