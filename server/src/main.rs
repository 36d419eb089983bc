//! The `qingting` binary.
fn main() {}
