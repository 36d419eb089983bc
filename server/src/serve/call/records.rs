//! What of a call is written: handed to the books in the machine's order, with the wall-clock time.

use super::driver::{Driver, Over};
use super::legs::LegIo;
use crate::clock;
use crate::serve::Hotline;
use crate::serve::books::{Entry, end_of};
use crate::serve::recordings::Recordings;
use crate::serve::traces::{CallOver, LegOver};
use qingting_common::Pii;
use qingting_core::call::{Cause, HungUpBy, LegId, MissedWhy, Record, Role, SuperviseMode, Target};
use qingting_core::queue;
use qingting_media::{LegReport, MediaEvent, RecordingReport};
use qingting_store::{
    CallEnd, CallEvent, CallRoute, LegBegin, LegEnd, LegRef, LegRole, MediaQuality, MissedEnd,
    NewCall, RecordingEnd, RecordingInfo,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinError;

/// Longest wait for the media engine to close a leg or a room and finish its recordings.
const CLOSE_MAX: Duration = Duration::from_secs(5);

impl Driver {
    /// Handed to the books before anything behind it: the books' queue keeps the order.
    pub(super) async fn persist(&mut self, record: Record) {
        match record {
            Record::Begin => self.begin().await,
            Record::Answered => {
                self.answered = true;
                let file = self.recording.take();
                self.write(Entry::Answered(clock::unix_now(), file)).await;
            }
            Record::LegBegan { leg, role, target } => self.leg_began(leg, role, target).await,
            Record::LegAnswered { leg } => {
                let track = self.legs.get_mut(leg).and_then(|io| {
                    io.is_answered = true;
                    io.trace.event("answered");
                    io.track.take()
                });
                if let Some(io) = self.legs.get(leg) {
                    let citizen = io.role == Role::Citizen;
                    self.reached |= citizen && leg != LegId(0);
                    let of = self.legs.reference(self.id, leg);
                    self.write(Entry::LegAnswered(of, clock::unix_now(), track)).await;
                    self.seats_talk();
                }
            }
            Record::LegEnded { leg, cause, by } => {
                if let Some(io) = self.legs.get_mut(leg) {
                    io.end = Some((cause, by, clock::unix_now()));
                }
                self.put_away(leg);
            }
            Record::Queued { queue } => {
                let queue = self.hotline.switchboard.queue_name(queue);
                let queue = queue.map(|name| name.as_str().to_owned());
                self.shown.queued(queue.as_deref().unwrap_or_default());
                self.trace.queued(queue.as_deref().unwrap_or_default());
                let route = CallRoute { queue: queue.clone(), ..CallRoute::default() };
                self.write(Entry::Route(route)).await;
                self.event("queued", json!({ "queue": queue })).await;
            }
            Record::SeatAnswered { seat, leg, wait } => {
                self.hotline.counters.waited(wait);
                self.trace.left_queue("answered");
                let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                let queue_wait_ms = Some(wait_ms);
                self.write(Entry::Route(CallRoute { queue_wait_ms, ..CallRoute::default() })).await;
                let seat = self.hotline.switchboard.seat_name(seat);
                let detail = json!({ "seat": seat.as_str(), "leg": leg.0, "wait_ms": wait_ms });
                self.event("seat_answered", detail).await;
            }
            Record::Transferred { from, to, blind } => {
                self.shown.transferred(to.is_some());
                let to = to.map(|leg| leg.0);
                let detail = json!({ "from": from.0, "to": to, "blind": blind });
                self.event("transfer", detail).await;
            }
            Record::Supervised { leg, mode } => {
                let seat = self.legs.get(leg).and_then(|io| io.seat.as_ref());
                let detail = json!({ "leg": leg.0, "supervisor": seat.map(|seat| seat.as_str()) });
                let kind = match mode {
                    SuperviseMode::Listen => "supervise_listen",
                    SuperviseMode::Whisper => "supervise_whisper",
                    SuperviseMode::Barge => "supervise_barge",
                };
                self.event(kind, detail).await;
            }
            Record::RecordingPaused => {
                self.shown.is_paused = true;
                self.event("recording_paused", Value::Null).await;
            }
            Record::RecordingResumed => {
                self.shown.is_paused = false;
                self.event("recording_resumed", Value::Null).await;
            }
            Record::Missed { .. } if self.is_served => {}
            Record::Missed { why } => {
                let why = if self.wants_callback { MissedWhy::CallbackWanted } else { why };
                let wanted = why == MissedWhy::CallbackWanted;
                self.hotline.counters.gave_up();
                self.missed = Some(MissedEnd { why: why.as_str().to_owned(), wanted });
            }
            // Written when the recording is finished, a moment later, in one row with it.
            Record::Ended(cause) => {
                crate::crash::fault("call-over");
                self.end = Some((cause, clock::unix_now()));
            }
        }
    }

    async fn begin(&mut self) {
        let (done, begun) = oneshot::channel();
        self.begun = Some(begun);
        let beginning = &self.beginning;
        let call = NewCall {
            id: self.id,
            direction: beginning.direction,
            caller: beginning.citizen.clone(),
            called: beginning.called.clone(),
            number_name: beginning.number_name.clone(),
            enterprise: beginning.enterprise,
            dialog: beginning.dialog.clone(),
            started_at: self.started,
        };
        self.write(Entry::Begin(call, done)).await;
    }

    async fn leg_began(&mut self, leg: LegId, role: Role, target: Option<Target>) {
        self.legs.ensure(leg, role, target).is_begun = true;
        let Some(io) = self.legs.get(leg) else { return };
        // A citizen's own dialog is stored with its call.
        if leg == LegId(0) && role == Role::Citizen && self.beginning.dialog.is_some() {
            return;
        }
        let begin = LegBegin {
            leg: self.legs.reference(self.id, leg),
            role: leg_role(role),
            target: self.number_of(leg, io),
            name: None,
            sip_call_id: io.dialog.as_ref().map(|dialog| dialog.call_id().to_owned()),
            remote: io.remote.clone(),
            at: clock::unix_now(),
        };
        self.write(Entry::LegBegan(begin)).await;
    }

    pub(super) fn event(
        &mut self,
        kind: &'static str,
        detail: Value,
    ) -> impl Future<Output = ()> + Send + use<> {
        self.trace.event(kind);
        let (at, kind) = (clock::unix_now(), kind.to_owned());
        self.write(Entry::Event(CallEvent { at, kind, detail: Pii::new(detail) }))
    }

    /// A dialog that the machine did not take into the call leaves its slot: it has no books.
    pub(super) fn turn_away(&mut self, leg: LegId) {
        let is_stranger = |io: &LegIo| !io.is_begun;
        if leg != LegId(0)
            && self.legs.get(leg).is_some_and(is_stranger)
            && let Some(io) = self.legs.take(leg)
        {
            self.seat_left(&io);
        }
    }

    /// The seat of a leg that has left its slot is out of the call, unless it has another line.
    fn seat_left(&self, io: &LegIo) {
        let switchboard = &self.hotline.switchboard;
        let Some(seat) = io.seat.as_ref().filter(|seat| !self.legs.has_seat(seat)) else { return };
        switchboard.calls.seat_left(self.id, seat);
        switchboard.queues.tell(queue::Input::CallEnded { call: self.id, seat: seat.clone() });
        self.seats_talk();
    }

    /// Tells the queues which seats talk in this call without having been offered it, so that nobody
    /// else is sent to their telephones.
    pub(super) fn seats_talk(&self) {
        if self.shown.is_queued() || self.offer.is_some() {
            return;
        }
        // Of a seat that accepted an offer the queues know more than we do: they may have taken it back.
        let accepted = self.accepted.as_ref().map(|offer| &offer.seat);
        let talks = |io: &&LegIo| {
            let is_there = io.events.is_some() && io.end.is_none();
            is_there
                && io.is_answered
                && io.role != Role::Supervisor
                && io.seat.as_ref() != accepted
        };
        for seat in
            self.legs.iter().map(|(_, io)| io).filter(talks).filter_map(|io| io.seat.clone())
        {
            self.hotline.switchboard.queues.tell(queue::Input::CallBegan { call: self.id, seat });
        }
    }

    /// A leg whose end is known and whose media is closed leaves its slot; its books follow.
    pub(super) fn put_away(&mut self, leg: LegId) {
        let is_over = |io: &LegIo| io.end.is_some() && io.media.is_none();
        if !self.legs.get(leg).is_some_and(is_over) {
            return;
        }
        let of = self.legs.reference(self.id, leg);
        let Some(io) = self.legs.take(leg) else { return };
        self.seat_left(&io);
        let (hotline, entries) = (Arc::clone(&self.hotline), self.entries.clone());
        self.closing.spawn(write_leg_end(hotline, entries, of, io));
        self.shown.muted &= !leg.bit();
    }

    /// The books of a leg are closed.
    pub(super) fn leg_closed(&mut self, closed: Result<Option<MediaQuality>, JoinError>) {
        match closed {
            Ok(Some(quality)) => self.quality = Some(quality),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(call = %self.id, %error, "the books of a leg failed");
            }
        }
    }

    /// Waits for the recordings to be finished and writes the call's end.
    pub(super) async fn close(mut self: Box<Self>) -> Over {
        for slot in 0..qingting_core::call::LEGS_MAX {
            let leg = LegId(slot as u8);
            if let Some(io) = self.legs.get_mut(leg) {
                io.media = None;
                io.end.get_or_insert((Cause::Draining, HungUpBy::System, clock::unix_now()));
            }
            self.put_away(leg);
        }
        self.room = None;
        while let Some(closed) = self.closing.join_next().await {
            self.leg_closed(closed);
        }
        let report = self.room_report().await;
        if let Some((cause, at)) = self.end {
            // A call that was cancelled while our answer was on its way was never answered.
            let answered = self.answered && cause != Cause::CallerCancelled;
            if answered {
                self.hotline.counters.answered();
            }
            let end = CallEnd {
                recording: recording_end(&self.hotline, report).await,
                missed: self.missed.take(),
                quality: self.quality.take(),
                ..end_of(self.id, (cause, at), answered, self.refused)
            };
            tracing::info!(call = %self.id, cause = end.cause, "call over");
            self.hotline.counters.ended(cause);
            self.trace.over(CallOver {
                cause: cause.as_str(),
                hung_up_by: by_name(cause.by()),
                answered,
                refused: self.refused,
            });
            self.write(Entry::Ended(Box::new(end))).await;
        }
        if self.end.is_none() {
            self.trace.over(CallOver::refused(self.refused));
        }
        self.talk_is_stored().await;
        let (reached, cause) = (self.reached, self.end.map(|(cause, _)| cause));
        Over {
            captions: self.captions,
            reached,
            answered: self.answered,
            talk: self.talk,
            cause,
            trace: self.trace,
        }
    }

    async fn room_report(&mut self) -> Option<RecordingReport> {
        let mut events = self.room_events.take()?;
        let wait = async {
            while let Some(event) = events.recv().await {
                self.room_event(event).await;
            }
        };
        if tokio::time::timeout(CLOSE_MAX, wait).await.is_err() {
            tracing::error!(call = %self.id, "the media engine did not close a room in time");
        }
        self.room_report.take().and_then(|report| report.recording)
    }

    pub(super) fn write(&self, entry: Entry) -> impl Future<Output = ()> + Send + use<> {
        let entries = self.entries.clone();
        async move {
            // The books outlive the driver: they end when its senders do.
            let _ = entries.send(entry).await;
        }
    }
}

