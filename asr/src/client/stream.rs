//! What the client keeps of one stream: audio to send and to send again, and what its consumer is
//! still owed. Pure: no socket, no clock.

use super::{AsrEvent, Heard, WORKER_SILENT_MAX};
use crate::text::Text;
use crate::wire::{self, Event, Message};
use qingting_common::Pii;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Audio kept for sending and sending again, in samples at 8 kHz (15 s).
const KEPT_SAMPLES_MAX: usize = 15 * 8_000;
/// Events waiting for the consumer of one stream. Partials and beginnings are dropped from half of
/// it on; finals leave [`RESERVED`] places.
pub(super) const EVENTS_WAITING_MAX: usize = 256;
/// Places for the last two events, so that no stream ends without its gap and its `Ended`.
const RESERVED: usize = 2;
/// Audio before the resumed position that is sent again, so that no first syllable is lost.
const REPLAY_BEFORE_MS: u64 = 300;
/// Workers that may be lost in one segment: at the last its audio is taken for what kills them.
const SEGMENT_LOSSES_MAX: u32 = 2;
/// Audio before the end of what was sent that a lost worker may not have listened to: it can have
/// been stuck for as long as it may be silent, and reports once a second.
const UNCERTAIN_SAMPLES: u64 = (WORKER_SILENT_MAX.as_millis() as u64 + 3_000) * SAMPLES_PER_MS;
const SAMPLES_PER_MS: u64 = 8;

pub(super) struct Stream {
    events: mpsc::Sender<AsrEvent>,
    /// Kept audio; `base` is the index of its first sample.
    audio: VecDeque<i16>,
    base: u64,
    /// Up to here audio was sent to the present worker.
    sent: u64,
    /// The present worker knows the stream.
    is_open: bool,
    /// The present worker was told that no more comes.
    is_closed: bool,
    /// No more audio comes; the number tells which stream finished first.
    finished: Option<u64>,
    is_offline: bool,
    /// What may be said next, and whether the present worker knows.
    expected: String,
    is_told: bool,
    /// Segments begun without a final, and where they began.
    unfinished: BTreeMap<u32, u64>,
    next_segment: u32,
    /// Workers lost since the last segment was done.
    losses: u32,
    /// End of the newest final, as a sample index.
    heard_to: u64,
    /// What the consumer had no room to be told, in ms.
    owed: Option<Range<u64>>,
    finals_lost: u64,
    /// Who hears it now.
    worker: Arc<str>,
}

impl Stream {
    pub(super) fn new(events: mpsc::Sender<AsrEvent>, is_offline: bool) -> Self {
        Self {
            events,
            audio: VecDeque::new(),
            base: 0,
            sent: 0,
            is_open: false,
            is_closed: false,
            finished: None,
            is_offline,
            expected: String::new(),
            is_told: true,
            unfinished: BTreeMap::new(),
            next_segment: 0,
            losses: 0,
            heard_to: 0,
            owed: None,
            finals_lost: 0,
            worker: Arc::from(""),
        }
    }

    /// The present worker has it open and was not told to close it.
    pub(super) fn must_be_closed(&self) -> bool {
        self.is_open && !self.is_closed
    }

    /// The worker has said its last word on it.
    pub(super) fn is_over(&self) -> bool {
        self.is_closed && !self.is_open
    }

    /// Nobody listens.
    pub(super) fn is_forsaken(&self) -> bool {
        self.events.is_closed()
    }

    pub(super) fn finished(&self) -> Option<u64> {
        self.finished
    }

    pub(super) fn finals_lost(&self) -> u64 {
        self.finals_lost
    }

    pub(super) fn push(&mut self, index: u64, samples: &[i16]) {
        if self.end() == 0 {
            // It begins there: before it is nothing that could be missing.
            (self.base, self.sent) = (index, index);
        }
        let missing = index.saturating_sub(self.end());
        if missing > KEPT_SAMPLES_MAX as u64 {
            // What was not sent yet is lost: `sent` stays where it is, and a gap will say so.
            if self.sent >= self.end() {
                self.sent = index;
            }
            self.audio.clear();
            self.base = index;
        } else {
            self.audio.extend(std::iter::repeat_n(0, missing as usize));
        }
        let known = usize::try_from(self.end().saturating_sub(index)).unwrap_or(usize::MAX);
        self.audio.extend(samples.get(known..).unwrap_or_default());
        self.drop_first(self.audio.len().saturating_sub(KEPT_SAMPLES_MAX));
    }

