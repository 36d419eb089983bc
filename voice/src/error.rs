//! What can go wrong between a text and its audio.

use std::path::PathBuf;

/// Why there is no audio.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VoiceError {
    /// A file of the voice model is missing or not what it should be.
    #[error("{path}: {reason}; fetch it with `qingting models fetch kokoro onnxruntime`")]
    Model {
        /// The file.
        path: PathBuf,
        /// Why it cannot be used.
        reason: String,
    },
    /// No voice has this name.
    #[error("no voice is called {name:?}; there are: {known}")]
    UnknownVoice {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The speed is outside [`crate::Voice::SPEEDS`].
    #[error("a speed of {0} is outside 0.5 to 2.0")]
    Speed(f32),
    /// A character of the text cannot be read.
    #[error(transparent)]
    Unreadable(#[from] crate::front_end::Unreadable),
    /// The model has no such phoneme.
    #[error("the voice model does not know the phoneme {0:?}")]
    Phoneme(char),
    /// Nothing in the text can be spoken.
    #[error("the text has nothing that can be spoken")]
    Unspeakable,
    /// The text is longer than [`crate::front_end::TEXT_CHARS_MAX`].
    #[error("the text has {chars} characters, more than {max}: speak it in parts")]
    TooLong {
        /// Its length.
        chars: usize,
        /// The limit.
        max: usize,
    },
    /// The model failed.
    #[error("speech synthesis failed: {0}")]
    Engine(#[from] ort::Error),
    /// The prompt cache cannot be read or written.
    #[error("{path}: {source}")]
    Cache {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}
