//! Callbacks (智能回访): who is dialled when, what is said, and what becomes of it.

mod polling;
mod runner;
mod sounds;
mod talk;

pub use polling::run as poll;
pub use runner::run;
pub use sounds::Sounds;
pub use talk::{Failed, Step, Talk};

use crate::cli::ModelsDir;
use crate::clock;
use crate::config::Config;
use crate::serve::Hotline;
use crate::serve::relay::secrets;
use crate::serve::spool::{Kept, Spool, SpoolError, Unkept, Write};
use crate::serve::switchboard::hours_named;
use crate::serve::traces;
use anyhow::{Context, Result};
use qingting_callbacks::campaign::Settings;
use qingting_callbacks::dialogue::Answered;
use qingting_callbacks::rates::Formula;
use qingting_callbacks::schedule::Rules;
use qingting_callbacks::script::{Facts, SATISFACTION, Script};
use qingting_common::CallId;
use qingting_core::call::Cause;
use qingting_nlu::answers::AnswerReader;
use qingting_store::{AttemptEnd, FollowUp, StoreError};
use qingting_tickets::signature::Secrets;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Tries of writing an answer: the citizen waits meanwhile.
const ANSWER_TRIES_MAX: u32 = 8;
const ANSWER_WAIT: Duration = Duration::from_millis(250);
/// Tries of writing an attempt's end. Afterwards its lease runs out.
const END_TRIES_MAX: u32 = 20;
const END_WAIT: Duration = Duration::from_secs(1);

/// Scripts by their names.
pub type Scripts = BTreeMap<String, Arc<Script>>;
/// What is said where a title or a unit is missing, or cannot be spoken.
const SOME_MATTER: &str = "一件事";
const SOME_UNIT: &str = "承办单位";
/// What is said of the day where the citizen does not want to be known.
const SOME_DAY: &str = "前些时候";

/// The setting with the secret that closed tickets come in under.
const INTAKE_SECRET: &str = "callbacks.intake_secret_file";

/// What callbacks work with.
pub struct Callbacks {
    scripts: Scripts,
    reader: Arc<AnswerReader>,
    /// This process, for the books.
    server: String,
    /// Calls whose attempts are this process's: their leases are prolonged.
    under_way: Mutex<HashSet<CallId>>,
    /// Calls that are over, whose attempts' ends wait on this disk: so are these.
    waiting: Mutex<HashSet<CallId>>,
    /// Nobody is dialled any more.
    is_stopped: AtomicBool,
    /// Held from before an attempt's commit until its call is there.
    turn: tokio::sync::Mutex<()>,
}

/// One callback that is under way.
pub struct Errand {
    pub follow_up: FollowUp,
    pub number: u32,
    pub rules: Rules,
    pub queue: String,
    /// How long the telephone rings.
    pub ring: Duration,
    /// The number that is shown; empty: the trunk's.
    pub caller_id: String,
    pub script: Arc<Script>,
    pub facts: Facts,
    pub sounds: Sounds,
    pub reader: Arc<AnswerReader>,
}

impl std::fmt::Debug for Errand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Errand").field("follow_up", &self.follow_up.id).finish_non_exhaustive()
    }
}

impl Callbacks {
    /// The shipped script and those of the configuration's folder.
    pub fn new(config: &Config) -> Result<Self> {
        Ok(Self {
            scripts: scripts(config)?,
            reader: Arc::new(AnswerReader::new()),
            server: format!("{}-{}", std::process::id(), uuid::Uuid::now_v7()),
            under_way: Mutex::default(),
            waiting: Mutex::default(),
            is_stopped: AtomicBool::new(false),
            turn: tokio::sync::Mutex::default(),
        })
    }

    fn under_way(&self) -> MutexGuard<'_, HashSet<CallId>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, HashSet<CallId>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls whose attempts are this process's: they run, or something of them waits to be written.
    fn ours(&self, spool: &Spool) -> Vec<CallId> {
        let mut waiting = self.waiting();
        waiting.retain(|call| spool.holds(*call));
        self.under_way().iter().chain(waiting.iter()).copied().collect()
    }

    /// Dials nobody from now on; attempts that are under way stay this process's.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// Whoever has it may commit an attempt; nobody gets it once this is stopped.
    async fn turn(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let turn = self.turn.lock().await;
        (!self.is_stopped()).then_some(turn)
    }

    /// Whether an attempt may be committed whose call is not there yet. A process that ended now would leave an attempt
    /// that rang nobody.
    pub fn is_dialling(&self) -> bool {
        self.turn.try_lock().is_err()
    }