    /// What is sent from here on may say this.
    pub(super) fn expect(&mut self, words: &str) {
        words.clone_into(&mut self.expected);
        self.is_told = false;
    }

    /// No more audio comes. `number` grows from one finished stream to the next.
    pub(super) fn finish(&mut self, number: u64) {
        self.finished = Some(number);
        self.trim();
    }

    /// Writes what is to be sent to the worker now.
    pub(super) fn outgoing(&mut self, key: u64, out: &mut Vec<u8>) {
        if self.is_closed {
            return;
        }
        if self.sent < self.base {
            self.gap(self.sent, self.base);
            self.sent = self.base;
        }
        if !self.is_open {
            self.is_open = true;
            let open = Message::Open {
                stream: key,
                rate_hz: 8_000,
                start_sample: self.sent,
                first_segment: self.next_segment,
                is_offline: self.is_offline,
            };
            out.extend(open.encode());
            self.is_told = self.expected.is_empty();
        }
        if !self.is_told {
            self.is_told = true;
            let words = self.expected.clone();
            out.extend(Message::Expect { stream: key, words }.encode());
        }
        while self.sent < self.end() {
            let from = (self.sent - self.base) as usize;
            let to = self.audio.len().min(from + wire::AUDIO_SAMPLES_MAX);
            let samples: Vec<i16> = self.audio.range(from..to).copied().collect();
            let start_sample = self.sent;
            self.sent += samples.len() as u64;
            out.extend(Message::Audio { stream: key, start_sample, samples }.encode());
        }
        if self.finished.is_some() {
            self.is_closed = true;
            out.extend(Message::Close { stream: key }.encode());
        }
    }

    /// The worker is gone: the next one gets what this one may not have finished. Audio with which
    /// several were lost is a gap: it would take one worker after the other.
    pub(super) fn rewind(&mut self) {
        let begun = self.unfinished.values().next().copied();
        self.losses += u32::from(begun.is_some());
        if let Some(start_ms) = begun.filter(|_| self.losses >= SEGMENT_LOSSES_MAX) {
            let from = start_ms.saturating_mul(SAMPLES_PER_MS);
            self.next_segment =
                self.next_segment.max(*self.unfinished.keys().next_back().unwrap_or(&0) + 1);
            self.unfinished.clear();
            self.gap(from, self.end());
            (self.sent, self.heard_to, self.losses) = (self.end(), self.end(), 0);
        }
        self.sent = self.replay_from();
        if let Some((segment, start_ms)) = self.unfinished.pop_first() {
            self.next_segment = segment;
            let start = start_ms.saturating_mul(SAMPLES_PER_MS);
            // When the segment's beginning is kept no more, the gap begins with the segment.
            self.sent = if start < self.base { start } else { self.sent.max(self.base) };
        }
        self.unfinished.clear();
        (self.is_open, self.is_closed) = (false, false);
    }

    /// What comes next is this worker's.
    pub(super) fn heard_by(&mut self, worker: &Arc<str>) {
        if !Arc::ptr_eq(&self.worker, worker) {
            self.worker = Arc::clone(worker);
        }
    }

    /// Takes what the worker says; `display` is what a seat reads of it.
    pub(super) fn heard(&mut self, event: Event, display: Text) {
        match event {
            Event::Started { segment, at_ms, .. } => {
                self.unfinished.insert(segment, at_ms);
                self.next_segment = self.next_segment.max(segment.saturating_add(1));
                self.tell(AsrEvent::SpeechStarted { at_ms });
            }
            Event::Result {
                segment,
                is_final,
                start_ms,
                end_ms,
                text,
                confidence,
                expected,
                took_ms,
                ..
            } => {
                let worker = Arc::clone(&self.worker);
                let expected = expected.map(Pii::new);
                let (display, raw) = (Pii::new(display), Pii::new(text));
                let heard = Heard {
                    segment,
                    start_ms,
                    end_ms,
                    raw,
                    display,
                    confidence,
                    expected,
                    worker,
                    took_ms,
                };
                if !is_final {
                    // A live engine may still speak of a segment that another has finished.
                    if self.unfinished.contains_key(&segment) {
                        self.tell(AsrEvent::Partial(heard));
                    }
                    return;
                }
                self.done(segment, end_ms, AsrEvent::Final(heard));
            }
            Event::Skipped { segment, start_ms, end_ms, .. } => {
                let gap = AsrEvent::Gap { from_ms: start_ms, to_ms: end_ms };
                self.done(segment, end_ms, gap);
            }
            Event::Ended { .. } if self.is_closed => {
                self.is_open = false;
                self.end_events();
            }
            // A worker that has no place for the stream.
            Event::Ended { .. } => {
                (self.is_open, self.is_closed) = (false, true);
                self.give_up();
            }
            Event::Stats { .. } => {}
        }
    }

