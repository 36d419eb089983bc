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
    /// The engine failed at or after the segment's end; there will be no text. Of one that is still open
    /// nothing is told: its end brings all audio again.
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

    /// Takes what a stream says. A segment whose end the engine could not take is returned.
    pub fn hear(&mut self, heard: Heard) -> Option<Outcome> {
        match heard {
            Heard::Audio { key, speech_from, start, samples } => {
                self.push(key, speech_from, start, &samples);
                None
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
                    outcomes.extend(is_over.then_some(Outcome::Failed(key, utterance)));
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

    /// False: the engine failed, and has forgotten the segment.
    fn push(&mut self, key: Key, speech_from: u64, start: u64, samples: &[f32]) -> bool {
        let expected = self.segments.get(&key).map_or(speech_from, |s| s.utterance.audio.end);
        let has_hole = start > expected;
        if has_hole {
            // Left out while the worker was behind: text with a hole would mislead.
            return true;
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
        let Err(error) = self.engine.push(segment.id, samples) else { return true };
        tell(&error);
        self.forget(key);
        false
    }

    /// Gives the engine what it lacks of the segment; what it heard beyond the end (a segment is cut
    /// in its past) is taken off its text.
    fn finish(&mut self, key: Key, utterance: Utterance, samples: &[f32]) -> Option<Outcome> {
        let has = self.segments.get(&key).map_or(utterance.audio.start, |s| s.utterance.audio.end);
        let lacks = usize::try_from(has - utterance.audio.start.min(has)).unwrap_or(usize::MAX);
        let rest = samples.get(lacks..).filter(|rest| !rest.is_empty());
        if rest.is_some_and(|rest| !self.push(key, utterance.speech.start, has, rest)) {
            return Some(Outcome::Failed(key, utterance));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;
    use crate::recognizer::{LiveText, Step};
    use crate::text::Text;

    /// Says one word of what it was given, but fails at each step whose number is in the list.
    struct Fragile {
        fails_at: &'static [usize],
        steps: usize,
        pushed: BTreeMap<UtteranceId, (usize, bool)>,
    }

    impl Live for Fragile {
        fn push(&mut self, id: UtteranceId, samples: &[f32]) -> Result<()> {
            self.pushed.entry(id).or_default().0 += samples.len();
            Ok(())
        }
        fn finish(&mut self, id: UtteranceId) {
            self.pushed.entry(id).or_default().1 = true;
        }
        fn forget(&mut self, id: UtteranceId) {
            self.pushed.remove(&id);
        }
        fn step(&mut self) -> Step {
            let is_failing = self.fails_at.contains(&self.steps);
            self.steps += 1;
            let reason = || "a test".to_owned();
            let text = |(id, (samples, is_last)): (&UtteranceId, &(usize, bool))| LiveText {
                id: *id,
                decoded: match is_failing {
                    true => Err(AsrError::Engine { engine: "fragile", reason: reason() }),
                    false => {
                        let span = 0..*samples as u64 / SAMPLES_PER_MS;
                        Ok(Decoded {
                            text: Text::over("一", &[span]),
                            confidence: 1.0,
                            ..Decoded::default()
                        })
                    }
                },
                is_last: *is_last,
                is_endpoint: false,
            };
            Step { texts: self.pushed.iter().map(text).collect(), is_busy: false }
        }
    }

    const KEY: Key = Key { connection: 0, stream: 0, segment: 0 };

    /// Half a second of an open segment, a step, the segment's end with a second of audio, a step.
    fn outcomes(fails_at: &'static [usize]) -> Vec<Outcome> {
        let mut lane = Lane::new(Box::new(Fragile { fails_at, steps: 0, pushed: BTreeMap::new() }));
        let samples: Arc<[f32]> = vec![0.0; 8_000].into();
        let mut outcomes = Vec::new();
        outcomes.extend(lane.hear(Heard::Audio { key: KEY, speech_from: 0, start: 0, samples }));
        outcomes.extend(lane.step().0);
        let (samples, utterance) =
            (vec![0.0; 16_000].into(), Utterance { audio: 0..16_000, speech: 0..16_000 });
        outcomes.extend(lane.hear(Heard::Ended {
            key: KEY,
            utterance,
            samples,
            is_final_wanted: true,
        }));
        outcomes.extend(lane.step().0);
        outcomes
    }

    #[test]
    fn an_engine_that_fails_in_an_open_segment_hears_all_of_it_at_its_end() {
        let heard = outcomes(&[0]);
        let [Outcome::Final(KEY, utterance, decoded)] = &heard[..] else { panic!("{heard:?}") };
        assert_eq!(utterance.audio, 0..16_000);
        assert_eq!(decoded.text.chars().last().map(|c| c.end_ms), Some(1_000));
    }

    #[test]
    fn an_engine_that_fails_after_the_end_says_so_once() {
        let heard = outcomes(&[1]);
        assert!(matches!(heard[..], [Outcome::Partial(..), Outcome::Failed(KEY, _)]), "{heard:?}");
    }
}
