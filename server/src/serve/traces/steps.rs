//! Work that is done one piece after the other: a sentence's way into the ticket, a call's books.

use super::Traces;
use super::span::{Moment, Span, Value};
use crate::clock;
use crate::serve::books::Entry;
use qingting_asr::client::Heard;
use qingting_common::ids::Party;
use qingting_common::{CallId, UnixMillis};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// A sentence on its way from the recogniser to the store.
pub struct Sentence {
    traces: Traces,
    call: CallId,
    party: Party,
    from: Moment,
}

impl Sentence {
    /// It was recognised just now; its speech ended at `spoken`.
    pub fn heard(
        traces: &Traces,
        call: CallId,
        party: Party,
        spoken: UnixMillis,
        heard: &Heard,
    ) -> Self {
        let now = now();
        let took = (heard.took_ms > 0).then_some(heard.took_ms);
        let span = Span::new("recognition.sentence", Moment::from(spoken).min(now), now)
            .with("qingting.party", party.as_str())
            .with("qingting.worker", Value::Configured(Arc::clone(&heard.worker)))
            .with_some("qingting.decode_ms", took);
        traces.tell(call, span);
        Self { traces: traces.clone(), call, party, from: now }
    }

    /// The next piece begins.
    pub fn begin(&mut self) {
        self.from = now();
    }

    /// Does a piece that does not wait.
    pub fn doing<T>(&mut self, name: &'static str, work: impl FnOnce() -> T) -> T {
        self.begin();
        let done = work();
        self.ended(name, true);
        done
    }

    /// The piece that was begun is done, or came to nothing.
    pub fn ended(&self, name: &'static str, is_done: bool) {
        let span = Span::new(name, self.from, now()).with("qingting.party", self.party.as_str());
        self.traces.tell(self.call, outcome(span, is_done));
    }
}

/// A stretch of speech that stayed without text.
pub fn gap(traces: &Traces, call: CallId, party: Party, from: UnixMillis) {
    let now = now();
    let span = Span::new("recognition.gap", Moment::from(from).min(now), now)
        .with("qingting.party", party.as_str())
        .failed(Some("nothing was recognised"));
    traces.tell(call, span);
}

/// The attempt of a callback is stored with this outcome.
pub fn attempt(
    traces: &Traces,
    call: CallId,
    number: u32,
    outcome: &'static str,
    status: Option<u16>,
) {
    // It began with the call's id, before anybody was dialled.
    let span = Span::new("callback.attempt", Moment::default(), now())
        .with("qingting.attempt", number)
        .with("qingting.outcome", outcome)
        .with_some("qingting.sip_status", status);
    traces.tell(call, span);
}

/// A question to the language model.
pub struct Question {
    traces: Traces,
    call: CallId,
    from: Moment,
}

impl Question {
    pub fn begin(traces: &Traces, call: CallId) -> Self {
        Self { traces: traces.clone(), call, from: now() }
    }

    /// It was answered at this price in tokens, or not.
    pub fn answered(self, tokens: Option<u64>) {
        let span = Span::new("language.question", self.from, now())
            .with_some("qingting.tokens", tokens)
            .failed(tokens.is_none().then_some("there was no answer"));
        self.traces.tell(self.call, span);
    }
}

const NOTHING: u8 = 0;
const DONE: u8 = 1;
const FAILED: u8 = 2;

/// A call's writes.
pub struct Writes {
    traces: Traces,
    call: CallId,
    name: &'static str,
    from: Moment,
    outcome: AtomicU8,
}

impl Writes {
    pub fn new(traces: &Traces, call: CallId) -> Self {
        let (traces, from) = (traces.clone(), Moment::default());
        Self { traces, call, name: "", from, outcome: AtomicU8::new(NOTHING) }
    }

    /// An entry is to be written.
    pub fn begin(&mut self, entry: &Entry) {
        (self.name, self.from) = (name(entry), now());
        *self.outcome.get_mut() = NOTHING;
    }

    /// Something of it is in the database, or was given up; a failure counts.
    pub fn wrote(&self, is_done: bool) {
        self.outcome.fetch_max(if is_done { DONE } else { FAILED }, Ordering::Relaxed);
    }

    /// It is done with; of what needed no write nothing is told.
    pub fn end(&self) {
        let outcome_now = self.outcome.load(Ordering::Relaxed);
        if outcome_now != NOTHING {
            let span = Span::new(self.name, self.from, now());
            self.traces.tell(self.call, outcome(span, outcome_now == DONE));
        }
    }
}

fn outcome(span: Span, is_done: bool) -> Span {
    span.failed((!is_done).then_some("it was given up"))
}

const fn name(entry: &Entry) -> &'static str {
    match entry {
        Entry::Begin(..) => "store.begin_call",
        Entry::Answered(..) => "store.answer_call",
        Entry::LegBegan(..) => "store.leg_began",
        Entry::LegAnswered(..) => "store.leg_answered",
        Entry::LegHeard(..) => "store.leg_heard",
        Entry::LegEnded(..) => "store.leg_ended",
        Entry::Route(..) => "store.route_call",
        Entry::Event(..) => "store.call_event",
        Entry::Ended(..) => "store.end_call",
    }
}

fn now() -> Moment {
    Moment(clock::unix_nanos())
}
