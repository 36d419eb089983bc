//! The Kokoro model: phonemes to samples.

use crate::front_end::{self, TEXT_CHARS_MAX};
use crate::sound::{self, MODEL_RATE_HZ};
use crate::{VoiceError, npz};
use ort::environment::Environment;
use ort::session::Session;
use ort::value::Tensor;
use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The model's input window less its two pads.
const TOKENS_MAX: usize = 500;
const STYLE_FLOATS: usize = 256;
/// Silence between sentences.
const PAUSE_MS: u32 = 320;
/// The mean of two voices, understood as well as either and less marked than both.
const MEAN_VOICE: (&str, [&str; 2]) = ("qingting", ["jf_alpha", "jf_nezumi"]);

/// The files a voice is made of.
#[derive(Clone, Debug)]
pub struct VoicePaths {
    /// Kokoro as ONNX.
    pub model: PathBuf,
    /// Phoneme to token number, JSON.
    pub vocab: PathBuf,
    /// Style vectors, npz.
    pub voices: PathBuf,
    /// `libonnxruntime.so`.
    pub onnxruntime: PathBuf,
}

/// A loaded model with its voices. One synthesis at a time, on the caller's thread.
pub struct Voice {
    session: Mutex<Session>,
    tokens: HashMap<char, i64>,
    styles: BTreeMap<String, Vec<f32>>,
}

impl Voice {
    /// The speeds that still sound like speech; 1.0 is the model's own.
    pub const SPEEDS: RangeInclusive<f32> = 0.5..=2.0;

    /// Loads the model; takes about a second.
    ///
    /// # Errors
    /// [`VoiceError::Model`] naming the file at fault, [`VoiceError::Engine`] when the runtime
    /// refuses the model.
    pub fn load(paths: VoicePaths) -> Result<Self, VoiceError> {
        let environment = environment(&paths.onnxruntime)?;
        let mut builder = Session::builder(&environment)?
            .with_intra_threads(1)
            .map_err(|e| fault(&paths.model, e))?;
        let session = builder.commit_from_file(&paths.model).map_err(|e| fault(&paths.model, e))?;
        let tokens = read_tokens(&paths.vocab)?;
        let styles = read_styles(&paths.voices)?;
        Ok(Self { session: Mutex::new(session), tokens, styles })
    }

    /// The voices there are.
    pub fn names(&self) -> Vec<&str> {
        self.styles.keys().map(String::as_str).collect()
    }

    /// Speaks `text`: 8 kHz mono samples at −20 dBFS.
    ///
    /// # Errors
    /// [`VoiceError::UnknownVoice`], [`VoiceError::Speed`], [`VoiceError::TooLong`],
    /// [`VoiceError::Unreadable`], [`VoiceError::Unspeakable`] for what was asked; [`VoiceError::Engine`] when the model fails.
    pub fn synthesise(&self, text: &str, voice: &str, speed: f32) -> Result<Vec<i16>, VoiceError> {
        let style = self.styles.get(voice).ok_or_else(|| VoiceError::UnknownVoice {
            name: voice.into(),
            known: self.names().join(", "),
        })?;
        if !Self::SPEEDS.contains(&speed) {
            return Err(VoiceError::Speed(speed));
        }
        let chars = text.chars().count();
        if chars > TEXT_CHARS_MAX {
            return Err(VoiceError::TooLong { chars, max: TEXT_CHARS_MAX });
        }
        let mut audio = Vec::new();
        for phonemes in front_end::utterances(text, TOKENS_MAX)? {
            let tokens = self.tokens_of(&phonemes)?;
            audio.extend_from_slice(sound::trim(&self.infer(&tokens, style, speed)?));
            audio.resize(audio.len() + (MODEL_RATE_HZ * PAUSE_MS / 1_000) as usize, 0.0);
        }
        if audio.iter().all(|&x| x == 0.0) {
            return Err(VoiceError::Unspeakable);
        }
        Ok(sound::to_pcm(&sound::to_telephone_rate(&audio)))
    }

    /// Every phoneme's number; a phoneme that the model lacks is our fault and is not left out.
    fn tokens_of(&self, phonemes: &str) -> Result<Vec<i64>, VoiceError> {
        let token = |c: char| self.tokens.get(&c).copied().ok_or(VoiceError::Phoneme(c));
        phonemes.chars().map(token).collect()
    }

    fn infer(&self, tokens: &[i64], style: &[f32], speed: f32) -> Result<Vec<f32>, VoiceError> {
        let rows = style.len() / STYLE_FLOATS;
        let row = tokens.len().min(rows).saturating_sub(1) * STYLE_FLOATS;
        let style = style[row..row + STYLE_FLOATS].to_vec();
        let padded: Vec<i64> =
            std::iter::once(0).chain(tokens.iter().copied()).chain(std::iter::once(0)).collect();
        // A panic elsewhere leaves a session usable: it keeps no state between runs.
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(ort::inputs![
            "tokens" => Tensor::from_array(([1, padded.len()], padded))?,
            "style" => Tensor::from_array(([1, STYLE_FLOATS], style))?,
            "speed" => Tensor::from_array(([1], vec![speed]))?,
        ])?;
        let (_, audio) = outputs[0].try_extract_tensor::<f32>()?;
        Ok(audio.to_vec())
    }
}

/// The process's runtime. It can be made only once, so the first library loaded serves every voice.
fn environment(library: &Path) -> Result<Environment, VoiceError> {
    static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);
    let mut slot = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = &*slot {
        return Ok(environment.clone());
    }
    if !library.is_file() {
        return Err(fault(library, "it is missing"));
    }
    let made = ort::init_from(library).map_err(|e| fault(library, e))?.build()?;
    Ok(slot.insert(made).clone())
}

fn fault(path: &Path, reason: impl std::fmt::Display) -> VoiceError {
    VoiceError::Model { path: path.to_owned(), reason: reason.to_string() }
}

fn read_tokens(path: &Path) -> Result<HashMap<char, i64>, VoiceError> {
    let text = std::fs::read_to_string(path).map_err(|e| fault(path, e))?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|e| fault(path, e))?;
    let vocab = json["vocab"].as_object().ok_or_else(|| fault(path, "it has no \"vocab\""))?;
    let token = |(k, v): (&String, &serde_json::Value)| Some((k.chars().next()?, v.as_i64()?));
    Ok(vocab.iter().filter_map(token).collect())
}

fn read_styles(path: &Path) -> Result<BTreeMap<String, Vec<f32>>, VoiceError> {
    let file = std::fs::File::open(path).map_err(|e| fault(path, e))?;
    let mut styles = npz::read(file).map_err(|e| fault(path, e))?;
    if styles.is_empty() || styles.values().any(|s| s.is_empty() || s.len() % STYLE_FLOATS != 0) {
        return Err(fault(path, "its arrays are not rows of 256 numbers"));
    }
    let (name, [a, b]) = MEAN_VOICE;
    if let (Some(a), Some(b)) = (styles.get(a), styles.get(b)) {
        let mean = a.iter().zip(b).map(|(a, b)| (a + b) / 2.0).collect();
        styles.insert(name.into(), mean);
    }
    Ok(styles)
}
