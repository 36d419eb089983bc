//! What callers hear: spoken once by the voice, kept as files, held in memory.

use crate::cli::ModelsDir;
use crate::commands::speech::{self, Saying};
use crate::config::Config;
use anyhow::Result;
use qingting_common::limits::TELEPHONE_RATE_HZ;
use qingting_core::call::Prompt;
use std::sync::Arc;
use std::time::Duration;

/// Every prompt's samples, 8 kHz.
pub struct Prompts {
    notice: Arc<[i16]>,
    greeting: Arc<[i16]>,
    are_you_there: Arc<[i16]>,
    farewell: Arc<[i16]>,
}

impl Prompts {
    /// Takes the prompts from the cache; what is missing there is spoken first, with progress, in
    /// a process of its own.
    pub fn prepare(config: &Config, models: &ModelsDir) -> Result<Self> {
        let hotline = &config.hotline;
        let texts = [&hotline.notice, &hotline.greeting, &hotline.are_you_there, &hotline.farewell];
        let sayings = texts.map(|text| Saying {
            text: text.clone(),
            voice: hotline.voice.clone(),
            speed: hotline.voice_speed,
        });
        let cache = config.data.dir.join("prompts");
        let spoken = speech::all(&cache, &sayings, models, "Speaking the prompts")?;
        let [notice, greeting, are_you_there, farewell] =
            <[Arc<[i16]>; 4]>::try_from(spoken).expect("as many recordings as texts");
        Ok(Self { notice, greeting, are_you_there, farewell })
    }

    /// The longest of them.
    pub fn longest(&self) -> Duration {
        let all = [&self.notice, &self.greeting, &self.are_you_there, &self.farewell];
        let samples = all.iter().map(|samples| samples.len()).max().unwrap_or_default();
        Duration::from_millis(samples as u64 * 1_000 / u64::from(TELEPHONE_RATE_HZ))
    }
}

/// A prompt's samples.
pub fn prompt_samples(prompts: &Prompts, prompt: Prompt) -> Arc<[i16]> {
    Arc::clone(match prompt {
        Prompt::Notice => &prompts.notice,
        Prompt::Greeting => &prompts.greeting,
        Prompt::AreYouThere => &prompts.are_you_there,
        Prompt::Farewell => &prompts.farewell,
    })
}
