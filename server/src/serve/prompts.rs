//! What callers hear: spoken once by the voice, kept as files, held in memory.

use super::tones;
use crate::cli::ModelsDir;
use crate::commands::speech::{self, Saying};
use crate::config::Config;
use anyhow::Result;
use qingting_common::limits::TELEPHONE_RATE_HZ;
use qingting_core::call::Prompt;
use qingting_voice::PromptCache;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Places in a queue that have a sentence of their own; those behind are asked to wait.
const PLACES: [&str; 9] = ["一", "二", "三", "四", "五", "六", "七", "八", "九"];

/// Every prompt's samples, 8 kHz.
pub struct Prompts {
    fixed: Vec<(Prompt, Arc<[i16]>)>,
    positions: Vec<Arc<[i16]>>,
    own: Vec<Arc<[i16]>>,
    by_text: HashMap<String, usize>,
    music: Arc<[i16]>,
    ringing: Arc<[i16]>,
}

impl Prompts {
    /// Takes the prompts from the cache; what is missing there is spoken first, with progress, in
    /// a process of its own.
    pub fn prepare(config: &Config, models: &ModelsDir) -> Result<Self> {
        let fixed = fixed_texts(config);
        let own = own_texts(config);
        let positions = if config.queues.is_empty() { 0 } else { PLACES.len() + 1 };
        let mut spoken = speak(config, models)?.into_iter();
        Ok(Self {
            fixed: fixed.iter().map(|(prompt, _)| *prompt).zip(spoken.by_ref()).collect(),
            positions: spoken.by_ref().take(positions).collect(),
            own: spoken.collect(),
            by_text: own.into_iter().enumerate().map(|(place, text)| (text, place)).collect(),
            music: tones::music(&config.seats.music)?,
            ringing: tones::ringing(),
        })
    }

    /// All of them: what each is for, what is said, and how it sounds.
    pub fn all(&self, config: &Config) -> Vec<(String, String, Arc<[i16]>)> {
        let texts = fixed_texts(config);
        let fixed = self.fixed.iter().zip(texts).map(|((prompt, samples), (_, text))| {
            (used(*prompt).to_owned(), text, Arc::clone(samples))
        });
        let positions = self.positions.iter().zip(position_texts());
        let positions = positions
            .map(|(samples, text)| ("queues.position".to_owned(), text, Arc::clone(samples)));
        let own = own_uses(config).into_iter().filter_map(|(used, text)| {
            let samples = self.own(&text)?;
            Some((used, text, samples))
        });
        let sounds = [("seats.music", &self.music), ("ringing", &self.ringing)];
        let sounds = sounds.map(|(used, of)| (used.to_owned(), String::new(), Arc::clone(of)));
        fixed.chain(positions).chain(own).chain(sounds).collect()
    }

    /// The longest of them.
    pub fn longest(&self) -> Duration {
        let fixed = self.fixed.iter().map(|(_, samples)| samples);
        let all = fixed.chain(&self.positions).chain(&self.own);
        let samples = all.map(|samples| samples.len()).max().unwrap_or_default();
        Duration::from_millis(samples as u64 * 1_000 / u64::from(TELEPHONE_RATE_HZ))
    }

    /// A prompt's samples; none when the configuration has no use for it.
    pub fn samples(&self, prompt: Prompt) -> Option<Arc<[i16]>> {
        let samples = match prompt {
            Prompt::Own(place) => self.own.get(usize::from(place)),
            Prompt::Position { position, .. } => {
                let place = (position as usize).saturating_sub(1);
                self.positions.get(place).or(self.positions.last())
            }
            Prompt::Busy | Prompt::Closed => self.fixed(Prompt::NobodyThere),
            fixed => self.fixed(fixed),
        };
        samples.cloned()
    }

    /// One of the operator's own, by its text.
    pub fn own(&self, text: &str) -> Option<Arc<[i16]>> {
        self.own.get(*self.by_text.get(text)?).cloned()
    }

    /// For whoever waits.
    pub fn music(&self) -> Arc<[i16]> {
        Arc::clone(&self.music)
    }

    /// For whoever is being connected.
    pub fn ringing(&self) -> Arc<[i16]> {
        Arc::clone(&self.ringing)
    }

    fn fixed(&self, wanted: Prompt) -> Option<&Arc<[i16]>> {
        self.fixed.iter().find(|(prompt, _)| *prompt == wanted).map(|(_, samples)| samples)
    }
}

