//! What callers hear: the configured texts, synthesised once by a process of its own and cached.

use crate::config::Config;
use anyhow::{Context, Result, bail};
use qingting_core::call::Prompt;
use qingting_voice::PromptCache;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// The hotline's prompts as 8 kHz samples.
#[derive(Clone)]
pub struct Prompts {
    notice: Arc<[i16]>,
    greeting: Arc<[i16]>,
    are_you_there: Arc<[i16]>,
    farewell: Arc<[i16]>,
}

impl Prompts {
    /// Loads the prompts from the cache; what is missing is synthesised first (some seconds each).
    pub fn prepare(config: &Config) -> Result<Self> {
        let hotline = &config.hotline;
        let cache = PromptCache::new(config.prompts())?;
        let texts =
            [&hotline.notice, &hotline.greeting, &hotline.are_you_there, &hotline.farewell];
        let missing: Vec<_> = texts
            .into_iter()
            .filter(|text| !cache.path(text, &hotline.voice, hotline.voice_speed).exists())
            .collect();
        if !missing.is_empty() {
            eprintln!("Synthesising {} prompt(s), once ...", missing.len());
            let jobs = missing.iter().map(|text| {
                (cache.path(text, &hotline.voice, hotline.voice_speed), text.as_str())
            });
            synthesise(config, jobs)?;
        }
        let load = |text: &str| -> Result<Arc<[i16]>> {
            cache
                .read(text, &hotline.voice, hotline.voice_speed)?
                .map(Into::into)
                .with_context(|| format!("the prompt {text:?} was not synthesised"))
        };
        Ok(Self {
            notice: load(&hotline.notice)?,
            greeting: load(&hotline.greeting)?,
            are_you_there: load(&hotline.are_you_there)?,
            farewell: load(&hotline.farewell)?,
        })
    }

    /// The samples of one prompt.
    pub fn samples(&self, prompt: Prompt) -> Arc<[i16]> {
        Arc::clone(match prompt {
            Prompt::Notice => &self.notice,
            Prompt::Greeting => &self.greeting,
            Prompt::AreYouThere => &self.are_you_there,
            Prompt::Farewell => &self.farewell,
        })
    }
}

/// Runs `qingting speak` for a batch of texts: inference stays out of the process that carries
/// calls, and the model is loaded once.
pub fn synthesise<'a>(
    config: &Config,
    jobs: impl Iterator<Item = (impl AsRef<Path>, &'a str)>,
) -> Result<()> {
    let hotline = &config.hotline;
    let program = std::env::current_exe().context("cannot find the program itself")?;
    let mut child = Command::new(program)
        .args(["speak", "-", "--voice", &hotline.voice])
        .args(["--speed", &hotline.voice_speed.to_string()])
        .arg("--models")
        .arg(&config.data.models)
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot start the synthesiser")?;
    let mut lines = String::new();
    for (path, text) in jobs {
        lines.push_str(&format!("{}\t{}\n", path.as_ref().display(), text.replace(['\n', '\t'], " ")));
    }
    child
        .stdin
        .take()
        .expect("stdin is piped")
        .write_all(lines.as_bytes())
        .context("the synthesiser stopped early")?;
    let status = child.wait().context("the synthesiser was lost")?;
    if !status.success() {
        bail!("the prompts could not be synthesised (see the message above)");
    }
    Ok(())
}
