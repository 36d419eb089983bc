//! Who looked at or did what, for the administrator.

use crate::calls::page_limit;
use crate::{ApiState, Problem};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use qingting_store::{AuditEntry, AuditQuery};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which lines.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// The `next` of the page before.
    before: Option<i64>,
    /// Rows, 1 to 500; 50 when absent.
    limit: Option<u32>,
    /// Lines on this alone: the id of a call, a ticket or a key, or an extension.
    subject: Option<String>,
}

/// A page of the audit, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditPage {
    lines: Vec<AuditView>,
    /// `before` of the next page; absent on the last.
    next: Option<i64>,
}

/// One line of the audit.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditView {
    id: i64,
    at: i64,
    /// A key's name, `admin`, or a seat's extension.
    by: String,
    /// What, e.g. `call.list`, `call.read`, `call.export`, `call.transfer`, `transcript.read`,
    /// `recording.read`, `report.export`, `rising.read`, `ticket.list`, `ticket.search`, `missed.call_back`, `seat.change`, `duty.replace`,
    /// `session.open`, `key.revoke`, `outbox.retry`.
    action: String,
    /// An id, an extension or a filter; of a page of tickets, the newest id and the oldest,
    /// `newest..oldest`, behind what was looked for: of a telephone number its end, and no words; of a recording
    /// the call and behind it the track and the bytes that were given: `ID track 1.0 bytes 0-65535/1920044`.
    subject: String,
}

/// Who looked at or did what, newest first. Edits of tickets are in their revisions.
#[utoipa::path(get, path = "/api/v1/audit", params(ListQuery),
    responses((status = 200, body = AuditPage), (status = 400, body = Problem)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<AuditPage>, Problem> {
    let Query(query) = query?;
    let limit = page_limit(query.limit)?;
    let wanted = AuditQuery { before: query.before, limit, subject: query.subject };
    let lines = state.store.audit_lines(&wanted).await?;
    let next = (lines.len() == limit as usize).then(|| lines.last().map(|line| line.id));
    Ok(Json(AuditPage { lines: lines.into_iter().map(view).collect(), next: next.flatten() }))
}

fn view(line: AuditEntry) -> AuditView {
    let AuditEntry { id, at, by, action, subject } = line;
    AuditView { id, at: at.0, by, action, subject }
}