/// Speaks what the cache lacks; all of it in its order.
pub fn speak(config: &Config, models: &ModelsDir) -> Result<Vec<Arc<[i16]>>> {
    speech::all(&folder(config), &sayings(config), models, "Speaking the prompts")
}

/// How many prompts the next start has to speak.
pub fn to_speak(config: &Config) -> usize {
    let cache = PromptCache::new(folder(config));
    sayings(config).iter().filter(|saying| !saying.path(&cache).is_file()).count()
}

fn folder(config: &Config) -> PathBuf {
    config.data.dir.join("prompts")
}

/// All that is spoken: fixed prompts, places in a queue, the operator's own.
fn sayings(config: &Config) -> Vec<Saying> {
    let fixed = fixed_texts(config).into_iter().map(|(_, text)| text);
    let positions = if config.queues.is_empty() { Vec::new() } else { position_texts() };
    let saying = |text| Saying {
        text,
        voice: config.hotline.voice.clone(),
        speed: config.hotline.voice_speed,
    };
    fixed.chain(positions).chain(own_texts(config)).map(saying).collect()
}

/// The operator's own prompt of that place in [`own_texts`].
pub fn own_prompt(place: usize) -> Prompt {
    Prompt::Own(u16::try_from(place).unwrap_or(u16::MAX))
}

/// What numbers and menus say, each text once.
pub fn own_texts(config: &Config) -> Vec<String> {
    let numbers = config.numbers.iter().flat_map(|number| [&number.greeting, &number.closed]);
    let menus = config.menus.iter().map(|node| &node.say);
    let mut texts: Vec<String> =
        numbers.chain(menus).filter(|text| !text.is_empty()).cloned().collect();
    let mut seen = std::collections::HashSet::new();
    texts.retain(|text| seen.insert(text.clone()));
    texts
}

/// The same by what each is for; a text that is used twice is there twice.
fn own_uses(config: &Config) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for number in &config.numbers {
        all.push((format!("numbers.{}.greeting", number.name), number.greeting.clone()));
        all.push((format!("numbers.{}.closed", number.name), number.closed.clone()));
    }
    all.extend(
        config.menus.iter().map(|node| (format!("menus.{}.say", node.name), node.say.clone())),
    );
    all.retain(|(_, text)| !text.is_empty());
    all
}

/// The key of the configuration that holds its text.
const fn used(prompt: Prompt) -> &'static str {
    match prompt {
        Prompt::Notice => "hotline.notice",
        Prompt::Greeting => "hotline.greeting",
        Prompt::AreYouThere => "hotline.are_you_there",
        Prompt::Farewell => "hotline.farewell",
        Prompt::PleaseWait => "seats.returned",
        Prompt::OfferCallback => "seats.call_back_offer",
        Prompt::CallbackPromised => "seats.call_back_promised",
        Prompt::ThreePartyConsent => "seats.three_party",
        Prompt::NobodyThere | Prompt::Busy | Prompt::Closed => "seats.nobody",
        Prompt::Position { .. } => "queues.position",
        Prompt::Own(_) => "own",
    }
}

/// A hotline without seats needs four sentences; the others are spoken when there are seats.
fn fixed_texts(config: &Config) -> Vec<(Prompt, String)> {
    let (hotline, seats) = (&config.hotline, &config.seats);
    let mut texts = vec![
        (Prompt::Notice, hotline.notice.clone()),
        (Prompt::Greeting, hotline.greeting.clone()),
        (Prompt::AreYouThere, hotline.are_you_there.clone()),
        (Prompt::Farewell, hotline.farewell.clone()),
    ];
    let has_seats = !(config.queues.is_empty() && config.trunks.is_empty());
    if has_seats || !config.numbers.is_empty() {
        texts.extend([
            (Prompt::PleaseWait, seats.returned.clone()),
            (Prompt::OfferCallback, seats.call_back_offer.clone()),
            (Prompt::CallbackPromised, seats.call_back_promised.clone()),
            (Prompt::ThreePartyConsent, seats.three_party.clone()),
            (Prompt::NobodyThere, seats.nobody.clone()),
        ]);
    }
    texts
}

fn position_texts() -> Vec<String> {
    let places = PLACES.iter().map(|place| format!("您排在第{place}位，请稍候。"));
    places.chain(["座席仍在忙碌，请您继续等候。".to_owned()]).collect()
}
