//! `qingting asr-worker`: the recogniser's own process, so that a crash in it costs captions and
//! never a call.

use super::models;
use crate::cli::{self, ModelsDir};
use anyhow::{Context, Result};
use qingting_asr::funasr::FunAsr;
use qingting_asr::recognizer::Recognizer;
use qingting_asr::vad::Silero;
use qingting_asr::whisper::Whisper;
use qingting_asr::{ModelPaths, WorkerConfig, worker};
use std::sync::Arc;

/// Streams that one worker takes; audio of more is refused at opening.
const STREAMS_MAX: u32 = 1_000;

/// How far the recogniser steps back behind calls when processors are short.
const WORKER_NICE: i32 = 10;

pub fn run(args: &cli::AsrWorker) -> Result<()> {
    let dir = ModelsDir::of(args.models.clone());
    // Media comes first: a caption may be late, a packet may not. The worker is one process among
    // those of the machine, so this is a wish and its refusal no fault.
    let _ = rustix::process::nice(WORKER_NICE);
    let recognizer = recognizer(args, &models::recogniser(&dir)?)?;
    let config = WorkerConfig {
        socket: args.socket.clone(),
        threads: args.threads,
        streams_max: STREAMS_MAX,
    };
    Ok(worker::serve(&config, recognizer)?)
}

fn recognizer(args: &cli::AsrWorker, paths: &ModelPaths) -> Result<Arc<dyn Recognizer>> {
    let Some(server) = &args.remote else { return Ok(Arc::new(Whisper::load(paths)?)) };
    let silero = Silero::load(&paths.onnxruntime, &paths.vad)?;
    let server = server.usable().context("the recognition server")?;
    Ok(Arc::new(FunAsr::new(server, move || Ok(Box::new(silero.detector())))?))
}
