//! The call records as a table.

use super::filter;
use crate::access::forbidden;
use crate::auth::Principal;
use crate::sight::{CONFIDENTIAL, masked_number};
use crate::table::{self, Table};
use crate::{ApiState, Problem};
use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use futures_util::stream;
use qingting_common::{CallId, UnixMillis};
use qingting_store::{CallQuery, CallRow, Direction, PAGE_ROWS_MAX, Role, Store, china};
use serde::Deserialize;
use std::io;
use utoipa::IntoParams;

const COLUMNS: [&str; 21] = [
    "工单编号",
    "通话编号",
    "方向",
    "市民号码",
    "热线号码",
    "号码名称",
    "企业",
    "来电时间",
    "应答时间",
    "结束时间",
    "队列",
    "排队秒数",
    "通话秒数",
    "首接座席",
    "未接原因",
    "挂断方",
    "结束原因",
    "SIP状态码",
    "录音秒数",
    "录音不完整",
    "MOS",
];

/// Which calls.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportQuery {
    /// Calls that started at this time or later, in Unix milliseconds.
    from: Option<i64>,
    /// Calls that started before this time, in Unix milliseconds.
    to: Option<i64>,
    /// Whole numbers of citizens instead of `138****8000`; for the administrator. A confidential citizen's is `保密`
    /// all the same.
    #[serde(default)]
    numbers: bool,
}

/// Call records as a table for spreadsheets, newest first: UTF-8 with a mark, times in China. Running
/// calls are in it without their end.
#[utoipa::path(get, path = "/api/v1/calls.csv", params(ExportQuery),
    responses((status = 200, content_type = "text/csv", body = String),
    (status = 400, body = Problem)))]
pub(crate) async fn csv(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    query: Result<Query<ExportQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query?;
    if query.numbers && who.role != Role::Admin {
        return Err(forbidden("only the administrator gets whole numbers").of_field("numbers"));
    }
    let wanted = CallQuery {
        limit: PAGE_ROWS_MAX,
        from: query.from.map(UnixMillis),
        to: query.to.map(UnixMillis),
        ..CallQuery::default()
    };
    let shown = if query.numbers { "numbers&" } else { "" };
    state.store.audit(&who.name, "call.export", &format!("{shown}{}", filter(&wanted))).await?;
    let mut head = Table::with_mark();
    head.row(COLUMNS)?;
    let pages = Pages { store: state.store, wanted, numbers: query.numbers, head: Some(head) };
    let body = Body::from_stream(stream::try_unfold(Some(pages), |pages| async {
        let Some(pages) = pages else { return Ok(None) };
        pages.next().await.map(Some)
    }));
    Ok(table::answer("calls.csv", body))
}

/// The table piece by piece, so that a year of calls needs no more memory than a page.
struct Pages {
    store: Store,
    wanted: CallQuery,
    numbers: bool,
    head: Option<Table>,
}

impl Pages {
    /// The next piece, and what comes after it.
    async fn next(mut self) -> io::Result<(Vec<u8>, Option<Self>)> {
        let rows = self.store.calls(&self.wanted).await.map_err(|error| {
            tracing::error!(%error, "an export breaks off");
            io::Error::other("the database failed")
        })?;
        let mut table = self.head.take().unwrap_or_else(Table::more);
        for row in &rows {
            table
                .row(cells(row, self.numbers))
                .map_err(|problem| io::Error::other(problem.detail))?;
        }
        let bytes = table.into_bytes().map_err(|problem| io::Error::other(problem.detail))?;
        self.wanted.before = rows.last().map(|row| row.id);
        let is_last = rows.len() < self.wanted.limit as usize;
        Ok((bytes, (!is_last).then_some(self)))
    }
}

fn cells(row: &CallRow, numbers: bool) -> [String; 21] {
    let time = |at: Option<UnixMillis>| at.map(|at| china::of(at).to_string()).unwrap_or_default();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let seconds = |ms: Option<u64>| ms.map(|ms| (ms / 1_000).to_string()).unwrap_or_default();
    let yes = |yes: bool| if yes { "是" } else { "" }.to_owned();
    let talked = row.answered_at.zip(row.ended_at);
    let talked = talked.map(|(from, to)| u64::try_from(to.0 - from.0).unwrap_or_default());
    let recording = row.recording.as_ref();
    let mos = row.quality.as_ref().and_then(|quality| quality.mos);
    let caller = row.caller.expose();
    [
        row.ticket_number.clone().unwrap_or_default(),
        id(row.id),
        direction(row.direction).to_owned(),
        match (row.confidential, numbers) {
            (true, _) => CONFIDENTIAL.to_owned(),
            (false, true) => caller.clone(),
            (false, false) => masked_number(caller),
        },
        row.called.clone(),
        text(&row.number_name),
        yes(row.enterprise),
        time(Some(row.started_at)),
        time(row.answered_at),
        time(row.ended_at),
        text(&row.queue),
        seconds(row.queue_wait_ms),
        seconds(talked),
        text(&row.seat),
        text(&row.missed),
        text(&row.hung_up_by),
        text(&row.cause),
        row.sip_code.map(|code| code.to_string()).unwrap_or_default(),
        seconds(recording.and_then(|info| info.duration_ms)),
        yes(recording.is_some_and(|info| info.incomplete)),
        mos.map(|mos| format!("{mos:.2}")).unwrap_or_default(),
    ]
}

fn id(call: CallId) -> String {
    call.to_string()
}

const fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "呼入",
        Direction::Outbound => "呼出",
        Direction::Callback => "回拨",
    }
}
