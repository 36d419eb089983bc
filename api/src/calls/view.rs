//! Calls as the interface shows them.

use crate::switchboard::CallNow;
use qingting_store::{
    CallEvent, CallRow, LegRow, MediaQuality, Pause, RecordingInfo, RecordingRow,
};
use serde::Serialize;
use utoipa::ToSchema;

/// A call.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallView {
    id: String,
    /// Absent of a machine's callback, which is about an older one.
    ticket: Option<String>,
    /// 工单编号.
    ticket_number: Option<String>,
    state: &'static str,
    /// `inbound`, `outbound` or `callback`.
    direction: &'static str,
    /// The citizen's number, whichever way the call goes.
    caller: String,
    /// Its ticket says that the citizen wants to stay unknown.
    confidential: bool,
    /// The number of ours that was called or shown.
    called: String,
    /// The entry of that number.
    number_name: Option<String>,
    /// Whether it is an enterprise's.
    enterprise: bool,
    /// The last queue that it waited in.
    queue: Option<String>,
    queue_wait_ms: Option<u64>,
    /// The extension of the first seat that talked.
    seat: Option<String>,
    /// Why the citizen reached nobody.
    missed: Option<String>,
    sip_call_id: Option<String>,
    remote: Option<String>,
    started_at: i64,
    answered_at: Option<i64>,
    ended_at: Option<i64>,
    /// `caller`, `operator`, `system` or `network`.
    hung_up_by: Option<String>,
    cause: Option<String>,
    sip_code: Option<u16>,
    recording: Option<RecordingView>,
    /// Of the citizen's leg.
    quality: Option<QualityView>,
}

/// A call with all that is known of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallDetail {
    #[serde(flatten)]
    call: CallView,
    /// By their start.
    legs: Vec<LegView>,
    /// The timeline, oldest first.
    events: Vec<EventView>,
    /// The mix first, then the tracks.
    recordings: Vec<StoredRecordingView>,
    /// What happens in it now, while it runs.
    now: Option<CallNow>,
}

/// A leg.
#[derive(Serialize, ToSchema)]
pub(crate) struct LegView {
    /// Its slot.
    leg: u8,
    /// Which use of the slot, from 0.
    seq: u32,
    /// `citizen`, `seat`, `seat_second_line`, `expert`, `emergency`, `supervisor` or `other`.
    role: &'static str,
    /// A number or an extension.
    target: String,
    name: Option<String>,
    started_at: i64,
    answered_at: Option<i64>,
    ended_at: Option<i64>,
    hung_up_by: Option<String>,
    cause: Option<String>,
    sip_code: Option<u16>,
    quality: Option<QualityView>,
}

/// A line of the timeline.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventView {
    at: i64,
    kind: String,
    #[schema(value_type = Object)]
    detail: serde_json::Value,
}

/// A recording; its audio is at `/api/v1/calls/{id}/recording`.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecordingView {
    duration_ms: Option<u64>,
    bytes: Option<u64>,
    sha256: Option<String>,
    /// Whether something of the call is missing: audio was lost, a write failed, or the server died.
    incomplete: bool,
    /// How much audio is known to be lost.
    missing_ms: u64,
    /// Whether the file is encrypted.
    encrypted: bool,
    /// The head of the file's chain of hashes, in hex.
    chain_head: Option<String>,
    /// Where recording was paused.
    pauses: Vec<PauseView>,
}

/// A stretch in milliseconds since the recording began.
#[derive(Serialize, ToSchema)]
pub(crate) struct PauseView {
    from_ms: u64,
    to_ms: u64,
}

/// A recording in the list of a call's recordings.
#[derive(Serialize, ToSchema)]
pub(crate) struct StoredRecordingView {
    /// `mix` or `track`.
    kind: &'static str,
    /// Of a track, what `?track=` takes: slot and use of the slot.
    track: Option<String>,
    #[serde(flatten)]
    recording: RecordingView,
    /// When it must go; absent while no retention is set.
    delete_after: Option<i64>,
    deleted_at: Option<i64>,
}

