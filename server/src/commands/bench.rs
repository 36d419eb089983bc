//! `qingting models bench`: how fast recogniser and voice are here, and how many callers that carries.
//!
//! Both run in their own processes, as in service. The recogniser hears at the pace of a call, with
//! captions while they speak; without recordings of your own it hears what the voice speaks.

use super::models;
use super::recogniser::Recogniser;
use super::speech::{self, Saying};
use crate::cli::ModelsBench;
use crate::clock::Clock;
use anyhow::{Context, Result};
use qingting_asr::eval;
use qingting_asr::resample::Upsampler;
use qingting_common::limits::TELEPHONE_RATE_HZ;
use qingting_models::Machine;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the voice says: the first warms it up and is not counted.
const SENTENCES: [&str; 5] = [
    "您好，这里是政务服务便民热线。",
    "我要反映小区门口的路灯坏了，晚上很黑，老人和孩子走路都不安全。",
    "请问办理居住证需要带什么材料，周末有人上班吗？",
    "楼下的工地半夜还在施工，吵得我们睡不着，希望有人来处理。",
    "昨天在超市买的牛奶过期了，商家不肯退钱，我要投诉。",
];
const VOICE: &str = "qingting";

/// What was measured.
#[derive(Serialize)]
struct Figures {
    cores: usize,
    /// Processes that ran or waited to run, the last minute's mean, before the measurement.
    load_before: Option<f64>,
    voice: Option<VoiceFigures>,
    recognizer: RecognizerFigures,
}

#[derive(Serialize)]
struct VoiceFigures {
    audio_seconds: f64,
    /// Seconds on the clock for a second of speech, one thread.
    real_time_factor: f64,
}

#[derive(Serialize)]
struct RecognizerFigures {
    /// What it heard.
    audio: &'static str,
    audio_seconds: f64,
    /// Processor seconds for a second of speech, captions while speaking included.
    real_time_factor: f64,
    /// All cores divided by that: callers who talk without a pause.
    callers_speaking_max: usize,
    final_ms_p95: u64,
    memory_bytes: Option<u64>,
}

pub fn run(args: &ModelsBench) -> Result<()> {
    let asr = models::configuration(&args.dir)?.map(|config| config.asr).unwrap_or_default();
    let recogniser = Recogniser::find(&asr, &args.dir)?;
    let (machine, load_before) = (Machine::here(), load());
    let folder = crate::home::temporary()?;
    let (voice, tsv, audio) = match &args.tsv {
        Some(tsv) => (None, tsv.clone(), "your recordings, telephone band"),
        None => {
            models::require(&args.dir, &["kokoro"])?;
            let (figures, tsv) = speak(args, folder.path())?;
            (Some(figures), tsv, "sentences spoken by the installed voice, telephone band")
        }
    };
    eprintln!("The recogniser listens, at the pace of a call …");
    let threads = args.threads.unwrap_or(machine.cores);
    let table = super::asr::table(&tsv, None)?;
    let (report, memory_bytes) =
        super::asr::with_worker(recogniser, threads, asr.noise_suppression, |socket, worker| {
            let delays = eval::paced::measure(socket, &table)?;
            Ok((delays, worker.memory_bytes()))
        })?;
    let figures = Figures {
        cores: machine.cores,
        load_before,
        voice,
        recognizer: RecognizerFigures {
            audio,
            audio_seconds: report.audio_seconds,
            real_time_factor: report.cpu_per_talking_second,
            callers_speaking_max: machine.speakers(report.cpu_per_talking_second),
            final_ms_p95: report.final_ms_p95,
            memory_bytes,
        },
    };
    if args.json {
        println!("{:#}", serde_json::to_value(figures)?);
    } else {
        tell(&figures);
    }
    Ok(())
}

/// Has the sentences spoken, timed, and laid out as a table of recordings.
fn speak(args: &ModelsBench, folder: &Path) -> Result<(VoiceFigures, PathBuf)> {
    eprintln!("The voice speaks {} sentences …", SENTENCES.len());
    let saying = |text: &str| Saying { text: text.into(), voice: VOICE.into(), speed: 1.0 };
    let sayings = SENTENCES.map(saying);
    let cache = folder.join("spoken");
    let (clock, mut done_ms) = (Clock::start(), Vec::new());
    let all: Vec<&Saying> = sayings.iter().collect();
    let models = models::folder(&args.dir)?;
    speech::speak_into(&cache, &all, &models, || done_ms.push(clock.now().0))?;
    // From the cache: nothing is spoken again.
    let spoken = speech::all(&cache, &sayings, &args.dir, "")?;
    let counted: usize = spoken.iter().skip(1).map(|samples| samples.len()).sum();
    let audio_seconds = counted as f64 / f64::from(TELEPHONE_RATE_HZ);
    let (first, last) = (done_ms.first(), done_ms.last());
    let (first, last) = first.zip(last).context("the voice said nothing")?;
    let real_time_factor = (last - first) as f64 / 1_000.0 / audio_seconds;
    let tsv = write_table(folder, &spoken)?;
    Ok((VoiceFigures { audio_seconds, real_time_factor }, tsv))
}

/// The table that the measurement reads: WAV files at 16 kHz and what is said in them.
fn write_table(folder: &Path, spoken: &[Arc<[i16]>]) -> Result<PathBuf> {
    let mut table = String::from("file\ttext\n");
    for (number, (text, samples)) in SENTENCES.iter().zip(spoken).enumerate() {
        let name = format!("{number}.wav");
        let mut wide = Vec::new();
        Upsampler::new().push(samples, &mut wide);
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 2 * TELEPHONE_RATE_HZ,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut wav = hound::WavWriter::create(folder.join(&name), spec)?;
        for sample in wide {
            wav.write_sample((sample * f32::from(i16::MAX)) as i16)?;
        }
        wav.finalize()?;
        table += &format!("{name}\t{text}\n");
    }
    let path = folder.join("spoken.tsv");
    std::fs::write(&path, table).context("cannot write the table of recordings")?;
    Ok(path)
}

fn load() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next()?.parse().ok()
}

fn tell(figures: &Figures) {
    if let Some(voice) = &figures.voice {
        println!(
            "Voice: {:.2} s for a second of speech, one thread (over {:.0} s of speech)",
            voice.real_time_factor, voice.audio_seconds
        );
    }
    let heard = &figures.recognizer;
    println!(
        "Recogniser: {:.2} processor seconds for a second of speech; final text {} ms after it (p95)",
        heard.real_time_factor, heard.final_ms_p95
    );
    println!("  heard {:.0} s of {}, one caller", heard.audio_seconds, heard.audio);
    println!(
        "{} core(s) carry {} caller(s) who talk without a pause, with captions while they speak.",
        figures.cores, heard.callers_speaking_max
    );
    println!(
        "More calls are answered and recorded all the same; their captions come later. This is worked \
         out of one caller's cost, not a load test."
    );
    if let Some(load) = figures.load_before.filter(|load| *load > 0.5) {
        println!("The machine had other work (load {load:.1}): times may be too long.");
    }
}
