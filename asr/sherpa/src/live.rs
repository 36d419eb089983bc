//! Utterances that are heard while they are spoken, all ready ones in one batch.

use crate::recognizer::engine;
use crate::written::Written;
use qingting_asr::Result;
use qingting_asr::recognizer::{CONFIDENCE_UNKNOWN, Decoded, Live, LiveText, Step, UtteranceId};
use qingting_asr::text::Text;
use sherpa_onnx::{OfflinePunctuation, OnlineRecognizer, OnlineStream};
use std::collections::BTreeMap;
use std::sync::Arc;

const RATE_HZ: i32 = 16_000;
/// Most utterances in one batch: its memory grows with them, and what a step costs is latency.
const BATCH_MAX: usize = 64;
/// Silence after an utterance, so that its last sound lies in a whole chunk with its look-ahead: the
/// longest of the known models is 0.77 s.
const TAIL_SAMPLES: usize = 12_800;

/// One thread's utterances.
pub(crate) struct SherpaLive {
    recognizer: Arc<OnlineRecognizer>,
    punctuation: Option<Arc<OfflinePunctuation>>,
    utterances: BTreeMap<UtteranceId, Utterance>,
}

struct Utterance {
    stream: OnlineStream,
    /// What was last shown of it, as the engine wrote it.
    shown: String,
    is_endpoint_told: bool,
    is_finished: bool,
}

impl SherpaLive {
    pub(crate) fn new(
        recognizer: Arc<OnlineRecognizer>,
        punctuation: Option<Arc<OfflinePunctuation>>,
    ) -> Self {
        Self { recognizer, punctuation, utterances: BTreeMap::new() }
    }

    /// Decodes a step of all that have audio for one.
    fn decode(&self) {
        let streams = self.utterances.values().map(|utterance| &utterance.stream);
        let ready: Vec<&OnlineStream> =
            streams.filter(|stream| self.recognizer.is_ready(stream)).collect();
        for batch in ready.chunks(BATCH_MAX) {
            self.recognizer.decode_multiple_streams(batch);
        }
    }

    /// What there is to say of an utterance after a step.
    fn news(&mut self, id: UtteranceId) -> Option<LiveText> {
        let utterance = self.utterances.get_mut(&id)?;
        let is_last = utterance.is_finished && !self.recognizer.is_ready(&utterance.stream);
        let is_endpoint =
            !utterance.is_endpoint_told && self.recognizer.is_endpoint(&utterance.stream);
        utterance.is_endpoint_told |= is_endpoint;
        let Some(heard) = self.recognizer.get_result(&utterance.stream) else {
            let decoded = Err(engine("no result for an utterance"));
            return Some(LiveText { id, decoded, is_last: true, is_endpoint: false });
        };
        if heard.text == utterance.shown && !is_last && !is_endpoint {
            return None;
        }
        utterance.shown.clone_from(&heard.text);
        let times_s = heard.timestamps.unwrap_or_default();
        let written = Written { text: &heard.text, tokens: &heard.tokens, times_s: &times_s };
        let text = written.text(|| std::iter::once(written.span_ms()).collect());
        let text = if is_last { self.punctuated(text) } else { text };
        let decoded = Ok(Decoded { text, confidence: CONFIDENCE_UNKNOWN, ..Decoded::default() });
        Some(LiveText { id, decoded, is_last, is_endpoint })
    }

    fn punctuated(&self, text: Text) -> Text {
        crate::recognizer::punctuated(self.punctuation.as_deref(), text)
    }
}

impl Live for SherpaLive {
    fn push(&mut self, id: UtteranceId, samples: &[f32]) -> Result<()> {
        let utterance = self.utterances.entry(id).or_insert_with(|| Utterance {
            stream: self.recognizer.create_stream(),
            shown: String::new(),
            is_endpoint_told: false,
            is_finished: false,
        });
        utterance.stream.accept_waveform(RATE_HZ, samples);
        Ok(())
    }

    fn finish(&mut self, id: UtteranceId) {
        let Some(utterance) = self.utterances.get_mut(&id) else { return };
        utterance.stream.accept_waveform(RATE_HZ, &[0.0; TAIL_SAMPLES]);
        utterance.stream.input_finished();
        utterance.is_finished = true;
    }

    fn forget(&mut self, id: UtteranceId) {
        self.utterances.remove(&id);
    }

    fn step(&mut self) -> Step {
        self.decode();
        let ids: Vec<UtteranceId> = self.utterances.keys().copied().collect();
        let texts: Vec<LiveText> = ids.into_iter().filter_map(|id| self.news(id)).collect();
        for text in texts.iter().filter(|text| text.is_last) {
            self.utterances.remove(&text.id);
        }
        let mut streams = self.utterances.values().map(|utterance| &utterance.stream);
        Step { is_busy: streams.any(|stream| self.recognizer.is_ready(stream)), texts }
    }
}
