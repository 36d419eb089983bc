//! What happens in calls, to everyone who listens, without waiting for any of them.

mod ears;
mod event;
mod log;

pub(crate) use ears::Ears;
pub use event::Event;
pub use log::follow;

use crate::clock;
use qingting_common::{CallId, UnixMillis};
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::broadcast;

/// Events kept for listeners that come back, and the most that a slow one may be behind.
pub const EVENTS_KEPT_MAX: usize = 4_096;

/// Bytes of the events kept, about; the oldest go first.
pub const EVENTS_KEPT_BYTES_MAX: usize = 8 << 20;

/// An event with its place in the stream.
#[derive(Clone, Debug, Serialize)]
pub struct Published {
    /// Counts from 1 since the server started.
    pub seq: u64,
    /// When it was published.
    pub at: UnixMillis,
    /// The event; its fields stand beside `seq` and `at`.
    #[serde(flatten)]
    pub event: Event,
}

/// Hands events to listeners. Clones share it.
#[derive(Clone)]
pub struct EventBus {
    ring: Arc<Mutex<Ring>>,
    live: broadcast::Sender<Arc<Published>>,
    others: Arc<OnceLock<Others>>,
}

/// Tells other servers. Must not block.
type Others = Box<dyn Fn(&Event) + Send + Sync>;

struct Ring {
    seq: u64,
    bytes: usize,
    kept: VecDeque<Arc<Published>>,
    /// How recognition is, while it is not as usual: nobody who comes later would know.
    recognition: Option<Arc<Published>>,
}

/// Where a listener starts.
pub(crate) struct Subscription {
    /// Events that the listener asked for and that are no longer kept.
    pub(crate) missed: u64,
    pub(crate) backlog: Vec<Arc<Published>>,
    pub(crate) live: broadcast::Receiver<Arc<Published>>,
}

impl Default for EventBus {
    fn default() -> Self {
        Self::new()
    }
}

impl EventBus {
    /// A bus without listeners.
    pub fn new() -> Self {
        let ring = Ring { seq: 0, bytes: 0, kept: VecDeque::new(), recognition: None };
        let (ring, live) = (Arc::new(Mutex::new(ring)), broadcast::Sender::new(EVENTS_KEPT_MAX));
        Self { ring, live, others: Arc::default() }
    }

    /// From now on other servers are told of what is published here, by this. The first call counts.
    pub fn tell_others(&self, tell: impl Fn(&Event) + Send + Sync + 'static) {
        let _ = self.others.set(Box::new(tell));
    }

    /// Publishes an event and returns its number. Never waits: a listener that is too slow loses
    /// the oldest events and is told how many.
    pub fn publish(&self, event: Event) -> u64 {
        if let Some(tell) = self.others.get().filter(|_| event.is_for_all()) {
            tell(&event);
        }
        self.publish_here(event)
    }

    /// The same of another server's event.
    pub fn publish_here(&self, event: Event) -> u64 {
        let mut ring = self.lock();
        ring.seq += 1;
        let published = Arc::new(Published { seq: ring.seq, at: clock::now(), event });
        ring.bytes += published.event.bytes();
        if let Event::Recognition { notice, .. } = &published.event {
            ring.recognition = (!notice.is_empty()).then(|| published.clone());
        }
        ring.kept.push_back(published.clone());
        while ring.kept.len() > EVENTS_KEPT_MAX || ring.bytes > EVENTS_KEPT_BYTES_MAX {
            let Some(oldest) = ring.kept.pop_front() else { break };
            ring.bytes -= oldest.event.bytes();
        }
        // Under the lock, so that the order on the wire is the order of numbers. An error means
        // that nobody listens.
        let _ = self.live.send(published);
        ring.seq
    }

    /// Forgets what was published of these calls: who comes back is told nothing of them any more.
    pub fn forget(&self, calls: impl Fn(CallId) -> bool) {
        let mut ring = self.lock();
        ring.kept.retain(|published| !published.event.call().is_some_and(&calls));
        ring.bytes = ring.kept.iter().map(|published| published.event.bytes()).sum();
    }

