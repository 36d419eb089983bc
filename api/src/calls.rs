//! Calls and their transcripts.

use crate::auth::Principal;
use crate::problem::parameter;
use crate::{ApiState, Problem};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use qingting_common::{CallId, UnixMillis};
use qingting_store::{CallQuery, CallRow, CallState, MediaQuality, PAGE_ROWS_MAX};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

const PAGE_ROWS_DEFAULT: u32 = 50;

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
}

/// A page of calls, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallPage {
    calls: Vec<CallView>,
    /// `before` of the next page; absent on the last.
    next: Option<String>,
}

/// A call.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallView {
    id: String,
    ticket: String,
    state: &'static str,
    /// The caller's number.
    caller: String,
    called: String,
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
    quality: Option<QualityView>,
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
}

/// What the media path measured.
#[derive(Serialize, ToSchema)]
pub(crate) struct QualityView {
    packets_sent: u64,
    packets_received: u64,
    packets_lost: u64,
    jitter_ms: f64,
    rtt_ms: Option<f64>,
    mos: Option<f64>,
}

/// What was said.
#[derive(Serialize, ToSchema)]
pub(crate) struct TranscriptView {
    segments: Vec<SegmentView>,
    gaps: Vec<GapView>,
}

/// A sentence; times in milliseconds since the call was answered.
#[derive(Serialize, ToSchema)]
pub(crate) struct SegmentView {
    id: String,
    /// `caller`, `seat` or `expert`.
    party: &'static str,
    start_ms: u64,
    end_ms: u64,
    text: String,
    confidence: f32,
}

/// A stretch that nobody transcribed.
#[derive(Serialize, ToSchema)]
pub(crate) struct GapView {
    from_ms: u64,
    to_ms: u64,
}

/// Calls, newest first.
#[utoipa::path(get, path = "/api/v1/calls", params(ListQuery),
    responses((status = 200, body = CallPage), (status = 400, body = Problem)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<CallPage>, Problem> {
    let Query(query) = query?;
    let limit = page_limit(query.limit)?;
    let wanted = CallQuery {
        before: query.before.map(|text| parameter("before", &text)).transpose()?,
        limit,
        from: query.from.map(UnixMillis),
        to: query.to.map(UnixMillis),
        state: query.state.map(|text| call_state(&text)).transpose()?,
        queue: None,
        with_seat: None,
    };
    let rows = state.store.calls(&wanted).await?;
    let next = (rows.len() == limit as usize).then(|| rows.last().map(|row| row.id.to_string()));
    Ok(Json(CallPage { calls: rows.into_iter().map(view).collect(), next: next.flatten() }))
}

/// One call.
#[utoipa::path(get, path = "/api/v1/calls/{id}", params(("id" = String, Path)),
    responses((status = 200, body = CallView), (status = 404, body = Problem)))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<CallView>, Problem> {
    Ok(Json(view(row(&state, &id).await?)))
}

/// What was said in a call.
#[utoipa::path(get, path = "/api/v1/calls/{id}/transcript", params(("id" = String, Path)),
    responses((status = 200, body = TranscriptView), (status = 404, body = Problem)))]
pub(crate) async fn transcript(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Json<TranscriptView>, Problem> {
    let call = row(&state, &id).await?;
    state.store.audit(&who.name, "transcript.read", &call.id.to_string()).await?;
    let transcript = state.store.transcript(call.id).await?;
    let segments = transcript.segments.into_iter().map(|segment| SegmentView {
        id: segment.id.to_string(),
        party: segment.party.as_str(),
        start_ms: segment.start_ms,
        end_ms: segment.end_ms,
        text: segment.text.into_inner(),
        confidence: segment.confidence,
    });
    let gaps = transcript.gaps.iter().map(|gap| GapView { from_ms: gap.from_ms, to_ms: gap.to_ms });
    Ok(Json(TranscriptView { segments: segments.collect(), gaps: gaps.collect() }))
}

/// Hangs up a running call.
#[utoipa::path(post, path = "/api/v1/calls/{id}/hangup", params(("id" = String, Path)),
    responses((status = 202), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn hang_up(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let call = row(&state, &id).await?;
    state.store.audit(&who.name, "call.hang_up", &call.id.to_string()).await?;
    if !state.control.hang_up(call.id) {
        return Err(Problem::new(StatusCode::CONFLICT, "the call is not running"));
    }
    Ok(StatusCode::ACCEPTED)
}

pub(crate) async fn row(state: &ApiState, id: &str) -> Result<CallRow, Problem> {
    let id: CallId = parameter("id", id)?;
    state.store.call(id).await?.ok_or_else(|| Problem::not_found("call"))
}

pub(crate) fn page_limit(limit: Option<u32>) -> Result<u32, Problem> {
    let limit = limit.unwrap_or(PAGE_ROWS_DEFAULT);
    if !(1..=PAGE_ROWS_MAX).contains(&limit) {
        let detail = format!("limit must be 1 to {PAGE_ROWS_MAX}");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail).of_field("limit"));
    }
    Ok(limit)
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

fn view(row: CallRow) -> CallView {
    CallView {
        id: row.id.to_string(),
        ticket: row.ticket.to_string(),
        state: row.state().as_str(),
        caller: row.caller.into_inner(),
        called: row.called,
        sip_call_id: row.sip_call_id,
        remote: row.remote,
        started_at: row.started_at.0,
        answered_at: row.answered_at.map(|at| at.0),
        ended_at: row.ended_at.map(|at| at.0),
        hung_up_by: row.hung_up_by,
        cause: row.cause,
        sip_code: row.sip_code,
        recording: row.recording.map(|info| RecordingView {
            duration_ms: info.duration_ms,
            bytes: info.bytes,
            sha256: info.sha256,
            incomplete: info.incomplete,
            missing_ms: info.missing_ms,
        }),
        quality: row.quality.map(quality),
    }
}

fn quality(measured: MediaQuality) -> QualityView {
    let MediaQuality { packets_sent, packets_received, packets_lost, jitter_ms, rtt_ms, mos } =
        measured;
    QualityView { packets_sent, packets_received, packets_lost, jitter_ms, rtt_ms, mos }
}
