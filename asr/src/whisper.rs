//! Whisper by whisper.cpp, and Silero before it.

use crate::bias::{likeness, said_once};
use crate::error::{AsrError, Result};
use crate::recognizer::{Decoded, Decoder, Detector, Effort, Expected, Interrupt, Recognizer};
use crate::text::{self, Text};
use crate::vad::Silero;
use crate::vote::{Ballot, elect};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use whisper_rs::{
    FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperState,
};

const RATE_HZ: usize = 16_000;
/// Encoder positions per second of audio, and positions beyond the audio that keep the decoder
/// from running on. Measured: same errors as the full window at a third of its cost.
const POSITIONS_PER_SECOND: usize = 50;
const POSITIONS_BEYOND: usize = 192;
const POSITIONS_MAX: usize = 1_500;
/// whisper.cpp refuses less than a second; shorter segments are filled with silence.
const SAMPLES_MIN: usize = RATE_HZ * 11 / 10;
/// Mandarin is spoken at 4 to 7 syllables a second, rarely more than one token each.
const TOKENS_PER_SECOND_MAX: usize = 12;
/// Of unstable text, which is decoded anew anyway: a loop is not to hold a core.
const TOKENS_PER_SECOND_PARTIAL_MAX: usize = 8;
/// Above this probability of "no speech", an unsure text is taken for noise.
const NO_SPEECH_MIN: f32 = 0.6;
const UNSURE_BELOW: f32 = 0.45;
/// Texts that a beam search follows at once.
const BEAM: i32 = 5;
/// Speeds at which a recording is heard besides its own.
const SPEEDS: [f32; 2] = [0.93, 1.07];
/// From this likeness of sound on what is expected was heard, and not only expected. Chosen on spoken answers of
/// `nlu/tests/answers/dev.txt`: from 0.4 to 0.6 hardly anything changes.
const ALIKE_MIN: f32 = 0.5;
/// Half of what the decoder remembers, which is what it takes as said before.
const EXPECTED_TOKENS_MAX: usize = 223;
/// Temperatures of a final decode, tried until one does not loop.
const TEMPERATURES: [f32; 3] = [0.0, 0.4, 0.8];

/// The three files recognition needs; all come with `qingting models fetch`.
#[derive(Clone, Debug)]
pub struct ModelPaths {
    /// whisper.cpp's model file.
    pub whisper: PathBuf,
    /// Silero's `silero_vad.onnx`.
    pub vad: PathBuf,
    /// ONNX Runtime's `libonnxruntime.so`.
    pub onnxruntime: PathBuf,
}

/// The loaded models.
pub struct Whisper {
    context: Arc<WhisperContext>,
    silero: Silero,
}

impl Whisper {
    /// Loads all models (about 200 MB of memory, under a second from a warm disk).
    ///
    /// # Errors
    /// [`AsrError::ModelMissing`] naming the file, or [`AsrError::ModelBad`].
    pub fn load(paths: &ModelPaths) -> Result<Self> {
        whisper_rs::install_logging_hooks();
        let silero = Silero::load(&paths.onnxruntime, &paths.vad)?;
        Ok(Self { context: Arc::new(load_context(&paths.whisper)?), silero })
    }
}

fn load_context(path: &Path) -> Result<WhisperContext> {
    if !path.exists() {
        return Err(AsrError::ModelMissing { path: path.to_owned() });
    }
    let bad = |reason: String| AsrError::ModelBad { path: path.to_owned(), reason };
    let mut parameters = WhisperContextParameters::default();
    parameters.use_gpu(false);
    WhisperContext::new_with_params(path, parameters).map_err(|error| bad(error.to_string()))
}

impl Recognizer for Whisper {
    fn is_equalised(&self) -> bool {
        true
    }

    fn detector(&self) -> Result<Box<dyn Detector>> {
        Ok(Box::new(self.silero.detector()))
    }

    fn decoder(&self) -> Result<Option<Box<dyn Decoder>>> {
        let state = self.context.create_state().map_err(engine)?;
        let interrupt = Interrupt::default();
        let parameters =
            [Search::Greedy, Search::Beam].map(|search| parameters(search, &interrupt));
        Ok(Some(Box::new(WhisperDecoder {
            context: Arc::clone(&self.context),
            state,
            interrupt,
            parameters,
            cores: 1,
            expectation: Expectation::default(),
        })))
    }
}