    /// How many listen now; for metrics.
    pub fn listeners(&self) -> usize {
        self.live.receiver_count()
    }

    /// Everything after `after` that is still kept, and what comes from now on, without a gap or
    /// a repeat between them. A number from the future is of an earlier run of the server: then
    /// everything kept is new. A listener that is new is told of recognition that is not as usual.
    pub(crate) fn subscribe(&self, after: Option<u64>) -> Subscription {
        let ring = self.lock();
        let is_new = after.is_none();
        let after = after.map_or(ring.seq, |seq| if seq > ring.seq { 0 } else { seq });
        let recognition = ring.recognition.iter().filter(|_| is_new);
        let oldest = ring.kept.front().map_or(ring.seq + 1, |published| published.seq);
        Subscription {
            missed: oldest.saturating_sub(after + 1),
            backlog: recognition
                .chain(ring.kept.iter().filter(|p| p.seq > after))
                .cloned()
                .collect(),
            live: self.live.subscribe(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qingting_common::{CallId, TicketId};
    use qingting_nlu::draft::{Field, TicketDraft};

    fn answered(n: u128) -> Event {
        Event::CallAnswered { call: CallId::new(uuid::Uuid::from_u128(n)) }
    }

    #[tokio::test]
    async fn a_listener_that_comes_back_gets_what_it_missed_and_then_the_rest() {
        let bus = EventBus::new();
        (1..=3).for_each(|n| {
            bus.publish(answered(n));
        });
        let mut subscription = bus.subscribe(Some(1));
        bus.publish(answered(4));
        let seqs: Vec<_> = subscription.backlog.iter().map(|p| p.seq).collect();
        assert_eq!((seqs, subscription.missed), (vec![2, 3], 0));
        assert_eq!(subscription.live.recv().await.unwrap().seq, 4);
    }

    #[test]
    fn who_comes_late_is_told_that_captions_are_late() {
        let bus = EventBus::new();
        let told = |bus: &EventBus, after| -> Vec<u64> {
            bus.subscribe(after).backlog.iter().map(|published| published.seq).collect()
        };
        bus.publish(Event::Recognition {
            level: "no_partials".into(),
            up: true,
            notice: "识别繁忙".into(),
        });
        bus.publish(answered(1));
        assert_eq!(told(&bus, None), [1]);
        assert_eq!(told(&bus, Some(1)), [2], "who was there knows");
        assert_eq!(told(&bus, Some(0)), [1, 2], "once");
        bus.publish(Event::Recognition { level: "full".into(), up: true, notice: "".into() });
        assert_eq!(told(&bus, None), [0; 0]);
    }

    #[test]
    fn what_is_no_longer_kept_is_counted() {
        let bus = EventBus::new();
        for n in 0..EVENTS_KEPT_MAX as u128 + 10 {
            bus.publish(answered(n));
        }
        assert_eq!(bus.subscribe(Some(2)).missed, 8);
        assert_eq!(bus.subscribe(None).backlog.len(), 0);
    }

    #[test]
    fn long_texts_are_kept_for_less_long() {
        let bus = EventBus::new();
        let mut draft = TicketDraft::default();
        draft.edit(Field::Place, "五栋".into());
        draft.edit(Field::Description, "诉".repeat(EVENTS_KEPT_BYTES_MAX / 10 / 3));
        let call = CallId::new(uuid::Uuid::nil());
        let ticket = TicketId::new(uuid::Uuid::nil());
        for revision in 0..20 {
            let changed = vec![Field::Description];
            bus.publish(Event::ticket_updated(ticket, call, revision, changed, &draft));
        }
        let kept = bus.subscribe(Some(0)).backlog;
        assert_eq!(kept.len(), 9);
        let event = serde_json::to_value(&*kept[0]).unwrap();
        assert!(event["draft"]["description"]["value"].is_string());
        assert!(event["draft"]["place"].is_null());
    }
}
