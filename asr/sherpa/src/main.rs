//! `qingting-sherpa-worker`: the recogniser's own process where the engine is sherpa-onnx, as
//! `qingting asr-worker` is where it is whisper. The server starts it.

use clap::Parser;
use qingting_asr::sherpa::{HOTWORDS_SCORE, LiveKind, ModelAt, SecondPassKind, SherpaModels};
use qingting_asr::{NoiseSuppression, WorkerConfig, worker};
use qingting_sherpa::Sherpa;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tracing_subscriber::EnvFilter;

/// Recognition by sherpa-onnx on a Unix socket
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Unix socket to listen on
    #[arg(long)]
    socket: PathBuf,
    /// Threads of each kind of engine
    #[arg(long)]
    threads: usize,
    /// What takes noise out of calls before they are recognised: off or rnnoise
    #[arg(long, default_value = "off")]
    noise_suppression: NoiseSuppression,
    /// Silero's silero_vad.onnx
    #[arg(long, value_name = "FILE")]
    vad: PathBuf,
    /// ONNX Runtime's libonnxruntime.so, the one that LD_LIBRARY_PATH finds
    #[arg(long, value_name = "FILE")]
    onnxruntime: PathBuf,
    /// Model that hears while somebody speaks: transducer, paraformer or zipformer-ctc, and its folder
    #[arg(long, value_name = "KIND:FOLDER")]
    live: Option<ModelAt<LiveKind>>,
    /// Model that has the last word: sense-voice, paraformer, fire-red-ctc, fire-red-aed or whisper,
    /// and its folder
    #[arg(long, value_name = "KIND:FOLDER")]
    second_pass: Option<ModelAt<SecondPassKind>>,
    /// CT-Transformer's file: marks for final text that has none
    #[arg(long, value_name = "FILE")]
    punctuation: Option<PathBuf>,
    /// Words that a transducer favours, a line each
    #[arg(long, value_name = "FILE")]
    hotwords: Option<PathBuf>,
    /// How much it favours them
    #[arg(long, default_value_t = HOTWORDS_SCORE)]
    hotwords_score: f32,
}

impl From<Args> for SherpaModels {
    fn from(args: Args) -> Self {
        Self {
            vad: args.vad,
            onnxruntime: args.onnxruntime,
            live: args.live,
            second_pass: args.second_pass,
            punctuation: args.punctuation,
            hotwords: args.hotwords,
            hotwords_score: args.hotwords_score,
        }
    }
}

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("qingting-sherpa-worker: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> qingting_asr::Result<()> {
    worker::step_back();
    let config = WorkerConfig {
        noise_suppression: args.noise_suppression,
        ..WorkerConfig::new(&args.socket, args.threads)
    };
    worker::serve(&config, Arc::new(Sherpa::load(&args.into())?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    #[test]
    fn the_words_for_some_models_name_those_models() {
        let all = SherpaModels {
            vad: "/m/silero_vad.onnx".into(),
            onnxruntime: "/m/libonnxruntime.so".into(),
            live: Some(ModelAt { kind: LiveKind::Transducer, folder: "/m/t".into() }),
            second_pass: Some(ModelAt { kind: SecondPassKind::SenseVoice, folder: "/m/s".into() }),
            punctuation: Some("/m/p.onnx".into()),
            hotwords: Some("/m/words".into()),
            hotwords_score: 2.5,
        };
        let few = SherpaModels { live: None, punctuation: None, hotwords: None, ..all.clone() };
        for models in [all, few] {
            let own = ["worker", "--socket", "/s", "--threads", "2"].map(OsString::from);
            let args = Args::parse_from(own.into_iter().chain(models.args()));
            assert_eq!(SherpaModels::from(args), models);
        }
    }
}