    /// The call of an attempt is gone, in whatever way.
    pub fn forget(&self, call: CallId) {
        self.under_way().remove(&call);
    }

    /// A script by its name.
    pub fn script(&self, name: &str) -> Option<&Arc<Script>> {
        self.scripts.get(name)
    }
}

/// What the interface asks of callbacks.
pub struct Office {
    config: Config,
    scripts: Scripts,
    rates: BTreeMap<String, Formula>,
    secrets: Option<Secrets>,
}

impl Office {
    /// As the configuration says.
    pub fn new(config: &Config) -> Result<Self> {
        let mut rates = qingting_callbacks::rates::defaults();
        rates.extend(config.callbacks.rates.clone());
        let file = &config.callbacks.intake_secret_file;
        let is_set = !file.as_os_str().is_empty();
        let secrets = is_set.then(|| secrets(INTAKE_SECRET, file)).transpose()?;
        Ok(Self { config: config.clone(), scripts: scripts(config)?, rates, secrets })
    }
}

impl qingting_api::Callbacks for Office {
    fn faults(&self, settings: &Settings) -> Vec<String> {
        faults(&self.config, &self.scripts, settings)
    }

    fn rules(&self, settings: &Settings) -> Result<Rules, String> {
        rules(&self.config, settings).map_err(|error| format!("{error:#}"))
    }

    fn rates(&self) -> &BTreeMap<String, Formula> {
        &self.rates
    }

    fn webhook(&self) -> Option<(&Secrets, &str)> {
        Some((self.secrets.as_ref()?, self.config.callbacks.intake_campaign.as_str()))
    }
}

/// All scripts by their names; everything that is wrong with them otherwise.
pub fn scripts(config: &Config) -> Result<Scripts> {
    let mut scripts = BTreeMap::new();
    let mut add = |text: &str, from: &str| {
        let script = Script::read(text).map_err(|errors| {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{from}: {}", errors.join("; "))
        })?;
        let name = script.name().to_owned();
        anyhow::ensure!(
            scripts.insert(name.clone(), Arc::new(script)).is_none(),
            "{from}: there is a script named {name:?} already"
        );
        Ok(())
    };
    add(SATISFACTION, "the shipped script")?;
    let folder = &config.callbacks.scripts;
    if folder.as_os_str().is_empty() {
        return Ok(scripts);
    }
    let files = std::fs::read_dir(folder)
        .with_context(|| format!("callbacks.scripts: cannot read {}", folder.display()))?;
    let mut files: Vec<_> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "toml")) {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        add(&text, &file.display().to_string())?;
    }
    Ok(scripts)
}

/// When a campaign may call.
pub fn rules(config: &Config, settings: &Settings) -> Result<Rules> {
    let hours = match settings.hours.as_str() {
        "" => Rules::default_hours(),
        name => hours_named(config, name)?,
    };
    Ok(settings.rules(hours))
}

/// All that is wrong with the settings of a campaign here.
pub fn faults(config: &Config, scripts: &Scripts, settings: &Settings) -> Vec<String> {
    let mut faults = wrong_settings(config, scripts, settings);
    if settings.lines_reserved > 0 && config.callbacks.lines == 0 {
        faults.push(
            "lines_reserved keeps lines free: callbacks.lines must say how many there are"
                .to_owned(),
        );
    }
    if config.trunks.is_empty() {
        faults.push("there is no [[trunks]] to call by".to_owned());
    }
    faults
}

/// What of it is wrong with the settings themselves, and no trunk or line would mend.
pub fn wrong_settings(config: &Config, scripts: &Scripts, settings: &Settings) -> Vec<String> {
    let mut faults = settings.faults();
    if let Err(error) = rules(config, settings) {
        faults.push(format!("hours: {error:#}"));
    }
    if !scripts.contains_key(&settings.script) {
        faults.push(format!("script is {:?}: there is no such script", settings.script));
    }
    let has_queue = config.queues.iter().any(|queue| queue.name == settings.queue);
    if !settings.queue.is_empty() && !has_queue {
        faults.push(format!("queue is {:?}: there is no [[queues]] of that name", settings.queue));
    }
    faults
}

