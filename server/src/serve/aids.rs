//! What helps a seat besides the draft: likely repeats, incidents, knowledge, and a language model's
//! reading where one is configured.
//!
//! **No caption waits for any of it.** Sentences are told through a bounded channel and looked at one after
//! the other by one task; when it is full a sentence is left out, and the next one of its call is looked at
//! with everything before it.

use super::Hotline;
use super::call::Said;
use super::captions::{draft_changed, read};
use super::llm::{AskError, LanguageModel};
use super::spool::{Kept, Write};
use super::traces;
use crate::clock;
use crate::config::Llm;
use crate::knowledge::{self, Fingerprint};
use anyhow::Result;
use qingting_api::{EntryView, Event, IncidentView, Knowledge, RecentCalls, RepeatView};
use qingting_common::ids::Party;
use qingting_common::{CallId, Millis, UnixMillis};
use qingting_nlu::draft::{Evidence, Field, Tag, TicketDraft};
use qingting_nlu::incidents::{Report, WINDOW_MS};
use qingting_nlu::knowledge::{Day, Index, SUGGESTIONS_MAX, Suggestions};
use qingting_nlu::{CallContext, LocalTime, llm};
use qingting_store::{FinalSegment, RecentAppeal};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

/// Sentences that wait to be looked at.
const WAITING_MAX: usize = 256;
/// Calls that are remembered while they run; beyond it those that were silent longest go.
const CALLS_MAX: usize = 2_000;
/// New characters of the caller's from which on a language model is asked again, and the time between.
const ASK_CHARS_MIN: usize = 30;
const ASK_EVERY_MS: u64 = 15_000;

/// Fields by which repeats and incidents are found.
const OF_THE_MATTER: [Field; 5] =
    [Field::Title, Field::AppealKind, Field::Category, Field::Place, Field::EarlierTicket];

/// A sentence was stored, or the caller has said the last one.
pub struct Told {
    pub call: CallId,
    pub context: CallContext,
    pub said: Said,
    /// What the sentence did to the draft.
    pub changed: Vec<Field>,
    pub draft: TicketDraft,
    /// Whether no sentence follows.
    pub is_last: bool,
}

/// What the desk is told.
pub enum News {
    /// See [`Told`].
    Told(Told),
    /// Nothing more will be said in the call: what is remembered of it can go.
    Ended(CallId),
}

/// The parts that others use, too.
pub struct Aids {
    to: mpsc::Sender<News>,
    pub knowledge: Knowledge,
    pub recent_calls: RecentCalls,
    model: Option<Arc<LanguageModel>>,
    /// What the model read in calls that run.
    read: Mutex<HashMap<CallId, Vec<Tag>>>,
}

impl Aids {
    /// With what the configuration names.
    pub fn new(config: &Llm) -> Result<(Self, mpsc::Receiver<News>)> {
        let (to, news) = mpsc::channel(WAITING_MAX);
        let aids = Self {
            to,
            knowledge: Knowledge::default(),
            recent_calls: RecentCalls::default(),
            model: LanguageModel::new(config)?.map(Arc::new),
            read: Mutex::default(),
        };
        Ok((aids, news))
    }

    /// Full: the call's next sentence brings what this one would have.
    pub fn tell(&self, told: Told) {
        let _ = self.to.try_send(News::Told(told));
    }

    /// The last that is told of a call. It waits for room, because nothing comes after it.
    pub async fn ended(&self, call: CallId) {
        // The desk is gone at shutdown alone.
        let _ = self.to.send(News::Ended(call)).await;
    }

    /// Puts what a language model read in the call beside what the rules do.
    pub fn add_to(&self, call: CallId, tags: &mut Vec<Tag>) {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = read.get(&call) {
            llm::merge(tags, model);
        }
    }
}

/// Looks at sentences until the server stops.
pub async fn run(hotline: Arc<Hotline>, mut news: mpsc::Receiver<News>) {
    remember_recent_calls(&hotline).await;
    let mut desk = Desk { hotline, calls: HashMap::new(), asked: JoinSet::new() };
    loop {
        tokio::select! {
            next = news.recv() => match next {
                Some(News::Told(told)) => desk.look_at(told).await,
                Some(News::Ended(call)) => desk.end(call),
                None => break,
            },
            Some(answered) = desk.asked.join_next() => desk.take(answered).await,
        }
    }
}

/// Calls of before the start count for incidents.
async fn remember_recent_calls(hotline: &Hotline) {
    let since = UnixMillis(clock::unix_now().0 - WINDOW_MS);
    match hotline.store.recent_appeals(since).await {
        Ok(appeals) => appeals.iter().for_each(|appeal| {
            observe(hotline, appeal);
        }),
        Err(error) => {
            tracing::error!(%error, "recent calls cannot be read: incidents are seen later")
        }
    }
}

