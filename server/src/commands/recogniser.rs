//! Which recogniser runs, with which models, and the command that starts its process.

use super::models;
use crate::cli::ModelsDir;
use crate::config::{Asr, AsrEngine, AsrRemote, AsrSherpa};
use crate::home;
use anyhow::{Context, Result, anyhow, bail};
use qingting_asr::NoiseSuppression;
use qingting_asr::sherpa::{Kind, LiveKind, ModelAt, SecondPassKind, SherpaModels};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is wanted where nothing shall be.
const NONE: &str = "none";
/// The models of the manifest that sherpa-onnx runs, the better first.
const LIVE: [(&str, LiveKind); 2] =
    [("zipformer-ctc", LiveKind::ZipformerCtc), ("zipformer-ctc-small", LiveKind::ZipformerCtc)];
const SECOND_PASS: [(&str, SecondPassKind); 1] = [("sense-voice", SecondPassKind::SenseVoice)];
const PUNCTUATION: &str = "punct-ct-transformer";
/// The program of `asr/sherpa`.
const SHERPA_WORKER: &str = "qingting-sherpa-worker";

/// A recogniser whose models are all there.
#[derive(Clone, Debug)]
pub enum Recogniser {
    /// This program once more, with whisper.
    Whisper { models: PathBuf },
    /// The program beside it.
    Sherpa { program: PathBuf, models: Box<SherpaModels> },
    /// This program once more, speaking with a recognition server.
    Remote { models: PathBuf, server: AsrRemote },
    /// Another program, which speaks the worker's protocol.
    Other { program: PathBuf, models: PathBuf },
}

