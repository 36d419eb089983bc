//! `qingting asr-worker`: whisper in the recogniser's own process, so that a crash in it costs captions
//! and never a call.

use super::models;
use crate::cli;
use crate::config::cores;
use crate::home;
use anyhow::{Context, Result};
use qingting_asr::funasr::FunAsr;
use qingting_asr::recognizer::Recognizer;
use qingting_asr::vad::Silero;
use qingting_asr::whisper::Whisper;
use qingting_asr::worker::Front;
use qingting_asr::{WorkerConfig, worker};
use qingting_common::Pii;
use std::sync::Arc;

pub fn run(args: &cli::AsrWorker) -> Result<()> {
    worker::step_back();
    let front = front(args)?;
    let own = home::temporary()?;
    let socket = args.socket.clone().unwrap_or_else(|| own.path().join("asr.sock"));
    let recognizer = recognizer(args)?;
    let threads = args.threads.unwrap_or_else(cores);
    if let Some(front) = &front {
        println!("Recognising for other machines on {} with {threads} threads.", front.listen);
    }
    let config = WorkerConfig {
        front,
        noise_suppression: args.noise_suppression,
        ..WorkerConfig::new(socket, threads)
    };
    Ok(worker::serve(&config, recognizer)?)
}

fn recognizer(args: &cli::AsrWorker) -> Result<Arc<dyn Recognizer>> {
    let paths = models::recogniser(&args.dir)?;
    let Some(server) = &args.remote else { return Ok(Arc::new(Whisper::load(&paths)?)) };
    let silero = Silero::load(&paths.onnxruntime, &paths.vad)?;
    let server = server.usable().context("the recognition server")?;
    Ok(Arc::new(FunAsr::new(server, move || Ok(Box::new(silero.detector())))?))
}

fn front(args: &cli::AsrWorker) -> Result<Option<Front>> {
    let cli::AsrWorker { listen, certificate, key, token_file, .. } = args;
    let (Some(listen), Some(certificate), Some(key), Some(token)) =
        (listen, certificate, key, token_file)
    else {
        return Ok(None);
    };
    let token = std::fs::read_to_string(token)
        .with_context(|| format!("cannot read the token of {}", token.display()))?;
    Ok(Some(Front {
        listen: *listen,
        certificate: certificate.clone(),
        key: key.clone(),
        token: Pii::new(token),
    }))
}
