//! Places at which a test stops the process as a power cut would: `before-attempt`, `attempt-committed`,
//! `ringing`, `answer-stored`, `hung-up`, `attempt-ended`, `backup-copied`; and one at which a task panics: `call-over`.

use std::sync::atomic::{AtomicBool, Ordering};

/// Ends the process here when `QINGTING_CRASH_AT` names this place: for tests of what a crash leaves.
pub fn point(name: &str) {
    if std::env::var("QINGTING_CRASH_AT").is_ok_and(|at| at == name) {
        eprintln!("stopped at the crash point {name}");
        // SIGKILL, not exit: no handler, no flush.
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// Panics here, once in the life of the process, when `QINGTING_PANIC_AT` names this place: a task of one call dies.
#[allow(clippy::panic, reason = "a test asks for it")]
pub fn fault(name: &str) {
    static DONE: AtomicBool = AtomicBool::new(false);
    if std::env::var("QINGTING_PANIC_AT").is_ok_and(|at| at == name)
        && !DONE.swap(true, Ordering::Relaxed)
    {
        panic!("panicked at {name}, as a test wants");
    }
}