struct WhisperDecoder {
    context: Arc<WhisperContext>,
    state: WhisperState,
    interrupt: Interrupt,
    /// By [`Search`]. Made once: each making leaks whisper-rs's box for the callback.
    parameters: [FullParams<'static, 'static>; 2],
    cores: usize,
    expectation: Expectation,
}

/// What may be said next, as the decoder takes what was said before.
#[derive(Default)]
struct Expectation {
    words: String,
    tokens: Vec<std::ffi::c_int>,
}

/// What one pass wrote, loops and all.
struct Pass {
    text: String,
    confidence: f32,
}

/// How the decoder looks for the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Search {
    Greedy,
    Beam,
}

/// How one pass is made.
#[derive(Clone, Copy)]
struct Manner {
    search: Search,
    temperature: f32,
    tokens_per_second: usize,
    /// With [`Expectation`].
    is_expecting: bool,
}

const PLAIN: Manner = Manner {
    search: Search::Greedy,
    temperature: TEMPERATURES[0],
    tokens_per_second: TOKENS_PER_SECOND_MAX,
    is_expecting: false,
};

impl Decoder for WhisperDecoder {
    fn use_cores(&mut self, cores: usize) {
        self.cores = cores.max(1);
    }

    fn expect(&mut self, words: &str) {
        if self.expectation.words == words {
            return;
        }
        // Words that it cannot divide are no reason to hear nothing.
        let tokens = match words {
            "" => Ok(Vec::new()),
            words => self.context.tokenize(words, EXPECTED_TOKENS_MAX),
        };
        let tokens = tokens.unwrap_or_default();
        self.expectation = Expectation { words: words.to_owned(), tokens };
    }

    fn interrupt(&self) -> Interrupt {
        self.interrupt.clone()
    }

    fn decode(&mut self, samples: &[f32], effort: Effort) -> Result<Decoded> {
        let voiced = text::voiced(samples);
        let best = match effort {
            Effort::Partial => {
                let haste = Manner { tokens_per_second: TOKENS_PER_SECOND_PARTIAL_MAX, ..PLAIN };
                self.pass(samples, haste)
            }
            Effort::Final => self.careful(samples, Search::Greedy),
            Effort::Offline => self.vote_of_views(samples),
        };
        let best = match best {
            // whisper.cpp calls that a failure.
            Err(_) if self.interrupt.is_set() => return Ok(Decoded::default()),
            best => best?,
        };
        let heard = text::clean(&best.text);
        let expected = match effort {
            // What was heard stands, whatever becomes of the second hearing.
            Effort::Final => self.expected(samples, &heard, &voiced).unwrap_or_else(|error| {
                tracing::warn!(%error, "a segment could not be heard again");
                None
            }),
            Effort::Partial | Effort::Offline => None,
        };
        let text = Text::over(&heard, &voiced);
        Ok(Decoded { text, confidence: best.confidence, expected, ..Decoded::default() })
    }
}

impl WhisperDecoder {
    /// What most of four decodes wrote: as it is, by beam search, and a little slower and faster.
    fn vote_of_views(&mut self, samples: &[f32]) -> Result<Pass> {
        let mut passes =
            vec![self.careful(samples, Search::Greedy)?, self.careful(samples, Search::Beam)?];
        for speed in SPEEDS {
            passes.push(self.careful(&at_speed(samples, speed), Search::Greedy)?);
        }
        let confidence =
            passes.iter().map(|pass| pass.confidence).sum::<f32>() / passes.len() as f32;
        let ballot =
            |Pass { text, confidence }: Pass| Ballot { text: text::clean(&text), confidence };
        let ballots: Vec<Ballot> = passes.into_iter().map(ballot).collect();
        Ok(Pass { text: elect(&ballots), confidence })
    }

    /// What an ear that expects something hears, where it differs from what was heard without, and sounds so.
    fn expected(
        &mut self,
        samples: &[f32],
        heard: &str,
        voiced: &[Range<u64>],
    ) -> Result<Option<Expected>> {
        if self.expectation.tokens.is_empty() || heard.is_empty() || self.interrupt.is_set() {
            return Ok(None);
        }
        let pass = match self.pass(samples, Manner { is_expecting: true, ..PLAIN }) {
            Err(_) if self.interrupt.is_set() => return Ok(None),
            pass => pass?,
        };
        let text = said_once(&text::clean(&pass.text));
        let differs = !text.is_empty() && text != heard;
        let is_alike = differs && likeness(heard, &text) >= ALIKE_MIN;
        let confidence = pass.confidence;
        Ok(is_alike.then(|| Expected { text: Text::over(&text, voiced), confidence }))
    }