fn observe(hotline: &Hotline, appeal: &RecentAppeal) -> Option<IncidentView> {
    let words = appeal.words();
    let known = appeal.appeal(&words);
    let report = Report {
        call: appeal.ticket.call,
        caller: known.caller,
        place: known.place?,
        category: known.category,
        words: known.words,
        at: known.at,
    };
    hotline.aids.recent_calls.observe(&report).map(|incident| IncidentView::of(&incident))
}

/// What is remembered of calls.
struct Desk {
    hotline: Arc<Hotline>,
    calls: HashMap<CallId, Seen>,
    asked: JoinSet<Asked>,
}

#[derive(Default)]
struct Seen {
    at: Millis,
    suggestions: Suggestions,
    repeats: Vec<String>,
    model: Questions,
    /// It goes with the answer that is still waited for.
    has_ended: bool,
}

/// Questions about one call to the language model.
#[derive(Default)]
struct Questions {
    is_asked: bool,
    at: Option<Millis>,
    chars: usize,
    tokens: u64,
    has_failed: bool,
}

/// What came of a question.
struct Asked {
    told: Told,
    outcome: Result<(Vec<Tag>, u64), AskError>,
}

impl Desk {
    async fn look_at(&mut self, told: Told) {
        let now = self.hotline.clock.now();
        if self.calls.len() >= CALLS_MAX && !self.calls.contains_key(&told.call) {
            self.forget_the_quietest();
        }
        self.calls.entry(told.call).or_default().at = now;
        let said = told.said.lock().await.clone();
        self.suggest(&told, &said, now);
        if told.changed.iter().any(|field| OF_THE_MATTER.contains(field)) {
            self.compare(told.call).await;
        }
        self.ask(told, &said, now);
    }

    /// Forgets a call, at once or when the model has answered its last question.
    fn end(&mut self, call: CallId) {
        match self.calls.get_mut(&call) {
            Some(seen) if seen.model.is_asked => seen.has_ended = true,
            _ => self.forget(call),
        }
    }

    fn forget(&mut self, call: CallId) {
        self.calls.remove(&call);
        let mut read = self.hotline.aids.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.remove(&call);
    }

    fn forget_the_quietest(&mut self) {
        let mut times: Vec<Millis> = self.calls.values().map(|seen| seen.at).collect();
        let middle = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(middle);
        let median = *median;
        self.calls.retain(|_, seen| seen.at > median);
        let mut read = self.hotline.aids.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.retain(|call, _| self.calls.contains_key(call));
    }

    /// Knowledge that answers what the caller asks.
    fn suggest(&mut self, told: &Told, said: &[FinalSegment], now: Millis) {
        let Some(index) = self.hotline.aids.knowledge.index() else { return };
        let of_caller = said.iter().filter(|said| said.party == Party::Caller);
        let question = Suggestions::question(of_caller.map(|said| said.text.expose().as_str()));
        let today = Day::of(LocalTime::from_unix_ms(clock::unix_now()));
        let hits = index.search(&question, today, SUGGESTIONS_MAX);
        let Some(seen) = self.calls.get_mut(&told.call) else { return };
        if seen.suggestions.changed(now, &hits) {
            let entries = hits.iter().map(EntryView::of).collect();
            self.hotline.events.publish(Event::Knowledge { call: told.call, entries });
        }
    }

    /// Earlier tickets and calls of now that may be about the same matter.
    async fn compare(&mut self, call: CallId) {
        let spool = &self.hotline.spool;
        let Some(repeats) = spool.look_up(self.hotline.store.repeats(call)).await else { return };
        let repeats: Vec<RepeatView> = repeats.iter().map(RepeatView::of).collect();
        let ids: Vec<String> = repeats.iter().map(|repeat| repeat.ticket.clone()).collect();
        if let Some(seen) = self.calls.get_mut(&call)
            && seen.repeats != ids
        {
            seen.repeats = ids;
            self.hotline.events.publish(Event::Repeats { call, repeats });
        }
        let appeal = spool.look_up(self.hotline.store.appeal_of(call)).await.flatten();
        if let Some(incident) = appeal.and_then(|appeal| observe(&self.hotline, &appeal)) {
            self.hotline.events.publish(Event::Incident { incident });
        }
    }

