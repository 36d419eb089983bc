//! What a span of days had: counts, topics that rise, and sheets of both.

mod counts;
mod sheet;
mod topics;

pub use sheet::{SheetError, SheetFormat, SheetSpan, sheet};

use crate::auth::Principal;
use crate::{ApiState, Problem, clock};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use counts::Insight;
use qingting_common::UnixMillis;
use qingting_nlu::rising::WEEKS;
use qingting_store::{Store, StoreError, china};
use qingting_workbook::report::ReportFont;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use topics::Rising;
use utoipa::{IntoParams, ToSchema};

/// Days of one span.
const DAYS_MAX: i64 = 400;
const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
/// Tickets that a request reads itself, should the server's own reading be behind.
pub(crate) const READ_AT_ONCE_MAX: u32 = 2_000;
/// Tickets of a span that are looked through for topics.
const TOPIC_TICKETS_MAX: u32 = 50_000;

/// Gives the district of a place, or an empty text.
pub type DistrictOf = Arc<dyn Fn(&str) -> String + Send + Sync>;

impl ApiState {
    pub(crate) fn district_of(&self) -> DistrictOf {
        let locate = Arc::clone(&self.locate);
        Arc::new(move |place| locate(place).district().unwrap_or_default().to_owned())
    }
}

/// Which days.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SpanQuery {
    /// The first day in China, `YYYY-MM-DD`; today when absent.
    from: Option<String>,
    /// The last day; the first when absent. At most 400 days.
    to: Option<String>,
}

/// Counts of calls and tickets over days of China. Every call and every own ticket of the span is counted once in
/// each breakdown: what is not filled or not certain has a group of its own, so that all of them have the same sum.
/// Tickets belong to the day on which they were made.
#[utoipa::path(get, path = "/api/v1/insight", params(SpanQuery),
    responses((status = 200, body = Insight), (status = 400, body = Problem)))]
pub(crate) async fn counted(
    State(state): State<ApiState>,
    query: Result<Query<SpanQuery>, QueryRejection>,
) -> Result<Json<Insight>, Problem> {
    let Query(query) = query?;
    let from = match &query.from {
        Some(text) => day("from", text)?,
        None => china::midnight_before(clock::now()),
    };
    let last = query.to.as_deref().map_or(Ok(from), |text| day("to", text))?;
    let days = (last.0 - from.0) / DAY_MS + 1;
    if !(1..=DAYS_MAX).contains(&days) {
        let detail = format!("to: 1 to {DAYS_MAX} days, the last not before the first");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail).of_field("to"));
    }
    Ok(Json(count(&state.store, &state.district_of(), from, UnixMillis(last.0 + DAY_MS)).await?))
}

async fn count(
    store: &Store,
    district_of: &DistrictOf,
    from: UnixMillis,
    to: UnixMillis,
) -> Result<Insight, StoreError> {
    let unread = store.read_facts(&**district_of, READ_AT_ONCE_MAX).await?;
    let calls = store.count_calls(from, to).await?;
    let tickets = store.count_tickets(from, to).await?;
    Ok(Insight::of(from, to, &calls, &tickets, unread))
}

/// The time that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Window {
    /// The last 60 minutes.
    Hour,
    /// Since midnight in China.
    Day,
}

/// Which time.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RisingQuery {
    /// The last hour, or the day so far; the day when absent.
    #[param(inline)]
    window: Option<Window>,
    /// Until when, in Unix milliseconds; now when absent.
    at: Option<i64>,
}

/// Topics with far more tickets than the same hours of the same weekday in the past eight weeks, the most surprising
/// first, each with the tickets behind it. A hint for people: it knows of no feast day and no weather.
#[utoipa::path(get, path = "/api/v1/insight/rising", params(RisingQuery),
    responses((status = 200, body = Rising), (status = 400, body = Problem)))]
pub(crate) async fn rising(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    query: Result<Query<RisingQuery>, QueryRejection>,
) -> Result<Json<Rising>, Problem> {
    let Query(query) = query?;
    let now = clock::now();
    let at = query.at.map_or(now, UnixMillis);
    if !(0..=now.0).contains(&at.0) {
        let detail = "at: Unix milliseconds that are not in the future";
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail).of_field("at"));
    }
    let from = match query.window.unwrap_or(Window::Day) {
        Window::Hour => UnixMillis(at.0 - HOUR_MS),
        Window::Day => china::midnight_before(at),
    };
    // A page that stays open asks every minute: it is one reading.
    if query.at.is_some() || state.lookers.is_new(&who.name, now) {
        let span = format!("{}..{}", from.0, at.0);
        state.store.audit(&who.name, "rising.read", &span).await?;
    }
    Ok(Json(compare(&state.store, &state.district_of(), from, at).await?))
}

/// So long somebody's looking at what rises now is one reading in the audit.
const LOOK_MS: i64 = HOUR_MS;
/// Lookers that are remembered; those that are forgotten are written once more.
const LOOKERS_MAX: usize = 1_000;

