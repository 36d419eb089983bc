//! Speech made ahead and kept. The voice runs in a process of its own (`qingting speak-all`), so
//! that a fault in it costs no call, and because one process cannot hold it beside the voice
//! detector.

use super::models;
use crate::cli::{self, ModelsDir};
use crate::home;
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use qingting_voice::{PromptCache, Voice, VoiceError};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

/// A text and how it is spoken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saying {
    /// Mandarin text.
    pub text: String,
    /// A voice's name.
    pub voice: String,
    /// 1.0 is the voice's own.
    pub speed: f32,
}

impl Saying {
    /// How the cache tells voices and speeds apart.
    fn manner(&self) -> String {
        format!("{}@{}", self.voice, self.speed)
    }

    /// Where it is kept, or will be.
    pub fn path(&self, cache: &PromptCache) -> std::path::PathBuf {
        cache.path(&self.text, &self.manner())
    }

    /// Its samples, where it was spoken before.
    pub fn cached(&self, cache: &PromptCache) -> Option<Arc<[i16]>> {
        let absent = || Err(VoiceError::Unspeakable);
        cache.get_or(&self.text, &self.manner(), absent).ok().map(Arc::from)
    }
}

/// The sayings' samples at 8 kHz, in their order; what the cache in `folder` lacks is spoken first.
pub fn all(
    folder: &Path,
    sayings: &[Saying],
    models: &ModelsDir,
    title: &str,
) -> Result<Vec<Arc<[i16]>>> {
    let cache = PromptCache::new(folder);
    let look = || -> Vec<Option<Arc<[i16]>>> {
        sayings.iter().map(|saying| saying.cached(&cache)).collect()
    };
    let mut kept = look();
    if kept.iter().any(Option::is_none) {
        // Asked for here, so that the message names the model and the remedy.
        super::models::require(models, &["kokoro", "onnxruntime"])?;
        // Of several that need the same sentences one speaks and the others find them.
        let _turn = turn(folder)?;
        kept = look();
        let missing: Vec<&Saying> =
            sayings.iter().zip(&kept).filter(|(_, kept)| kept.is_none()).map(|(s, _)| s).collect();
        if !missing.is_empty() {
            speak_missing(folder, &missing, &models::folder(models)?, title)?;
        }
    }
    let spoken = |(saying, kept): (&Saying, Option<Arc<[i16]>>)| {
        kept.or_else(|| saying.cached(&cache)).context("a spoken text is not in the cache")
    };
    sayings.iter().zip(kept).map(spoken).collect()
}

/// Waits until nobody else speaks into this folder; held until it is dropped.
fn turn(folder: &Path) -> Result<std::fs::File> {
    crate::home::private_dir(folder)?;
    let path = folder.join(".lock");
    let file =
        std::fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

fn speak_missing(folder: &Path, missing: &[&Saying], models: &Path, title: &str) -> Result<()> {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}")?;
    let bar =
        ProgressBar::new(missing.len() as u64).with_style(style).with_message(title.to_owned());
    bar.tick();
    if bar.is_hidden() {
        // No terminal, no bar: one line says why the next seconds pass.
        eprintln!("{title} ({} to speak, about ten seconds each) …", missing.len());
    }
    speak_into(folder, missing, models, || bar.inc(1))?;
    bar.finish_and_clear();
    Ok(())
}

/// Speaks into the cache in `folder`; `each` is called when one more is there.
pub fn speak_into(
    folder: &Path,
    sayings: &[&Saying],
    models: &Path,
    mut each: impl FnMut(),
) -> Result<()> {
    let mut child = home::this_program()
        .arg("speak-all")
        .arg("--models")
        .arg(models)
        .arg("--cache")
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the voice")?;
    let mut lines = String::new();
    for saying in sayings {
        lines += &serde_json::to_string(saying)?;
        lines.push('\n');
    }
    let (to, from) = (child.stdin.take(), child.stdout.take());
    let (mut to, from) = to.zip(from).context("the voice has no pipes")?;
    // A few hundred bytes: the pipe takes them at once. A voice that failed says so itself.
    let _ = to.write_all(lines.as_bytes());
    drop(to);
    BufReader::new(from).lines().map_while(Result::ok).for_each(|_| each());
    if !child.wait()?.success() {
        bail!("the voice could not speak (see the message above)");
    }
    Ok(())
}

/// `qingting speak-all`: sayings as JSON lines in, a line out for each that is in the cache.
pub fn speak_all(args: &cli::SpeakAll) -> Result<()> {
    let dir = ModelsDir::of(args.models.clone());
    let voice = Voice::load(models::voice(&dir)?)?;
    let cache = PromptCache::new(&args.cache);
    for line in std::io::stdin().lines() {
        let saying: Saying = serde_json::from_str(&line?).context("not a saying")?;
        cache.get_or(&saying.text, &saying.manner(), || {
            voice.synthesise(&saying.text, &saying.voice, saying.speed)
        })?;
        println!("done");
    }
    Ok(())
}
