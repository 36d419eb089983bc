//! From a call's audio to its ticket: recogniser, tags, one transaction, events.

use crate::clock;
use qingting_api::{Event, EventBus};
use qingting_asr::{AsrClient, AsrEvent, StreamSender};
use qingting_common::ids::Party;
use qingting_common::{CallId, Pii, SegmentId, UnixMillis};
use qingting_core::call::Input;
use qingting_media::RecogniserTap;
use qingting_nlu::{CallContext, CivilTime, Tagger};
use qingting_store::{FinalSegment, Store};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::task::TaskTracker;

/// How often a call's audio goes to the recogniser.
const PUSH_MS: u64 = 40;

/// Longest wait for the last finals of a call that has ended.
const LAST_FINALS_S_MAX: u64 = 60;

/// China keeps one civil time, UTC+8, without summer time.
const CHINA_OFFSET_MS: i64 = 8 * 3_600_000;

/// Runs on the application runtime; signalling only hands calls over.
pub struct Pipeline {
    runtime: Handle,
    tasks: TaskTracker,
    recogniser: Option<AsrClient>,
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    events: EventBus,
    tagger: Tagger,
    streams: AtomicU64,
}

/// One party's voice in one call.
pub struct Heard {
    pub call: CallId,
    pub party: Party,
    pub caller: Pii<String>,
    pub called: String,
    pub started_at: UnixMillis,
    pub tap: RecogniserTap,
    /// Told whenever words are heard, so that the call knows its caller is there.
    pub speech: mpsc::Sender<Input>,
}

impl Pipeline {
    /// Without a recogniser calls are recorded and their tickets stay empty.
    pub fn new(
        runtime: Handle,
        recogniser: Option<AsrClient>,
        store: Store,
        events: EventBus,
        tagger: Tagger,
    ) -> Self {
        let streams = AtomicU64::new(1);
        Self {
            runtime,
            tasks: TaskTracker::new(),
            recogniser,
            shared: Arc::new(Shared { store, events, tagger, streams }),
        }
    }

    /// Whether calls need a tap for the recogniser.
    pub fn recognises(&self) -> bool {
        self.recogniser.is_some()
    }

    /// Listens to one party until its audio ends and its last words are stored.
    pub fn listen(&self, heard: Heard) {
        let Some(recogniser) = &self.recogniser else { return };
        let key = self.shared.streams.fetch_add(1, Ordering::Relaxed);
        let (sender, events) = recogniser.open_stream(key);
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn_on(shared.follow(heard, sender, events), &self.runtime);
    }

    /// Waits for the last words of calls that have ended.
    pub async fn finish(&self, at_most: Duration) {
        self.tasks.close();
        let _ = timeout(at_most, self.tasks.wait()).await;
    }
}

impl Shared {
    async fn follow(
        self: Arc<Self>,
        heard: Heard,
        sender: StreamSender,
        events: mpsc::Receiver<AsrEvent>,
    ) {
        let Heard { call, party, caller, called, started_at, tap, speech } = heard;
        let context = CallContext {
            caller_number: Some(caller),
            called_number: called,
            started_at: CivilTime::from_unix_ms(started_at.0 + CHINA_OFFSET_MS),
        };
        let mut transcript = Transcript {
            shared: &self,
            call,
            party,
            context,
            speech,
            ids: HashMap::new(),
            said: Vec::new(),
        };
        let pushing = push_audio(tap, sender);
        let reading = transcript.read(events);
        tokio::pin!(pushing, reading);
        tokio::select! {
            () = &mut pushing => {
                if timeout(Duration::from_secs(LAST_FINALS_S_MAX), reading).await.is_err() {
                    tracing::warn!(%call, "the recogniser did not deliver a call's last words");
                }
            }
            () = &mut reading => pushing.await,
        }
        self.events.publish(Event::TranscriptComplete { call });
    }
}

