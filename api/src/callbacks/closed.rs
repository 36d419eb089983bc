//! Closed tickets out of a table, as `qingting callbacks import` takes them.

use super::campaigns::{self, ImportedView};
use crate::auth::Principal;
use crate::city::mistake;
use crate::past::{MISTAKES_MAX, check_name, columns};
use crate::{ApiState, Problem};
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use qingting_callbacks::intake::{self, ClosedTicket};
use qingting_nlu::table::TableFaults;
use serde::Deserialize;
use utoipa::IntoParams;

/// The file.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ClosedQuery {
    /// The file's name, 1 to 100 characters: its end says what it is.
    file: String,
    /// Which column fills which field, as `ticket=单号,citizen=电话`; the others by their usual names.
    map: Option<String>,
}

/// Takes closed tickets out of CSV or XLSX: all rows, or none and every mistake by its row (422, `errors`, the first
/// thousand). At most 20,000 rows. What is known already makes nothing, so that the same file may be sent again. A
/// stopped campaign takes none (409).
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/follow-ups/table", params(("id" = String, Path), ClosedQuery),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = ImportedView), (status = 400, body = Problem), (status = 404, body = Problem),
    (status = 409, body = Problem), (status = 413, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn import_table(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
    query: Result<Query<ClosedQuery>, QueryRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ImportedView>, Problem> {
    let Query(ClosedQuery { file, map }) = query?;
    check_name(&file)?;
    let known: Vec<&str> = intake::fields().collect();
    let map = columns(map.as_deref().unwrap_or_default(), &known)?;
    let body = body?;
    let campaign = super::find(&state, &id).await?;
    let read = tokio::task::spawn_blocking(move || read(&file, &body, &map)).await;
    let read = read.map_err(|error| {
        tracing::error!(%error, "closed tickets could not be read");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed; see its log")
    })?;
    let tickets = read.map_err(|TableFaults(faults)| {
        let detail = format!("nothing was taken: {} mistakes, see each row", faults.len());
        let told: Vec<_> = faults.iter().take(MISTAKES_MAX).map(mistake).collect();
        Problem { errors: told.into(), ..Problem::invalid("body", detail) }
    })?;
    if tickets.is_empty() {
        return Err(Problem::invalid("body", "the table has no rows"));
    }
    campaigns::take_in(&state, &campaign, tickets, &who.name, None).await.map(Json)
}

fn read(
    file: &str,
    bytes: &[u8],
    map: &[(String, String)],
) -> Result<Vec<ClosedTicket>, TableFaults> {
    let table = qingting_workbook::table(file, bytes).map_err(|fault| TableFaults(vec![fault]))?;
    intake::from_table(&table, map)
}
