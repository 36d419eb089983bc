//! The log of changes, for machines: calls, tickets and follow-ups as CloudEvents, in their order, from a cursor.
//!
//! **Whoever asks on with the `next` of the answer before gets every change once and in order**, across crashes of
//! either side; what was deleted unread is told with 410. The answer is signed as messages to the ticket system
//! are. No citizen's data are in it ([`qingting_tickets::feed`]).

use crate::problem::parameter;
use crate::server::Connection;
use crate::{ApiState, Problem, clock};
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use qingting_store::{LogPage, OutboxRow, PAGE_ROWS_MAX};
use qingting_tickets::feed::{KINDS, is_known, is_of};
use qingting_tickets::signature::{SIGNATURE_HEADER, TIMESTAMP_HEADER};
use qingting_tickets::{Change, CloudEvent, Secrets};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use utoipa::{IntoParams, ToSchema};

/// Longest wait for a change, in seconds: the answer begins before the interface's own limit.
const WAIT_S_MAX: u64 = 25;
/// How often it is looked for changes meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Requests that wait at the same time; who comes when so many do is answered at once.
const WAITING_MAX: usize = 64;
/// Pages without a wanted change that one request reads at most.
const PAGES_MAX: usize = 20;
const LIMIT_DEFAULT: u32 = 100;

/// What the log is told with.
#[derive(Clone)]
pub struct Feed {
    /// What answers are signed with; without it they are not.
    pub secrets: Option<Secrets>,
    /// The name of this hotline (CloudEvents `source`).
    pub source: String,
    waiting: Arc<Semaphore>,
}

impl Feed {
    /// A log that is told under this name.
    pub fn new(source: impl Into<String>, secrets: Option<Secrets>) -> Self {
        Self { secrets, source: source.into(), waiting: Arc::new(Semaphore::new(WAITING_MAX)) }
    }
}

impl Default for Feed {
    fn default() -> Self {
        Self::new("qingting", None)
    }
}

/// A row of the log as a change.
pub fn change(row: OutboxRow) -> Change {
    Change {
        sequence: row.id,
        key: row.key,
        kind: row.kind,
        subject: row.stream,
        at: row.created_at,
        payload: row.payload,
    }
}

/// Which changes.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FeedQuery {
    /// The `next` of the answer before, or an event's `sequence`; absent: from the oldest that is kept.
    after: Option<String>,
    /// Changes looked at, 1 to 500; 100 when absent.
    limit: Option<u32>,
    /// Seconds to wait for a change when there is none, 0 to 25; 0 when absent.
    wait: Option<u64>,
    /// Kinds, or beginnings with a star, with commas: `ticket.*,call.ended`. Absent: all.
    kinds: Option<String>,
}

/// Changes, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct FeedPage {
    /// CloudEvents 1.0.
    #[schema(value_type = Vec<ChangeEvent>)]
    events: Vec<CloudEvent>,
    /// `after` of the next request, also where there are no events.
    next: String,
}

/// A change of a call, ticket or follow-up: a CloudEvent.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the CloudEvent of another crate")]
pub(crate) struct ChangeEvent {
    /// `1.0`.
    specversion: String,
    /// The same for each telling, and of no other change.
    id: String,
    /// This hotline's name.
    source: String,
    /// Such as `qingting.ticket.confirmed`.
    r#type: String,
    /// The call or ticket whose changes these are.
    subject: String,
    /// RFC 3339, in China's time.
    time: String,
    datacontenttype: String,
    /// Its place in the log.
    sequence: String,
    /// Ids and states, by kind (docs/feed.md).
    #[schema(value_type = Object)]
    data: (),
}

/// Every change of calls, tickets and follow-ups in its order, as CloudEvents with ids and states and nothing of
/// a citizen. Ask on with `next`: nothing is missed and nothing comes twice. `X-Qingting-Timestamp` and
/// `X-Qingting-Signature` sign the body. Changes are kept for 30 days at least; 410 when those behind `after` are
/// gone.
#[utoipa::path(get, path = "/api/v1/feed", params(FeedQuery),
    responses((status = 200, body = FeedPage), (status = 400, body = Problem),
    (status = 410, body = Problem)))]
