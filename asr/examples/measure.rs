//! Conversion, worker and evaluation without the server: `measure convert MODEL_BIN VOCABULARY OUT`,
//! `measure worker SOCKET WHISPER VAD ONNXRUNTIME`, `measure errors WHISPER VAD ONNXRUNTIME TSV
//! CONDITION streaming|whole off|rnnoise`, `measure delays SOCKET TSV`, `measure callers SOCKET TSV SECONDS CALLERS`.

use qingting_asr::eval::condition::{Condition, silence};
use qingting_asr::eval::decode::{self, Pass, Setup};
use qingting_asr::whisper::{ModelPaths, Whisper};
use qingting_asr::{AsrError, WorkerConfig, eval, worker};
use std::path::Path;
use std::sync::Arc;

fn main() -> Result<(), AsrError> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["convert", model, vocabulary, out] => {
            qingting_asr::ct2_to_ggml(Path::new(model), Path::new(vocabulary), Path::new(out))
        }
        ["worker", socket, whisper, vad, onnxruntime] => {
            let recognizer = load(whisper, vad, onnxruntime)?;
            worker::serve(&WorkerConfig::new(socket, 2), Arc::new(recognizer))
        }
        ["errors", whisper, vad, onnxruntime, tsv, condition, pass, noise] => {
            let recognizer = load(whisper, vad, onnxruntime)?;
            let table = eval::read_table(Path::new(tsv), usize::MAX)?;
            let condition = Condition::ALL.into_iter().find(|c| c.name() == condition);
            let pass = if pass == "whole" { Pass::Whole } else { Pass::Streaming };
            let condition = condition.unwrap_or(Condition::Telephone);
            let noise_suppression = noise.parse().unwrap_or_default();
            let setup = Setup { condition, pass, noise_suppression };
            let report = decode::measure(&recognizer, 2, &table, setup, &silence)?;
            println!("{report:#?}");
            Ok(())
        }
        ["callers", socket, tsv, seconds, callers] => {
            let table = eval::read_table(Path::new(tsv), usize::MAX)?;
            let (seconds, callers) = (seconds.parse().unwrap_or(60), callers.parse().unwrap_or(5));
            eval::ramp::measure(Path::new(socket), &table, seconds, callers, |step| {
                println!("{step:?}");
            })?;
            Ok(())
        }
        ["delays", socket, tsv] => {
            let table = eval::read_table(Path::new(tsv), usize::MAX)?;
            println!("{:#?}", eval::paced::measure(Path::new(socket), &table)?);
            Ok(())
        }
        _ => {
            eprintln!(
                "usage: measure convert|worker|errors|delays|callers … (see the source's first lines)"
            );
            Ok(())
        }
    }
}

fn load(whisper: &str, vad: &str, onnxruntime: &str) -> Result<Whisper, AsrError> {
    Whisper::load(&ModelPaths {
        whisper: whisper.into(),
        vad: vad.into(),
        onnxruntime: onnxruntime.into(),
    })
}