/// What is said of a follow-up.
fn facts(config: &Config, follow_up: &FollowUp) -> Facts {
    let at = follow_up.opened_at.unwrap_or(follow_up.closed_at);
    let day = qingting_nlu::LocalTime::from_unix_ms(at);
    let or = |text: &str, otherwise: &str| match text.trim() {
        "" => otherwise.to_owned(),
        text => text.to_owned(),
    };
    let city = config.callbacks.city.clone();
    if follow_up.confidential {
        // Whoever else listens learns nothing of it: the unit alone may tell.
        return Facts {
            city,
            title: SOME_MATTER.to_owned(),
            unit: SOME_UNIT.to_owned(),
            date: SOME_DAY.to_owned(),
        };
    }
    Facts {
        city,
        title: or(&follow_up.title, SOME_MATTER),
        unit: or(&follow_up.unit, SOME_UNIT),
        date: format!("{}月{}日", day.month, day.day),
    }
}

/// Speaks what a citizen hears, where it is not kept yet; with a title or unit that cannot be spoken, what he
/// hears without them. Blocks.
pub fn speak(
    config: &Config,
    models: &ModelsDir,
    script: &Script,
    follow_up: &FollowUp,
) -> Result<(Sounds, Facts)> {
    let facts = facts(config, follow_up);
    match Sounds::prepare(config, models, script, &facts) {
        Ok(sounds) => Ok((sounds, facts)),
        Err(error) => {
            tracing::warn!(follow_up = %follow_up.id, error = format!("{error:#}"), "its title or unit cannot be spoken and is left out");
            let plain =
                Facts { title: SOME_MATTER.to_owned(), unit: SOME_UNIT.to_owned(), ..facts };
            Ok((Sounds::prepare(config, models, script, &plain)?, plain))
        }
    }
}

/// Keeps an answer, in the database or on the disk while that is away; whether it is kept.
pub async fn store_answer(
    hotline: Arc<Hotline>,
    call: CallId,
    errand: Arc<Errand>,
    answered: Answered,
) -> bool {
    let (follow_up, attempt) = (errand.follow_up.id, errand.number);
    let answer = Write::Answer { follow_up, attempt, answered, at: clock::unix_now() };
    for _ in 0..ANSWER_TRIES_MAX {
        match hotline.spool.keep(call, answer.clone()).await {
            Ok(_) => {
                crate::crash::point("answer-stored");
                return true;
            }
            Err(error) => {
                tracing::warn!(%follow_up, %error, "an answer could not be stored and is tried again");
            }
        }
        tokio::time::sleep(ANSWER_WAIT).await;
    }
    false
}

/// Of a call that is no new matter the draft goes that every call has, unless somebody touched it.
pub async fn drop_draft(hotline: &Hotline, call: CallId) {
    if let Err(error) = hotline.spool.keep(call, Write::DropDraft).await {
        tracing::warn!(%call, %error, "the empty draft of a call is left");
    }
}

/// Writes what became of an attempt whose call is over.
pub async fn finish(
    hotline: &Hotline,
    call: CallId,
    talk: &Talk,
    errand: &Errand,
    cause: Option<Cause>,
) {
    crate::crash::point("hung-up");
    let (outcome, sip_code, wish) = talk.outcome(cause);
    tracing::info!(%call, follow_up = %errand.follow_up.id, outcome = outcome.as_str(), "callback over");
    hotline.counters.called_back(outcome);
    let end = AttemptEnd {
        follow_up: errand.follow_up.id,
        number: errand.number,
        outcome,
        sip_code,
        wish,
        rules: errand.rules.clone(),
        only_expired: false,
        now: clock::unix_now(),
    };
    end_attempt(hotline, call, end).await;
    let number = errand.number;
    traces::attempt(&hotline.traces, call, number, outcome.as_str(), sip_code);
}

/// Writes the end of an attempt, until it is written or its lease may as well run out.
async fn end_attempt(hotline: &Hotline, call: CallId, end: AttemptEnd) {
    for _ in 0..END_TRIES_MAX {
        match hotline.spool.keep(call, Write::AttemptEnded(Box::new(end.clone()))).await {
            Ok(kept) => {
                if matches!(kept, Kept::Spooled) {
                    hotline.callbacks.waiting().insert(call);
                }
                crate::crash::point("attempt-ended");
                hotline.callbacks.forget(call);
                return;
            }
            Err(Unkept::Refused(StoreError::Closed) | Unkept::Unspooled(SpoolError::Stopping)) => {
                break;
            }
            Err(error) => {
                tracing::warn!(%call, %error, "the end of a callback could not be stored and is tried again");
            }
        }
        tokio::time::sleep(END_WAIT).await;
    }
    hotline.callbacks.forget(call);
    tracing::error!(%call, "the end of a callback could not be stored: it will count as unknown");
}
