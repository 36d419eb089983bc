//! What the end-to-end tests share: the server under test ([`server`]), telephones that call
//! ([`peers`]) on [`ports`] of their own, a caller ([`raw`]) and a
//! [`trunk`] of bare text and RTP end ([`rtp`]) of our own, a city's [`ticket_system`], OpenID [`provider`] and [`collector`] of traces, [`citizens`] who
//! answer and the [`campaign`] that calls them, test speech and its
//! comparison with what was recorded ([`audio`]) and recognised ([`cer()`]), and what no server may tell in its log
//! ([`discretion`]). Some read the program's [`sources`], fill a
//! [`disk`] or show a [`certificate`].

pub mod audio;
pub mod campaign;
mod cer;
pub mod certificate;
pub mod citizens;
pub mod clock;
pub mod collector;
pub mod discretion;
pub mod disk;
pub mod house;
pub mod peers;
pub mod ports;
pub mod postgres;
pub mod provider;
pub mod raw;
pub mod rtp;
pub mod server;
pub mod sources;
pub mod ticket_system;
pub mod tone;
pub mod trunk;

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
    note(uri, args);
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

/// Who is called, and who calls: `sip:NUMBER@…` and `--from NUMBER`.
fn note(uri: &str, args: &[&str]) {
    let called = uri.split(['@', ':']).nth(1);
    let from = args.iter().skip_while(|arg| **arg != "--from").nth(1).copied();
    called.into_iter().chain(from).for_each(discretion::dialled);
}

/// These words in this voice as a WAV file of 8 kHz, spoken once for all tests.
pub fn spoken(words: &str, voice: &str) -> PathBuf {
    let folder = qingting().with_file_name("test-speech");
    std::fs::create_dir_all(&folder).expect("writable");
    let name: u64 =
        words.bytes().chain(voice.bytes()).fold(14_695_981_039_346_656_037, |hash, b| {
            (hash ^ u64::from(b)).wrapping_mul(1_099_511_628_211)
        });
    let file = folder.join(format!("{name:016x}.wav"));
    if !file.exists() {
        let partial = folder.join(format!("{name:016x}-{}.wav", std::process::id()));
        let status = std::process::Command::new(qingting())
            .args(["speak", words, "--voice", voice, "--models"])
            .arg(server::models_dir())
            .arg("--out")
            .arg(&partial)
            .status()
            .expect("qingting runs");
        assert!(status.success());
        std::fs::rename(&partial, &file).expect("same folder");
    }
    file
}
