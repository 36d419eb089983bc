//! Quality checks (质检): findings as a list, of a call, summed up, and what people say to them.
//!
//! **A finding is a proposal until a person reviews it.** A seat has its own results: with words those of today, as of
//! calls, and counts of any time. Roles without whole sight get no quotes: a name that is only spoken cannot be told
//! from other words.

mod view;

use crate::auth::Principal;
use crate::calls::{page_limit, short};
use crate::problem::parameter;
use crate::revision::{Seen, stale, tag};
use crate::sight::Sight;
use crate::{ApiState, Problem, access, clock};
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::ETAG;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use qingting_common::{CallId, Pii, UnixMillis};
use qingting_nlu::quality::Kind;
use qingting_store::{
    FindingState, QualityCursor, QualityFinding, QualityQuery, ReviewError, Verdict, china,
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use view::{CallQuality, FindingView, QualityPage, QualitySummary};

/// Which findings.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// The `next` of the page before.
    before: Option<String>,
    /// Rows, 1 to 500; 50 when absent.
    limit: Option<u32>,
    /// Of calls that started at this time or later, in Unix milliseconds.
    from: Option<i64>,
    /// Of calls that started before this time, in Unix milliseconds.
    to: Option<i64>,
    /// Of this seat.
    seat: Option<String>,
    /// Of calls of this queue.
    queue: Option<String>,
    /// `greeting`, `closing`, `silence`, `talk_over`, `forbidden`, `pace` or `hold`.
    kind: Option<String>,
    /// `proposed`, `confirmed` or `rejected`.
    state: Option<String>,
}

/// The same without pages.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SummaryQuery {
    /// Of calls that started at this time or later, in Unix milliseconds.
    from: Option<i64>,
    /// Of calls that started before this time, in Unix milliseconds.
    to: Option<i64>,
    /// Of this seat.
    seat: Option<String>,
    /// Of calls of this queue.
    queue: Option<String>,
    /// `greeting`, `closing`, `silence`, `talk_over`, `forbidden`, `pace` or `hold`.
    kind: Option<String>,
    /// `proposed`, `confirmed` or `rejected`.
    state: Option<String>,
}

/// What a person says to a finding.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VerdictName {
    /// It is so.
    Confirm,
    /// It is not: it takes nothing from the score any more.
    Reject,
}

/// A person's word.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewReview {
    verdict: VerdictName,
    /// At most 500 characters.
    #[serde(default)]
    remark: String,
    /// The revision that was seen, where `If-Match` does not say it.
    revision: Option<i64>,
}

fn named<T: Copy>(
    field: &'static str,
    name: Option<&str>,
    all: &[T],
    of: fn(T) -> &'static str,
) -> Result<Option<T>, Problem> {
    let Some(name) = name else { return Ok(None) };
    let found = all.iter().copied().find(|one| of(*one) == name);
    found.map(Some).ok_or_else(|| {
        let names = all.iter().map(|one| of(*one)).collect::<Vec<_>>().join(", ");
        let detail = format!("{field} must be one of {names}");
        Problem::new(StatusCode::BAD_REQUEST, detail).of_field(field)
    })
}

impl SummaryQuery {
    /// For whoever asks: a seat has its own.
    fn of(self, who: &Principal) -> Result<QualityQuery, Problem> {
        self.queue.as_deref().map_or(Ok(()), |name| short("queue", name))?;
        self.seat.as_deref().map_or(Ok(()), |name| short("seat", name))?;
        Ok(QualityQuery {
            before: None,
            limit: 0,
            from: self.from.map(UnixMillis),
            to: self.to.map(UnixMillis),
            seat: who.seat_alone().map(str::to_owned).or(self.seat),
            queue: self.queue,
            kind: named("kind", self.kind.as_deref(), &Kind::ALL, Kind::as_str)?,
            state: named("state", self.state.as_deref(), &FindingState::ALL, FindingState::as_str)?,
        })
    }
}

