//! What a running call remembers for its trace: the call, its way through a queue, its legs.

use super::Traces;
use super::span::{Events, Moment, Parent, Span, Value, began, root};
use crate::clock;
use qingting_common::CallId;
use qingting_sip::DialogEvent;
use qingting_store::{LegEnd, MediaQuality};
use std::sync::Arc;

/// What stands as cause where a call's task ended without saying why.
const FAULT: &str = "server_fault";

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub struct CallOver {
    pub cause: &'static str,
    pub hung_up_by: &'static str,
    pub answered: bool,
    /// The status that refused it.
    pub refused: Option<u16>,
}

impl CallOver {
    /// It was none: nothing of it is stored.
    pub fn refused(status: Option<u16>) -> Self {
        Self { cause: "refused", hung_up_by: "system", answered: false, refused: status }
    }
}

/// A call's own span, **told when this is dropped**: at the end of the call's task, however that comes. Until
/// then what is still to be heard and written is within it.
pub struct CallTrace {
    traces: Traces,
    call: CallId,
    from: Moment,
    direction: &'static str,
    events: Events,
    waiting: Option<Waiting>,
    over: Option<CallOver>,
}

impl CallTrace {
    pub fn new(traces: &Traces, call: CallId, direction: &'static str) -> Self {
        let traces = traces.clone();
        let from = began(call).unwrap_or_else(now);
        let (events, waiting) = (Events::default(), None);
        Self { traces, call, from, direction, events, waiting, over: None }
    }

    /// Something of the whole call.
    pub fn event(&mut self, what: &'static str) {
        self.events.note(what, now());
    }

    /// It waits in a queue.
    pub fn queued(&mut self, queue: &str) {
        self.left_queue("queued_again");
        let id = self.traces.id();
        self.waiting =
            Some(Waiting { id, queue: queue.into(), from: now(), offers: 0, offer: None });
    }

    /// A seat is rung for it.
    pub fn offered(&mut self) {
        self.offer_over("replaced");
        if let Some(waiting) = &mut self.waiting {
            waiting.offered(now());
        }
    }

    /// What became of the offer; without one nothing.
    pub fn offer_over(&mut self, outcome: &'static str) {
        let offer = self.waiting.as_mut().and_then(|waiting| waiting.offer_over(outcome, now()));
        self.tell(offer);
    }

    /// It waits no more; where it does not nothing.
    pub fn left_queue(&mut self, outcome: &'static str) {
        if let Some(waiting) = self.waiting.take() {
            let (offer, wait) = waiting.over(outcome, now());
            self.tell(offer);
            self.tell(Some(wait));
        }
    }

    /// Why it ended; the last word counts.
    pub fn over(&mut self, over: CallOver) {
        if self.over.replace(over).is_none() {
            self.event("ended");
        }
    }

    fn tell(&self, span: Option<Span>) {
        if let Some(span) = span {
            self.traces.tell(self.call, span);
        }
    }
}

impl Drop for CallTrace {
    fn drop(&mut self) {
        self.left_queue("ended");
        let span = Span::new("call", self.from, now());
        let span = span.with("qingting.direction", self.direction);
        let span = match self.over {
            Some(over) => span
                .with("qingting.cause", over.cause)
                .with("qingting.hung_up_by", over.hung_up_by)
                .with("qingting.answered", over.answered)
                .with_some("qingting.sip_status", over.refused),
            None => span.with("qingting.cause", FAULT).failed(Some(FAULT)),
        };
        let (events, id) = (std::mem::take(&mut self.events), Some(root(self.call)));
        self.tell(Some(Span { id, parent: Parent::Nothing, events, ..span }));
    }
}

/// A call in a queue.
struct Waiting {
    id: u64,
    queue: Arc<str>,
    from: Moment,
    offers: u32,
    /// Since when a seat is rung.
    offer: Option<Moment>,
}

impl Waiting {
    fn offered(&mut self, now: Moment) {
        self.offers += 1;
        self.offer = Some(now);
    }

