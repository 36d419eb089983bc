//! Mandarin text to telephone audio.
//!
//! **The same text, voice and engine give the same audio**, so that prompts are made once and
//! cached. [`front_end`] is pure; [`Voice`] runs Kokoro on one thread.

pub mod cache;
mod error;
pub mod front_end;
mod kokoro;
mod npz;
mod sound;

pub use cache::PromptCache;
pub use error::VoiceError;
pub use kokoro::{Voice, VoicePaths};