    /// One pass, and others at higher temperatures while they loop.
    fn careful(&mut self, samples: &[f32], search: Search) -> Result<Pass> {
        let mut pass = self.pass(samples, Manner { search, ..PLAIN })?;
        for temperature in &TEMPERATURES[1..] {
            if !text::is_looping(&pass.text) {
                break;
            }
            pass = self.pass(samples, Manner { temperature: *temperature, ..PLAIN })?;
        }
        Ok(pass)
    }

    fn pass(&mut self, samples: &[f32], manner: Manner) -> Result<Pass> {
        let Manner { search, temperature, tokens_per_second, is_expecting } = manner;
        let mut padded = samples.to_vec();
        padded.resize(samples.len().max(SAMPLES_MIN), 0.0);
        let mut parameters: FullParams<'_, '_> = self.parameters[search as usize].clone();
        if is_expecting {
            parameters.set_tokens(&self.expectation.tokens);
        }
        let positions = padded.len() * POSITIONS_PER_SECOND / RATE_HZ + POSITIONS_BEYOND;
        parameters.set_audio_ctx(positions.min(POSITIONS_MAX) as i32);
        parameters.set_max_tokens((padded.len() * tokens_per_second / RATE_HZ + 8) as i32);
        parameters.set_n_threads(self.cores as i32);
        parameters.set_temperature(temperature);
        self.state.full(parameters, &padded).map_err(engine)?;
        let mut bytes = Vec::new();
        let (mut sum, mut count, mut no_speech) = (0.0, 0u32, 0.0f32);
        for segment in self.state.as_iter() {
            bytes.extend_from_slice(segment.to_bytes().map_err(engine)?);
            no_speech = no_speech.max(segment.no_speech_probability());
            for token in (0..segment.n_tokens()).filter_map(|i| segment.get_token(i)) {
                sum += token.token_probability();
                count += 1;
            }
        }
        let confidence = if count == 0 { 0.0 } else { sum / count as f32 };
        let is_noise = no_speech > NO_SPEECH_MIN && confidence < UNSURE_BELOW;
        let text =
            if is_noise { String::new() } else { String::from_utf8_lossy(&bytes).into_owned() };
        Ok(Pass { text, confidence })
    }
}

fn parameters(search: Search, interrupt: &Interrupt) -> FullParams<'static, 'static> {
    let mut parameters = FullParams::new(match search {
        Search::Greedy => SamplingStrategy::Greedy { best_of: 1 },
        Search::Beam => SamplingStrategy::BeamSearch { beam_size: BEAM, patience: -1.0 },
    });
    let interrupt = interrupt.clone();
    // A box on purpose: whisper-rs calls what it is given as what is inside of the box that it makes.
    let is_wanted_no_more: Box<dyn FnMut() -> bool> = Box::new(move || interrupt.is_set());
    parameters.set_abort_callback_safe::<_, Box<dyn FnMut() -> bool>>(is_wanted_no_more);
    parameters.set_language(Some("zh"));
    parameters.set_no_context(true);
    parameters.set_no_timestamps(true);
    parameters.set_single_segment(true);
    parameters.set_suppress_blank(true);
    parameters.set_suppress_nst(true);
    parameters.set_temperature_inc(0.0);
    parameters.set_print_progress(false);
    parameters.set_print_realtime(false);
    parameters.set_print_special(false);
    parameters.set_print_timestamps(false);
    parameters
}

/// As a tape that runs so much faster: linear between samples, which costs nothing below 4 kHz.
fn at_speed(samples: &[f32], speed: f32) -> Vec<f32> {
    let sample = |index: usize| samples.get(index).copied().unwrap_or(0.0);
    (0..(samples.len() as f32 / speed) as usize)
        .map(|number| {
            let at = number as f32 * speed;
            let (index, part) = (at as usize, at.fract());
            sample(index) * (1.0 - part) + sample(index + 1) * part
        })
        .collect()
}

fn engine(error: impl std::fmt::Display) -> AsrError {
    AsrError::Engine { engine: "whisper", reason: error.to_string() }
}
