//! A child process with a deadline: its output is read as it comes, and it never outlives its owner.

use crate::clock::Deadline;
use std::io::{PipeReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A running program.
#[derive(Debug)]
pub struct Running {
    child: Child,
    output: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts a program with no terminal and `home` for everything it writes, temporary files and
    /// sockets too. Panics when it is not installed.
    pub fn start(program: &str, home: &Path, prepare: impl FnOnce(&mut Command)) -> Self {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let mut command = Command::new(program);
        command
            .env("HOME", home)
            .env("TMPDIR", home)
            .env("XDG_RUNTIME_DIR", home)
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_DATA_HOME")
            .env("TERM", "dumb")
            .env("LC_ALL", "C.UTF-8")
            .current_dir(home)
            .stdin(Stdio::piped())
            .stdout(writer.try_clone().expect("a pipe"))
            .stderr(writer);
        prepare(&mut command);
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("{program} does not start ({error}): run scripts/setup-tests.sh")
        });
        // The command holds the writing ends: while it lives, the output never ends.
        drop(command);
        let output = Arc::new(Mutex::new(String::new()));
        let reader = {
            let output = Arc::clone(&output);
            std::thread::spawn(move || collect(reader, &output))
        };
        Self { child, output, reader: Some(reader) }
    }

    /// What it printed so far, both streams.
    pub fn output(&self) -> String {
        self.output.lock().expect("no thread panicked").clone()
    }

    /// Types a line. A program that is gone does not mind.
    pub fn type_line(&mut self, line: &str) {
        if let Some(stdin) = &mut self.child.stdin {
            let _ = stdin.write_all(format!("{line}\n").as_bytes()).and_then(|()| stdin.flush());
        }
    }

    /// Waits until `look` finds something in the output. `None` when the deadline passes or the program
    /// ends first.
    pub fn wait_for<T>(
        &mut self,
        deadline: Deadline,
        mut look: impl FnMut(&str) -> Option<T>,
    ) -> Option<T> {
        let seen = deadline.poll(|| {
            let gone = self.status().is_some();
            match look(&self.output()) {
                None if !gone => None,
                seen => Some(seen),
            }
        });
        seen.flatten()
    }

    /// Its exit status once it has ended; -1 for a signal.
    pub fn status(&mut self) -> Option<i32> {
        let ended = self.child.try_wait().expect("the child is ours");
        ended.map(|status| status.code().unwrap_or(-1))
    }

    /// Waits for its end, kills it at the deadline. The exit status, `None` when it was killed, and all
    /// it printed.
    pub fn finish(mut self, deadline: Deadline) -> (Option<i32>, String) {
        let status = deadline.poll(|| self.status());
        self.kill();
        (status, self.output())
    }

    /// Asks it to end (SIGTERM) and waits.
    pub fn terminate(self, deadline: Deadline) -> (Option<i32>, String) {
        // Without libc and without unsafe code: the shell's own command.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        self.finish(deadline)
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

fn collect(mut pipe: PipeReader, output: &Mutex<String>) {
    let mut buffer = [0; 4_096];
    while let Ok(size @ 1..) = pipe.read(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..size]);
        output.lock().expect("no thread panicked").push_str(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_program_that_hangs_is_killed_at_its_deadline() {
        let home = tempfile::tempdir().expect("a folder");
        let mut running = Running::start("sh", home.path(), |command| {
            command.args(["-c", "read word; echo heard $word; exec cat"]);
        });
        running.type_line("one");
        let deadline = Deadline::after(Duration::from_secs(5));
        let heard = running.wait_for(deadline, |output| output.contains("heard one").then_some(()));
        assert!(heard.is_some());
        let (status, output) = running.finish(Deadline::after(Duration::from_millis(50)));
        assert_eq!((status, output.trim()), (None, "heard one"));
    }

    #[test]
    fn waiting_ends_with_the_program() {
        let home = tempfile::tempdir().expect("a folder");
        let mut running = Running::start("sh", home.path(), |command| {
            command.args(["-c", "echo going; exit 3"]);
        });
        let deadline = Deadline::after(Duration::from_secs(5));
        assert_eq!(running.wait_for(deadline, |output| output.find("never")), None);
        assert_eq!(running.finish(deadline), (Some(3), "going\n".to_owned()));
    }
}
