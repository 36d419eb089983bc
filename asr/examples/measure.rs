//! Conversion, worker and evaluation without the server: `measure convert MODEL_BIN VOCABULARY OUT`,
//! `measure worker SOCKET WHISPER VAD ONNXRUNTIME`, `measure eval SOCKET TSV telephone|clean
//! fast|paced LIMIT`.

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
            let recognizer = Whisper::load(&ModelPaths {
                whisper: whisper.into(),
                vad: vad.into(),
                onnxruntime: onnxruntime.into(),
            })?;
            let config =
                WorkerConfig { socket: socket.into(), threads: 2, streams_max: 100, front: None };
            worker::serve(&config, Arc::new(recognizer))
        }
        ["eval", socket, tsv, condition, pace, limit] => {
            let report = eval::run(&eval::EvalConfig {
                tsv: tsv.into(),
                socket: socket.into(),
                is_telephone: condition == "telephone",
                is_paced: pace == "paced",
                limit: limit.parse().unwrap_or(usize::MAX),
            })?;
            println!("{report:#?}");
            Ok(())
        }
        _ => {
            eprintln!("usage: measure convert|worker|eval … (see the source's first lines)");
            Ok(())
        }
    }
}