    fn offer_over(&mut self, outcome: &'static str, now: Moment) -> Option<Span> {
        let from = self.offer.take()?;
        let span = Span::new("queue.offer", from, now)
            .with("qingting.offer", self.offers)
            .with("qingting.outcome", outcome);
        Some(Span { parent: Parent::Span(self.id), ..span })
    }

    fn over(mut self, outcome: &'static str, now: Moment) -> (Option<Span>, Span) {
        let offer = self.offer_over(outcome, now);
        let span = Span::new("queue.wait", self.from, now)
            .with("qingting.queue", Value::Configured(self.queue))
            .with("qingting.wait_ms", now.ms_since(self.from))
            .with("qingting.offers", self.offers)
            .with("qingting.outcome", outcome);
        (offer, Span { id: Some(self.id), ..span })
    }
}

/// A leg's signalling and media.
#[derive(Clone, Debug)]
pub struct LegTrace {
    from: Moment,
    media_from: Option<Moment>,
    events: Events,
    /// The last final status that a dial of it was answered with.
    status: Option<u16>,
}

/// What is known of a leg only at its end.
pub struct LegOver<'a> {
    pub number: u32,
    pub role: &'static str,
    pub hung_up_by: &'static str,
    pub cause: &'static str,
    pub is_answered: bool,
    pub end: &'a LegEnd,
}

impl LegTrace {
    pub fn new() -> Self {
        Self { from: now(), media_from: None, events: Events::default(), status: None }
    }

    pub fn event(&mut self, what: &'static str) {
        self.events.note(what, now());
    }

    /// Its RTP socket was opened.
    pub fn media(&mut self) {
        self.media_from.get_or_insert_with(now);
    }

    /// Its dialog said so.
    pub fn dialog(&mut self, event: &DialogEvent) {
        let what = match event {
            DialogEvent::Progress { code: 180, .. } => "ringing",
            DialogEvent::Progress { .. } => "progress",
            DialogEvent::Failed { code, .. } => {
                self.status = Some(*code);
                "failed"
            }
            DialogEvent::Reinvite { .. } => "reinvite",
            DialogEvent::Update { .. } => "update",
            DialogEvent::Refer { .. } => "refer",
            DialogEvent::Cancel => "cancel",
            DialogEvent::Bye { .. } => "bye",
            DialogEvent::AckTimeout => "ack_timeout",
            DialogEvent::TransportLost => "transport_lost",
            DialogEvent::SessionExpired => "session_expired",
            _ => return,
        };
        self.event(what);
    }

    /// Tells of it when all is known.
    pub fn over(self, traces: &Traces, call: CallId, over: &LegOver<'_>) {
        let (signalling, media) = self.spans(over, now());
        traces.tell(call, signalling);
        if let Some(media) = media {
            traces.tell(call, media);
        }
    }

    fn spans(self, over: &LegOver<'_>, now: Moment) -> (Span, Option<Span>) {
        let status = match over.is_answered {
            true => Some(200),
            false => self.status.or(over.end.sip_code),
        };
        let since = |what| Some(self.events.first(what)?.ms_since(self.from));
        let named =
            |span: Span| span.with("qingting.leg", over.number).with("qingting.role", over.role);
        let signalling = named(Span::new("signalling.leg", self.from, over.end.at.into()))
            .with_some("qingting.sip_status", status)
            .with_some("qingting.rang_after_ms", since("ringing"))
            .with_some("qingting.answered_after_ms", since("answered"))
            .with("qingting.cause", over.cause)
            .with("qingting.hung_up_by", over.hung_up_by);
        let media = self.media_from.map(|from| {
            let span = named(Span::new("media.leg", from, now));
            over.end.quality.as_ref().map_or(span.clone(), |quality| heard(span, quality))
        });
        (Span { events: self.events, ..signalling }, media)
    }
}

fn heard(span: Span, quality: &MediaQuality) -> Span {
    span.with("qingting.packets_sent", quality.packets_sent)
        .with("qingting.packets_received", quality.packets_received)
        .with("qingting.packets_lost", quality.packets_lost)
        .with("qingting.jitter_ms", quality.jitter_ms)
        .with_some("qingting.rtt_ms", quality.rtt_ms)
        .with_some("qingting.mos", quality.mos)
}

