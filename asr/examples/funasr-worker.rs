//! A worker whose recogniser is a FunASR server, with voice detection that needs no model, for tests:
//! `funasr-worker SOCKET URL`.

use qingting_asr::funasr::{FunAsr, FunAsrConfig, ServerAddress};
use qingting_asr::recognizer::Recognizer;
use qingting_asr::scripted::Scripted;
use qingting_asr::{AsrError, WorkerConfig, worker};
use std::{sync::Arc, time::Duration};

fn main() -> qingting_asr::Result<()> {
    let mut words = std::env::args().skip(1);
    let (socket, url) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let server = ServerAddress::parse(&url, false)
        .map_err(|fault| AsrError::Server { server: url, fault })?;
    let answer_within = Duration::from_secs(5);
    let config = FunAsrConfig { server, ca_file: None, hotwords: Vec::new(), answer_within };
    let recognizer = FunAsr::new(config, || Scripted::default().detector())?;
    worker::serve(&WorkerConfig::new(socket, 2), Arc::new(recognizer))
}
