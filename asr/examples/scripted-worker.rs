//! A worker without models, for tests of the client:
//! `scripted-worker SOCKET [DECODE_MS [decoder|live|two-pass]]`.

use qingting_asr::WorkerConfig;
use qingting_asr::scripted::{Engines, Scripted};
use std::{sync::Arc, time::Duration};

fn main() -> qingting_asr::Result<()> {
    let mut words = std::env::args().skip(1);
    let socket = words.next().unwrap_or_default().into();
    let decode_ms = words.next().and_then(|ms| ms.parse().ok()).unwrap_or(0);
    let engines = match words.next().as_deref() {
        Some("live") => Engines::Live,
        Some("two-pass") => Engines::TwoPass,
        _ => Engines::Decoder,
    };
    let recognizer = Scripted { decode: Duration::from_millis(decode_ms), engines };
    let config = WorkerConfig { socket, threads: 1, streams_max: 16 };
    qingting_asr::worker::serve(&config, Arc::new(recognizer))
}
