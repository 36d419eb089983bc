//! The server that the demo calls: the one that runs, or one of its own.

use super::api::is_ready;
use crate::config::Config;
use crate::home;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Looks until a server must be ready: a first start speaks its prompts.
const LOOKS_MAX: u32 = 900;

/// A server that the demo started, told to stop when dropped.
pub struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.0.id() as i32) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.0.wait();
    }
}

/// Finds the server of this configuration, or starts it for the time of the demo.
pub async fn running_or_started(config: &Config, path: &Path) -> Result<Option<Started>> {
    let address = config.http.listen;
    if is_ready(address) {
        return Ok(None);
    }
    println!("No server runs with {}: starting one for the demo.", path.display());
    let child = home::this_program()
        .args(["serve", "--config"])
        .arg(path)
        .stdin(Stdio::null())
        .spawn()
        .context("cannot start the server")?;
    let mut started = Started(child);
    for _ in 0..LOOKS_MAX {
        if is_ready(address) {
            return Ok(Some(started));
        }
        if started.0.try_wait()?.is_some() {
            bail!("the server did not start (see the message above)");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    bail!("the server was not ready in time")
}
