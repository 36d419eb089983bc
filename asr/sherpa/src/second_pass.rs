//! Finished segments, one at a time.

use crate::recognizer::{engine, punctuated};
use crate::written::Written;
use qingting_asr::Result;
use qingting_asr::recognizer::{CONFIDENCE_UNKNOWN, Decoded, Decoder, Effort};
use qingting_asr::text;
use sherpa_onnx::{OfflinePunctuation, OfflineRecognizer};
use std::sync::Arc;

const RATE_HZ: i32 = 16_000;

/// One thread's second pass.
pub(crate) struct SecondPass {
    recognizer: Arc<OfflineRecognizer>,
    punctuation: Option<Arc<OfflinePunctuation>>,
}

impl SecondPass {
    pub(crate) fn new(
        recognizer: Arc<OfflineRecognizer>,
        punctuation: Option<Arc<OfflinePunctuation>>,
    ) -> Self {
        Self { recognizer, punctuation }
    }
}

impl Decoder for SecondPass {
    fn decode(&mut self, samples: &[f32], effort: Effort) -> Result<Decoded> {
        let stream = self.recognizer.create_stream();
        stream.accept_waveform(RATE_HZ, samples);
        self.recognizer.decode(&stream);
        let heard = stream.get_result().ok_or_else(|| engine("no result for a segment"))?;
        let times_s = heard.timestamps.unwrap_or_default();
        let written = Written { text: &heard.text, tokens: &heard.tokens, times_s: &times_s };
        let text = written.text(|| text::voiced(samples));
        let text = match effort {
            Effort::Partial => text,
            Effort::Final | Effort::Offline => punctuated(self.punctuation.as_deref(), text),
        };
        Ok(Decoded { text, confidence: CONFIDENCE_UNKNOWN, ..Decoded::default() })
    }
}