/// When somebody's looking at what rises was last written into the audit.
#[derive(Default)]
pub(crate) struct Lookers(Mutex<HashMap<String, i64>>);

impl Lookers {
    fn is_new(&self, name: &str, now: UnixMillis) -> bool {
        let mut lookers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lookers.retain(|_, at| (0..LOOK_MS).contains(&(now.0 - *at)));
        if lookers.contains_key(name) {
            return false;
        }
        if lookers.len() < LOOKERS_MAX {
            lookers.insert(name.to_owned(), now.0);
        }
        true
    }
}

async fn compare(
    store: &Store,
    district_of: &DistrictOf,
    from: UnixMillis,
    to: UnixMillis,
) -> Result<Rising, StoreError> {
    store.read_facts(&**district_of, READ_AT_ONCE_MAX).await?;
    let now = store.counted_tickets(from, to, TOPIC_TICKETS_MAX).await?;
    let first = store.first_ticket_at().await?.unwrap_or(to);
    let mut weeks = Vec::with_capacity(WEEKS);
    for week in 1..=WEEKS as i64 {
        let back = |at: UnixMillis| UnixMillis(at.0 - week * 7 * DAY_MS);
        // A week that is not whole in the database says nothing.
        if back(from) < first {
            break;
        }
        weeks.push(store.count_topics(back(from), back(to)).await?);
    }
    Ok(Rising::of(from, to, now, &weeks))
}

/// Which sheet.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SheetQuery {
    /// A day in China, `YYYY-MM-DD`: the day, the week from Monday on or the month that it is in; today when absent.
    date: Option<String>,
    /// `csv`, `xlsx` or `pdf`; `xlsx` when absent.
    #[param(inline)]
    format: Option<SheetFormat>,
}

/// The sheet of a day, a week or a month to save: the counts of that span, and for days and weeks the topics that rose.
#[utoipa::path(get, path = "/api/v1/reports/{span}",
    params(("span" = inline(SheetSpan), Path, description = "`day`, `week` or `month`"), SheetQuery),
    responses((status = 200, content(
        (String = "text/csv"),
        (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (Vec<u8> = "application/pdf"))),
    (status = 400, body = Problem), (status = 404, body = Problem),
    (status = 409, description = "A PDF needs a font that this server lacks", body = Problem)))]
pub(crate) async fn report(
    State(state): State<ApiState>,
    Extension(who): Extension<Principal>,
    Path(span): Path<String>,
    query: Result<Query<SheetQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let span = span.parse::<SheetSpan>().map_err(|_| Problem::not_found("sheet of that name"))?;
    let Query(query) = query?;
    let date = query.date.as_deref().map_or(Ok(clock::now()), |text| day("date", text))?;
    let format = query.format.unwrap_or(SheetFormat::Xlsx);
    let (from, _) = span.around(date);
    if from > clock::now() {
        let detail = "date: it lies ahead";
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail).of_field("date"));
    }
    let name = format!("{}-{}.{}", span.as_str(), china::of(from).day_text(), format.as_str());
    state.store.audit(&who.name, "report.export", &name).await?;
    let fonts = Arc::clone(&state.report_fonts);
    let bytes = sheet(&state.store, &state.district_of(), span, date, format, fonts).await;
    let bytes = bytes.map_err(|error| match error {
        SheetError::Store(error) => Problem::from(error),
        SheetError::Font(error) => {
            tracing::warn!(%error, "no PDF can be written");
            let detail = "生成 PDF 需要中文字体：请在服务器上安装 fonts-noto-cjk（apt-get install fonts-noto-cjk），或在 [reports] font 中指明字体文件";
            Problem::new(StatusCode::CONFLICT, detail).of_field("format")
        }
        SheetError::Write(error) => {
            tracing::error!(%error, "a sheet cannot be written");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed; see its log")
        }
    })?;
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    if let Ok(value) = format!("attachment; filename=\"{name}\"").parse() {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// Where a server looks for a font unless it is told one.
pub(crate) fn usual_fonts() -> Arc<[std::path::PathBuf]> {
    ReportFont::usual().into()
}

/// Midnight of a day `YYYY-MM-DD`.
fn day(parameter: &str, text: &str) -> Result<UnixMillis, Problem> {
    parse_day(text).ok_or_else(|| {
        let detail = format!("{parameter}: a day such as 2026-11-26");
        Problem::new(StatusCode::BAD_REQUEST, detail).of_field(parameter)
    })
}

/// Midnight in China of a day `YYYY-MM-DD`; none where it is none.
pub fn parse_day(text: &str) -> Option<UnixMillis> {
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = text.splitn(3, '-');
    let mut next = |digits: usize| {
        let part = parts.next().filter(|part| part.len() == digits && is_digits(part))?;
        part.parse().ok()
    };
    china::midnight(next(4)?, next(2)?, next(2)?)
}
