//! `qingting asr-worker`: the recogniser's own process, so that a crash in it costs captions and
//! never a call.

use super::models;
use crate::cli::{self, ConfigFile, ModelsDir};
use anyhow::Result;
use qingting_asr::{WorkerConfig, worker};

/// Streams that one worker takes; audio of more is refused at opening.
const STREAMS_MAX: u32 = 1_000;

pub fn run(args: &cli::AsrWorker) -> Result<()> {
    let dir = ModelsDir { config: ConfigFile { config: None }, models: Some(args.models.clone()) };
    worker::run(WorkerConfig {
        socket: args.socket.clone(),
        models: models::recogniser(&dir)?,
        threads: args.threads,
        streams_max: STREAMS_MAX,
    })?;
    Ok(())
}
