//! Logs to standard error. Personal data never reaches INFO: it lives in `Pii<T>`.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Warnings only, unless `RUST_LOG` says otherwise.
pub fn start() {
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
