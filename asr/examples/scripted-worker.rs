//! A worker without models, for tests of the client:
//! `scripted-worker SOCKET [DECODE_MS [decoder|live|two-pass [LISTEN CERTIFICATE KEY TOKEN]]]`.

use qingting_asr::WorkerConfig;
use qingting_asr::scripted::{Engines, Scripted};
use qingting_asr::worker::Front;
use qingting_common::Pii;
use std::{sync::Arc, time::Duration};

fn main() -> qingting_asr::Result<()> {
    let mut words = std::env::args().skip(1);
    let socket = words.next().unwrap_or_default();
    let decode_ms = words.next().and_then(|ms| ms.parse().ok()).unwrap_or(0);
    let engines = match words.next().as_deref() {
        Some("live") => Engines::Live,
        Some("two-pass") => Engines::TwoPass,
        _ => Engines::Decoder,
    };
    let words: Vec<String> = words.collect();
    let front = match &words[..] {
        [listen, certificate, key, token] => Some(Front {
            listen: listen.parse().expect("an address"),
            certificate: certificate.into(),
            key: key.into(),
            token: Pii::new(token.clone()),
        }),
        _ => None,
    };
    let recognizer = Scripted { decode: Duration::from_millis(decode_ms), engines };
    let config = WorkerConfig { streams_max: 16, front, ..WorkerConfig::new(socket, 1) };
    qingting_asr::worker::serve(&config, Arc::new(recognizer))
}