/// Carries audio from the media thread's tap to the recogniser until the leg is closed.
async fn push_audio(mut tap: RecogniserTap, sender: StreamSender) {
    let mut ticks = interval(Duration::from_millis(PUSH_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // Asked before the frames are taken, so that the last frame is not missed.
        let closed = tap.is_closed();
        while let Some(frame) = tap.pop() {
            sender.push(frame.sample_index, &frame.samples);
        }
        if closed {
            break;
        }
    }
    sender.finish();
}

/// One party's transcript as it grows.
struct Transcript<'a> {
    shared: &'a Shared,
    call: CallId,
    party: Party,
    context: CallContext,
    speech: mpsc::Sender<Input>,
    /// The recogniser numbers segments; the product gives them ids.
    ids: HashMap<u32, SegmentId>,
    said: Vec<qingting_nlu::Segment>,
}

impl Transcript<'_> {
    async fn read(&mut self, mut events: mpsc::Receiver<AsrEvent>) {
        while let Some(event) = events.recv().await {
            match event {
                AsrEvent::SpeechStarted { .. } => self.alive(),
                AsrEvent::Partial(words) => {
                    self.alive();
                    self.caption(&words, false);
                }
                AsrEvent::Final(words) => {
                    self.alive();
                    self.keep(words).await;
                }
                AsrEvent::Gap { from_ms, to_ms } => self.gap(from_ms, to_ms).await,
                AsrEvent::Ended => break,
            }
        }
    }

    fn alive(&self) {
        // Only a hint to the silence timer: a full inbox means that the call is being told already.
        let _ = self.speech.try_send(Input::SpeechHeard);
    }

    fn id(&mut self, segment: u32) -> SegmentId {
        *self.ids.entry(segment).or_insert_with(|| SegmentId::new(uuid::Uuid::now_v7()))
    }

    fn caption(&mut self, words: &qingting_asr::Words, is_final: bool) {
        let segment = self.id(words.segment);
        self.shared.events.publish(Event::Caption {
            call: self.call,
            segment,
            party: self.party,
            start_ms: words.start_ms,
            end_ms: words.end_ms,
            text: Pii::new(words.text.clone()),
            is_final,
            confidence: words.confidence,
        });
    }

    /// A final: tags of the whole transcript so far, then one transaction, then events.
    async fn keep(&mut self, words: qingting_asr::Words) {
        self.caption(&words, true);
        if words.text.is_empty() {
            return;
        }
        let id = self.id(words.segment);
        self.said.push(qingting_nlu::Segment {
            id,
            party: self.party,
            start_ms: words.start_ms,
            text: words.text.clone(),
        });
        let tags = self.shared.tagger.tag(&self.said, &self.context);
        let segment = FinalSegment {
            id,
            party: self.party,
            start_ms: words.start_ms,
            end_ms: words.end_ms,
            text: Pii::new(words.text),
            confidence: words.confidence,
        };
        match self.shared.store.record_final(self.call, segment, tags).await {
            Ok(update) if update.changed.is_empty() => {}
            Ok(update) => self.shared.events.publish(Event::TicketUpdated {
                ticket: update.ticket,
                call: self.call,
                revision: update.revision,
                changed: update.changed,
                draft: update.draft,
            }),
            Err(error) => {
                tracing::error!(call = %self.call, %error, "a sentence is not stored");
            }
        }
    }

    async fn gap(&mut self, from_ms: u64, to_ms: u64) {
        if let Err(error) = self.shared.store.record_gap(self.call, from_ms, to_ms).await {
            tracing::error!(call = %self.call, %error, "a gap in the captions is not stored");
        }
        self.shared.events.publish(Event::CaptionGap { call: self.call, from_ms, to_ms });
    }
}

/// The wall clock, for tests of the context.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_at_midnight_in_beijing_is_on_the_new_day() {
        let midnight_utc8 = 1_764_000_000_000 / 86_400_000 * 86_400_000 - CHINA_OFFSET_MS;
        let civil = CivilTime::from_unix_ms(midnight_utc8 + CHINA_OFFSET_MS);
        assert_eq!((civil.hour, civil.minute), (0, 0));
        let _ = clock::unix();
    }
}
