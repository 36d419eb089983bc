//! Other people's SIP software, when it is installed.

use std::process::Command;

/// Whether a program is installed; says so once when it is not, because the test then proves less.
pub fn installed(program: &str, package: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output()
        .is_ok_and(|output| output.status.success());
    if !found {
        println!("skipped: {program} is not installed (apt-get install {package})");
    }
    found
}
