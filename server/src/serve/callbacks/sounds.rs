//! The sentences of one callback, spoken before anybody is dialled.

use crate::cli::ModelsDir;
use crate::commands::speech::{self, Saying};
use crate::config::Config;
use anyhow::Result;
use qingting_callbacks::script::{Facts, Rendered, Script};
use qingting_common::limits::TELEPHONE_RATE_HZ;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What lies between two sentences: 200 ms.
const PAUSE_SAMPLES: usize = TELEPHONE_RATE_HZ as usize / 5;

/// Samples by sentence, 8 kHz.
pub struct Sounds(HashMap<String, Arc<[i16]>>);

impl Sounds {
    /// Takes the sentences from the cache; what is missing there is spoken first. Blocks.
    pub fn prepare(
        config: &Config,
        models: &ModelsDir,
        script: &Script,
        facts: &Facts,
    ) -> Result<Self> {
        Self::speak(config, models, script.sentences(facts))
    }

    /// The same of its questions alone, for who is asked.
    pub fn of_questions(
        config: &Config,
        models: &ModelsDir,
        script: &Script,
        facts: &Facts,
    ) -> Result<Self> {
        let sentences = script.question_texts(facts).flat_map(|(.., text)| text.0);
        let sentences: BTreeSet<String> = sentences.collect();
        Self::speak(config, models, sentences.into_iter().collect())
    }

    fn speak(config: &Config, models: &ModelsDir, sentences: Vec<String>) -> Result<Self> {
        let sayings: Vec<Saying> = sentences
            .iter()
            .map(|text| Saying {
                text: text.clone(),
                voice: config.hotline.voice.clone(),
                speed: config.hotline.voice_speed,
            })
            .collect();
        let cache = config.data.dir.join("prompts");
        let spoken = speech::all(&cache, &sayings, models, "Speaking a callback")?;
        Ok(Self(sentences.into_iter().zip(spoken).collect()))
    }

    /// A text, its sentences one after another.
    pub fn of(&self, text: &Rendered) -> Arc<[i16]> {
        let mut samples = Vec::new();
        for sentence in &text.0 {
            if !samples.is_empty() {
                samples.resize(samples.len() + PAUSE_SAMPLES, 0);
            }
            // Every sentence that a script can say was spoken: `Script::sentences`.
            samples.extend(self.0.get(sentence).into_iter().flat_map(|spoken| spoken.iter()));
        }
        samples.into()
    }
}
