//! The recognisers that calls are captioned by, and what seats are told when these fall behind.

use super::Hotline;
use crate::commands::recogniser::Recogniser;
use crate::config::{Config, cores};
use crate::{home, text_file};
use anyhow::{Context, Result};
use qingting_api::Event;
use qingting_asr::bias::Hotwords;
use qingting_asr::client::Remote;
use qingting_asr::{AsrClient, AsrStatus, Level, WorkerSource};
use qingting_store::DutyList;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked whether captions are late.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Starts this machine's worker and connects to those of others. Must run within the runtime that
/// their tasks shall live on.
pub fn start(
    config: &Config,
    run_dir: &home::RunDir,
    recogniser: Option<Recogniser>,
    duty: &DutyList,
) -> Result<Option<AsrClient>> {
    if !config.asr.enabled {
        return Ok(None);
    }
    let mut workers = Vec::new();
    if let Some(recogniser) = recogniser {
        let socket = run_dir.path().join("asr.sock");
        let spawn = recogniser.command(&socket, threads(config), config.asr.noise_suppression);
        workers.push(WorkerSource::Local { socket, spawn: Box::new(spawn) });
    }
    for worker in &config.asr.workers {
        let file = &worker.token_file;
        let token = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read asr.workers.token_file {}", file.display()))?;
        let remote = Remote::new(&worker.address, &worker.certificate, &token)?;
        workers.push(WorkerSource::Remote(remote));
    }
    Ok(Some(AsrClient::connect(workers, hotwords(config, duty)?)))
}

/// The city's names: those of the file, and who is on the duty list at the start.
pub fn hotwords(config: &Config, duty: &DutyList) -> Result<Hotwords> {
    let file = &config.asr.hotwords;
    let list = match file.as_os_str().is_empty() {
        true => String::new(),
        false => text_file::read(file).context("asr.hotwords")?,
    };
    let departments = duty.departments.iter().map(|department| department.name.as_str());
    let experts = duty.experts.iter().map(|expert| expert.name.expose().as_str());
    let names = departments.chain(experts);
    Hotwords::read(&list, names).with_context(|| format!("asr.hotwords {}", file.display()))
}

/// Decoding threads of this machine's worker.
pub fn threads(config: &Config) -> usize {
    if config.asr.threads == 0 { cores() } else { config.asr.threads }
}

/// What the operator reads at the start: who recognises, and how many calls that is enough for. In a
/// call one person speaks at a time.
pub fn capacity(status: &AsrStatus, cores_per_stream: Option<f64>) -> String {
    let up: Vec<_> = status.workers.iter().filter(|worker| worker.up).collect();
    let threads: u32 = up.iter().map(|worker| u32::from(worker.threads)).sum();
    let named = up.iter().map(|worker| format!("{} {}", worker.name, worker.threads));
    let named = named.collect::<Vec<_>>().join(", ");
    let away = status.workers.len() - up.len();
    let away = if away == 0 { String::new() } else { format!("; {away} worker(s) away") };
    let calls = cores_per_stream.filter(|cores| *cores > 0.0).map(|cores| {
        let calls = (f64::from(threads) / cores) as u32;
        format!(": about {calls} calls with captions at a time, more get theirs later")
    });
    format!("{threads} threads ({named}){}{away}", calls.unwrap_or_default())
}

/// What a seat reads while captions are not as usual.
const fn notice(level: Level, up: bool, is_completed: bool) -> &'static str {
    match (up, level) {
        (false, _) | (true, Level::Incomplete) if !is_completed => {
            "识别忙不过来，会缺一些字幕；通话照常"
        }
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
    // It loads for some seconds: that is no fault yet.
    let mut loads_until = Some(tokio::time::Instant::now() + super::RECOGNISER_START_MAX);
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        let status = asr.status();
        let now = (status.level(), status.up());
        loads_until =
            loads_until.filter(|until| !status.up() && tokio::time::Instant::now() < *until);
        if loads_until.is_some() {
            continue;
        }
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
        let recording = &hotline.config.recording;
        let notice = notice(level, up, recording.enabled && recording.tracks);
        let (level, notice) = (level.as_str().into(), notice.into());
        hotline.events.publish(Event::Recognition { level, up, notice });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qingting_asr::WorkerStatus;

    #[test]
    fn the_operator_reads_what_the_workers_are_enough_for() {
        let worker = |name: &str, up, threads| WorkerStatus {
            name: name.to_owned(),
            up,
            threads,
            ..WorkerStatus::default()
        };
        let workers =
            vec![worker("local", true, 2), worker("asr1:7012", true, 6), worker("b", false, 0)];
        let status = AsrStatus { workers, ..AsrStatus::default() };
        assert_eq!(
            capacity(&status, Some(0.5)),
            "8 threads (local 2, asr1:7012 6): about 16 calls with captions at a time, more get theirs later; 1 worker(s) away"
        );
        assert_eq!(capacity(&status, None), "8 threads (local 2, asr1:7012 6); 1 worker(s) away");
    }

    #[test]
    fn a_seat_reads_nothing_while_captions_are_as_usual() {
        assert_eq!(notice(Level::Full, true, true), "");
        assert!(Level::ALL.iter().skip(1).all(|level| !notice(*level, true, true).is_empty()));
        assert!(notice(Level::Full, false, true).contains("通话后"));
        assert!(!notice(Level::Full, false, false).contains("通话后"), "nothing is promised");
    }
}
