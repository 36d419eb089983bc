//! A call by one trunk, to hear whether it carries voices.

use crate::auth::Principal;
use crate::calls::short;
use crate::commands::dialable;
use crate::problem::parameter;
use crate::{ApiState, Problem};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use qingting_callbacks::intake::last_digits;
use qingting_common::Pii;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Whom to ring by which trunk.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestCallRequest {
    /// The trunk's name: no other is tried.
    pub trunk: String,
    /// A number of China: no emergency service, no short code, nobody abroad.
    #[schema(value_type = String)]
    pub to: Pii<String>,
}

/// Where a test call is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestCallState {
    /// The trunk was asked.
    #[default]
    Dialling,
    /// The telephone rings.
    Ringing,
    /// Somebody has answered and hears the tone.
    Up,
    /// It is over.
    Ended,
}

/// How a test call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestCallEnd {
    /// The tone was played to its end.
    Done,
    /// The administrator hung up.
    Stopped,
    /// The called hung up.
    HungUp,
    /// Nobody answered, or the trunk refused: `sip_code`.
    NotAnswered,
    /// What was answered could not be used, or there is no port for its sound.
    Failed,
}

/// What was heard, once it is over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct TestCallQuality {
    /// RTP packets sent.
    pub packets_sent: u64,
    /// RTP packets that came.
    pub packets_received: u64,
    /// Packets that never came.
    pub packets_lost: u64,
    /// Packets that came too late.
    pub packets_late: u64,
    /// Jitter, in milliseconds.
    pub jitter_ms: f64,
    /// Round-trip time in milliseconds, where the other side tells it.
    pub rtt_ms: Option<f64>,
    /// 1.0 to 4.5 (ITU-T G.107); null when nothing was heard.
    pub mos: Option<f64>,
}

/// A test call. It is no call of the hotline: nothing of it is recorded or counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct TestCall {
    /// Its id.
    #[schema(value_type = String)]
    pub id: Uuid,
    /// The trunk.
    pub trunk: String,
    /// The last four digits of the called.
    pub to: String,
    /// Where it is.
    pub state: TestCallState,
    /// When it began, in Unix milliseconds.
    pub began_at: i64,
    /// When it rang, in milliseconds after that.
    pub rang_after_ms: Option<u64>,
    /// When it was answered.
    pub answered_after_ms: Option<u64>,
    /// When it was over.
    pub ended_after_ms: Option<u64>,
    /// How it ended; null while it runs.
    pub end: Option<TestCallEnd>,
    /// The last SIP code, such as 180, 200 or 503.
    pub sip_code: Option<u16>,
    /// What was agreed.
    pub codec: Option<String>,
    /// Whether a voice's packets came.
    pub is_heard: bool,
    /// What was heard, once it is over.
    pub quality: Option<TestCallQuality>,
}

/// Rings a number by one trunk, with no other way, and plays a tone for some seconds to whoever answers. Two at once at
/// most.
#[utoipa::path(post, path = "/api/v1/lines/test-calls", request_body = TestCallRequest,
    responses((status = 201, body = TestCall), (status = 409, body = Problem),
    (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn begin(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    body: Result<Json<TestCallRequest>, JsonRejection>,
) -> Result<(StatusCode, Json<TestCall>), Problem> {
    let Json(request) = body?;
    dialable(&request.to)?;
    short("trunk", &request.trunk).map_err(|problem| Problem::invalid("trunk", problem.detail))?;
    // Only a trunk's name gets into the audit.
    let trunks = state.installation.lines().trunks;
    if !trunks.iter().any(|trunk| trunk.name == request.trunk) {
        return Err(Problem::invalid("trunk", "trunk: there is none of this name"));
    }
    let subject = format!("{} …{}", request.trunk, last_digits(&request.to));
    state.store.audit(&who.name, "line.test_call", &subject).await?;
    let call = state.installation.begin_test_call(request)?;
    Ok((StatusCode::CREATED, Json(call)))
}

/// A test call that runs, or ended within the last hour.
#[utoipa::path(get, path = "/api/v1/lines/test-calls/{id}", params(("id" = String, Path)),
    responses((status = 200, body = TestCall), (status = 400, body = Problem),
    (status = 404, body = Problem)))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<TestCall>, Problem> {
    let call = state.installation.test_call(parameter("id", &id)?);
    call.map(Json).ok_or_else(|| Problem::not_found("test call"))
}

/// Hangs a test call up; one that is over stays as it is.
#[utoipa::path(delete, path = "/api/v1/lines/test-calls/{id}", params(("id" = String, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn end(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    match state.installation.end_test_call(parameter("id", &id)?) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("test call")),
    }
}