pub(crate) async fn read(
    State(state): State<ApiState>,
    connection: Option<Extension<Connection>>,
    query: Result<Query<FeedQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query?;
    let wanted = Wanted::of(&query)?;
    let (mut events, mut next) = wanted.some(&state, wanted.after).await?;
    let place = state.feed.waiting.try_acquire();
    if events.is_empty() && !wanted.wait.is_zero() && place.is_ok() {
        let stopping = async {
            match connection {
                Some(Extension(mut connection)) => connection.stopping().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            found = tokio::time::timeout(wanted.wait, wanted.wait_for_some(&state, next)) => {
                if let Ok(found) = found {
                    (events, next) = found?;
                }
            }
            () = stopping => {}
        }
    }
    answer(&state.feed, &FeedPage { events, next: next.to_string() })
}

struct Wanted {
    after: Option<i64>,
    limit: u32,
    wait: Duration,
    kinds: Option<Vec<String>>,
}

impl Wanted {
    fn of(query: &FeedQuery) -> Result<Self, Problem> {
        let invalid = |field: &str, detail: String| {
            Err(Problem::new(StatusCode::BAD_REQUEST, detail).of_field(field))
        };
        let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=PAGE_ROWS_MAX).contains(&limit) {
            return invalid("limit", format!("limit must be 1 to {PAGE_ROWS_MAX}"));
        }
        let wait = query.wait.unwrap_or_default();
        if wait > WAIT_S_MAX {
            return invalid("wait", format!("wait must be 0 to {WAIT_S_MAX} seconds"));
        }
        let after: Option<i64> =
            query.after.as_deref().map(|text| parameter("after", text)).transpose()?;
        if after.is_some_and(|after| after < 0) {
            return invalid("after", "after is the next of an earlier answer".to_owned());
        }
        let kinds = query
            .kinds
            .as_deref()
            .map(|text| text.split(',').map(|kind| kind.trim().to_owned()).collect::<Vec<_>>());
        if let Some(kind) = kinds.iter().flatten().find(|kind| !is_known(kind)) {
            let known: Vec<_> = KINDS.iter().map(|(kind, _)| *kind).collect();
            let detail = format!("there is no kind {kind:?}; there are {}", known.join(", "));
            return invalid("kinds", detail);
        }
        Ok(Self { after, limit, wait: Duration::from_secs(wait), kinds })
    }

    /// The next page with a change that is wanted, or the end of the log, and where to go on.
    async fn some(
        &self,
        state: &ApiState,
        mut after: Option<i64>,
    ) -> Result<(Vec<CloudEvent>, i64), Problem> {
        for _ in 1..PAGES_MAX {
            let (events, next, is_end) = self.page(state, after).await?;
            if is_end || !events.is_empty() {
                return Ok((events, next));
            }
            after = Some(next);
        }
        let (events, next, _) = self.page(state, after).await?;
        Ok((events, next))
    }

    async fn page(
        &self,
        state: &ApiState,
        after: Option<i64>,
    ) -> Result<(Vec<CloudEvent>, i64, bool), Problem> {
        let (rows, next) = match state.store.log(after, self.limit).await? {
            LogPage::Rows { rows, next } => (rows, next),
            LogPage::Gone => {
                let detail = "what follows after is deleted, or it is of another log: ask without after for \
                    the oldest that is kept, and read what you lack by its id";
                return Err(Problem::new(StatusCode::GONE, detail).of_field("after"));
            }
        };
        let is_end = rows.len() < self.limit as usize;
        let is_wanted =
            |row: &OutboxRow| self.kinds.as_ref().is_none_or(|kinds| is_of(kinds, &row.kind));
        let told = rows.into_iter().filter(is_wanted);
        Ok((told.map(|row| change(row).told(&state.feed.source)).collect(), next, is_end))
    }

    async fn wait_for_some(
        &self,
        state: &ApiState,
        mut after: i64,
    ) -> Result<(Vec<CloudEvent>, i64), Problem> {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let (events, next) = self.some(state, Some(after)).await?;
            if !events.is_empty() {
                return Ok((events, next));
            }
            after = next;
        }
    }
}

fn answer(feed: &Feed, page: &FeedPage) -> Result<Response, Problem> {
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "the log cannot be told");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed; see its log")
    };
    let body = serde_json::to_vec(page).map_err(|error| failed(&error))?;
    let signed = feed.secrets.as_ref().map(|secrets| secrets.sign(&body, clock::now()));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(signed) = signed {
        for (name, value) in
            [(TIMESTAMP_HEADER, signed.timestamp), (SIGNATURE_HEADER, signed.signature)]
        {
            let name = axum::http::HeaderName::from_bytes(name.as_bytes());
            let name = name.map_err(|error| failed(&error))?;
            headers.insert(name, HeaderValue::from_str(&value).map_err(|error| failed(&error))?);
        }
    }
    Ok(response)
}
