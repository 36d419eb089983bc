//! `qingting models`: what the product needs that is not in its repository.

use super::bench;
use crate::cli::{Fetch, Models, ModelsDir, ModelsList};
use crate::{config::Config, home};
use anyhow::{Result, anyhow, bail};
use qingting_asr::ModelPaths;
use qingting_models::{Installer, Machine, Mirror, Outcome, Report, State, Status};
use qingting_voice::VoicePaths;
use std::path::PathBuf;
use std::process::ExitCode;

pub fn run(command: &Models) -> Result<ExitCode> {
    match command {
        Models::List(args) => list(args)?,
        Models::Fetch(args) => fetch(args)?,
        Models::Import(args) => tell(&installer(&args.dir)?.import(&args.from)?),
        Models::Verify(dir) => return verify(dir),
        Models::Bench(args) => bench::run(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(args: &ModelsList) -> Result<()> {
    let (installer, machine) = (installer(&args.dir)?, Machine::here());
    let (statuses, profiles) = (installer.list(), &installer.manifest().profiles);
    if args.json {
        let all = serde_json::json!({
            "machine": machine, "profiles": profiles, "models": statuses,
        });
        println!("{all:#}");
        return Ok(());
    }
    println!("This machine: {machine}\n");
    statuses.iter().for_each(print);
    for profile in profiles {
        println!("\n--profile {}: {}", profile.name, profile.what);
        println!("  {}", profile.models.join(", "));
    }
    Ok(())
}

fn fetch(args: &Fetch) -> Result<()> {
    // What the server keeps there is citizens': the folder is closed by whoever makes it first.
    let folder = folder(&args.dir)?;
    let home = crate::config::default_home();
    if folder.starts_with(&home) {
        home::private_dir(&home)?;
    }
    let installer = with_sources(installer(&args.dir)?, args)?;
    let profile = installer.manifest().profile(args.profile.as_deref())?;
    let wanted = if args.names.is_empty() { &profile.models } else { &args.names };
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    tell(&installer.ensure(&wanted)?);
    Ok(())
}

/// The mirror and the folder: as named, else as configured.
fn with_sources(installer: Installer, args: &Fetch) -> Result<Installer> {
    let configured = configuration(&args.dir)?.map(|config| config.models).unwrap_or_default();
    let named = args.mirror.as_ref().filter(|mirror| !mirror.is_empty());
    let mirror = Some(named.unwrap_or(&configured.mirror)).filter(|mirror| !mirror.is_empty());
    let mirror = mirror.map(|mirror| mirror.parse::<Mirror>()).transpose();
    let mirror = mirror.map_err(|problem| anyhow!("the models' mirror: {problem}"))?;
    let folder = Some(configured.folder).filter(|folder| !folder.as_os_str().is_empty());
    Ok(installer.with_mirror(mirror).with_folder(folder))
}

fn tell(report: &Report) {
    for (name, outcome) in &report.outcomes {
        let Outcome::Installed { source, failed, trusted } = outcome else {
            println!("{name}: here");
            continue;
        };
        let after = if failed.is_empty() { String::new() } else { failed.join("; ") + ", then " };
        println!("{name}: {after}installed from {source}");
        if !trusted.is_empty() {
            println!(
                "{name}: nobody told us the SHA-256 of {}: trusted now, recorded, compared from now on",
                trusted.join(", ")
            );
        }
    }
}

fn verify(dir: &ModelsDir) -> Result<ExitCode> {
    let statuses = installer(dir)?.verify()?;
    let (mut good, mut bad) = (0, 0);
    for status in &statuses {
        match &status.state {
            State::Missing => {}
            State::Installed { .. } => {
                good += 1;
                println!("{}: as it should be", status.name);
            }
            State::Damaged { faults } => {
                bad += 1;
                for fault in faults {
                    println!("{}: {}: {}", status.name, fault.file, fault.reason);
                }
                println!("{0}: mend it with `qingting models fetch {0}`", status.name);
            }
        }
    }
    if good + bad == 0 {
        bail!("no model is installed in {}: run `qingting models fetch`", folder(dir)?.display());
    }
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The folder of the models: as named, else as configured, else the default.
pub fn folder(dir: &ModelsDir) -> Result<PathBuf> {
    if let Some(folder) = &dir.models {
        return Ok(folder.clone());
    }
    let configured = configuration(dir)?.map(|config| config.data.models);
    Ok(configured.unwrap_or_else(|| crate::config::default_home().join("models")))
}

/// The configuration, unless none was named and there is none yet.
pub fn configuration(dir: &ModelsDir) -> Result<Option<Config>> {
    let path = home::path(&dir.config);
    if !path.exists() && dir.config.config.is_none() {
        return Ok(None);
    }
    Ok(Some(Config::load(&path)?))
}

/// Refuses to go on without these models, and says how to get them.
pub fn require(dir: &ModelsDir, names: &[&str]) -> Result<()> {
    let installer = installer(dir)?;
    let missing: Vec<&str> = names.iter().copied().filter(|name| !installer.has(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "missing in {}: {}. Run `qingting models fetch` (or, without a network, `qingting models import DIR`)",
        folder(dir)?.display(),
        missing.join(", ")
    )
}

/// Models of the usual profile that are not there.
pub fn missing(dir: &ModelsDir) -> Result<Vec<String>> {
    let installer = installer(dir)?;
    let wanted = installer.manifest().profile(None)?.models.clone();
    Ok(wanted.into_iter().filter(|name| !installer.has(name)).collect())
}

/// The folder of an installed model; none when it is not here.
pub fn installed(dir: &ModelsDir, name: &str) -> Result<Option<PathBuf>> {
    let installer = installer(dir)?;
    Ok(installer.has(name).then(|| installer.path(name, "")))
}

/// Cores that one person who speaks costs this model, where that was measured.
pub fn cores_per_stream(dir: &ModelsDir, name: &str) -> Result<Option<f64>> {
    let installer = installer(dir)?;
    let model = installer.manifest().models.iter().find(|model| model.name == name);
    Ok(model.and_then(|model| model.cores_per_stream))
}

/// Every model that the program knows, judged by size and time.
pub fn statuses(dir: &ModelsDir) -> Result<Vec<Status>> {
    Ok(installer(dir)?.list())
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
    let size = status.bytes.map_or("size not known".into(), megabytes);
    let state = match &status.state {
        State::Installed { source, bytes_installed } => {
            format!("here, {}, from {source}", megabytes(*bytes_installed))
        }
        State::Missing => format!("not here, {size}"),
        State::Damaged { faults } => {
            let files = faults.iter().map(|fault| fault.file.as_str()).collect::<Vec<_>>();
            format!("damaged ({}): run `qingting models fetch {}`", files.join(", "), status.name)
        }
    };
    println!("{:<21} {state}; {}", status.name, status.carries);
    let languages = status.languages.join(" ");
    let languages = if languages.is_empty() { languages } else { format!(" ({languages})") };
    println!("{:<21} {}{languages} [{}]", "", status.what, status.licence);
    if let Some(note) = &status.note {
        println!("{:<21} {note}", "");
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
