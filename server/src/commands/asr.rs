//! `qingting asr eval`: how well and how fast a recogniser process hears recordings.

use super::models;
use super::recogniser::Recogniser;
use crate::cli;
use crate::config::cores;
use anyhow::{Context, Result, bail};
use qingting_asr::eval::{self, EvalConfig, EvalReport};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

/// Longest wait for the worker to load its models, in tenths of a second.
const START_DS_MAX: u32 = 600;

pub fn eval(args: &cli::Eval) -> Result<()> {
    // Before a process is started for it: a missing file is the user's business, at once.
    if !args.tsv.is_file() {
        bail!("there is no table {}", args.tsv.display());
    }
    let threads = args.threads.unwrap_or_else(cores);
    let mut asr = models::configuration(&args.dir)?.map(|config| config.asr).unwrap_or_default();
    asr.engine = args.engine.unwrap_or(asr.engine);
    let recogniser = Recogniser::find(&asr, &args.dir)?;
    let measured = measure(recogniser, threads, |socket| EvalConfig {
        tsv: args.tsv.clone(),
        socket,
        is_telephone: args.telephone,
        is_paced: args.paced,
        limit: args.limit.unwrap_or(usize::MAX),
    })?;
    let mut report = serde_json::to_value(measured.report)?;
    if !args.paced
        && let Some(figures) = report.as_object_mut()
    {
        // Without a call's pace there is no latency, and most partials are skipped, so that the
        // streams worked out from the CPU would be far too many.
        figures.retain(|name, _| !name.contains("_ms_p") && !name.contains("streams"));
    }
    if args.json {
        println!("{report:#}");
    } else {
        table("", &report);
    }
    Ok(())
}

/// What a recogniser process did, and the most memory it had.
pub struct Measured {
    pub report: EvalReport,
    pub memory_bytes: Option<u64>,
}

/// Starts a recogniser process, measures it over its socket, and ends it.
pub fn measure(
    recogniser: Recogniser,
    threads: usize,
    how: impl FnOnce(PathBuf) -> EvalConfig,
) -> Result<Measured> {
    let folder = crate::home::temporary()?;
    let socket = folder.path().join("asr.sock");
    let worker = Worker::start(&socket, recogniser, threads)?;
    let report = eval::run(&how(socket))?;
    Ok(Measured { report, memory_bytes: worker.memory_bytes() })
}

/// The report's figures, a line each, nested names joined by a dot.
fn table(prefix: &str, value: &Value) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            let dot = if prefix.is_empty() { "" } else { "." };
            table(&format!("{prefix}{dot}{name}"), value);
        }),
        Value::Number(number) if number.is_f64() => {
            println!("{prefix:<36} {:.3}", number.as_f64().unwrap_or_default());
        }
        other => println!("{prefix:<36} {other}"),
    }
}

/// A recogniser process, ended when dropped.
struct Worker(Child);

impl Worker {
    fn start(socket: &Path, recogniser: Recogniser, threads: usize) -> Result<Self> {
        let child =
            recogniser.command(socket, threads)().spawn().context("cannot start the recogniser")?;
        let mut worker = Self(child);
        for _ in 0..START_DS_MAX {
            if socket.exists() {
                return Ok(worker);
            }
            if worker.0.try_wait()?.is_some() {
                bail!("the recogniser did not start (see the message above)");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("the recogniser did not start within {} s", START_DS_MAX / 10)
    }

    /// The most memory it had resident, as the kernel counted.
    fn memory_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).ok()?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(peak.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