    /// The worker has no more to say on this segment than `event`.
    fn done(&mut self, segment: u32, end_ms: u64, event: AsrEvent) {
        self.unfinished.remove(&segment);
        self.losses = 0;
        self.heard_to = self.heard_to.max(end_ms.saturating_mul(SAMPLES_PER_MS));
        self.tell(event);
        if self.finished.is_some() {
            self.trim();
        }
    }

    /// Tells the consumer what it is owed, if there is room by now.
    pub(super) fn settle(&mut self) {
        if self.events.capacity() <= RESERVED {
            return;
        }
        self.send_owed();
    }

    /// Nothing more will be recognised: says which part was not, and ends.
    pub(super) fn give_up(&mut self) {
        let begun = self.unfinished.values().next();
        let from = begun.map_or(self.replay_from(), |ms| ms.saturating_mul(SAMPLES_PER_MS));
        if from < self.end() {
            self.gap(from, self.end());
        }
        self.end_events();
    }

    fn end(&self) -> u64 {
        self.base + self.audio.len() as u64
    }

    /// Where a next worker would have to begin.
    fn replay_from(&self) -> u64 {
        let from = match self.unfinished.values().next() {
            Some(ms) => {
                let start = ms.saturating_mul(SAMPLES_PER_MS);
                let before = start.saturating_sub(REPLAY_BEFORE_MS * SAMPLES_PER_MS);
                // What the sentence before ends with is not heard twice.
                before.max(self.heard_to.min(start))
            }
            None => self.heard_to.max(self.sent.saturating_sub(UNCERTAIN_SAMPLES)),
        };
        from.min(self.sent)
    }

    /// Forgets the audio that no worker will be asked for again.
    fn trim(&mut self) {
        let spare = self.replay_from().saturating_sub(self.base);
        self.drop_first(self.audio.len().min(spare as usize));
        self.audio.shrink_to_fit();
    }

    fn drop_first(&mut self, samples: usize) {
        self.audio.drain(..samples);
        self.base += samples as u64;
    }

    fn gap(&mut self, from: u64, to: u64) {
        let (from_ms, to_ms) = (from / SAMPLES_PER_MS, to / SAMPLES_PER_MS);
        self.tell(AsrEvent::Gap { from_ms, to_ms });
    }

    /// Tells the consumer in order: while it is owed a gap it gets no final.
    fn tell(&mut self, event: AsrEvent) {
        self.settle();
        let (lost, places_left) = match &event {
            AsrEvent::Final(heard) => (Some(heard.start_ms..heard.end_ms), RESERVED),
            AsrEvent::Gap { from_ms, to_ms } => (Some(*from_ms..*to_ms), RESERVED),
            _ => (None, EVENTS_WAITING_MAX / 2),
        };
        if self.owed.is_none() && self.events.capacity() > places_left {
            // A consumer that is gone has nobody to be told.
            let _ = self.events.try_send(event);
            return;
        }
        let Some(lost) = lost else { return };
        self.finals_lost += u64::from(matches!(event, AsrEvent::Final(_)));
        let owed = self.owed.get_or_insert(lost.clone());
        *owed = owed.start.min(lost.start)..owed.end.max(lost.end);
    }

    /// Uses the reserved places: both events always fit.
    fn end_events(&mut self) {
        self.send_owed();
        let _ = self.events.try_send(AsrEvent::Ended);
    }

