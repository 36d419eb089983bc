//! From what the recogniser heard to the ticket: caption, tags, slots, draft, event.

use super::Hotline;
use super::aids::Told;
use super::call::{Hearing, Said, Spoken, Word};
use super::spool::{Kept, Unkept, Write};
use super::switchboard::Beginning;
use super::traces::{self, Sentence};
use crate::clock;
use qingting_api::Event;
use qingting_asr::AsrEvent;
use qingting_asr::client::Heard;
use qingting_common::ids::Party;
use qingting_common::{CallId, Pii, SegmentId, UnixMillis};
use qingting_core::call::LegId;
use qingting_nlu::draft::{Field, Tag, TicketDraft};
use qingting_nlu::{CallContext, LastTicket, LocalTime, Utterance};
use qingting_store::{DraftUpdate, FinalSegment, Gap, LegRef};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use uuid::Uuid;

/// Tries of writing one sentence that neither the database nor the disk takes, a second apart; then it is in the
/// recording only. Few, because the sentences after it wait meanwhile.
const TRIES_MAX: u32 = 20;
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Whose words they are.
pub struct Speaker {
    pub leg: LegId,
    /// The same in the database.
    pub of: LegRef,
    pub party: Party,
    /// What the leg's times are behind those of the call, in ms.
    pub shift_ms: Arc<AtomicI64>,
    /// What everybody in the call has said.
    pub said: Said,
    /// Told at every word, for whoever waits for one.
    pub heard: mpsc::Sender<Word>,
    /// What becomes of the words.
    pub hearing: Arc<Hearing>,
}

/// The captions of one leg.
pub struct Captions {
    hotline: Arc<Hotline>,
    call: CallId,
    /// When the call began: its times count from there.
    started: UnixMillis,
    context: CallContext,
    speaker: Speaker,
    /// Segments on the screen that have no final yet.
    open: HashMap<u32, FinalSegment>,
    /// Whether the caller's last ticket was looked up.
    is_caller_known: bool,
}

impl Captions {
    /// Captions of somebody who has not spoken yet.
    pub fn new(
        hotline: Arc<Hotline>,
        call: CallId,
        beginning: &Beginning,
        started: UnixMillis,
        speaker: Speaker,
    ) -> Self {
        let context = CallContext {
            started: LocalTime::from_unix_ms(started),
            caller: beginning.citizen_digits.clone(),
            called: beginning.called.clone(),
            last_ticket: LastTicket::default(),
        };
        Self {
            hotline,
            call,
            started,
            context,
            speaker,
            open: HashMap::new(),
            is_caller_known: false,
        }
    }

    /// Takes everything that is heard, until the recogniser has said its last word.
    pub async fn run(mut self, mut events: mpsc::Receiver<AsrEvent>) {
        while let Some(event) = events.recv().await {
            match event {
                AsrEvent::SpeechStarted { .. } => self.heard(None),
                AsrEvent::Partial(heard) => self.partial(&heard),
                AsrEvent::Final(heard) => self.finish(heard).await,
                AsrEvent::Gap { from_ms, to_ms } => {
                    let (from_ms, to_ms) = (self.in_call(from_ms), self.in_call(to_ms));
                    self.take_back(from_ms, to_ms);
                    self.gap(from_ms, to_ms).await;
                }
                AsrEvent::Ended => break,
            }
        }
        self.tell_the_last().await;
    }

    /// The caller says no more: what waited for more words is looked at now.
    async fn tell_the_last(&self) {
        if self.speaker.party != Party::Caller {
            return;
        }
        let ticket = self.hotline.store.ticket_of_call(self.call);
        if let Some(Some(ticket)) = self.hotline.spool.look_up(ticket).await {
            self.tell(Vec::new(), ticket.draft, true);
        }
    }

    fn tell(&self, changed: Vec<Field>, draft: TicketDraft, is_last: bool) {
        let (call, context) = (self.call, self.context.clone());
        let said = Arc::clone(&self.speaker.said);
        self.hotline.aids.tell(Told { call, context, said, changed, draft, is_last });
    }

