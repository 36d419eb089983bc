//! `qingting asr-worker`: whisper in the recogniser's own process, so that a crash in it costs captions
//! and never a call.

use super::models;
use crate::cli::{self, ModelsDir};
use anyhow::Result;
use qingting_asr::whisper::Whisper;
use qingting_asr::{WorkerConfig, worker};
use std::sync::Arc;

pub fn run(args: &cli::AsrWorker) -> Result<()> {
    let dir = ModelsDir::of(args.models.clone());
    worker::step_back();
    let recognizer = Whisper::load(&models::recogniser(&dir)?)?;
    let config = WorkerConfig {
        socket: args.socket.clone(),
        threads: args.threads,
        streams_max: worker::STREAMS_MAX,
    };
    Ok(worker::serve(&config, Arc::new(recognizer))?)
}
