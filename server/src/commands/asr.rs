//! `qingting asr eval`: how well and how fast a recogniser process hears recordings.

use super::models;
use crate::cli;
use crate::config::cores;
use anyhow::{Context, Result, bail};
use qingting_asr::eval::{self, EvalConfig};
use serde_json::Value;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

/// Longest wait for the worker to load its models, in tenths of a second.
const START_DS_MAX: u32 = 600;

pub fn eval(args: &cli::Eval) -> Result<()> {
    // Before a process is started for it: a missing file is the user's business, at once.
    if !args.tsv.is_file() {
        bail!("there is no table {}", args.tsv.display());
    }
    let folder = crate::home::temporary()?;
    let socket = folder.path().join("asr.sock");
    let models = models::folder(&args.dir)?;
    let worker = Worker::start(&socket, &models, args.threads.unwrap_or_else(cores))?;
    let report = eval::run(&EvalConfig {
        tsv: args.tsv.clone(),
        socket,
        is_telephone: args.telephone,
        is_paced: args.paced,
        limit: args.limit.unwrap_or(usize::MAX),
    });
    drop(worker);
    let mut report = serde_json::to_value(report?)?;
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
    fn start(socket: &Path, models: &Path, threads: usize) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find the program itself")?;
        let command = super::worker::command(&program, socket, models, threads);
        let child = command().spawn().context("cannot start the recogniser")?;
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
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
