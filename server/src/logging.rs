//! Logs to standard error. Personal data never reaches INFO: it lives in `Pii<T>`.

use crate::config::{Log, LogFormat};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Warnings only, unless `RUST_LOG` says otherwise.
pub fn start() {
    start_with("warn", LogFormat::Text);
}

/// As the configuration says, unless `RUST_LOG` says otherwise.
pub fn configured(log: &Log) {
    start_with(&log.level, log.format);
}

fn start_with(level: &str, format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}
