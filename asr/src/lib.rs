//! Streaming Mandarin recognition of telephone audio, in a process of its own.
//!
//! [`worker`] is that process: voice detection cuts each stream into segments, decode threads turn
//! segments into text. [`client`] is the server's side: it starts the worker, restarts it, and
//! replays what the worker had not finished. [`wire`] is what they say to each other.
//! A crash of the inference libraries costs captions for seconds, never a call.

pub mod bias;
pub mod client;
pub mod clock;
pub mod convert;
pub mod degradation;
pub mod equalizer;
pub mod error;
pub mod eval;
pub mod funasr;
pub mod live;
pub mod noise;
pub mod recognizer;
pub mod resample;
pub mod scheduler;
pub mod scripted;
pub mod segmenter;
pub mod sherpa;
mod stream;
pub mod text;
pub mod vad;
mod vote;
pub mod whisper;
pub mod wire;
pub mod worker;

pub use client::{AsrClient, AsrEvent, AsrStatus, StreamSender, WorkerSource, WorkerStatus};
pub use convert::ct2_to_ggml;
pub use degradation::Level;
pub use error::{AsrError, Result};
pub use noise::NoiseSuppression;
pub use whisper::ModelPaths;
pub use worker::WorkerConfig;
