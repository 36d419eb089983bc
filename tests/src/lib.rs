//! What the end-to-end tests share: the server under test ([`server`]), telephones that call
//! ([`peers`]) on [`ports`] of their own, a caller of bare text ([`raw`]) and RTP end ([`rtp`]) of our own, test speech and its
//! comparison with what was recorded ([`audio`]) and recognised ([`cer()`]).

pub mod audio;
mod cer;
pub mod clock;
pub mod peers;
pub mod ports;
pub mod raw;
pub mod rtp;
pub mod server;

pub use cer::cer;

use std::path::PathBuf;

/// The binary under test, built beside the tests by `make test`.
pub fn qingting() -> PathBuf {
    let exe = std::env::current_exe().expect("a test has an executable");
    let path = exe.ancestors().nth(2).expect("tests run from target/PROFILE/deps").join("qingting");
    assert!(path.exists(), "{} is missing: run `make test`", path.display());
    path
}

/// What `qingting call` did: its exit code and what it printed with `--json`.
#[derive(Debug)]
pub struct Called {
    /// The exit code.
    pub code: i32,
    /// The JSON object; null when the call could not be placed.
    pub result: serde_json::Value,
    /// Standard error.
    pub stderr: String,
}

/// Places a call with `qingting call` and waits for its end.
pub fn call(uri: &str, args: &[&str]) -> Called {
    let output = std::process::Command::new(qingting())
        .args(["call", uri, "--json"])
        .args(args)
        .output()
        .expect("qingting runs");
    Called {
        code: output.status.code().unwrap_or(-1),
        result: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
