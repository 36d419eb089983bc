//! The recognisers that calls are captioned by, and what seats are told when these fall behind.

use super::Hotline;
use crate::config::{Config, cores};
use crate::{commands, home};
use anyhow::{Context, Result};
use qingting_api::Event;
use qingting_asr::client::Remote;
use qingting_asr::{AsrClient, Level, WorkerSource};
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked whether captions are late.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Starts this machine's worker and connects to those of others. Must run within the runtime that
/// their tasks shall live on.
pub fn start(config: &Config, run_dir: &home::RunDir) -> Result<Option<AsrClient>> {
    if !config.asr.enabled {
        return Ok(None);
    }
    let mut workers = Vec::new();
    if config.asr.local {
        let socket = run_dir.path().join("asr.sock");
        let program = Some(&*config.asr.program).filter(|path| !path.as_os_str().is_empty());
        let spawn =
            commands::worker::command(program, &socket, &config.data.models, threads(config))?;
        workers.push(WorkerSource::Local { socket, spawn: Box::new(spawn) });
    }
    for worker in &config.asr.workers {
        let file = &worker.token_file;
        let token = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read asr.workers.token_file {}", file.display()))?;
        let remote = Remote::new(&worker.address, &worker.certificate, &token)?;
        workers.push(WorkerSource::Remote(remote));
    }
    Ok(Some(AsrClient::connect(workers)))
}

/// Decoding threads of this machine's worker.
pub fn threads(config: &Config) -> usize {
    if config.asr.threads == 0 { cores() } else { config.asr.threads }
}

/// What a seat reads while captions are not as usual.
const fn notice(level: Level, up: bool) -> &'static str {
    match (up, level) {
        (false, _) => "识别暂停，通话和录音照常；缺的字幕通话后补上",
        (true, Level::Full) => "",
        (true, Level::NoPartials) => "识别繁忙，字幕会在一句话说完后出现",
        (true, Level::FinalsOnly) => "识别繁忙，字幕会晚几秒",
        (true, Level::Incomplete) => "识别繁忙，部分字幕通话后补上；通话和录音照常",
    }
}

/// Tells whenever captions become later or better, until it is aborted.
pub async fn tell(hotline: Arc<Hotline>) {
    let Some(asr) = &hotline.asr else { return };
    let mut told = (Level::Full, true);
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        let status = asr.status();
        let now = (status.level(), status.up());
        if now == told {
            continue;
        }
        told = now;
        let (level, up) = now;
        if level > Level::Full || !up {
            tracing::warn!(?level, up, "captions are late or missing");
        } else {
            tracing::info!("captions are as usual again");
        }
        let notice = notice(level, up);
        hotline.events.publish(Event::Recognition { level: level.as_str(), up, notice });
    }
}
