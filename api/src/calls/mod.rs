//! Calls and their transcripts.

pub(crate) mod export;
pub(crate) mod location;
pub(crate) mod repeats;
pub(crate) mod sip_messages;
pub(crate) mod vcon;
mod view;

pub(crate) use view::{CallDetail, CallView};

use crate::auth::Principal;
use crate::problem::parameter;
use crate::{ApiState, Problem, access, clock};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use qingting_common::UnixMillis;
use qingting_store::{
    CallQuery, CallState, PAGE_ROWS_MAX, PassKind, RecordingKind, RecordingRow, Transcript, china,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

const PAGE_ROWS_DEFAULT: u32 = 50;
/// Longest name of a queue, a seat or a department to filter by, in characters.
const FILTER_CHARS_MAX: usize = 50;

/// Which calls.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// The `next` of the page before.
    before: Option<String>,
    /// Rows, 1 to 500; 50 when absent.
    limit: Option<u32>,
    /// Calls that started at this time or later, in Unix milliseconds.
    from: Option<i64>,
    /// Calls that started before this time, in Unix milliseconds.
    to: Option<i64>,
    /// `ringing`, `active` or `ended`.
    state: Option<String>,
    /// Calls of this queue.
    queue: Option<String>,
    /// Calls in which this extension took part.
    seat: Option<String>,
}

/// A page of calls, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallPage {
    calls: Vec<CallView>,
    /// `before` of the next page; absent on the last.
    next: Option<String>,
}

/// What was said.
#[derive(Serialize, ToSchema)]
pub(crate) struct TranscriptView {
    segments: Vec<SegmentView>,
    /// What is missing: it is heard after the call, where it was recorded.
    gaps: Vec<GapView>,
    /// Hearings of the recording after the call.
    passes: Vec<PassView>,
}

/// Which hearing of the call is wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TranscriptQuery {
    /// `live` (when absent): as heard while the call ran, with gaps filled after it. `whole`: as the
    /// whole recording was heard after it.
    pass: Option<String>,
}

/// A hearing of the recording after the call.
#[derive(Serialize, ToSchema)]
pub(crate) struct PassView {
    /// `gaps` or `whole`.
    kind: &'static str,
    /// `waiting`, `done` or `failed`.
    state: &'static str,
    asked_at: i64,
    /// Tries that failed.
    tries: u32,
    /// Why the last one did.
    error: Option<String>,
}

/// A sentence; times in milliseconds since the call was answered.
#[derive(Serialize, ToSchema)]
pub(crate) struct SegmentView {
    id: String,
    /// `caller`, `seat` or `expert`.
    party: &'static str,
    start_ms: u64,
    end_ms: u64,
    /// As a seat reads it: without fillers, with written numbers and punctuation. Evidence of a
    /// ticket counts its characters.
    text: String,
    /// As it was heard.
    raw: String,
    confidence: f32,
}

/// A stretch that nobody transcribed.
#[derive(Serialize, ToSchema)]
pub(crate) struct GapView {
    /// `caller`, `seat` or `expert`.
    party: &'static str,
    from_ms: u64,
    to_ms: u64,
}

/// Calls, newest first. A seat gets today's calls in which it took part.
#[utoipa::path(get, path = "/api/v1/calls", params(ListQuery),
    responses((status = 200, body = CallPage), (status = 400, body = Problem)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<CallPage>, Problem> {
    let Query(query) = query?;
    let limit = page_limit(query.limit)?;
    query.queue.as_deref().map_or(Ok(()), |name| short("queue", name))?;
    query.seat.as_deref().map_or(Ok(()), |name| short("seat", name))?;
    let mut wanted = CallQuery {
        before: query.before.as_deref().map(|text| parameter("before", text)).transpose()?,
        limit,
        from: query.from.map(UnixMillis),
        to: query.to.map(UnixMillis),
        state: query.state.as_deref().map(call_state).transpose()?,
        queue: query.queue.clone(),
        with_seat: query.seat.clone(),
    };
    if let Some(own) = who.seat_alone() {
        let today = china::midnight_before(clock::now());
        wanted.from = Some(wanted.from.map_or(today, |from| UnixMillis(from.0.max(today.0))));
        wanted.with_seat = Some(own.to_owned());
    }
    state.store.audit(&who.name, "call.list", &filter(&wanted)).await?;
    let rows = state.store.calls(&wanted).await?;
    let next = (rows.len() == limit as usize).then(|| rows.last().map(|row| row.id.to_string()));
    Ok(Json(CallPage { calls: rows.into_iter().map(view::call).collect(), next: next.flatten() }))
}

/// One call with its legs, its timeline and its recordings.
#[utoipa::path(get, path = "/api/v1/calls/{id}", params(("id" = String, Path)),
    responses((status = 200, body = CallDetail), (status = 404, body = Problem)))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Json<CallDetail>, Problem> {
    let call = access::call(&state, &who, &id).await?;
    state.store.audit(&who.name, "call.read", &call.id.to_string()).await?;
    let id = call.id;
    let legs = state.store.legs(id).await?;
    let events = state.store.call_events(id).await?;
    let recordings = state.store.recordings(id).await?;
    let now = match call.state() {
        CallState::Ended => None,
        _ => state.switchboard.snapshot().await.calls.into_iter().find(|now| now.call == id),
    };
    Ok(Json(view::detail(call, legs, events, recordings, now)))
}

