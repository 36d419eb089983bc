//! `qingting asr-worker`: the recogniser's own process, so that a crash in it costs captions and
//! never a call.

use super::models;
use crate::cli;
use crate::config::cores;
use crate::home;
use anyhow::{Context, Result};
use qingting_asr::whisper::Whisper;
use qingting_asr::worker::Front;
use qingting_asr::{WorkerConfig, worker};
use qingting_common::Pii;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Streams that one worker takes; audio of more is refused at opening.
const STREAMS_MAX: u32 = 1_000;

/// How far the recogniser steps back behind calls when processors are short.
const WORKER_NICE: i32 = 10;

/// The command that starts a worker, for a supervisor that starts it again and again: this program's
/// own where no `other` is named.
pub fn command(
    other: Option<&Path>,
    socket: &Path,
    models: &Path,
    threads: usize,
) -> Result<impl Fn() -> Command + Send + Sync + 'static> {
    let own = std::env::current_exe().context("cannot find the program itself")?;
    let program = other.map_or(own, Path::to_owned);
    let subcommand = other.is_none().then_some("asr-worker");
    let (socket, models): (PathBuf, PathBuf) = (socket.into(), models.into());
    Ok(move || {
        let mut command = Command::new(&program);
        command
            .args(subcommand)
            .arg("--socket")
            .arg(&socket)
            .arg("--models")
            .arg(&models)
            .args(["--threads", &threads.to_string()])
            .stdin(Stdio::null());
        command
    })
}

pub fn run(args: &cli::AsrWorker) -> Result<()> {
    // Media comes first: a caption may be late, a packet may not. The worker is one process among
    // those of the machine, so this is a wish and its refusal no fault.
    let _ = rustix::process::nice(WORKER_NICE);
    let front = front(args)?;
    let own = home::temporary()?;
    let socket = args.socket.clone().unwrap_or_else(|| own.path().join("asr.sock"));
    let recognizer = Whisper::load(&models::recogniser(&args.dir)?)?;
    let threads = args.threads.unwrap_or_else(cores);
    if let Some(front) = &front {
        println!("Recognising for other machines on {} with {threads} threads.", front.listen);
    }
    let config = WorkerConfig { socket, threads, streams_max: STREAMS_MAX, front };
    Ok(worker::serve(&config, Arc::new(recognizer))?)
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
