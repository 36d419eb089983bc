//! `qingting asr eval` and `qingting asr bench`: how well, how fast and how many a recogniser hears.

use super::models;
use super::recogniser::Recogniser;
use crate::cli::{self, EvalCondition};
use crate::config::{Asr, cores};
use crate::text_file;
use anyhow::{Context, Result, bail};
use qingting_asr::NoiseSuppression;
use qingting_asr::bias::Hotwords;
use qingting_asr::eval::condition::{Condition, PACKET_SAMPLES};
use qingting_asr::eval::decode::{self, Pass, Report, Setup};
use qingting_asr::eval::paced::{self, Delays};
use qingting_asr::eval::ramp::{self, Step};
use qingting_asr::eval::{self, Utterance};
use qingting_asr::whisper::Whisper;
use qingting_media::plc::Concealer;
use std::fmt::Write;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

/// Longest wait for the worker to load its models, in tenths of a second.
const START_DS_MAX: u32 = 600;

pub fn eval(args: &cli::Eval) -> Result<()> {
    let table = table(&args.tsv, args.limit)?;
    let threads = args.threads.unwrap_or_else(cores);
    let asr = configured(args)?;
    let recogniser = Recogniser::find(&asr, &args.dir)?;
    let noise = asr.noise_suppression;
    if args.paced {
        let delays = with_worker(recogniser, threads, noise, |socket, _| {
            Ok(paced::measure(socket, &table)?)
        })?;
        return tell_delays(args, &delays);
    }
    let passes: &[Pass] =
        if args.whole { &[Pass::Streaming, Pass::Whole] } else { &[Pass::Streaming] };
    if args.whole && !matches!(recogniser, Recogniser::Whisper { .. }) {
        bail!("the pass over a whole recording is measured of whisper alone");
    }
    let hotwords = hotwords(args.hotwords.as_deref())?;
    if !args.json {
        println!("{ERRORS_HEAD}");
    }
    let mut reports = Vec::new();
    let mut tell = |report: Report| {
        let corrected = hotwords.as_ref().map(|words| report.corrected(&table, words));
        for report in std::iter::once(report).chain(corrected) {
            if !args.json {
                println!("{}", errors_row(&report));
            }
            reports.push(report);
        }
    };
    match &recogniser {
        Recogniser::Whisper { .. } => {
            let whisper = Whisper::load(&models::recogniser(&args.dir)?)?;
            errors_of_whisper(&whisper, args, noise, passes, &table, tell)?;
        }
        // What runs elsewhere is heard through its worker.
        _ => with_worker(recogniser, threads, noise, |socket, _| {
            for condition in conditions(args) {
                tell(decode::measure_worker(socket, &table, condition, &conceal)?);
            }
            Ok(())
        })?,
    }
    if let Some(file) = &args.heard {
        std::fs::write(file, heard(&table, &reports))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    if args.json {
        println!("{:#}", serde_json::to_value(&reports)?);
    }
    Ok(())
}

pub fn bench(args: &cli::AsrBench) -> Result<()> {
    let table = table(&args.tsv, None)?;
    if table.is_empty() {
        bail!("{} has no rows", args.tsv.display());
    }
    let threads = args.threads.unwrap_or_else(cores);
    if !args.json {
        println!("{RAMP_HEAD}");
    }
    let callers_max = usize::try_from(args.callers)?;
    let asr = models::configuration(&args.dir)?.map(|config| config.asr).unwrap_or_default();
    let recogniser = Recogniser::find(&asr, &args.dir)?;
    let steps = with_worker(recogniser, threads, asr.noise_suppression, |socket, _| {
        Ok(ramp::measure(socket, &table, args.seconds, callers_max, |step| {
            if !args.json {
                println!("{}", ramp_row(step));
            }
        })?)
    })?;
    let carried = steps.iter().filter(|step| step.is_carried()).count();
    if args.json {
        println!(
            "{:#}",
            serde_json::json!({ "threads": threads, "carried": carried, "steps": steps })
        );
    } else {
        println!(
            "{threads} threads carry {carried} caller(s) who talk without a pause: {:.1} a thread \
             (finals p95 at most {} ms, none given up).",
            carried as f64 / threads.max(1) as f64,
            ramp::FINAL_MS_MAX
        );
    }
    Ok(())
}

pub(super) fn table(tsv: &Path, limit: Option<usize>) -> Result<Vec<Utterance>> {
    // Before a model is loaded for it: a missing file is the user's business, at once.
    if !tsv.is_file() {
        bail!("there is no table {}", tsv.display());
    }
    Ok(eval::table(&text_file::read(tsv)?, tsv, limit.unwrap_or(usize::MAX))?)
}

fn hotwords(file: Option<&Path>) -> Result<Option<Hotwords>> {
    let read = |file: &Path| {
        let list = text_file::read(file)?;
        Hotwords::read(&list, []).with_context(|| file.display().to_string())
    };
    file.map(read).transpose()
}

/// Who is measured, and how: as named, else as configured.
fn configured(args: &cli::Eval) -> Result<Asr> {
    let mut asr = models::configuration(&args.dir)?.map(|config| config.asr).unwrap_or_default();
    asr.engine = args.engine.unwrap_or(asr.engine);
    if let Some(url) = &args.url {
        asr.remote.url.clone_from(url);
    }
    asr.noise_suppression = args.noise_suppression.unwrap_or(asr.noise_suppression);
    Ok(asr)
}

fn errors_of_whisper(
    whisper: &Whisper,
    args: &cli::Eval,
    noise_suppression: NoiseSuppression,
    passes: &[Pass],
    table: &[Utterance],
    mut tell: impl FnMut(Report),
) -> Result<()> {
    let threads = args.threads.unwrap_or_else(cores);
    for condition in conditions(args) {
        for pass in passes {
            let setup = Setup { condition, pass: *pass, noise_suppression };
            tell(decode::measure(whisper, threads, table, setup, &conceal)?);
        }
    }
    Ok(())
}

fn tell_delays(args: &cli::Eval, delays: &Delays) -> Result<()> {
    if args.json {
        println!("{:#}", serde_json::to_value(delays)?);
        return Ok(());
    }
    println!("{} utterances, {:.0} s, telephone", delays.utterances, delays.audio_seconds);
    println!(
        "final text after the end of speech   p50 {} ms, p95 {} ms",
        delays.final_ms_p50, delays.final_ms_p95
    );
    println!(
        "text on the screen behind speech     p50 {} ms, p95 {} ms",
        delays.unstable_ms_p50, delays.unstable_ms_p95
    );
    println!("processor seconds per second         {:.2}", delays.cpu_per_talking_second);
    Ok(())
}

fn conditions(args: &cli::Eval) -> Vec<Condition> {
    if args.telephone {
        return vec![Condition::Telephone];
    }
    let named = args.conditions.iter().flat_map(|condition| match condition {
        EvalCondition::Clean => vec![Condition::Clean],
        EvalCondition::Telephone => vec![Condition::Telephone],
        EvalCondition::TelephoneLoss => vec![Condition::TelephoneLoss],
        EvalCondition::TelephoneNoise => vec![Condition::TelephoneNoise],
        EvalCondition::All => Condition::ALL.to_vec(),
    });
    let named: Vec<Condition> = named.collect();
    if named.is_empty() { vec![Condition::Clean] } else { named }
}

/// As a call's leg does it.
fn conceal(samples: &mut [i16], is_lost: &[bool]) {
    let mut concealer = Concealer::default();
    for (packet, is_lost) in samples.chunks_mut(PACKET_SAMPLES).zip(is_lost) {
        if *is_lost { concealer.conceal(packet) } else { concealer.heard(packet) }
    }
}

const ERRORS_HEAD: &str =
    "condition        pass             CER    95 %           subst  delet  insert  CPU s/s";
const RAMP_HEAD: &str =
    "callers  finals  p50 ms  p95 ms  partials  given up  CPU s per caller and s";

fn errors_row(report: &Report) -> String {
    let pass = match report.pass {
        Pass::Streaming => "streaming",
        Pass::Whole => "whole",
    };
    let pass = if report.has_hotwords { format!("{pass}+words") } else { pass.to_owned() };
    format!(
        "{:<16} {:<15}  {:.3}  {:.3} - {:.3}  {:>5}  {:>5}  {:>6}  {:>7.2}",
        report.condition.name(),
        pass,
        report.cer,
        report.cer_low,
        report.cer_high,
        report.errors.substitutions,
        report.errors.deletions,
        report.errors.insertions,
        report.real_time_factor
    )
}

fn ramp_row(step: &Step) -> String {
    format!(
        "{:>7}  {:>6}  {:>6}  {:>6}  {:>8}  {:>8}  {:.2}",
        step.callers,
        step.finals,
        step.final_ms_p50,
        step.final_ms_p95,
        step.partials,
        step.skipped,
        step.cpu_per_talking_second
    )
}

/// A row for every utterance, condition and pass.
fn heard(table: &[Utterance], reports: &[Report]) -> String {
    let mut rows =
        "condition\tpass\thotwords\tfile\terrors\tcharacters\ttext\theard\tconfidence\texpected\t\
         expected_confidence\n"
            .to_owned();
    for report in reports {
        for (utterance, heard) in table.iter().zip(&report.heard) {
            let (expected, sure) = heard.expected().unwrap_or_default();
            let _ = writeln!(
                rows,
                "{}\t{:?}\t{}\t{}\t{}\t{}\t{}\t{}\t{:.3}\t{expected}\t{sure:.3}",
                report.condition.name(),
                report.pass,
                report.has_hotwords,
                utterance.file.display(),
                heard.errors.total(),
                heard.characters,
                utterance.text,
                heard.text(),
                heard.confidence()
            );
        }
    }
    rows
}

/// Starts a recogniser process, does this with its socket, and ends it.
pub fn with_worker<T>(
    recogniser: Recogniser,
    threads: usize,
    noise: NoiseSuppression,
    measure: impl FnOnce(&Path, &Worker) -> Result<T>,
) -> Result<T> {
    let folder = crate::home::temporary()?;
    let socket = folder.path().join("asr.sock");
    let worker = Worker::start(&socket, recogniser, threads, noise)?;
    measure(&socket, &worker)
}

/// A recogniser process, ended when dropped.
pub struct Worker(Child);

impl Worker {
    fn start(
        socket: &Path,
        recogniser: Recogniser,
        threads: usize,
        noise: NoiseSuppression,
    ) -> Result<Self> {
        let child = recogniser.command(socket, threads, noise)()
            .spawn()
            .context("cannot start the recogniser")?;
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
    pub fn memory_bytes(&self) -> Option<u64> {
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