async fn recording_end(hotline: &Hotline, report: Option<RecordingReport>) -> RecordingEnd {
    let (Some(report), Some(recordings)) = (report, &hotline.recordings) else {
        return RecordingEnd::Nothing;
    };
    let described = describe(hotline, recordings, report).await;
    described.map_or(RecordingEnd::Unknown, RecordingEnd::Made)
}

/// Gives what was measured of a citizen's leg: it stands for the call.
async fn write_leg_end(
    hotline: Arc<Hotline>,
    entries: mpsc::Sender<Entry>,
    leg: LegRef,
    io: Box<LegIo>,
) -> Option<MediaQuality> {
    let report = leg_report(io.report, io.media_events).await;
    let quality = report.as_ref().and_then(quality);
    if let Some(quality) = &quality {
        hotline.counters.leg_ended(io.role, quality);
    }
    let track = match (report.and_then(|report| report.track), &hotline.recordings) {
        (Some(track), Some(recordings)) => describe(&hotline, recordings, track).await,
        _ => None,
    };
    let (cause, by, at) = io.end?;
    let of_citizen = quality.clone().filter(|_| io.role == Role::Citizen);
    let sip_code = io.refused.or_else(|| (!io.is_answered).then(|| cause.sip_status()));
    let end = LegEnd {
        leg,
        at,
        hung_up_by: by_name(by).to_owned(),
        cause: cause.as_str().to_owned(),
        sip_code,
        quality,
        track,
    };
    let over = LegOver {
        number: io.number,
        role: leg_role(io.role).as_str(),
        hung_up_by: by_name(by),
        cause: cause.as_str(),
        is_answered: io.is_answered,
        end: &end,
    };
    io.trace.over(&hotline.traces, leg.call, &over);
    let _ = entries.send(Entry::LegEnded(Box::new(end))).await;
    of_citizen
}

