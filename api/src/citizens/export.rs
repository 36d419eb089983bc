//! All data of a citizen as one file.

use super::number;
use super::zip::Zipped;
use crate::auth::Principal;
use crate::{ApiState, Problem};
use axum::Extension;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use qingting_store::citizens::CITIZEN_ROWS_MAX;
use serde::Deserialize;
use utoipa::ToSchema;

/// Whose data.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportRequest {
    /// The citizen's whole number.
    phone: String,
}

/// What stands beside the data.
const READ_ME: &str = "本压缩包是依《个人信息保护法》第四十五条提供的个人信息副本。\r\n\
    data.json：通话、文字记录、工单及其修改和办理经过、未接来电、回访、勿扰登记；时间为1970年以来的毫秒数。\r\n\
    recordings/：通话录音（WAV）。缺失的录音见 data.json 的 missing。\r\n";

/// A copy of all that is known of one citizen (PIPL article 45) as a ZIP file: `data.json`, the recordings as WAV and
/// a note what they are. At most 2,000 calls and as many tickets; `more` in `data.json` says that there are more.
/// Recordings of another server are left out and named in `missing`.
#[utoipa::path(post, path = "/api/v1/citizens/export", request_body = ExportRequest,
    responses((status = 200, content_type = "application/zip"), (status = 422, body = Problem)))]
pub(crate) async fn export(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    body: Result<Json<ExportRequest>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(ExportRequest { phone }) = body?;
    let number = number(&phone)?;
    state.store.audit(&who.name, "citizen.export", &number.told()).await?;
    let found = state.store.citizen_data(&number).await?;
    let mut data = found.data;
    data["more"] = found.more.into();
    data["rows_max"] = CITIZEN_ROWS_MAX.into();
    let zipped = Zipped::new(state, READ_ME, data, found.recordings);
    let head = [
        (CONTENT_TYPE, "application/zip"),
        (CONTENT_DISPOSITION, "attachment; filename=\"citizen.zip\""),
    ];
    Ok((head, Body::from_stream(zipped.pieces())).into_response())
}
