//! What the end-to-end tests share.

use std::path::PathBuf;

/// The binary under test, built beside the tests by `make test`.
pub fn qingting() -> PathBuf {
    let exe = std::env::current_exe().expect("a test has an executable");
    let path = exe.ancestors().nth(2).expect("tests run from target/PROFILE/deps").join("qingting");
    assert!(path.exists(), "{} is missing: run `make test`", path.display());
    path
}
