//! `qingting asr-worker`: the recogniser's own process, so that a crash in it costs captions and
//! never a call.

use super::models;
use crate::cli::{self, ModelsDir};
use anyhow::Result;
use qingting_asr::whisper::Whisper;
use qingting_asr::{WorkerConfig, worker};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Streams that one worker takes; audio of more is refused at opening.
const STREAMS_MAX: u32 = 1_000;

/// How far the recogniser steps back behind calls when processors are short.
const WORKER_NICE: i32 = 10;

/// The command that starts a worker, for a supervisor that starts it again and again.
pub fn command(
    program: &Path,
    socket: &Path,
    models: &Path,
    threads: usize,
) -> impl Fn() -> Command + Send + Sync + 'static {
    let (program, socket, models): (PathBuf, PathBuf, PathBuf) =
        (program.into(), socket.into(), models.into());
    move || {
        let mut command = Command::new(&program);
        command
            .arg("asr-worker")
            .arg("--socket")
            .arg(&socket)
            .arg("--models")
            .arg(&models)
            .args(["--threads", &threads.to_string()])
            .stdin(Stdio::null());
        command
    }
}

pub fn run(args: &cli::AsrWorker) -> Result<()> {
    let dir = ModelsDir::of(args.models.clone());
    // Media comes first: a caption may be late, a packet may not. The worker is one process among
    // those of the machine, so this is a wish and its refusal no fault.
    let _ = rustix::process::nice(WORKER_NICE);
    let recognizer = Whisper::load(&models::recogniser(&dir)?)?;
    let config = WorkerConfig {
        socket: args.socket.clone(),
        threads: args.threads,
        streams_max: STREAMS_MAX,
    };
    Ok(worker::serve(&config, Arc::new(recognizer))?)
}
