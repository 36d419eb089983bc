//! A worker without models, for tests of the client: `scripted-worker SOCKET [DECODE_MS]`.

use qingting_asr::{scripted::Scripted, worker};
use std::{path::PathBuf, sync::Arc, time::Duration};

fn main() -> qingting_asr::Result<()> {
    let socket = std::env::args_os().nth(1).map(PathBuf::from).unwrap_or_default();
    let decode_ms = std::env::args().nth(2).and_then(|ms| ms.parse().ok()).unwrap_or(0);
    let recognizer = Scripted { decode: Duration::from_millis(decode_ms) };
    worker::serve(&socket, 1, 16, Arc::new(recognizer))
}