/// What the media path measured.
#[derive(Serialize, ToSchema)]
pub(crate) struct QualityView {
    packets_sent: u64,
    packets_received: u64,
    packets_lost: u64,
    jitter_ms: f64,
    rtt_ms: Option<f64>,
    /// Mean opinion score by the E-model, 1 to 4.5.
    mos: Option<f64>,
}

pub(super) fn call(row: CallRow) -> CallView {
    CallView {
        id: row.id.to_string(),
        ticket: row.ticket.map(|ticket| ticket.to_string()),
        state: row.state().as_str(),
        ticket_number: row.ticket_number,
        direction: row.direction.as_str(),
        caller: row.caller.into_inner(),
        confidential: row.confidential,
        called: row.called,
        number_name: row.number_name,
        enterprise: row.enterprise,
        queue: row.queue,
        queue_wait_ms: row.queue_wait_ms,
        seat: row.seat,
        missed: row.missed,
        sip_call_id: row.sip_call_id,
        remote: row.remote,
        started_at: row.started_at.0,
        answered_at: row.answered_at.map(|at| at.0),
        ended_at: row.ended_at.map(|at| at.0),
        hung_up_by: row.hung_up_by,
        cause: row.cause,
        sip_code: row.sip_code,
        recording: row.recording.map(recording),
        quality: row.quality.map(quality),
    }
}

pub(super) fn detail(
    row: CallRow,
    legs: Vec<LegRow>,
    events: Vec<CallEvent>,
    recordings: Vec<RecordingRow>,
    now: Option<CallNow>,
) -> CallDetail {
    let event = |event: CallEvent| EventView {
        at: event.at.0,
        kind: event.kind,
        detail: event.detail.into_inner(),
    };
    CallDetail {
        call: call(row),
        legs: legs.into_iter().map(leg).collect(),
        events: events.into_iter().map(event).collect(),
        recordings: recordings.into_iter().map(stored).collect(),
        now,
    }
}

fn leg(row: LegRow) -> LegView {
    LegView {
        leg: row.slot,
        seq: row.seq,
        role: row.role.as_str(),
        target: row.target.into_inner(),
        name: row.name.map(qingting_common::Pii::into_inner),
        started_at: row.started_at.0,
        answered_at: row.answered_at.map(|at| at.0),
        ended_at: row.ended_at.map(|at| at.0),
        hung_up_by: row.hung_up_by,
        cause: row.cause,
        sip_code: row.sip_code,
        quality: row.quality.map(quality),
    }
}

fn stored(row: RecordingRow) -> StoredRecordingView {
    let is_track = row.key.kind == qingting_store::RecordingKind::Track;
    StoredRecordingView {
        kind: row.key.kind.as_str(),
        track: is_track.then(|| format!("{}.{}", row.key.slot, row.key.seq)),
        recording: recording(row.info),
        delete_after: row.delete_after.map(|at| at.0),
        deleted_at: row.deleted_at.map(|at| at.0),
    }
}

fn recording(info: RecordingInfo) -> RecordingView {
    let pause = |pause: Pause| PauseView { from_ms: pause.from_ms, to_ms: pause.to_ms };
    RecordingView {
        duration_ms: info.duration_ms,
        bytes: info.bytes,
        sha256: info.sha256,
        incomplete: info.incomplete,
        missing_ms: info.missing_ms,
        encrypted: info.key_id.is_some(),
        chain_head: info.chain_head,
        pauses: info.pauses.into_iter().map(pause).collect(),
    }
}

fn quality(measured: MediaQuality) -> QualityView {
    let MediaQuality { packets_sent, packets_received, packets_lost, jitter_ms, rtt_ms, mos } =
        measured;
    QualityView { packets_sent, packets_received, packets_lost, jitter_ms, rtt_ms, mos }
}