/// Findings of quality checks, those of the newest calls first. A seat gets its own of today.
#[utoipa::path(get, path = "/api/v1/quality", params(ListQuery),
    responses((status = 200, body = QualityPage), (status = 400, body = Problem)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<QualityPage>, Problem> {
    let Query(query) = query?;
    let limit = page_limit(query.limit)?;
    let before: Option<QualityCursor> =
        query.before.as_deref().map(|text| parameter("before", text)).transpose()?;
    let ListQuery { from, to, seat, queue, kind, state: of, .. } = query;
    let mut wanted = SummaryQuery { from, to, seat, queue, kind, state: of }.of(&who)?;
    (wanted.before, wanted.limit) = (before, limit);
    if who.seat_alone().is_some() {
        let today = china::midnight_before(clock::now());
        wanted.from = Some(wanted.from.map_or(today, |from| UnixMillis(from.0.max(today.0))));
    }
    state.store.audit(&who.name, "quality.list", &filter(&wanted)).await?;
    let rows = state.store.quality(&wanted).await?;
    let next = rows.last().filter(|_| rows.len() == limit as usize);
    let next = next.map(|row| row.cursor().to_string());
    let sight = Sight::of(who.role);
    let findings = rows.into_iter().map(|row| view::finding(row, sight)).collect();
    Ok(Json(QualityPage { findings, next }))
}

/// The same findings summed up by seat and kind. A seat gets its own.
#[utoipa::path(get, path = "/api/v1/quality/summary", params(SummaryQuery),
    responses((status = 200, body = QualitySummary), (status = 400, body = Problem)))]
pub(crate) async fn summary(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    query: Result<Query<SummaryQuery>, QueryRejection>,
) -> Result<Json<QualitySummary>, Problem> {
    let Query(query) = query?;
    let wanted = query.of(&who)?;
    state.store.audit(&who.name, "quality.summary", &filter(&wanted)).await?;
    let seats = state.store.quality_summary(&wanted).await?;
    Ok(Json(QualitySummary::of(seats, state.store.quality_waiting().await?)))
}

/// What the check of a call came to: its score, what was measured, and its findings by time. A seat gets its own
/// findings.
#[utoipa::path(get, path = "/api/v1/calls/{id}/quality", params(("id" = String, Path)),
    responses((status = 200, body = CallQuality), (status = 400, body = Problem),
    (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn of_call(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Json<CallQuality>, Problem> {
    let call = access::call(&state, &who, &id).await?;
    state.store.audit(&who.name, "quality.read", &call.id.to_string()).await?;
    let (check, mut findings) = state.store.quality_of(call.id).await?;
    if let Some(own) = who.seat_alone() {
        findings.retain(|finding| finding.seat == own);
    }
    Ok(Json(view::call(check, findings, Sight::of(who.role))))
}

/// Confirms or rejects a finding; no later check changes it. Who names the revision that was seen learns when somebody
/// else was first.
#[utoipa::path(post, path = "/api/v1/calls/{id}/quality/{finding}/review",
    params(("id" = String, Path), ("finding" = String, Path)), request_body = NewReview,
    responses((status = 200, body = FindingView), (status = 400, body = Problem),
    (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn review(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path((id, finding)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Json<NewReview>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body?;
    let call: CallId = parameter("id", &id)?;
    let finding: Uuid = parameter("finding", &finding)?;
    let seen = Seen::read(&headers, body.revision)?;
    let verdict = match body.verdict {
        VerdictName::Confirm => Verdict::Confirm,
        VerdictName::Reject => Verdict::Reject,
    };
    let remark = Pii::new(body.remark.trim().to_owned());
    let revision = seen.map(|seen| seen.revision);
    let store = &state.store;
    let reviewed = store.review_quality(call, finding, revision, verdict, remark, &who.name).await;
    let row: QualityFinding = reviewed.map_err(|error| refused(seen, error))?;
    let etag = tag(row.revision);
    Ok(([(ETAG, etag)], Json(view::finding(row, Sight::of(who.role)))).into_response())
}

fn refused(seen: Option<Seen>, error: ReviewError) -> Problem {
    let detail = error.to_string();
    match error {
        ReviewError::NotFound => Problem::not_found("finding"),
        ReviewError::StaleRevision { current } => stale(seen, current, detail),
        ReviewError::Remark => Problem::invalid("remark", detail),
        ReviewError::Store(error) => error.into(),
    }
}

/// The filter as the audit keeps it.
fn filter(query: &QualityQuery) -> String {
    let parts = [
        ("before", query.before.map(|before| before.to_string())),
        ("from", query.from.map(|at| at.0.to_string())),
        ("to", query.to.map(|at| at.0.to_string())),
        ("seat", query.seat.clone()),
        ("queue", query.queue.clone()),
        ("kind", query.kind.map(|kind| kind.as_str().to_owned())),
        ("state", query.state.map(|state| state.as_str().to_owned())),
    ];
    let given = parts.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
    let text = given.collect::<Vec<_>>().join("&");
    if text.is_empty() { "all".to_owned() } else { text }
}