    /// Full: it is known already.
    fn heard(&self, spoken: Option<Spoken>) {
        let _ = self.speaker.heard.try_send(Word { leg: self.speaker.leg, spoken });
    }

    fn spoken(&self, heard: &Heard, is_final: bool) -> Spoken {
        Spoken {
            text: Pii::new(heard.display.expose().to_string()),
            confidence: heard.confidence,
            expected: heard.expected.as_ref().map(|expected| {
                let expected = expected.expose();
                (Pii::new(expected.text.to_string()), expected.confidence)
            }),
            is_final,
            in_leg_ms: (heard.start_ms, heard.end_ms),
            in_call_ms: (self.in_call(heard.start_ms), self.in_call(heard.end_ms)),
        }
    }

    fn partial(&mut self, heard: &Heard) {
        if heard.display.expose().is_empty() {
            return;
        }
        self.heard(Some(self.spoken(heard, false)));
        if self.speaker.hearing.is_early() {
            return;
        }
        let id = self.open.get(&heard.segment).map_or_else(new_segment, |segment| segment.id);
        let segment = self.segment(id, heard);
        self.publish(&segment, false);
        self.open.insert(heard.segment, segment);
    }

    /// Unstable words that get no final are taken off the screen.
    fn take_back(&mut self, from_ms: u64, to_ms: u64) {
        let is_within = |segment: &FinalSegment| (from_ms..to_ms).contains(&segment.start_ms);
        let given_up: Vec<FinalSegment> =
            self.open.extract_if(|_, open| is_within(open)).map(|(_, segment)| segment).collect();
        for mut segment in given_up {
            (segment.text, segment.raw) = (Pii::default(), Pii::default());
            self.publish(&segment, true);
        }
    }

    /// Stored before it is shown: what a seat sees as final is in the database, or on the disk until that is back.
    async fn finish(&mut self, heard: Heard) {
        let known = self.open.remove(&heard.segment).map(|segment| segment.id);
        let segment = self.segment(known.unwrap_or_else(new_segment), &heard);
        if heard.display.expose().is_empty() {
            // It was noise: its partials are taken off the screen.
            if known.is_some() {
                self.publish(&segment, true);
            }
            return;
        }
        self.heard(Some(self.spoken(&heard, true)));
        if self.speaker.hearing.is_early() {
            return;
        }
        if !std::mem::replace(&mut self.is_caller_known, true) {
            self.context.last_ticket = last_ticket(&self.hotline, self.call).await;
        }
        let mut trace = self.trace(&segment, &heard);
        // Held while it is stored: the sentences of two parties are read in one order.
        let said = Arc::clone(&self.speaker.said);
        let mut said = said.lock().await;
        said.push(segment.clone());
        let tags = match self.speaker.hearing.is_asked() {
            true => Vec::new(),
            false => trace
                .doing("language.draft", || read(&self.hotline, self.call, &self.context, &said)),
        };
        trace.begin();
        let stored = self.store(&segment, tags).await;
        trace.ended("store.record_final", stored.is_ok());
        match stored {
            Ok(kept) => {
                let late = clock::unix_now().0.saturating_sub(self.wall(segment.end_ms).0);
                let late = Duration::from_millis(u64::try_from(late).unwrap_or_default());
                self.hotline.counters.captioned(late);
                self.publish(&segment, true);
                // What it does to the draft is known when it comes into the database.
                if let Kept::Stored(Some(update)) = kept {
                    self.tell(update.changed.clone(), update.draft.clone(), false);
                    draft_changed(&self.hotline, self.call, update);
                }
            }
            Err(error) => {
                tracing::error!(call = %self.call, %error, "a sentence could not be stored; it is in the recording");
                said.pop();
                self.gap(segment.start_ms, segment.end_ms).await;
            }
        }
    }

