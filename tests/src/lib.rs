//! What the end-to-end tests share: a real server in a folder of its own, speech to call with,
//! audio comparison, and waiting for a state with a deadline.

pub mod audio;
pub mod peers;
pub mod server;
pub mod speech;

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The binary under test, built beside the tests by `make test`.
pub fn qingting() -> PathBuf {
    let exe = std::env::current_exe().expect("a test has an executable");
    let path = exe
        .ancestors()
        .nth(2)
        .expect("tests run from target/PROFILE/deps")
        .join("qingting");
    assert!(path.exists(), "{} is missing: run `make test`", path.display());
    path
}

/// Waits until `probe` gives something, asking again every 50 ms; panics with `what` after
/// `seconds`.
pub fn wait_for<T>(what: &str, seconds: u64, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(now() < deadline, "not within {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[allow(clippy::disallowed_methods, reason = "the clock of the tests")]
fn now() -> Instant {
    Instant::now()
}
