//! What the end-to-end tests share: telephones that call ([`peers`]), an RTP end of our own
//! ([`rtp`]), test speech and its comparison with what was recorded ([`audio`]),
//! the errors of a transcript ([`text`]).

pub mod audio;
pub mod clock;
pub mod peers;
pub mod rtp;
pub mod text;

use std::path::PathBuf;

/// The binary under test, built beside the tests by `make test`.
pub fn qingting() -> PathBuf {
    let exe = std::env::current_exe().expect("a test has an executable");
    let path = exe.ancestors().nth(2).expect("tests run from target/PROFILE/deps").join("qingting");
    assert!(path.exists(), "{} is missing: run `make test`", path.display());
    path
}