    fn send_owed(&mut self) {
        if let Some(Range { start: from_ms, end: to_ms }) = self.owed.take() {
            let _ = self.events.try_send(AsrEvent::Gap { from_ms, to_ms });
        }
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "one stretch of voice is meant")]
mod tests {
    use super::*;

    const SECOND: u64 = 8_000;

    fn stream() -> (Stream, mpsc::Receiver<AsrEvent>) {
        let (sender, receiver) = mpsc::channel(EVENTS_WAITING_MAX);
        (Stream::new(sender, false), receiver)
    }

    fn result(segment: u32, start_ms: u64, end_ms: u64) -> Event {
        let text = Text::over("一", &[start_ms..end_ms]);
        let (stream, is_final, confidence) = (1, true, 0.9);
        Event::Result {
            stream,
            segment,
            is_final,
            start_ms,
            end_ms,
            text,
            confidence,
            expected: None,
            took_ms: 0,
        }
    }

    fn seconds(stream: &mut Stream, count: u64) {
        for _ in 0..count {
            stream.push(stream.end(), &[0; SECOND as usize]);
            stream.outgoing(1, &mut Vec::new());
        }
    }

    #[test]
    fn audio_that_takes_one_worker_after_the_other_becomes_a_gap() {
        let (mut stream, mut events) = stream();
        stream.push(0, &vec![0; 3 * SECOND as usize]);
        for _ in 0..SEGMENT_LOSSES_MAX {
            stream.outgoing(1, &mut Vec::new());
            stream.heard(Event::Started { stream: 1, segment: 0, at_ms: 500 }, Text::default());
            stream.rewind();
        }
        let told: Vec<AsrEvent> = std::iter::from_fn(|| events.try_recv().ok()).collect();
        assert_eq!(told.last(), Some(&AsrEvent::Gap { from_ms: 500, to_ms: 3_000 }));
        stream.push(3 * SECOND, &vec![0; SECOND as usize]);
        let mut out = Vec::new();
        stream.outgoing(1, &mut out);
        let open = crate::wire::read_message(&mut &out[..]).expect("well-formed");
        assert!(matches!(open, Some(Message::Open { start_sample: 24_000, first_segment: 1, .. })));
    }

    #[test]
    fn what_is_expected_is_told_before_the_audio_that_may_say_it_and_to_the_next_worker_again() {
        let (mut stream, _events) = stream();
        let told = |stream: &mut Stream| {
            stream.push(stream.end(), &[0; 800]);
            let mut out = Vec::new();
            stream.outgoing(1, &mut out);
            let mut reading = &out[..];
            let messages = std::iter::from_fn(|| crate::wire::read_message(&mut reading).ok()?);
            let kind = |message| match message {
                Message::Open { .. } => "open".to_owned(),
                Message::Expect { words, .. } => words,
                _ => "audio".to_owned(),
            };
            messages.map(kind).collect::<Vec<_>>()
        };
        assert_eq!(told(&mut stream), ["open", "audio"]);
        stream.expect("满意吗");
        assert_eq!(told(&mut stream), ["满意吗", "audio"]);
        assert_eq!(told(&mut stream), ["audio"]);
        stream.rewind();
        assert_eq!(told(&mut stream), ["open", "满意吗", "audio"]);
        stream.expect("");
        assert_eq!(told(&mut stream), ["", "audio"]);
        stream.rewind();
        assert_eq!(told(&mut stream), ["open", "audio"]);
    }

    #[test]
    fn a_partial_that_comes_after_its_final_is_not_told() {
        let (mut stream, mut events) = stream();
        let partial = Event::Result {
            stream: 1,
            segment: 0,
            is_final: false,
            start_ms: 0,
            end_ms: 900,
            text: Text::default(),
            confidence: 1.0,
            expected: None,
            took_ms: 0,
        };
        stream.heard(Event::Started { stream: 1, segment: 0, at_ms: 0 }, Text::default());
        stream.heard(result(0, 0, 900), Text::default());
        stream.heard(partial, Text::default());
        let told: Vec<AsrEvent> = std::iter::from_fn(|| events.try_recv().ok()).collect();
        assert!(matches!(told[..], [AsrEvent::SpeechStarted { .. }, AsrEvent::Final(_)]));
    }

