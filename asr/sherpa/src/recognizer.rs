//! The loaded models.

use crate::config;
use crate::live::SherpaLive;
use crate::second_pass::SecondPass;
use qingting_asr::recognizer::{Decoder, Detector, Live, Recognizer};
use qingting_asr::sherpa::SherpaModels;
use qingting_asr::text::Text;
use qingting_asr::vad::Silero;
use qingting_asr::{AsrError, Result};
use sherpa_onnx::{OfflinePunctuation, OfflineRecognizer, OnlineRecognizer};
use std::path::Path;
use std::sync::Arc;

/// sherpa-onnx with a live model, a second pass, or both.
pub struct Sherpa {
    silero: Silero,
    live: Option<Arc<OnlineRecognizer>>,
    second_pass: Option<Arc<OfflineRecognizer>>,
    punctuation: Option<Arc<OfflinePunctuation>>,
}

impl Sherpa {
    /// Loads all models. Where the dynamic linker was led to the same `libonnxruntime.so`, Silero and
    /// sherpa-onnx share it; otherwise each has its own.
    ///
    /// # Errors
    /// [`AsrError::ModelMissing`] naming the file, [`AsrError::ModelBad`] where sherpa-onnx refused one
    /// (why, it writes to the error output), [`AsrError::Engine`] where there is no engine at all.
    pub fn load(models: &SherpaModels) -> Result<Self> {
        models.check()?;
        let silero = Silero::load(&models.onnxruntime, &models.vad)?;
        let live = models.live.as_ref().map(|model| {
            let config = config::live(model, models)?;
            OnlineRecognizer::create(&config).ok_or_else(|| refused(&model.folder)).map(Arc::new)
        });
        let second_pass = models.second_pass.as_ref().map(|model| {
            let config = config::second_pass(model)?;
            OfflineRecognizer::create(&config).ok_or_else(|| refused(&model.folder)).map(Arc::new)
        });
        let punctuation = models.punctuation.as_ref().map(|path| {
            let config = config::punctuation(path);
            OfflinePunctuation::create(&config).ok_or_else(|| refused(path)).map(Arc::new)
        });
        if live.is_none() && second_pass.is_none() {
            return Err(engine("neither a live model nor one for a second pass was named"));
        }
        Ok(Self {
            silero,
            live: live.transpose()?,
            second_pass: second_pass.transpose()?,
            punctuation: punctuation.transpose()?,
        })
    }
}

fn refused(path: &Path) -> AsrError {
    AsrError::ModelBad { path: path.to_owned(), reason: "sherpa-onnx refused it".into() }
}

impl Recognizer for Sherpa {
    fn detector(&self) -> Result<Box<dyn Detector>> {
        Ok(Box::new(self.silero.detector()))
    }

    fn decoder(&self) -> Result<Option<Box<dyn Decoder>>> {
        Ok(self.second_pass.clone().map(|recognizer| {
            Box::new(SecondPass::new(recognizer, self.punctuation.clone())) as Box<dyn Decoder>
        }))
    }

    fn live(&self) -> Result<Option<Box<dyn Live>>> {
        Ok(self.live.clone().map(|recognizer| {
            Box::new(SherpaLive::new(recognizer, self.punctuation.clone())) as Box<dyn Live>
        }))
    }
}

/// A final text with the model's marks, unless the engine set marks itself.
pub(crate) fn punctuated(model: Option<&OfflinePunctuation>, text: Text) -> Text {
    let has_marks = text.chars().iter().any(|c| !c.char.is_alphanumeric() && c.char != ' ');
    let Some(model) = model.filter(|_| !has_marks && !text.is_empty()) else { return text };
    match model.add_punctuation(&text.to_string()) {
        Some(marked) => text.with_marks_of(&marked),
        None => text,
    }
}

pub(crate) fn engine(reason: &str) -> AsrError {
    AsrError::Engine { engine: "sherpa-onnx", reason: reason.to_owned() }
}
