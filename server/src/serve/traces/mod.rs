//! OpenTelemetry traces: each call is one trace across signalling, queue, media, recognition, language and store.
//!
//! **A trace's id is its call's id**: who has one finds the other, and every server agrees on which calls are traced.
//! **A collector that is away costs calls nothing**: whoever tells of a span never waits, and what there is no room
//! for is dropped and counted. Nothing here runs on a media thread.

mod call;
mod export;
mod otlp;
mod span;
mod steps;

pub use call::{CallOver, CallTrace, LegOver, LegTrace};
pub use export::Exporter;
pub use steps::{Question, Sentence, Writes, attempt, gap};

use crate::config;
use anyhow::Result;
use export::Told;
use qingting_common::CallId;
use span::Span;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Spans that wait for the collector: about a minute of a thousand calls at once, and some 6 MB.
const SPANS_WAITING_MAX: usize = 16_384;
/// Longest wait for the collector to take what is left when the server stops.
const LAST_MAX: Duration = Duration::from_secs(2);

/// What became of spans since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// The collector took them.
    pub sent: AtomicU64,
    /// There was no room, or the collector refused them.
    pub dropped: AtomicU64,
}

/// The way to the collector; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<Arc<Way>>);

#[derive(Debug)]
struct Way {
    percent: u8,
    told: mpsc::Sender<Told>,
    counters: Arc<Counters>,
}

impl Traces {
    /// As the configuration says, with what sends them; none of both where it names no collector.
    pub fn new(config: &config::Traces, server: &str) -> Result<(Self, Option<Exporter>)> {
        if config.otlp_url.is_empty() {
            return Ok((Self::default(), None));
        }
        let (told, waiting) = mpsc::channel(SPANS_WAITING_MAX);
        let counters = Arc::<Counters>::default();
        let exporter = Exporter::new(config, server, waiting, Arc::clone(&counters))?;
        let way = Way { percent: config.sample_percent, told, counters };
        Ok((Self(Some(Arc::new(way))), Some(exporter)))
    }

    /// Tells of a piece of a call that is done. Never waits.
    pub fn tell(&self, call: CallId, span: Span) {
        let Some(way) = &self.0 else { return };
        if !span::is_sampled(call, way.percent) {
            return;
        }
        let id = Some(span.id.unwrap_or_else(new_id));
        let span = Span { id, ..span }.within(call);
        if way.told.try_send(Told::Span(call, span)).is_err() {
            way.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An id for a span that others will be part of.
    fn id(&self) -> u64 {
        if self.0.is_some() { new_id() } else { 0 }
    }

    /// Lets the collector take what is left, for a short while.
    pub async fn finish(&self) {
        let Some(way) = &self.0 else { return };
        let (done, is_done) = oneshot::channel();
        // Full: the collector is away, and would take nothing now either.
        if way.told.try_send(Told::Last(done)).is_ok() {
            let _ = tokio::time::timeout(LAST_MAX, is_done).await;
        }
    }

    /// None where no traces are wanted.
    pub fn counters(&self) -> Option<&Counters> {
        self.0.as_ref().map(|way| way.counters.as_ref())
    }
}

/// Any id but 0, which is none.
fn new_id() -> u64 {
    rand::random_range(1..=u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::span::Moment;
    use super::*;
    use uuid::Uuid;

    fn traces(percent: u8, room: usize) -> (Traces, mpsc::Receiver<Told>) {
        let (told, waiting) = mpsc::channel(room);
        let way = Way { percent, told, counters: Arc::default() };
        (Traces(Some(Arc::new(way))), waiting)
    }

    fn span() -> Span {
        Span::new("media.leg", Moment(1), Moment(2))
    }

    #[test]
    fn what_there_is_no_room_for_is_dropped_and_counted_and_nobody_waits() {
        let (traces, mut waiting) = traces(100, 2);
        let call = CallId::new(Uuid::now_v7());
        (0..5).for_each(|_| traces.tell(call, span()));
        let counters = traces.counters().unwrap();
        assert_eq!(counters.dropped.load(Ordering::Relaxed), 3);
        let Ok(Told::Span(of, first)) = waiting.try_recv() else { panic!("a span") };
        let Ok(Told::Span(_, second)) = waiting.try_recv() else { panic!("a span") };
        assert_eq!(of, call);
        assert!(first.id.is_some() && first.id != second.id, "each has an id of its own");
        assert_eq!(first.from, span::began(call).unwrap(), "it is not before its call");
    }

    #[test]
    fn of_a_call_that_is_not_sampled_nothing_is_told() {
        let (traces, mut waiting) = traces(0, 2);
        traces.tell(CallId::new(Uuid::now_v7()), span());
        assert!(waiting.try_recv().is_err());
        assert_eq!(traces.counters().unwrap().dropped.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_call_is_told_as_a_whole_when_its_task_is_over_however_that_comes() {
        let (traces, mut waiting) = traces(100, 8);
        let call = CallId::new(Uuid::now_v7());
        let mut trace = CallTrace::new(&traces, call, "inbound");
        trace.queued("综合");
        trace.offered();
        assert!(waiting.try_recv().is_err(), "nothing is over yet");
        drop(trace);
        let names: Vec<_> = std::iter::from_fn(|| match waiting.try_recv() {
            Ok(Told::Span(_, span)) => Some((span.name, span.id, span.failure)),
            _ => None,
        })
        .collect();
        let [("queue.offer", ..), ("queue.wait", ..), ("call", id, failure)] = names[..] else {
            panic!("{names:?}")
        };
        assert_eq!((id, failure), (Some(span::root(call)), Some("server_fault")));
    }

    #[tokio::test]
    async fn a_stop_waits_for_a_collector_that_is_away_no_longer_than_it_may() {
        let (traces, _waiting) = traces(100, 2);
        let before = tokio::time::Instant::now();
        traces.finish().await;
        assert!((LAST_MAX..20 * LAST_MAX).contains(&before.elapsed()), "{:?}", before.elapsed());
    }
}