    #[test]
    fn a_stream_that_begins_late_has_no_gap_before_it() {
        let (mut stream, mut events) = stream();
        let mut out = Vec::new();
        stream.push(14 * SECOND + 4_000, &vec![0; SECOND as usize]);
        stream.outgoing(1, &mut out);
        assert!(events.try_recv().is_err());
        let open = crate::wire::read_message(&mut &out[..]).expect("well-formed");
        assert!(matches!(open, Some(Message::Open { start_sample: 116_000, .. })));
    }

    #[test]
    fn a_finished_stream_keeps_audio_from_its_first_unfinished_segment_on() {
        let (mut stream, _events) = stream();
        seconds(&mut stream, 14);
        for (segment, at_ms) in [(0, 1_000), (1, 6_000), (2, 12_000)] {
            stream.heard(Event::Started { stream: 1, segment, at_ms }, Text::default());
        }
        stream.heard(result(0, 1_000, 5_000), Text::default());
        stream.finish(0);
        assert_eq!(stream.base, (6_000 - REPLAY_BEFORE_MS) * SAMPLES_PER_MS);
        stream.heard(result(1, 6_000, 11_000), Text::default());
        assert_eq!(stream.base, (12_000 - REPLAY_BEFORE_MS) * SAMPLES_PER_MS);
        assert!(stream.audio.capacity() <= 3 * SECOND as usize, "{}", stream.audio.capacity());
    }

    #[test]
    fn audio_sent_to_a_stuck_worker_is_sent_again() {
        let (mut stream, _events) = stream();
        seconds(&mut stream, 3);
        stream.heard(Event::Started { stream: 1, segment: 0, at_ms: 1_000 }, Text::default());
        stream.heard(result(0, 1_000, 2_000), Text::default());
        seconds(&mut stream, 5);
        stream.rewind();
        assert_eq!((stream.sent, stream.next_segment), (2 * SECOND, 1));
    }

    #[test]
    fn an_outage_longer_than_the_buffer_is_one_gap_from_the_unfinished_segment_on() {
        let (mut stream, mut events) = stream();
        seconds(&mut stream, 10);
        stream.heard(Event::Started { stream: 1, segment: 0, at_ms: 9_000 }, Text::default());
        stream.rewind();
        for second in 10..30 {
            stream.push(second * SECOND, &[0; SECOND as usize]);
        }
        stream.outgoing(1, &mut Vec::new());
        assert_eq!(events.try_recv(), Ok(AsrEvent::SpeechStarted { at_ms: 9_000 }));
        assert_eq!(events.try_recv(), Ok(AsrEvent::Gap { from_ms: 8_700, to_ms: 15_000 }));
        assert!(events.try_recv().is_err());
    }

    #[test]
    fn a_stream_ends_with_its_gap_and_its_end_however_full_its_queue_is() {
        let (mut stream, mut events) = stream();
        seconds(&mut stream, 1);
        for segment in 0..1_000 {
            let start_ms = u64::from(segment) * 1_000;
            stream.heard(result(segment, start_ms, start_ms + 500), Text::default());
        }
        stream.finish(0);
        stream.outgoing(1, &mut Vec::new());
        stream.heard(Event::Ended { stream: 1 }, Text::default());
        let told: Vec<AsrEvent> = std::iter::from_fn(|| events.try_recv().ok()).collect();
        let finals = (EVENTS_WAITING_MAX - RESERVED) as u64;
        assert_eq!(told.len(), EVENTS_WAITING_MAX);
        let gap = AsrEvent::Gap { from_ms: finals * 1_000, to_ms: 999_500 };
        assert_eq!(told[finals as usize..], [gap, AsrEvent::Ended]);
        assert_eq!(stream.finals_lost(), 1_000 - finals);
    }

    #[test]
    fn a_stream_that_the_worker_has_no_place_for_says_so() {
        let (mut stream, mut events) = stream();
        seconds(&mut stream, 1);
        stream.heard(Event::Ended { stream: 1 }, Text::default());
        assert_eq!(events.try_recv(), Ok(AsrEvent::Gap { from_ms: 0, to_ms: 1_000 }));
        assert_eq!(events.try_recv(), Ok(AsrEvent::Ended));
        assert!(stream.is_over());
    }
}
