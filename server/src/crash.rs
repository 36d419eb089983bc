//! Places at which a test stops the process as a power cut would: `before-attempt`, `attempt-committed`,
//! `ringing`, `answer-stored`, `hung-up`, `attempt-ended`, `backup-copied`.

/// Ends the process here when `QINGTING_CRASH_AT` names this place: for tests of what a crash leaves.
pub fn point(name: &str) {
    if std::env::var("QINGTING_CRASH_AT").is_ok_and(|at| at == name) {
        eprintln!("stopped at the crash point {name}");
        // SIGKILL, not exit: no handler, no flush.
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}
