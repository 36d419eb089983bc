//! All that callers hear, with what is said.

use crate::commands::speech::Saying;
use crate::config::Config;
use crate::serve::{Hotline, callback_scripts};
use qingting_api::PromptInfo;
use qingting_callbacks::script::Facts;
use qingting_common::limits::TELEPHONE_RATE_HZ;
use qingting_voice::PromptCache;
use std::path::PathBuf;
use std::sync::Arc;

/// What a file of the cache has besides samples: its head, and the hash at its end.
const CACHE_FILE_EXTRA_BYTES: u64 = 44 + 32;

/// Prompts in an order that stays: a prompt's id is its place.
pub(super) struct PromptBook {
    entries: Vec<Entry>,
    cache: PromptCache,
}

struct Entry {
    used: String,
    text: String,
    sound: Sound,
}

enum Sound {
    /// It was made before calls are taken.
    Here(Arc<[i16]>),
    /// It is made before the first callback that needs it.
    Cached(Saying, PathBuf),
}

impl PromptBook {
    pub(super) fn new(hotline: &Hotline) -> Self {
        let config = &hotline.config;
        let cache = PromptCache::new(config.data.dir.join("prompts"));
        let made = hotline.prompts.all(config).into_iter();
        let mut entries: Vec<Entry> = made
            .map(|(used, text, samples)| Entry { used, text, sound: Sound::Here(samples) })
            .collect();
        entries.extend(callbacks(config).into_iter().map(|(used, text)| {
            let saying = Saying {
                text: text.clone(),
                voice: config.hotline.voice.clone(),
                speed: config.hotline.voice_speed,
            };
            let path = saying.path(&cache);
            Entry { used, text, sound: Sound::Cached(saying, path) }
        }));
        Self { entries, cache }
    }

    pub(super) fn list(&self) -> Vec<PromptInfo> {
        let info = |(place, entry): (usize, &Entry)| {
            let duration_ms = entry.samples().map(ms);
            PromptInfo {
                id: place.to_string(),
                used: entry.used.clone(),
                text: entry.text.clone(),
                made: duration_ms.is_some(),
                duration_ms,
            }
        };
        self.entries.iter().enumerate().map(info).collect()
    }

    pub(super) fn samples(&self, id: &str) -> Option<Vec<i16>> {
        match &self.entries.get(id.parse::<usize>().ok()?)?.sound {
            Sound::Here(samples) => Some(samples.to_vec()),
            Sound::Cached(saying, _) => saying.cached(&self.cache).map(|samples| samples.to_vec()),
        }
    }
}

impl Entry {
    /// How many there are; none while it is not made. Looking at a file counts as no use of it.
    fn samples(&self) -> Option<u64> {
        match &self.sound {
            Sound::Here(samples) => Some(samples.len() as u64),
            Sound::Cached(_, path) => {
                let bytes = path.metadata().ok()?.len();
                Some(bytes.saturating_sub(CACHE_FILE_EXTRA_BYTES) / 2)
            }
        }
    }
}

fn ms(samples: u64) -> u64 {
    samples * 1_000 / u64::from(TELEPHONE_RATE_HZ)
}

/// Sentences of the callbacks' scripts that are the same for every citizen.
fn callbacks(config: &Config) -> Vec<(String, String)> {
    let Ok(scripts) = callback_scripts(config) else { return Vec::new() };
    let about = |what: &str| Facts {
        city: config.callbacks.city.clone(),
        title: what.to_owned(),
        unit: what.to_owned(),
        date: what.to_owned(),
    };
    let mut all = Vec::new();
    for (name, script) in &scripts {
        let others = script.sentences(&about("乙"));
        let same = script.sentences(&about("甲")).into_iter().filter(|text| others.contains(text));
        all.extend(same.map(|text| (format!("callbacks.{name}"), text)));
    }
    all
}