/// What was said in a call.
#[utoipa::path(get, path = "/api/v1/calls/{id}/transcript",
    params(("id" = String, Path), TranscriptQuery), responses((status = 200, body = TranscriptView),
    (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn transcript(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
    query: Result<Query<TranscriptQuery>, QueryRejection>,
) -> Result<Json<TranscriptView>, Problem> {
    let Query(query) = query?;
    let call = access::call(&state, &who, &id).await?;
    state.store.audit(&who.name, "transcript.read", &call.id.to_string()).await?;
    let transcript = match query.pass.as_deref() {
        None | Some("live") => state.store.transcript(call.id).await?,
        Some("whole") => {
            let segments = state.store.whole_transcript(call.id).await?;
            Transcript { segments, gaps: Vec::new() }
        }
        Some(_) => {
            let detail = "pass must be live or whole";
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail).of_field("pass"));
        }
    };
    let passes = state.store.passes(call.id).await?;
    let segments = transcript.segments.into_iter().map(|segment| SegmentView {
        id: segment.id.to_string(),
        party: segment.party.as_str(),
        start_ms: segment.start_ms,
        end_ms: segment.end_ms,
        text: segment.text.into_inner(),
        raw: segment.raw.into_inner(),
        confidence: segment.confidence,
    });
    let gaps = transcript.gaps.iter().map(|gap| GapView {
        party: gap.party.as_str(),
        from_ms: gap.from_ms,
        to_ms: gap.to_ms,
    });
    let passes = passes.into_iter().map(|pass| PassView {
        kind: pass.kind.as_str(),
        state: pass.state.as_str(),
        asked_at: pass.asked_at.0,
        tries: pass.tries,
        error: pass.error,
    });
    Ok(Json(TranscriptView {
        segments: segments.collect(),
        gaps: gaps.collect(),
        passes: passes.collect(),
    }))
}

/// Has the call's whole recording heard once more, with more care than while it ran. The text stands
/// beside the transcript: `?pass=whole`.
#[utoipa::path(post, path = "/api/v1/calls/{id}/transcript/whole", params(("id" = String, Path)),
    responses((status = 202), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn hear_whole(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let call = access::call(&state, &who, &id).await?;
    let recordings = state.store.recordings(call.id).await?;
    let is_track =
        |of: &RecordingRow| of.key.kind == RecordingKind::Track && of.deleted_at.is_none();
    if !recordings.iter().any(is_track) {
        let detail =
            "no voice of the call was recorded by itself (recording.tracks), or it was deleted";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    state.store.audit(&who.name, "transcript.whole", &call.id.to_string()).await?;
    state.store.ask_pass(call.id, PassKind::Whole).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(crate) fn page_limit(limit: Option<u32>) -> Result<u32, Problem> {
    let limit = limit.unwrap_or(PAGE_ROWS_DEFAULT);
    if !(1..=PAGE_ROWS_MAX).contains(&limit) {
        let detail = format!("limit must be 1 to {PAGE_ROWS_MAX}");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail).of_field("limit"));
    }
    Ok(limit)
}

/// A name to filter by: it goes into the audit.
pub(crate) fn short(parameter: &str, name: &str) -> Result<(), Problem> {
    if name.chars().count() > FILTER_CHARS_MAX || name.contains(char::is_control) {
        let detail = format!("{parameter}: at most {FILTER_CHARS_MAX} characters, none a control");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail).of_field(parameter));
    }
    Ok(())
}

fn call_state(name: &str) -> Result<CallState, Problem> {
    [CallState::Ringing, CallState::Active, CallState::Ended]
        .into_iter()
        .find(|state| state.as_str() == name)
        .ok_or_else(|| {
            Problem::new(StatusCode::BAD_REQUEST, "state must be ringing, active or ended")
                .of_field("state")
        })
}

/// The filter as the audit keeps it: names of filters and their values, no one's number.
pub(crate) fn filter(query: &CallQuery) -> String {
    let before = query.before.map(|before| before.to_string());
    let parts = [
        ("before", before),
        ("from", query.from.map(|at| at.0.to_string())),
        ("to", query.to.map(|at| at.0.to_string())),
        ("state", query.state.map(|state| state.as_str().to_owned())),
        ("queue", query.queue.clone()),
        ("seat", query.with_seat.clone()),
    ];
    let given = parts.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
    let text = given.collect::<Vec<_>>().join("&");
    if text.is_empty() { "all".to_owned() } else { text }
}
