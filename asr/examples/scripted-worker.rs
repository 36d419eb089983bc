//! A worker without models, for tests of the client: `scripted-worker SOCKET`.

use qingting_asr::{scripted::Scripted, worker};
use std::{path::PathBuf, sync::Arc};

fn main() -> qingting_asr::Result<()> {
    let socket = std::env::args_os().nth(1).map(PathBuf::from).unwrap_or_default();
    worker::serve(&socket, 1, 16, Arc::new(Scripted))
}
