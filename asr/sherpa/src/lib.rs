//! Recognition by sherpa-onnx: streaming models that decode all ready utterances in one batch, and
//! models of whole segments for a second pass.
//!
//! **No text of one utterance depends on what else is in its batch.** One loaded model serves all
//! threads; each thread's engine has only its own utterances.

mod config;
mod live;
mod recognizer;
mod second_pass;
mod written;

pub use recognizer::Sherpa;
