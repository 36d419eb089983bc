//! A certificate of a server under test, made with openssl.

use std::path::Path;
use std::process::Command;

/// Writes `cert.pem` and `key.pem` for 127.0.0.1, which hold for the next day; or held for a day long ago, for which
/// the program `faketime` is needed.
pub fn certify(folder: &Path, is_expired: bool) {
    let openssl = ["openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "1"];
    let long_ago = ["faketime", "2025-01-01"];
    let words: Vec<&str> = long_ago.into_iter().filter(|_| is_expired).chain(openssl).collect();
    let made = Command::new(words[0])
        .args(&words[1..])
        .args(["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder)
        .output()
        .expect("openssl, faketime");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
