//! Logs to standard error. Personal data never reaches INFO: it lives in `Pii<T>`.

use crate::config::{Log, LogFormat};
use std::io::{IsTerminal, stderr};
use std::sync::OnceLock;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait for a slow reader of standard error; more are lost and counted.
const LINES_WAITING_MAX: usize = 8_192;

static LOST: OnceLock<ErrorCounter> = OnceLock::new();

/// Warnings only, unless `RUST_LOG` says otherwise.
pub fn start() {
    start_with("warn", LogFormat::Text, stderr);
}

/// As the configuration says, unless `RUST_LOG` says otherwise. A log collector that stalls must
/// not stall a call, so a thread of its own writes until the guard is dropped.
pub fn configured(log: &Log) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LINES_WAITING_MAX)
        .thread_name("log")
        .finish(stderr());
    let _ = LOST.set(writer.error_counter());
    start_with(&log.level, log.format, writer);
    guard
}

/// Lines that found no room; for metrics.
pub fn lines_lost() -> usize {
    LOST.get().map_or(0, ErrorCounter::dropped_lines)
}

fn start_with<W>(level: &str, format: LogFormat, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(stderr().is_terminal());
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}