    /// Asks the language model when the caller has said enough that is new.
    fn ask(&mut self, told: Told, said: &[FinalSegment], now: Millis) {
        let Some(model) = &self.hotline.aids.model else { return };
        let Some(Seen { model: seen, .. }) = self.calls.get_mut(&told.call) else { return };
        let of_caller = said.iter().filter(|said| said.party == Party::Caller);
        let chars: usize = of_caller.map(|said| said.text.expose().chars().count()).sum();
        let least = if told.is_last { 1 } else { ASK_CHARS_MIN };
        let waited = seen.at.is_none_or(|at| now.0.saturating_sub(at.0) >= ASK_EVERY_MS);
        if seen.is_asked || chars < seen.chars + least || !(waited || told.is_last) {
            return;
        }
        (seen.is_asked, seen.at, seen.chars) = (true, Some(now), chars);
        let names: Vec<Evidence> = told
            .draft
            .field(Field::CallerName)
            .map(|name| name.evidence.clone())
            .unwrap_or_default();
        let (model, said, spent) = (Arc::clone(model), said.to_vec(), seen.tokens);
        let traces = self.hotline.traces.clone();
        self.asked.spawn(async move {
            let said = super::captions::utterances(&said);
            let transcript = llm::transcript(&said, &names, model.personal);
            let question = traces::Question::begin(&traces, told.call);
            let outcome = model.ask(transcript, spent).await;
            question.answered(outcome.as_ref().map(|(_, tokens)| *tokens).ok());
            let outcome = outcome.map(|(answer, tokens)| (answer.checked(&said), tokens));
            Asked { told, outcome }
        });
    }

    async fn take(&mut self, answered: Result<Asked, JoinError>) {
        match answered {
            Ok(asked) => {
                let call = asked.told.call;
                self.fill(asked).await;
                if self.calls.get(&call).is_some_and(|seen| seen.has_ended) {
                    self.forget(call);
                }
            }
            Err(error) => tracing::error!(%error, "a question to the language model failed"),
        }
    }

    /// Fills the draft with what a model's answer bears.
    async fn fill(&mut self, Asked { told, outcome }: Asked) {
        let Some(Seen { model: seen, .. }) = self.calls.get_mut(&told.call) else { return };
        seen.is_asked = false;
        let (tags, tokens) = match outcome {
            Ok(answer) => answer,
            Err(error) => {
                // Once a call: an endpoint that is away would fill the log.
                if !std::mem::replace(&mut seen.has_failed, true) {
                    tracing::warn!(call = %told.call, %error, "the language model is of no help");
                }
                return;
            }
        };
        seen.tokens += tokens;
        if tags.is_empty() {
            return;
        }
        {
            let aids = &self.hotline.aids;
            let mut read = aids.read.lock().unwrap_or_else(PoisonError::into_inner);
            read.insert(told.call, tags);
        }
        // Held while it is stored, as for a sentence: no older reading comes after a newer one.
        let said = told.said.lock().await;
        let tags = read(&self.hotline, told.call, &told.context, &said);
        match self.hotline.spool.keep(told.call, Write::Reading { tags }).await {
            Ok(Kept::Stored(Some(update))) => draft_changed(&self.hotline, told.call, update),
            Ok(_) => {}
            Err(error) => {
                tracing::error!(call = %told.call, %error, "a model's reading could not be stored");
            }
        }
    }
}

/// Takes the folder of knowledge over, at first and whenever its files change.
pub async fn watch_knowledge(hotline: Arc<Hotline>) {
    let folder = hotline.config.nlu.knowledge.clone();
    let mut known = None;
    loop {
        let (look_in, before) = (folder.clone(), known.clone());
        let looked = tokio::task::spawn_blocking(move || changed(look_in, before)).await;
        match looked {
            Ok(Some((now, index))) => {
                known = Some(now);
                match index {
                    Ok(index) => {
                        tracing::info!(entries = index.len(), "knowledge is in use");
                        hotline.aids.knowledge.replace(index);
                    }
                    Err(error) => tracing::error!("knowledge is not taken over: {error:#}"),
                }
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the folder of knowledge could not be looked at"),
        }
        tokio::time::sleep(knowledge::LOOK_EVERY).await;
    }
}

type Looked = (Fingerprint, Result<Index>);

fn changed(folder: PathBuf, before: Option<Fingerprint>) -> Option<Looked> {
    let files = match knowledge::files(&folder) {
        Ok(files) => files,
        Err(error) => {
            let nothing = Fingerprint::of(&[]);
            return (before.as_ref() != Some(&nothing)).then_some((nothing, Err(error)));
        }
    };
    let now = Fingerprint::of(&files);
    (before.as_ref() != Some(&now)).then(|| (now, knowledge::read(&files).map(Index::new)))
}