fn now() -> Moment {
    Moment(clock::unix_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use qingting_common::UnixMillis;
    use qingting_store::LegRef;
    use uuid::Uuid;

    fn at(ms: i64) -> Moment {
        UnixMillis(ms).into()
    }

    fn value<'a>(span: &'a Span, key: &str) -> Option<&'a Value> {
        span.attributes.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    #[test]
    fn an_offer_is_part_of_the_wait_and_over_with_it() {
        let queue = "综合".into();
        let mut waiting = Waiting { id: 7, queue, from: at(0), offers: 0, offer: None };
        waiting.offered(at(100));
        let first = waiting.offer_over("no_answer", at(5_100)).unwrap();
        assert_eq!((first.parent, first.from, first.to), (Parent::Span(7), at(100), at(5_100)));
        assert_eq!(waiting.offer_over("no_answer", at(5_200)), None, "it is over already");
        waiting.offered(at(5_300));
        let (second, wait) = waiting.over("answered", at(6_000));
        let second = second.unwrap();
        assert_eq!((second.from, second.to), (at(5_300), at(6_000)));
        assert_eq!(value(&second, "qingting.offer"), Some(&2_u32.into()));
        assert_eq!(wait.id, Some(7));
        assert_eq!(wait.parent, Parent::Call);
        assert_eq!(value(&wait, "qingting.wait_ms"), Some(&6_000_u64.into()));
        assert_eq!(value(&wait, "qingting.queue"), Some(&Value::Configured("综合".into())));
    }

    #[test]
    fn a_leg_is_a_span_of_signalling_and_one_of_media_with_what_was_measured() {
        let mut leg =
            LegTrace { from: at(0), media_from: None, events: Events::default(), status: None };
        leg.events.note("ringing", at(300));
        leg.events.note("answered", at(2_000));
        leg.media_from = Some(at(10));
        let quality = MediaQuality {
            packets_sent: 500,
            packets_received: 490,
            packets_lost: 10,
            jitter_ms: 1.5,
            rtt_ms: None,
            mos: Some(4.2),
        };
        let reference = LegRef { call: CallId::new(Uuid::now_v7()), slot: 0, seq: 0 };
        let end = LegEnd {
            leg: reference,
            at: UnixMillis(9_000),
            hung_up_by: "caller".to_owned(),
            cause: "caller_hung_up".to_owned(),
            sip_code: None,
            quality: Some(quality),
            track: None,
        };
        let over = LegOver {
            number: 1,
            role: "citizen",
            hung_up_by: "caller",
            cause: "caller_hung_up",
            is_answered: true,
            end: &end,
        };
        let (signalling, media) = leg.clone().spans(&over, at(9_040));
        assert_eq!((signalling.from, signalling.to), (at(0), at(9_000)));
        assert_eq!(value(&signalling, "qingting.sip_status"), Some(&200_u16.into()));
        assert_eq!(value(&signalling, "qingting.rang_after_ms"), Some(&300_u64.into()));
        assert_eq!(value(&signalling, "qingting.answered_after_ms"), Some(&2_000_u64.into()));
        assert_eq!(signalling.events.noted.len(), 2);
        let media = media.unwrap();
        assert_eq!((media.from, media.to), (at(10), at(9_040)));
        assert_eq!(value(&media, "qingting.packets_lost"), Some(&10_u64.into()));
        assert_eq!(value(&media, "qingting.mos"), Some(&4.2.into()));
        assert_eq!(value(&media, "qingting.rtt_ms"), None);

        // One that a telephone refused has its status, and without a socket no media.
        let busy = LegTrace { status: Some(486), media_from: None, ..leg };
        let (signalling, media) = busy.spans(&LegOver { is_answered: false, ..over }, at(9_040));
        assert_eq!(value(&signalling, "qingting.sip_status"), Some(&486_u16.into()));
        assert_eq!(media, None);
    }
}
