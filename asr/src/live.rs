//! Segments of many streams in one [`Live`] engine: what the engine is given, and what becomes of its
//! text. Pure but for the engine; [`crate::worker`] puts a thread and a queue around it.

use crate::error::AsrError;
use crate::recognizer::{Decoded, Live, UtteranceId};
use crate::scheduler::Key;
use crate::segmenter::{SAMPLES_PER_MS, Utterance};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a stream tells its lane. Positions are samples at 16 kHz since the stream's sample 0.
#[derive(Clone, Debug)]
pub enum Heard {
    /// More audio of an open segment.
    Audio {
        /// The segment.
        key: Key,
        /// Where its speech begins.
        speech_from: u64,
        /// Position of the first sample.
        start: u64,
        /// 16 kHz.
        samples: Arc<[f32]>,
    },
    /// The segment is over.
    Ended {
        /// The segment.
        key: Key,
        /// Where it lies.
        utterance: Utterance,
        /// All of its audio.
        samples: Arc<[f32]>,
        /// The lane has the last word; otherwise a decoder has it, and the lane's text is done with.
        is_final_wanted: bool,
    },
    /// The segment was given up.
    Forgotten(Key),
    /// A connection is gone with all its streams.
    Gone(u64),
}

/// What a lane has to say of a segment.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// Unstable text; times are of the stream.
    Partial(Key, Utterance, Decoded),
    /// The last word; times are of the stream.
    Final(Key, Utterance, Decoded),
    /// The speaker has come to an end.
    Endpoint(Key),
    /// The engine failed; there will be no text.
    Failed(Key, Utterance),
}

/// One engine and its segments.
pub struct Lane {
    engine: Box<dyn Live>,
    segments: BTreeMap<Key, Segment>,
    keys: BTreeMap<UtteranceId, Key>,
    next_id: UtteranceId,
}

struct Segment {
    id: UtteranceId,
    /// What the engine has of it.
    utterance: Utterance,
    is_over: bool,
}

impl Lane {
    /// A lane without segments.
    pub fn new(engine: Box<dyn Live>) -> Self {
        Self { engine, segments: BTreeMap::new(), keys: BTreeMap::new(), next_id: 0 }
    }

    /// Takes what a stream says. Segments that the engine could not take are returned.
    pub fn hear(&mut self, heard: Heard) -> Option<Outcome> {
        match heard {
            Heard::Audio { key, speech_from, start, samples } => {
                self.push(key, speech_from, start, &samples)
            }
            Heard::Ended { key, utterance, samples, is_final_wanted: true } => {
                self.finish(key, utterance, &samples)
            }
            Heard::Ended { key, .. } | Heard::Forgotten(key) => {
                self.forget(key);
                None
            }
            Heard::Gone(connection) => {
                let gone = |key: &&Key| key.connection == connection;
                let gone: Vec<Key> = self.segments.keys().filter(gone).copied().collect();
                gone.into_iter().for_each(|key| self.forget(key));
                None
            }
        }
    }

    /// One batch of the engine; the flag says that another would decode more at once.
    pub fn step(&mut self) -> (Vec<Outcome>, bool) {
        let step = self.engine.step();
        let mut outcomes = Vec::new();
        for text in step.texts {
            let Some(key) = self.keys.get(&text.id).copied() else { continue };
            let Some(segment) = self.segments.get(&key) else { continue };
            let utterance = segment.utterance.clone();
            let is_over = segment.is_over;
            match text.decoded {
                Err(error) => {
                    tell(&error);
                    self.forget(key);
                    outcomes.push(Outcome::Failed(key, utterance));
                }
                Ok(decoded) if text.is_last => {
                    self.forget(key);
                    let decoded = placed(decoded, &utterance);
                    outcomes.push(Outcome::Final(key, utterance, decoded));
                }
                Ok(decoded) => {
                    if text.is_endpoint && !is_over {
                        outcomes.push(Outcome::Endpoint(key));
                    }
                    let decoded = placed(decoded, &utterance);
                    outcomes.push(Outcome::Partial(key, utterance, decoded));
                }
            }
        }
        (outcomes, step.is_busy)
    }

    fn push(&mut self, key: Key, speech_from: u64, start: u64, samples: &[f32]) -> Option<Outcome> {
        let expected = self.segments.get(&key).map_or(speech_from, |s| s.utterance.audio.end);
        let has_hole = start > expected;
        if has_hole {
            // Left out while the worker was behind: text with a hole would mislead.
            return None;
        }
        let segment = self.segments.entry(key).or_insert_with(|| {
            let id = self.next_id;
            self.next_id += 1;
            self.keys.insert(id, key);
            let utterance = Utterance { audio: start..start, speech: speech_from..speech_from };
            Segment { id, utterance, is_over: false }
        });
        let end = start + samples.len() as u64;
        segment.utterance.audio.end = end;
        segment.utterance.speech.end = end;
        let (id, utterance) = (segment.id, segment.utterance.clone());
        let error = self.engine.push(id, samples).err()?;
        tell(&error);
        self.forget(key);
        Some(Outcome::Failed(key, utterance))
    }

    /// Gives the engine what it lacks of the segment; what it heard beyond the end (a segment is cut
    /// in its past) is taken off its text.
    fn finish(&mut self, key: Key, utterance: Utterance, samples: &[f32]) -> Option<Outcome> {
        let has = self.segments.get(&key).map_or(utterance.audio.start, |s| s.utterance.audio.end);
        let lacks = usize::try_from(has - utterance.audio.start.min(has)).unwrap_or(usize::MAX);
        if let Some(rest) = samples.get(lacks..).filter(|rest| !rest.is_empty()) {
            let failed = self.push(key, utterance.speech.start, has, rest);
            if failed.is_some() {
                return failed;
            }
        }
        let Some(segment) = self.segments.get_mut(&key) else {
            return Some(Outcome::Final(key, utterance, Decoded::default()));
        };
        segment.utterance = utterance;
        segment.is_over = true;
        self.engine.finish(segment.id);
        None
    }

    fn forget(&mut self, key: Key) {
        let Some(segment) = self.segments.remove(&key) else { return };
        self.keys.remove(&segment.id);
        self.engine.forget(segment.id);
    }
}

/// One line for each fault, not for each segment that it costs.
fn tell(error: &AsrError) {
    if error.is_told() {
        tracing::debug!(%error, "a segment could not be decoded");
    } else {
        tracing::error!(%error, "a segment could not be decoded");
    }
}

/// The text with the stream's times, without what lies beyond the segment.
fn placed(decoded: Decoded, utterance: &Utterance) -> Decoded {
    let text = decoded.text.later(utterance.audio.start / SAMPLES_PER_MS);
    Decoded { text: text.before(utterance.audio.end / SAMPLES_PER_MS), ..decoded }
}