    async fn store(&self, segment: &FinalSegment, tags: Vec<Tag>) -> Result<Kept, Unkept> {
        let mut tried = 0;
        loop {
            tried += 1;
            let write = Write::Sentence { segment: segment.clone(), tags: tags.clone() };
            match self.hotline.spool.keep(self.call, write).await {
                Err(error) if error.may_pass() && tried < TRIES_MAX => {
                    tokio::time::sleep(RETRY_AFTER).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn gap(&self, from_ms: u64, to_ms: u64) {
        tracing::warn!(call = %self.call, from_ms, to_ms, "nothing was recognised for a while");
        let Speaker { of: LegRef { slot, seq, .. }, party, .. } = self.speaker;
        traces::gap(&self.hotline.traces, self.call, party, self.wall(from_ms));
        let gap = Gap { slot, seq, party, from_ms, to_ms };
        match self.hotline.spool.keep(self.call, Write::Gap(gap)).await {
            Ok(_) => {
                let call = self.call;
                self.hotline.events.publish(Event::CaptionGap { call, party, from_ms, to_ms });
            }
            Err(error) => {
                tracing::error!(call = %self.call, %error, "a gap in the captions could not be stored");
            }
        }
    }

    /// The sentence was recognised now.
    fn trace(&self, segment: &FinalSegment, heard: &Heard) -> Sentence {
        let (traces, ended) = (&self.hotline.traces, self.wall(segment.end_ms));
        Sentence::heard(traces, self.call, segment.party, ended, heard)
    }

    /// A time of the call as one of the day.
    fn wall(&self, in_call_ms: u64) -> UnixMillis {
        UnixMillis(self.started.0.saturating_add_unsigned(in_call_ms))
    }

    /// A time of the leg as one of the call.
    fn in_call(&self, ms: u64) -> u64 {
        ms.saturating_add_signed(self.speaker.shift_ms.load(Ordering::Relaxed))
    }

    fn publish(&self, segment: &FinalSegment, is_final: bool) {
        self.hotline.events.publish(Event::Caption {
            call: self.call,
            segment: segment.id,
            party: segment.party,
            start_ms: segment.start_ms,
            end_ms: segment.end_ms,
            text: segment.text.clone(),
            raw: segment.raw.clone(),
            r#final: is_final,
            confidence: segment.confidence,
        });
    }

    fn segment(&self, id: SegmentId, heard: &Heard) -> FinalSegment {
        FinalSegment {
            id,
            party: self.speaker.party,
            start_ms: self.in_call(heard.start_ms),
            end_ms: self.in_call(heard.end_ms),
            text: Pii::new(heard.display.expose().to_string()),
            raw: Pii::new(heard.raw.expose().to_string()),
            confidence: heard.confidence,
        }
    }
}

/// The machine's reading of everything that was said, in its order: the rules', and what a language model
/// added.
pub fn read(
    hotline: &Hotline,
    call: CallId,
    context: &CallContext,
    said: &[FinalSegment],
) -> Vec<Tag> {
    let mut tags = hotline.reader().read(&utterances(said), context);
    hotline.aids.add_to(call, &mut tags);
    tags
}

/// What the caller's last ticket became. A model that was taught such things is less sure without it.
pub async fn last_ticket(hotline: &Hotline, call: CallId) -> LastTicket {
    let found = hotline.spool.look_up(hotline.store.last_confirmed_of_caller(call)).await.flatten();
    let value = |field| {
        let value = found.as_ref()?.draft.field(field)?.value.expose();
        Some(value.clone())
    };
    LastTicket {
        unit: value(Field::HandlingUnit).unwrap_or_default(),
        category: value(Field::Category).unwrap_or_default(),
    }
}

/// Sentences as they are read.
pub fn utterances(said: &[FinalSegment]) -> Vec<Utterance<'_>> {
    said.iter()
        .map(|segment| {
            let FinalSegment { id, party, confidence, ref text, .. } = *segment;
            Utterance { id, party, text: text.expose(), confidence }
        })
        .collect()
}

/// Tells what a sentence did to the draft.
pub fn draft_changed(hotline: &Hotline, call: CallId, update: DraftUpdate) {
    let DraftUpdate { ticket, revision, changed, draft } = update;
    if !changed.is_empty() {
        hotline.events.publish(Event::ticket_updated(ticket, call, revision, changed, &draft));
    }
}

fn new_segment() -> SegmentId {
    SegmentId::new(Uuid::now_v7())
}