impl Recogniser {
    /// As configured.
    ///
    /// # Errors
    /// Names what is missing and the command that brings it.
    pub fn find(asr: &Asr, dir: &ModelsDir) -> Result<Self> {
        if !asr.program.as_os_str().is_empty() {
            return Ok(Self::Other { program: asr.program.clone(), models: models::folder(dir)? });
        }
        match asr.engine {
            AsrEngine::Whisper => {
                models::require(dir, &["whisper-base", "silero-vad", "onnxruntime"])?;
                Ok(Self::Whisper { models: models::folder(dir)? })
            }
            AsrEngine::Sherpa => {
                let program = std::env::current_exe().context("cannot find the program itself")?;
                let program = program.with_file_name(SHERPA_WORKER);
                if !program.is_file() {
                    bail!(
                        "there is no {}: build it with `cargo build --release -p qingting-sherpa`",
                        program.display()
                    );
                }
                Ok(Self::Sherpa { program, models: Box::new(sherpa(&asr.sherpa, dir)?) })
            }
            AsrEngine::Remote => {
                models::require(dir, &["silero-vad", "onnxruntime"])?;
                asr.remote.usable().context("the recognition server")?;
                let server = asr.remote.clone();
                Ok(Self::Remote { models: models::folder(dir)?, server })
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
        noise: NoiseSuppression,
    ) -> impl Fn() -> Command + Send + Sync + 'static {
        let socket = socket.to_owned();
        move || {
            let mut command = match &self {
                Self::Whisper { models } => own_worker(models),
                Self::Remote { models, server } => {
                    let mut command = own_worker(models);
                    command.arg("--remote").arg(server.to_string());
                    command
                }
                Self::Other { program, models } => {
                    let mut command = Command::new(program);
                    command.arg("--models").arg(models);
                    command
                }
                Self::Sherpa { program, models } => {
                    let mut command = Command::new(program);
                    command.args(models.args());
                    command.env("LD_LIBRARY_PATH", library_path(&models.onnxruntime));
                    command
                }
            };
            command.arg("--socket").arg(&socket).args(["--threads", &threads.to_string()]);
            if noise != NoiseSuppression::Off {
                command.args(["--noise-suppression", noise.as_str()]);
            }
            command.stdin(Stdio::null());
            command
        }
    }
}

fn own_worker(models: &Path) -> Command {
    let mut command = home::this_program();
    command.arg("asr-worker").arg("--models").arg(models);
    command
}

/// The folder of a library, before those that are looked into already.
fn library_path(library: &Path) -> OsString {
    let mut path = library.parent().unwrap_or(library).as_os_str().to_owned();
    if let Some(others) = std::env::var_os("LD_LIBRARY_PATH").filter(|path| !path.is_empty()) {
        path.push(":");
        path.push(others);
    }
    path
}

fn sherpa(asked: &AsrSherpa, dir: &ModelsDir) -> Result<SherpaModels> {
    models::require(dir, &["silero-vad", "onnxruntime"])?;
    let shared = models::recogniser(dir)?;
    let live = model("asr.sherpa.live", &asked.live, &LIVE, dir)?;
    let second_pass = model("asr.sherpa.second_pass", &asked.second_pass, &SECOND_PASS, dir)?;
    if live.is_none() && second_pass.is_none() {
        bail!(
            "no model of sherpa-onnx is installed in {}. Run `qingting models fetch --profile best`, or name one in asr.sherpa.live or asr.sherpa.second_pass",
            models::folder(dir)?.display()
        );
    }
    let punctuation = match asked.punctuation.as_str() {
        "" => models::installed(dir, PUNCTUATION)?.map(|folder| folder.join("model.int8.onnx")),
        NONE => None,
        path => Some(path.into()),
    };
    let has_hotwords = !asked.hotwords.as_os_str().is_empty();
    let models = SherpaModels {
        vad: shared.vad,
        onnxruntime: shared.onnxruntime,
        live,
        second_pass,
        punctuation,
        hotwords: has_hotwords.then(|| asked.hotwords.clone()),
        hotwords_score: asked.hotwords_score,
    };
    models.check()?;
    Ok(models)
}

/// The model that a key asks for: none, one of the manifest, one in a folder, or the first of the
/// manifest's that is installed.
fn model<K: Kind>(
    key: &str,
    asked: &str,
    known: &[(&str, K)],
    dir: &ModelsDir,
) -> Result<Option<ModelAt<K>>> {
    if asked == NONE {
        return Ok(None);
    }
    if asked.contains(':') {
        return asked.parse().map(Some).map_err(|problem| anyhow!("`{key}`: {problem}"));
    }
    for (name, kind) in known.iter().filter(|(name, _)| asked.is_empty() || *name == asked) {
        if let Some(folder) = models::installed(dir, name)? {
            return Ok(Some(ModelAt { kind: *kind, folder }));
        }
    }
    let is_known = known.iter().any(|(name, _)| *name == asked);
    match (asked.is_empty(), is_known) {
        (true, _) => Ok(None),
        (false, true) => bail!("`{key}`: {asked} is missing. Run `qingting models fetch {asked}`"),
        (false, false) => {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            bail!("`{key}`: {asked:?} is none of {}, and not KIND:FOLDER", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(asked: &str, dir: &Path) -> Result<Option<ModelAt<LiveKind>>> {
        model("asr.sherpa.live", asked, &LIVE, &ModelsDir::of(dir.to_owned()))
    }

    #[test]
    fn what_is_asked_for_must_be_there_and_what_is_not_may_be_absent() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path();
        assert_eq!(found("", empty).unwrap(), None);
        assert_eq!(found("none", empty).unwrap(), None);
        let own = found("transducer:/srv/own", empty).unwrap().unwrap();
        assert_eq!((own.kind, own.folder.as_path()), (LiveKind::Transducer, Path::new("/srv/own")));
        for (asked, part) in [
            ("zipformer-ctc-small", "qingting models fetch zipformer-ctc-small"),
            ("zipformer", "zipformer-ctc, zipformer-ctc-small"),
            ("rnn:/srv/own", "transducer, paraformer"),
        ] {
            let message = found(asked, empty).unwrap_err().to_string();
            assert!(message.contains(part) && message.contains("asr.sherpa.live"), "{message}");
        }
    }
}