async fn leg_report(
    known: Option<LegReport>,
    events: Option<mpsc::Receiver<MediaEvent>>,
) -> Option<LegReport> {
    if known.is_some() {
        return known;
    }
    let mut events = events?;
    let wait = async {
        while let Some(event) = events.recv().await {
            if let MediaEvent::Closed(report) = event {
                return Some(*report);
            }
        }
        None
    };
    tokio::time::timeout(CLOSE_MAX, wait).await.ok().flatten()
}

fn quality(report: &LegReport) -> Option<MediaQuality> {
    (report.packets_received > 0 || report.packets_sent > 0).then_some(MediaQuality {
        packets_sent: report.packets_sent,
        packets_received: report.packets_received,
        packets_lost: report.packets_lost,
        jitter_ms: report.jitter_ms,
        rtt_ms: report.rtt_ms,
        mos: report.mos,
    })
}

/// What is known of a finished recording; reading it takes its time on the other runtime.
async fn describe(
    hotline: &Hotline,
    recordings: &Arc<Recordings>,
    report: RecordingReport,
) -> Option<RecordingInfo> {
    if report.incomplete {
        // Ticks are dropped where the machine or its disk cannot keep up.
        let (file, ticks_dropped) = (report.path.display(), report.ticks_dropped);
        tracing::error!(%file, ticks_dropped, "a recording is incomplete");
    }
    let recordings = Arc::clone(recordings);
    let described = hotline.app.spawn_blocking(move || recordings.describe(&report)).await;
    let described = described.map_err(anyhow::Error::from).flatten();
    described
        .inspect_err(|error| {
            tracing::error!(error = format!("{error:#}"), "a finished recording cannot be read");
        })
        .ok()
}

pub(super) const fn leg_role(role: Role) -> LegRole {
    match role {
        Role::Citizen => LegRole::Citizen,
        Role::Seat => LegRole::Seat,
        Role::SeatSecondLine => LegRole::SeatSecondLine,
        Role::Expert => LegRole::Expert,
        Role::Emergency => LegRole::Emergency,
        Role::Supervisor => LegRole::Supervisor,
        Role::Other => LegRole::Other,
    }
}

fn by_name(by: HungUpBy) -> &'static str {
    match by {
        HungUpBy::Caller => "caller",
        HungUpBy::System => "system",
        HungUpBy::Operator => "operator",
        HungUpBy::Network => "network",
    }
}
