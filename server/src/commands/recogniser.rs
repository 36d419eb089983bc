//! Which recogniser runs, and the command that starts its process.

use super::models;
use crate::cli::ModelsDir;
use crate::config::{Asr, AsrEngine, AsrRemote};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A recogniser that has what it needs.
#[derive(Clone, Debug)]
pub enum Recogniser {
    /// This program once more, with whisper.
    Whisper { program: PathBuf, models: PathBuf },
    /// Another program, which speaks the worker's protocol.
    Other { program: PathBuf, models: PathBuf },
    /// This program once more, speaking with a recognition server.
    Remote { program: PathBuf, models: PathBuf, server: AsrRemote },
}

impl Recogniser {
    /// As configured.
    ///
    /// # Errors
    /// Names what is missing or wrong, and how to mend it.
    pub fn find(asr: &Asr, dir: &ModelsDir) -> Result<Self> {
        if !asr.program.as_os_str().is_empty() {
            return Ok(Self::Other { program: asr.program.clone(), models: models::folder(dir)? });
        }
        let program = std::env::current_exe().context("cannot find the program itself")?;
        match asr.engine {
            AsrEngine::Whisper => {
                models::require(dir, &["whisper-base", "silero-vad", "onnxruntime"])?;
                Ok(Self::Whisper { program, models: models::folder(dir)? })
            }
            AsrEngine::Remote => {
                models::require(dir, &["silero-vad", "onnxruntime"])?;
                asr.remote.usable().context("the recognition server")?;
                let server = asr.remote.clone();
                Ok(Self::Remote { program, models: models::folder(dir)?, server })
            }
        }
    }

    /// The manifest's name of the model whose cost tells how many calls it is enough for.
    pub fn manifest_name(&self) -> Option<&'static str> {
        matches!(self, Self::Whisper { .. }).then_some("whisper-base")
    }

    /// The command that starts its process, for a supervisor that starts it again and again.
    pub fn command(
        self,
        socket: &Path,
        threads: usize,
    ) -> impl Fn() -> Command + Send + Sync + 'static {
        let socket = socket.to_owned();
        move || {
            let mut command = match &self {
                Self::Whisper { program, models } => this_program(program, models),
                Self::Other { program, models } => {
                    let mut command = Command::new(program);
                    command.arg("--models").arg(models);
                    command
                }
                Self::Remote { program, models, server } => {
                    let mut command = this_program(program, models);
                    command.arg("--remote").arg(server.to_string());
                    command
                }
            };
            command.arg("--socket").arg(&socket).args(["--threads", &threads.to_string()]);
            command.stdin(Stdio::null());
            command
        }
    }
}

fn this_program(program: &Path, models: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("asr-worker").arg("--models").arg(models);
    command
}
